"""What a restore leaves beside its target, and how it goes: the replaced database when its time has come. Pure.

A restore in the mode Replace that failed without a word of its Pod may have left a half-restored database there: that
one goes at once.
"""

from datetime import datetime

from holdfast import naming
from holdfast.api.backup import Failure
from holdfast.api.begun import there
from holdfast.api.job import LOG_SECONDS
from holdfast.api.restore_status import DatabaseRestoreStatus
from holdfast.contract.report import Outcome
from holdfast.decide import failures, job_life
from holdfast.decide.decision import Announcement, Do, Learn, Rest, What, Write
from holdfast.decide.job_life import State, Step, Work
from holdfast.decide.outcome import End, left_behind
from holdfast.decide.ownership import is_ours, pods_of
from holdfast.decide.restore import fixing, plausible, statuses
from holdfast.decide.restore.observation import REMOVAL, RESTORE, Decision, Observation
from holdfast.sentences import explain, for_restores


def decide(o: Observation, now: datetime) -> Decision:
    """Return the next step of one that has ended."""
    status = o.restore.status
    if status.removal is None:
        return _due(o, now)
    if status.removal.state != "Running":
        return job_life.tidied(o.of(REMOVAL), o.restore.ref, LOG_SECONDS) or Rest()
    resolved = there(status.resolved, "resolved")
    own = fixing.names(resolved.database, o.restore.name, o.restore.uid)
    if others := [name for name in status.removal.names if name not in own]:
        return _failed(o, f"the status names {others[0]}, which this restore did not create: nothing was removed")
    if resolved.database.volume is not None and o.of(REMOVAL).job is None and o.claim is None:
        return Do(Learn(What.CLAIM))
    work = Work(REMOVAL, o.restore.ref, resolved.job, wanted=status.pod_wanted)
    return _after(o, job_life.step(work, o.of(REMOVAL), o.asked, now))


def _due(o: Observation, now: datetime) -> Decision:
    replaced = o.restore.status.replaced  # only a restore that has succeeded tells of one
    if replaced is None:
        return Rest()
    if now < replaced.until:
        return Rest(replaced.until)
    return Rest() if o.undone else _begin(o, replaced.name)


def with_leftover(o: Observation, status: DatabaseRestoreStatus) -> DatabaseRestoreStatus:
    """Have removed what a failed restore may have left half-restored beside its target."""
    resolved, seen = o.restore.status.resolved, o.of(RESTORE)
    if resolved is None or resolved.fresh is None:
        return status
    if seen.job is not None and is_ours(seen.job, o.restore.ref):
        there = left_behind(seen.job, pods_of(seen.job.uid, seen.pods))
    else:
        there = o.restore.status.job_uid is not None  # its Job is gone, and may have run
    return statuses.removing(status, [resolved.fresh], job_name(o)) if there else status


def job_name(o: Observation) -> str:
    """Name the Job."""
    return naming.child_name(o.restore.name, o.restore.uid, "drop")


def _begin(o: Observation, name: str) -> Decision:
    return Write(statuses.removing(o.restore.status, [name], job_name(o)))


def _after(o: Observation, step: Step) -> Decision:
    match step:
        case Do():
            return step
        case job_life.GivenUp(failure):
            return _failed_for(o, failure)
        case job_life.Over(end):
            return _ended(o, end)
        case job_life.Unreported():
            return _failed(o, "the Job's report is missing, or does not fit it")
        case job_life.Hindered(by, due, wanted):
            return Write(statuses.removal_waits(o.restore.status, explain(by, 2000), wanted), due=due)
        case job_life.GoesOn(State.BESIDE | State.DELETED, due, _):
            return Rest(due)
        case job_life.Starting(due, wanted) | job_life.GoesOn(_, due, wanted):
            told = there(o.restore.status.removal, "removal").message
            return Write(statuses.removal_waits(o.restore.status, told, wanted), due=due)


def _ended(o: Observation, end: End) -> Decision:
    report = end.report
    if report is not None and report.outcome is Outcome.SUCCEEDED and report.kind == plausible.DROPS:
        said = report.message or "removed"
        return Write(statuses.removed(o.restore.status, said), Announcement(False, "ReplacedRemoved", said))
    return _failed_for(o, end.failure or failures.failure_in(report))


def _failed_for(o: Observation, failure: Failure) -> Decision:
    remedy = for_restores(failure.remedy, "remove it by hand")
    return _failed(o, explain(failure.model_copy(update={"remedy": remedy})))


def _failed(o: Observation, sentence: str) -> Decision:
    return Write(statuses.not_removed(o.restore.status, sentence), Announcement(True, "RemovalFailed", sentence))
