"""What to do about one DatabaseRestore now: a pure function of what is observed, the settings and the time.

First it is fixed what is restored and into what; then its turn comes, then its Job; then what came of it is recorded.
Each of these is one write of the status, so that a kill of the operator between any two loses nothing. A restore whose
Job ended and left no word is not begun again: nobody knows what is in the target, and a person has to look.
"""

from datetime import datetime, timedelta

from holdfast import naming
from holdfast.api.backup import Failure
from holdfast.api.begun import Begun, there
from holdfast.api.job import LOG_SECONDS, JobTemplate, PodWanted
from holdfast.api.restore_status import Phase
from holdfast.api.restoring import RestoreMode
from holdfast.contract.report import Report, RestoreReport
from holdfast.decide import claims, failures, job_end, job_life, ownership
from holdfast.decide.decision import Announcement, Do, Learn, Rest, What, Write
from holdfast.decide.job_life import State, Step, Work
from holdfast.decide.outcome import End
from holdfast.decide.restore import (
    confirming,
    ending,
    fixing,
    impact,
    masking,
    plausible,
    removal,
    safety,
    snapshots,
    source,
    statuses,
    undo,
)
from holdfast.decide.restore.observation import RESTORE, Decision, Observation
from holdfast.decide.restore.stored import Fixed
from holdfast.decide.restore.waits import wait
from holdfast.errors import HoldfastError, Reason
from holdfast.settings import Settings

SOON = timedelta(seconds=1)  # until another one that is just being begun can be seen


_LOOK = "look at the target, and read the Job's log if it still exists, before you create another DatabaseRestore"


