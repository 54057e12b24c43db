"""Reads which objects a database has, whose they are, and who may do what with them.

One question, for the backup that records it, for the restore that gives it back, and for the comparison of the two. An
object is known by its address (pg_identify_object_as_address): names, which mean the same on another server.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.contract.globals import GlobalDefaults, GlobalGrant, GlobalObject

if TYPE_CHECKING:
    from psycopg import Connection

Address = tuple[str, tuple[str, ...], tuple[str, ...]]  # kind, names, types of arguments
Acl = Sequence[Sequence[Any]]  # each: to whom (None: everybody), is he the owner, the privilege, may he grant it

COLUMN = " column"  # what the kinds of columns end in

_FIRST_OF_USERS = 16384  # oid; what is below, initdb made
_PUBLIC_SCHEMA = 2200  # oid, of the one object of initdb's that people change
_BOOTSTRAP = 10  # oid of the superuser that initdb made
_DATABASE_OWNER = 6171  # oid of pg_database_owner
_WORDS = {
    "first": _FIRST_OF_USERS, "public": _PUBLIC_SCHEMA, "bootstrap": _BOOTSTRAP, "database_owner": _DATABASE_OWNER,
}  # fmt: skip


class _Catalog(NamedTuple):
    name: str
    owner: str
    acl: str = "null::pg_catalog.aclitem[]"
    kind: str = "'0'"  # of acldefault: what a new object allows
    schema: str | None = None
    only: str = "true"
    own: str = f"x.oid >= {_FIRST_OF_USERS}"
    address: str | None = None  # the class in addresses, where it is another one


_CATALOGS = (
    _Catalog(
        "pg_class", "x.relowner", "x.relacl", "case x.relkind when 'S' then 's' else 'r' end", "x.relnamespace",
        "x.relkind in ('r', 'p', 'v', 'm', 'f', 'S')",
    ),
    _Catalog("pg_proc", "x.proowner", "x.proacl", "'f'", "x.pronamespace"),
    _Catalog(
        "pg_type", "x.typowner", "x.typacl", "'T'", "x.typnamespace",
        "x.typtype <> 'm' and not exists (select from pg_catalog.pg_type e where e.typarray = x.oid) "
        "and (x.typrelid = 0 or 'c' = (select c.relkind from pg_catalog.pg_class c where c.oid = x.typrelid))",
    ),
    _Catalog(
        "pg_namespace", "x.nspowner", "x.nspacl", "'n'", "x.oid",
        own=f"x.oid >= {_FIRST_OF_USERS} or x.oid = {_PUBLIC_SCHEMA}",
    ),
    _Catalog("pg_language", "x.lanowner", "x.lanacl", "'l'"),
    _Catalog("pg_foreign_data_wrapper", "x.fdwowner", "x.fdwacl", "'F'"),
    _Catalog("pg_foreign_server", "x.srvowner", "x.srvacl", "'S'"),
    _Catalog("pg_largeobject_metadata", "x.lomowner", "x.lomacl", "'L'", own="true", address="pg_largeobject"),
    _Catalog("pg_collation", "x.collowner", schema="x.collnamespace"),
    _Catalog("pg_conversion", "x.conowner", schema="x.connamespace"),
    _Catalog("pg_operator", "x.oprowner", schema="x.oprnamespace"),
    _Catalog("pg_opclass", "x.opcowner", schema="x.opcnamespace"),
    _Catalog("pg_opfamily", "x.opfowner", schema="x.opfnamespace"),
    _Catalog("pg_ts_config", "x.cfgowner", schema="x.cfgnamespace"),
    _Catalog("pg_ts_dict", "x.dictowner", schema="x.dictnamespace"),
    _Catalog("pg_statistic_ext", "x.stxowner", schema="x.stxnamespace"),
    _Catalog("pg_publication", "x.pubowner"),
    _Catalog("pg_event_trigger", "x.evtowner"),
)  # fmt: skip
_EACH = """
select 'pg_catalog.{address}'::pg_catalog.regclass as class, x.oid, 0 as part, {owner} as owner, {acl} as acl,
  {kind}::"char" as kind, {schema}::pg_catalog.oid as schema
