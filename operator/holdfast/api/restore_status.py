"""What a DatabaseRestore tells of itself."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from holdfast.api.backup import Ending, Failure, Reported
from holdfast.api.base import StatusModel, keyed_by
from holdfast.api.conditions import Condition
from holdfast.api.database import Database
from holdfast.api.guard import Confirmation, Impact, SafetyBackup
from holdfast.api.job import JobTemplate, PodWanted
from holdfast.api.masking import AfterRestore, AfterRestored
from holdfast.api.policy import Environment
from holdfast.api.rds_target import RDSTarget, RestoredInstance
from holdfast.api.release import ReleaseBefore
from holdfast.api.restoring import Content, GlobalsMode, RestoreMode
from holdfast.api.storage import S3Storage, Storage
from holdfast.texts import Plain

MAX_YAML = 4096


class Phase(StrEnum):
    """Where a restore stands, in one word for people."""

    PENDING = "Pending"
    QUEUED = "Queued"
    AWAITING_CONFIRMATION = "AwaitingConfirmation"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def is_final(self) -> bool:
        """Whether the restore has ended."""
        return self in (Phase.SUCCEEDED, Phase.FAILED)


class Chosen(StatusModel):
    """What is restored, and why it was chosen."""

    backup: str | None = Field(None, max_length=253, description="Name of the DatabaseBackup.")
    uid: str | None = Field(None, max_length=253, description="The uid of the DatabaseBackup.")
    backup_id: str | None = Field(None, alias="backupID", max_length=128, description="The backup's id.")
    location: str | None = Field(None, max_length=2048, description="Folder of the backup in its bucket.")
    completed_at: datetime | None = Field(None, description="When the backup was completed, UTC.")
    restore: str | None = Field(
        None, max_length=253, description="Name of the DatabaseRestore whose replaced database is put back."
    )
    because: Plain = Field(max_length=512, description="Why this backup was chosen, in one sentence.")
    release: ReleaseBefore | None = Field(
        None,
        description="The release that the backup was taken before. The restore goes back to the state before this "
        "release.",
    )


class Artifact(StatusModel):
    """What the DatabaseBackup's status says about the artifact. If the manifest disagrees, the restore fails."""

    sha256: str | None = Field(None, max_length=64, description="SHA-256 of the artifact as stored, in hexadecimal.")
    size_bytes: int | None = Field(None, ge=0, description="Size of the artifact as stored, in bytes.")
    uncompressed_bytes: int | None = Field(None, ge=0, description="Size before compression, in bytes.")
    engine: str | None = Field(None, max_length=32, description="Database engine of the backup.")
    format: str | None = Field(None, max_length=32, description="Format of the dump.")
    compression: str | None = Field(None, max_length=32, description="Compression of the artifact.")
    encryption: Literal["none", "age"] | None = Field(None, description="Encryption of the artifact: none or age.")
    globals_sha256: str | None = Field(
        None, max_length=64, description="SHA-256 of the object beside it with roles, owners and grants."
    )


class ResolvedRestore(StatusModel):
    """The restore as it was fixed before anything ran, with all defaults filled in. It holds no secrets."""

    s3: S3Storage | None = Field(None, description="The store. Absent if a replaced database is put back.")
    folder: str | None = Field(None, max_length=1024, description="Folder of the backup, ending in a slash.")
    artifact: Artifact | None = Field(
        None,
        description="What the DatabaseBackup's status says about the artifact. Absent if there is no DatabaseBackup.",
    )
    server_major: int | None = Field(None, ge=0, description="Major version of the server that was dumped.")
    database: Database = Field(
        description="The target. Of a snapshot: what is made, and with which Secret and endpoint RDS is asked."
    )
    rds: RDSTarget | None = Field(None, description="The instance or cluster that is made.")
    snapshot_arn: str | None = Field(
        None,
        max_length=512,
        description="The snapshot that it is made from. Absent if only the manifest in the bucket says it.",
    )
    create: bool = Field(False, description="Whether Holdfast creates the database if the server does not have it.")
    environment: Environment | None = Field(
        None, description="What the target is for. Absent if nothing says so; then it does not count as production."
    )
    environment_because: Plain | None = Field(
        None, max_length=512, description="Which resource says what the target is for."
    )
    source_environment: Environment | None = Field(
        None,
        description=("Environment of the database that was backed up. Absent if only the backup's manifest says it."),
    )
    never_unmasked_of: list[Environment] = Field(
        [], max_length=8, description="Environments whose data must not come into this target unmasked."
    )
    after_restore: AfterRestore | None = Field(None, description="SQL that runs in the restored database.")
    mode: RestoreMode = Field(description="What happens if the target is not empty.")
    content: Content = Field(Content.ALL, description="What is restored.")
    globals: GlobalsMode = Field(
        GlobalsMode.NONE, description="What is restored of roles, owners and grants: None, IfMissing or Require."
    )
    owner: str | None = Field(None, max_length=63, description="Role that is to own everything.")
    tables: list[Annotated[str, Field(max_length=256)]] = Field(
        [], max_length=64, description="The tables to restore. Empty means all tables."
    )
    jobs: int = Field(1, ge=1, description="How many tables are restored at a time.")
    identity_secret: str | None = Field(None, max_length=253, description="Secret with the age identity.")
    fresh: str | None = Field(
        None,
        max_length=600,
        description="Name of the new database while it is restored, before it takes the target's place.",
    )
    old: str | None = Field(None, max_length=600, description="Name of the old database after the switch.")
    kept: str | None = Field(None, max_length=600, description="Name of the database that is put back.")
    keep_hours: int = Field(24, ge=0, description="How long a replaced database is kept, in hours.")
    job: JobTemplate = Field(description="How the Job runs.")
    safety_storage: Storage | None = Field(
        None,
        description="Where a safety backup of the target goes if no BackupPolicy backs up this very database. Absent "
        "if the target is not of production.",
    )


