"""Asks whether the restore's user may replace a database, before anything begins: it takes two more databases."""

import re

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql import grants
from holdfast.runner.engines.mysql.flavour import numbers
from holdfast.runner.engines.mysql.schemas import Schema

NEEDED = (
    *("ALTER", "ALTER ROUTINE", "CREATE", "CREATE ROUTINE", "CREATE VIEW", "DELETE", "DROP", "EVENT", "EXECUTE"),
    *("INDEX", "INSERT", "LOCK TABLES", "REFERENCES", "SELECT", "SHOW VIEW", "TRIGGER", "UPDATE"),
)
_HELD = ["select 'who', version(), current_user()", "set session sql_mode = ''", "show grants"]


def held(target: Schema) -> tuple[str, str, list[str]]:
    """Return the server's version, who restores (user@host), and what SHOW GRANTS says of him."""
    rows = target.run(_HELD, "asking for its rights")
    version, user = next((row[1], row[2]) for row in rows if row[0] == "who")
    return version, user, grants.lines(rows)


def require(target: Schema, names: list[str]) -> None:
    """Raise TargetNotReady, with the statements that grant what is missing."""
    version, user, said = held(target)
    everywhere = [target.name, *names]
    lacking = [f"ALL ON {_pattern(target.name, each)}" for each in everywhere if not _holds(said, each)]
    engine = target.target.flavour.engine
    sight = [each for each in grants.missing(said, target.name, engine, numbers(version)) if "ROUTINE" in each]
    if lacking or sight:
        whom = target.target.grantee(user)
        needed = dict.fromkeys([*lacking, *sight])
        raise HoldfastError(
            Reason.TARGET_NOT_READY,
            f"the restore's user has no right to replace {target.target}: it needs all rights on that database, and "
            f"on {' and '.join(map(repr, names))}, which the restore creates beside it",
            " ".join(f"GRANT {each} TO {whom};" for each in needed),
        )


def passed_on(target: Schema) -> set[str]:
    """Return the rights on the whole database that the user may give others."""
    _, _, said = held(target)
    return grants.rights(said, target.name) if grants.may_pass_on(said, target.name) else set()


def _holds(said: list[str], database: str) -> bool:
    has = grants.rights(said, database)
    return grants.ALL in has or not set(NEEDED) - has


def _pattern(target: str, database: str) -> str:
    r"""Name a database as a GRANT does; of those beside, all that there will be: `orders\_%`."""
    name = re.sub(r"([_%\\])", r"\\\1", target)
    beside = f"{name}\\_%" if database.startswith(f"{target}_") else re.sub(r"([_%\\])", r"\\\1", database)
    return f"{grants.quoted(name if database == target else beside)}.*"
