"""The check before a restore into production: what is in the target now, and what the restore would undo. Read-only.

Who confirms a restore is shown this. Numbers that a server only estimates are said to be estimates: counting would take
as long as the restore.
"""

from collections.abc import Iterator, Sequence

from holdfast import texts
from holdfast.api.restoring import RestoreMode
from holdfast.contract.manifest import Manifest, ManifestMigrations
from holdfast.contract.report import MAX_MIGRATION, MOST_UNDONE, ImpactReport
from holdfast.contract.task import CheckTask
from holdfast.errors import HoldfastError, Reason
from holdfast.naming import MANIFEST_NAME
from holdfast.runner.bucket import manifest_forms, manifests, store
from holdfast.runner.engines import choose
from holdfast.runner.engines.protocol import Look, Source
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.result import Result
from holdfast.sentences import shorten


def run(task: CheckTask, context: Context) -> Result:
    """Look at the target, and at the manifest of what is to be restored. Raises HoldfastError."""
    context.log.line("step", phase="looking at the target")
    target = choose.source(task.database, context)
    look = _look(target)
    context.log.line("step", phase="looking at the backup")
    return Result(
        message=f"looked at {target}",
        impact=_report(look, _manifest(task, context), task),
        warnings=target.warnings,
    )


def _look(target: Source) -> Look | None:
    """Return what is in it; None where it is not there."""
    try:
        return target.look()
    except HoldfastError as error:
        if error.reason is not Reason.DATABASE_NOT_FOUND:
            raise
        return None


def _manifest(task: CheckTask, context: Context) -> Manifest | None:
    """Return what the backup says of itself; None where no backup is restored."""
    if task.s3 is None or task.key_prefix is None:
        return None
    opened = store.connect(task.s3, context.places)
    manifest = manifests.find(opened, task.key_prefix, task.backup_uid)
    if manifest is None:
        raise store.not_found(opened, task.key_prefix + MANIFEST_NAME)
    if task.pinned is not None:
        manifest_forms.require_pinned(manifest, task.pinned, task.key_prefix)
    return manifest


def _report(look: Look | None, manifest: Manifest | None, task: CheckTask) -> ImpactReport:
    replaces = task.mode is RestoreMode.REPLACE
    lost = list(undone(look.migrations, manifest.migrations or [])) if look and manifest and replaces else []
    found = look or Look()
    return ImpactReport(
        present=look is not None,
        size_bytes=found.size_bytes,
        tables=found.tables,
        rows=found.rows,
        estimated=found.estimated,
        clients=found.clients,
        server_time=found.server_time,
        newest_change=found.newest_change,
        newest_change_of=found.newest_change_of,
        undone=[shorten(" ".join(texts.plain(name).split()), MAX_MIGRATION) for name in lost[-MOST_UNDONE:]],
        undone_count=len(lost),
        backup_completed_at=manifest and manifest.completed_at,
        backup_seconds=manifest and round((manifest.completed_at - manifest.started_at).total_seconds(), 1),
        backup_tables=None if manifest is None or manifest.tables is None else len(manifest.tables),
        backup_rows=manifest and manifest.rows,
        backup_size_bytes=manifest and manifest.database.size_bytes,
    )


def undone(there: Sequence[ManifestMigrations], backup: Sequence[ManifestMigrations]) -> Iterator[str]:
    """Name the migrations that the target has and the backup has not, in their order."""
    known = {(history.tool, history.table): history for history in backup}
    for history in there:
        before = known.get((history.tool, history.table))
        had = set(before.applied) if before else set()
        yield from (f"{history.tool}: {name}" for name in history.applied if name not in had)
