"""What becomes of a database that a restore has replaced: it is put back, or removed."""

from holdfast.contract.report import RestoreReport
from holdfast.contract.task import DropTask, SwapBackTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines import choose
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.result import Result


def run(task: SwapBackTask | DropTask, context: Context) -> Result:
    """Do what the task says. Raises HoldfastError."""
    target = choose.source(task.database, context)
    if isinstance(task, DropTask):
        _require_not_the_target(task)
        dropped = target.drop(task.names)
        said = ", ".join(dropped) if dropped else "there was nothing left to remove"
        return Result(message=f"removed: {said}", warnings=target.warnings)
    switched = target.swap_back(task.kept, task.old)
    return Result(
        message=f"{task.kept} is {target} again; the database that was there is now {task.old}",
        restore=RestoreReport(
            replaced=switched.replaced, switch_seconds=switched.seconds, found=switched.seconds is None
        ),
        warnings=target.warnings,
    )


def _require_not_the_target(task: DropTask) -> None:
    volume = task.database.volume
    if (volume.path if volume else task.database.name) in task.names:
        raise HoldfastError(
            Reason.INVALID_TASK,
            "the task says to remove the target itself",
            "use runner images of the operator's own release; nothing was changed",
        )
