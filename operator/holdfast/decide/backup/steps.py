"""What to do about one DatabaseBackup now: a pure function of what is observed, the settings and the time.

One decision is one step; the loop applies it, observes again and asks again until nothing is left to do.
The order of steps makes every kill of the operator harmless: the id is written before the Job is made, the report
is recorded before the Job may expire, and what a killed Pod left is cleaned up after the end is recorded.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from holdfast import naming
from holdfast.api.backup import Failure, Phase
from holdfast.api.conditions import ConditionType
from holdfast.api.job import LOG_SECONDS, PodWanted
from holdfast.api.policy import BackupPolicySpec
from holdfast.contract.report import BackupReport, Report
from holdfast.decide import claims, failures, job_life, outcome, ownership
from holdfast.decide.backup import (
    attempts,
    cleanup,
    ending,
    holding,
    migration,
    parting,
    plausible,
    removal,
    statuses,
    suspicion,
    verify,
)
from holdfast.decide.backup.observation import BACKUP, FORMER, Decision, Observation
from holdfast.decide.backup.queue import Turn
from holdfast.decide.decision import (
    Announcement,
    Delete,
    Do,
    Learn,
    Rest,
    What,
    Write,
)
from holdfast.decide.images import fitting_key
from holdfast.decide.job_life import State, Step, Work
from holdfast.decide.outcome import End
from holdfast.decide.resolve import image_of, no_image, out_of_limits, resolve
from holdfast.errors import HoldfastError, Reason
from holdfast.sentences import EVENT_BYTES, cut
from holdfast.settings import Settings

NEAR = timedelta(minutes=1)  # until those who come soon in the queue are told anew of how many go first
OTHER_IMAGE = (Reason.TOOL_TOO_OLD, Reason.TOOL_TOO_NEW)  # what a Job with another image may mend
# Said from the id on until the Pod runs: a thousand backups at once cost a thousand writes less.
STARTING = ("Starting", "the Job's Pod is starting")


def decide(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Return the next step for this backup; an empty decision when it rests until something changes."""
    status = o.backup.status
    if first := _parting(o, settings, now):
        return first
    if status.phase is Phase.VERIFYING:
        return verify.follow(o, settings, now)
    if step := removal.decide(o, now):
        return step
    if status.phase and status.phase.is_final:
        return _after_the_end(o, settings, now) or verify.after_the_end(o, now)
    if status.backup_id is None:
        return _begin(o, settings, now)
    if status.ending is not None:
        return _end_the_job(o, now)
    if error := o.backup.lacks:
        return _fail(o, now, failures.failure_of(error))
    return _with_job(o, settings, now)


def _parting(o: Observation, settings: Settings, now: datetime) -> Decision | None:
    """Return what is to be done for its end as a resource: when it is being deleted, or to be ready for that."""
    if not o.backup.deleting:
        return holding.step(o.backup)
    return parting.decide(o, settings, now) if o.backup.held else Rest()  # garbage collection ends its Jobs


