"""Reads which accounts and roles have rights on a database, from the tables in which the server keeps them.

Only columns without a password or its hash are read, so that the user needs no right to those. What is not of this
database is not asked for: of rights on the whole server only the names are known, and only where they may be read.
A server keeps rights on what is gone, and these are left out.
"""

from holdfast.api.database import Engine
from holdfast.contract.globals import GlobalObject, Globals
from holdfast.runner.engines.mysql import server
from holdfast.runner.engines.mysql.account_rows import GRANT_OPTION, MOST, Found, Reading
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line

_COLUMNS: dict[str, tuple[str, ...]] = {
    "db": ("Host", "Db", "User"),
    "tables_priv": ("Host", "Db", "User", "Table_name", "Table_priv"),
    "columns_priv": ("Host", "Db", "User", "Table_name", "Column_name", "Column_priv"),
    "procs_priv": ("Host", "Db", "User", "Routine_name", "Routine_type", "Proc_priv"),
    "user": ("Host", "User"),
}
_OF_ROLES: dict[Engine, dict[str, tuple[str, ...]]] = {
    Engine.MYSQL: {
        "role_edges": ("FROM_HOST", "FROM_USER", "TO_HOST", "TO_USER", "WITH_ADMIN_OPTION"),
        "default_roles": ("HOST", "USER", "DEFAULT_ROLE_HOST", "DEFAULT_ROLE_USER"),
    },
    Engine.MARIADB: {"roles_mapping": ("Host", "User", "Role", "Admin_option")},
}
# What the columns of the server's tables of rights are called in a GRANT.
_WORDS = {
    "Create_tmp_table_priv": "CREATE TEMPORARY TABLES", "Grant_priv": GRANT_OPTION, "Show_db_priv": "SHOW DATABASES",
    "Repl_slave_priv": "REPLICATION SLAVE", "Repl_client_priv": "REPLICATION CLIENT",
}  # fmt: skip
_ASKED = f"""
select 'may read', table_name, column_name from information_schema.columns
where table_schema = 'mysql' and find_in_set('select', privileges) and table_name in ({{tables}}) limit {MOST};
"""  # noqa: S608 - our own words
_RIGHTS = f"""
set session sql_mode = '';
select 'on', 'database', user, host, db, {{privileges}} from mysql.db where database() like db limit {MOST};
select 'on', 'table', user, host, table_name, table_priv from mysql.tables_priv
where db = database() and table_priv <> '' limit {MOST};
select 'on', 'column', user, host, concat(table_name, '\\0', column_name), column_priv from mysql.columns_priv
where db = database() limit {MOST};
select 'on', lower(routine_type), user, host, routine_name, proc_priv from mysql.procs_priv
where db = database() limit {MOST};
select 'account', user, host, {{login}}, {{beyond}} from mysql.user limit {MOST};
select 'is', case table_type when 'VIEW' then 'view' when 'SEQUENCE' then 'sequence' else 'table' end, table_name, ''
from information_schema.tables where table_schema = database() limit {MOST};
select 'is', 'view', table_name, definer from information_schema.views where table_schema = database() limit {MOST};
select 'is', lower(routine_type), routine_name, definer from information_schema.routines
where routine_schema = database() limit {MOST};
select 'is', 'trigger', trigger_name, definer from information_schema.triggers
where trigger_schema = database() limit {MOST};
select 'is', 'event', event_name, definer from information_schema.events where event_schema = database() limit {MOST};
"""  # noqa: S608 - our own words, and names of the server's own columns
_MEMBERS = {
    Engine.MYSQL: f"""
select 'literal', @@partial_revokes;
select 'member', e.from_user, e.from_host, e.to_user, e.to_host, e.with_admin_option, if(d.user is null, 'N', 'Y')
from mysql.role_edges e left join mysql.default_roles d on d.user = e.to_user and d.host = e.to_host
  and d.default_role_user = e.from_user and d.default_role_host = e.from_host limit {MOST};
""",  # noqa: S608 - our own number
    Engine.MARIADB: f"""
select 'member', role, '', user, host, admin_option, 'N' from mysql.roles_mapping limit {MOST};
""",  # noqa: S608 - our own number
}


class UnreadableError(Exception):
    """What the user may not read, with the statement that mends it."""


def read(target: Target, stop: Stop, *, asked_for: bool) -> tuple[Globals | None, list[str]]:
    """Return what there is, or a warning why it is not known.

    A user may have no right to read it: most have none. That is worth a warning only where the policy asks for it.
    """
    try:
        found = look(target, stop)
    except UnreadableError as error:
        return None, [_not_backed_up(error)] if asked_for else []
    except ValueError as error:
        return None, [_not_backed_up(error)]
    return found.globals, found.warnings


def _not_backed_up(error: Exception) -> str:
    return one_line(f"accounts and grants are not backed up: {error}", 1000)


def look(target: Target, stop: Stop) -> Found:
    """Return what the server has. Raises UnreadableError, or ValueError with what the client said."""
    engine = target.flavour.engine
    tables = {**_COLUMNS, **_OF_ROLES[engine]}
    listed = ", ".join(f"'{name}'" for name in tables)
    rows = server.look(target, _ASKED.format(tables=listed) + "select 'who', current_user();", stop)
    seen: dict[str, dict[str, str]] = {}
    for _, table, column in (row for row in rows if row[0] == "may read"):
        seen.setdefault(table.lower(), {})[column.lower()] = column
    _require_readable(target, tables, seen, next(row[1] for row in rows if row[0] == "who"))
    users = seen["user"]
    login = "if(account_locked = 'Y', 'N', 'Y')" if "account_locked" in users else "'Y'"
    question = _RIGHTS.format(privileges=_held(seen["db"]), login=login, beyond=_held(users))
    answers = server.look(target, question + _MEMBERS[engine], stop)
    return Reading(answers, target.flavour.engine, target.database).found()


def given_on_routines(target: Target, stop: Stop) -> list[GlobalObject] | None:
    """Return who may do what with the database's routines; None where the user may not read it."""
    kinds = ", lower(routine_type), user, host, routine_name, proc_priv"
    question = f"select 'on'{kinds} from mysql.procs_priv where db = database() limit {MOST};"  # noqa: S608 - our own
    try:
        rows = server.look(target, question, stop)
    except ValueError:
        return None
    is_there = [["is", row[1], row[4], ""] for row in rows if row[0] == "on"]
    whom = [["account", row[2], row[3], "Y", ""] for row in rows if row[0] == "on"]
    return Reading([*rows, *is_there, *whom], target.flavour.engine, target.database).found().globals.objects


def _held(columns: dict[str, str]) -> str:
    """Return the expression that lists the rights which the columns of a row of rights say."""
    each = [f"if({name} = 'Y', '{_word(name)}', null)" for key, name in columns.items() if key.endswith("_priv")]
    return f"concat_ws(',', {', '.join(each)})" if each else "''"


def _word(column: str) -> str:
    return _WORDS.get(column, column.removesuffix("_priv").replace("_", " ").upper())


def _require_readable(
    target: Target, tables: dict[str, tuple[str, ...]], seen: dict[str, dict[str, str]], who: str
) -> None:
    lacking = [name for name, columns in tables.items() if {each.lower() for each in columns} - set(seen.get(name, ()))]
    if lacking:
        whom = target.grantee(who)
        run = [
            f"GRANT SELECT{' (Host, User)' if name == 'user' else ''} ON mysql.{name} TO {whom};" for name in lacking
        ]
        names = ", ".join(f"mysql.{name}" for name in lacking)
        raise UnreadableError(f"the user has no right to read {names}: {' '.join(run)}")
