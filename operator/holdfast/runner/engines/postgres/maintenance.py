"""Reaches a server beside the database that a task is about: none is made, renamed or dropped from within itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres import server
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.postgres.statements import RESTORING_USER
from holdfast.runner.engines.postgres.target import limits
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line

if TYPE_CHECKING:
    from psycopg import Connection, Error

USUAL = ("postgres", "template1")  # the first is for this; the second is there in any case
SECONDS = 600.0  # making and dropping a database waits for a checkpoint, which on a busy server takes minutes
_MAX_NAME = 63  # bytes; the server would cut a longer one, and find another database
_CLOSED = (Reason.DATABASE_NOT_FOUND, Reason.AUTHENTICATION_FAILED)
_OTHERS = b"""
select datname::text from pg_catalog.pg_database
where datallowconn and not datistemplate and pg_catalog.has_database_privilege(oid, 'CONNECT')
  and datname <> pg_catalog.current_database() order by 1 limit 20
"""


_LOST = ("08", "57P0")  # of what the server says last; a connection that breaks has no SQLSTATE at all


class Maintenance:
    """Connections to another database of the target's server."""

    def __init__(self, target: Target, stop: Stop, involved: Sequence[str]) -> None:
        """`involved` are the databases that nobody may be connected to meanwhile. Raises InvalidTask."""
        for name in involved:
            if len(name.encode()) > _MAX_NAME:
                raise HoldfastError(
                    Reason.INVALID_TASK,
                    f"the database name {name!r} has more than {_MAX_NAME} bytes, which PostgreSQL cuts off",
                    "use a shorter name",
                )
        self._wanted = target.writable()
        self._stop, self._involved = stop, set(involved)
        self._found: Target | None = None

    @property
    def stop(self) -> Stop:
        """What ends the task."""
        return self._stop

    def where(self) -> Target:
        """Return the database to be connected to, on the one server of several. Raises HoldfastError."""
        if self._found is None:
            self._found = self._find()
        return self._found

    @contextmanager
    def asked(self, stop: Stop | None = None, seconds: float = SECONDS) -> "Iterator[Connection[tuple[Any, ...]]]":
        """Connect; `stop` is another one where work goes on that must come to its end. Raises HoldfastError."""
        where, heeded = self.where(), stop or self._stop
        with server.connect(where, heeded) as connection, server.answering(connection, where, heeded, seconds):
            lift(connection)
            yield connection

    def _find(self) -> Target:
        refused: HoldfastError | None = None
        for name in self._names():
            try:
                return server.of_several(replace(self._wanted, database=name), self._stop)
            except HoldfastError as error:
                if error.reason not in _CLOSED:
                    raise
                refused = refused or error
        raise HoldfastError(
            Reason.TARGET_NOT_READY,
            f"this user can connect to no other database of the server, which is needed to rename {self._wanted}: "
            f"{refused.message if refused else 'there is none'}",
            f"as an administrator: GRANT CONNECT ON DATABASE postgres TO {RESTORING_USER}; then restore again",
        )

    def _names(self) -> Iterator[str]:
        yield from (name for name in USUAL if name not in self._involved)
        try:
            with (
                server.connect(self._wanted, self._stop) as connection,
                server.answering(connection, self._wanted, self._stop),
            ):
                others = [str(name) for (name,) in connection.execute(_OTHERS)]
        except HoldfastError as error:
            if error.reason not in _CLOSED:
                raise
            others = []
        yield from (name for name in others if name not in self._involved)


def lift(connection: "Connection[tuple[Any, ...]]") -> None:
    """Lift what the role or the database sets for its sessions and what would end the work, such as a time limit."""
    for name, value in limits(connection).items():
        connection.execute(b"SELECT pg_catalog.set_config(%s, %s, false)", [name, value])


def refused(error: "Error", doing: str, where: object, reason: Reason = Reason.RESTORE_FAILED) -> HoldfastError:
    """Make the error for what the server refused; `reason` is for what is not about rights, disk or connections."""
    import psycopg  # late: see server.connect

    said = one_line(str(error), 600)
    match error:
        case psycopg.errors.InsufficientPrivilege():
            return HoldfastError(
                Reason.TARGET_NOT_READY,
                f"{where}: the server refused {doing}: {said}",
                f"as an administrator, give {RESTORING_USER} the right that the message names, or restore with a user "
                "who has it",
            )
        case psycopg.errors.DiskFull():
            return HoldfastError(
                Reason.DISK_FULL, f"{where}: {doing} failed: {said}", "free space on the disk of the database server"
            )
        case psycopg.OperationalError() if _is_lost(error):
            return HoldfastError(
                reason,
                f"{where}: {doing} was broken off: {said}",
                "read the server's log, then restore again: the server ended the connection, or is gone",
            )
    return HoldfastError(
        reason, f"{where}: {doing} failed: {said}", "correct what the message names: the message is the server's own"
    )


def _is_lost(error: "Error") -> bool:
    return error.sqlstate is None or error.sqlstate.startswith(_LOST)
