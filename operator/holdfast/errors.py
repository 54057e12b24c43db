"""What can go wrong, in one table: each reason with its exit code.

A `HoldfastError` is an outcome that a person is told: what happened and why (`message`), and what to do (`remedy`).
Whoever raises one knows the field, host or bucket that it is about and says so; nobody puts a secret into one.
Anything else that escapes is a fault of Holdfast's own and becomes `InternalError`.

    HoldfastError
    ├── raised in the runner: reasons with an exit code, which ends the Job's container
    └── raised or decided in the operator: reasons without one (the container never ran, or never reported)
"""

from collections.abc import Sequence
from enum import IntEnum, StrEnum

from holdfast import texts


class ExitCode(IntEnum):
    """How a Job's container ends. Codes above 10 are not ours (128 + a signal's number, for instance)."""

    SUCCESS = 0
    CONFIGURATION = 1
    DISK_SPACE = 2
    DATABASE = 3
    TOOL = 4
    VERIFICATION = 5
    STORAGE = 6
    DUMP = 7
    DEADLINE = 8
    INTERRUPTED = 9
    INTERNAL = 10


# A Job's Pod that ends with one of these is not replaced: running it again would end the same way.
# An interrupted one is: somebody deleted the Pod, or its node goes down.
FINAL_EXIT_CODES = tuple(code for code in ExitCode if code not in (ExitCode.SUCCESS, ExitCode.INTERRUPTED))


class Reason(StrEnum):
    """Why a backup failed or waits: the word in `status.failure.reason` and in conditions."""

    # configuration
    INVALID_TASK = "InvalidTask"
    SECRET_MISSING = "SecretMissing"
    SECRET_KEY_MISSING = "SecretKeyMissing"
    SECRET_INVALID = "SecretInvalid"
    RECIPIENT_INVALID = "RecipientInvalid"
    IDENTITY_MISMATCH = "IdentityMismatch"
    TARGET_NOT_EMPTY = "TargetNotEmpty"
    TARGET_NOT_READY = "TargetNotReady"
    INSTANCE_IN_CLUSTER = "InstanceInCluster"
    KMS_KEY_REFUSED = "KMSKeyRefused"
    WRONG_ENGINE = "WrongEngine"
    AFTER_RESTORE_INVALID = "AfterRestoreInvalid"
    INSTANCE_ALREADY_EXISTS = "InstanceAlreadyExists"
    MASKING_MISSING = "MaskingMissing"
    WRONG_TARGET = "WrongTarget"
    # disk
    SCRATCH_TOO_SMALL = "ScratchTooSmall"
    DISK_FULL = "DiskFull"
    # database
    HOST_NOT_FOUND = "HostNotFound"
    CONNECTION_REFUSED = "ConnectionRefused"
    CONNECTION_TIMEOUT = "ConnectionTimeout"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    DATABASE_NOT_FOUND = "DatabaseNotFound"
    TLS_FAILED = "TLSFailed"
    CONNECTION_FAILED = "ConnectionFailed"
    NOT_A_DATABASE = "NotADatabase"
    DATABASE_LOCKED = "DatabaseLocked"
    FILE_ACCESS_DENIED = "FileAccessDenied"
    VOLUME_READ_ONLY = "VolumeReadOnly"
    INSTANCE_NOT_FOUND = "InstanceNotFound"
    INSTANCE_NOT_AVAILABLE = "InstanceNotAvailable"
    RDS_ACCESS_DENIED = "RDSAccessDenied"
    RDS_THROTTLED = "RDSThrottled"
    RDS_UNAVAILABLE = "RDSUnavailable"
    RDS_ANSWER_INVALID = "RDSAnswerInvalid"
    # tool
    TOOL_NOT_FOUND = "ToolNotFound"
    TOOL_TOO_OLD = "ToolTooOld"
    TOOL_TOO_NEW = "ToolTooNew"
    # verification
    END_MARK_MISSING = "EndMarkMissing"
    ARCHIVE_UNREADABLE = "ArchiveUnreadable"
    DATABASE_CORRUPT = "DatabaseCorrupt"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    CONTENT_MISMATCH = "ContentMismatch"
    SIZE_IMPLAUSIBLE = "SizeImplausible"
    MANIFEST_CONFLICT = "ManifestConflict"
    KEPT_BACKUP_MISSING = "KeptBackupMissing"
    SNAPSHOT_NOT_OURS = "SnapshotNotOurs"
    # storage
    BUCKET_NOT_FOUND = "BucketNotFound"
    STORAGE_ACCESS_DENIED = "StorageAccessDenied"
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    STORAGE_FAILED = "StorageFailed"
    BACKUP_NOT_FOUND = "BackupNotFound"
    BACKUP_GONE = "BackupGone"
    # dump and restore tools
    DUMP_FAILED = "DumpFailed"
    DUMP_KILLED = "DumpKilled"
    DUMP_STALLED = "DumpStalled"
    RESTORE_FAILED = "RestoreFailed"
    RESTORE_DIFFERS = "RestoreDiffers"
    AFTER_RESTORE_FAILED = "AfterRestoreFailed"
    SWITCH_FAILED = "SwitchFailed"
    SNAPSHOT_FAILED = "SnapshotFailed"
    SNAPSHOT_QUOTA_EXCEEDED = "SnapshotQuotaExceeded"
    INSTANCE_QUOTA_EXCEEDED = "InstanceQuotaExceeded"
    # ends from outside
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    INTERRUPTED = "Interrupted"
    INTERNAL_ERROR = "InternalError"
    # seen by the operator: the container never ran, or ended without a report
    OUT_OF_MEMORY = "OutOfMemory"
    CONTAINER_KILLED = "ContainerKilled"
    EVICTED = "Evicted"
    POD_LOST = "PodLost"
    REPORT_MISSING = "ReportMissing"
    REPORT_IMPLAUSIBLE = "ReportImplausible"
    IMAGE_PULL = "ImagePull"
    UNSCHEDULABLE = "Unschedulable"
    QUOTA_EXCEEDED = "QuotaExceeded"
    SERVICE_ACCOUNT_MISSING = "ServiceAccountMissing"
    POD_SECURITY = "PodSecurityDenied"
    POD_REFUSED = "PodRefused"
    START_TIMEOUT = "StartTimeout"
    JOB_REFUSED = "JobRefused"
    JOB_NAME_TAKEN = "JobNameTaken"
    INVALID_SPEC = "InvalidSpec"
    SCHEDULE_INVALID = "ScheduleInvalid"
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_NOT_GOOD = "SourceNotGood"
    RESTORE_UNKNOWN = "RestoreUnknown"
    SAFETY_BACKUP_FAILED = "SafetyBackupFailed"
    VERIFICATION_REFUSED = "VerificationRefused"
    STORAGE_NOT_SET = "StorageNotSet"
    STORE_NOT_FOUND = "StoreNotFound"
    IMAGE_NOT_SET = "ImageNotSet"
    CLAIM_IN_USE = "ClaimInUse"
    CLAIM_NOT_FOUND = "ClaimNotFound"
    OPERATOR_FAULT = "OperatorFault"


