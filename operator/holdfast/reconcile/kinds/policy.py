"""One BackupPolicy: say whether backups can be made from it, and wake those that waited for it."""

from collections.abc import Callable
from datetime import datetime

from holdfast.api.policy import BackupPolicyStatus
from holdfast.decide.policy import statuses
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import Conflict, NotFound
from holdfast.kube.kinds import BACKUPS, POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.patches import merge_patch
from holdfast.reconcile.queue import Key, WorkQueue
from holdfast.reconcile.resource import Resource
from holdfast.settings import Settings


class PolicyReconciler:
    """Keeps the policy's status true. It never changes a backup that has begun."""

    def __init__(
        self, cache: Cache, client: KubeClient, queue: WorkQueue, settings: Settings, now: Callable[[], datetime]
    ) -> None:
        """Take what it reads from, writes to, and the clock."""
        self._cache, self._client, self._queue = cache, client, queue
        self._settings, self._now = settings, now

    async def reconcile(self, key: Key) -> datetime | None:
        """Write the status if it changed; nothing here falls due later."""
        resource = self._cache.policy(key.namespace, key.name)
        if resource is None or resource.deleted:
            return None
        for backup in self._cache.backups_of(key.namespace, key.name):
            if backup.backup_id is None:
                self._queue.add(Key(BACKUPS.kind, backup.namespace, backup.name))
        status = statuses.status(resource.spec, resource.status, resource.generation, self._settings, self._now())
        await self._write(resource, status)
        return None

    async def _write(self, resource: Resource, status: BackupPolicyStatus) -> None:
        patch = merge_patch(resource.status, status.to_dict())
        if not patch:
            return
        body = {"metadata": {"resourceVersion": resource.resource_version}, "status": patch}
        try:
            answer = await self._client.patch(POLICIES, resource.namespace, resource.name, body, subresource="status")
        except (Conflict, NotFound):
            return  # a newer version, or its deletion, is on its way as an event
        self._cache.put(POLICIES, answer)
