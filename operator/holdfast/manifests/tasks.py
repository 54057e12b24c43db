"""The tasks of a backup: what its Jobs are told, made from the resource as it was resolved."""

from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus
from holdfast.api.policy import BackupPolicySpec, Format
from holdfast.contract.task import BackupIdentity, BackupTask, CleanupTask, RestoreTask
from holdfast.manifests.jobs import Owner, scratch_bytes

CLEANUP_SECONDS = 600


def key_prefix(status: DatabaseBackupStatus) -> str:
    """Return the backup's folder in its bucket, ending in a slash."""
    assert status.location is not None
    return status.location.removeprefix("s3://").partition("/")[2]


def backup_task(
    owner: Owner, spec: DatabaseBackupSpec, status: DatabaseBackupStatus, other_majors: list[int]
) -> BackupTask:
    """Say what to dump and where to, and which servers to leave to another image."""
    resolved = resolved_of(status)
    assert status.backup_id is not None
    assert resolved.job.active_deadline_seconds is not None
    return BackupTask(
        backup=BackupIdentity(
            uid=owner.uid,
            namespace=owner.namespace,
            name=owner.name,
            policy=owner.policy,
            backup_id=status.backup_id,
            environment=resolved.environment,
            label=spec.label,
            reason=spec.reason,
            retention_days=spec.retention_days or resolved.retention.days or resolved.environment.retention_days,
        ),
        database=resolved.database,
        dump=resolved.dump,
        s3=resolved.storage.s3,
        key_prefix=key_prefix(status),
        deadline_seconds=resolved.job.active_deadline_seconds,
        scratch_bytes=scratch_bytes(resolved),
        other_majors=other_majors,
    )


def cleanup_task(owner: Owner, status: DatabaseBackupStatus) -> CleanupTask:
    """Say which folder to clean."""
    return CleanupTask(
        backup_uid=owner.uid,
        s3=resolved_of(status).storage.s3,
        key_prefix=key_prefix(status),
        deadline_seconds=CLEANUP_SECONDS,
    )


def restore_task(owner: Owner, status: DatabaseBackupStatus) -> RestoreTask:
    """Say what to restore; the target is the database that was dumped, until somebody names another."""
    resolved = resolved_of(status)
    assert resolved.job.active_deadline_seconds is not None
    return RestoreTask(
        backup_uid=owner.uid,
        database=resolved.database,
        jobs=resolved.dump.jobs,
        s3=resolved.storage.s3,
        key_prefix=key_prefix(status),
        deadline_seconds=resolved.job.active_deadline_seconds,
        scratch_bytes=scratch_bytes(resolved) if resolved.dump.format is Format.DIRECTORY else None,
    )


def resolved_of(status: DatabaseBackupStatus) -> BackupPolicySpec:
    """Return the policy as it was when the backup began; only called for backups that have begun."""
    assert status.resolved is not None
    return status.resolved
