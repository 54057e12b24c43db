"""DatabaseBackup: one backup, from a policy or complete in itself."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from holdfast.api.base import DNS_LABEL, PolicyName, Rule, SpecModel, StatusModel, keyed_by, rules, says
from holdfast.api.conditions import Condition
from holdfast.api.policy import BackupPolicySpec, VerificationLevel
from holdfast.texts import Plain


class PolicyReference(SpecModel):
    """A BackupPolicy of the same namespace."""

    name: PolicyName = Field(description="Name of the BackupPolicy: at most 40 characters.")


_IMMUTABLE = [
    Rule(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} cannot change: a backup is what it was asked to be; create another one",
        field=f".{field}",
        reason="FieldValueForbidden",
    )
    for field in ("policyRef", "policy", "label", "reason")
]


class DatabaseBackupSpec(SpecModel):
    """What to back up, and what to remember about it. Everything but retentionDays is immutable."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule("has(self.policyRef) != has(self.policy)", "exactly one of policyRef and policy must be set"),
            *_IMMUTABLE,
        )
    )

    policy_ref: PolicyReference | None = Field(
        None,
        json_schema_extra={"x-kubernetes-map-type": "atomic"},
        description="The BackupPolicy of this namespace that says what to back up, how and where to. Where it does not "
        "exist yet, the backup waits for it. Exactly one of policyRef and policy is set; it cannot change.",
    )
    policy: BackupPolicySpec | None = Field(
        None,
        description="What to back up, how and where to, written here: a backup complete in itself. Exactly one of "
        "policyRef and policy is set; it cannot change.",
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
        description="A word to find the backup by, e.g. before-v2; it becomes the end of the backup's id. At most 40 "
        "lower-case letters, digits and dashes. It cannot change.",
    )
    reason: str | None = Field(
        None,
        min_length=1,
        max_length=512,
        description="Why this backup is taken, for people, e.g. release 2.0. It cannot change.",
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        le=36500,
        description="Days until this backup expires, counted from its end. It may change later. Default: the policy's.",
    )


