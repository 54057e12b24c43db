"""One DatabaseBackup: observe it, decide the next step, apply that; again, until nothing is left to do.

Each step is safe to repeat: the operator may be killed between any two of them, and the next one sees where it was.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from holdfast import naming
from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.decide import refusals
from holdfast.decide.backup import decide
from holdfast.decide.observation import Act, Decision, Observation
from holdfast.decide.resolve import no_image
from holdfast.decide.views import ClaimView, JobView, claim_view, holders
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import AlreadyExists, Conflict, NotFound, Refused
from holdfast.kube.events import EventRecorder, ObjectRef
from holdfast.kube.kinds import BACKUPS, CLAIMS, JOBS, PODS
from holdfast.manifests import jobs, restore, tasks
from holdfast.reconcile.cache import Cache, Resource
from holdfast.reconcile.new_jobs import new_job, owner, runner
from holdfast.reconcile.observe import Known, observe
from holdfast.reconcile.patches import merge_patch
from holdfast.reconcile.queue import Key
from holdfast.settings import Settings

log = structlog.get_logger(__name__)

# How long a finished Job stays, seconds, by the act that says so; the other acts on a Job delete it.
_SECONDS = {
    Act.RETIRE_JOB: jobs.RETIRED_SECONDS,
    Act.EXPIRE_JOB: jobs.LOG_SECONDS,
    Act.EXPIRE_CLEANUP: jobs.LOG_SECONDS,
    Act.EXPIRE_VERIFY: jobs.LOG_SECONDS,
}
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
        self._cache, self._client, self._recorder = cache, client, recorder
        self._settings, self._now = settings, now
        self._claimed: dict[str, set[str]] = {}  # ids on their way into a status, by namespace

    async def reconcile(self, key: Key) -> datetime | None:
        """Do what is to be done now; return when to look again though no event comes. Raises KubeError."""
        known = Known()
        for _ in range(MAX_STEPS):
            resource = self._cache.backup(key.namespace, key.name)
            if resource is None:
                return None
            now = self._now()
            claimed = self._claimed.get(resource.namespace, set())
            observation, unreadable = observe(self._cache, resource, known, claimed, now)
            decision = unreadable or refusals.look(observation, now) or self._decide(observation, now)
            if await self._write_status(resource, observation, decision):
                continue  # what is to be done rests on what stands there now, which may be somebody else's words
            learnt = await self._act(observation, decision.act, known) if decision.act else None
            if learnt is None:
                return decision.due
            known = learnt
        raise RuntimeError(f"{key.namespace}/{key.name}: no rest after {MAX_STEPS} steps")

    def _decide(self, observation: Observation, now: datetime) -> Decision:
        decision, again = decide(observation, self._settings, now), refusals.look_again(observation)
        dues = [due for due in (decision.due, again) if due is not None]
        return replace(decision, due=min(dues, default=None))

    async def _write_status(self, resource: Resource, observation: Observation, decision: Decision) -> bool:
        """Write what changed, if anything did; whoever changed the resource meanwhile wins, and we look again."""
        status = self._with_restore(observation, decision.status or observation.backup.status)
        if status is observation.backup.status:
            return False
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
        if decision.announcement:
            said = decision.announcement
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

    def _with_restore(self, observation: Observation, status: DatabaseBackupStatus) -> DatabaseBackupStatus:
        if status.phase is not Phase.SUCCEEDED or status.restore is not None or status.job_name is None:
            return status
        if no_image(tasks.resolved_of(status), self._settings):
            return status  # that it succeeded is recorded all the same, and the rest once the chart has the image again
        command = restore.restore_command(owner(observation.backup), status, runner(status, self._settings))
        return status.model_copy(update={"restore": command})

    async def _act(self, o: Observation, act: Act, known: Known) -> Known | None:
        """Do one thing to the cluster. Returns what is known now, or None when only an event can bring news."""
        log.info("Acting", act=act.value)
        match act:
            case Act.CREATE_JOB | Act.CREATE_CLEANUP | Act.CREATE_VERIFY:
                return await self._create(new_job(o, act, self._settings), known)
            case Act.LIST_PODS | Act.LOOK_AT_CLAIM | Act.LOOK_AT_EVENTS:
                return await self._learn(o, act, known)
        job = _job_of(o, act)
        if job is None:
            return None
        if act not in _SECONDS:
            return known if await self._delete_job(job) else None
        await self._expire_job(job.namespace, job.name, _SECONDS[act])
        return known

    async def _learn(self, o: Observation, act: Act, known: Known) -> Known:
        """Ask the API server for what the cache cannot say."""
        if act is Act.LOOK_AT_CLAIM:
            return replace(known, claim=await self._look_at_claim(o))
        if act is Act.LOOK_AT_EVENTS:
            await self._cache.refusals.look(self._client, o.backup.namespace, self._now())
            return known
        await self._list_pods(o)
        return replace(known, pods_listed=True)

    async def _create(self, body: dict[str, Any], known: Known) -> Known:
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        try:
            answer = await self._client.create(JOBS, namespace, body)
        except AlreadyExists:  # made by an operator that was killed before it saw the answer, or a stranger's
            answer = await self._client.get(JOBS, namespace, name)
        except Refused as refusal:
            if body["metadata"]["labels"][naming.LABEL_TASK] not in tasks.WAITED_FOR:
                raise
            return replace(known, refusal=refusal.message)
        self._cache.put(JOBS, answer)
        return known

    async def _list_pods(self, o: Observation) -> None:
        status, run = o.backup.status, o.backup.status.verification_run
        names = (status.job_name, status.cleanup and status.cleanup.job_name, run and run.job_name)
        for name in filter(None, names):
            selector = f"batch.kubernetes.io/job-name={name}"
            async for page in self._client.pages(PODS, o.backup.namespace, label_selector=selector):
                for pod in page:
                    self._cache.put(PODS, pod)

    async def _look_at_claim(self, o: Observation) -> ClaimView:
        """Ask for the claim, and for all Pods of its namespace: only their specs say who has it."""
        volume = tasks.resolved_of(o.backup.status).database.volume
        assert volume is not None
        try:
            claim = await self._client.get(CLAIMS, o.backup.namespace, volume.claim_name)
        except NotFound:
            return claim_view(None, ())
        pages = self._client.pages(PODS, o.backup.namespace)
        return claim_view(claim, [holder async for page in pages for holder in holders(volume.claim_name, page)])

    async def _delete_job(self, job: JobView) -> bool:
        """Delete the Job, with its Pods before it, by its uid. Returns whether it was gone already, which is news."""
        try:
            await self._client.delete(JOBS, job.namespace, job.name, uid=job.uid, propagation="Foreground")
        except (NotFound, Conflict):  # gone already, or another Job by now, whose own event tells of it
            self._cache.jobs.leave_out(job.namespace, job.name, job.resource_version)
            return True
        return False

    async def _expire_job(self, namespace: str, name: str, seconds: int) -> None:
        try:
            answer = await self._client.patch(JOBS, namespace, name, {"spec": {"ttlSecondsAfterFinished": seconds}})
        except NotFound:
            return
        self._cache.put(JOBS, answer)


def _job_of(o: Observation, act: Act) -> JobView | None:
    """Return the Job that an act is about."""
    match act:
        case Act.EXPIRE_CLEANUP | Act.END_CLEANUP:
            return o.cleanup_job
        case Act.END_FORMER:
            return o.former_job
        case Act.EXPIRE_VERIFY | Act.DELETE_VERIFY:
            return o.verify_job
        case _:
            return o.job
