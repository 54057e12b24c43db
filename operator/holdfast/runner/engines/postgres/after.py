"""Looks at what a restore brought back: rows as they are counted now, and what is not as it must be.

Names are whatever a database allows, and a manifest's are hostile besides: tables are found in the catalogue by
comparing, and each statement is made of what the server itself has quoted. Bytes go to and fro as they are, so that a
name of any encoding is the one that the manifest has.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.api.restoring import RestoreMode
from holdfast.contract.manifest import Manifest, ManifestTable
from holdfast.contract.task import RestoreTask
from holdfast.runner.engines.postgres import server
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.postgres.maintenance import refused
from holdfast.runner.engines.postgres.names import parsed
from holdfast.runner.engines.protocol import Came
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")
SECONDS = 30 * 86400.0  # counting takes as long as the task may
AT_ONCE = 100  # tables of one statement
NAMED = 5
# Names as they are, and as the server quotes them: the latter in bytes, which no client's encoding can change.
_TABLES = """
select n.nspname, c.relname,
  pg_catalog.convert_to(pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.getdatabaseencoding()),
  c.relrowsecurity and c.relforcerowsecurity
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p')
"""
# Sequences that fill a column which an index finds the greatest value of: elsewhere, a value twice breaks nothing.
_SEQUENCES = """
select pg_catalog.format('%I.%I', n.nspname, s.relname),
  pg_catalog.convert_to(pg_catalog.format('%I.%I', n.nspname, s.relname), pg_catalog.getdatabaseencoding()),
  pg_catalog.convert_to(pg_catalog.format('%I.%I', m.nspname, t.relname), pg_catalog.getdatabaseencoding()),
  pg_catalog.convert_to(pg_catalog.quote_ident(a.attname), pg_catalog.getdatabaseencoding()), q.seqincrement > 0
from pg_catalog.pg_depend d join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
  join pg_catalog.pg_namespace n on n.oid = s.relnamespace join pg_catalog.pg_sequence q on q.seqrelid = s.oid
  join pg_catalog.pg_class t on t.oid = d.refobjid join pg_catalog.pg_namespace m on m.oid = t.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refclassid = d.classid and d.deptype in ('a', 'i')
  and d.refobjsubid > 0 and not q.seqcycle and a.atttypid in (20, 21, 23)
  and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and t.relkind in ('r', 'p')
  and exists (select from pg_catalog.pg_index i where i.indrelid = t.oid and i.indisvalid and i.indkey[0] = a.attnum)
order by 1
"""
_INDEXES = """
select pg_catalog.format('index %I.%I of %I', n.nspname, c.relname, t.relname), c.relkind = 'I'
from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace join pg_catalog.pg_class t on t.oid = i.indrelid
where not (i.indisvalid and i.indisready)
  and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
order by 1 limit 1000
"""
_CONSTRAINTS = """
select pg_catalog.format('%I of %I.%I', x.conname, n.nspname, c.relname)
from pg_catalog.pg_constraint x join pg_catalog.pg_class c on c.oid = x.conrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace where not x.convalidated
  and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
order by 1 limit 1000
"""
_SEES_ALL = b"select rolsuper or rolbypassrls from pg_catalog.pg_roles where rolname = current_user"


@dataclass
class Seen:
    """What was found."""

    tables: list[ManifestTable] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)


def look(where: Target, stop: Stop, manifest: Manifest, task: RestoreTask) -> tuple[Came, list[str]]:
    """Return what the database has of the manifest's, and warnings; have it analysed. Raises HoldfastError."""
    import psycopg  # late: see server.connect

    seen = Seen()
    names = [table.name for table in manifest.tables or [] if not task.tables or table.name in task.tables]
    try:
        with server.connect(where, stop) as connection, server.answering(connection, where, stop, SECONDS):
            connection.pgconn.exec_(b"set client_encoding = 'SQL_ASCII'")
            version = connection.info.parameter_status("server_version") or str(connection.info.server_version)
            _analyse(connection, seen)
            with connection.transaction(force_rollback=True):
                connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                found = _found(connection, names)
                seen.tables = _counted(connection, found)
                _sequences(connection, seen)
                _validity(connection, seen, ours=task.mode is not RestoreMode.INTO)
    except psycopg.Error as error:
        raise refused(error, "looking at what was restored", where) from error
    return Came(seen.tables, seen.faults, seen.looked_at, f"PostgreSQL {version}"), seen.warnings


@dataclass(frozen=True)
class _Table:
    quoted: bytes
    guarded: bool  # row-level security holds for its owner, too


