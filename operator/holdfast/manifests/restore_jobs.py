"""The Jobs of a DatabaseRestore: the restore itself, the way back, and what removes what was replaced.

Each holds the target's credentials, the first one the store's as well, and nothing else.
"""

from dataclasses import dataclass
from typing import Any

from holdfast import units
from holdfast.api.begun import there
from holdfast.api.job import JobTemplate
from holdfast.api.policy import Format
from holdfast.api.restore_status import Artifact, Chosen, ResolvedRestore
from holdfast.contract.task import (
    Beside,
    CheckTask,
    DropTask,
    Pinned,
    RestoreIdentity,
    RestoreTask,
    Script,
    SnapshotRestoreTask,
    SwapBackTask,
    Task,
)
from holdfast.manifests.jobs import Owner, Runner, owned, seat
from holdfast.manifests.volumes import (
    Volumes,
    after_restore_volume,
    database_volumes,
    identity_volume,
    run_volume,
    scratch_volume,
    storage_volumes,
)

DROP_SECONDS = 1800


@dataclass(frozen=True)
class Restore:
    """The restore that a Job is of."""

    owner: Owner
    source: Chosen
    resolved: ResolvedRestore
    runner: Runner
    node: str | None = None  # where its Pods must run, if anywhere

    def job(self, name: str, work: Task, more: Volumes, template: JobTemplate) -> dict[str, Any]:
        """Build a Job of it, which reaches the target; `more` is what else it mounts."""
        database = self.resolved.database
        volumes = [*run_volume(), *database_volumes(database), *more]
        return owned(name, self.owner, 1, work, volumes, template, self.runner, seat(database, self.node))


def restore_job(name: str, restore: Restore, template: JobTemplate) -> dict[str, Any]:
    """Build the Job that restores, or puts back what was replaced."""
    owner, source, resolved = restore.owner, restore.source, restore.resolved
    seconds = there(resolved.job.active_deadline_seconds, "resolved.job.activeDeadlineSeconds")
    if resolved.rds is not None:
        made = _of_snapshot(owner, source, resolved, seconds)
        return restore.job(name, made, storage_volumes(made.s3), template)
    if resolved.kept is not None:
        return restore.job(name, _back(owner, resolved, seconds), [], template)
    work = _task(owner, source, resolved, seconds)
    volumes = [*storage_volumes(work.s3)]
    volumes += scratch_volume(resolved.job) if work.scratch_bytes is not None else []
    volumes += identity_volume(resolved.identity_secret) if resolved.identity_secret else []
    volumes += after_restore_volume(work.after_restore.config_map) if work.after_restore else []
    return restore.job(name, work, volumes, template)


def check_job(name: str, restore: Restore, template: JobTemplate) -> dict[str, Any]:
    """Build the Job that looks at the target before the restore is confirmed."""
    source, resolved = restore.source, restore.resolved
    reads = resolved.s3 if resolved.kept is None else None
    work = CheckTask(
        database=resolved.database,
        restore=_identity(restore.owner),
        mode=resolved.mode,
        s3=reads,
        key_prefix=resolved.folder if reads else None,
        backup_uid=source.uid if reads else None,
        pinned=_pinned(resolved.artifact) if reads else None,
        deadline_seconds=there(template.active_deadline_seconds, "job.activeDeadlineSeconds"),
    )
    return restore.job(name, work, storage_volumes(reads) if reads else [], template)


def drop_job(name: str, restore: Restore, names: list[str]) -> dict[str, Any]:
    """Build the Job that removes what a restore left beside its target."""
    database, identity = restore.resolved.database, _identity(restore.owner)
    work = DropTask(database=database, restore=identity, names=names, deadline_seconds=DROP_SECONDS)
    return restore.job(name, work, [], restore.resolved.job)


def _identity(owner: Owner) -> RestoreIdentity:
    return RestoreIdentity(uid=owner.uid, namespace=owner.namespace, name=owner.name)


def _back(owner: Owner, resolved: ResolvedRestore, seconds: int) -> SwapBackTask:
    return SwapBackTask(
        database=resolved.database,
        restore=_identity(owner),
        kept=there(resolved.kept, "resolved.kept"),
        old=there(resolved.old, "resolved.old"),
        deadline_seconds=seconds,
    )


def _task(owner: Owner, source: Chosen, resolved: ResolvedRestore, seconds: int) -> RestoreTask:
    names = None
    if resolved.fresh is not None and resolved.old is not None:
        names = Beside(fresh=resolved.fresh, old=resolved.old)
    return RestoreTask(
        backup_uid=source.uid,
        database=resolved.database,
        restore=_identity(owner),
        mode=resolved.mode,
        beside=names,
        create=resolved.create,
        content=resolved.content,
        globals=resolved.globals,
        owner=resolved.owner,
        tables=resolved.tables,
        jobs=resolved.jobs,
        after_restore=_script(resolved),
        never_unmasked_of=list(resolved.never_unmasked_of),
        s3=there(resolved.s3, "resolved.s3"),
        key_prefix=there(resolved.folder, "resolved.folder"),
        deadline_seconds=seconds,
        scratch_bytes=_scratch_bytes(resolved),
        pinned=_pinned(resolved.artifact),
    )


def _of_snapshot(owner: Owner, source: Chosen, resolved: ResolvedRestore, seconds: int) -> SnapshotRestoreTask:
    return SnapshotRestoreTask(
        backup_uid=source.uid,
        restore=_identity(owner),
        instance=resolved.database.snapshotted(),
        snapshot_arn=resolved.snapshot_arn,
        target=there(resolved.rds, "resolved.rds"),
        never_unmasked_of=list(resolved.never_unmasked_of),
        s3=there(resolved.s3, "resolved.s3"),
        key_prefix=there(resolved.folder, "resolved.folder"),
        deadline_seconds=seconds,
    )


def _script(resolved: ResolvedRestore) -> Script | None:
    asked = resolved.after_restore
    return Script(config_map=asked.sql_config_map_name, key=asked.key) if asked else None


def _scratch_bytes(resolved: ResolvedRestore) -> int | None:
    """Return what may be staged, bytes; None where nothing is. Of what only a bucket knows, anything may be."""
    staged = {Format.DIRECTORY} | ({Format.CUSTOM} if resolved.jobs > 1 else set())
    if resolved.artifact is not None and resolved.artifact.format not in staged:
        return None
    limit = resolved.job.scratch.size_limit if resolved.job.scratch else "10Gi"
    return units.bytes_of_quantity(limit)


def _pinned(artifact: Artifact | None) -> Pinned | None:
    return None if artifact is None else Pinned.model_validate(artifact.model_dump())
