"""One DatabaseBackup: observe it, decide the next step, apply that; again, until nothing is left to do.

Each step is safe to repeat: the operator may be killed between any two of them, and the next one sees where it was.
"""

from collections.abc import Callable
from datetime import datetime

from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.api.begun import Begun
from holdfast.decide.backup import refusals
from holdfast.decide.backup.observation import Observation
from holdfast.decide.backup.steps import decide
from holdfast.decide.decision import Decision
from holdfast.decide.resolve import no_image
from holdfast.kube.client import KubeClient
from holdfast.kube.events import EventRecorder
from holdfast.kube.kinds import BACKUPS
from holdfast.manifests import methods
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.fetch import fetch
from holdfast.reconcile.job_acts import JobActs
from holdfast.reconcile.kinds.backup import Known, observe
from holdfast.reconcile.kinds.backup_jobs import owner, runner
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.status_writer import StatusWriter
from holdfast.settings import Settings

MAX_STEPS = 10  # more in one go would be a decision that never rests


class BackupReconciler:
    """Brings one DatabaseBackup a reconcile as far as it goes now."""

    def __init__(
        self,
        cache: Cache,
        client: KubeClient,
        recorder: EventRecorder,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        """Take what it reads from, writes to, and the clock."""
        self._cache, self._client, self._settings, self._now = cache, client, settings, now
        self._writer = StatusWriter(cache, client, recorder, now)
        self._acts = JobActs(cache, client, settings, now)

    async def reconcile(self, key: Key) -> datetime | None:
        """Do what is to be done now; return when to look again though no event comes. Raises KubeError."""
        known, written = Known(), None
        for _ in range(MAX_STEPS):
            resource = await self._resource(key, written)
            if resource is None:
                return None
            now = self._now()
            claimed = self._writer.claimed(resource.namespace)
            observation, unreadable = observe(self._cache, resource, known, claimed, now)
            decision = unreadable or refusals.look(observation, now) or decide(observation, self._settings, now)
            written = await self._write(resource, observation, decision)
            if written is not None:
                continue  # what is to be done rests on what stands there now, which may be somebody else's words
            learnt = await self._acts.act(observation, decision.act, known) if decision.act else None
            if learnt is None:
                return min(filter(None, (decision.due, refusals.look_again(observation))), default=None)
            known = learnt
        raise RuntimeError(f"{key.namespace}/{key.name}: no rest after {MAX_STEPS} steps")

    async def _resource(self, key: Key, written: Resource | None) -> Resource | None:
        """Return the whole backup; None where it is gone, or has settled and none of its Jobs is to be tidied up."""
        backup = self._cache.backup(key.namespace, key.name)
        if backup is None:
            return None
        if backup.whole is not None:
            return backup.whole
        if written is not None and written.resource_version == backup.resource_version:
            return written  # what made it settle; what is left are the Jobs
        if not self._cache.has_untidied_jobs(backup):
            return None
        return await fetch(self._cache, self._client, BACKUPS, key.namespace, key.name)

    async def _write(self, resource: Resource, observation: Observation, decision: Decision) -> Resource | None:
        status = self._with_restore(observation, decision.status or observation.backup.status)
        if status is observation.backup.status:
            return None
        return await self._writer.write(resource, status, decision.announcement)

    def _with_restore(self, observation: Observation, status: DatabaseBackupStatus) -> DatabaseBackupStatus:
        if status.phase is not Phase.SUCCEEDED or status.restore is not None or status.job_name is None:
            return status
        backup = observation.backup
        begun = Begun.of(backup.uid, backup.created, status)
        if no_image(begun.resolved, self._settings):
            return status  # that it succeeded is recorded all the same, and the rest once the chart has the image again
        command = methods.of(owner(backup), begun).commands(runner(begun, self._settings))
        return status.model_copy(update={"restore": command})
