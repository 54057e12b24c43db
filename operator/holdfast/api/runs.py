"""What a policy's status remembers of its backups, also of those whose resource is gone."""

from datetime import datetime

from pydantic import Field

from holdfast.api.base import StatusModel
from holdfast.texts import Plain


class LastRun(StatusModel):
    """The backup that the schedule has made last."""

    name: str = Field(max_length=253, description="Name of the DatabaseBackup.")
    slot: datetime = Field(description="When the backup was due by the cron, UTC.")


class LastSuccess(StatusModel):
    """The last good backup."""

    name: str = Field(max_length=253, description="Name of the DatabaseBackup.")
    completed_at: datetime = Field(description="When the backup was completed, UTC.")


class LastFailure(StatusModel):
    """The last backup that failed."""

    name: str = Field(max_length=253, description="Name of the DatabaseBackup.")
    completed_at: datetime = Field(description="When the backup failed, UTC.")
    reason: str = Field(
        "", max_length=253, description="Why the backup failed, in one word; the DatabaseBackup says more."
    )


class Asked(StatusModel):
    """The last backup that was asked for by the annotation holdfast.dev/backup-now."""

    request: str = Field(max_length=256, description="Value of the annotation; each new value is a new request.")
    number: int = Field(ge=1, description="Number of this request, counted from 1.")
    name: str | None = Field(
        None, max_length=253, description="Name of the DatabaseBackup; absent while the API server refuses it."
    )
    message: Plain = Field("", max_length=1024, description="Why no DatabaseBackup could be created.")
