"""Asks the server, when a backup is taken, what its dump will not hold and a restore needs.

As with the migrations: a question that the server does not answer is a warning, and the backup goes on.
"""

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from holdfast.contract.needs import MAX_NEEDS, ManifestNeed, NeedKind
from holdfast.runner.engines.postgres import statements
from holdfast.runner.pod.text import one_line

if TYPE_CHECKING:
    from psycopg import Connection

Rows = list[tuple[Any, ...]]
Needs = tuple[list[ManifestNeed], list[str]]

MOST = MAX_NEEDS + 1  # rows of one answer
NAMED = 5  # objects that a sentence names
# What each client writes into a dump, and older servers do not know: transaction_timeout, default_table_access_method.
LEAST = ((17, 17), (0, 12))  # of a client's version, the oldest server
PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin", "d": "default"}

DATABASE = """
select pg_catalog.to_jsonb(d)::text, pg_catalog.pg_encoding_to_char(d.encoding)::text,
  pg_catalog.shobj_description(d.oid, 'pg_database')
from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()
"""
_ROLES = """
select distinct r.rolname::text from pg_catalog.pg_roles r
where r.oid in (select pg_catalog.unnest(polroles) from pg_catalog.pg_policy)
  or r.oid in (select umuser from pg_catalog.pg_user_mappings)
order by 1 limit {most}
"""
SETTINGS = """
select coalesce(r.rolname::text, ''), pg_catalog.unnest(s.setconfig)
from pg_catalog.pg_db_role_setting s left join pg_catalog.pg_roles r on r.oid = s.setrole
where s.setdatabase = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
order by 1, 2 limit {most}
"""
_EXTENSIONS = """
select e.extname::text, e.extversion, n.nspname::text, r.rolname::text,
  coalesce((pg_catalog.to_jsonb(v) ->> 'trusted')::bool or not v.superuser, false)
from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
  join pg_catalog.pg_roles r on r.oid = e.extowner
  left join pg_catalog.pg_available_extension_versions v on v.name = e.extname and v.version = e.extversion
where e.oid >= 16384 order by 1 limit {most}
"""
_TABLESPACES = """
select t.spcname::text, pg_catalog.count(*), pg_catalog.min(pg_catalog.format('%s.%s', n.nspname, c.relname))
from pg_catalog.pg_class c join pg_catalog.pg_tablespace t on t.oid = c.reltablespace
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname !~ '^pg_' group by 1 order by 1 limit {most}
"""
_WRAPPERS = """
select distinct w.fdwname::text from pg_catalog.pg_foreign_server s
  join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw order by 1 limit {most}
"""
# What only a superuser may make, and neither an extension nor another object brings.
_MADE = """
select 'WHAT ' || NAME::text from pg_catalog.CATALOG x where x.oid >= 16384 and WHICH
  and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.CATALOG'::pg_catalog.regclass
                  and d.objid = x.oid and d.deptype in ('e', 'i'))
"""
_UNTRUSTED = (  # an aggregate is called internal, too; what makes a range belongs to its type
    "(x.proleakproof or x.prokind <> 'a' "
    "and x.prolang in (select oid from pg_catalog.pg_language where not lanpltrusted))"
)
_KINDS = (
    ("event trigger", "x.evtname", "pg_event_trigger", "true"),
    ("publication for all tables", "x.pubname", "pg_publication", "x.puballtables"),
    ("operator class", "x.opcname", "pg_opclass", "true"),
    ("access method", "x.amname", "pg_am", "true"),
    ("language", "x.lanname", "pg_language", "true"),
    ("foreign-data wrapper", "x.fdwname", "pg_foreign_data_wrapper", "true"),
    ("text search template", "x.tmplname", "pg_ts_template", "true"),
    ("text search parser", "x.prsname", "pg_ts_parser", "true"),
    ("function", "x.oid::pg_catalog.regprocedure", "pg_proc", _UNTRUSTED),
)


def _superusers_query() -> str:
    each = (
        _MADE.replace("WHAT", what).replace("NAME", name).replace("CATALOG", catalog).replace("WHICH", which)
        for what, name, catalog, which in _KINDS
    )
    return "union all".join(each) + "order by 1 limit {most}"


def read(connection: "Connection[tuple[Any, ...]]", database: str, major: int, client: int) -> Needs:
    """Return what a restore will need, and warnings; `client` is the major version of pg_dump."""
    least = next(server for since, server in LEAST if client >= since)
    version = ManifestNeed.of_server(NeedKind.SERVER_VERSION, "PostgreSQL", str(least), required=True)
    found, warnings = [version], list[str]()
    for query, make in _QUESTIONS:
        rows, failed = ask(connection, query)
        warnings += [f"Holdfast could not find out all that a restore needs: {failed}"] if failed else []
        needs, said = make(rows, database, major)
        found += needs
        warnings += said
    return found, warnings


