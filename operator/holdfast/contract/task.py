r"""The task: what a Job is to do, as one JSON document in its Pod's environment. It never holds a secret.

Kubernetes rewrites `$$` and `$(NAME)` in the values of environment variables, so every `$` travels as `\u0024`.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from holdfast.api.base import SpecModel
from holdfast.api.database import Database, Engine
from holdfast.api.limits import MAX_PAGE
from holdfast.api.policy import Dump, VerificationLevel
from holdfast.api.rds import RDSInstance
from holdfast.api.rds_target import RDSTarget
from holdfast.api.release import Release
from holdfast.api.restoring import Content, GlobalsMode, RestoreMode
from holdfast.api.storage import Encryption, S3Storage
from holdfast.errors import HoldfastError, Reason

VERSION: Literal[1] = 1
MAX_ITEMS = MAX_PAGE  # the report has room for what becomes of each


class BackupIdentity(SpecModel):
    """Which backup this is; copied into the manifest, so that the bucket alone can tell."""

    uid: str = Field(description="The uid of the DatabaseBackup. A manifest with this uid belongs to this backup.")
    namespace: str = Field(description="Namespace of the DatabaseBackup.")
    name: str = Field(description="Name of the DatabaseBackup.")
    policy: str | None = Field(None, description="BackupPolicy of the backup.")
    backup_id: str = Field(
        alias="backupID", description="Unique id of the backup, which is also the name of its folder."
    )
    environment: str = Field(description="What the database is for: dev, staging or production.")
    label: str | None = Field(None, description="The label to find the backup by.")
    reason: str | None = Field(None, description="Why the backup was taken, in words for people.")
    retention_days: int = Field(description="Days until the backup expires, as first requested.")
    purpose: str | None = Field(
        None, description="What the backup was taken for: pre-migration or safety. Absent if it was none of these."
    )
    release: Release | None = Field(None, description="The release that the backup was taken before.")


class AnyWork(SpecModel):
    """What every task says."""

    version: Literal[1] = VERSION
    deadline_seconds: int = Field(description="How long the work may take, from the runner's start.")

    @property
    def given_user(self) -> str | None:
        """The user's name that the policy itself gives: that one is no secret."""
        return None


class AnyTask(AnyWork):
    """What every task says that is about a folder of a bucket."""

    s3: S3Storage
    key_prefix: str = Field(description="Folder of this backup in the bucket, ending in a slash.")

    @property
    def known_by(self) -> dict[str, str]:
        """What each line of the log is known by: the folder's name."""
        return {"prefix": self.key_prefix}


class AnyBackup(AnyTask):
    """What every backup says, whatever it is taken by."""

    backup: BackupIdentity
    identity_secret: str | None = Field(
        None, description="The mounted Secret whose identity a readback decrypts with; none: to the ciphertext."
    )
    spool_bytes: int | None = Field(
        None, description="What the volume for parts of the upload may hold; none where there is no volume."
    )

    @property
    def known_by(self) -> dict[str, str]:
        """A new backup is known by its own names."""
        return {"backupID": self.backup.backup_id, "namespace": self.backup.namespace, "name": self.backup.name}


class AnyVerification(AnyTask):
    """What every verification says."""

    backup_uid: str
    level: VerificationLevel | None = Field(None, description="None: what is asked has no levels, as a snapshot.")
    instance: RDSInstance | None = Field(None, description="Of a snapshot: what it was taken of, and who may ask.")


class AnyCleanup(AnyTask):
    """What every cleanup says."""

    backup_uid: str
    instance: RDSInstance | None = Field(None, description="Of a snapshot: what it was taken of, and who may ask.")


class DeleteItem(SpecModel):
    """A backup whose data is to be deleted, as the cluster knows it."""

    uid: str = Field(description="The uid of the DatabaseBackup: what its manifest has to say, too.")
    namespace: str
    name: str
    backup_id: str = Field(alias="backupID")
    key_prefix: str = Field(description="Its folder in the bucket, ending in a slash.")
    completed_at: AwareDatetime | None = Field(
        None, description="When it was completed: without a manifest, nothing that is newer is deleted."
    )


class MustStay(SpecModel):
    """A good backup that has to be there before anything is deleted."""

    uid: str
    key_prefix: str


