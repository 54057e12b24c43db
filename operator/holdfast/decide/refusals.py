"""When to ask the cluster why a Job has no Pod. Pure.

Only the Job controller's Events say why (quota, PodSecurity, no ServiceAccount). They are not watched: everyone may
write Events, as many and as big as they like. So they are asked for, of one namespace at a time, while a Job of it
waits for a Pod longer than Pods take: once for all Jobs there, and not again before a while.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from holdfast.api.backup import Phase
from holdfast.decide.observation import Act, Decision, Observation
from holdfast.decide.ownership import pods_of
from holdfast.decide.views import JobView, PodView

PATIENCE = timedelta(seconds=4)  # that a Job may have no Pod without a word
INTERVAL = timedelta(seconds=15)  # between two looks into one namespace


def look(o: Observation, now: datetime) -> Decision | None:
    """Ask now; None where nobody waits for a Pod, or the answer is still fresh."""
    at = look_again(o)
    return Decision(act=Act.LOOK_AT_EVENTS) if at is not None and at <= now else None


def look_again(o: Observation) -> datetime | None:
    """Return when to ask; None where nobody waits for a Pod."""
    job, pods = _current(o)
    if job is None or job.finished or job.deleting or any(not pod.ended for pod in pods):
        return None
    since = max([job.created, *(pod.created for pod in pods)])
    read = o.refusals_read
    return since + PATIENCE if read is None else max(since + PATIENCE, read + INTERVAL)


def _current(o: Observation) -> tuple[JobView | None, Sequence[PodView]]:
    """Return the Job that is under way for the backup, with its Pods."""
    phase = o.backup.status.phase
    if o.backup.deleting or (phase and phase.is_final):
        return None, ()
    job, pods = (o.verify_job, o.verify_pods) if phase is Phase.VERIFYING else (o.job, o.pods)
    return job, pods_of(job.uid if job else None, pods)
