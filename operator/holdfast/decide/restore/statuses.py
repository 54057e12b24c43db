"""How each state of a restore reads: the status as a whole, made from the former one. Pure.

Conditions follow kstatus, as a backup's do: Finished turns True either way.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from holdfast import units
from holdfast.api.backup import Ending, Failure
from holdfast.api.begun import there
from holdfast.api.conditions import ConditionType as C
from holdfast.api.conditions import in_progress, update
from holdfast.api.guard import Confirmation
from holdfast.api.job import PodWanted
from holdfast.api.masking import AfterRestored
from holdfast.api.release import ReleaseBefore
from holdfast.api.restore_status import Chosen, DatabaseRestoreStatus, Phase, Removal, Replaced, ResolvedRestore
from holdfast.contract.report import Report, RestoreReport
from holdfast.decide.restore.observation import RestoreView
from holdfast.decide.restore.stored import Fixed
from holdfast.sentences import explain, shorten

Status = DatabaseRestoreStatus
_MOST_WARNINGS = 64


def waiting(
    restore: RestoreView,
    now: datetime,
    reason: str,
    sentence: str,
    phase: Phase = Phase.PENDING,
    wanted: PodWanted | None = None,
) -> Status:
    """Nothing runs yet, or no more; the sentence says what is waited for."""
    return _under_way(restore, now, phase, reason, sentence).model_copy(update={"pod_wanted": wanted})


def fixed(status: Status, fixed: Fixed) -> Status:
    """It is known by now what is restored, and into what."""
    return status.model_copy(update={"source": fixed.source, "target": fixed.target, "resolved": fixed.resolved})


def awaiting(restore: RestoreView, now: datetime, reason: str, sentence: str, missing: Confirmation) -> Status:
    """Somebody is to confirm it first; whatever was to begin, is to begin anew then."""
    status = waiting(restore, now, reason, shorten(sentence, 3000), Phase.AWAITING_CONFIRMATION)
    anew = {"job_name": None, "started_at": None, "safety_backup": None}
    return status.model_copy(update={"confirmation": missing, **anew})


def begun(restore: RestoreView, now: datetime, job_name: str) -> Status:
    """Its turn has come."""
    status = waiting(restore, now, "Starting", "the Job's Pod is starting")
    waived = restore.spec.masking_waived
    return status.model_copy(update={"job_name": job_name, "started_at": now, "masking_waived": waived})


def running(restore: RestoreView, now: datetime, sentence: str, wanted: PodWanted | None) -> Status:
    """The Job's container runs, or has just ended."""
    status = _under_way(restore, now, Phase.RUNNING, "Running", sentence)
    return status.model_copy(update={"pod_wanted": wanted})


def ending(restore: RestoreView, failure: Failure, job_uid: str | None, now: datetime) -> Status:
    """It has failed, and is called so when nothing of its Job can run any more; until then it stays what it was."""
    sentence = f"{failure.reason}: {failure.message}; the restore is Failed once its Job has ended"
    phase = restore.status.phase or Phase.PENDING
    status = _under_way(restore, now, phase, failure.reason, shorten(sentence, 3000))
    return status.model_copy(
        update={"failure": failure, "ending": Ending(since=now, job_uid=job_uid), "pod_wanted": None}
    )


def _under_way(restore: RestoreView, now: datetime, phase: Phase, reason: str, sentence: str) -> Status:
    states = in_progress("restore", reason, sentence)
    conditions = update(restore.status.conditions, states, restore.generation, now)
    return restore.status.model_copy(
        update={
            "phase": phase,
            "message": sentence,
            "observed_generation": restore.generation,
            "conditions": conditions,
        }
    )


def succeeded(restore: RestoreView, report: Report, result: RestoreReport, undo: str | None, now: datetime) -> Status:
    """What was asked for is in the target, and compared. Raises HoldfastError where the status lacks what was fixed."""
    resolved, source = there(restore.status.resolved, "resolved"), there(restore.status.source, "source")
    status = _ended(restore, now, "RestoreSucceeded", _achieved(restore, source, resolved, report, result), None)
    size, seconds = result.size_bytes, report.duration_seconds
    bytes_read = result.uncompressed_bytes
    return status.model_copy(
        update={
            "completed_at": report.completed_at,
            "duration_seconds": round(seconds, 1),
            "duration": units.duration_for_people(seconds),
            "size_bytes": size,
            "size": None if size is None else units.size_for_people(size),
            "uncompressed_bytes": bytes_read,
            "bytes_per_second": None if bytes_read is None or seconds < 1 else int(bytes_read / seconds),
            "tables": result.tables,
            "rows": result.rows,
            "compared": result.compared or None,
            "server_version": result.server_version,
            "tool_version": result.tool_version,
            "switch_seconds": result.switch_seconds,
            "after_restore": _after(resolved, result),
            "instance": result.instance,
            "replaced": _replaced(resolved, result, report.completed_at),
            "undo": undo,
            "warnings": report.warnings[:_MOST_WARNINGS] or None,
        }
    )


