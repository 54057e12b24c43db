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
        description="Result of the deletion: Deleted, Retained (Object Lock keeps the data) or Failed. Absent until "
        "the Job has ended.",
    )
    until: datetime | None = Field(None, description="Until when Object Lock keeps the data, UTC.")
    reason: str = Field("", max_length=128, description="Why the deletion failed, in one word.")
    message: Plain = Field("", max_length=512, description="Why the deletion failed, and what to do.")
    untouched: bool = Field(False, description="Whether the backup is still complete, since nothing of it was deleted.")


class Deletion(Outcome):
    """How the deletion of one backup's data stands."""

    reason_to_delete: Plain = Field("", max_length=256, description="Why the backup is deleted.")
    since: datetime = Field(description="When the deletion began, UTC.")
    completed_at: datetime | None = Field(None, description="When the data was deleted, UTC.")
    job_name: str | None = Field(None, max_length=63, description="Name of the Job that deletes the data.")
    attempt: int | None = Field(
        None,
        ge=1,
        description="Number of this Job, counted from 1. Holdfast starts another Job if one failed. Only "
        "if somebody deleted the resource.",
    )
    again_at: datetime | None = Field(
        None,
        description="When Holdfast tries the deletion again after a failed Job, UTC. Only if somebody deleted "
        "the resource.",
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

    number: int = Field(ge=1, description="Number of this page, counted from 1 since the policy was created.")
    since: datetime = Field(description="When the deletion of this page began, UTC.")
    job_name: str = Field(max_length=63, description="Name of the Job that deletes the backups' data.")
    completed_at: datetime | None = Field(None, description="When the Job ended, UTC. Absent until then.")
    pod_wanted: PodWanted | None = Field(None, description="Present while the Job should have a Pod and has none.")
    message: Plain = Field("", max_length=1024, description="What this page waits for, in one sentence.")
    members: list[Member] = Field(
        [],
        max_length=MAX_PAGE,
        json_schema_extra=keyed_by("uid"),
        description="The backups of this page, and the result for each.",
    )


class Planned(StatusModel):
    """A backup that is to be deleted."""

    name: str = Field(max_length=253, description="Name of the DatabaseBackup.")
    at: datetime | None = Field(
        None, description="When the backup will be deleted, UTC. Absent if the deletion is due now."
    )
    reason: Plain = Field("", max_length=256, description="Why the backup will be deleted.")


class RetentionPlan(StatusModel):
    """A plan that Holdfast does not carry out: dryRun is set, or the plan waits for approval."""

    hash: str = Field(
        max_length=64,
        description="Short hash of the plan. To approve a plan that waits for approval, set the annotation "
        "holdfast.dev/approve-deletions to this value. It approves no other plan.",
    )
    total: int = Field(ge=0, description="Number of backups that the plan would delete.")
    deletions: list[Planned] = Field([], max_length=MAX_TOLD, description="The first of these backups, oldest first.")


class Because(StatusModel):
    """How many backups a rule keeps."""

    rule: str = Field(max_length=64, description="The rule: days, last, daily, pinned, newest good, ...")
    count: int = Field(ge=0, description="Number of backups that this rule keeps.")


class Retry(StatusModel):
    """A backup whose data could not be deleted, and when Holdfast tries again."""

    name: str = Field(max_length=253, description="Name of the DatabaseBackup.")
    uid: str = Field(max_length=253, description="Uid of the DatabaseBackup.")
    tries: int = Field(ge=1, description="Number of attempts so far.")
    at: datetime = Field(description="When Holdfast tries again, UTC.")
    reason: str = Field("", max_length=128, description="Why the data could not be deleted, in one word.")


class Swept(StatusModel):
    """What the last Job that deleted backups has done."""

    completed_at: datetime = Field(description="When the Job ended, UTC.")
    deleted: int = Field(ge=0, description="Number of backups deleted.")
    retained: int = Field(0, ge=0, description="Number of backups that Object Lock keeps.")
    failed: int = Field(0, ge=0, description="Number of backups that could not be deleted.")
    message: Plain = Field("", max_length=1024, description="Result of the Job, in one sentence.")


class RetentionStatus(StatusModel):
    """Which backups are kept and why, which is deleted next, and which were deleted last."""

    message: Plain = Field("", max_length=1024, description="State of the retention, in one sentence.")
    kept: int = Field(0, ge=0, description="Number of good backups in the store.")
    kept_bytes: int = Field(0, ge=0, description="Size of the good backups in the store, in bytes.")
    kept_size: str = Field("", max_length=32, description="keptBytes in a form for people, e.g. 82 MB.")
    because: list[Because] = Field(
        [],
        max_length=16,
        json_schema_extra=keyed_by("rule"),
        description="How many backups each rule keeps. Several rules may keep the same backup.",
    )
    next: Planned | None = Field(None, description="The backup that Holdfast will delete next.")
    plan: RetentionPlan | None = Field(
        None,
        description="What Holdfast would delete, while it deletes nothing: because dryRun is set, or because the "
        "plan waits for approval.",
    )
    approved_rest: str = Field(
        "", max_length=64, description="Hash of the rest of an approved plan. The rest is approved too."
    )
    page: DeletionPage | None = Field(None, description="The backups that are being deleted now.")
    pages: int = Field(0, ge=0, description="Number of pages since the policy was created.")
    last_sweep: Swept | None = Field(None, description="Result of the last Job that deleted backups.")
    deleted: int = Field(0, ge=0, description="Number of backups deleted since the policy was created.")
    retries: list[Retry] = Field(
        [],
        max_length=MAX_RETRIES,
        json_schema_extra=keyed_by("uid"),
        description="Backups whose data could not be deleted, and when Holdfast tries each again.",
    )
