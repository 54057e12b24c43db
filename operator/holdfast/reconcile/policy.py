"""One BackupPolicy: say whether backups can be made from it, and wake those that waited for it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from holdfast.api.conditions import ConditionType, update
from holdfast.api.policy import BackupPolicySpec, BackupPolicyStatus
from holdfast.api.unreadable import explained
from holdfast.decide.resolve import image_of, resolve
from holdfast.errors import HoldfastError, Reason
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import Conflict, NotFound
from holdfast.kube.kinds import BACKUPS, POLICIES
from holdfast.reconcile.cache import Cache, Resource
from holdfast.reconcile.patches import merge_patch
from holdfast.reconcile.queue import Key, WorkQueue
from holdfast.sentences import explain
from holdfast.settings import Settings

Verdict = tuple[bool, str, str]  # ready, reason, sentence


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
            if "backupID" not in backup.status:
                self._queue.add(Key(BACKUPS.kind, backup.namespace, backup.name))
        await self._write(resource, policy_status(resource, self._settings, self._now()))
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


def policy_status(resource: Resource, settings: Settings, now: datetime) -> BackupPolicyStatus:
    """Return the status that the policy should have."""
    former = _former(resource.status)
    days, (ready, reason, sentence) = _judge(resource, settings)
    conditions = update(
        former.conditions,
        [
            (ConditionType.READY, ready, reason, sentence),
            (ConditionType.RECONCILING, False, reason, sentence),
            (ConditionType.STALLED, not ready, reason, sentence),
        ],
        resource.generation,
        now,
    )
    return BackupPolicyStatus(observed_generation=resource.generation, retention_days=days, conditions=conditions)


def _former(status: Mapping[str, Any]) -> BackupPolicyStatus:
    """Read the status that is there; one that cannot be read holds nothing that is not made anew."""
    try:
        return BackupPolicyStatus.model_validate(status)
    except ValidationError:
        return BackupPolicyStatus()


def _judge(resource: Resource, settings: Settings) -> tuple[int | None, Verdict]:
    try:
        resolved = resolve(BackupPolicySpec.model_validate(resource.spec), settings)
        image_of(resolved, settings)
    except HoldfastError as error:
        return None, (False, error.reason, explain(error))
    except ValidationError as error:
        message, remedy = explained(error, BackupPolicySpec, "spec", "correct it in this policy")
        return None, (False, Reason.INVALID_SPEC, f"{message}; {remedy}")
    days = resolved.retention.days
    return days, (True, "Ready", f"backups expire after {days} days; this version records that and deletes nothing")
