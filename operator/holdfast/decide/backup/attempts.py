"""Another Job of the same backup, with its id and folder: where an image did not fit, or nobody knows what came of one.

One that follows finds the manifest, if there is one, and only verifies what it names. Pure.
"""

from holdfast import naming
from holdfast.decide.backup.observation import Decision, Observation
from holdfast.decide.backup.statuses import Status
from holdfast.decide.decision import RETIRED_SECONDS, Announcement, Do, Expire, Write

MOST = 3  # Jobs of one backup


def another(o: Observation, waiting: Status, why: Announcement) -> Decision | None:
    """Let the next Job take over; None when there were enough of them."""
    job, attempt = o.job, o.backup.begun.attempt + 1
    if attempt > MOST:
        return None
    if job is not None and job.finished and not job.ttl_set:
        return Do(Expire(job, RETIRED_SECONDS))  # while it can still be found by the name in the status
    name = naming.child_name(o.backup.name, o.backup.uid, "backup", attempt)
    return Write(waiting.model_copy(update={"attempt": attempt, "job_name": name}), why)
