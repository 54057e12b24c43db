"""The Jobs of a DatabaseRestore: the restore itself, the way back, and what removes what was replaced.

Each holds the target's credentials, the first one the store's as well, and nothing else.
"""

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
)
from holdfast.manifests.jobs import Owner, Runner, owned, seat
from holdfast.manifests.volumes import (
    after_restore_volume,
    database_volumes,
    identity_volume,
    run_volume,
    scratch_volume,
    storage_volumes,
)

DROP_SECONDS = 1800


def restore_job(
    name: str,
    owner: Owner,
    source: Chosen,
    resolved: ResolvedRestore,
    template: JobTemplate,
    runner: Runner,
    node: str | None = None,
) -> dict[str, Any]:
    """Build the Job that restores, or puts back what was replaced; `node` is where its Pod must run, if anywhere."""
    seconds = there(resolved.job.active_deadline_seconds, "resolved.job.activeDeadlineSeconds")
    seated, volumes = seat(resolved.database, node), [*run_volume(), *database_volumes(resolved.database)]
    if resolved.rds is not None:
        made = _of_snapshot(owner, source, resolved, seconds)
        return owned(name, owner, 1, made, [*volumes, *storage_volumes(made.s3)], template, runner, seated)
    if resolved.kept is not None:
        return owned(name, owner, 1, _back(owner, resolved, seconds), volumes, template, runner, seated)
    work = _task(owner, source, resolved, seconds)
    volumes += storage_volumes(work.s3)
    volumes += scratch_volume(resolved.job) if work.scratch_bytes is not None else []
    volumes += identity_volume(resolved.identity_secret) if resolved.identity_secret else []
    volumes += after_restore_volume(work.after_restore.config_map) if work.after_restore else []
    return owned(name, owner, 1, work, volumes, template, runner, seated)


def check_job(
    name: str,
    owner: Owner,
    source: Chosen,
    resolved: ResolvedRestore,
    template: JobTemplate,
    runner: Runner,
    node: str | None = None,
) -> dict[str, Any]:
    """Build the Job that looks at the target before the restore is confirmed; `node` is where its Pod must run."""
    reads = resolved.s3 if resolved.kept is None else None
    work = CheckTask(
        database=resolved.database,
        restore=_identity(owner),
        mode=resolved.mode,
        s3=reads,
        key_prefix=resolved.folder if reads else None,
        backup_uid=source.uid if reads else None,
        pinned=_pinned(resolved.artifact) if reads else None,
        deadline_seconds=there(template.active_deadline_seconds, "job.activeDeadlineSeconds"),
    )
    volumes = [*run_volume(), *database_volumes(resolved.database), *(storage_volumes(reads) if reads else [])]
    return owned(name, owner, 1, work, volumes, template, runner, seat(resolved.database, node))


def drop_job(
    name: str, owner: Owner, names: list[str], resolved: ResolvedRestore, runner: Runner, node: str | None = None
) -> dict[str, Any]:
    """Build the Job that removes what a restore left beside its target; `node` is where its Pod must run."""
    work = DropTask(database=resolved.database, restore=_identity(owner), names=names, deadline_seconds=DROP_SECONDS)
    volumes = [*run_volume(), *database_volumes(resolved.database)]
    return owned(name, owner, 1, work, volumes, resolved.job, runner, seat(resolved.database, node))


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
        backup_uid=there(source.uid, "source.uid"),
        restore=_identity(owner),
        instance=resolved.database.snapshotted(),
        snapshot_arn=there(resolved.snapshot_arn, "resolved.snapshotArn"),
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