def _after(resolved: ResolvedRestore, result: RestoreReport) -> AfterRestored | None:
    asked, ran = resolved.after_restore, result.script
    if asked is None:
        return None
    told = {"statements": ran.statements, "sha256": ran.sha256} if ran else {}
    return AfterRestored(sql_config_map_name=asked.sql_config_map_name, key=asked.key, **told)


def _replaced(resolved: ResolvedRestore, result: RestoreReport, completed: datetime) -> Replaced | None:
    if result.replaced is None or resolved.old is None:
        return None
    return Replaced(name=resolved.old, until=completed + timedelta(hours=resolved.keep_hours))


def _achieved(
    restore: RestoreView, source: Chosen, resolved: ResolvedRestore, report: Report, result: RestoreReport
) -> str:
    target, took = restore.status.target, units.duration_in_words(report.duration_seconds)
    if source.restore is not None:
        said = f"put back the database that DatabaseRestore {source.restore} had replaced, as {target}, in {took}"
    else:
        named = result.backup_id or source.backup_id
        if result.instance is not None:
            return f"made {target} from {named}, in {took}: {result.instance.address}:{result.instance.port}"
        rows = "" if result.rows is None else f": {result.rows} rows in {result.tables} tables"
        back = goes_back(source.release) if source.release else ""
        said = f"restored {named} into {target} in {took}{rows}" + (f"; {back}" if back else "")
    if result.replaced is not None:
        said += f"; the old database is now {resolved.old}"
    if (safety := restore.status.safety_backup) is not None and safety.name is not None:
        said += f"; before that it was backed up as DatabaseBackup {safety.name}"
    return said


def goes_back(release: ReleaseBefore) -> str:
    """Say which release the backup was taken before; empty where nothing of it was noted."""
    by = f"Job {release.job_name}" if release.job_name else ""
    what = f"release {release.revision}" if release.revision else release.images[0] if release.images else ""
    noted = f"{what} ({by})" if what and by else what or by
    return f"the database is as it was before {noted}" if noted else ""


def failed(restore: RestoreView, failure: Failure, report: Report | None, now: datetime) -> Status:
    """It has failed."""
    status = _ended(restore, now, failure.reason, shorten(f"{failure.reason}: {failure.message}", 3500), failure)
    told = report.failure if report else None
    seconds = report.duration_seconds if report else None
    return status.model_copy(
        update={
            "completed_at": report.completed_at if report else now,
            "duration_seconds": None if seconds is None else round(seconds, 1),
            "duration": None if seconds is None else units.duration_for_people(seconds),
            "differences": (told.differences or None) if told else None,
            "warnings": (report.warnings[:_MOST_WARNINGS] or None) if report else None,
        }
    )


def _ended(restore: RestoreView, now: datetime, reason: str, sentence: str, failure: Failure | None) -> Status:
    good, ended = failure is None, "the restore has finished"
    stalled = ended if failure is None else shorten(explain(failure), 4000)
    conditions = update(
        restore.status.conditions,
        [
            (C.FINISHED, True, reason, ended),
            (C.SUCCEEDED, good, reason, sentence),
            (C.READY, good, reason, sentence),
            (C.RECONCILING, False, reason, ended),
            (C.STALLED, not good, reason, stalled),
        ],
        restore.generation,
        now,
    )
    return restore.status.model_copy(
        update={
            "phase": Phase.SUCCEEDED if good else Phase.FAILED,
            "message": sentence,
            "observed_generation": restore.generation,
            "conditions": conditions,
            "failure": failure,
            "ending": None,
            "pod_wanted": None,
        }
    )


def removing(status: Status, names: Sequence[str], job_name: str) -> Status:
    """What is beside the target is to go."""
    sentence = f"a Job removes {', '.join(names)}"
    removal = Removal(names=list(names), job_name=job_name, state="Running", message=shorten(sentence, 2000))
    return status.model_copy(update={"removal": removal})


def removal_waits(status: Status, sentence: str, wanted: PodWanted | None = None) -> Status:
    """Its Job is to be made, or its Pod to start."""
    return _removal(status, {"message": shorten(sentence, 2000)}, wanted)


def removed(status: Status, sentence: str) -> Status:
    """It is gone, and with it the way back."""
    gone = _removal(status, {"state": "Done", "message": shorten(sentence, 2000)}, None)
    return gone.model_copy(update={"undo": None})


def not_removed(status: Status, sentence: str) -> Status:
    """It is still there, and a person has to remove it."""
    return _removal(status, {"state": "Failed", "message": shorten(sentence, 2000)}, None)


def _removal(status: Status, changes: dict[str, object], wanted: PodWanted | None) -> Status:
    assert status.removal is not None
    return status.model_copy(update={"removal": status.removal.model_copy(update=changes), "pod_wanted": wanted})
