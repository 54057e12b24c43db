"""Migration tools, known by the tables in which they keep book: what was applied, and what failed. Pure.

An engine lists its tables with their columns, and answers the questions that come of them. Names are compared without
their case, since tools and engines fold it differently. A value may be text or a number where a
driver has no type for it, so a yes is whatever is true.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.runner.pod.text import one_line

if TYPE_CHECKING:
    from holdfast.contract.manifest import ManifestMigrations

Row = Sequence[object]
Histories = tuple[list["ManifestMigrations"], list[str]]  # the longest first; and warnings
Tables = Mapping[tuple[str, str], Sequence[str]]  # by schema and name: the columns

MAX_HISTORIES = 20  # that are read; an application with a schema for each customer may have thousands
MAX_ROWS = 20_000  # of one history; more is no history of migrations


@dataclass(frozen=True)
class Applied:
    """What the rows of a history say."""

    applied: list[str]
    failed: list[str]
    counted: bool = True  # whether each applied migration has a row


@dataclass(frozen=True)
class Tool:
    """One tool: its table, the columns that are read, and how its rows are understood."""

    name: str
    table: str
    columns: tuple[str, ...]
    order: str
    understand: Callable[[Iterable[Row]], Applied]
    alone: bool = False  # other tools have a table of this name, with more columns
    lock: tuple[str, str] | None = None  # table and column that are true while the tool works


@dataclass(frozen=True)
class Question:
    """Columns of a table, to be read in an order; at most MAX_ROWS + 1 rows."""

    schema: str
    table: str
    columns: tuple[str, ...]
    order: str


@dataclass(frozen=True)
class Found:
    """A history that is in the database: what to ask, first of the history, then of the lock."""

    tool: Tool
    history: Question
    lock: Question | None

    @property
    def name(self) -> str:
        """The table, with its schema where the engine has such."""
        return f"{self.history.schema}.{self.history.table}" if self.history.schema else self.history.table


def _prisma(rows: Iterable[Row]) -> Applied:
    tried = [(str(name), finished) for name, finished, rolled_back in rows if rolled_back is None]
    done = [name for name, finished in tried if finished is not None]
    return Applied(done, [name for name, finished in tried if finished is None and name not in done])


def _django(rows: Iterable[Row]) -> Applied:
    return Applied([f"{app}.{name}" for app, name in rows], [])


def _names(rows: Iterable[Row]) -> Applied:
    return Applied([str(row[0]) for row in rows], [])


def _rails(rows: Iterable[Row]) -> Applied:
    return Applied(sorted((str(row[0]) for row in rows), key=lambda version: (len(version), version)), [])


def _flyway(rows: Iterable[Row]) -> Applied:
    """Follow the history: a version may have been undone, a repeatable one (without a version) applied again."""
    done: dict[str, str] = {}
    failed: dict[str, str] = {}
    for version, description, kind, success in rows:
        key = str(version) if version is not None else f"R {description}"
        what = f"{version} {description}" if version is not None else f"{description}"
        done.pop(key, None)
        failed.pop(key, None)
        if str(kind).startswith("UNDO") or kind in ("SCHEMA", "DELETE"):
            continue
        (done if success else failed)[key] = what
    return Applied(list(done.values()), list(failed.values()))


def _liquibase(rows: Iterable[Row]) -> Applied:
    sets = [(f"{file}::{key}::{author}", str(kind)) for file, key, author, kind in rows]
    failed = [name for name, kind in sets if kind == "FAILED"]
    return Applied([name for name, kind in sets if kind not in ("FAILED", "SKIPPED")], failed)


def _alembic(rows: Iterable[Row]) -> Applied:
    """Read the heads: all that Alembic keeps."""
    return Applied([str(row[0]) for row in rows], [], counted=False)


def _golang_migrate(rows: Iterable[Row]) -> Applied:
    """Read the one version that is kept; while it is dirty it is the one that failed."""
    known = [(str(version), bool(dirty)) for version, dirty in rows]
    done, failed = [version for version, dirty in known if not dirty], [version for version, dirty in known if dirty]
    return Applied(done, failed, counted=False)


def _goose(rows: Iterable[Row]) -> Applied:
    """Follow the history: the last row of a version counts; version 0 is goose's own."""
    state: dict[str, bool] = {}
    for version, applied in rows:
        state.pop(str(version), None)
        state[str(version)] = bool(applied)
    return Applied([version for version, applied in state.items() if applied and version != "0"], [])