class Phase(StrEnum):
    """Where a backup stands, in one word for people."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    VERIFYING = "Verifying"

    @property
    def is_final(self) -> bool:
        """Whether the backup ends here."""
        return self in (Phase.SUCCEEDED, Phase.FAILED)

    @property
    def has_ended(self) -> bool:
        """Whether the backup itself has ended: what is verified again has."""
        return self.is_final or self is Phase.VERIFYING


def is_good(status: Mapping[str, Any]) -> bool:
    """Whether there is a backup, as far as its status knows; also while it is verified again."""
    return status.get("phase") in (Phase.SUCCEEDED, Phase.VERIFYING) and "failure" not in status


# What a Job's report says goes into the status as it is, and a report has at most 4,096 bytes: a lower limit here
# could make the API server refuse the status of a backup that is there. Whatever others wrote in it becomes plain text.
Reported = Annotated[Plain, Field(max_length=4096)]


class Failure(StatusModel):
    """Why a backup failed, and what to do about it."""

    reason: str = Field(max_length=128, description="One word for machines; docs/reference/failures.md lists them.")
    exit_code: int | None = Field(None, description="Exit code of the Job's container, where it had one.")
    message: Reported = Field(description="What happened, and why.")
    remedy: Reported = Field(description="What to do about it.")


class CheckedBy(StrEnum):
    """Whose word a verification rests on."""

    STORE_CHECKSUM = "StoreChecksum"
    READBACK = "Readback"
    RDS = "RDS"


class Verification(StatusModel):
    """What was checked before the backup was called one, or when it was last verified again with success."""

    level: VerificationLevel | None = Field(
        None, description="checksum or readback, as asked for. Absent for a snapshot: its content cannot be read."
    )
    checked_by: CheckedBy | None = Field(
        None,
        description="StoreChecksum (the store's own SHA-256 of the parts), Readback (all bytes were read back) or RDS "
        "(what AWS says).",
    )
    compared: list[Annotated[str, Field(max_length=64)]] | None = Field(
        None,
        max_length=16,
        description="What was found as the manifest says: size, storeChecksum, sha256, uncompressedBytes, rows, "
        "schema; for a snapshot arn, state, encryption.",
    )
    integrity_check: Reported = Field(
        description="What the checksums said: passed. For a snapshot, what RDS says of it."
    )
    file_readable: Reported = Field(
        description="How the dump was seen to be whole. A snapshot's content cannot be looked at: it says so."
    )
    verified_at: datetime = Field(description="When it was checked, UTC.")


class VerificationRun(StatusModel):
    """The last time that it was asked to be verified again, by the annotation holdfast.dev/verify."""

    request: str = Field(max_length=128, description="The annotation's value: each new one is a new request.")
    number: int = Field(ge=1, description="Which request this is, counted from 1.")
    state: Literal["Running", "Passed", "Failed", "NotDone", "Refused"] = Field(
        description="Running, Passed, Failed (it is not what was backed up), NotDone (that could not be found out) or "
        "Refused (the request makes no sense)."
    )
    level: VerificationLevel | None = Field(None, description="checksum or readback; absent for a snapshot.")
    job_name: str | None = Field(None, max_length=63, description="Name of its Job.")
    started_at: datetime = Field(description="When it began, UTC.")
    completed_at: datetime | None = Field(None, description="When it ended, UTC.")
    message: Reported = Field("", description="What came of it, in a sentence.")
    failure: Failure | None = Field(None, description="Why it failed, was not done or was refused, and what to do.")


class SnapshotInRegion(StatusModel):
    """A snapshot where it lies."""

    arn: str = Field(max_length=512, description="The snapshot's ARN.")
    region: str = Field(max_length=64, description="The region that it lies in.")
    kms_key_id: str | None = Field(
        None, alias="kmsKeyID", max_length=2048, description="The KMS key that encrypts it; absent where none does."
    )


class Snapshot(SnapshotInRegion):
    """The snapshot that AWS keeps, as RDS describes it, and what restoring it takes."""

    kind: Literal["instance", "cluster"] = Field(description="What it was taken of: instance or cluster.")
    source: str = Field(max_length=255, description="Identifier of the instance or cluster that it was taken of.")
    engine: str = Field(max_length=255, description="The database's engine, in RDS's words.")
    engine_version: str = Field(max_length=255, description="The engine's version.")
    encrypted: bool = Field(description="Whether it is encrypted, as RDS says.")
    allocated_bytes: int | None = Field(None, ge=0, description="Storage allocated to it, bytes, as RDS says.")
    instance_class: str | None = Field(
        None, max_length=255, description="Class of the instance that it was taken of; a cluster may have none."
    )
    subnet_group: str | None = Field(None, max_length=512, description="Subnet group of what it was taken of.")
    security_groups: list[Annotated[str, Field(max_length=255)]] = Field(
        [], max_length=64, description="VPC security groups of what it was taken of."
    )
    copy_in: SnapshotInRegion | None = Field(None, alias="copy", description="Its copy in another region.")


class Migrations(StatusModel):
    """How far the migrations of a tool had come when the dump began. The lists are in the manifest."""

    tool: Reported = Field(description="The tool whose table was found, e.g. Flyway.")
    applied_count: int | None = Field(
        None, ge=0, description="Migrations applied; absent where the tool records only the current version."
    )
    last: Reported | None = Field(None, description="The last applied one.")
    failed: int | None = Field(None, ge=0, description="Migrations that are recorded as failed or unfinished.")


class Cleanup(StatusModel):
    """The Job that removes what a killed attempt left in the bucket, or with AWS."""

    job_name: str = Field(max_length=63, description="Name of the Job.")
    state: Literal["Running", "Done", "Failed"] = Field(description="Running, Done or Failed.")
    message: Plain = Field("", max_length=2048, description="What it did, or why it could not.")


class PodWanted(StatusModel):
    """That no Pod of the Job runs, though one is wanted: after one that ran, or where the cluster refuses one."""

    since: datetime = Field(description="When that was first seen, UTC.")
    refused: bool = Field(False, description="Whether the cluster refuses it; else the Job makes one by itself.")
    ran: bool = Field(False, description="Whether a Pod of the Job had run before.")
    failed_pods: int = Field(0, ge=0, description="How many Pods of the Job had failed by then.")


class Ending(StatusModel):
    """That its Job is ended, or was, before the backup is called Failed: nothing of it may go on then."""

    since: datetime = Field(description="When the failure was recorded, UTC.")
    job_uid: str | None = Field(
        None, alias="jobUID", max_length=253, description="The uid of the Job that is ended, where it was still there."
    )


MAX_COMMANDS = 131072


class DatabaseBackupStatus(StatusModel):
    """What happened."""

    observed_generation: int | None = Field(None, description="Generation of the spec that this status is about.")
    phase: Phase | None = Field(
        None, description="Pending, Running, Succeeded, Failed or Verifying: one word for people."
    )
    message: Plain | None = Field(None, max_length=4096, description="The state in a sentence.")
    backup_id: str | None = Field(
        None,
        alias="backupID",
        max_length=128,
        description="The backup's unique id: backup-YYYYMMDD-HHMMSS[-label], UTC.",
    )
    location: str | None = Field(
        None,
        max_length=2048,
        description="Folder of the backup in its bucket; for a snapshot, the folder of its manifest.",
    )
    job_name: str | None = Field(None, max_length=63, description="Name of the Job that takes it.")
    attempt: int | None = Field(
        None,
        ge=1,
        description="Which Job this is: another one follows where a report was lost, or another image "
        "fits the server better.",
    )
    retries: int | None = Field(None, ge=0, description="Pods of the Job that failed and were replaced.")
    pod_wanted: PodWanted | None = Field(
        None, description="Present while a Pod of the Job is wanted and none runs, after one ran or was refused."
    )
    size_bytes: int | None = Field(
        None,
        ge=0,
        description="Size of the artifact as stored, bytes. For a snapshot: its full size where RDS states one, "
        "else the storage allocated to it; absent for a cluster, of which RDS states neither reliably.",
    )
    size: str | None = Field(None, max_length=32, description="The same for people, e.g. 82 MB.")
    database_size_bytes: int | None = Field(None, ge=0, description="Size of the database on its server, bytes.")
    uncompressed_bytes: int | None = Field(None, ge=0, description="Size of the dump before compression, bytes.")
    compression_ratio: float | None = Field(None, ge=0, description="uncompressedBytes / sizeBytes.")
    sha256: str | None = Field(None, max_length=64, description="SHA-256 of the artifact as stored, hexadecimal.")
    started_at: datetime | None = Field(None, description="When the backup began, UTC.")
    completed_at: datetime | None = Field(None, description="When it ended, UTC.")
    duration_seconds: float | None = Field(None, ge=0, description="How long the Job's container worked, seconds.")
    duration: str | None = Field(None, max_length=32, description="The same for people, e.g. 2m5s.")
    expires_at: datetime | None = Field(None, description="When it expires, UTC. This version deletes nothing.")
    expires: str | None = Field(None, max_length=32, description="The day on which it expires, for people.")
    tool_version: Reported | None = Field(
        None, description="The dump tool, with its version; for a snapshot, the action of RDS's API."
    )
    server_version: Reported | None = Field(None, description="The server, with its version.")
    server_major: int | None = Field(
        None,
        ge=0,
        description="The server's major version, by which the runner's image is picked: the last backup's of this "
        "database, until this one has asked the server.",
    )
    snapshot: Snapshot | None = Field(None, description="With method aws-rds: the snapshot that AWS keeps.")
    tables: int | None = Field(None, ge=0, description="Tables whose rows are in the dump.")
    rows: int | None = Field(
        None, ge=0, description="Rows of all of them, counted in the dump; each is in the manifest."
    )
    schema_sha256: Reported | None = Field(
        None, description="SHA-256 of the schema in the dump: equal for equal schemas dumped by the same versions."
    )
    migrations: Migrations | None = Field(None, description="How far migrations had come when the dump began.")
    verification: Verification | None = Field(
        None,
        description="What was checked before it was called a backup, or when it was last verified again with success.",
    )
    verification_run: VerificationRun | None = Field(
        None, description="The last time that it was asked to be verified again, and what came of it."
    )
    warnings: list[Reported] | None = Field(
        None, max_length=64, description="What is worth knowing though it succeeded."
    )
    failure: Failure | None = Field(
        None,
        description="Why it failed, and what to do; present before the phase is Failed where its Job is ended first.",
    )
    ending: Ending | None = Field(
        None, description="How its Job is ended, or was, where it could still run when the failure was recorded."
    )
    cleanup: Cleanup | None = Field(None, description="The removal of what a killed attempt left behind.")
    restore: str | None = Field(None, max_length=MAX_COMMANDS, description="What to paste into a shell to get it back.")
    resolved: BackupPolicySpec | None = Field(
        None, description="The policy as it was when the backup began, with every default filled in. No secrets."
    )
    conditions: list[Condition] = Field(
        [],
        max_length=16,
        json_schema_extra=keyed_by("type"),
        description="What holds for the backup: Finished, Succeeded, Verified, Suspicious, Ready, Reconciling and "
        "Stalled.",
    )
