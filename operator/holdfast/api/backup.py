"""DatabaseBackup: one backup, from a policy or complete in itself."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from holdfast.api.base import DNS_LABEL, PolicyName, Rule, SpecModel, StatusModel, keyed_by, rules, says
from holdfast.api.conditions import Condition
from holdfast.api.deletion import Deletion
from holdfast.api.job import PodWanted
from holdfast.api.policy import BackupPolicySpec, DeletionPolicy, VerificationLevel
from holdfast.api.release import Purpose, Release, ReleaseStatus
from holdfast.api.retention import without_effect
from holdfast.texts import Plain


class PolicyReference(SpecModel):
    """A BackupPolicy of the same namespace."""

    name: PolicyName = Field(description="Name of the BackupPolicy, at most 40 characters.")


_IMMUTABLE = [
    Rule(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} cannot change once the backup is created; create another backup",
        field=f".{field}",
        reason="FieldValueForbidden",
    )
    for field in ("policyRef", "policy", "label", "reason", "purpose", "release")
]


class DatabaseBackupSpec(SpecModel):
    """What to back up, and notes. All fields except retentionDays, pinned and deletionPolicy are immutable."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule("has(self.policyRef) != has(self.policy)", "set exactly one of policyRef and policy"),
            Rule(
                "!has(self.policy) || !has(self.policy.schedule)",
                "schedule has no effect in a backup, which is taken once: leave it out, or create a BackupPolicy",
                field=".policy.schedule",
            ),
            *without_effect(
                "self.policy.retention",
                "has(self.policy) && has(self.policy.retention)",
                "in a backup without a BackupPolicy, which Holdfast does not delete by itself",
                path=".policy.retention",
            ),
            Rule(
                "!has(self.policy) || !has(self.policy.retention) || !has(self.policy.retention.mode) || "
                "self.policy.retention.mode == 'Managed'",
                "mode has no effect in a backup without a BackupPolicy, which Holdfast does not delete by itself: "
                "leave it out",
                field=".policy.retention.mode",
            ),
            Rule(
                "!has(self.policy) || !self.pinned",
                "pinned has no effect in a backup without a BackupPolicy, which Holdfast does not delete by itself: "
                "leave it out",
                field=".pinned",
            ),
            *_IMMUTABLE,
        )
    )

    policy_ref: PolicyReference | None = Field(
        None,
        json_schema_extra={"x-kubernetes-map-type": "atomic"},
        description="The BackupPolicy in this namespace that says what to back up, how and where to. If the policy "
        "does not exist yet, the backup waits for it. Set exactly one of policyRef and policy. Immutable.",
    )
    policy: BackupPolicySpec | None = Field(
        None,
        description="What to back up, how and where to, for a backup without a BackupPolicy. It takes the fields of a "
        "BackupPolicy's spec. Set exactly one of policyRef and policy. Immutable.",
    )
    label: str | None = Field(
        None,
        min_length=1,
        max_length=40,
        pattern=DNS_LABEL,
        json_schema_extra=says(
            "must be a DNS label: at most 40 lower-case letters, digits and '-', with a letter or digit at both ends: "
            "before-v2"
        ),
        description="A word to find the backup by, e.g. before-v2. The backup's id ends with this label. At most 40 "
        "lower-case letters, digits and dashes. Immutable.",
    )
    reason: str | None = Field(
        None,
        min_length=1,
        max_length=512,
        description="Why this backup is taken, in words for people, e.g. release 2.0. Immutable.",
    )
    purpose: Purpose | None = Field(
        None,
        description="Purpose of this backup: pre-migration (taken before a migration) or safety (taken before anything "
        "else that may do harm). Immutable. Default: neither.",
    )
    release: Release | None = Field(
        None,
        description="The release that this backup is taken before. Holdfast sets this field for a migration Job; you "
        "may set it for other backups. Immutable.",
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        le=36500,
        description="Days until this backup expires, counted from its completion. You may change this later. Default: "
        "the policy's retention.",
    )
    pinned: bool = Field(
        False,
        description="Whether to keep this backup, whatever the policy's retention says. You may change this later. "
        "Default: false.",
    )
    deletion_policy: DeletionPolicy | None = Field(
        None,
        description="What happens to this backup's data when somebody deletes this resource: Retain (the data stays in "
        "the store) or Delete (Holdfast deletes the data first; until then the resource stays, by default for at most "
        "15 minutes). The data of a pinned backup always stays. You may change this at any time, even while the "
        "deletion waits. Default: the policy's, as it was when the backup began.",
    )


