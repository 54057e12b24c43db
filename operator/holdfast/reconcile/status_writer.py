"""Writes the status of a DatabaseBackup, only what has changed of it, and the Event that goes with it."""

from collections.abc import Callable
from datetime import datetime

import structlog

from holdfast.api.backup import DatabaseBackupStatus
from holdfast.decide.decision import Announcement
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import Conflict, NotFound
from holdfast.kube.events import EventRecorder, ObjectRef
from holdfast.kube.kinds import BACKUPS
from holdfast.reconcile.cache import Cache, Resource
from holdfast.reconcile.patches import merge_patch

log = structlog.get_logger(__name__)


class StatusWriter:
    """The one way to a backup's status."""

    def __init__(
        self, cache: Cache, client: KubeClient, recorder: EventRecorder, now: Callable[[], datetime]
    ) -> None:  # fmt: skip
        """Take where it writes to, and the clock."""
        self._cache, self._client, self._recorder, self._now = cache, client, recorder, now
        self._claimed: dict[str, set[str]] = {}

    def claimed(self, namespace: str) -> set[str]:
        """Return the ids of backups that are on their way into a status, in one namespace."""
        return self._claimed.get(namespace, set())

    async def write(self, resource: Resource, status: DatabaseBackupStatus, said: Announcement | None) -> bool:
        """Write what changed, if anything did, and return whether to look again: whoever was faster wins."""
        patch = merge_patch(resource.status, status.to_dict())
        if not patch:
            return False
        claimed = self._claimed.setdefault(resource.namespace, set())
        identifier = patch.get("backupID", "")
        claimed.add(identifier)  # so that no other backup of this second takes it while it is being written
        body = {"metadata": {"resourceVersion": resource.resource_version}, "status": patch}
        try:
            answer = await self._client.patch(BACKUPS, resource.namespace, resource.name, body, subresource="status")
        except Conflict:
            await self._refresh(resource)
            return True
        except NotFound:
            return False
        finally:
            claimed.discard(identifier)
        self._cache.put(BACKUPS, answer)
        log.info("Status written", phase=status.phase, message=status.message)
        if said:
            about = ObjectRef(BACKUPS, resource.namespace, resource.name, resource.uid)
            await self._recorder.record(
                about, "Warning" if said.warning else "Normal", said.reason, said.message, self._now()
            )
        return True

    async def _refresh(self, resource: Resource) -> None:
        try:
            self._cache.put(BACKUPS, await self._client.get(BACKUPS, resource.namespace, resource.name))
        except NotFound:
            return  # its deletion is an event of its own
