"""A backup that has begun: what its status has fixed by then, all of it there.

A status may lack each of these until the backup has begun. From then on only another hand takes one out of it, and that
is said, by the field's name, to whoever waits for the backup.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeVar

from holdfast.api.backup import DatabaseBackupStatus
from holdfast.api.policy import BackupPolicySpec
from holdfast.errors import HoldfastError, Reason

T = TypeVar("T")


def there(value: T | None, field: str) -> T:
    """Return what a status must have by now. Raises HoldfastError(InvalidSpec) where it has not."""
    if value is None:
        raise HoldfastError(
            Reason.INVALID_SPEC,
            f"status.{field} is missing",
            "create another backup: another release of Holdfast, or somebody by hand, wrote this status",
        )
    return value


@dataclass(frozen=True)
class Begun:
    """What was fixed before the backup's Job was made; `status` is all that is known of it beside."""

    uid: str
    backup_id: str
    location: str
    job_name: str
    attempt: int
    started_at: datetime
    resolved: BackupPolicySpec
    deadline_seconds: int
    status: DatabaseBackupStatus

    @classmethod
    def of(cls, uid: str, created: datetime, status: DatabaseBackupStatus) -> Self:
        """Read a status. Raises HoldfastError(InvalidSpec) that names what it lacks."""
        resolved = there(status.resolved, "resolved")
        return cls(
            uid=uid,
            backup_id=there(status.backup_id, "backupID"),
            location=there(status.location, "location"),
            job_name=there(status.job_name, "jobName"),
            attempt=status.attempt or 1,
            started_at=status.started_at or created,
            resolved=resolved,
            deadline_seconds=there(resolved.job.active_deadline_seconds, "resolved.job.activeDeadlineSeconds"),
            status=status,
        )

    @property
    def key_prefix(self) -> str:
        """The backup's folder in its bucket, ending in a slash."""
        return self.location.removeprefix("s3://").partition("/")[2]
