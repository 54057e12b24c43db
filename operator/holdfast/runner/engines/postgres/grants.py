"""Gives the objects of a fresh database the rights that roles have on those of the one that it replaces.

A dump is taken without rights, and an application whose role is not the one that restores would be shut out by the
switch. Rights are given by name, to what both databases have; owners stay, and are told.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.runner.engines.postgres import server
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.postgres.maintenance import refused
from holdfast.runner.engines.postgres.statements import RESTORING_USER, identifier
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few

if TYPE_CHECKING:
    from psycopg import Connection

SECONDS = 600.0
NAMED = 3
_OBJECTS = b"""
with objects as (
  select case c.relkind when 'S' then 'SEQUENCE' else 'TABLE' end as kind, c.oid::pg_catalog.regclass::text as name,
    null as part, c.relacl as acl, c.relowner as owner, n.nspname, c.oid,
    'pg_catalog.pg_class'::pg_catalog.regclass as of
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  union all
  select 'TABLE', c.oid::pg_catalog.regclass::text, a.attname::text, a.attacl, c.relowner, n.nspname, c.oid,
    'pg_catalog.pg_class'::pg_catalog.regclass
  from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where a.attacl is not null and not a.attisdropped
  union all
  select case p.prokind when 'p' then 'PROCEDURE' else 'FUNCTION' end, p.oid::pg_catalog.regprocedure::text, null,
    p.proacl, p.proowner, n.nspname, p.oid, 'pg_catalog.pg_proc'::pg_catalog.regclass
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  union all
  select 'SCHEMA', n.oid::pg_catalog.regnamespace::text, null, n.nspacl, n.nspowner, n.nspname, n.oid,
    'pg_catalog.pg_namespace'::pg_catalog.regclass
  from pg_catalog.pg_namespace n
)
select o.kind, o.name, o.part, pg_catalog.pg_get_userbyid(o.owner)::text, o.owner = me.oid,
  case a.grantee when 0 then null else pg_catalog.pg_get_userbyid(a.grantee)::text end,
  a.privilege_type, a.is_grantable, a.grantee = o.owner
from objects o join pg_catalog.pg_roles me on me.rolname = current_user
  left join pg_catalog.aclexplode(o.acl) a on true
where o.nspname <> 'information_schema' and o.nspname !~ '^pg_' and (o.acl is not null or o.owner <> me.oid)
  and not exists (select from pg_catalog.pg_depend d where d.classid = o.of and d.objid = o.oid and d.deptype = 'e')
order by 1, 2, o.part nulls first
"""
_THERE = {"SCHEMA": "to_regnamespace", "FUNCTION": "to_regprocedure", "PROCEDURE": "to_regprocedure"}


@dataclass
class Found:
    """What roles have on the objects of a database."""

    given: dict[tuple[str, str], list[str]]  # by kind and name: the statements
    owners: list[str]  # of objects of others than who restores


def carry(old: Target, fresh: Target, stop: Stop, *, owners: bool = True) -> list[str]:
    """Give the rights; return warnings of what could not be given, and of whose the objects were (`owners`).

    Raises HoldfastError.
    """
    import psycopg  # late: see server.connect

    try:
        with server.connect(old, stop) as connection, server.answering(connection, old, stop, SECONDS):
            connection.execute(b"select pg_catalog.set_config('search_path', '', false)")
            found = _read(connection)
        with server.connect(fresh, stop) as connection, server.answering(connection, fresh, stop, SECONDS):
            connection.execute(b"select pg_catalog.set_config('search_path', '', false)")
            failed = _give(connection, found)
    except psycopg.Error as error:
        raise refused(error, "giving it the rights of the one that it replaces", fresh) from error
    warnings = []
    if failed:
        warnings.append(
            one_line(
                f"these rights of the old database could not be granted in the new one: {few(failed, NAMED, '; ')}", 600
            )
        )
    if found.owners and owners:
        warnings.append(
            one_line(
                f"objects of the old database belonged to {few(found.owners, NAMED)}; in the new one they belong to "
                f"the user who restored: REASSIGN OWNED BY {RESTORING_USER} TO that role",
                600,
            )
        )
    return warnings


def _read(connection: "Connection[tuple[Any, ...]]") -> Found:
    given: dict[tuple[str, str], list[str]] = {}
    owners: dict[str, None] = {}
    for kind, name, part, owner, ours, to, privilege, grantable, to_owner in connection.execute(_OBJECTS):
        if not ours and owner != "pg_database_owner":
            owners[owner] = None
        if privilege is None:
            continue
        said = given.setdefault((kind, name), [] if part else [f"REVOKE ALL ON {kind} {name} FROM PUBLIC"])
        if not to_owner:
            column = f" ({identifier(part)})" if part else ""
            whom = "PUBLIC" if to is None else identifier(to)
            more = " WITH GRANT OPTION" if grantable else ""
            said.append(f"GRANT {privilege}{column} ON {kind} {name} TO {whom}{more}")
    return Found(given, list(owners))


def _give(connection: "Connection[tuple[Any, ...]]", found: Found) -> list[str]:
    """Give what can be given, each object for itself; return what failed, in words."""
    import psycopg

    failed = []
    for (kind, name), statements in found.given.items():
        there = f"select pg_catalog.{_THERE.get(kind, 'to_regclass')}(%s) is not null"
        row = connection.execute(there.encode(), [name]).fetchone()
        if row is None or not row[0]:
            continue
        try:
            with connection.transaction():
                for statement in statements:
                    connection.execute(statement.encode())
        except psycopg.Error as error:
            failed.append(f"on {kind.lower()} {name}: {one_line(str(error), 150)}")
    return failed
