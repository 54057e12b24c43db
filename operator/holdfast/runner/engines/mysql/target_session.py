"""What the session of a restore sets: the limits of everyday sessions are lifted, where the user may."""

from holdfast.api.database import Engine
from holdfast.runner.engines.mysql import server
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.pod.stop import Stop

_OLD_KEYS = "restrict_fk_on_non_standard_key = 0"
"""A foreign key may refer to a key that is not unique, as it may in servers before MySQL 8.4."""


def lifted(target: Target, stop: Stop) -> str:
    """Return the statement that a restore's session begins with."""
    wanted = target.flavour.lifted
    if target.flavour.engine is Engine.MYSQL and may(target, f"set session {_OLD_KEYS};", stop):
        return f"{wanted}, {_OLD_KEYS}"
    return wanted


def may(target: Target, statement: str, stop: Stop) -> bool:
    """Tell whether the user may say this to the server, which must know it, too."""
    try:
        server.look(target, statement, stop)
    except ValueError:
        return False
    return True