class AnyDeletion(AnyTask):
    """What every deletion says; the folder is the one that all of its backups are in."""

    items: list[DeleteItem] = Field(min_length=1, max_length=MAX_ITEMS)
    must_stay: list[MustStay] = Field([], max_length=MAX_ITEMS)
    instance: RDSInstance | None = Field(None, description="Of snapshots: what they were taken of, and who may ask.")


class BackupTask(AnyBackup):
    """Dump the database, verify it, publish it."""

    kind: Literal["backup"] = "backup"
    database: Database
    dump: Dump
    encryption: Encryption | None = None
    verification: VerificationLevel = VerificationLevel.CHECKSUM
    scratch_bytes: int | None = Field(None, description="Limit of the scratch volume; none where there is no volume.")
    compare_before: AwareDatetime | None = Field(
        None,
        description="Since when the cluster knows of this policy and database: what is older, only the bucket knows.",
    )
    other_majors: list[int] = Field(
        [], description="Major versions of servers that another image is made for: those are left to it (ToolTooNew)."
    )

    @property
    def given_user(self) -> str | None:
        """The user's name that the policy gives."""
        return self.database.connection.username if self.database.connection else None


class SnapshotTask(AnyBackup):
    """Have RDS take a snapshot, wait until it is available, and write its manifest."""

    kind: Literal["rds-snapshot"] = "rds-snapshot"
    instance: RDSInstance


class Pinned(SpecModel):
    """What the resource remembers of its artifact. It wins over the manifest, which lies where others may write."""

    sha256: str | None = None
    size_bytes: int | None = None
    uncompressed_bytes: int | None = None
    engine: str | None = None
    format: str | None = None
    compression: str | None = None
    encryption: Literal["none", "age"] | None = Field(None, description="none: it is not encrypted.")
    globals_sha256: str | None = Field(None, description="Of the object that holds roles, owners and grants.")


class RestoreIdentity(SpecModel):
    """Which DatabaseRestore asks."""

    uid: str
    namespace: str
    name: str


class Beside(SpecModel):
    """The names that two databases have beside the target's own: they hold the restore's uid, so no other has them.

    Of a file, they are paths within the claim, in the target's own folder.
    """

    fresh: str = Field(description="What is restored into, until it takes the target's name.")
    old: str = Field(description="What was there before, once its name is taken.")


class Script(SpecModel):
    """SQL that is mounted into the Job, and run in the restored database before it is used."""

    config_map: str
    key: str


class RestoreTask(AnyTask):
    """Fetch a backup, check it, feed it into a database, and see that it came back."""

    kind: Literal["restore"] = "restore"
    backup_uid: str | None = Field(None, description="None: whichever backup's manifest is in the folder.")
    database: Database = Field(description="The target.")
    restore: RestoreIdentity | None = Field(None, description="None: a person pasted it, and no resource asks.")
    mode: RestoreMode = Field(
        RestoreMode.REFUSE,
        description="Refuse: the target must be empty. Into: what is there stays. Replace: what is there makes way, "
        "in one step, once the restored one is whole.",
    )
    beside: Beside | None = Field(None, description="Of the mode Replace alone, which needs it.")
    create: bool = Field(False, description="Make the database, where the server does not have it.")
    content: Content = Content.ALL
    globals: GlobalsMode = Field(GlobalsMode.NONE, description="What of roles, owners and grants is restored.")
    owner: str | None = Field(None, max_length=63, description="The role that is to own everything instead.")
    tables: list[str] = Field(
        [], max_length=1000, description="Only these, as the manifest names them. Empty: everything."
    )
    jobs: int = 1
    after_restore: Script | None = None
    never_unmasked_of: list[str] = Field(
        [], max_length=8, description="Environments whose data may not come into this target as they are."
    )
    scratch_bytes: int | None = None
    pinned: Pinned | None = Field(
        None, description="None in a task that was made from the bucket alone, where nothing else is known."
    )

    @property
    def given_user(self) -> str | None:
        """The user's name that the task gives."""
        return self.database.connection.username if self.database.connection else None


class AnyTarget(AnyWork):
    """What every task says that is about a restore's target alone, and no bucket."""

    database: Database
    restore: RestoreIdentity

    @property
    def known_by(self) -> dict[str, str]:
        """It is known by the restore that asks."""
        return {"namespace": self.restore.namespace, "name": self.restore.name}

    @property
    def given_user(self) -> str | None:
        """The user's name that the task gives."""
        return self.database.connection.username if self.database.connection else None