class Replaced(StatusModel):
    """The database that was there before."""

    name: Reported = Field(description="Name of the replaced database now.")
    until: datetime = Field(description="Until when the old database is kept, UTC. Then a Job removes it.")


class Removal(StatusModel):
    """The Job that removes what a restore left beside its target: the replaced database, or a half-restored one."""

    names: list[Reported] = Field(max_length=4, description="Databases or files that the Job removes, if they exist.")
    job_name: str = Field(max_length=63, description="Name of the Job.")
    state: Literal["Running", "Done", "Failed"] = Field(description="State of the removal: Running, Done or Failed.")
    message: Plain = Field("", max_length=2048, description="What the Job removed, or why it could not.")


class DatabaseRestoreStatus(StatusModel):
    """State and result of the restore."""

    observed_generation: int | None = Field(None, description="Generation of the spec that this status describes.")
    phase: Phase | None = Field(
        None,
        description="State of the restore in one word: Pending, Queued, AwaitingConfirmation, Running, Succeeded or "
        "Failed.",
    )
    message: Plain | None = Field(None, max_length=4096, description="State of the restore in one sentence.")
    source: Chosen | None = Field(None, description="What is restored, and why. Present before anything runs.")
    target: Plain | None = Field(
        None, max_length=1024, description="The database that is restored into, in words. Present before anything runs."
    )
    confirmation: Confirmation | None = Field(
        None, description="Whether the restore is confirmed. Present if the target is a production database."
    )
    impact: Impact | None = Field(
        None, description="What the restore would change. Present if the target is of production."
    )
    safety_backup: SafetyBackup | None = Field(
        None,
        description="The backup of the target before the restore. Present if the target is a production database.",
    )
    job_name: str | None = Field(None, max_length=63, description="Name of the Job that restores.")
    job_uid: str | None = Field(
        None,
        alias="jobUID",
        max_length=253,
        description="The uid of that Job, once it was seen. There is no second one.",
    )
    pod_wanted: PodWanted | None = Field(
        None, description="Present while the Job should have a running Pod and has none."
    )
    started_at: datetime | None = Field(None, description="When the restore began, UTC.")
    completed_at: datetime | None = Field(None, description="When the restore completed, UTC.")
    duration_seconds: float | None = Field(None, ge=0, description="How long the Job's container ran, in seconds.")
    duration: str | None = Field(None, max_length=32, description="durationSeconds in a form for people, e.g. 2m5s.")
    size_bytes: int | None = Field(None, ge=0, description="Size of the artifact as stored, in bytes.")
    size: str | None = Field(None, max_length=32, description="sizeBytes in a form for people, e.g. 82 MB.")
    uncompressed_bytes: int | None = Field(None, ge=0, description="Size before compression, in bytes.")
    bytes_per_second: int | None = Field(
        None,
        ge=0,
        description="Speed of the restore in bytes per second: uncompressedBytes divided by durationSeconds.",
    )
    tables: int | None = Field(None, ge=0, description="Number of the backup's tables that are in the target now.")
    rows: int | None = Field(None, ge=0, description="Number of rows in these tables, counted in the target.")
    compared: list[Annotated[Plain, Field(max_length=64)]] | None = Field(
        None, max_length=16, description="What was checked in the target, and agrees with the backup's manifest."
    )
    differences: list[Reported] | None = Field(
        None,
        max_length=16,
        description="How the restored database differs from the backup. If it does, the restore has failed.",
    )
    server_version: Reported | None = Field(None, description="Database server of the target, and its version.")
    tool_version: Reported | None = Field(None, description="Tool that restored the backup, and its version.")
    instance: RestoredInstance | None = Field(
        None, description="The instance or cluster that was made from a snapshot, and how to reach it."
    )
    after_restore: AfterRestored | None = Field(
        None, description="The SQL that has run in the restored database. Present if spec.afterRestore is."
    )
    masking_waived: Plain | None = Field(
        None, max_length=512, description="Why the data are not masked, as spec.maskingWaived says."
    )
    switch_seconds: float | None = Field(
        None, ge=0, description="How long nobody could write while the databases were switched, in seconds."
    )
    replaced: Replaced | None = Field(
        None, description="The old database, which the restore replaced. Only with mode Replace."
    )
    removal: Removal | None = Field(None, description="The removal of what the restore left beside the target.")
    undo: str | None = Field(
        None,
        max_length=MAX_YAML,
        description="The YAML of a DatabaseRestore that undoes this one. Apply it to get the replaced database back.",
    )
    warnings: list[Reported] | None = Field(
        None, max_length=64, description="What you should know about this restore, whether it succeeded or not."
    )
    failure: Failure | None = Field(
        None,
        description="Why the restore failed, and what to do. If its Job must be ended first, this is present before "
        "the phase is Failed.",
    )
    ending: Ending | None = Field(
        None,
        description="Present if the Job could still run when the failure was recorded: the operator ends that Job "
        "before the phase is Failed.",
    )
    resolved: ResolvedRestore | None = Field(
        None, description="The restore as it was fixed before anything ran. It holds no secrets."
    )
    conditions: list[Condition] = Field(
        [],
        max_length=16,
        json_schema_extra=keyed_by("type"),
        description="Conditions of the restore: Finished, Succeeded, Ready, Reconciling and Stalled.",
    )