def ask(connection: "Connection[tuple[Any, ...]]", query: str) -> tuple[Rows, str | None]:
    """Return the rows of an answer, or none and what the server said."""
    import psycopg  # late: see server.connect

    try:
        return connection.execute(query.replace("{most}", str(MOST)).encode()).fetchall(), None
    except (psycopg.Error, UnicodeError, ValueError) as error:
        return [], one_line(str(error), 300)


def locale_of(row: dict[str, Any]) -> dict[str, str]:
    """Return what a row of pg_database, of any version, says of the locale: its parts by name."""
    said = {
        "provider": PROVIDERS.get(row.get("datlocprovider") or "c", "libc"),
        "lc_collate": row.get("datcollate"),
        "lc_ctype": row.get("datctype"),
        "locale": row.get("datlocale") or row.get("daticulocale"),
        "rules": row.get("daticurules"),
        "version": row.get("datcollversion"),
    }
    return {name: str(value) for name, value in said.items() if value}


def _database(rows: Rows, database: str, major: int) -> Needs:
    needs = []
    for row, encoding, comment in rows:
        locale = locale_of(json.loads(row))
        run = statements.create_database(database, encoding, locale, major)
        needs.append(ManifestNeed.of_server(NeedKind.ENCODING, encoding, run=run, required=True))
        needs += [ManifestNeed.of_server(NeedKind.LOCALE, part, value, run=run) for part, value in locale.items()]
        needs += _with_statement([(NeedKind.COMMENT, database, comment, None)] if comment else [], database, major)
    return needs, []


def _with_statement(
    rows: Iterable[tuple[NeedKind, str, str | None, str | None]], database: str, major: int, required: bool = False
) -> list[ManifestNeed]:
    made = []
    for kind, name, value, of in rows:
        need = ManifestNeed.of_server(kind, name, value, of=of)
        run = statements.statement(need, database, major)
        made.append(ManifestNeed.of_server(kind, need.name, need.value, of=of, run=run, required=required))
    return made


def _roles(rows: Rows, database: str, major: int) -> Needs:
    return _with_statement([(NeedKind.ROLE, name, None, None) for (name,) in rows], database, major, required=True), []


def settings_of(rows: Rows) -> dict[tuple[str, str], str]:
    """Return the settings of a database by role ("" is everybody) and name."""
    pairs = [(role, *str(setting).partition("=")) for role, setting in rows]
    return {(role, name): value for role, name, _, value in pairs}


def _settings(rows: Rows, database: str, major: int) -> Needs:
    found = settings_of(rows).items()
    kinds = [(NeedKind.DATABASE_SETTING, name, value, role or None) for (role, name), value in found]
    return _with_statement(kinds, database, major), []


def _extensions(rows: Rows, database: str, major: int) -> Needs:
    needs = []
    for name, version, schema, owner, trusted in rows:
        value = f"{version}, {'trusted' if trusted else 'not trusted'}, owned by {owner}"
        (need,) = _with_statement([(NeedKind.EXTENSION, name, value, schema)], database, major, not trusted)
        needs.append(need.model_copy(update={"run": None}) if trusted else need)  # the restore makes it
    return needs, []


def _tablespaces(rows: Rows, _database: str, _major: int) -> Needs:
    needs, warnings = [], []
    for name, count, first in rows:
        what = f"{count} {'table or index' if count == 1 else 'tables and indexes'}, such as {first}"
        needs.append(ManifestNeed.of_server(NeedKind.TABLESPACE, name, what))
        warnings.append(f"a restore does not use the tablespace {name}, but the database's own, for {what}")
    return needs, warnings[:NAMED]


def _wrappers(rows: Rows, database: str, major: int) -> Needs:
    return _with_statement([(NeedKind.PRIVILEGE, "USAGE", None, name) for (name,) in rows], database, major, True), []


def _superusers(rows: Rows, _database: str, _major: int) -> Needs:
    return _named(NeedKind.PRIVILEGE, "superuser", [str(row[0]) for row in rows]), []


def _named(kind: NeedKind, name: str, what: list[str]) -> list[ManifestNeed]:
    more = [f"{len(what) - NAMED} more"] if len(what) > NAMED else []
    value = one_line(", ".join([*(one_line(each, 100) for each in what[:NAMED]), *more]), 600)
    return [ManifestNeed.of_server(kind, name, value, required=True)] if what else []


_QUESTIONS: tuple[tuple[str, Callable[[Rows, str, int], Needs]], ...] = (
    (DATABASE, _database),
    (_EXTENSIONS, _extensions),
    (_ROLES, _roles),
    (_WRAPPERS, _wrappers),
    (_superusers_query(), _superusers),
    (SETTINGS, _settings),
    (_TABLESPACES, _tablespaces),
)