EXIT_CODES: dict[Reason, ExitCode] = {
    Reason.INVALID_TASK: ExitCode.CONFIGURATION,
    Reason.SECRET_MISSING: ExitCode.CONFIGURATION,
    Reason.SECRET_KEY_MISSING: ExitCode.CONFIGURATION,
    Reason.SECRET_INVALID: ExitCode.CONFIGURATION,
    Reason.RECIPIENT_INVALID: ExitCode.CONFIGURATION,
    Reason.IDENTITY_MISMATCH: ExitCode.CONFIGURATION,
    Reason.TARGET_NOT_EMPTY: ExitCode.CONFIGURATION,
    Reason.TARGET_NOT_READY: ExitCode.CONFIGURATION,
    Reason.INSTANCE_IN_CLUSTER: ExitCode.CONFIGURATION,
    Reason.KMS_KEY_REFUSED: ExitCode.CONFIGURATION,
    Reason.WRONG_ENGINE: ExitCode.CONFIGURATION,
    Reason.AFTER_RESTORE_INVALID: ExitCode.CONFIGURATION,
    Reason.INSTANCE_ALREADY_EXISTS: ExitCode.CONFIGURATION,
    Reason.MASKING_MISSING: ExitCode.CONFIGURATION,
    Reason.WRONG_TARGET: ExitCode.CONFIGURATION,
    Reason.SCRATCH_TOO_SMALL: ExitCode.DISK_SPACE,
    Reason.DISK_FULL: ExitCode.DISK_SPACE,
    Reason.HOST_NOT_FOUND: ExitCode.DATABASE,
    Reason.CONNECTION_REFUSED: ExitCode.DATABASE,
    Reason.CONNECTION_TIMEOUT: ExitCode.DATABASE,
    Reason.AUTHENTICATION_FAILED: ExitCode.DATABASE,
    Reason.DATABASE_NOT_FOUND: ExitCode.DATABASE,
    Reason.TLS_FAILED: ExitCode.DATABASE,
    Reason.CONNECTION_FAILED: ExitCode.DATABASE,
    Reason.NOT_A_DATABASE: ExitCode.DATABASE,
    Reason.DATABASE_LOCKED: ExitCode.DATABASE,
    Reason.FILE_ACCESS_DENIED: ExitCode.DATABASE,
    Reason.VOLUME_READ_ONLY: ExitCode.DATABASE,
    Reason.INSTANCE_NOT_FOUND: ExitCode.DATABASE,
    Reason.INSTANCE_NOT_AVAILABLE: ExitCode.DATABASE,
    Reason.RDS_ACCESS_DENIED: ExitCode.DATABASE,
    Reason.RDS_THROTTLED: ExitCode.DATABASE,
    Reason.RDS_UNAVAILABLE: ExitCode.DATABASE,
    Reason.RDS_ANSWER_INVALID: ExitCode.DATABASE,
    Reason.TOOL_NOT_FOUND: ExitCode.TOOL,
    Reason.TOOL_TOO_OLD: ExitCode.TOOL,
    Reason.TOOL_TOO_NEW: ExitCode.TOOL,
    Reason.END_MARK_MISSING: ExitCode.VERIFICATION,
    Reason.ARCHIVE_UNREADABLE: ExitCode.VERIFICATION,
    Reason.DATABASE_CORRUPT: ExitCode.VERIFICATION,
    Reason.CHECKSUM_MISMATCH: ExitCode.VERIFICATION,
    Reason.CONTENT_MISMATCH: ExitCode.VERIFICATION,
    Reason.SIZE_IMPLAUSIBLE: ExitCode.VERIFICATION,
    Reason.MANIFEST_CONFLICT: ExitCode.VERIFICATION,
    Reason.KEPT_BACKUP_MISSING: ExitCode.VERIFICATION,
    Reason.SNAPSHOT_NOT_OURS: ExitCode.VERIFICATION,
    Reason.BUCKET_NOT_FOUND: ExitCode.STORAGE,
    Reason.STORAGE_ACCESS_DENIED: ExitCode.STORAGE,
    Reason.STORAGE_UNAVAILABLE: ExitCode.STORAGE,
    Reason.STORAGE_FAILED: ExitCode.STORAGE,
    Reason.BACKUP_NOT_FOUND: ExitCode.STORAGE,
    Reason.BACKUP_GONE: ExitCode.STORAGE,
    Reason.DUMP_FAILED: ExitCode.DUMP,
    Reason.DUMP_KILLED: ExitCode.DUMP,
    Reason.DUMP_STALLED: ExitCode.DUMP,
    Reason.RESTORE_FAILED: ExitCode.DUMP,
    Reason.RESTORE_DIFFERS: ExitCode.VERIFICATION,
    Reason.AFTER_RESTORE_FAILED: ExitCode.DUMP,
    Reason.SWITCH_FAILED: ExitCode.DATABASE,
    Reason.SNAPSHOT_FAILED: ExitCode.DUMP,
    Reason.SNAPSHOT_QUOTA_EXCEEDED: ExitCode.DUMP,
    Reason.INSTANCE_QUOTA_EXCEEDED: ExitCode.DUMP,
    Reason.DEADLINE_EXCEEDED: ExitCode.DEADLINE,
    Reason.INTERRUPTED: ExitCode.INTERRUPTED,
    Reason.INTERNAL_ERROR: ExitCode.INTERNAL,
}
"""Each reason that a container can end with, and its exit code; the operator's own reasons have none."""


class HoldfastError(Exception):
    """An outcome to tell a person: the reason, what happened and why, and what to do about it."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        remedy: str,
        *,
        server_major: int | None = None,
        differences: Sequence[str] = (),
    ) -> None:
        """Take the reason's word, a sentence with the facts, and a sentence with the remedy; no secrets in either.

        Whatever others wrote in them is made plain text here, for all who show them.
        `server_major` goes with the reasons that are about a runner's image which does not fit its server, and
        `differences` with RestoreDiffers: in what the restored database differs from what was dumped, each by name.
        """
        self.message = texts.plain(message)
        super().__init__(f"{reason}: {self.message}")
        self.reason = reason
        self.remedy = texts.plain(remedy)
        self.server_major = server_major
        self.differences = tuple(map(texts.plain, differences))

    @property
    def exit_code(self) -> ExitCode:
        """The code that a container which ends with this reason exits with."""
        return EXIT_CODES[self.reason]