def decide(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Return the next step for this restore; an empty decision when it rests until something changes."""
    status = o.restore.status
    if o.restore.deleting:
        return Rest()  # garbage collection ends its Jobs
    if status.phase and status.phase.is_final:
        if status.observed_generation != o.restore.generation:  # somebody has taken back what confirmed it
            return Write(status.model_copy(update={"observed_generation": o.restore.generation}))
        return _tidied(o, now) or impact.tidied(o) or removal.decide(o, now)
    if status.ending is not None:
        return _end_the_job(o, now)
    try:
        if status.resolved is None:
            return _fixed(o, settings, now)
        return _in_turn(o, settings, now) if status.job_name is None else _with_job(o, settings, now)
    except HoldfastError as error:
        return ending.fail(o, failures.failure_of(error), None, now)


def _fixed(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Fix what is restored, and into what."""
    asked = o.restore.spec.source
    if asked.bucket is not None:
        return _write(o, fixing.of_bucket(o, settings), now)
    if asked.replaced_by is not None:
        return _write(o, fixing.of_former(o, o.former), now) if o.former else _no_former(o, asked.replaced_by.name, now)
    chosen = _choose(o, now)
    match chosen:
        case source.Waits(reason, sentence, due):
            return wait(o, now, reason, sentence, due)
        case Failure():
            return ending.fail(o, chosen, None, now)
        case source.Choice():
            return _of_choice(o, chosen, settings, now)


def _choose(o: Observation, now: datetime) -> source.Choice | source.Waits | Failure:
    return source.choose(o.restore.spec.source, o.candidates, o.source_policy_there, o.restore.created, now)


def choice(o: Observation, now: datetime) -> source.Choice | None:
    """Return the backup that is chosen now; None while there is none."""
    chosen = _choose(o, now)
    return chosen if isinstance(chosen, source.Choice) else None


def _of_choice(o: Observation, chosen: source.Choice, settings: Settings, now: datetime) -> Decision:
    if o.found is None:
        return Do(Learn(What.SOURCE))
    if o.found.status is None:
        wrong = o.found.wrong or f"DatabaseBackup {chosen.name} is gone"
        return ending.fail(o, source.not_good(wrong), None, now)
    begun = Begun.of(o.found.uid, o.found.created or now, o.found.status)
    return _write(o, fixing.of_backup(o, chosen, begun, settings), now)


def _no_former(o: Observation, name: str, now: datetime) -> Decision:
    found = source.missing(f"DatabaseRestore {name} does not exist", o.restore.created, now)
    if isinstance(found, Failure):
        return ending.fail(o, found, None, now)
    return wait(o, now, found.reason, found.sentence, found.due)


def _write(o: Observation, fixed: Fixed, now: datetime) -> Decision:
    """Write it down; of a backup that was taken before a release, tell to where this goes back."""
    waiting = statuses.waiting(o.restore, now, "Fixed", "the backup and the target are fixed")
    back = statuses.goes_back(fixed.source.release) if fixed.source.release else ""
    said = f"restores DatabaseBackup {fixed.source.backup} into {fixed.target}; then {back}"
    return Write(statuses.fixed(waiting, fixed), Announcement(False, "RollsBack", said) if back else None, due=now)


def _in_turn(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Begin, once it is confirmed, unless another restore into the same database goes first."""
    resolved = there(o.restore.status.resolved, "resolved")
    snapshots.image(resolved, settings)
    masking.require(resolved)
    if o.restore.status.safety_backup is None:  # before anybody is asked
        safety.require_sealed(o, resolved, settings)
    if (looks := impact.step(o, resolved, now)) is not None:
        return looks
    if (asked := confirming.asked(o, resolved, now)) is not None:
        return asked
    if o.ahead is not None:
        sentence = f"DatabaseRestore {o.ahead} restores into the same database, and runs first"
        return wait(o, now, "Queued", sentence, None, Phase.QUEUED)
    if o.others_begin:
        return Rest(now + SOON)
    if (first := safety.step(o, resolved, settings, now)) is not None:
        return first
    begun = statuses.begun(o.restore, now, naming.child_name(o.restore.name, o.restore.uid, "restore"))
    waived = o.restore.spec.masking_waived
    sentence = f"the restored data are not masked: {waived}"
    return Write(begun, Announcement(True, "MaskingWaived", sentence) if waived else None)


def template(o: Observation) -> JobTemplate:
    """Return how the Job runs: only where a second Pod can tell what a first one has done is there a second."""
    resolved = there(o.restore.status.resolved, "resolved")
    if resolved.mode is RestoreMode.REPLACE or resolved.rds is not None:
        return resolved.job
    return resolved.job.model_copy(update={"backoff_limit": 0})


def _with_job(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Have the Job made, and see what comes of it."""
    status, seen = o.restore.status, o.of(RESTORE)
    resolved = there(status.resolved, "resolved")
    told = ending.success(o)
    if told is not None and told[0].over and not (seen.job and seen.job.finished):
        return _finish(o, End(report=told[1]), now)  # what its Job says of it may come late, or never
    if seen.job is None:
        if status.job_uid is not None:
            return _without_its_job(o, now)
        if (asked := confirming.asked(o, resolved, now)) is not None:
            return asked
        if before := _before_the_job(o, settings):
            return before if isinstance(before, Do) else ending.fail(o, before, None, now)
    elif status.job_uid is None and ownership.is_ours(seen.job, o.restore.ref):
        return Write(status.model_copy(update={"job_uid": seen.job.uid}))
    started, ran = status.started_at or o.restore.created, status.phase is Phase.RUNNING
    work = Work(RESTORE, o.restore.ref, template(o), started, status.pod_wanted, ran)
    volume = resolved.database.volume
    hindrance = claims.missing(volume.claim_name, o.claim) if volume else None
    return _after(o, job_life.step(work, seen, o.asked, now, hindrance), now)


def _without_its_job(o: Observation, now: datetime) -> Decision:
    """Say that nobody knows what it did, where none of its Pods has left a word."""
    if not o.asked.pods:
        return Do(Learn(What.PODS))
    return ending.fail(o, _unknown("its Job is gone"), None, now)


def _end_the_job(o: Observation, now: datetime) -> Decision:
    """End the Job of a restore that has failed, unless one of its Pods was faster."""
    told = ending.success(o)
    report = told[1] if told else None
    if report is None or report.restore is None or _implausible(o, report, report.restore, now):
        return ending.follow(o, now)
    return succeed(o, report, report.restore, now)


def _tidied(o: Observation, now: datetime) -> Decision | None:
    """Let its Job go; one whose Pod has ended is about to end by itself, and keeps the Pod's log."""
    job, pods = o.of(RESTORE).job, ending.own_pods(o)
    if job and not job.finished and pods and pods[-1].over and now < job_end.overdue(job, template(o)):
        return None
    return job_life.tidied(o.of(RESTORE), o.restore.ref, LOG_SECONDS)


def _before_the_job(o: Observation, settings: Settings) -> Do | Failure | None:
    """Return what has to be done before the Job is made, or why it never will be. Raises HoldfastError."""
    resolved = there(o.restore.status.resolved, "resolved")
    snapshots.image(resolved, settings)
    volume = resolved.database.volume
    if volume is None:
        return None
    if o.claim is None:
        return Do(Learn(What.CLAIM))
    return claims.in_use(volume.claim_name, o.claim)


def _after(o: Observation, step: Step, now: datetime) -> Decision:
    """Say what the Job's step means for the restore."""
    match step:
        case Do():
            return step
        case job_life.GivenUp(failure):
            return ending.fail(o, failure, None, now)
        case job_life.Over(end):
            return _finish(o, end, now)
        case job_life.Unreported(contradicted):
            why = "the Job failed although its Pod reports a success" if contradicted else "its report is gone"
            return ending.fail(o, _unknown(why), None, now)
        case job_life.Hindered(by, due, wanted):
            sentence = by.message if o.of(RESTORE).job is None else f"{by.message}; {by.remedy}"
            return wait(o, now, by.reason, sentence, due, wanted=wanted)
        case job_life.Starting(due, wanted):
            return wait(o, now, "Starting", "the Job's Pod is starting", due, wanted=wanted, quiet=True)
        case job_life.GoesOn(state, due, wanted):
            return _going_on(o, state, due, wanted, now)


def _going_on(o: Observation, state: State, due: datetime, wanted: PodWanted | None, now: datetime) -> Decision:
    if state is State.DELETED:
        return Rest(due)
    return Write(statuses.running(o.restore, now, job_life.SENTENCES[state], wanted), due=due)


def _unknown(why: str) -> Failure:
    return Failure(
        reason=Reason.RESTORE_UNKNOWN,
        message=f"Holdfast does not know how the restore ended: {why}",
        remedy=_LOOK,
    )


def _finish(o: Observation, end: End, now: datetime) -> Decision:
    report = end.report
    if report is None or report.restore is None:
        return ending.fail(o, end.failure or failures.failure_in(report), report, now)
    return succeed(o, report, report.restore, now)


def succeed(o: Observation, report: Report, result: RestoreReport, now: datetime) -> Decision:
    """Record a success, where it is one of what was asked for."""
    if (wrong := _implausible(o, report, result, now)) is not None:
        return ending.fail(o, failures.report_implausible(wrong, _LOOK), report, now)
    back = undo.resource(o.restore, result.replaced is not None)
    done = statuses.succeeded(o.restore, report, result, back, now)
    return Write(done, Announcement(bool(done.warnings), "RestoreSucceeded", done.message or ""))


def _implausible(o: Observation, report: Report, result: RestoreReport, now: datetime) -> str | None:
    status = o.restore.status
    resolved, chosen = there(status.resolved, "resolved"), there(status.source, "source")
    return plausible.wrong(report, result, chosen, resolved, status.started_at or o.restore.created, now)