class Phase(StrEnum):
    """Where a backup stands, in one word for people."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    VERIFYING = "Verifying"
    DELETING = "Deleting"
    EXPIRED = "Expired"

    @property
    def is_final(self) -> bool:
        """Whether the backup rests here until something is asked of it."""
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.EXPIRED)

    @property
    def has_ended(self) -> bool:
        """Whether the backup itself has ended: what is verified again, or is being deleted, has."""
        return self.is_final or self in (Phase.VERIFYING, Phase.DELETING)


def is_good(status: Mapping[str, Any]) -> bool:
    """Whether there is a backup, as far as its status knows; also while it is verified again."""
    return status.get("phase") in (Phase.SUCCEEDED, Phase.VERIFYING) and "failure" not in status


# What a Job's report says goes into the status as it is, and a report has at most 4,096 bytes: a lower limit here
# could make the API server refuse the status of a backup that is there. Whatever others wrote in it becomes plain text.
Reported = Annotated[Plain, Field(max_length=4096)]


class Failure(StatusModel):
    """Why a backup failed, and what to do about it."""

    reason: str = Field(
        max_length=128, description="The reason as one word for programs; docs/reference/failures.md lists all reasons."
    )
    exit_code: int | None = Field(None, description="Exit code of the Job's container. Absent if there was none.")
    message: Reported = Field(description="What happened, and why.")
    remedy: Reported = Field(description="What to do about the failure.")


class CheckedBy(StrEnum):
    """Whose word a verification rests on."""

    STORE_CHECKSUM = "StoreChecksum"
    READBACK = "Readback"
    RDS = "RDS"


class Verification(StatusModel):
    """The last successful verification: the one before the backup succeeded, or a later one."""

    level: VerificationLevel | None = Field(
        None,
        description="Level of verification: checksum or readback. Absent for a snapshot, whose content cannot be read.",
    )
    checked_by: CheckedBy | None = Field(
        None,
        description="Who confirmed the backup: StoreChecksum (the store, by its own SHA-256 of the parts), Readback "
        "(the runner, which read all bytes back) or RDS (AWS).",
    )
    compared: list[Annotated[str, Field(max_length=64)]] | None = Field(
        None,
        max_length=16,
        description="Which facts were compared with the manifest and agreed: size, storeChecksum, sha256, "
        "uncompressedBytes, rows, schema, globals; for a snapshot arn, state, encryption.",
    )
    integrity_check: Reported = Field(
        description="Result of comparing the checksums: passed. For a snapshot: what RDS reports about it."
    )
    file_readable: Reported = Field(
        description="How the runner made sure that the dump is complete. For a snapshot: that its content was not read."
    )
    verified_at: datetime = Field(description="When the backup was verified, UTC.")


class VerificationRun(StatusModel):
    """The last verification after the backup had ended, requested by an annotation or by retention."""

    request: str = Field(
        max_length=128,
        description="Value of the annotation holdfast.dev/verify that asked for this verification. Each new value is a "
        "new request. If Holdfast itself began this verification, because the data may be gone, this is the previous "
        "value or empty.",
    )
    number: int = Field(ge=1, description="Number of this request, counted from 1.")
    state: Literal["Running", "Passed", "Failed", "Expired", "NotDone", "Refused"] = Field(
        description="State of the verification: Running, Passed, Failed (the stored backup differs from what was "
        "backed up), Expired (nothing is left in the store of a backup that was to be deleted), NotDone (the backup "
        "could not be checked) or Refused (the request is not valid)."
    )
    level: VerificationLevel | None = Field(
        None, description="Level of verification: checksum or readback. Absent for a snapshot."
    )
    job_name: str | None = Field(None, max_length=63, description="Name of the Job that verifies.")
    started_at: datetime = Field(description="When the verification began, UTC.")
    completed_at: datetime | None = Field(None, description="When the verification completed, UTC.")
    message: Reported = Field("", description="Result of the verification, in one sentence.")
    failure: Failure | None = Field(
        None, description="Why the verification failed, was not done or was refused, and what to do."
    )


class SnapshotInRegion(StatusModel):
    """A snapshot and its region."""

    arn: str = Field(max_length=512, description="The snapshot's ARN.")
    region: str = Field(max_length=64, description="AWS region of the snapshot.")
    kms_key_id: str | None = Field(
        None,
        alias="kmsKeyID",
        max_length=2048,
        description="KMS key that encrypts the snapshot. Absent if the snapshot is not encrypted.",
    )


class Snapshot(SnapshotInRegion):
    """The snapshot that AWS keeps, as RDS describes it, and what a restore from it needs."""

    kind: Literal["instance", "cluster"] = Field(description="What the snapshot was taken of: instance or cluster.")
    source: str = Field(
        max_length=255, description="Identifier of the instance or cluster that the snapshot was taken of."
    )
    engine: str = Field(max_length=255, description="Database engine, as RDS names it.")
    engine_version: str = Field(max_length=255, description="Version of the database engine.")
    encrypted: bool = Field(description="Whether the snapshot is encrypted, as RDS reports.")
    allocated_bytes: int | None = Field(
        None, ge=0, description="Storage allocated to the instance or cluster, in bytes, as RDS reports."
    )
    instance_class: str | None = Field(
        None, max_length=255, description="Instance class of the source. Absent for a cluster that has none."
    )
    subnet_group: str | None = Field(None, max_length=512, description="DB subnet group of the source.")
    security_groups: list[Annotated[str, Field(max_length=255)]] = Field(
        [], max_length=64, description="VPC security groups of the source."
    )
    copy_in: SnapshotInRegion | None = Field(None, alias="copy", description="Copy of the snapshot in another region.")


class BackupGlobals(StatusModel):
    """The object beside the artifact that holds roles, owners and grants."""

    sha256: str = Field(max_length=64, description="SHA-256 of the object as stored, in hexadecimal.")
    size_bytes: int = Field(ge=0, description="Size of the object as stored, in bytes.")
    roles: int = Field(0, ge=0, description="Number of roles in it.")


class Migrations(StatusModel):
    """Which migrations of a tool were applied when the dump began. The lists are in the manifest."""

    tool: Reported = Field(description="Migration tool whose table was found, e.g. Flyway.")
    applied_count: int | None = Field(
        None, ge=0, description="Number of applied migrations. Absent if the tool records only the current version."
    )
    last: Reported | None = Field(None, description="The last applied migration.")
    failed: int | None = Field(
        None, ge=0, description="Number of migrations that the tool records as failed or unfinished."
    )


class Cleanup(StatusModel):
    """The Job that removes what a killed attempt left in the bucket, or in AWS."""

    job_name: str = Field(max_length=63, description="Name of the Job that cleans up.")
    state: Literal["Running", "Done", "Failed"] = Field(description="State of the cleanup: Running, Done or Failed.")
    message: Plain = Field("", max_length=2048, description="What the cleanup removed, or why it could not.")


class Ending(StatusModel):
    """The operator ends the backup's Job before it calls the backup Failed: nothing of it may go on then."""

    since: datetime = Field(description="When the failure was recorded, UTC.")
    job_uid: str | None = Field(
        None,
        alias="jobUID",
        max_length=253,
        description="The uid of the Job that the operator ends. Absent if the Job was gone.",
    )


