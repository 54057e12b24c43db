"""What retention deletes and how that stands: in the status of a policy, and of each backup that is to go."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from holdfast.api.base import StatusModel, keyed_by
from holdfast.api.job import PodWanted
from holdfast.api.limits import MAX_PAGE
from holdfast.texts import Plain

MAX_TOLD = 20  # of a plan's deletions that are named
MAX_RETRIES = 64  # while so many wait to be tried again, nothing else is begun


class Result(StrEnum):
    """What a Job has made of a backup that was to be deleted."""

    DELETED = "Deleted"
    RETAINED = "Retained"
    FAILED = "Failed"


class Outcome(StatusModel):
    """What became of a backup's deletion."""

    result: Result | None = Field(
        None,
        description="What the Job has done: Deleted, Retained (Object Lock keeps the data) or Failed. Absent while it "
        "has not ended.",
    )
    until: datetime | None = Field(None, description="Until when Object Lock keeps the data, UTC.")
    reason: str = Field("", max_length=128, description="Why the deletion failed, in one word.")
    message: Plain = Field("", max_length=512, description="Why the deletion failed, and what to do.")
    untouched: bool = Field(False, description="Whether nothing of the backup was deleted: it is as good as before.")


class Deletion(Outcome):
    """How the deletion of one backup's data stands."""

    reason_to_delete: Plain = Field("", max_length=256, description="Why the backup is deleted.")
    since: datetime = Field(description="When the deletion began, UTC.")
    completed_at: datetime | None = Field(None, description="When the data was deleted, UTC.")
    job_name: str | None = Field(None, max_length=63, description="Name of the Job that deletes the data.")
    attempt: int | None = Field(
        None, ge=1, description="Number of this Job, if somebody deleted the resource: a Job that failed is repeated."
    )
    again_at: datetime | None = Field(
        None, description="When the deletion is tried again, if somebody deleted the resource and the Job failed, UTC."
    )

    @property
    def unfinished(self) -> bool:
        """Whether nobody knows that all of the data is there, or that all of it is gone."""
        return self.result is not Result.DELETED and not self.untouched


class Member(Outcome):
    """A backup of a page."""

    name: str = Field(max_length=253, description="Name of the DatabaseBackup.")
    uid: str = Field(max_length=253, description="Uid of the DatabaseBackup.")
    reason_to_delete: Plain = Field("", max_length=256, description="Why the backup is deleted.")


class DeletionPage(StatusModel):
    """The backups that one Job deletes."""

    number: int = Field(ge=1, description="Number of the page since the policy was created.")
    since: datetime = Field(description="When the page was begun, UTC.")
    job_name: str = Field(max_length=63, description="Name of the Job that deletes the backups' data.")
    completed_at: datetime | None = Field(None, description="When the Job ended, UTC. Absent before.")
    pod_wanted: PodWanted | None = Field(None, description="Present while the Job should have a Pod and has none.")
    message: Plain = Field("", max_length=1024, description="What the page waits for, in a sentence.")
    members: list[Member] = Field(
        [],
        max_length=MAX_PAGE,
        json_schema_extra=keyed_by("uid"),
        description="The backups of the page, and what became of each.",
    )


class Planned(StatusModel):
    """A backup that is to be deleted."""

    name: str = Field(max_length=253, description="Name of the DatabaseBackup.")
    at: datetime | None = Field(None, description="When it is to be deleted, UTC. Absent: it is due.")
    reason: Plain = Field("", max_length=256, description="Why the backup is to be deleted.")


class RetentionPlan(StatusModel):
    """A plan that is not carried out: because of dryRun, or because it would delete much."""

    hash: str = Field(
        max_length=64,
        description="Short hash of the plan. The annotation holdfast.dev/approve-deletions with this value lets a held "
        "plan go on, and no other plan.",
    )
    total: int = Field(ge=0, description="Number of backups that the plan would delete.")
    deletions: list[Planned] = Field([], max_length=MAX_TOLD, description="The first of them, oldest first.")


class Because(StatusModel):
    """How many backups a rule keeps."""

    rule: str = Field(max_length=64, description="The rule: days, last, daily, pinned, newest good, ...")
    count: int = Field(ge=0, description="Number of backups that this rule keeps.")


class Retry(StatusModel):
    """A backup whose data could not be deleted, and when that is tried again."""

    name: str = Field(max_length=253, description="Name of the DatabaseBackup.")
    uid: str = Field(max_length=253, description="Uid of the DatabaseBackup.")
    tries: int = Field(ge=1, description="How often it was tried.")
    at: datetime = Field(description="When it is tried again, UTC.")
    reason: str = Field("", max_length=128, description="Why it could not be deleted, in one word.")


class Swept(StatusModel):
    """What the last Job that deleted backups has done."""

    completed_at: datetime = Field(description="When it ended, UTC.")
    deleted: int = Field(ge=0, description="Number of backups deleted.")
    retained: int = Field(0, ge=0, description="Number of backups that Object Lock keeps.")
    failed: int = Field(0, ge=0, description="Number of backups that could not be deleted.")
    message: Plain = Field("", max_length=1024, description="What was done, in a sentence.")


class RetentionStatus(StatusModel):
    """What the policy keeps and why, what goes next, and what was deleted last."""

    message: Plain = Field("", max_length=1024, description="The state of retention, in a sentence.")
    kept: int = Field(0, ge=0, description="Number of good backups that are there.")
    kept_bytes: int = Field(0, ge=0, description="What they take in the store, in bytes.")
    kept_size: str = Field("", max_length=32, description="keptBytes in a form for people, e.g. 82 MB.")
    because: list[Because] = Field(
        [],
        max_length=16,
        json_schema_extra=keyed_by("rule"),
        description="How many backups each rule keeps. A backup may be kept by several.",
    )
    next: Planned | None = Field(None, description="The backup that is to be deleted next.")
    plan: RetentionPlan | None = Field(
        None, description="What would be deleted, where nothing is: with dryRun, or while the plan is held."
    )
    approved_rest: str = Field(
        "", max_length=64, description="Hash of what is left of an approved plan, which is approved as well."
    )
    page: DeletionPage | None = Field(None, description="The backups that are being deleted now.")
    pages: int = Field(0, ge=0, description="Number of pages begun since the policy was created.")
    last_sweep: Swept | None = Field(None, description="What the last Job that deleted backups has done.")
    deleted: int = Field(0, ge=0, description="Number of backups deleted since the policy was created.")
    retries: list[Retry] = Field(
        [],
        max_length=MAX_RETRIES,
        json_schema_extra=keyed_by("uid"),
        description="Backups whose data could not be deleted, and when each is tried again.",
    )
