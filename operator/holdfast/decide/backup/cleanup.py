"""The cleanup after a backup that has ended: its Job wanted, followed, recorded and tidied away. Pure.

It begins when no runner of the backup can work any more.
"""

from datetime import datetime

from holdfast.api.backup import Phase
from holdfast.api.job import LOG_SECONDS
from holdfast.api.policy import BackupPolicySpec
from holdfast.contract.report import Outcome
from holdfast.decide import failures, job_end, job_life
from holdfast.decide.backup import attempts, ending, plausible, statuses
from holdfast.decide.backup.observation import CLEANUP, Decision, Observation
from holdfast.decide.decision import Announcement, Do, Rest, Write
from holdfast.decide.job_life import Step, Work
from holdfast.decide.outcome import End
from holdfast.decide.resolve import no_image
from holdfast.sentences import explain
from holdfast.settings import Settings

FOUND = "BackupFound"


def decide(o: Observation, settings: Settings, now: datetime) -> Decision | None:
    """Return the cleanup's next step; None where there is nothing to clean up, or that is done."""
    cleanup, seen = o.backup.status.cleanup, o.of(CLEANUP)
    if cleanup is None:
        return None
    if cleanup.state != statuses.CLEANUP_RUNNING:
        return job_life.tidied(seen, o.backup.ref, LOG_SECONDS)
    if error := o.backup.lacks:
        return _failed(o, explain(error))
    resolved = o.backup.begun.resolved
    if seen.job is None and (waits := _waits(o, resolved, settings, now)):
        return waits
    work = Work(CLEANUP, o.backup.ref, resolved.job, wanted=o.backup.status.pod_wanted)
    return _after(o, job_life.step(work, seen, o.asked, now), now)


def _waits(o: Observation, resolved: BackupPolicySpec, settings: Settings, now: datetime) -> Decision | None:
    """Wait for what has to be before the Job is made."""
    if left := ending.unended(o, now):
        waits = statuses.cleanup_waits(o.backup, f"Pod {left[0].name} of the backup has not ended")
        return Write(waits, due=job_end.overdue(left[0], resolved.job))
    if error := no_image(resolved, settings):
        return Write(statuses.cleanup_waits(o.backup, explain(error)))
    return None


def _after(o: Observation, step: Step, now: datetime) -> Decision:
    """Say what the Job's step means for the cleanup."""
    match step:
        case Do():
            return step
        case job_life.GivenUp(failure):
            return _failed(o, explain(failure))
        case job_life.Over(end):
            return _ended(o, end, now)
        case job_life.Unreported():
            return _failed(o, "the cleanup's report is missing, or does not fit its Job")
        case job_life.Hindered(by, due, wanted):
            return Write(statuses.cleanup_waits(o.backup, explain(by, 2000), wanted), due=due)
        case job_life.GoesOn(job_life.State.BESIDE | job_life.State.DELETED, due, _):
            return Rest(due)
        case job_life.Starting(due, wanted) | job_life.GoesOn(_, due, wanted):
            return Write(statuses.cleanup_runs(o.backup, wanted), due=due)


def _ended(o: Observation, end: End, now: datetime) -> Decision:
    report = end.report
    if report is not None and report.outcome is Outcome.SUCCEEDED and report.kind in plausible.CLEANUP_KINDS:
        if report.backup_there and o.backup.status.phase is Phase.FAILED and (looks := _looked_for(o, now)):
            return looks
        done = statuses.cleanup_done(o.backup, report.message or "")
        return Write(done, Announcement(False, "CleanedUp", report.message or ""))
    return _failed(o, explain(end.failure or failures.failure_in(report)))


def _looked_for(o: Observation, now: datetime) -> Decision | None:
    """Have another Job verify and report what a Pod had published before it was killed; None after enough of them.

    The cleanup's Job is let go first: its name is not in the status any more when the next one ends.
    """
    sentence = "the backup is in the bucket, although no Pod reported it; another Job verifies it"
    why = Announcement(True, FOUND, sentence)
    waiting = statuses.waiting(o.backup, now, FOUND, sentence)
    taken_up = {"failure": None, "completed_at": None, "duration_seconds": None, "duration": None, "cleanup": None}
    again = attempts.another(o, waiting.model_copy(update=taken_up), why)
    return again and (job_life.tidied(o.of(CLEANUP), o.backup.ref, LOG_SECONDS) or again)


def _failed(o: Observation, sentence: str) -> Decision:
    return Write(statuses.cleanup_failed(o.backup, sentence), Announcement(True, "CleanupFailed", sentence))
