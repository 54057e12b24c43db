"""The entry of a Job's container: reads the task, has the work done, reports, and exits with the documented code.

A report is written in every case, also for faults of our own.
"""

import argparse
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType

import holdfast
from holdfast import clock
from holdfast.contract import task as tasks
from holdfast.contract.paths import CLIENT_VERSION, POD_UID_VARIABLE, TASK_VARIABLE
from holdfast.contract.report import FailureReport, Outcome, Report
from holdfast.contract.task import (
    BackupTask,
    CheckTask,
    CleanupTask,
    DeleteTask,
    DropTask,
    RestoreTask,
    SnapshotCleanupTask,
    SnapshotDeleteTask,
    SnapshotRestoreTask,
    SnapshotTask,
    SnapshotVerifyTask,
    SwapBackTask,
    Task,
    VerifyTask,
)
from holdfast.errors import ExitCode, HoldfastError
from holdfast.runner.engines.protocol import Overrides
from holdfast.runner.pod import confinement
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.masking import Mask
from holdfast.runner.pod.memory import PEAK
from holdfast.runner.pod.result import Result
from holdfast.runner.pod.stop import Stop
from holdfast.runner.supervise import End, supervise
from holdfast.sentences import for_restores

# what to do next where a task changes a database, and makes no backup
_ANOTHER = {
    "restore": "create another DatabaseRestore",
    "swap-back": "create another DatabaseRestore",
    "drop": "remove it by hand",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Be the container's process: run the task, and end even where a thread still waits for a dead store.

    The only place that ends a process without ceremony; whoever wants a task run within a process of his own calls
    `run`.
    """
    confinement.close_to_others()
    threading.excepthook, sys.excepthook = _thread_fault, _fault  # Python's own would write values, maybe secret
    code = run(arguments, Places())
    if threading.active_count() > 1:
        sys.stdout.flush()
        os._exit(code)
    return code


def _fault(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
    where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(trace)]
    Log().line("fault", type=kind.__name__, where=where)


def _thread_fault(caught: threading.ExceptHookArgs) -> None:
    _fault(caught.exc_type, caught.exc_value or caught.exc_type(), caught.exc_traceback)


def run(arguments: Sequence[str] | None, places: Places) -> int:
    """Run the task in the environment, write the report; return the exit code."""
    started, begun = clock.now(), time.monotonic()
    overrides = _parse(arguments)
    text = os.environ.get(TASK_VARIABLE, "")
    try:
        task = tasks.parse(text)
    except HoldfastError as error:
        return _end("unknown", End(failure=error), Log(mask=Mask(places.secrets())), places, started, begun)
    mask = Mask(places.secrets(), text.replace("\\u0024", "$"), task.given_user)
    log = Log(None, mask, **task.known_by)
    log.line("started", kind=task.kind, deadlineSeconds=task.deadline_seconds, landlock=confinement.version())
    context = Context(places, Stop(), log, os.environ.get(POD_UID_VARIABLE, "") or "no-pod-uid", started)
    ended = supervise(lambda: _work(task, context, overrides), context, task.deadline_seconds)
    return _end(task.kind, ended, log, places, started, begun)


def _work(task: Task, context: Context, overrides: Overrides) -> Result:
    # The one place that tells a dump from a snapshot. Late: each kind needs libraries that the others do not.
    match task:
        case BackupTask():
            from holdfast.runner.tasks import backup

            return backup.run(task, context)
        case RestoreTask():
            from holdfast.runner.tasks import restore

            return restore.run(task, context, overrides)
        case CheckTask():
            from holdfast.runner.tasks import restore_check

            return restore_check.run(task, context)
        case SwapBackTask() | DropTask():
            from holdfast.runner.tasks import replaced

            return replaced.run(task, context)
        case VerifyTask():
            from holdfast.runner.tasks import dumps, verify

            return verify.run(task, context, dumps.Dumps())
        case CleanupTask():
            from holdfast.runner.tasks import cleanup, dumps

            return cleanup.run(task, context, dumps.Dumps())
        case DeleteTask():
            from holdfast.runner.tasks import delete, dumps

            return delete.run(task, context, dumps.Dumps())
        case _:
            return _snapshots_work(task, context)


def _snapshots_work(
    task: SnapshotTask | SnapshotRestoreTask | SnapshotVerifyTask | SnapshotCleanupTask | SnapshotDeleteTask,
    context: Context,
) -> Result:
    from holdfast.runner.rds import method

    match task:
        case SnapshotTask():
            from holdfast.runner.rds import task as rds_task

            return rds_task.run(task, context)
        case SnapshotRestoreTask():
            from holdfast.runner.rds import restore as rds_restore

            return rds_restore.run(task, context)
        case SnapshotVerifyTask():
            from holdfast.runner.tasks import verify

            return verify.run(task, context, method.Snapshots())
        case SnapshotCleanupTask():
            from holdfast.runner.tasks import cleanup

            return cleanup.run(task, context, method.Snapshots())
        case SnapshotDeleteTask():
            from holdfast.runner.tasks import delete

            return delete.run(task, context, method.Snapshots())


def _end(kind: str, ended: End, log: Log, places: Places, started: datetime, begun: float) -> int:
    """Write the report and the last line of the log; return the exit code."""
    now, failure, result = clock.now(), ended.failure, ended.result or Result()
    code = failure.exit_code if failure else ExitCode.SUCCESS
    warnings = [*result.warnings, *([ended.leftover] if ended.leftover else [])]
    report = Report(
        kind=kind,
        outcome=Outcome.FAILED if failure else Outcome.SUCCEEDED,
        started_at=started,
        completed_at=now,
        duration_seconds=round(time.monotonic() - begun, 2),
        backup=result.backup,
        verification=result.verification,
        deletion=result.deletion,
        restore=result.restore,
        impact=result.impact,
        failure=failure and _failure(failure, _ANOTHER.get(kind)),
        message=result.message,
        clean=ended.clean and result.clean,
        backup_there=result.backup_there,
        warnings=warnings,
    ).reworded(log.mask.hide)
    told = report.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"version", "kind"})
    log.line("ended", **told, peakMemoryBytes=PEAK.total())
    try:
        places.termination_log.write_bytes(report.to_bytes())
    except OSError as error:
        log.line("fault", message=f"the report cannot be written to {places.termination_log}: {error.strerror}")
        return code or ExitCode.INTERNAL
    return code


def _failure(error: HoldfastError, instead: str | None) -> FailureReport:
    return FailureReport(
        reason=error.reason,
        exit_code=error.exit_code,
        message=error.message,
        remedy=for_restores(error.remedy, instead) if instead else error.remedy,
        server_major=error.server_major,
        differences=list(error.differences),
    )


def _parse(arguments: Sequence[str] | None) -> Overrides:
    parser = argparse.ArgumentParser(prog="holdfast-runner", description="Run the task in HOLDFAST_TASK.")
    parser.add_argument(
        "--version", action="version", version=_version(), help="say Holdfast's version and the client's"
    )
    for name in ("host", "port", "database", "claim", "path"):
        parser.add_argument(f"--target-{name}", help=f"restore to this {name}; empty: the task's own")
    said = parser.parse_args(arguments)
    return Overrides(**{name.removeprefix("target_"): value or None for name, value in vars(said).items()})


def _version() -> str:
    try:
        client = Path(CLIENT_VERSION).read_text().strip()
    except FileNotFoundError:
        client = "none"
    return f"holdfast-runner {holdfast.__version__}, client {client}"
