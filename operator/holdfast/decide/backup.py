"""What to do about one DatabaseBackup now: a pure function of what is observed, the settings and the time.

One decision is one step; the reconciler applies it, observes again and asks again until nothing is left to do.
The order of steps makes every kill of the operator harmless: the id is written before the Job is made, the report
is recorded before the Job may expire, and what a killed Pod left is cleaned up after the end is recorded.
"""

from datetime import datetime, timedelta

from holdfast import naming
from holdfast.api.backup import Failure, Phase
from holdfast.api.conditions import ConditionType
from holdfast.api.policy import BackupPolicySpec
from holdfast.decide import claims, outcome, statuses, suspicion, verifying
from holdfast.decide.observation import Act, Announcement, Decision, Observation
from holdfast.decide.resolve import fitting_key, image_of, no_image, out_of_limits, resolve
from holdfast.errors import HoldfastError, Reason
from holdfast.settings import Settings

MAX_ATTEMPTS = 3  # Jobs of one backup; one that follows a lost report finds the manifest and only verifies
OTHER_IMAGE = (Reason.TOOL_TOO_OLD, Reason.TOOL_TOO_NEW)  # what a Job with another image may mend
# Said from the id on until the Pod runs: a thousand backups at once cost a thousand writes less.
STARTING = ("Starting", "the Job's Pod is starting")
LOOK_AGAIN = timedelta(seconds=5)  # where nothing tells when the Job can be made


