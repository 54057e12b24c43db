"""Asks a PostgreSQL server what a task must know before a tool runs: its version, the database's size, is it empty."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.contract.globals import Globals
from holdfast.contract.manifest import ManifestMigrations
from holdfast.contract.needs import ManifestNeed
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines import again
from holdfast.runner.engines.postgres import history, losses, needs, readable, roles
from holdfast.runner.engines.postgres.connection import APPLICATION, Target
from holdfast.runner.engines.postgres.errors import classify, connection_error
from holdfast.runner.engines.tool_errors import stalled
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line

if TYPE_CHECKING:
    from psycopg import Connection

ANSWER_SECONDS = 60.0  # for all questions of one connection: they are small
GLOBALS_SECONDS = 300.0  # for whose each object is, and who may do what with it: a minute for some ten thousand

# What a user made: no system schema, and nothing that belongs to an extension.
_USER_OBJECTS = """
select n.nspname || '.' || c.relname
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
  and not exists (select from pg_catalog.pg_depend d
                  where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1 limit 1000
"""
# What the dump's own sessions do, as the server sees them: a user may see those of his own.
_DUMPING = """
select pid || case when wait_event_type = 'Lock' then
    ' waits for a lock that ' || pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(pid), ', ') || ' holds'
  else ' is active' end
from pg_catalog.pg_stat_activity
where application_name = %s and usename = current_user and datname = pg_catalog.current_database()
  and pid <> pg_catalog.pg_backend_pid() and state = 'active'
order by pid limit 100
"""


@dataclass(frozen=True)
class Server:
    """What the server said."""

    host: str  # that answered, of those that were named
    port: str
    version: str
    major: int
    database_size: int
    migrations: list[ManifestMigrations] = field(default_factory=list)
    needs: list[ManifestNeed] = field(default_factory=list)
    globals: Globals | None = None
    warnings: list[str] = field(default_factory=list)  # of what is not known, or was found half-done


def inspect(target: Target, stop: Stop, client: int, with_globals: bool = False) -> Server:
    """Connect and ask what a backup must know; `client` is the major version of pg_dump.

    Raises the connection's errors (exit 3).
    """
    with connect(target, stop) as connection, answering(connection, target, stop):
        row = _row(connection, target, "select pg_catalog.pg_database_size(pg_catalog.current_database())")
        number = connection.info.server_version
        version = connection.info.parameter_status("server_version") or str(number)
        needed, lacking = needs.read(connection, target.database, number // 10000, client)
        warnings = [*losses.warnings(connection), *lacking]
        migrations, said = history.read(connection)
        there = target if target.is_one else _answered(target, connection)
    found, unread = _globals(there, stop) if with_globals else (None, [])
    return Server(
        there.host, there.port, f"PostgreSQL {version}", number // 10000, int(row[0]), migrations, needed,
        found, [*said, *warnings, *unread],
    )  # fmt: skip


def _globals(target: Target, stop: Stop) -> tuple[Globals | None, list[str]]:
    """Ask for roles, owners and grants, or say why they are not known: of very many objects, that takes its time."""
    try:
        with connect(target, stop) as connection, answering(connection, target, stop, GLOBALS_SECONDS):
            connection.execute(b"select pg_catalog.set_config('statement_timeout', '0', false)")
            return roles.read(connection)
    except HoldfastError as error:
        stop.check()
        return None, [f"roles, owners and grants are not backed up: {error.message}"]


def of_several(target: Target, stop: Stop) -> Target:
    """Return the target with the one server, of those that it names, that answers and is of the kind asked for."""
    with connect(target, stop) as connection:
        return _answered(target, connection)


def _answered(target: Target, connection: "Connection[tuple[Any, ...]]") -> Target:
    return target.answered(connection.info.host, str(connection.info.port))


def user_objects(target: Target, stop: Stop) -> list[str]:
    """Return the names of tables, views and sequences that are not the system's, at most 1000."""
    with connect(target, stop) as connection, answering(connection, target, stop):
        return [str(row[0]) for row in connection.execute(_USER_OBJECTS)]


def require_dumping(target: Target, stop: Stop, seconds: float) -> list[str]:
    """Ask the server about a dump that was silent for so long; return what its sessions do.

    Raises DumpStalled where the server does not answer any more, or knows of no session that does anything.
    """
    import psycopg

    try:
        with connect(target, stop) as connection, answering(connection, target, stop):
            doing = [str(row[0]) for row in connection.execute(_DUMPING, [APPLICATION])]
    except (HoldfastError, psycopg.Error) as error:
        stop.check()
        said = error.message if isinstance(error, HoldfastError) else one_line(str(error), 300)
        raise stalled("pg_dump", seconds, f"the server no longer answers: {said}") from error
    if not doing:
        raise stalled("pg_dump", seconds, f"the server has no active session for {target}")
    return doing


@contextmanager
def answering(
    connection: "Connection[tuple[Any, ...]]", target: Target, stop: Stop, seconds: float | None = None
) -> Iterator[None]:
    """Cut the connection when the server has not answered all questions of the block in time, or at a stop.

    A server that says nothing, or endlessly something, would else hold the task until its deadline, or fill memory.
    Without `seconds` they are ANSWER_SECONDS. Raises ConnectionTimeout.
    """
    seconds = ANSWER_SECONDS if seconds is None else seconds
    late = threading.Event()

    def cut() -> None:
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as own:
            own.shutdown(socket.SHUT_RDWR)

    def end() -> None:
        late.set()
        cut()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        with stop.calling(cut):
            readable.make_readable(connection)
            yield
    except Exception:
        stop.check()
        if late.is_set():
            raise HoldfastError(
                Reason.CONNECTION_TIMEOUT,
                f"{target} accepted the connection, but did not answer within {seconds:.0f} s",
                "check what the server is busy with, and any pooler or proxy before it",
            ) from None
        raise
    finally:
        timer.cancel()
        timer.join()


def connect(target: Target, stop: Stop) -> "Connection[tuple[Any, ...]]":
    """Connect; what may pass by itself is tried again within the window. Raises HoldfastError (exit 3)."""
    import psycopg  # late: it is slow to import, and a task with a bad Secret does not need it

    def attempt() -> "Connection[tuple[Any, ...]]":
        try:
            return psycopg.connect("", autocommit=True, **target.parameters())  # type: ignore[arg-type]
        except psycopg.OperationalError as error:
            text = str(error)
        told = connection_error(text, target)
        raise again.PassingError(told) if classify(text).passes else told

    try:
        return again.patiently(attempt, stop)
    except again.PassingError as error:
        raise error.told from None


def _row(connection: "Connection[tuple[Any, ...]]", target: Target, query: str) -> tuple[Any, ...]:
    import psycopg

    try:
        row = connection.execute(query.encode()).fetchone()
    except psycopg.Error as error:
        raise connection_error(one_line(str(error), 600), target) from error
    assert row is not None
    return row
