"""What the tasks of a backup say, whatever it is taken by, made from the resource as it was resolved."""

from datetime import datetime

from holdfast.api.backup import DatabaseBackupSpec
from holdfast.api.begun import Begun
from holdfast.api.policy import BackupPolicySpec, Dump, Format, VerificationLevel
from holdfast.api.storage import S3Storage
from holdfast.contract.task import BackupIdentity, DeleteItem, Pinned, RestoreTask
from holdfast.manifests.jobs import Owner
from holdfast.manifests.volumes import scratch_bytes

CLEANUP_SECONDS = 600
DELETION_SECONDS = 1800  # for a page of backups


def identity(owner: Owner, spec: DatabaseBackupSpec, begun: Begun) -> BackupIdentity:
    """Say which backup it is."""
    resolved = begun.resolved
    return BackupIdentity(
        uid=owner.uid,
        namespace=owner.namespace,
        name=owner.name,
        policy=owner.policy,
        backup_id=begun.backup_id,
        environment=resolved.environment,
        label=spec.label,
        reason=spec.reason,
        retention_days=spec.retention_days or resolved.days_kept,
        purpose=spec.purpose,
        release=spec.release,
    )


def deletion_item(owner: Owner, begun: Begun, ended: datetime | None = None) -> DeleteItem:
    """Say which backup's data is to go; `ended` is when one was ended that was never completed."""
    return DeleteItem(
        uid=owner.uid,
        namespace=owner.namespace,
        name=owner.name,
        backup_id=begun.backup_id,
        key_prefix=begun.key_prefix,
        completed_at=begun.status.completed_at or ended,
    )


def pruning(s3: S3Storage) -> S3Storage:
    """Return the store as a deletion reaches it: with credentials of its own, where it has such."""
    secret = s3.prune_secret_name or s3.secret_name
    return s3.model_copy(update={"secret_name": secret, "prune_secret_name": None})


def identity_secret(resolved: BackupPolicySpec) -> str | None:
    """Return the Secret that a new backup's readback decrypts with; None where it goes as far as the ciphertext."""
    rules = resolved.verification
    reads = rules.level is VerificationLevel.READBACK and resolved.storage.encryption is not None
    return rules.identity_secret_name if reads else None


def restore_task(owner: Owner, begun: Begun) -> RestoreTask:
    """Say what to restore; the target is the database that was dumped, until somebody names another."""
    resolved = begun.resolved
    dump = resolved.dump or Dump()
    return RestoreTask(
        backup_uid=owner.uid,
        database=resolved.database,
        jobs=dump.jobs or 1,
        s3=resolved.storage.s3,
        key_prefix=begun.key_prefix,
        deadline_seconds=begun.deadline_seconds,
        scratch_bytes=scratch_bytes(resolved) if dump.format is Format.DIRECTORY else None,
        pinned=pinned(begun),
    )


def pinned(begun: Begun) -> Pinned:
    """Say what the resource remembers of its artifact; an older one may lack some of it."""
    resolved, status = begun.resolved, begun.status
    return Pinned(
        sha256=status.sha256,
        size_bytes=status.size_bytes,
        uncompressed_bytes=status.uncompressed_bytes,
        engine=resolved.database.engine,
        format=resolved.dump and resolved.dump.format,
        compression=resolved.dump and resolved.dump.compression.algorithm,
        encryption="age" if resolved.storage.encryption else "none",
        globals_sha256=status.globals.sha256 if status.globals else None,
    )
