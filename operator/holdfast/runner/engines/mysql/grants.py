"""Tells from SHOW GRANTS whether a user may see all of a database.

What a user may not see, MySQL does not show, and the dump tool leaves it out without a word: a table on which nothing
was granted, every trigger, every routine. Such a dump would look whole. So the rights are read before it begins; a
role's count where the role is active, since the server lists those too.
"""

import re
from collections.abc import Iterable, Sequence

from holdfast.api.database import Engine

ALL = "ALL PRIVILEGES"
NEEDED = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")  # on the whole database
SHOW_CREATE_ROUTINE_SINCE = (11, 3)  # MariaDB
_LINE = re.compile(r"(GRANT|REVOKE) (.+?) ON (\*|`(?:[^`]|``)*`)\.(\*|`(?:[^`]|``)*`) (?:TO|FROM) ")
_RIGHT = re.compile(r"([A-Z_][A-Za-z_ ]*[A-Za-z])( \([^)]*\))?(?:, ?|$)")  # one with columns is not of the whole table


def missing(grants: Sequence[str], database: str, engine: Engine, server: tuple[int, int]) -> list[str]:
    """Return what must be granted besides, as `SELECT, EVENT ON database.*`; empty where the user may see everything.

    `server` is its version, major and minor.
    """
    on_database = rights(grants, database)
    lacking = [] if ALL in on_database else [right for right in NEEDED if right not in on_database]
    name = pattern(database)
    needed = [f"{', '.join(lacking)} ON {name}.*"] if lacking else []
    if engine is Engine.MYSQL:
        seen, wanted = {"SHOW_ROUTINE", "SELECT", ALL} & rights(grants), "SHOW_ROUTINE ON *.*"
    else:
        seen = {"SHOW CREATE ROUTINE", ALL} & on_database or {"SELECT", ALL} & rights(grants, "mysql", "proc")
        new = server >= SHOW_CREATE_ROUTINE_SINCE
        wanted = f"SHOW CREATE ROUTINE ON {name}.*" if new else "SELECT ON `mysql`.`proc`"
    return needed if seen else [*needed, wanted]


def rights(grants: Iterable[str], database: str = "", table: str = "") -> set[str]:
    """Return the rights on a database, or a table of it; without either, those on everything."""
    held: set[str] = set()
    taken: set[str] = set()
    for grant in grants:
        found = _LINE.match(grant)
        if found and _covers(found[3], found[4], database, table):
            named = {right for right, columns in _RIGHT.findall(found[2]) if not columns}
            (held if found[1] == "GRANT" else taken).update(named)
    return held - taken


def lines(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return those of an answer's rows that are SHOW GRANTS'."""
    return [row[0] for row in rows if row[0].startswith(("GRANT ", "REVOKE "))]


def quoted(name: str) -> str:
    """Quote an identifier."""
    return "`" + name.replace("`", "``") + "`"


def pattern(database: str) -> str:
    """Quote a database's name as a GRANT on all of it takes it, where it is a pattern."""
    return quoted(re.sub(r"([_%\\])", r"\\\1", database))


def may_pass_on(grants: Iterable[str], database: str) -> bool:
    """Whether the user may give others what he may himself on a whole database."""
    for grant in grants:
        found = _LINE.match(grant)
        whole = found is not None and found[1] == "GRANT" and found[4] == "*"
        if found and whole and _covers(found[3], found[4], database, "") and grant.endswith(" WITH GRANT OPTION"):
            return True
    return False


def _covers(database: str, table: str, wanted: str, wanted_table: str) -> bool:
    if database == "*":
        return True
    if not wanted or (table not in ("*", quoted(wanted_table))):
        return False
    # a grant on a table names its database as it is, one on a database is a pattern
    name = database[1:-1].replace("``", "`")
    return name == wanted or (table == "*" and re.fullmatch(_as_regex(name), wanted) is not None)


def _as_regex(pattern: str) -> str:
    r"""Turn a pattern of LIKE into a regular expression: `_` is any character, `%` are any, `\` takes that away."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "(?s:" + "".join({"_": ".", "%": ".*"}.get(part, re.escape(part[-1])) for part in parts) + ")"
