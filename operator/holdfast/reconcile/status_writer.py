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
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.fetch import fetch
from holdfast.reconcile.patches import merge_patch
from holdfast.reconcile.resource import Resource

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

    async def write(
        self, resource: Resource, status: DatabaseBackupStatus, said: Announcement | None
    ) -> Resource | None:  # fmt: skip
        """Write what changed, and return what stands there then: whoever was faster wins. None: nothing is new."""
        patch = merge_patch(resource.status, status.to_dict())
        if not patch:
            return None
        claimed = self._claimed.setdefault(resource.namespace, set())
        identifier = patch.get("backupID", "")
        claimed.add(identifier)  # so that no other backup of this second takes it while it is being written
        body = {"metadata": {"resourceVersion": resource.resource_version}, "status": patch}
        try:
            answer = await self._client.patch(BACKUPS, resource.namespace, resource.name, body, subresource="status")
        except Conflict:
            return await fetch(self._cache, self._client, BACKUPS, resource.namespace, resource.name) or resource
        except NotFound:
            return None
        finally:
            claimed.discard(identifier)
        self._cache.put(BACKUPS, answer)
        log.info("Status written", phase=status.phase, message=status.message)
        if said:
            about = ObjectRef(BACKUPS, resource.namespace, resource.name, resource.uid)
            await self._recorder.record(
                about, "Warning" if said.warning else "Normal", said.reason, said.message, self._now()
            )
        return Resource.of(answer)
