"""The tasks of a backup: what its Jobs are told, made from the resource as it was resolved."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus
from holdfast.api.policy import BackupPolicySpec, Dump, Format, VerificationLevel
from holdfast.api.rds import RDSInstance
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


class _Method(Protocol):
    """How one way of backing up is asked for."""

    def backup(
        self, identity: BackupIdentity, other_majors: list[int], compare_before: datetime | None
    ) -> BackupTask | SnapshotTask: ...

    def verification(self, level: VerificationLevel | None) -> VerifyTask | SnapshotVerifyTask: ...

    def cleanup(self) -> CleanupTask | SnapshotCleanupTask: ...


def _method(owner: Owner, status: DatabaseBackupStatus) -> _Method:
    """Look up how the backup was asked for: the one place here that tells a dump from a snapshot."""
    instance = resolved_of(status).database.instance
    return _Dump(owner, status) if instance is None else _Snapshot(owner, status, instance)


@dataclass(frozen=True)
class _Dump:
    """By the database's own tools, through a Pod, into the bucket."""

    owner: Owner
    status: DatabaseBackupStatus

    def backup(self, identity: BackupIdentity, other_majors: list[int], compare_before: datetime | None) -> BackupTask:
        resolved = resolved_of(self.status)
        return BackupTask(
            backup=identity,
            database=resolved.database,
            dump=resolved.dump or Dump(),
            s3=resolved.storage.s3,
            encryption=resolved.storage.encryption,
            verification=resolved.verification.level,
            identity_secret=identity_secret(resolved),
            key_prefix=key_prefix(self.status),
            deadline_seconds=_deadline(resolved),
            scratch_bytes=scratch_bytes(resolved),
            spool_bytes=spool_bytes(resolved.job),
            other_majors=other_majors,
            compare_before=compare_before,
        )

    def verification(self, level: VerificationLevel | None) -> VerifyTask:
        resolved = resolved_of(self.status)
        assert resolved.database.engine is not None
        assert level is not None
        return VerifyTask(
            backup_uid=self.owner.uid,
            engine=resolved.database.engine,
            level=level,
            pinned=pinned(self.status),
            identity_secret=resolved.verification.identity_secret_name if resolved.storage.encryption else None,
            s3=resolved.storage.s3,
            key_prefix=key_prefix(self.status),
            deadline_seconds=_deadline(resolved),
            scratch_bytes=scratch_bytes(resolved),
        )

    def cleanup(self) -> CleanupTask:
        return CleanupTask(
            backup_uid=self.owner.uid,
            s3=resolved_of(self.status).storage.s3,
            key_prefix=key_prefix(self.status),
            deadline_seconds=CLEANUP_SECONDS,
        )


@dataclass(frozen=True)
class _Snapshot:
    """By AWS, which keeps it; a cleanup has as long as taking it had."""

    owner: Owner
    status: DatabaseBackupStatus
    instance: RDSInstance

    def backup(
        self, identity: BackupIdentity, _other_majors: list[int], _compare_before: datetime | None
    ) -> SnapshotTask:
        resolved = resolved_of(self.status)
        return SnapshotTask(
            backup=identity,
            instance=self.instance,
            s3=resolved.storage.s3,
            key_prefix=key_prefix(self.status),
            deadline_seconds=_deadline(resolved),
        )

    def verification(self, _level: VerificationLevel | None) -> SnapshotVerifyTask:
        resolved = resolved_of(self.status)
        return SnapshotVerifyTask(
            backup_uid=self.owner.uid,
            backup_id=_backup_id(self.status),
            instance=self.instance,
            s3=resolved.storage.s3,
            key_prefix=key_prefix(self.status),
            deadline_seconds=_deadline(resolved),
        )

    def cleanup(self) -> SnapshotCleanupTask:
        resolved = resolved_of(self.status)
        return SnapshotCleanupTask(
            backup_uid=self.owner.uid,
            backup_id=_backup_id(self.status),
            instance=self.instance,
            s3=resolved.storage.s3,
            key_prefix=key_prefix(self.status),
            deadline_seconds=max(CLEANUP_SECONDS, resolved.job.active_deadline_seconds or 0),
        )


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
    return _method(owner, status).backup(_identity(owner, spec, status), other_majors, compare_before)


def verify_task(owner: Owner, status: DatabaseBackupStatus) -> VerifyTask | SnapshotVerifyTask:
    """Say what to verify, and how: as its last request says."""
    assert status.verification_run is not None
    return _method(owner, status).verification(status.verification_run.level)


def cleanup_task(owner: Owner, status: DatabaseBackupStatus) -> CleanupTask | SnapshotCleanupTask:
    """Say which folder to clean, and which snapshot to look for."""
    return _method(owner, status).cleanup()


def _deadline(resolved: BackupPolicySpec) -> int:
    assert resolved.job.active_deadline_seconds is not None
    return resolved.job.active_deadline_seconds


def _backup_id(status: DatabaseBackupStatus) -> str:
    assert status.backup_id is not None
    return status.backup_id


def _identity(owner: Owner, spec: DatabaseBackupSpec, status: DatabaseBackupStatus) -> BackupIdentity:
    resolved = resolved_of(status)
    return BackupIdentity(
        uid=owner.uid,
        namespace=owner.namespace,
        name=owner.name,
        policy=owner.policy,
        backup_id=_backup_id(status),
        environment=resolved.environment,
        label=spec.label,
        reason=spec.reason,
        retention_days=spec.retention_days or resolved.retention.days or resolved.environment.retention_days,
    )


def identity_secret(resolved: BackupPolicySpec) -> str | None:
    """Return the Secret that a new backup's readback decrypts with; None where it goes as far as the ciphertext."""
    rules = resolved.verification
    reads = rules.level is VerificationLevel.READBACK and resolved.storage.encryption is not None
    return rules.identity_secret_name if reads else None


def restore_task(owner: Owner, status: DatabaseBackupStatus) -> RestoreTask:
    """Say what to restore; the target is the database that was dumped, until somebody names another."""
    resolved = resolved_of(status)
    dump = resolved.dump or Dump()
    return RestoreTask(
        backup_uid=owner.uid,
        database=resolved.database,
        jobs=dump.jobs or 1,
        s3=resolved.storage.s3,
        key_prefix=key_prefix(status),
        deadline_seconds=_deadline(resolved),
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
