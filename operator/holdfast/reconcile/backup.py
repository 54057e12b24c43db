"""One DatabaseBackup: observe it, decide the next step, apply that; again, until nothing is left to do.

Each step is safe to repeat: the operator may be killed between any two of them, and the next one sees where it was.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from holdfast import clock, naming
from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus, Failure, Phase
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.unreadable import explained
from holdfast.decide import statuses
from holdfast.decide.backup import decide
from holdfast.decide.observation import Act, BackupView, Decision, Observation
from holdfast.decide.resolve import no_image
from holdfast.decide.suspicion import Former, former_of
from holdfast.decide.views import ClaimView, JobView, claim_view
from holdfast.errors import Reason
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import AlreadyExists, Conflict, NotFound, Refused
from holdfast.kube.events import EventRecorder, ObjectRef
from holdfast.kube.kinds import BACKUPS, CLAIMS, JOBS, PODS
from holdfast.manifests import jobs, restore, tasks
from holdfast.reconcile.cache import Cache, Resource
from holdfast.reconcile.new_jobs import new_job, owner, runner
from holdfast.reconcile.patches import merge_patch
from holdfast.reconcile.queue import Key
from holdfast.settings import Settings
from holdfast.untrusted import moment, number

log = structlog.get_logger(__name__)

# How long a finished Job stays, seconds, by the act that says so; the other acts on a Job delete it.
_SECONDS = {
    Act.RETIRE_JOB: jobs.RETIRED_SECONDS,
    Act.EXPIRE_JOB: jobs.LOG_SECONDS,
    Act.EXPIRE_CLEANUP: jobs.LOG_SECONDS,
    Act.EXPIRE_VERIFY: jobs.LOG_SECONDS,
}
MAX_STEPS = 10  # more in one go would be a decision that never rests


@dataclass(frozen=True)
class _Known:
    """What this reconcile has learnt beyond the cache."""

    refusal: str | None = None
    pods_listed: bool = False
    claim: ClaimView | None = None


@dataclass(frozen=True)
class _TakenIDs:
    """The ids of a namespace's backups: those in the cache, and those on their way into a status."""

    cache: Cache
    namespace: str
    claimed: AbstractSet[str]

    def __contains__(self, identifier: object) -> bool:
        return identifier in self.claimed or bool(self.cache.backups.find(("id", self.namespace, identifier)))


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
        known = _Known()
        for _ in range(MAX_STEPS):
            resource = self._cache.backup(key.namespace, key.name)
            if resource is None:
                return None
            observation, invalid = self._observe(resource, known)
            decision = invalid or decide(observation, self._settings, self._now())
            wrote = await self._write_status(resource, observation, decision)
            learnt = await self._act(observation, decision.act, known) if decision.act else None
            if not wrote and learnt is None:
                return decision.due
            known = learnt or known
        raise RuntimeError(f"{key.namespace}/{key.name}: no rest after {MAX_STEPS} steps")

    def _observe(self, resource: Resource, known: _Known) -> tuple[Observation, Decision | None]:
        """Read everything from the cache; a spec that cannot be read is a decision of its own."""
        try:
            status = DatabaseBackupStatus.model_validate(resource.status)
            spec, policy = DatabaseBackupSpec.model_validate(resource.spec), self._policy(resource)
        except ValidationError as error:
            view = _view(resource, DatabaseBackupSpec(), _as_far_as_it_is_one(resource.status))
            ended = view.status.phase and view.status.phase.has_ended
            return Observation(view), Decision() if ended else self._invalid(resource, view, error)
        job = self._cache.job(resource.namespace, status.job_name) if status.job_name else None
        cleanup = self._cache.job(resource.namespace, status.cleanup.job_name) if status.cleanup else None
        run = status.verification_run
        verify = self._cache.job(resource.namespace, run.job_name) if run and run.job_name else None
        current = verify if status.phase is Phase.VERIFYING else job
        refusal = self._cache.refusal_of(current) if current else None
        observation = Observation(
            backup=_view(resource, spec, status),
            policy=policy,
            job=job,
            pods=tuple(self._cache.pods_of(job)) if job else (),
            pods_listed=known.pods_listed,
            refusal=refusal.message if refusal else known.refusal,
            claim=known.claim,
            cleanup_job=cleanup,
            cleanup_pods=tuple(self._cache.pods_of(cleanup)) if cleanup else (),
            verify_request=resource.verify_request,
            verify_job=verify,
            verify_pods=tuple(self._cache.pods_of(verify)) if verify else (),
        )
        if status.backup_id:
            return replace(observation, former=self._former(resource, observation)), None
        major = self._known_major(resource.namespace, spec.policy or policy)
        return replace(observation, taken_ids=self._taken(resource), known_major=major), None

    def _policy(self, resource: Resource) -> BackupPolicySpec | None:
        policy = self._cache.policy(resource.namespace, resource.policy_name) if resource.policy_name else None
        return BackupPolicySpec.model_validate(policy.spec) if policy and not policy.deleted else None

    def _former(self, resource: Resource, o: Observation) -> tuple[Former, ...]:
        """Return what a backup that ends now is compared with; nothing before that, for it takes a look at them all."""
        resolved = o.backup.status.resolved
        ending = any(pod.terminated for pod in o.pods) and not (
            o.backup.status.phase and o.backup.status.phase.has_ended
        )
        if not (ending and resolved and resource.policy_name):
            return ()
        others = self._cache.backups_of(resource.namespace, resource.policy_name)
        return former_of((other.status for other in others if other.uid != resource.uid), resolved)

    def _known_major(self, namespace: str, policy: BackupPolicySpec | None) -> int | None:
        """Return the server's major version as the newest good backup of the same database in this namespace has it."""
        if policy is None:
            return None
        known = [backup.status for backup in self._cache.good_backups_of(namespace, policy.database.to_dict())]
        newest = max(known, key=lambda status: moment(status.get("completedAt")) or clock.EPOCH, default=None)
        return number(newest.get("serverMajor")) if newest else None

    def _taken(self, resource: Resource) -> "_TakenIDs":
        return _TakenIDs(self._cache, resource.namespace, self._claimed.get(resource.namespace, set()))

    def _invalid(self, resource: Resource, view: BackupView, error: ValidationError) -> Decision:
        """Say which of the three objects that a backup is made of cannot be read: pydantic names its model."""
        root, correct = "spec", "create another backup, with what is allowed there: this one cannot change"
        model: type[BaseModel] = DatabaseBackupSpec
        if error.title == BackupPolicySpec.__name__:
            root, correct = (
                f"BackupPolicy {resource.policy_name}: spec",
                "correct the policy, and create another backup",
            )
            model = BackupPolicySpec
        if error.title == DatabaseBackupStatus.__name__:
            root, correct = "status", "another release has written it: create another backup"
            model = DatabaseBackupStatus
        message, remedy = explained(error, model, root, correct)
        failure = Failure(reason=Reason.INVALID_SPEC, message=message, remedy=remedy)
        return Decision(status=statuses.failed(view, failure, None, 0, self._now()))

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

    async def _act(self, o: Observation, act: Act, known: _Known) -> _Known | None:
        """Do one thing to the cluster. Returns what is known now, or None when only an event can bring news."""
        log.info("Acting", act=act.value)
        match act:
            case Act.CREATE_JOB | Act.CREATE_CLEANUP | Act.CREATE_VERIFY:
                return await self._create(new_job(o, act, self._settings), known)
            case Act.LIST_PODS | Act.LOOK_AT_CLAIM:
                return await self._learn(o, act, known)
        job = _job_of(o, act)
        if job is None:
            return None
        if act not in _SECONDS:
            await self._delete_job(job.namespace, job.name, job.uid)
            return None
        await self._expire_job(job.namespace, job.name, _SECONDS[act])
        return known

    async def _learn(self, o: Observation, act: Act, known: _Known) -> _Known:
        """Ask the API server for what the cache cannot say."""
        if act is Act.LOOK_AT_CLAIM:
            return replace(known, claim=await self._look_at_claim(o))
        await self._list_pods(o)
        return replace(known, pods_listed=True)

    async def _create(self, body: dict[str, Any], known: _Known) -> _Known:
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
        for job in filter(None, (o.job, o.cleanup_job, o.verify_job)):
            selector = f"batch.kubernetes.io/job-name={job.name}"
            for pod in await self._client.list(PODS, job.namespace, label_selector=selector):
                self._cache.put(PODS, pod)

    async def _look_at_claim(self, o: Observation) -> ClaimView:
        """Ask for the claim, and for all Pods of its namespace: only their specs say who has it."""
        volume = tasks.resolved_of(o.backup.status).database.volume
        assert volume is not None
        try:
            claim = await self._client.get(CLAIMS, o.backup.namespace, volume.claim_name)
        except NotFound:
            return claim_view(volume.claim_name, None, ())
        return claim_view(volume.claim_name, claim, await self._client.list(PODS, o.backup.namespace))

    async def _delete_job(self, namespace: str, name: str, uid: str) -> None:
        try:
            await self._client.delete(JOBS, namespace, name, uid=uid)
        except (NotFound, Conflict):
            return  # gone already, or another Job by now

    async def _expire_job(self, namespace: str, name: str, seconds: int) -> None:
        try:
            answer = await self._client.patch(JOBS, namespace, name, {"spec": {"ttlSecondsAfterFinished": seconds}})
        except NotFound:
            return
        self._cache.put(JOBS, answer)


def _as_far_as_it_is_one(body: Mapping[str, Any]) -> DatabaseBackupStatus:
    """Read a status without the fields that cannot be read."""
    try:
        return DatabaseBackupStatus.model_validate(body)
    except ValidationError as error:
        wrong = {problem["loc"][0] for problem in error.errors(include_input=False, include_url=False)}
        return DatabaseBackupStatus.model_validate({key: value for key, value in body.items() if key not in wrong})


def _job_of(o: Observation, act: Act) -> JobView | None:
    """Return the Job that an act is about."""
    match act:
        case Act.EXPIRE_CLEANUP:
            return o.cleanup_job
        case Act.EXPIRE_VERIFY | Act.DELETE_VERIFY:
            return o.verify_job
        case _:
            return o.job


def _view(resource: Resource, spec: DatabaseBackupSpec, status: DatabaseBackupStatus) -> BackupView:
    return BackupView(
        namespace=resource.namespace,
        name=resource.name,
        uid=resource.uid,
        generation=resource.generation,
        created=resource.created,
        deleting=resource.deleted is not None,
        spec=spec,
        status=status,
    )
