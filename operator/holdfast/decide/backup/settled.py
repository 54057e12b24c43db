"""Whether a backup has settled: nothing is left to do about it, whatever time passes, until somebody changes it. Pure.

Of such a backup the operator keeps a few facts instead of the whole object, so this must say of a status alone what
`decide` would say; a test compares the two. What a settled one may still want is something about its Jobs: these have a
life of their own, and may come later than the backup itself when the operator starts.
"""

from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.api.conditions import ConditionType
from holdfast.api.job import LOG_SECONDS
from holdfast.decide import job_life
from holdfast.decide.backup import holding, statuses, verify
from holdfast.decide.backup.observation import BackupView
from holdfast.decide.seen import Seen
from holdfast.decide.views import JobView, OwnerRef
from holdfast.errors import Reason


def has_settled(backup: BackupView, verify_request: str | None) -> bool:
    """Whether the backup rests, but for its Jobs."""
    status = backup.status
    if status.phase is None or not status.phase.is_final:
        return False
    return not (
        _lacks_something(status)
        or (status.cleanup is not None and status.cleanup.state == statuses.CLEANUP_RUNNING)
        or verify.asked_for(status, verify_request)
        or _says_that_we_failed(status)
        or not holding.has_settled(backup)
        or statuses.kept_current(backup) != status
    )


def _lacks_something(status: DatabaseBackupStatus) -> bool:
    """Whether a success has no commands to restore it, which may have to wait for an image; or no policy, a fault."""
    return status.phase is Phase.SUCCEEDED and (status.restore is None or status.resolved is None)


def _says_that_we_failed(status: DatabaseBackupStatus) -> bool:
    """Whether it says of a fault of Holdfast's own, which is taken back once a reconcile has gone well."""
    stalled = (each for each in status.conditions if each.type == ConditionType.STALLED)
    return any(each.reason == Reason.OPERATOR_FAULT for each in stalled)


def job_names(status: DatabaseBackupStatus) -> tuple[str, ...]:
    """Return the names of the Jobs that are tidied up after the end."""
    cleanup, run = status.cleanup, status.verification_run
    names = (status.job_name, cleanup.job_name if cleanup else None, run.job_name if run else None)
    return tuple(filter(None, names))


def is_untidied(job: JobView, owner: OwnerRef) -> bool:
    """Whether a Job of a settled backup is still to be ended, or to be given a time to live."""
    return job_life.tidied(Seen(job.name, job), owner, LOG_SECONDS) is not None
