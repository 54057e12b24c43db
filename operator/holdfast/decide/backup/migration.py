"""What a backup records of the migration that it is taken before, and so for how long retention keeps it. Pure.

The operator has no right to change the spec of a backup, so `pinned` is not used for it: the status remembers what has
become of the Job, and retention goes by that. It is kept while the Job is there and has not succeeded, and for some
time after; a Job that is gone, or that nobody watches any more, counts as one that has ended now.
"""

from datetime import datetime, timedelta

from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.api.release import Release, ReleaseStatus
from holdfast.decide.migrations import MigrationJob


def recorded(release: Release | None) -> ReleaseStatus | None:
    """Return what the status says of a release when its backup begins."""
    return None if release is None else ReleaseStatus.model_validate(release.to_dict())


def is_news(released: bool, kept: bool, rolled_back: bool, job: MigrationJob | None, rollback: bool) -> bool:
    """Whether something has become of the Job that the status does not say: its release, its end, or its rollback."""
    if kept:
        return False
    return job is None or job.complete or (not job.suspended and not released) or (rollback and not rolled_back)


def followed(
    status: DatabaseBackupStatus, job: MigrationJob | None, rollback: str | None, keep: timedelta, now: datetime
) -> DatabaseBackupStatus:
    """Return the status of a good backup that says what has become of its Job, and which restore rolls that back."""
    release = status.release
    if status.phase is not Phase.SUCCEEDED or release is None or release.job_uid is None:
        return status
    known = (release.released_at is not None, release.kept_until is not None, release.rollback is not None)
    if not is_news(*known, job, rollback is not None):
        return status
    runs = job is not None and not job.suspended
    changes: dict[str, datetime | str | None] = {}
    if release.released_at is None and runs:
        changes["released_at"] = now
    if job is None or job.complete:
        changes["kept_until"] = now + keep
    if release.rollback is None:
        changes["rollback"] = rollback
    return status.model_copy(update={"release": release.model_copy(update=changes)})
