"""Gives databases other names in one transaction: all of them, or none.

PostgreSQL renames a database that nobody is connected to. The first ALTER DATABASE ... RENAME takes the lock that every
new session of that database has to wait for, and waits up to five seconds for those that are there; meanwhile another
connection ends these. So a client that comes back at once waits for the end of the transaction, and nothing that is
committed keeps anybody out: killed at any moment, all is as it was, or done.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres.maintenance import Maintenance, refused
from holdfast.runner.engines.postgres.statements import identifier
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few

if TYPE_CHECKING:
    from psycopg import Connection, Error

ATTEMPTS = 2
SECONDS = 20.0  # for all of an attempt; two are less than a Pod has after it was told to end
LOCK_TIMEOUT = "3s"
AGAIN = 0.05  # seconds from one look at who is connected to the next
NAMED = 3
_END = """
select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a
  join pg_catalog.pg_roles r on r.oid = a.usesysid
where a.datname = any(%s)
  and (not r.rolsuper or (select rolsuper from pg_catalog.pg_roles where rolname = current_user))
"""
_REMAINING = """
select pg_catalog.format('%%s of %%s (%%s)', a.pid, coalesce(r.rolname, a.backend_type), coalesce(a.state, 'hidden'))
from pg_catalog.pg_stat_activity a left join pg_catalog.pg_roles r on r.oid = a.usesysid
where a.datname = any(%s) order by 1 limit 20
"""
_THERE = b"select datname::text from pg_catalog.pg_database where datname = any(%s)"

Move = tuple[str, str]  # a database's name, and the one that it is to have


def there(maintenance: Maintenance, names: Sequence[str], stop: Stop | None = None) -> set[str]:
    """Return which of the databases the server has. Raises HoldfastError."""
    with maintenance.asked(stop, SECONDS) as connection:
        return those(connection, names)


def those(connection: "Connection[tuple[Any, ...]]", names: Sequence[str]) -> set[str]:
    """Return which of the databases there are."""
    return {str(name) for (name,) in connection.execute(_THERE, [list(names)])}


def exchange(maintenance: Maintenance, moves: Sequence[Move], before: Sequence[str] = ()) -> float:
    """Do all of the moves after the statements, or nothing of it; return for how many seconds nobody could work.

    It is not ended in its midst: it takes less time than a Pod has. Raises SwitchFailed, TargetNotReady.
    """
    import psycopg  # late: see server.connect

    maintenance.stop.check()
    kept = Stop()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _attempt(maintenance, moves, before, kept)
        except (psycopg.errors.ObjectInUse, psycopg.errors.LockNotAvailable) as error:
            if attempt == ATTEMPTS:
                raise _in_the_way(maintenance, moves, error, kept) from error
        except (psycopg.Error, HoldfastError) as error:
            # a connection that broke in the moment of the COMMIT does not tell whether it was one
            if _is_done(maintenance, moves, kept):
                return SECONDS
            if isinstance(error, psycopg.Error):
                raise refused(error, "renaming the databases", moves[0][0], Reason.SWITCH_FAILED) from error
            raise
    raise AssertionError("unreachable")


def _attempt(maintenance: Maintenance, moves: Sequence[Move], before: Sequence[str], stop: Stop) -> float:
    names = [name for name, _ in moves]
    with maintenance.asked(stop, SECONDS) as acting, maintenance.asked(stop, SECONDS) as ending:
        with acting.transaction():
            acting.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
            for statement in before:
                acting.execute(statement.encode())
            began = time.monotonic()
            with _ended(ending, acting, names):
                for name, other in moves:
                    acting.execute(f"ALTER DATABASE {identifier(name)} RENAME TO {identifier(other)}".encode())
        return time.monotonic() - began


@contextmanager
def _ended(
    ending: "Connection[tuple[Any, ...]]", acting: "Connection[tuple[Any, ...]]", names: list[str]
) -> Iterator[None]:
    """End whoever is connected to one of the databases, again and again, while the block waits for them to be gone."""
    import psycopg

    enough, refusals = threading.Event(), list[psycopg.Error]()

    def end() -> None:
        try:
            while not enough.is_set():
                ending.execute(_END.encode(), [names])
                enough.wait(AGAIN)
        except psycopg.Error as error:
            refusals.append(error)
            with suppress(psycopg.Error):
                acting.cancel()

    thread = threading.Thread(target=end, name="ending", daemon=True)
    thread.start()
    try:
        yield
    except psycopg.errors.QueryCanceled:
        if refusals:
            raise refusals[0] from None
        raise
    finally:
        enough.set()
        thread.join()


def _is_done(maintenance: Maintenance, moves: Sequence[Move], stop: Stop) -> bool:
    """Tell whether the names are the new ones."""
    with suppress(HoldfastError):
        found = there(maintenance, [name for move in moves for name in move], stop)
        left = {name for name, _ in moves} - {other for _, other in moves}
        return {other for _, other in moves} <= found and not left & found
    return False


def _in_the_way(maintenance: Maintenance, moves: Sequence[Move], error: "Error", stop: Stop) -> HoldfastError:
    import psycopg

    said = [one_line(str(error), 300)]
    with suppress(HoldfastError, psycopg.Error), maintenance.asked(stop, SECONDS) as connection:
        rows = connection.execute(_REMAINING.encode(), [[name for name, _ in moves]]).fetchall()
        said += [f"session {one_line(str(each), 200)}" for (each,) in rows]
    return HoldfastError(
        Reason.SWITCH_FAILED,
        f"the database {moves[0][0]} cannot be renamed while somebody is connected to it: {few(said, NAMED, '; ')}; "
        "nothing was switched",
        "as a superuser, end these sessions with SELECT pg_terminate_backend(pid), and whatever holds a lock on the "
        "database, then restore again",
    )
