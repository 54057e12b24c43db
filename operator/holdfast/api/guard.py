"""What guards a database of production against a restore: the words of a spec, and what the status tells of it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from holdfast.api.base import SpecModel, StatusModel
from holdfast.texts import Plain


class Unattended(SpecModel):
    """A restore into production that nobody will confirm later."""

    reason: Annotated[Plain, Field(min_length=1, max_length=512)] = Field(
        description="Why nobody is asked, in words for people. The status and an Event repeat it."
    )


class Safety(StrEnum):
    """Whether a backup of the target is taken before a restore into production."""

    TAKE = "Take"
    SKIP = "Skip"


class SafetyBackup(StatusModel):
    """The backup of the target that was taken before anything in it was touched; or why none was."""

    name: str | None = Field(
        None, max_length=253, description="Name of the DatabaseBackup. Absent if none is taken: the message says why."
    )
    completed_at: datetime | None = Field(None, description="When it was completed, UTC. Absent before that.")
    message: Plain = Field(max_length=512, description="How it stands, or why there is none.")


class Confirmation(StatusModel):
    """Whether somebody has confirmed that this database of production is restored into."""

    because: Plain = Field(max_length=512, description="Why a confirmation is needed, in one sentence.")
    confirmed_at: datetime | None = Field(
        None, description="When the operator first saw the confirmation, UTC. Absent while the restore waits for it."
    )
    unattended: Plain | None = Field(
        None, max_length=512, description="Why it was confirmed at creation already, as spec.unattended says."
    )
