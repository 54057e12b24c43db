"""Which names of accounts, tables and routines are taken out of a backup, and how a statement writes them. Pure.

They are quoted, and of a form that the server takes as they are: it cuts or changes others, and means somebody else.
"""

import re

from holdfast.api.database import Engine
from holdfast.runner.engines.mysql.grants import quoted

MOST_NAME = {Engine.MYSQL: 32, Engine.MARIADB: 128}  # characters
_MOST_OBJECT = 64
_PLAIN = re.compile(r"[ -~\u00a0-\ud7ff\ue000-\uffff]+")  # neither controls nor what utf8mb3 does not hold
_HOST = re.compile(r"[\w.:%/-]{1,255}", re.ASCII)


def account(user: str, host: str) -> str:
    """Name an account as a backup does; a role of MariaDB's has no host."""
    return f"{user}@{host}"


def parts(name: str) -> tuple[str, str]:
    """Return user and host."""
    user, _, host = name.rpartition("@")
    return user, host


def written(name: str) -> str:
    """Return an account as a statement names it."""
    user, host = parts(name)
    return f"{quoted(user)}@{quoted(host)}" if host else quoted(user)


def is_account(name: str, engine: Engine) -> bool:
    """Whether it is of a form that is given rights."""
    user, host = parts(name)
    if "@" not in name or not _fits(user, MOST_NAME[engine]):
        return False
    if not host:  # a role: a word that the server takes for somebody else is none
        return engine is Engine.MARIADB and user.upper() not in ("PUBLIC", "NONE", "CURRENT_USER", "CURRENT_ROLE")
    return bool(_HOST.fullmatch(host))


def is_object(name: str) -> bool:
    """Whether it is one of a table, column or routine."""
    return _fits(name, _MOST_OBJECT)


def is_systems(name: str) -> bool:
    """Whether it is one of the server's own accounts."""
    user, _ = parts(name)
    return user in ("root", "mysql", "mariadb.sys") or user.startswith("mysql.")


def _fits(name: str, most: int) -> bool:
    return 0 < len(name) <= most and bool(_PLAIN.fullmatch(name)) and name.strip() == name
