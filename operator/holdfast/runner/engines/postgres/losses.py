"""Warns, when a backup is taken, of what its dump leaves out, and of what a restore will stumble over.

A restore runs with an empty search_path, as pg_dump has it: a function in a check, an index or a generated column that
names a table without its schema does not find it then. Whether a body does so is read as people read it, by its words.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from holdfast.runner.engines.postgres.needs import NAMED, Rows, ask
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few

if TYPE_CHECKING:
    from psycopg import Connection

_INDEXES = """
select pg_catalog.format('%s.%s', n.nspname, c.relname)
from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where not i.indisvalid and c.relkind = 'i' and n.nspname !~ '^pg_' order by 1 limit {most}
"""
_CONSTRAINTS = """
select pg_catalog.format('%s of %s', c.conname, c.conrelid::pg_catalog.regclass)
from pg_catalog.pg_constraint c join pg_catalog.pg_namespace n on n.oid = c.connamespace
where not c.convalidated and c.contype in ('f', 'c') and n.nspname !~ '^pg_' order by 1 limit {most}
"""
_UNLOGGED = """
select pg_catalog.format('%s.%s', n.nspname, c.relname)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where pg_catalog.pg_is_in_recovery() and c.relpersistence = 'u' and c.relkind = 'r' order by 1 limit {most}
"""
_MAPPINGS = """
select pg_catalog.format('%s at %s', usename, srvname) from pg_catalog.pg_user_mappings
where umoptions is null order by 1 limit {most}
"""
# What is evaluated while rows are restored, and the functions of no system schema that it calls.
_CALLED = """
select distinct pg_catalog.format('%s.%s', n.nspname, p.proname), pg_catalog.left(p.prosrc, 20000), x.what
from pg_catalog.pg_depend d
  join pg_catalog.pg_proc p on d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass and p.oid = d.refobjid
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_language l on l.oid = p.prolang and l.lanname in ('sql', 'plpgsql')
  join lateral (
    select 'the check ' || c.conname from pg_catalog.pg_constraint c
      where d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and c.oid = d.objid and c.contype = 'c'
    union all select 'the index ' || c.relname from pg_catalog.pg_class c
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.oid = d.objid and c.relkind in ('i', 'I')
    union all select 'the column ' || a.attname || ' of ' || a.attrelid::pg_catalog.regclass
      from pg_catalog.pg_attrdef f join pg_catalog.pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum
      where d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and f.oid = d.objid and a.attgenerated <> ''
    union all select 'the materialized view ' || c.relname
      from pg_catalog.pg_rewrite r join pg_catalog.pg_class c on c.oid = r.ev_class and c.relkind = 'm'
      where d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and r.oid = d.objid
  ) x (what) on true
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_catalog.unnest(p.proconfig) s where s like 'search_path=%')
order by 1 limit {most}
"""
_NAMES = """
select c.relname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
union select p.proname::text from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
limit 20000
"""
_WORD = re.compile(r"""(?<![\w$."])"?([^\W\d][\w$]*)"?(?!\s*\.|[\w$"])""")
_NO_CODE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)

_SAID = (
    (_INDEXES, "pg_dump leaves out indexes that are not valid, so REINDEX or drop them: {}"),
    (
        _CONSTRAINTS,
        "constraints are NOT VALID: their rows were never checked, and a restore does not check them either: {}",
    ),
    (_UNLOGGED, "the server is a standby, so the rows of its unlogged tables are not in the dump: {}"),
    (_MAPPINGS, "user mappings are dumped without their options, since this user has no right to read them: {}"),
)


def warnings(connection: "Connection[tuple[Any, ...]]") -> list[str]:
    """Return what of this database its dump will lose, or have trouble with; once each, with names, bounded."""
    said = []
    for query, sentence in _SAID:
        rows, failed = ask(connection, query)
        said += [sentence.format(_names(str(row[0]) for row in rows))] if rows else []
        said += [f"Holdfast could not find out all that the dump leaves out: {failed}"] if failed else []
    return said + _unqualified(connection)


def _names(names: Iterable[str]) -> str:
    return few([one_line(name, 100) for name in names], NAMED)


def _unqualified(connection: "Connection[tuple[Any, ...]]") -> list[str]:
    called, failed = ask(connection, _CALLED)
    names, failed_too = ask(connection, _NAMES) if called else ([], None)
    if failed or failed_too:
        return [f"Holdfast could not find out all that the dump's functions call: {failed or failed_too}"]
    found = without_schema(called, {str(row[0]) for row in names})
    sentence = (
        "a restore may fail, since it runs with an empty search_path and functions name something without its schema: "
        "{}; write the schema there, or SET search_path for the function"
    )
    return [sentence.format(_names(found))] if found else []


def without_schema(called: Rows, names: set[str]) -> list[str]:
    """Return who calls a function whose body names one of `names` without its schema."""
    found: dict[str, str] = {}
    for function, body, what in called:
        own = function.rpartition(".")[2]
        words = (word for word in _WORD.findall(_NO_CODE.sub(" ", body)) if word in names and word != own)
        if word := next(words, None):
            found.setdefault(function, f"{what} calls {function}, which names {word}")
    return list(found.values())