def _found(connection: "Connection[tuple[Any, ...]]", names: Sequence[str]) -> dict[str, _Table]:
    """Return those of the manifest's names that the database has."""
    there = {
        (schema, table): _Table(bytes(quoted), guarded)
        for schema, table, quoted, guarded in (connection.execute(_TABLES.encode()) if names else ())
    }
    pairs = {name: parsed(name) for name in names}
    return {name: there[pair] for name, pair in pairs.items() if pair in there}


def _let_all_be_seen(connection: "Connection[tuple[Any, ...]]", tables: Sequence[_Table]) -> None:
    """Lift, until it is rolled back, what would hide rows from the owner himself."""
    guarded = [table for table in tables if table.guarded]
    row = connection.execute(_SEES_ALL).fetchone() if guarded else None
    for table in guarded if row is not None and not row[0] else ():
        connection.execute(b"ALTER TABLE ONLY " + table.quoted + b" NO FORCE ROW LEVEL SECURITY")
    connection.execute(b"SET LOCAL row_security = off")  # what is hidden still is an error, and no smaller number


def _counted(connection: "Connection[tuple[Any, ...]]", found: dict[str, _Table]) -> list[ManifestTable]:
    counted = []
    for names in _in_parts(list(found)):
        each = (b"select %d, count(*) from only %s" % (at, found[name].quoted) for at, name in enumerate(names))
        with connection.transaction(force_rollback=True):  # which gives back the locks, of which a server has few
            _let_all_be_seen(connection, [found[name] for name in names])
            rows = dict(connection.execute(b" union all ".join(each)).fetchall())
        counted += [ManifestTable(name=name, rows=rows[at]) for at, name in enumerate(names)]
    return counted


def _in_parts(whole: Sequence[T]) -> Iterator[Sequence[T]]:
    return (whole[at : at + AT_ONCE] for at in range(0, len(whole), AT_ONCE))


def _sequences(connection: "Connection[tuple[Any, ...]]", seen: Seen) -> None:
    """Find those that would give a value which their column has already.

    A dump holds each sequence as it was, so one that is behind was so in the original: worth knowing, and no fault of
    the restore.
    """
    behind: list[str] = []
    for part in _in_parts(connection.execute(_SEQUENCES.encode()).fetchall()):
        each = (
            b"select %d, (case when is_called then %s else %s end) from (select is_called, last_value, "
            b"(select %s(%s) from %s) as reached from %s) v"
            % (at, *_ahead(rising), b"max" if rising else b"min", bytes(column), bytes(table), bytes(sequence))
            for at, (_, sequence, table, column, rising) in enumerate(part)
        )
        with connection.transaction(force_rollback=True):
            rows = connection.execute(b" union all ".join(each)).fetchall()
        behind += [str(part[at][0]) for at, late in rows if late]
    if behind:
        seen.warnings.append(
            one_line(
                "sequences are behind their columns, so their next value may already exist (the backup has them like "
                f"this): {few(behind, NAMED)}",
                600,
            )
        )
    else:
        seen.looked_at.append("sequences")


def _ahead(rising: bool) -> tuple[bytes, bytes]:
    """Return how a column is seen to have gone further: once a value was given, and before the first one."""
    return (b"reached > last_value", b"reached >= last_value") if rising else (
        b"reached < last_value", b"reached <= last_value",
    )  # fmt: skip


def _validity(connection: "Connection[tuple[Any, ...]]", seen: Seen, ours: bool) -> None:
    """Find indexes and constraints that do not hold. `ours`: nothing was there before the restore.

    An index of one table is never dumped as invalid; one of a partitioned table is, and a constraint that is NOT VALID.
    """
    indexes = connection.execute(_INDEXES.encode()).fetchall()
    broken = [str(name) for name, partitioned in indexes if ours and not partitioned]
    seen.faults += [f"{name} is not valid" for name in broken]
    told = [str(name) for name, _ in indexes if str(name) not in broken]
    constraints = [str(name) for (name,) in connection.execute(_CONSTRAINTS.encode())]
    for what, names in (("indexes", told), ("constraints", constraints)):
        if names:
            seen.warnings.append(
                one_line(f"{what} that are not valid, as in the original database: {few(names, NAMED)}", 600)
            )
        elif what == "constraints" or not broken:
            seen.looked_at.append(what)


def _analyse(connection: "Connection[tuple[Any, ...]]", seen: Seen) -> None:
    """Have the server learn what is in the tables: a dump does not hold it, and queries are slow without."""
    import psycopg

    try:
        connection.execute(b"ANALYZE")
    except psycopg.Error as error:
        seen.warnings.append(f"ANALYZE failed, so queries may be slow until you run it: {one_line(str(error), 300)}")
    else:
        seen.looked_at.append("statistics")
