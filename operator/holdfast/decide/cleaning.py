"""The cleanup after a backup that has ended: its Job made, followed, recorded and tidied away. Pure.

It begins when no runner of the backup can work any more, and it touches no Job that is not this backup's, though it
bears the name.
"""

from datetime import datetime

from holdfast.api.policy import BackupPolicySpec
from holdfast.contract.report import Outcome
from holdfast.decide import ending, failures, job_end, ownership, plausible, statuses
from holdfast.decide.observation import Act, Announcement, Decision, Observation
from holdfast.decide.outcome import End
from holdfast.decide.resolve import no_image
from holdfast.decide.views import JobView
from holdfast.sentences import explain
from holdfast.settings import Settings


def decide(o: Observation, settings: Settings, now: datetime) -> Decision | None:
    """Return the cleanup's next step; None where there is nothing to clean up, or that is done."""
    cleanup, job = o.backup.status.cleanup, o.cleanup_job
    if cleanup is None:
        return None
    runs = cleanup.state == statuses.CLEANUP_RUNNING
    if job is None:
        return _begin(o, settings, now) if runs else None
    if not ownership.is_ours(job, o.backup.uid):
        return _failed(o, explain(failures.job_name_taken(job.name))) if runs else None
    if runs:
        return _follow(o, job, now)
    if job.deleting:
        return None
    if not job.finished:
        return Decision(act=Act.END_CLEANUP)
    return None if job.ttl_set else Decision(act=Act.EXPIRE_CLEANUP)


def _begin(o: Observation, settings: Settings, now: datetime) -> Decision:
    resolved = o.backup.status.resolved
    assert isinstance(resolved, BackupPolicySpec)
    if left := ending.unended(o, now):
        waits = statuses.cleanup_waits(o.backup, f"the Pod {left[0].name} of the backup has not ended")
        return Decision(status=waits, due=job_end.overdue(left[0], resolved.job))
    if error := no_image(resolved, settings):
        return Decision(status=statuses.cleanup_waits(o.backup, explain(error, 2000)))
    return Decision(act=Act.CREATE_CLEANUP)


def _follow(o: Observation, job: JobView, now: datetime) -> Decision:
    found = job_end.standing(job, ownership.pods_of(job.uid, o.cleanup_pods), o.pods_listed, now)
    if found.look:
        return Decision(act=Act.LIST_PODS)
    if found.end is not None:
        return _ended(o, found.end)
    if found.lost or found.contradicted:
        return _failed(o, "the cleanup left no report that agrees with its Job")
    assert o.backup.status.resolved is not None
    late = job_end.overdue(job, o.backup.status.resolved.job)
    return _failed(o, explain(failures.job_overdue(job.name))) if now >= late else Decision(due=found.due or late)


def _ended(o: Observation, end: End) -> Decision:
    report = end.report
    if report is not None and report.outcome is Outcome.SUCCEEDED and report.kind in plausible.CLEANUP_KINDS:
        done = statuses.cleanup_done(o.backup, report.message or "")
        return Decision(status=done, announcement=Announcement(False, "CleanedUp", report.message or ""))
    return _failed(o, explain(end.failure or failures.failure_in(report)))


def _failed(o: Observation, sentence: str) -> Decision:
    status = statuses.cleanup_failed(o.backup, sentence)
    said = status.cleanup.message if status.cleanup else sentence
    return Decision(status=status, announcement=Announcement(True, "CleanupFailed", said))
