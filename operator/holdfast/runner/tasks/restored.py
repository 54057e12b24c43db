"""Compares what a restore brought back with its manifest: a restore that differs has failed."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from holdfast.api.restoring import Content, RestoreMode
from holdfast.contract.manifest import Manifest
from holdfast.contract.task import RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines import landing
from holdfast.runner.engines.protocol import Came, Source
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few

MOST = 16  # differences that are told by name
NAMED = 3  # in the sentence itself


@dataclass(frozen=True)
class Compared:
    """What agrees with the manifest."""

    tables: int | None = None
    rows: int | None = None
    facts: list[str] = field(default_factory=list)
    server_version: str | None = None
    tool_version: str | None = None


def compared(target: Source, manifest: Manifest, task: RestoreTask) -> Compared:
    """Look at the target. Raises RestoreDiffers, which names each difference."""
    came = _looked_at(target, manifest, task)
    if came is None:
        return Compared()
    differences = [*_rows(came, manifest, task), *came.faults]
    if differences:
        told = [one_line(each, 200) for each in differences]
        raise HoldfastError(
            Reason.RESTORE_DIFFERS,
            f"{target} differs from {manifest.backup.backup_id}: {few(told, NAMED, '; ')}",
            _remedy(task),
            differences=told[:MOST],
        )
    known = manifest.tables is not None
    return Compared(
        tables=len(came.tables) if known else None,
        rows=sum(table.rows for table in came.tables) if known else None,
        facts=[*(["rows"] if _rows_are_comparable(manifest, task) else []), *came.looked_at],
        server_version=came.server_version,
        tool_version=came.tool_version,
    )


def _looked_at(target: Source, manifest: Manifest, task: RestoreTask) -> Came | None:
    """Ask the target. Raises HoldfastError, which says that the dump is in the target, unless it is beside it."""
    with landing.told_of_all(task, target, ", and was not compared with its manifest"):
        return target.came(manifest, task)


def _rows_are_comparable(manifest: Manifest, task: RestoreTask) -> bool:
    """Whether the target holds the manifest's rows and no others."""
    return manifest.tables is not None and task.content is Content.ALL and task.mode is not RestoreMode.INTO


def _rows(came: Came, manifest: Manifest, task: RestoreTask) -> Iterator[str]:
    """Say which tables are not there, or have another number of rows."""
    there = {table.name: table.rows for table in came.tables}
    for table in manifest.tables or []:
        if task.tables and table.name not in task.tables:
            continue
        if table.name not in there:
            yield f"table {table.name} does not exist"
        elif _rows_are_comparable(manifest, task) and there[table.name] != table.rows:
            yield f"table {table.name} has {there[table.name]} rows instead of {table.rows}"


def _remedy(task: RestoreTask) -> str:
    if task.mode is RestoreMode.REPLACE:
        return "read the Job's log, and restore another backup; nothing was switched"
    return (
        "do not use the target as it is now: find out who else writes to it, or what changes rows in it (triggers, "
        "rules), then restore again into an empty database"
    )
