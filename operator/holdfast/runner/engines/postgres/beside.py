"""Replaces a database: restored into a fresh one beside it, which then takes its name in one step.

What was there stays, under another name. Until the step the target is not touched, and after an error nothing of the
fresh one is left.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from holdfast.contract.manifest import Manifest
from holdfast.contract.needs import NeedKind
from holdfast.contract.task import Beside
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres import properties, rights, switch
from holdfast.runner.engines.postgres.maintenance import Maintenance, refused
from holdfast.runner.engines.postgres.statements import RESTORING_USER, create_database, identifier, literal
from holdfast.runner.engines.protocol import Source, Switched
from holdfast.runner.pod.stop import Stop

if TYPE_CHECKING:
    from psycopg import Connection

# Where there was no target, no old one tells a later Pod that the switch is done, but the comment does.
_MARK = "restored by Holdfast, as {} at first"
_COMMENT = b"select pg_catalog.shobj_description(oid, 'pg_database') from pg_catalog.pg_database where datname = %s"
_FORCE_SINCE = 13


class Replacing:
    """See engine.Landing."""

    def __init__(
        self,
        maintenance: Maintenance,
        database: str,
        names: Beside,
        manifest: Manifest,
        fresh: Source,
        replaces: Callable[[], None],
    ) -> None:
        """`fresh` is the database of that name, as a restore uses it; `replaces` tells it that there is an old one."""
        self._maintenance, self._database, self._names = maintenance, database, names
        self._manifest, self._fresh, self._replaces = manifest, fresh, replaces
        self._there: properties.Properties | None = None

    def done(self) -> Switched | None:
        """See engine.Landing."""
        with asking(self._maintenance, self._database, "looking for it") as connection:
            found = _which(connection, [self._database, self._names.fresh, self._names.old])
            if self._database not in found or self._names.fresh in found:
                return None
            if self._names.old in found:
                return Switched(self._names.old, None)
            row = connection.execute(_COMMENT, [self._database]).fetchone()
            return Switched(None, None) if row is not None and row[0] == self._mark else None

    def opened(self) -> AbstractContextManager[Source]:
        """See engine.Landing. Raises TargetNotReady before anything is made."""
        return self._opened()

    @contextmanager
    def _opened(self) -> Iterator[Source]:
        self._make()
        try:
            yield self._fresh
        except Exception as error:
            self._undo(error)
            raise

    def _undo(self, error: Exception) -> None:
        """Remove the fresh one after whatever it was, a stop among them: what is told is that, and what could not be.

        Raises the error anew where the fresh one stays.
        """
        try:
            drop(self._maintenance, [self._names.fresh], Stop())
        except HoldfastError as left:
            told = error if isinstance(error, HoldfastError) else left
            raise HoldfastError(
                told.reason,
                f"{told.message}; the new database {self._names.fresh!r} of this restore could not be dropped: "
                f"{left.message}",
                f"{told.remedy}; and DROP DATABASE {identifier(self._names.fresh)}",
                differences=told.differences,
            ) from error

    def _make(self) -> None:
        fresh, old = self._names.fresh, self._names.old
        with asking(self._maintenance, self._database, "creating a database beside it") as connection:
            self._there = there = properties.read(connection, self._database)
            rights.require(connection, self._database, there, repr(self._database))
            if _which(connection, [old]):
                raise _taken(old)
            if _which(connection, [fresh]):  # of an earlier Pod, which was killed
                _drop(connection, fresh)
            major = connection.info.server_version // 10000
            made = there.creation(fresh, major) if there else creation(fresh, self._manifest, major)
            connection.execute(made.encode())
            if there is None:
                connection.execute(f"COMMENT ON DATABASE {identifier(fresh)} IS {literal(self._mark)}".encode())
            else:
                self._rehearse(connection, there)
                self._replaces()

    def _rehearse(self, connection: "Connection[tuple[Any, ...]]", there: properties.Properties) -> None:
        """See that what the old one has can be given to the fresh one, before hours are spent."""
        import psycopg  # late: see server.connect

        try:
            with connection.transaction(force_rollback=True):
                for statement in there.given(self._names.fresh):
                    connection.execute(statement.encode())
        except psycopg.Error:
            _drop(connection, self._names.fresh)
            raise

    def switch(self) -> Switched:
        """See engine.Landing."""
        fresh, old = self._names.fresh, self._names.old
        with asking(self._maintenance, self._database, "reading what it has") as connection:
            there = properties.read(connection, self._database)
        if (there is None) != (self._there is None):
            raise HoldfastError(
                Reason.SWITCH_FAILED,
                f"somebody {'dropped' if there is None else 'created'} the database {self._database!r} during the "
                "restore; nothing was switched",
                "find out who else changes the target, then restore again",
            )
        moves = [(self._database, old)] if there else []
        given = list(there.given(fresh)) if there else []
        seconds = switch.exchange(self._maintenance, [*moves, (fresh, self._database)], given)
        return Switched(old if there else None, round(seconds, 3))

    @property
    def _mark(self) -> str:
        return _MARK.format(self._names.fresh)


@contextmanager
def asking(
    maintenance: Maintenance, database: str, doing: str, stop: Stop | None = None
) -> "Iterator[Connection[tuple[Any, ...]]]":
    """Connect beside the database; what the server refuses is told. Raises HoldfastError."""
    import psycopg

    try:
        with maintenance.asked(stop) as connection:
            yield connection
    except psycopg.Error as error:
        raise refused(error, doing, f"database {database!r}") from error


def creation(name: str, manifest: Manifest, major: int) -> str:
    """Return how a database is made as the dump needs it: nothing of the manifest's own statements is used."""
    needs = manifest.needs or []
    encoding = next((need.name for need in needs if need.is_of(NeedKind.ENCODING)), "")
    locale = {need.name: need.value or "" for need in needs if need.is_of(NeedKind.LOCALE)}
    return create_database(name, encoding, locale, major)


