"""SQL that a restore runs in the restored database, by the engine's driver: what it is, and how its failure is told."""

from dataclasses import dataclass

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.pod.text import one_line

COMMANDS = (
    "correct the SQL, and create another DatabaseRestore. The database driver runs it: write plain SQL, without the "
    "commands of psql or mysql (\\i, \\copy, SOURCE, DELIMITER)"
)


@dataclass(frozen=True)
class Script:
    """SQL from a ConfigMap."""

    name: str
    """What people know it by."""
    text: str
    sha256: str


def failed(where: str, said: str, remedy: str = COMMANDS) -> HoldfastError:
    """Make the error of SQL that the server refused; `where` is the statement, `said` the server's own words."""
    return HoldfastError(Reason.AFTER_RESTORE_FAILED, f"{where}: {one_line(said, 500)}", remedy)
