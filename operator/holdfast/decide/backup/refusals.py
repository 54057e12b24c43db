"""When to ask the cluster why a Job has no Pod. Pure.

Only the Job controller's Events say why (quota, PodSecurity, no ServiceAccount). They are not watched: everyone may
write Events, as many and as big as they like. So they are asked for, of one namespace at a time, while a Job of it
waits for a Pod longer than Pods take: once for all Jobs there, and not again before a while.
"""

from datetime import datetime, timedelta

from holdfast.api.backup import Phase
from holdfast.decide.backup.observation import BACKUP, CLEANUP, VERIFY, Decision, Observation
from holdfast.decide.backup.statuses import CLEANUP_RUNNING
from holdfast.decide.decision import Do, Learn, What
from holdfast.decide.seen import NOTHING, Seen

PATIENCE = timedelta(seconds=4)  # that a Job may have no Pod without a word
INTERVAL = timedelta(seconds=15)  # between two looks into one namespace


def look(o: Observation, now: datetime) -> Decision | None:
    """Ask now; None where nobody waits for a Pod, or the answer is still fresh."""
    at = look_again(o)
    return Do(Learn(What.EVENTS)) if at is not None and at <= now else None


def look_again(o: Observation) -> datetime | None:
    """Return when to ask; None where nobody waits for a Pod."""
    seen = _under_way(o)
    job, pods = seen.job, seen.own_pods
    if job is None or job.finished or job.deleting or any(not pod.ended for pod in pods):
        return None
    since = max([job.created, *(pod.created for pod in pods)])
    read = o.asked.refusals
    return since + PATIENCE if read is None else max(since + PATIENCE, read + INTERVAL)


def _under_way(o: Observation) -> Seen:
    """Return the Job that somebody waits for now."""
    status = o.backup.status
    if o.backup.deleting:
        return NOTHING
    if status.phase is Phase.VERIFYING:
        return o.of(VERIFY)
    if status.phase and status.phase.is_final:
        return o.of(CLEANUP) if status.cleanup and status.cleanup.state == CLEANUP_RUNNING else NOTHING
    return o.of(BACKUP)
