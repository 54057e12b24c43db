"""What is done to a migration Job, which is not ours: it is released, once its backup is there, and told of. No more.

The right to do so is the chart's migrationGate, and its admission policy holds that nothing of a Job changes by it but
`spec.suspend`.
"""

from collections import OrderedDict
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from holdfast.decide.decision import Announcement, ReleaseJob, Tell
from holdfast.decide.migrations import MigrationJob
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import Conflict, NotFound, Refused
from holdfast.kube.events import EventRecorder, ObjectRef
from holdfast.kube.kinds import MIGRATION_JOBS
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.sight import Known

_MOST_TOLD = 1024  # Jobs of which is remembered what was told last


class Now(Protocol):
    """The clock."""

    def __call__(self) -> datetime:
        """Return the time."""


class Gatekeeper:
    """Lets Jobs go, and says why others stay."""

    def __init__(self, cache: Cache, client: KubeClient, recorder: EventRecorder, now: Now) -> None:
        """Take what it reads from and writes to, and the clock."""
        self._cache, self._client, self._recorder, self._now = cache, client, recorder, now
        self._told: OrderedDict[str, Announcement] = OrderedDict()  # by uid: what is the same is told once

    async def act(self, act: ReleaseJob | Tell, known: Known) -> Known | None:
        """Do it. Returns what is known now, or None when only an event can bring news. Raises KubeError."""
        if isinstance(act, ReleaseJob):
            return await self._release(act, known)
        await self._tell(act)
        return None

    async def _release(self, act: ReleaseJob, known: Known) -> Known:
        """Have the Job run, as it was seen: another one may have its name by now. Raises KubeError."""
        job = act.job
        patch = {"metadata": {"resourceVersion": job.resource_version}, "spec": {"suspend": False}}
        try:
            answer = await self._client.patch(MIGRATION_JOBS, job.namespace, job.name, patch)
        except NotFound:
            self._cache.migrations.remove(job.namespace, job.name, job.resource_version)
            return known
        except Conflict:
            await self._look_again(job)
            return known
        except Refused as refusal:
            return replace(known, refused={**known.refused, act.backup: refusal.message})
        self._cache.put(MIGRATION_JOBS, answer)
        said = f"DatabaseBackup {act.backup} has succeeded: Holdfast releases the Job"
        await self._tell(Tell(job, Announcement(False, "MigrationReleased", said)))
        return known

    async def _tell(self, act: Tell) -> None:
        """Tell people, unless that was the last thing that they were told of this Job."""
        job, said = act.job, act.said
        if self._told.get(job.uid) == said:
            return
        about = ObjectRef(MIGRATION_JOBS, job.namespace, job.name, job.uid)
        await self._recorder.record(
            about, "Warning" if said.warning else "Normal", said.reason, said.message, self._now()
        )
        self._told[job.uid] = said
        self._told.move_to_end(job.uid)
        if len(self._told) > _MOST_TOLD:
            self._told.popitem(last=False)

    async def _look_again(self, job: MigrationJob) -> None:
        """See what somebody else has made of it meanwhile: it may be another Job by now, or ask for no backup."""
        try:
            body = await self._client.get(MIGRATION_JOBS, job.namespace, job.name)
        except NotFound:
            self._cache.migrations.remove(job.namespace, job.name, job.resource_version)
            return
        self._cache.put(MIGRATION_JOBS, body)
