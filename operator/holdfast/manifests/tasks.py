"""The tasks of a backup: what its Jobs are told, made from the resource as it was resolved."""

from datetime import datetime

from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus
from holdfast.api.policy import BackupPolicySpec, Dump, Format, VerificationLevel
from holdfast.contract.task import (
    BackupIdentity,
    BackupTask,
    CleanupTask,
    Pinned,
    RestoreTask,
    SnapshotCleanupTask,
    SnapshotTask,
    SnapshotVerifyTask,
    VerifyTask,
)
from holdfast.manifests.jobs import Owner
from holdfast.manifests.volumes import scratch_bytes, spool_bytes

CLEANUP_SECONDS = 600


def key_prefix(status: DatabaseBackupStatus) -> str:
    """Return the backup's folder in its bucket, ending in a slash."""
    assert status.location is not None
    return status.location.removeprefix("s3://").partition("/")[2]


def backup_task(
    owner: Owner,
    spec: DatabaseBackupSpec,
    status: DatabaseBackupStatus,
    other_majors: list[int],
    compare_before: datetime | None = None,
) -> BackupTask | SnapshotTask:
    """Say what to dump, or to have a snapshot taken of, and where to; and which servers to leave to another image.

    What the bucket has of before `compare_before`, the cluster does not know.
    """
    resolved = resolved_of(status)
    assert resolved.job.active_deadline_seconds is not None
    if resolved.database.instance is not None:
        return SnapshotTask(
            backup=_identity(owner, spec, status),
            instance=resolved.database.instance,
            s3=resolved.storage.s3,
            key_prefix=key_prefix(status),
            deadline_seconds=resolved.job.active_deadline_seconds,
        )
    return BackupTask(
        backup=_identity(owner, spec, status),
        database=resolved.database,
        dump=resolved.dump or Dump(),
        s3=resolved.storage.s3,
        encryption=resolved.storage.encryption,
        verification=resolved.verification.level,
        identity_secret=identity_secret(resolved),
        key_prefix=key_prefix(status),
        deadline_seconds=resolved.job.active_deadline_seconds,
        scratch_bytes=scratch_bytes(resolved),
        spool_bytes=spool_bytes(resolved.job),
        other_majors=other_majors,
        compare_before=compare_before,
    )


def _identity(owner: Owner, spec: DatabaseBackupSpec, status: DatabaseBackupStatus) -> BackupIdentity:
    resolved = resolved_of(status)
    assert status.backup_id is not None
    return BackupIdentity(
        uid=owner.uid,
        namespace=owner.namespace,
        name=owner.name,
        policy=owner.policy,
        backup_id=status.backup_id,
        environment=resolved.environment,
        label=spec.label,
        reason=spec.reason,
        retention_days=spec.retention_days or resolved.retention.days or resolved.environment.retention_days,
    )


def cleanup_task(owner: Owner, status: DatabaseBackupStatus) -> CleanupTask | SnapshotCleanupTask:
    """Say which folder to clean, and which snapshot to look for; that one has as long as taking it had."""
    resolved = resolved_of(status)
    if resolved.database.instance is not None:
        assert status.backup_id is not None
        return SnapshotCleanupTask(
            backup_uid=owner.uid,
            backup_id=status.backup_id,
            instance=resolved.database.instance,
            s3=resolved.storage.s3,
            key_prefix=key_prefix(status),
            deadline_seconds=max(CLEANUP_SECONDS, resolved.job.active_deadline_seconds or 0),
        )
    return CleanupTask(
        backup_uid=owner.uid,
        s3=resolved.storage.s3,
        key_prefix=key_prefix(status),
        deadline_seconds=CLEANUP_SECONDS,
    )


def identity_secret(resolved: BackupPolicySpec) -> str | None:
    """Return the Secret that a new backup's readback decrypts with; None where it goes as far as the ciphertext."""
    rules = resolved.verification
    reads = rules.level is VerificationLevel.READBACK and resolved.storage.encryption is not None
    return rules.identity_secret_name if reads else None


def verify_task(owner: Owner, status: DatabaseBackupStatus) -> VerifyTask | SnapshotVerifyTask:
    """Say what to verify, and how: as its last request says."""
    resolved, run = resolved_of(status), status.verification_run
    assert run is not None
    assert resolved.job.active_deadline_seconds is not None
    if resolved.database.instance is not None:
        assert status.backup_id is not None
        return SnapshotVerifyTask(
            backup_uid=owner.uid,
            backup_id=status.backup_id,
            instance=resolved.database.instance,
            s3=resolved.storage.s3,
            key_prefix=key_prefix(status),
            deadline_seconds=resolved.job.active_deadline_seconds,
        )
    assert resolved.database.engine is not None
    assert run.level is not None
    return VerifyTask(
        backup_uid=owner.uid,
        engine=resolved.database.engine,
        level=run.level,
        pinned=pinned(status),
        identity_secret=resolved.verification.identity_secret_name if resolved.storage.encryption else None,
        s3=resolved.storage.s3,
        key_prefix=key_prefix(status),
        deadline_seconds=resolved.job.active_deadline_seconds,
        scratch_bytes=scratch_bytes(resolved),
    )


def restore_task(owner: Owner, status: DatabaseBackupStatus) -> RestoreTask:
    """Say what to restore; the target is the database that was dumped, until somebody names another."""
    resolved = resolved_of(status)
    assert resolved.job.active_deadline_seconds is not None
    dump = resolved.dump or Dump()
    return RestoreTask(
        backup_uid=owner.uid,
        database=resolved.database,
        jobs=dump.jobs or 1,
        s3=resolved.storage.s3,
        key_prefix=key_prefix(status),
        deadline_seconds=resolved.job.active_deadline_seconds,
        scratch_bytes=scratch_bytes(resolved) if dump.format is Format.DIRECTORY else None,
        pinned=pinned(status),
    )


def pinned(status: DatabaseBackupStatus) -> Pinned:
    """Say what the resource remembers of its artifact; an older one may lack some of it."""
    resolved = resolved_of(status)
    return Pinned(
        sha256=status.sha256,
        size_bytes=status.size_bytes,
        uncompressed_bytes=status.uncompressed_bytes,
        engine=resolved.database.engine,
        format=resolved.dump and resolved.dump.format,
        compression=resolved.dump and resolved.dump.compression.algorithm,
        encryption="age" if resolved.storage.encryption else "none",
    )


def resolved_of(status: DatabaseBackupStatus) -> BackupPolicySpec:
    """Return the policy as it was when the backup began; only called for backups that have begun."""
    assert status.resolved is not None
    return status.resolved