class Queued(StatusModel):
    """The backup waits for its turn: so many run at once, and so many of one server."""

    since: datetime = Field(description="When the backup joined the queue, UTC.")
    position: int = Field(
        ge=1,
        description="Position in the queue when the operator last looked. Exact up to 10. 11, 101, 1001, ... mean this "
        "position or a later one.",
    )


MAX_COMMANDS = 131072


class DatabaseBackupStatus(StatusModel):
    """State and result of the backup."""

    observed_generation: int | None = Field(None, description="Generation of the spec that this status describes.")
    phase: Phase | None = Field(
        None,
        description="State of the backup in one word: Pending, Queued, Running, Succeeded, Failed, Verifying, Deleting "
        "(its data is being deleted) or Expired (its data is gone, as retention or a lifecycle rule of the bucket "
        "intends).",
    )
    message: Plain | None = Field(None, max_length=4096, description="State of the backup in one sentence.")
    queue: Queued | None = Field(None, description="Present while the backup waits in the queue.")
    backup_id: str | None = Field(
        None,
        alias="backupID",
        max_length=128,
        description="The backup's unique id: backup-YYYYMMDD-HHMMSS[-label], UTC.",
    )
    location: str | None = Field(
        None,
        max_length=2048,
        description="Folder of the backup in its bucket. For a snapshot: folder of the manifest.",
    )
    release: ReleaseStatus | None = Field(
        None, description="The release in spec.release, and the result of its migration."
    )
    job_name: str | None = Field(None, max_length=63, description="Name of the Job that takes the backup.")
    attempt: int | None = Field(
        None,
        ge=1,
        description="Number of this Job, counted from 1. The operator starts another Job if a report was lost, or if "
        "another image fits the server better.",
    )
    retries: int | None = Field(None, ge=0, description="Number of Pods of the Job that failed and were replaced.")
    pod_wanted: PodWanted | None = Field(
        None,
        description="Present while the Job should have a running Pod and has none: after a Pod ended, or because "
        "the cluster refuses Pods.",
    )
    size_bytes: int | None = Field(
        None,
        ge=0,
        description="Size of the artifact as stored, in bytes. For a snapshot: its full size if RDS reports one, else "
        "the storage allocated to the instance. Absent for a cluster: RDS reports neither size reliably.",
    )
    size: str | None = Field(None, max_length=32, description="sizeBytes in a form for people, e.g. 82 MB.")
    database_size_bytes: int | None = Field(None, ge=0, description="Size of the database on its server, in bytes.")
    uncompressed_bytes: int | None = Field(None, ge=0, description="Size of the dump before compression, in bytes.")
    compression_ratio: float | None = Field(None, ge=0, description="uncompressedBytes divided by sizeBytes.")
    sha256: str | None = Field(None, max_length=64, description="SHA-256 of the artifact as stored, in hexadecimal.")
    started_at: datetime | None = Field(None, description="When the backup began, UTC.")
    completed_at: datetime | None = Field(None, description="When the backup completed, UTC.")
    duration_seconds: float | None = Field(None, ge=0, description="How long the Job's container ran, in seconds.")
    duration: str | None = Field(None, max_length=32, description="durationSeconds in a form for people, e.g. 2m5s.")
    expires_at: datetime | None = Field(
        None,
        description="When the policy's retention stops keeping the backup, UTC. This is a forecast if a rule counts "
        "backups, as keepLast does. Without a policy, Holdfast does not delete the backup at this time.",
    )
    expires: str | None = Field(
        None, max_length=32, description="Day on which the backup expires, in a form for people."
    )
    kept_because: list[Annotated[Plain, Field(max_length=128)]] | None = Field(
        None, max_length=16, description="All rules of the policy's retention that keep the backup now."
    )
    locked_until: datetime | None = Field(
        None, description="Until when the store's Object Lock keeps the backup's data from being deleted, UTC."
    )
    deletion: Deletion | None = Field(
        None, description="Progress of the deletion of the backup's data. Present once the deletion has begun."
    )
    tool_version: Reported | None = Field(
        None, description="Dump tool and its version. For a snapshot: the action of the RDS API."
    )
    server_version: Reported | None = Field(None, description="Database server and its version.")
    server_major: int | None = Field(
        None,
        ge=0,
        description="Major version of the database server, which decides the runner's image. Until this backup has "
        "asked the server, it is the version that the last backup of this database found.",
    )
    snapshot: Snapshot | None = Field(None, description="The snapshot that AWS keeps. Only with method aws-rds.")
    tables: int | None = Field(None, ge=0, description="Number of tables whose rows are in the dump.")
    rows: int | None = Field(
        None,
        ge=0,
        description="Number of rows in all tables, counted in the dump. The manifest has the number for each table.",
    )
    schema_sha256: Reported | None = Field(
        None,
        description="SHA-256 of the schema as the dump writes it. Equal hashes mean equal schemas; a restored database "
        "may have a different hash, since the server rewrites views and expressions.",
    )
    migrations: Migrations | None = Field(None, description="Which migrations were applied when the dump began.")
    needs: list[Reported] | None = Field(
        None,
        max_length=16,
        description="What a restore needs and the dump does not contain, one sentence each, with the statement to run "
        "first if there is one. The manifest has the whole list.",
    )
    globals: BackupGlobals | None = Field(
        None, description="The object beside the artifact that has roles, owners and grants. Absent if there is none."
    )
    verification: Verification | None = Field(
        None,
        description="The last successful verification: the one that every backup passes before it succeeds, or a "
        "later one.",
    )
    verification_run: VerificationRun | None = Field(
        None,
        description="The last verification after the backup had ended, and its result. It was requested by the "
        "annotation holdfast.dev/verify, or Holdfast began it itself because the data may be gone.",
    )
    warnings: list[Reported] | None = Field(
        None, max_length=64, description="What you should know about this backup although it succeeded."
    )
    warning_count: int | None = Field(None, ge=0, description="Number of warnings. Absent if there is none.")
    failure: Failure | None = Field(
        None,
        description="Why the backup failed, and what to do. If its Job must be ended first, this is present before "
        "the phase is Failed.",
    )
    ending: Ending | None = Field(
        None,
        description="Present if the Job could still run when the failure was recorded: the operator ends that Job "
        "before the phase is Failed.",
    )
    cleanup: Cleanup | None = Field(
        None, description="The cleanup of what a killed attempt left in the bucket, or in AWS."
    )
    restore: str | None = Field(
        None,
        max_length=MAX_COMMANDS,
        description="How to restore this backup: the YAML of a DatabaseRestore to apply. Its comments say what you may "
        "change, and what you must set first.",
    )
    resolved: BackupPolicySpec | None = Field(
        None,
        description="The policy as it was when the backup began, with all defaults filled in. It holds no secrets.",
    )
    conditions: list[Condition] = Field(
        [],
        max_length=16,
        json_schema_extra=keyed_by("type"),
        description="Conditions of the backup: Finished, Succeeded, Verified, Suspicious, Ready, Reconciling and "
        "Stalled.",
    )