def _with_job(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Have the Job made, and see what comes of it."""
    before = _before_the_job(o, settings) if o.job is None else None
    if before is not None:
        return _fail(o, now, before) if isinstance(before, Failure) else before
    volume = o.backup.begun.resolved.database.volume
    hindrance = claims.missing(volume.claim_name, o.claim) if volume else None
    step = job_life.step(_work(o), o.of(BACKUP), o.asked, now, hindrance)
    return _after(o, step, settings, now)


def _after(o: Observation, step: Step, settings: Settings, now: datetime) -> Decision:
    """Say what the Job's step means for the backup."""
    match step:
        case Do():
            return step
        case job_life.GivenUp(failure):
            return _fail(o, now, failure)
        case job_life.Over(end):
            return _with_other_image(o, end, settings, now) or _finish(o, end, now)
        case job_life.Unreported(contradicted):
            return _asked_again(o, contradicted, now)
        case job_life.Hindered(by, due, wanted):
            sentence = by.message if o.job is None else f"{by.message}; {by.remedy}"
            return _wait(o, now, by.reason, sentence, due=due, retries=_retries(o), wanted=wanted)
        case job_life.Starting(due, wanted):
            return _wait(o, now, *STARTING, due=due, retries=_retries(o), wanted=wanted, quiet=True)
        case job_life.GoesOn(state, due, wanted):
            return _going_on(o, state, due, wanted, now)


def _work(o: Observation) -> Work:
    begun, status = o.backup.begun, o.backup.status
    return Work(
        BACKUP, o.backup.ref, begun.resolved.job, begun.started_at, status.pod_wanted, ran=status.phase is Phase.RUNNING
    )


def _begin(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Fix what this backup is once its turn has come: its id, its folder, and the policy as it is now."""
    reference = o.backup.spec.policy_ref
    policy = o.backup.spec.policy or o.policy
    if policy is None:
        name = reference.name if reference else ""
        sentence = f"BackupPolicy {name} does not exist in namespace {o.backup.namespace}; the backup waits for it"
        return _wait(o, now, "PolicyNotFound", sentence)
    if o.backup.status.phase is Phase.QUEUED and o.turn and not o.turn.begins:
        return _queued(o, o.turn, now)  # without more ado: thousands may wait
    try:
        resolved = resolve(policy, settings)
        image_of(resolved, settings, o.known_major)
    except HoldfastError as error:
        return _fail(o, now, failures.failure_of(error))
    if o.turn and not o.turn.begins:
        return _queued(o, o.turn, now)
    return Write(_identified(o, resolved, now))


def _queued(o: Observation, turn: Turn, now: datetime) -> Decision:
    """Say that it waits, and how many go first; those who come soon are told anew each minute.

    Nothing of it is fixed yet: it will be taken as the policy says when its turn has come.
    """
    return Write(statuses.queued(o.backup, turn, now), due=now + NEAR if turn.near else None)


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
            "release": migration.recorded(backup.spec.release),
        }
    )


def _before_the_job(o: Observation, settings: Settings) -> Do | Failure | None:
    """Return what has to be done before the Job is made, or why it never will be."""
    # since it was resolved, the chart's images may have changed, or an operator that took less have come
    resolved = o.backup.begun.resolved
    if error := no_image(resolved, settings) or out_of_limits(resolved):
        return failures.failure_of(error)
    former = o.of(FORMER).job
    if former is not None and ownership.is_ours(former, o.backup.ref) and not former.finished and not former.deleting:
        return Do(Delete(former))  # a container beside its runner keeps it from its end
    volume = resolved.database.volume
    if volume is None:
        return None
    if o.claim is None:
        return Do(Learn(What.CLAIM))
    return claims.in_use(volume.claim_name, o.claim)


def _asked_again(o: Observation, contradicted: bool, now: datetime) -> Decision:
    """Have another Job look for the backup in the bucket, where nobody knows what came of the last one."""
    if contradicted:
        sentence = "the Job failed although its Pod reports a success; another Job looks for the backup in the bucket"
        asked = _another_job(o, now, Announcement(True, Reason.REPORT_IMPLAUSIBLE, sentence), {})
        return asked or _fail(o, now, failures.report_contradicted(attempts.MOST))
    sentence = "the Job ended, but its report is gone; another Job looks for the backup in the bucket"
    lost = _another_job(o, now, Announcement(True, Reason.REPORT_MISSING, sentence), {})
    return lost or _fail(o, now, failures.report_lost(attempts.MOST))


def _with_other_image(o: Observation, end: End, settings: Settings, now: datetime) -> Decision | None:
    """Have another Job take the backup where the runner met a server that another image fits, and dumped nothing."""
    told = end.report.failure if end.report else None
    if told is None or told.reason not in OTHER_IMAGE or told.server_major == o.backup.status.server_major:
        return None
    engine = o.backup.begun.resolved.database.engine
    key = fitting_key(engine, settings, told.server_major) if engine else None
    if key is None:
        return None
    sentence = f"the server's major version is {told.server_major}: another Job takes the backup with image {key}"
    return _another_job(o, now, Announcement(False, "RunnerChanged", sentence), {"server_major": told.server_major})


def _another_job(o: Observation, now: datetime, why: Announcement, changes: dict[str, object]) -> Decision | None:
    """Let the next Job take over; None when there were enough of them."""
    waiting = _with_cleanup(o, statuses.waiting(o.backup, now, why.reason, why.message))
    return attempts.another(o, waiting.model_copy(update=changes), why)


def _going_on(o: Observation, state: State, due: datetime, wanted: PodWanted | None, now: datetime) -> Decision:
    """Say that it runs, and what else goes on."""
    if state is State.DELETED:
        return Rest(due)
    return Write(statuses.running(o.backup, now, _retries(o), job_life.SENTENCES[state], wanted), due=due)


def _retries(o: Observation) -> int:
    return outcome.retries(o.job, ending.own_pods(o))


def _end_the_job(o: Observation, now: datetime) -> Decision:
    """End the Job of a backup that has failed, unless one of its Pods was faster."""
    report = ending.success(o)
    if report is None or report.backup is None or o.backup.lacks:
        return ending.follow(o, now)
    if plausible.wrong_backup(report, report.backup, o.backup.begun, now):
        return ending.follow(o, now)
    return _succeed(o, report, report.backup, now)


def _finish(o: Observation, end: End, now: datetime) -> Decision:
    """Record the end; where a Pod may have left something half-written, a cleanup follows."""
    report = end.report
    if report is None or report.backup is None:
        return _fail(o, now, end.failure or failures.failure_in(report), report)
    wrong = plausible.wrong_backup(report, report.backup, o.backup.begun, now)
    if wrong is not None:
        return _fail(o, now, failures.report_implausible(wrong))
    return _succeed(o, report, report.backup, now)


def _succeed(o: Observation, report: Report, result: BackupReport, now: datetime) -> Decision:
    verdict = suspicion.judge(result, o.backup.begun.resolved, o.former)
    retries = outcome.retries(ending.job_of(o), ending.own_pods(o))
    done = statuses.succeeded(o.backup, report, result, verdict, retries, now)
    return Write(_with_cleanup(o, done), _told(done, verdict))


def _told(done: statuses.Status, verdict: suspicion.Verdict) -> Announcement:
    """Say in one Event how a good backup ended; its warnings stand behind what weighs more."""
    warned = "; ".join(done.warnings or [])
    if verdict.suspicious:
        reason, said = "BackupSuspicious", done.message or ""
    elif verdict.reason == suspicion.MADE_AGAIN:
        reason, said = verdict.reason, verdict.sentence
    elif warned:
        reason, said = "BackupWarned", done.message or ""
    else:
        return Announcement(False, "BackupSucceeded", done.message or "")
    return Announcement(True, reason, cut(f"{said}; {warned}" if warned else said, EVENT_BYTES))


def _fail(o: Observation, now: datetime, failure: Failure, report: Report | None = None) -> Decision:
    decision = ending.fail(o, failure, report, now)
    if not isinstance(decision, Write):
        return decision
    return replace(decision, status=_with_cleanup(o, decision.status))


def _with_cleanup(o: Observation, status: statuses.Status) -> statuses.Status:
    job, pods, former = ending.job_of(o), ending.own_pods(o), o.backup.status
    ran = (
        former.phase is Phase.RUNNING
        or (former.pod_wanted is not None and former.pod_wanted.ran)
        or (job is not None and job.complete)
    )
    vanished = ran and not pods
    if not (vanished or outcome.left_behind(job, pods)):
        return status
    name = naming.child_name(o.backup.name, o.backup.uid, "cleanup", o.backup.status.attempt or 1)
    return status.model_copy(update={"cleanup": statuses.cleanup_begun(name)})


def _wait(
    o: Observation, now: datetime, reason: str, sentence: str, *,
    due: datetime | None = None, retries: int = 0, wanted: PodWanted | None = None, quiet: bool = False,
) -> Decision:  # fmt: skip
    status = statuses.waiting(o.backup, now, reason, sentence, retries, wanted)
    former = next((c.reason for c in o.backup.status.conditions if c.type == ConditionType.RECONCILING), None)
    news = not quiet and reason != former  # the words may change with every try; the reason is what is new
    return Write(status, Announcement(True, reason, sentence) if news else None, due)


def _after_the_end(o: Observation, settings: Settings, now: datetime) -> Decision | None:
    """Keep what is recorded in step with the spec, and tidy up: Jobs may go once their report is recorded.

    None where nothing of that is left to do.
    """
    keep = timedelta(seconds=settings.migration_gate.keep_seconds)
    status = migration.followed(statuses.kept_current(o.backup), o.migration, o.rollback, keep, now)
    if status != o.backup.status:
        return Write(status)
    return job_life.tidied(o.of(BACKUP), o.backup.ref, LOG_SECONDS) or cleanup.decide(o, settings, now)
