"""What a backup is taken for, and the release that it is taken before: notes, which no dump depends on."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from holdfast.api.base import SpecModel, StatusModel
from holdfast.texts import Plain

MAX_IMAGES = 16  # of one Job that are recorded
MAX_IMAGE = 512  # characters
MAX_REVISION = 256  # characters


class Purpose(StrEnum):
    """What a backup is taken for, where that is more than to have one."""

    PRE_MIGRATION = "pre-migration"
    SAFETY = "safety"


Image = Annotated[Plain, Field(min_length=1, max_length=MAX_IMAGE)]


class Release(SpecModel):
    """The release that a backup is taken before. Notes for people, and for a rollback."""

    job_name: str | None = Field(
        None, max_length=253, description="Name of the migration Job that waits for this backup."
    )
    job_uid: str | None = Field(
        None,
        alias="jobUID",
        max_length=253,
        description="Uid of the migration Job. Retention keeps the backup until this Job has succeeded, and by "
        "default one day longer.",
    )
    images: list[Image] = Field([], max_length=MAX_IMAGES, description="Container images of the migration Job.")
    revision: Annotated[Plain, Field(max_length=MAX_REVISION)] | None = Field(
        None, description="Value of the migration Job's annotation holdfast.dev/revision."
    )


class ReleaseBefore(Release):
    """The release that a backup was taken before, as it was noted."""

    model_config = StatusModel.model_config


class ReleaseStatus(ReleaseBefore):
    """The release, and what has become of its migration."""

    released_at: datetime | None = Field(
        None, description="When the operator first saw the migration Job released, UTC."
    )
    kept_until: datetime | None = Field(
        None,
        description="Until when retention keeps the backup because of the migration, UTC. Absent until the "
        "migration Job has ended.",
    )
    rollback: str | None = Field(
        None,
        max_length=253,
        description="DatabaseRestore that Holdfast created when the Job failed. Holdfast creates no other one for "
        "this Job, even if somebody deletes it.",
    )
