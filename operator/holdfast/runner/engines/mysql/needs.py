"""Asks the server, when a backup is taken, what its dump will not hold and a restore needs: see contract/needs.py."""

from collections.abc import Sequence

from holdfast.api.database import Engine
from holdfast.contract.needs import MAX_NEEDS, ManifestNeed, NeedKind
from holdfast.runner.engines.mysql.grants import quoted
from holdfast.sentences import few

UNKEYED = "restrict_fk_on_non_standard_key"
NAMES = "lower_case_table_names"
ANSWERS = ("database", "names", "definer", "foreign", "orphan", "unkeyed")
NAMED = 5  # foreign keys that a warning names

_DATABASE = """
select 'database', default_character_set_name, default_collation_name from information_schema.schemata
where schema_name = database();
select 'names', @@lower_case_table_names from information_schema.tables
where table_schema = database() and binary table_name <> binary lower(table_name) limit 1;
"""
_DEFINERS = f"""
select distinct 'definer', definer from (
  select definer from information_schema.routines where routine_schema = database()
  union select definer from information_schema.triggers where trigger_schema = database()
  union select definer from information_schema.events where event_schema = database()
  union select definer from information_schema.views where table_schema = database()) d
order by 2 limit {MAX_NEEDS};
"""  # noqa: S608 - our own number
_FOREIGN = """
select distinct 'foreign', constraint_name, table_name, referenced_table_schema, referenced_table_name
from information_schema.key_column_usage
where table_schema = database() and referenced_table_schema <> database() order by 3, 2 limit 100;
select distinct 'orphan', k.constraint_name, k.table_name, k.referenced_table_name
from information_schema.key_column_usage k left join information_schema.tables t
  on t.table_schema = k.referenced_table_schema and t.table_name = k.referenced_table_name
where k.table_schema = database() and k.referenced_table_schema = database() and t.table_name is null
order by 3, 2 limit 100;
"""
# MySQL's dictionary names no key for one that is not unique; MariaDB takes such as it always has.
_UNKEYED = """
select 'unkeyed', constraint_name, table_name from information_schema.referential_constraints
where constraint_schema = database() and unique_constraint_name is null order by 3, 2 limit 100;
"""
Rows = Sequence[Sequence[str]]


def question(engine: Engine) -> str:
    """Return what is asked of a server."""
    return _DATABASE + _DEFINERS + _FOREIGN + (_UNKEYED if engine is Engine.MYSQL else "")


def found(rows: Rows, database: str) -> tuple[list[ManifestNeed], list[str]]:
    """Return what a restore needs, and warnings, from the answers."""
    needs = [_collation(row[1], row[2], database) for row in rows if row[0] == "database"]
    needs += [_account(row[1]) for row in rows if row[0] == "definer" and "@" in row[1]]
    orphans = [f"{row[1]} of {row[2]}" for row in rows if row[0] == "orphan"]
    unkeyed = [
        f"{row[1]} of {row[2]}" for row in rows if row[0] == "unkeyed" and f"{row[1]} of {row[2]}" not in orphans
    ]
    if unkeyed:
        run = f"SET GLOBAL {UNKEYED} = OFF;"
        needs.append(ManifestNeed.of_server(NeedKind.SERVER_SETTING, UNKEYED, "OFF", of=few(unkeyed, NAMED), run=run))
    needs += [ManifestNeed.of_server(NeedKind.SERVER_SETTING, NAMES, row[1]) for row in rows if row[0] == "names"]
    return needs, _warnings(rows, orphans)


def _warnings(rows: Rows, orphans: list[str]) -> list[str]:
    away = [f"{row[1]} of {row[2]} (to {row[3]}.{row[4]})" for row in rows if row[0] == "foreign"]
    said = (
        (away, "not restorable, since a restore refuses foreign keys that refer to another database: {}"),
        (orphans, "foreign keys that refer to tables that do not exist: {}"),
    )
    return [words.format(few(names, NAMED)) for names, words in said if names]


def _collation(character_set: str, collation: str, database: str) -> ManifestNeed:
    run = f"ALTER DATABASE {quoted(database)} CHARACTER SET {character_set} COLLATE {collation};"
    return ManifestNeed.of_server(NeedKind.COLLATION, collation, character_set, run=run)


def _account(definer: str) -> ManifestNeed:
    return ManifestNeed.of_server(NeedKind.ACCOUNT, definer, run=f"CREATE USER IF NOT EXISTS {account(definer)};")


def account(definer: str) -> str:
    """Quote `name@host` as a statement names it."""
    name, _, host = definer.rpartition("@")
    return f"{quoted(name)}@{quoted(host)}"