def decide(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Return the next step for this backup; an empty decision when it rests until something changes."""
    if o.backup.deleting:
        return Decision()  # garbage collection ends its Jobs
    if o.backup.status.phase is Phase.VERIFYING:
        return verifying.follow(o, settings, now)
    if o.backup.status.phase and o.backup.status.phase.is_final:
        return _after_the_end(o, settings) or verifying.after_the_end(o, now)
    if o.backup.status.backup_id is None:
        return _begin(o, settings, now)
    if o.job is None:
        return _make_job(o, settings, now)
    if o.backup.uid not in o.job.owner_uids:
        return _fail(o, now, statuses.job_name_taken(o.job.name))
    if o.job.deleting:
        return Decision()  # its deletion is an event; then it is made again
    return _follow(o, settings, now)


def _begin(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Fix what this backup is: its id, its folder, and the policy as it is now."""
    reference = o.backup.spec.policy_ref
    policy = o.backup.spec.policy or o.policy
    if policy is None:
        name = reference.name if reference else ""
        sentence = f"BackupPolicy {name} does not exist in namespace {o.backup.namespace}; waiting for it"
        return _wait(o, now, "PolicyNotFound", sentence)
    try:
        resolved = resolve(policy, settings)
        image_of(resolved, settings, o.known_major)
    except HoldfastError as error:
        return _fail(o, now, statuses.failure_of(error))
    return Decision(status=_identified(o, resolved, now))


def _identified(o: Observation, resolved: BackupPolicySpec, now: datetime) -> statuses.Status:
    backup, s3 = o.backup, resolved.storage.s3
    identifier = naming.backup_id(now, backup.spec.label, backup.uid, o.taken_ids)
    owner = backup.spec.policy_ref.name if backup.spec.policy_ref else backup.name
    prefix = naming.key_prefix(s3.prefix, backup.namespace, owner, identifier)
    return statuses.waiting(backup, now, *STARTING).model_copy(
        update={
            "backup_id": identifier,
            "location": f"s3://{s3.bucket}/{prefix}",
            "job_name": naming.child_name(backup.name, backup.uid, "backup"),
            "attempt": 1,
            "server_major": o.known_major,
            "started_at": now,
            "resolved": resolved,
        }
    )


def _make_job(o: Observation, settings: Settings, now: datetime) -> Decision:
    # since it was resolved, the chart's images may have changed, or an operator that took less have come
    if error := no_image(_resolved(o), settings) or out_of_limits(_resolved(o)):
        return _fail(o, now, statuses.failure_of(error))
    volume = _resolved(o).database.volume
    if volume is not None and o.claim is None:
        return Decision(act=Act.LOOK_AT_CLAIM)
    if volume is not None and (in_use := claims.in_use(volume.claim_name, o.claim)):
        return _fail(o, now, in_use)
    hindrance = claims.missing(volume.claim_name, o.claim) if volume else None
    if hindrance is None and o.refusal is not None:
        hindrance = statuses.job_refused(o.refusal)
    if hindrance is None:
        return Decision(act=Act.CREATE_JOB)
    started = o.backup.status.started_at or o.backup.created
    timeout = _start_timeout(o)
    if now - started < timedelta(seconds=timeout):
        return _wait(o, now, hindrance.reason, hindrance.message, due=now + LOOK_AGAIN)
    sentence = f"{hindrance.message} (given up after {timeout} s)"
    return _fail(o, now, hindrance.model_copy(update={"message": sentence}))


def _follow(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Read how the Job stands."""
    job = o.job
    assert job is not None
    if job.finished and not o.pods_listed and not any(outcome.report_of(pod) for pod in o.pods):
        return Decision(act=Act.LIST_PODS)
    end = outcome.end_of(job, o.pods)
    if end is not None:
        return _with_other_image(o, end, settings, now) or _finish(o, end, now)
    if not job.complete:
        return _progress(o, now)
    sentence = "the Job ended, but its report is gone; another one looks for the backup in the bucket"
    lost = _another_job(o, now, Announcement(True, Reason.REPORT_MISSING, sentence), {})
    return lost or _fail(o, now, statuses.report_lost(MAX_ATTEMPTS))


def _with_other_image(o: Observation, end: outcome.End, settings: Settings, now: datetime) -> Decision | None:
    """Have another Job take the backup where the runner met a server that another image fits, and dumped nothing."""
    told = end.report.failure if end.report else None
    if told is None or told.reason not in OTHER_IMAGE or told.server_major in (None, o.backup.status.server_major):
        return None
    resolved = o.backup.status.resolved
    assert resolved is not None
    engine = resolved.database.engine
    key = fitting_key(engine, settings, told.server_major) if engine else None
    if key is None:
        return None
    sentence = f"the server's major version is {told.server_major}: another Job takes the backup, with the image {key}"
    return _another_job(o, now, Announcement(False, "RunnerChanged", sentence), {"server_major": told.server_major})


def _another_job(o: Observation, now: datetime, why: Announcement, changes: dict[str, object]) -> Decision | None:
    """Let the next Job take over, with the same id and folder; None when there were enough of them."""
    job, status = o.job, o.backup.status
    assert job is not None
    attempt = (status.attempt or 1) + 1
    if attempt > MAX_ATTEMPTS:
        return None
    if not job.ttl_set:
        return Decision(act=Act.RETIRE_JOB)  # while it can still be found by the name in the status
    waiting = _with_cleanup(o, statuses.waiting(o.backup, now, why.reason, why.message))
    name = naming.child_name(o.backup.name, o.backup.uid, "backup", attempt)
    return Decision(
        status=waiting.model_copy(update={**changes, "attempt": attempt, "job_name": name}), announcement=why
    )


def _progress(o: Observation, now: datetime) -> Decision:
    """Say whether it runs, starts, or cannot start; give up when it has not started in time."""
    assert o.job is not None
    active = [pod for pod in o.pods if not pod.ended]
    retries = outcome.retries(o.job, o.pods)
    if active and active[-1].started:
        return Decision(status=statuses.running(o.backup, now, retries))
    if o.pods and not active and o.refusal is None:
        return Decision(status=statuses.running(o.backup, now, retries, "a Pod failed and is being replaced"))
    since = active[-1].created if active else o.job.created
    timeout = _start_timeout(o)
    due = since + timedelta(seconds=timeout)
    if now >= due:
        return _fail(o, now, outcome.never_started(o.pods, o.refusal, timeout))
    trouble = outcome.trouble_starting(o.pods, o.refusal)
    if trouble is not None:
        return _wait(o, now, trouble.reason, f"{trouble.message}; {trouble.remedy}", due=due, retries=retries)
    return _wait(o, now, *STARTING, due=due, retries=retries, quiet=True)


def _finish(o: Observation, end: outcome.End, now: datetime) -> Decision:
    """Record the end; where a Pod may have left something half-written, a cleanup follows."""
    if end.report is not None and end.report.backup is not None:
        result, resolved = end.report.backup, o.backup.status.resolved
        assert resolved is not None
        verdict = suspicion.judge(result, resolved, o.former)
        done = statuses.succeeded(o.backup, end.report, result, verdict, outcome.retries(o.job, o.pods), now)
        return Decision(
            status=_with_cleanup(o, done),
            announcement=Announcement(True, "BackupSuspicious", done.message or "")
            if verdict.suspicious
            else Announcement(False, "BackupSucceeded", done.message or ""),
        )
    failure = end.failure or statuses.failure_in(end.report)
    return _fail(o, now, failure, end)


def _fail(o: Observation, now: datetime, failure: Failure, end: outcome.End | None = None) -> Decision:
    report = end.report if end else None
    failed = statuses.failed(o.backup, failure, report, outcome.retries(o.job, o.pods), now)
    return Decision(
        status=_with_cleanup(o, failed),
        announcement=Announcement.of(failure, "BackupFailed"),
    )


def _with_cleanup(o: Observation, status: statuses.Status) -> statuses.Status:
    ran = o.backup.status.phase is Phase.RUNNING or (o.job is not None and o.job.complete)
    vanished = ran and not o.pods
    if not (vanished or outcome.left_behind(o.job, o.pods)):
        return status
    name = naming.child_name(o.backup.name, o.backup.uid, "cleanup")
    return status.model_copy(update={"cleanup": statuses.cleanup_begun(name)})


def _wait(
    o: Observation, now: datetime, reason: str, sentence: str, *,
    due: datetime | None = None, retries: int = 0, quiet: bool = False,
) -> Decision:  # fmt: skip
    status = statuses.waiting(o.backup, now, reason, sentence, retries)
    former = next((c.reason for c in o.backup.status.conditions if c.type == ConditionType.RECONCILING), None)
    news = not quiet and reason != former  # the words may change with every try; the reason is what is new
    return Decision(status=status, due=due, announcement=Announcement(True, reason, sentence) if news else None)


def _after_the_end(o: Observation, settings: Settings) -> Decision | None:
    """Keep what is recorded in step with the spec, and tidy up: Jobs may go once their report is recorded.

    None where nothing of that is left to do.
    """
    status = statuses.kept_current(o.backup)
    if status != o.backup.status:
        return Decision(status=status)
    if o.job is not None and o.backup.uid in o.job.owner_uids and not o.job.deleting:
        if not o.job.finished and not any(pod.started for pod in o.pods):
            return Decision(act=Act.DELETE_JOB)
        if o.job.finished and not o.job.ttl_set:
            return Decision(act=Act.EXPIRE_JOB)
    return _clean_up(o, settings)


def _clean_up(o: Observation, settings: Settings) -> Decision | None:
    cleanup, job = o.backup.status.cleanup, o.cleanup_job
    if cleanup is None:
        return None
    if job is None and cleanup.state == statuses.CLEANUP_RUNNING:
        error = no_image(_resolved(o), settings)
        return Decision(status=statuses.cleanup_waits(o.backup, error)) if error else Decision(act=Act.CREATE_CLEANUP)
    if job is None:
        return None
    if cleanup.state == statuses.CLEANUP_RUNNING and job.finished:
        if not o.pods_listed and not any(outcome.report_of(pod) for pod in o.cleanup_pods):
            return Decision(act=Act.LIST_PODS)
        report = next((r for pod in reversed(o.cleanup_pods) if (r := outcome.report_of(pod))), None)
        ended = statuses.cleanup_ended(o.backup, job, report)
        assert ended.cleanup is not None
        failed = ended.cleanup.state == statuses.CLEANUP_FAILED
        news = Announcement(failed, "CleanupFailed" if failed else "CleanedUp", ended.cleanup.message)
        return Decision(status=ended, announcement=news)
    if job.finished and not job.ttl_set:
        return Decision(act=Act.EXPIRE_CLEANUP)
    return None if job.finished else Decision()


def _start_timeout(o: Observation) -> int:
    timeout = _resolved(o).job.start_timeout_seconds
    assert timeout is not None
    return timeout


def _resolved(o: Observation) -> BackupPolicySpec:
    assert o.backup.status.resolved is not None
    return o.backup.status.resolved
