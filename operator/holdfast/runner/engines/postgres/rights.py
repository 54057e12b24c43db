"""Asks, before anything is done, whether this user may replace this database, and whether it can be replaced at all.

What is found out after hours of restoring costs those hours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres.properties import DEFAULT_TABLESPACE, Properties
from holdfast.runner.engines.postgres.statements import RESTORING_USER, identifier, in_one, literal
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few, shorten

if TYPE_CHECKING:
    from psycopg import Connection

NAMED = 3
_SET_ROLE_SINCE = 16  # from which version on being a member and being let take the role's place are two things
_USER = b"""
select r.rolsuper, r.rolcreatedb, pg_catalog.pg_is_in_recovery(),
  pg_catalog.pg_has_role('pg_signal_backend', 'usage'),
  (select s.setting = 'on' and s.source not in ('database', 'user', 'database user', 'client')
   from pg_catalog.pg_settings s where s.name = 'default_transaction_read_only')
from pg_catalog.pg_roles r where r.rolname = current_user
"""
_OF_OWNER = "select pg_catalog.pg_has_role(datdba, 'usage'), pg_catalog.pg_has_role(datdba, '{take}') {of}"
_OF = "from pg_catalog.pg_database where datname = %s"
_TABLESPACE = b"select pg_catalog.has_tablespace_privilege(dattablespace, 'create') " + _OF.encode()
_SESSIONS = b"""
select distinct r.rolname::text, r.rolsuper, pg_catalog.pg_has_role(a.usesysid, 'usage')
from pg_catalog.pg_stat_activity a join pg_catalog.pg_roles r on r.oid = a.usesysid
where a.datname = %s order by 1 limit 100
"""
_TIED = b"""
select 'prepared transaction', gid from pg_catalog.pg_prepared_xacts where database = %(name)s
union all
select 'logical replication slot', slot_name::text from pg_catalog.pg_replication_slots where database = %(name)s
union all
select 'subscription', subname::text from pg_catalog.pg_subscription
where subdbid = (select oid from pg_catalog.pg_database where datname = %(name)s)
limit 100
"""
_UNTIE = {
    "prepared transaction": "in the database, ROLLBACK PREPARED {} (or COMMIT PREPARED)",
    "logical replication slot": "SELECT pg_drop_replication_slot({}), and have its subscriber begin anew afterwards",
    "subscription": "in the database, DROP SUBSCRIPTION {}, and make it again afterwards",
}


@dataclass(frozen=True)
class User:
    """Who restores."""

    superuser: bool
    creates: bool
    signals: bool


def user(connection: "Connection[tuple[Any, ...]]", where: object) -> User:
    """Return what this user may. Raises TargetNotReady of a server that takes no writes."""
    row = connection.execute(_USER).fetchone()
    assert row is not None
    superuser, creates, follows, signals, fenced = row
    if follows:
        raise replica(where)
    if fenced:
        raise _fenced(where)
    return User(superuser, creates or superuser, signals or superuser)


def replica(where: object) -> HoldfastError:
    """Make the error of a target that nobody can write to."""
    return HoldfastError(
        Reason.TARGET_NOT_READY,
        f"{where} is on a replica (the server is in recovery), which takes no writes; nothing was changed",
        "set connection.host to the primary server, or to a Service that always points to it",
    )


def _fenced(where: object) -> HoldfastError:
    return HoldfastError(
        Reason.TARGET_NOT_READY,
        f"{where} is on a server that is set read-only as a whole (default_transaction_read_only); nothing was changed",
        "find out who fenced it off, and why; then, as an administrator, ALTER SYSTEM RESET "
        "default_transaction_read_only and SELECT pg_reload_conf(), or name the server that may be written to",
    )


def require(connection: "Connection[tuple[Any, ...]]", name: str, there: Properties | None, where: object) -> None:
    """See that the database can be replaced, by this user. Raises TargetNotReady, with all that is in the way."""
    asks = user(connection, where)
    lacking = [] if asks.creates else [("it has no right to create databases", f"ALTER ROLE {RESTORING_USER} CREATEDB")]
    tied: list[tuple[str, str]] = []
    if there is not None:
        lacking += _owning(connection, name, there)
        lacking += _ending(connection, name, asks)
        tied = [
            (f"{kind} {said}", _UNTIE[kind].format(identifier(said) if kind == "subscription" else literal(said)))
            for kind, said in connection.execute(_TIED, {"name": name}).fetchall()
        ]
    if lacking:
        raise _not_ready(
            f"this user has no right to replace {where}: {few([what for what, _ in lacking], NAMED, '; ')}",
            f"as an administrator: {in_one([run for _, run in lacking if run][:NAMED])}; then restore again",
        )
    if tied:
        raise _not_ready(
            f"{where} cannot be replaced, since it has {few([what for what, _ in tied], NAMED)}",
            f"run {in_one([how for _, how in tied[:NAMED]])}; then restore again",
        )


def _not_ready(what: str, remedy: str) -> HoldfastError:
    return HoldfastError(
        Reason.TARGET_NOT_READY, f"{one_line(what, 1200)}; nothing was changed", shorten(one_line(remedy, 2000), 1500)
    )


def _owning(connection: "Connection[tuple[Any, ...]]", name: str, there: Properties) -> Iterator[tuple[str, str]]:
    """Say what is lacking to rename the old one, and to make another for its owner."""
    take = "set" if connection.info.server_version // 10000 >= _SET_ROLE_SINCE else "member"
    row = connection.execute(_OF_OWNER.format(take=take, of=_OF).encode(), [name]).fetchone()
    if row is not None and not all(row):
        yield (
            f"the database belongs to {there.owner}, and this user is not a member of that role",
            f"GRANT {identifier(there.owner)} TO {RESTORING_USER}",
        )
    space = connection.execute(_TABLESPACE, [name]).fetchone()
    if space is not None and not space[0] and there.tablespace != DEFAULT_TABLESPACE:
        yield (
            f"it has no right to use the tablespace {there.tablespace}",
            f"GRANT CREATE ON TABLESPACE {identifier(there.tablespace)} TO {RESTORING_USER}",
        )


def _ending(connection: "Connection[tuple[Any, ...]]", name: str, asks: User) -> Iterator[tuple[str, str]]:
    """Say whose sessions, of those that are there, it could not end."""
    if asks.superuser:
        return
    sessions = connection.execute(_SESSIONS, [name]).fetchall()
    others = [role for role, superuser, ours in sessions if not superuser and not ours]
    if others and not asks.signals:
        yield (
            f"it has no right to end the sessions of {few(others, NAMED)}",
            f"GRANT pg_signal_backend TO {RESTORING_USER}",
        )
    mighty = [role for role, superuser, _ in sessions if superuser]
    if mighty:
        yield (
            f"the superuser {few(mighty, NAMED)} is connected, and only a superuser may end that session",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {literal(name)}",  # noqa: S608
        )