from pg_catalog.{name} x where {only} and ({own})
"""
_COLUMNS = """
select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, a.attnum, c.relowner, a.attacl, 'c'::"char", c.relnamespace
from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
where a.attacl is not null and not a.attisdropped and a.attnum > 0 and c.oid >= {first}
"""
# A sequence that belongs to a column has its table's owner, and takes no other. What an extension made has the one who
# made the extension; what of its rights was changed since is the database's.
_OBJECTS = """
with objects as ({each})
select (a.address).type, (a.address).object_names, (a.address).object_args,
  case when o.part <> 0 or member or owned or (o.oid = {public} and o.owner in ({bootstrap}, {database_owner}))
    then null else pg_catalog.pg_get_userbyid(o.owner)::text end,
  case when given is null or (o.oid = {public} or member) and given is not distinct from i.initprivs then null
    else (select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
        case g.grantee when 0 then null else pg_catalog.pg_get_userbyid(g.grantee)::text end, g.grantee = o.owner,
        g.privilege_type, g.is_grantable)) from pg_catalog.aclexplode(given) g) end,
  case when given is null or kind in ('0', 'c') then '[]' else (select pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_array(null, d.grantee = o.owner, d.privilege_type, d.is_grantable))
    from pg_catalog.aclexplode(pg_catalog.acldefault(kind, o.owner)) d) end,
  o.oid = {public} or member,
  n.nspname::text, pg_catalog.pg_get_userbyid(o.owner)::text, {identity}
from objects o
  cross join lateral (select o.acl as given,
    exists (select from pg_catalog.pg_depend d where d.classid = o.class and d.objid = o.oid and d.deptype = 'e')
      as member,
    exists (select from pg_catalog.pg_depend d where d.classid = o.class and d.objid = o.oid and kind = 's'
      and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i'))
      as owned) l
  cross join lateral (select pg_catalog.pg_identify_object_as_address(o.class, o.oid, o.part) as address) a
  left join pg_catalog.pg_namespace n on n.oid = o.schema
  left join pg_catalog.pg_init_privs i on i.classoid = o.class and i.objoid = o.oid and i.objsubid = o.part
where o.schema is null or (n.nspname <> 'information_schema' and n.nspname !~ '^pg_')
"""
_DEFAULTS = """
select pg_catalog.pg_get_userbyid(d.defaclrole)::text, n.nspname::text, d.defaclobjtype::text,
  (select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
      case g.grantee when 0 then null else pg_catalog.pg_get_userbyid(g.grantee)::text end,
      g.grantee = d.defaclrole, g.privilege_type, g.is_grantable)) from pg_catalog.aclexplode(d.defaclacl) g),
  (select pg_catalog.jsonb_agg(p.privilege_type) from pg_catalog.aclexplode(pg_catalog.acldefault(
      (case d.defaclobjtype when 'S' then 's' else d.defaclobjtype end)::"char", d.defaclrole)) p
    where p.grantee = d.defaclrole)