_HISTORY = "__EFMigrationsHistory"
TOOLS = (
    Tool("Prisma", "_prisma_migrations", ("migration_name", "finished_at", "rolled_back_at"), "started_at", _prisma),
    Tool("Django", "django_migrations", ("app", "name"), "id", _django),
    Tool("Rails", "schema_migrations", ("version",), "version", _rails, alone=True),  # since 5 with a table beside it
    Tool("Flyway", "flyway_schema_history", ("version", "description", "type", "success"), "installed_rank", _flyway),
    Tool("Liquibase", "databasechangelog", ("filename", "id", "author", "exectype"), "orderexecuted", _liquibase,
         lock=("databasechangeloglock", "locked")),
    Tool("Alembic", "alembic_version", ("version_num",), "version_num", _alembic),
    Tool("golang-migrate", "schema_migrations", ("version", "dirty"), "version", _golang_migrate, alone=True),
    Tool("goose", "goose_db_version", ("version_id", "is_applied"), "id", _goose),
    Tool("Knex", "knex_migrations", ("name",), "id", _names, lock=("knex_migrations_lock", "is_locked")),
    Tool("TypeORM", "migrations", ("id", "timestamp", "name"), "id", lambda rows: _names(row[2:] for row in rows),
         alone=True),
    Tool("EF Core", _HISTORY, ("MigrationId",), "MigrationId", _names),
    Tool("EF Core", _HISTORY, ("migration_id",), "migration_id", _names),  # with its snake-case naming convention
)  # fmt: skip


def tables() -> list[str]:
    """Return the names of all tables that tell a tool, in lower case."""
    named = [[tool.table, tool.lock and tool.lock[0]] for tool in TOOLS]
    return sorted({name.lower() for names in named for name in names if name})


def find(there: Tables) -> list[Found]:
    """Return the histories among the tables, by schema and name."""
    folded = {(schema, name.lower()): (name, columns) for (schema, name), columns in there.items()}
    schemas = sorted({schema for schema, _ in there})
    found = (_found(tool, schema, folded) for schema in schemas for tool in TOOLS)
    return [each for each in found if each is not None]


def _found(tool: Tool, schema: str, there: Mapping[tuple[str, str], tuple[str, Sequence[str]]]) -> Found | None:
    history = _question(schema, tool.table, (*tool.columns, tool.order), there)
    if history is None:
        return None
    if tool.alone and len(there[schema, tool.table.lower()][1]) != len(tool.columns):
        return None
    lock = _question(schema, tool.lock[0], (tool.lock[1], tool.lock[1]), there) if tool.lock else None
    return Found(tool, history, lock)


def _question(
    schema: str, table: str, wanted: tuple[str, ...], there: Mapping[tuple[str, str], tuple[str, Sequence[str]]]
) -> Question | None:
    """Ask for columns of a table, the last one only as their order; None where it has them not."""
    name, columns = there.get((schema, table.lower()), ("", ()))
    real = {column.lower(): column for column in columns}
    if not all(column.lower() in real for column in wanted):
        return None
    *asked, order = (real[column.lower()] for column in wanted)
    return Question(schema, name, tuple(asked), order)


def history(found: Found, rows: Sequence[Row], lock: Sequence[Row]) -> "ManifestMigrations":
    """Return what the rows say, and whether the tool's lock is held."""
    # Late: SQLite's copy is read by a process of its own, and most databases have no such table.
    from holdfast.contract.manifest import ManifestMigrations

    said = found.tool.understand(rows)
    last = said.applied[-1:] if said.counted else said.applied
    return ManifestMigrations(
        tool=found.tool.name,
        table=found.name,
        applied_count=len(said.applied) if said.counted else None,
        last=", ".join(last) or None,
        applied=said.applied,
        failed=said.failed,
        locked=any(bool(row[0]) for row in lock),
    )


def read(there: Tables, ask: Callable[[Question], Sequence[Row]], failures: tuple[type[Exception], ...]) -> Histories:
    """Return the histories among the tables, and warnings.

    A user that may not read such a table may not dump it either, so what fails here fails the dump with better words:
    one of the `failures`, to which ValueError must belong, is told as a warning and the dump goes on.
    """
    found = find(there)
    histories, said = [], []
    for each in found[:MAX_HISTORIES]:
        try:
            histories.append(_history(each, ask))
        except failures as error:
            said.append(f"the migrations in {each.name} could not be read: {one_line(str(error), 300)}")
    if len(found) > MAX_HISTORIES:
        said.append(f"{len(found)} tables of migration tools were found, and only {MAX_HISTORIES} were read")
    return longest_first(histories), [*said, *warnings(histories)]


def _history(found: Found, ask: Callable[[Question], Sequence[Row]]) -> "ManifestMigrations":
    rows = ask(found.history)
    if len(rows) > MAX_ROWS:
        raise ValueError(f"the table has more than {MAX_ROWS} rows")
    return history(found, rows, ask(found.lock) if found.lock else [])


def longest_first(histories: Iterable["ManifestMigrations"]) -> list["ManifestMigrations"]:
    """Order them so that the first is the one that a report has room for."""
    return sorted(histories, key=lambda each: (-len(each.applied) - len(each.failed), each.table))


def warnings(histories: Iterable["ManifestMigrations"]) -> list[str]:
    """Say what of them is worth knowing before a restore."""
    said = []
    for each in histories:
        if each.failed:
            rest = f" and {len(each.failed) - 1} more" if len(each.failed) > 1 else ""
            said.append(
                f"{each.tool} records {each.failed[0]}{rest} as failed or unfinished in {each.table}: the backup "
                "holds the database in that state"
            )
        if each.locked:
            said.append(
                f"the lock of {each.tool} was held in {each.table}: a migration was running, or had been interrupted"
            )
    return said
