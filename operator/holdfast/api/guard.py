"""What guards a database of production against a restore: the words of a spec, and what the status tells of it."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from holdfast.api.base import SpecModel, StatusModel
from holdfast.texts import Plain


class Unattended(SpecModel):
    """A restore into production that nobody will confirm later."""

    reason: Annotated[Plain, Field(min_length=1, max_length=512)] = Field(
        description="Why nobody is asked, in words for people. The status and an Event repeat it."
    )


class Confirmation(StatusModel):
    """Whether somebody has confirmed that this database of production is restored into."""

    because: Plain = Field(max_length=512, description="Why a confirmation is needed, in one sentence.")
    confirmed_at: datetime | None = Field(
        None, description="When the operator first saw the confirmation, UTC. Absent while the restore waits for it."
    )
    unattended: Plain | None = Field(
        None, max_length=512, description="Why it was confirmed at creation already, as spec.unattended says."
    )