class SwapBackTask(AnyTarget):
    """Put back what a restore in the mode Replace has replaced, in one step, as that did."""

    kind: Literal["swap-back"] = "swap-back"
    kept: str = Field(description="What is to have the target's name again.")
    old: str = Field(description="What the one that has it now is called then.")


class CheckTask(AnyTarget):
    """Look at a restore's target before somebody confirms the restore, and at what would replace it."""

    kind: Literal["restore-check"] = "restore-check"
    mode: RestoreMode
    s3: S3Storage | None = Field(None, description="None where no backup is restored, but a database put back.")
    key_prefix: str | None = Field(None, description="Folder of the backup, ending in a slash.")
    backup_uid: str | None = Field(None, description="None: whichever backup's manifest is in the folder.")
    pinned: Pinned | None = None


class DropTask(AnyTarget):
    """Remove what a restore in the mode Replace left beside the target."""

    kind: Literal["drop"] = "drop"
    names: list[str] = Field(min_length=1, max_length=4, description="Of the restore's own making; never the target.")


class SnapshotRestoreTask(AnyTask):
    """Have RDS make a new instance or cluster from a snapshot, and wait until it is available."""

    kind: Literal["rds-restore"] = "rds-restore"
    backup_uid: str | None = Field(None, description="None: whichever backup's manifest is in the folder.")
    restore: RestoreIdentity
    instance: RDSInstance = Field(description="What is made: its kind and region, and who may ask.")
    snapshot_arn: str | None = Field(
        None,
        description="What the resource remembers: the manifest must say the same. None in a task that was made from "
        "the bucket alone: then the snapshot's tags must name this folder.",
    )
    target: RDSTarget = Field(description="What is made.")
    never_unmasked_of: list[str] = Field([], max_length=8)


class VerifyTask(AnyVerification):
    """Compare a dump that is there with what its manifest says."""

    kind: Literal["verify"] = "verify"
    engine: Engine
    level: VerificationLevel
    pinned: Pinned = Field(Pinned(), description="What the resource remembers: the manifest must say the same.")
    identity_secret: str | None = Field(
        None, description="The mounted Secret, which must be there; none: what is mounted is used, if anything is."
    )
    scratch_bytes: int | None = None


class SnapshotVerifyTask(AnyVerification):
    """Ask RDS whether a snapshot is still there and what its manifest says."""

    kind: Literal["rds-verify"] = "rds-verify"
    backup_id: str = Field(alias="backupID")
    instance: RDSInstance


class CleanupTask(AnyCleanup):
    """Remove what a killed attempt left: uploads under the prefix, and artifacts where no manifest is."""

    kind: Literal["cleanup"] = "cleanup"


class SnapshotCleanupTask(AnyCleanup):
    """Remove what a killed attempt left: the snapshot and its copy, where no manifest is, and what is in the folder."""

    kind: Literal["rds-cleanup"] = "rds-cleanup"
    backup_id: str = Field(alias="backupID")
    instance: RDSInstance
    deadline_seconds: int = Field(description="RDS deletes no snapshot before it is available: that takes its time.")


class DeleteTask(AnyDeletion):
    """Delete dumps: the manifest of each first, then what it names, then what is left in its folder."""

    kind: Literal["delete"] = "delete"


class SnapshotDeleteTask(AnyDeletion):
    """Delete snapshots and their copies, and what is in the bucket of them."""

    kind: Literal["rds-delete"] = "rds-delete"
    instance: RDSInstance


Task = Annotated[
    BackupTask
    | SnapshotTask
    | RestoreTask
    | SwapBackTask
    | CheckTask
    | DropTask
    | VerifyTask
    | SnapshotVerifyTask
    | SnapshotRestoreTask
    | CleanupTask
    | SnapshotCleanupTask
    | DeleteTask
    | SnapshotDeleteTask,
    Field(discriminator="kind"),
]
_TASK: TypeAdapter[Task] = TypeAdapter(Task)


def to_environment(task: Task) -> str:
    """Write the task as a value for an environment variable in a Pod."""
    return task.model_dump_json(by_alias=True, exclude_none=True).replace("$", "\\u0024")


def parse(text: str) -> Task:
    """Read a task. Raises HoldfastError(InvalidTask) that names the field."""
    try:
        return _TASK.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise HoldfastError(
            Reason.INVALID_TASK,
            f"the task cannot be read: {where}: {first['msg']}",
            "use runner images of the operator's own release",
        ) from error
