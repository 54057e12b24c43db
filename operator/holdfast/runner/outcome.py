"""How a task's work ends: done, or failed with something left behind."""

from dataclasses import dataclass, field

from holdfast.contract.report import BackupReport
from holdfast.errors import HoldfastError


@dataclass(frozen=True)
class Done:
    """What a finished task has to say."""

    backup: BackupReport | None = None
    message: str | None = None
    warnings: list[str] = field(default_factory=list)
    clean: bool = True  # nothing of this Pod's is left in the bucket that should not be


class UncleanError(Exception):
    """A task failed, and what it had begun in the bucket could not be removed: the operator's cleanup must."""

    def __init__(self, error: Exception, leftover: HoldfastError) -> None:
        super().__init__(str(error))
        self.error = error
        self.leftover = leftover
