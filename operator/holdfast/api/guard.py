"""What guards a database of production against a restore: the words of a spec, and what the status tells of it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from holdfast.api.base import SpecModel, StatusModel
from holdfast.texts import Plain

MAX_CONFIRM = 64  # characters of a database's name


class Unattended(SpecModel):
    """A restore into production that nobody will confirm later."""

    reason: Annotated[Plain, Field(min_length=1, max_length=512)] = Field(
        description="Why nobody is asked to confirm, in words for people. The status and an Event show this reason."
    )


class Safety(StrEnum):
    """Whether a backup of the target is taken before a restore into production."""

    TAKE = "Take"
    SKIP = "Skip"


class SafetyBackup(StatusModel):
    """The backup of the target that was taken before anything in it was touched; or why none was."""

    name: str | None = Field(
        None, max_length=253, description="Name of the DatabaseBackup. Absent if there is none; the message says why."
    )
    completed_at: datetime | None = Field(None, description="When the backup was completed, UTC. Absent until then.")
    message: Plain = Field(max_length=512, description="State of the backup in one sentence, or why there is none.")


Said = Annotated[Plain, Field(max_length=256)]


class Impact(StatusModel):
    """What the restore would change, as a Job saw it before anybody was asked to confirm."""

    state: Literal["Running", "Done", "Failed"] = Field(
        description="State of the check: Running, Done or Failed. You may confirm the restore even if the check failed."
    )
    job_name: str = Field(max_length=63, description="Name of the Job that checks.")
    message: Plain = Field(
        max_length=2048, description=("What the restore would change, in one sentence, or why that is not known.")
    )
    checked_at: datetime | None = Field(None, description="When the Job checked, UTC.")
    present: bool | None = Field(None, description="Whether the target exists.")
    size_bytes: int | None = Field(None, ge=0, description="Size of the target, in bytes.")
    size: str | None = Field(None, max_length=32, description="sizeBytes in a form for people, e.g. 82 MB.")
    tables: int | None = Field(None, ge=0, description="Number of tables in the target.")
    rows: int | None = Field(None, ge=0, description="Number of rows in the target.")
    rows_estimated: bool | None = Field(
        None, description=("Whether rows is an estimate of the server instead of a count.")
    )
    clients: int | None = Field(
        None,
        ge=0,
        description=("Number of clients that are connected to the target, as far as the Job's user may see them."),
    )
    server_time: datetime | None = Field(None, description="The server's clock, UTC.")
    newest_change: datetime | None = Field(
        None, description="When the target was last changed, UTC, as far as the server knows. Absent if it does not."
    )
    newest_change_of: Said | None = Field(None, description="Which change newestChange is the time of.")
    migrations_undone: list[Said] | None = Field(
        None,
        max_length=16,
        description="The last migrations that the target has but the backup lacks. Only with mode Replace.",
    )
    migrations_undone_count: int | None = Field(
        None, ge=0, description=("Number of migrations that the target has but the backup lacks.")
    )
    backup_completed_at: datetime | None = Field(None, description="When the backup was completed, UTC.")
    backup_age_seconds: int | None = Field(
        None, ge=0, description=("Age of the backup at the time of the check, in seconds.")
    )
    backup_tables: int | None = Field(None, ge=0, description="Number of tables in the backup.")
    backup_rows: int | None = Field(None, ge=0, description="Number of rows in the backup.")
    estimated_seconds: int | None = Field(
        None, ge=0, description="Rough estimate of how long the restore and its safety backup take, in seconds."
    )
    estimated: str | None = Field(None, max_length=32, description="estimatedSeconds in a form for people.")
    warnings: list[Annotated[Plain, Field(max_length=4096)]] | None = Field(
        None, max_length=16, description="What the Job could not find out."
    )


class Confirmation(StatusModel):
    """Whether somebody has confirmed the restore into this production database."""

    because: Plain = Field(max_length=512, description="Why a confirmation is needed, in one sentence.")
    confirmed_at: datetime | None = Field(
        None, description="When the operator first saw the confirmation, UTC. Absent while the restore waits for it."
    )
    unattended: Plain | None = Field(
        None, max_length=512, description="Why the restore was confirmed at creation, as spec.unattended says."
    )
