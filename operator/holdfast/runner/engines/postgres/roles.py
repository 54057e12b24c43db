"""Reads, when a backup is taken, the roles that the database refers to, and who owns and may do what in it.

From views that every user may read: password hashes are in none of them. A question that the server does not answer is
a warning, and the backup goes on without a companion.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from holdfast.contract.globals import (
    VERSION,
    GlobalDefaults,
    GlobalGrant,
    GlobalMembership,
    GlobalObject,
    GlobalRole,
    Globals,
    GlobalSetting,
)
from holdfast.runner.engines.postgres import owned
from holdfast.runner.pod.text import one_line

if TYPE_CHECKING:
    from psycopg import Connection

ENGINE = "postgresql"
MOST_OBJECTS = 50_000  # each takes some 4 KB of memory here, and 500 bytes of what a restore may read
_DATABASE = b"""
select d.datname::text, pg_catalog.pg_get_userbyid(d.datdba)::text, d.datacl is null,
  (select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
      case g.grantee when 0 then null else pg_catalog.pg_get_userbyid(g.grantee)::text end,
      g.grantee = d.datdba, g.privilege_type, g.is_grantable)) from pg_catalog.aclexplode(d.datacl) g),
  (select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(null, p.grantee = d.datdba, p.privilege_type,
      p.is_grantable)) from pg_catalog.aclexplode(pg_catalog.acldefault('d', d.datdba)) p)
from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()
"""
_SETTINGS = b"""
select s.setdatabase = 0, r.rolname::text, c.setting
from pg_catalog.pg_db_role_setting s left join pg_catalog.pg_roles r on r.oid = s.setrole,
  pg_catalog.unnest(s.setconfig) with ordinality c (setting, number)
where s.setdatabase = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
  or (s.setdatabase = 0 and s.setrole <> 0)
order by 1, r.rolname, number
"""
_NAMED = b"""
select distinct r.rolname::text from pg_catalog.pg_roles r
where r.oid in (select pg_catalog.unnest(polroles) from pg_catalog.pg_policy)
  or r.oid in (select umuser from pg_catalog.pg_user_mappings)
"""
# Who is a member of a role has what it has. Superusers have it in any case; what begins with pg_ is on every server.
_MEMBERS = """
with recursive involved (oid) as (
  select oid from pg_catalog.pg_roles where rolname = any(%s) and rolname !~ '^pg_'
  union
  select m.member from pg_catalog.pg_auth_members m join involved i on i.oid = m.roleid
    join pg_catalog.pg_roles r on r.oid = m.member where not r.rolsuper
)
"""
_ROLES = """
select r.rolname::text, r.rolcanlogin, r.rolinherit, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication,
  r.rolbypassrls, r.rolconnlimit
from pg_catalog.pg_roles r join involved using (oid) order by 1
"""
_MEMBERSHIPS = """
select g.rolname::text, r.rolname::text, pg_catalog.bool_or(m.admin_option),
  pg_catalog.bool_or((pg_catalog.to_jsonb(m) ->> 'inherit_option')::bool),
  pg_catalog.bool_or((pg_catalog.to_jsonb(m) ->> 'set_option')::bool)
from pg_catalog.pg_auth_members m join involved i on i.oid = m.member join pg_catalog.pg_roles r on r.oid = m.member
  join pg_catalog.pg_roles g on g.oid = m.roleid
where not r.rolsuper and (g.oid in (select oid from involved) or g.rolname ~ '^pg_')
group by 1, 2 order by 1, 2
"""


def read(connection: "Connection[tuple[Any, ...]]") -> tuple[Globals | None, list[str]]:
    """Return what there is, or a warning why it is not known."""
    import psycopg  # late: see server.connect

    try:
        return found(connection), []
    except (psycopg.Error, UnicodeError, ValueError, owned.TooManyError) as error:
        return None, [f"roles, owners and grants are not backed up: {one_line(str(error), 300)}"]


def found(connection: "Connection[tuple[Any, ...]]") -> Globals:
    """Return what the database has. Raises psycopg.Error, TooManyError."""
    ((database, owner, plain, acl, usual),) = connection.execute(_DATABASE).fetchall()
    grants = owned.rights(None if plain else acl or [], usual or [])
    objects = [each.object for each in owned.objects(connection, most=MOST_OBJECTS).values()]
    kept = [each for each in objects if each.owner is not None or each.grants is not None]
    defaults = owned.defaults(connection)
    rows = connection.execute(_SETTINGS).fetchall()
    settings = [_setting(role, said) for everywhere, role, said in rows if not everywhere]
    names = {owner, *(each.role for each in settings if each.role), *_in_objects(kept), *_in_defaults(defaults)}
    names |= set(_to(grants)) | {name for (name,) in connection.execute(_NAMED)}
    own: dict[str, list[GlobalSetting]] = {}
    for everywhere, role, said in rows:
        if everywhere and role:
            own.setdefault(role, []).append(_setting(None, said))
    return Globals(
        version=VERSION,
        engine=ENGINE,
        database=database,
        owner=owner,
        grants=grants,
        settings=settings,
        roles=[_role(row, own) for row in connection.execute((_MEMBERS + _ROLES).encode(), [sorted(names)])],
        memberships=[
            _membership(row) for row in connection.execute((_MEMBERS + _MEMBERSHIPS).encode(), [sorted(names)])
        ],
        objects=kept,
        defaults=defaults,
    )


def _role(row: tuple[Any, ...], settings: dict[str, list[GlobalSetting]]) -> GlobalRole:
    name, login, inherit, superuser, create_role, create_db, replication, bypass_rls, limit = row
    return GlobalRole(
        name=name, login=login, inherit=inherit, superuser=superuser, create_role=create_role, create_db=create_db,
        replication=replication, bypass_rls=bypass_rls, connection_limit=limit, settings=settings.get(name, []),
    )  # fmt: skip


def _membership(row: tuple[Any, ...]) -> GlobalMembership:
    role, member, admin, inherit, sets = row
    return GlobalMembership(role=role, member=member, admin=admin, inherit=inherit, set_role=sets)


def _setting(role: str | None, said: str) -> GlobalSetting:
    name, _, value = said.partition("=")
    return GlobalSetting(role=role, name=name, value=value)


def _in_objects(objects: Iterable[GlobalObject]) -> Iterator[str]:
    for each in objects:
        if each.owner is not None:
            yield each.owner
        yield from _to(each.grants)


def _in_defaults(defaults: Iterable[GlobalDefaults]) -> Iterator[str]:
    for each in defaults:
        yield each.role
        yield from _to(each.grants)


def _to(grants: Iterable[GlobalGrant] | None) -> Iterator[str]:
    return (grant.to for grant in grants or () if grant.to is not None)
