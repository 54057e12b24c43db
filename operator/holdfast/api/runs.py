"""What a policy's status remembers of its backups, also of those whose resource is gone."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from holdfast.api.base import StatusModel
from holdfast.texts import Plain


class LastRun(StatusModel):
    """The last backup that the schedule created."""

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
        "",
        max_length=253,
        description="Why the backup failed, in one word. The status of the DatabaseBackup says more.",
    )


class RunResult(StrEnum):
    """What came of a run."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    REPLACED = "Replaced"


class Run(StatusModel):
    """One of the last backups, even if its DatabaseBackup is gone."""

    name: str = Field(max_length=253, description="Name of the DatabaseBackup.")
    result: RunResult = Field(
        description="Result of the backup: Succeeded, Failed, or Replaced (cancelled by concurrencyPolicy Replace)."
    )
    reason: str | None = Field(None, max_length=253, description="Why the backup failed, in one word.")
    completed_at: datetime = Field(description="When the backup ended, UTC.")
    size_bytes: int | None = Field(None, ge=0, description="Size of the artifact as stored, in bytes.")
    size: str | None = Field(None, max_length=32, description="sizeBytes in a form for people, e.g. 82 MB.")
    duration_seconds: float | None = Field(None, ge=0, description="How long the backup took, in seconds.")
    duration: str | None = Field(None, max_length=32, description="durationSeconds in a form for people, e.g. 2m5s.")


class Asked(StatusModel):
    """The last backup that was asked for by the annotation holdfast.dev/backup-now."""

    request: str = Field(max_length=256, description="Value of the annotation; each new value is a new request.")
    number: int = Field(ge=1, description="Number of this request, counted from 1.")
    name: str | None = Field(
        None, max_length=253, description="Name of the DatabaseBackup; absent while the API server refuses it."
    )
    message: Plain = Field("", max_length=1024, description="Why no DatabaseBackup could be created.")