def make(maintenance: Maintenance, database: str, manifest: Manifest) -> None:
    """Make the database where the server does not have it. Raises TargetNotReady."""
    import psycopg

    with asking(maintenance, database, "creating it") as connection:
        if _which(connection, [database]):
            return
        asks = rights.user(connection, f"database {database!r}")
        made = creation(database, manifest, connection.info.server_version // 10000)
        if not asks.creates:
            raise HoldfastError(
                Reason.TARGET_NOT_READY,
                f"the server has no database {database!r}, and this user has no right to create one; nothing was "
                "changed",
                f"as an administrator, run ALTER ROLE {RESTORING_USER} CREATEDB, or {made} OWNER {RESTORING_USER}; "
                "then restore again",
            )
        try:
            connection.execute(made.encode())
        except psycopg.errors.DuplicateDatabase:  # somebody else was as quick
            return


def swap_back(maintenance: Maintenance, database: str, kept: str, old: str) -> Switched:
    """Put back what was replaced; what is there now is then called `old`. Raises TargetNotReady, SwitchFailed."""
    with asking(maintenance, database, "putting back what was replaced") as connection:
        found = _which(connection, [database, kept, old])
        if kept not in found:
            if {database, old} <= found:  # an earlier Pod was here
                return Switched(old, None)
            raise HoldfastError(
                Reason.TARGET_NOT_READY,
                f"the server has no database {kept!r} that could be put back; nothing was changed",
                "restore a backup instead: the old database was dropped, or was put back before",
            )
        if old in found and database in found:
            raise _taken(old)
        for name in (database, kept):
            rights.require(connection, name, properties.read(connection, name), repr(name))
    moves = [(database, old)] if database in found else []
    seconds = switch.exchange(maintenance, [*moves, (kept, database)])
    return Switched(old if moves else None, round(seconds, 3))


def drop(maintenance: Maintenance, names: Sequence[str], stop: Stop | None = None) -> list[str]:
    """Remove the databases, whoever is connected to them; return those that were there. Raises HoldfastError."""
    with asking(maintenance, names[0], "removing it", stop) as connection:
        found = _which(connection, names)
        for name in names:
            if name in found:
                _drop(connection, name)
    return [name for name in names if name in found]


def _drop(connection: "Connection[tuple[Any, ...]]", name: str) -> None:
    force = " WITH (FORCE)" if connection.info.server_version // 10000 >= _FORCE_SINCE else ""
    connection.execute(f"DROP DATABASE IF EXISTS {identifier(name)}{force}".encode())


def _which(connection: "Connection[tuple[Any, ...]]", names: Sequence[str]) -> set[str]:
    return switch.those(connection, names)


def _taken(name: str) -> HoldfastError:
    return HoldfastError(
        Reason.TARGET_NOT_READY,
        f"the server already has a database {name!r}, the name that the old database would get; nothing was changed",
        "look at what is in that database, rename or drop it, then restore again",
    )
