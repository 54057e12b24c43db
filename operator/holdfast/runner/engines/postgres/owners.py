"""Gives the objects of a database their owners and rights, each for itself: what fails is told, and the rest goes on.

An object is looked up in the target by its address, and a statement names it as that server does; so of what a backup
says nothing but the names of roles, settings and columns is ever in a statement, quoted.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from holdfast.contract.globals import GlobalObject, Globals
from holdfast.runner.engines.postgres import owned, role_plan
from holdfast.runner.engines.postgres.owned import Found
from holdfast.runner.engines.postgres.right_statements import (
    On,
    database_settings,
    default_rights,
    on_object,
    owning,
)
from holdfast.runner.engines.postgres.role_plan import There
from holdfast.runner.engines.postgres.statements import identifier
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line

if TYPE_CHECKING:
    from psycopg import Connection

BATCH = 200  # objects in one transaction: each holds some locks, and the server has not many
_SET_SINCE = 16  # from which version on being a member and being let take the role's place are two things
_SCHEMA = "schema"
_MAY_CREATE = b"""
select n.nspname::text from pg_catalog.pg_namespace n
where n.nspname = any(%s) and pg_catalog.has_schema_privilege(%s, n.oid, 'CREATE')
"""
T = TypeVar("T")


class _Work(NamedTuple):
    what: str  # in words
    run: list[str]
    role: str  # who owns it


class Owners:
    """What a database is to have, and who gives it."""

    def __init__(
        self, connection: "Connection[tuple[Any, ...]]", found: Globals | None, owner: str | None, there: There,
        stop: Stop,
    ) -> None:  # fmt: skip
        """`found` is what the backup says; with `owner`, everything is his instead."""
        self._connection, self._found, self._owner, self._there, self._stop = connection, found, owner, there, stop
        self._by_address = {owned.address(each): each for each in (found.objects if found else [])}

    def not_givable(self, exists: frozenset[str]) -> Iterator[str]:
        """Say which roles are to own something and cannot be given it by this user."""
        owners = {each.owner for each in self._by_address.values()} if self._owner is None else {self._owner}
        how = "SET" if self._there.major >= _SET_SINCE else "MEMBER"
        for owner in sorted(each for each in owners if each and each != self._there.user):
            if owner not in exists:
                yield f"the role {owner}, which should own something, does not exist"
            elif not self._there.superuser and not has_role(self._connection, owner, how):
                yield f"{owner} should own something, but this user is not a member of that role"

    def objects(self) -> list[str]:
        """Give each object its owner; return what failed. Schemas come last: who owns one lets others make in it."""
        moves = [
            (each, owner)
            for address, each in owned.objects(self._connection, named=True).items()
            if (owner := self._owner_of(address, each)) and owner != each.owner and owner in self._there.roles
        ]
        schemas = [move for move in moves if move[0].object.kind == _SCHEMA]
        others = [move for move in moves if move[0].object.kind != _SCHEMA]
        failed: list[str] = []
        for batch in [*_batches(others), *_batches(schemas)]:
            self._stop.check()
            with self._connection.transaction():
                lent = [] if self._there.superuser else self._lend_schemas(batch)
                for each, owner in batch:
                    statement = owning(each, owner)
                    why = done(self._connection, [statement]) if statement else None
                    failed += [f"{owner} as owner of {each.object.kind} {each.identity}: {why}"] if why else []
                for schema, owner in lent:
                    why = done(self._connection, [f"REVOKE CREATE ON SCHEMA {schema} FROM {identifier(owner)}"])
                    failed += [f"{owner} may still create in schema {schema}: {why}"] if why else []
        return failed

    def rights(self) -> list[str]:
        """Give the rights on each object, and the default privileges; return what failed."""
        failed: list[str] = []
        for batch in _batches([*self._on_objects(), *self._defaults()]):
            self._stop.check()
            with self._connection.transaction():
                for work in batch:
                    why = done(self._connection, work.run, None if self._there.superuser else work.role)
                    failed += [f"{work.what}: {why}"] if why else []
        return failed

    def database(self, name: str, exists: frozenset[str]) -> list[str]:
        """Give settings, owner and rights of the database itself; return what failed."""
        found, there = self._found, self._there
        failed = []
        with self._connection.transaction():
            for setting, run in database_settings(found, name) if found else ():
                if setting.role is None or setting.role in exists:
                    fits = role_plan.usable(setting, there)
                    why = done(self._connection, [run]) if fits else "not one that every user may set"
                    failed += [f"the setting {setting.name} of the database: {why}"] if why else []
            owner = self._owner or (found.owner if found else None)
            if owner and owner in exists:
                why = done(self._connection, [f"ALTER DATABASE {identifier(name)} OWNER TO {identifier(owner)}"])
                failed += [f"{owner} as owner of the database: {why}"] if why else []
            if owner and owner in exists and found and found.grants is not None:
                run_all = On(f"DATABASE {identifier(name)}").rights(found.grants, owner, exists)
                why = done(self._connection, run_all, None if there.superuser else owner)
                failed += [f"rights on the database: {why}"] if why else []
        return failed

    def differences(self) -> list[str]:
        """Say, by name, whose owner and rights are not as the backup says. What is not there at all is left out."""
        there = owned.objects(self._connection)
        differ = []
        for address, said in self._by_address.items():
            now = there.get(address)
            if now is None:
                if said.grants and owned.column_of(address) in there:
                    differ.append(f"rights on {said.kind} {'.'.join(said.names)} are not there")
                continue
            owner = self._owner_of(address, now) if said.owner is not None else None
            if owner is not None and now.owner != owner:
                differ.append(f"the owner of {said.kind} {'.'.join(said.names)} is {now.owner} instead of {owner}")
            if self._rights_differ(said, now.object):
                differ.append(f"rights on {said.kind} {'.'.join(said.names)} are other ones")
        found = owned.defaults(self._connection)
        differ += [
            f"default privileges of {each.role} on {each.kind} are other ones"
            for each in (self._found.defaults if self._found else [])
            if each not in found
        ]
        return differ

    def _rights_differ(self, said: GlobalObject, now: GlobalObject) -> bool:
        """Whether others have other rights on it; who owns everything has them all, whatever he was granted before."""
        if self._owner is None:
            return said.grants != now.grants
        others = [
            [grant for grant in grants or [] if not grant.to_owner and grant.to != self._owner]
            for grants in (said.grants, now.grants)
        ]
        return now.grants is not None and others[0] != others[1]

    def _owner_of(self, address: owned.Address, each: Found) -> str | None:
        """Return who is to own it; None of what has no owner of its own, or stays who made it."""
        if each.object.owner is None:
            return None
        if self._owner is not None:
            return self._owner if each.owner in (self._there.user, self._owner) else None
        said = self._by_address.get(address)
        return said.owner if said else None

    def _lend_schemas(self, batch: Sequence[tuple[Found, str]]) -> list[tuple[str, str]]:
        """Let owners make things in the schemas of what they are to own, as the server asks; return whom, and where.

        Who is to own a schema itself needs no such right, and would lose his own when it is taken back.
        """
        wanted: dict[str, set[str]] = {}
        for each, owner in batch:
            if each.schema is not None and each.object.kind != _SCHEMA:
                wanted.setdefault(owner, set()).add(each.schema)
        lent = []
        for owner, schemas in wanted.items():
            may = {name for (name,) in self._connection.execute(_MAY_CREATE, [sorted(schemas), owner])}
            for schema in map(identifier, sorted(schemas - may)):
                why = done(self._connection, [f"GRANT CREATE ON SCHEMA {schema} TO {identifier(owner)}"])
                lent += [(schema, owner)] if why is None else []
        return lent

    def _on_objects(self) -> Iterator[_Work]:
        there = owned.objects(self._connection, named=True)
        for address, said in self._by_address.items():
            found, column = there.get(address), None
            if found is None and (table := owned.column_of(address)) is not None:
                found, column = there.get(table), said.names[-1]
            on = on_object(found, column) if found is not None and said.grants is not None else None
            if found is not None and on is not None:
                run = list(on.rights(said.grants or [], found.owner, self._there.roles))
                yield _Work(f"rights on {_shown(said)}", run, found.owner)

    def _defaults(self) -> Iterator[_Work]:
        for each in self._found.defaults if self._found else []:
            if each.role in self._there.roles:
                run = list(default_rights(each, self._there.roles))
                yield _Work(f"default privileges of {each.role} on {each.kind}", run, each.role)


def _shown(said: GlobalObject) -> str:
    return one_line(f"{said.kind} {'.'.join(said.names)}", 120)


def has_role(connection: "Connection[tuple[Any, ...]]", role: str, how: str) -> bool:
    """Whether this user has a role, in one of the ways that pg_has_role knows."""
    row = connection.execute(b"select pg_catalog.pg_has_role(%s, %s)", [role, how]).fetchone()
    return bool(row and row[0])


def done(connection: "Connection[tuple[Any, ...]]", statements: Iterable[str], role: str | None = None) -> str | None:
    """Run them in a step of the transaction, in a role's place where one is named; return why they failed.

    Raises psycopg.Error where it is the connection that failed.
    """
    import psycopg  # late: see server.connect

    try:
        with connection.transaction():
            instead = role is not None and not has_role(connection, role, "USAGE")
            if instead:
                connection.execute(f"SET LOCAL ROLE {identifier(role or '')}".encode())
            for statement in statements:
                connection.execute(statement.encode())
            if instead:
                connection.execute(b"SET LOCAL ROLE NONE")
    except psycopg.Error as error:
        if connection.closed:
            raise
        return one_line(str(error), 150)
    return None


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