from pg_catalog.pg_default_acl d left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace
"""
DEFAULT_KINDS = {
    "r": "tables", "S": "sequences", "f": "functions", "T": "types", "n": "schemas", "L": "large objects",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """An object as the server has it."""

    object: GlobalObject
    owner: str  # also of what follows another object's owner
    schema: str | None
    identity: str | None  # as a statement names it, quoted by the server; of a column, its table's


def address(of: GlobalObject) -> Address:
    """Return what an object is known by."""
    return of.kind, tuple(of.names), tuple(of.arguments)


class TooManyError(Exception):
    """There are more objects than are held in memory."""


def objects(
    connection: "Connection[tuple[Any, ...]]", *, named: bool = False, most: int | None = None
) -> dict[Address, Found]:
    """Return every object of the database by its address; `named` with the identity that a statement needs.

    Raises TooManyError of more than `most`, before any is held.
    """
    identity = "(pg_catalog.pg_identify_object(o.class, o.oid, 0)).identity" if named else "null"
    found: dict[Address, Found] = {}
    if most is not None:
        ((count,),) = connection.execute(_count().encode()).fetchall()
        if count > most:
            raise TooManyError(f"the database has {count} objects, and no more than {most} are listed")
    for kind, names, arguments, owner, acl, usual, special, schema, whose, identified in connection.execute(
        _query(identity).encode()
    ):
        grants = rights(acl, usual or [], special=special)
        each = GlobalObject(kind=kind, names=names or [], arguments=arguments or [], owner=owner, grants=grants)
        found[address(each)] = Found(each, whose, schema, identified)
    return dict(sorted(found.items()))


def defaults(connection: "Connection[tuple[Any, ...]]") -> list[GlobalDefaults]:
    """Return the default privileges, in order."""
    made = [
        GlobalDefaults(
            role=role,
            of_schema=schema,
            kind=DEFAULT_KINDS[kind],
            # those of one schema are only added; those of all schemas say everything, the owner's own too
            grants=grouped(acl or [], [] if schema else usual or [], all_said=schema is None),
        )
        for role, schema, kind, acl, usual in connection.execute(_DEFAULTS.encode())
        if kind in DEFAULT_KINDS
    ]
    return sorted(made, key=lambda each: (each.role, each.of_schema or "", each.kind))


def rights(acl: Acl | None, usual: Acl, *, special: bool = False) -> list[GlobalGrant] | None:
    """Return who has which rights; None where they are the `usual` ones, unless what is usual here is `special`."""
    if acl is None:
        return None
    of_owner = [privilege for _, owners, privilege, _ in usual if owners]
    said = grouped(acl, of_owner)
    return None if said == grouped(usual, of_owner) and not special else said


def column_of(address: Address) -> Address | None:
    """Return what a column is one of; None of what is no column."""
    kind, names, arguments = address
    return (kind.removesuffix(COLUMN), names[:-1], arguments) if kind.endswith(COLUMN) else None


def grouped(acl: Iterable[Sequence[Any]], usual: Iterable[str], *, all_said: bool = True) -> list[GlobalGrant]:
    """Return rights by who has them, in order: an owner's only where they are other ones than the usual.

    Who gave a right is left out: whoever owns the object gives it again.
    """
    given: dict[tuple[str, bool], tuple[set[str], set[str]]] = {}
    to_owner = set[str]()
    for to, owners, privilege, grantable in acl:
        if owners:
            to_owner.add(privilege)
            continue
        plain, passed_on = given.setdefault((to or "", to is None), (set(), set()))
        (passed_on if grantable else plain).add(privilege)
    made = [
        GlobalGrant(to=None if public else to, privileges=sorted(plain - passed_on), grantable=sorted(passed_on))
        for (to, public), (plain, passed_on) in sorted(given.items())
    ]
    if all_said and to_owner != set(usual):
        made.insert(0, GlobalGrant(to_owner=True, privileges=sorted(to_owner)))
    return made


def _count() -> str:
    return f"select pg_catalog.count(*) from ({_each()}) objects"  # noqa: S608 - of what stands above alone


def _query(identity: str) -> str:
    return _OBJECTS.format(each=_each(), identity=identity, **_WORDS)


def _each() -> str:
    each = [
        _EACH.format(
            name=it.name, address=it.address or it.name, owner=it.owner, acl=it.acl, kind=it.kind,
            schema=it.schema or "null", only=it.only, own=it.own,
        )
        for it in _CATALOGS
    ]  # fmt: skip
    return "union all".join([*each, _COLUMNS.format(**_WORDS)])
