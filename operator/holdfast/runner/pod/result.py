"""What a task says when it is done, and the error of one that left something behind."""

from dataclasses import dataclass, field

from holdfast.contract.report import BackupReport, DeleteReport, ImpactReport, RestoreReport, Verification


@dataclass(frozen=True)
class Result:
    """What a finished task has to say."""

    backup: BackupReport | None = None
    verification: Verification | None = None
    deletion: DeleteReport | None = None
    restore: RestoreReport | None = None
    impact: ImpactReport | None = None
    message: str | None = None
    warnings: list[str] = field(default_factory=list)
    clean: bool = True  # nothing of this Pod's is left in the bucket that should not be
    backup_there: bool | None = None  # a cleanup has seen the manifest of the backup


class UncleanError(Exception):
    """A task failed, and something of it is still in the bucket: the operator's cleanup must remove it.

    Where `clean` is true it need not: the store itself retains it, and nobody can remove it before its time.
    """

    def __init__(self, error: Exception, leftover: str, *, clean: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.leftover = leftover
        self.clean = clean
