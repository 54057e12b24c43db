"""How a restore that failed is ended: nothing of its Job may go on beside the word Failed. Pure.

First the failure is recorded, then the Job is deleted with its Pods before it, then its last Pod is waited for. Where a
Pod after all reports a success meanwhile, that is what is told: the target has changed, whatever became of the Job.
"""

from datetime import datetime, timedelta

from holdfast.api.backup import Failure
from holdfast.api.begun import there
from holdfast.contract.report import Report
from holdfast.decide import job_end, ownership
from holdfast.decide.decision import Announcement, Delete, Do, Learn, Rest, What, Write
from holdfast.decide.restore import remedies, removal, statuses
from holdfast.decide.restore.observation import RESTORE, Decision, Observation
from holdfast.decide.views import JobView, PodView

LONGEST = timedelta(minutes=5)  # from SIGTERM to the end of a Pod on a node that answers, many times over


def fail(o: Observation, failure: Failure, report: Report | None, now: datetime) -> Decision:
    """Record that it has failed; where its Job may go on, that this one is ended first."""
    job, failure = _job(o), remedies.of_restore(o, failure, report)
    if _left(o) or (job is not None and not job.finished):
        return Write(statuses.ending(o.restore, failure, job.uid if job else o.restore.status.job_uid, now))
    return _failed(o, failure, report, now)


def follow(o: Observation, now: datetime) -> Decision:
    """Bring the Job to its end, and then call the restore Failed."""
    ending, failure = there(o.restore.status.ending, "ending"), there(o.restore.status.failure, "failure")
    job, due = _job(o), ending.since + LONGEST
    if now >= due:
        what = f"{failure.message}; its Job may still run, {LONGEST.seconds} s after the operator ended it"
        return _failed(o, failure.model_copy(update={"message": what}), None, now)
    if job is not None and not job.finished:
        return Rest(due) if job.deleting else Do(Delete(job), due)
    if _left(o):
        return Rest(due)
    if not o.asked.pods:
        return Do(Learn(What.PODS), due)
    return _failed(o, failure, None, now)


def _failed(o: Observation, failure: Failure, report: Report | None, now: datetime) -> Decision:
    status = removal.with_leftover(o, statuses.failed(o.restore, failure, report, now))
    return Write(status, Announcement.of(failure, "RestoreFailed"))


def _job(o: Observation) -> JobView | None:
    job = o.of(RESTORE).job
    return job if job is not None and ownership.is_ours(job, o.restore.ref) else None


def own_pods(o: Observation) -> tuple[PodView, ...]:
    """Return the Pods of its Job, also where that is gone."""
    job = _job(o)
    return ownership.pods_of(job.uid if job else o.restore.status.job_uid, o.of(RESTORE).pods)


def success(o: Observation) -> tuple[PodView, Report] | None:
    """Return the Pod of its Job whose runner has ended well, with its report."""
    return job_end.success_of(own_pods(o))


def _left(o: Observation) -> list[PodView]:
    """Return the Pods of its Job in which a runner may still work."""
    return [pod for pod in own_pods(o) if not pod.ended]
