"""How a Job is ended before its backup is called Failed: nothing of it may go on beside the word, or beside a cleanup.

First the failure is recorded, then the Job is deleted, by its uid and with its Pods before it (foreground), then its
last Pod is waited for: so a kill of the operator between any two loses nothing. Where a Pod after all reports a success
meanwhile, the manifest is there, and that is what is told. Pure.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from holdfast.api.backup import Failure
from holdfast.api.begun import there
from holdfast.contract.report import Report
from holdfast.decide import job_end, outcome, ownership
from holdfast.decide.backup import statuses
from holdfast.decide.backup.observation import BACKUP, Decision, Observation
from holdfast.decide.decision import Announcement, Delete, Do, Learn, Rest, What, Write
from holdfast.decide.views import JobView, PodView
from holdfast.sentences import shorten

# A Pod has 30 seconds from SIGTERM to its end. One that is still there then is on a node that does not answer, or
# somebody's finalizer holds it: the person who waits for the backup is told so, and the cleanup goes on waiting.
LONGEST = timedelta(minutes=5)


def job_of(o: Observation) -> JobView | None:
    """Return the backup's Job, if the one that bears its name is this backup's."""
    return o.job if o.job is not None and ownership.is_ours(o.job, o.backup.ref) else None


def own_pods(o: Observation) -> tuple[PodView, ...]:
    """Return the Pods of the backup's Job."""
    job, ending = job_of(o), o.backup.status.ending
    return ownership.pods_of(job.uid if job else ending.job_uid if ending else None, o.of(BACKUP).pods)


def unended(o: Observation, now: datetime) -> tuple[PodView, ...]:
    """Return the Pods in which a runner of this backup may still work, also those of a Job of it that is gone.

    Whose Job is gone cannot be told from a stranger's, so it counts for no longer than a runner may work.
    """
    resolved = o.backup.status.resolved
    if resolved is None:
        return ()  # nothing has begun
    former = ownership.strays(o.job, o.of(BACKUP).pods, o.backup.ref)
    strays = tuple(pod for pod in former if now < job_end.overdue(pod, resolved.job))
    return tuple(pod for pod in {pod.uid: pod for pod in (*own_pods(o), *strays)}.values() if not pod.ended)


def fail(o: Observation, failure: Failure, report: Report | None, now: datetime) -> Decision:
    """Record that the backup has failed; where its Job may go on, that this one is ended first."""
    job, pods, left = job_of(o), own_pods(o), unended(o, now)
    retries = outcome.retries(job, pods)
    if o.job is not None and job is None and not o.asked.pods:
        return Do(Learn(What.PODS))  # a stranger took the name of a Job whose Pods the cache may not have seen
    if not left and (job is None or job.finished):
        failed = statuses.failed(o.backup, failure, report, retries, now)
        return Write(failed, Announcement.of(failure, "BackupFailed"))
    return Write(statuses.ending(o.backup, failure, report, job.uid if job else None, retries, now))


def success(o: Observation) -> Report | None:
    """Return the report of a Pod whose runner was faster than the end of its Job."""
    told = job_end.success_of(own_pods(o))
    return told[1] if told else None


def follow(o: Observation, now: datetime) -> Decision:
    """Bring the Job to its end, and then call the backup Failed."""
    ending, failure = there(o.backup.status.ending, "ending"), there(o.backup.status.failure, "failure")
    job, left, due = job_of(o), unended(o, now), ending.since + LONGEST
    if now >= due:
        return _failed(o, _with_what_is_left(failure, left), now)
    if job is not None and not job.finished:
        return Rest(due) if job.deleting else Do(Delete(job), due)
    if left:
        return Rest(due)
    if not o.asked.pods:
        return Do(Learn(What.PODS), due)
    return _failed(o, failure, now)


def _failed(o: Observation, failure: Failure, now: datetime) -> Decision:
    status = statuses.failed_at_last(o.backup, failure, now)
    return Write(status, Announcement.of(failure, "BackupFailed"))


def _with_what_is_left(failure: Failure, left: Sequence[PodView]) -> Failure:
    what = f"its Pod {left[0].name} may still run" if left else "its Job still exists"
    sentence = (
        f"{shorten(failure.message, 3000)}; {what}, {LONGEST.seconds} s after the operator ended the Job: look at its "
        "node"
    )
    return failure.model_copy(update={"message": sentence})
