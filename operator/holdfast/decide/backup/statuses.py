"""How each state of a backup reads: the status as a whole, made from the former one. Pure.

Conditions follow kstatus: Ready, Reconciling and Stalled tell Helm, Flux and Argo CD; Finished turns True either way.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from holdfast import clock, units
from holdfast.api.backup import (
    Cleanup,
    DatabaseBackupStatus,
    Ending,
    Failure,
    Phase,
    Queued,
)
from holdfast.api.begun import there
from holdfast.api.conditions import ConditionType as C
from holdfast.api.conditions import in_progress, update
from holdfast.api.job import PodWanted
from holdfast.contract.report import BackupReport, Report
from holdfast.decide.backup import queue, reported
from holdfast.decide.backup.observation import BackupView
from holdfast.decide.backup.queue import Turn
from holdfast.decide.backup.suspicion import Verdict
from holdfast.decide.methods.choose import METHODS
from holdfast.sentences import explain, shorten

Status = DatabaseBackupStatus

CLEANUP_RUNNING: Literal["Running"] = "Running"
CLEANUP_DONE: Literal["Done"] = "Done"
CLEANUP_FAILED: Literal["Failed"] = "Failed"
_CLEANING = "a Job removes what an unfinished attempt left behind"


def waiting(
    backup: BackupView, now: datetime, reason: str, sentence: str, retries: int = 0, wanted: PodWanted | None = None
) -> Status:
    """Nothing runs yet, or no more; the sentence says what is waited for."""
    status = _under_way(backup, now, Phase.PENDING, reason, sentence, retries)
    return status.model_copy(update={"pod_wanted": wanted})


def queued(backup: BackupView, turn: Turn, now: datetime) -> Status:
    """It waits for its turn."""
    since = backup.status.queue.since if backup.status.queue else now
    status = _under_way(backup, now, Phase.QUEUED, "Queued", queue.says(turn), 0)
    return status.model_copy(update={"queue": Queued(since=since, position=queue.told(turn.position))})


def running(
    backup: BackupView, now: datetime, retries: int, sentence: str = "the Job is running",
    wanted: PodWanted | None = None,
) -> Status:  # fmt: skip
    """The Job's container runs, or a failed Pod of it is being replaced."""
    status = _under_way(backup, now, Phase.RUNNING, "Running", sentence, retries)
    return status.model_copy(update={"pod_wanted": wanted})


def ending(
    backup: BackupView, failure: Failure, report: Report | None, job_uid: str | None, retries: int, now: datetime
) -> Status:
    """It has failed, and is called so when nothing of its Job can run any more; until then it stays what it was."""
    sentence = f"{failure.reason}: {failure.message}; the backup is Failed once its Job has ended"
    phase = backup.status.phase or Phase.PENDING
    status = _under_way(backup, now, phase, failure.reason, shorten(sentence, 3000), retries)
    return status.model_copy(
        update={
            "failure": failure,
            "ending": Ending(since=now, job_uid=job_uid),
            "pod_wanted": None,
            **_told(backup, report, now),
        }
    )


def _under_way(backup: BackupView, now: datetime, phase: Phase, reason: str, sentence: str, retries: int) -> Status:
    if (backup.status.attempt or 1) > 1:
        sentence = f"{sentence} (Job {backup.status.attempt})"
    if retries:
        sentence = f"{sentence} (retry {retries})"
    states = in_progress("backup", reason, sentence, C.VERIFIED)
    conditions = update(backup.status.conditions, states, backup.generation, now)
    return backup.status.model_copy(
        update={
            "phase": phase,
            "queue": None,
            "message": sentence,
            "observed_generation": backup.generation,
            "retries": retries or backup.status.retries,
            "conditions": conditions,
        }
    )


def succeeded(
    backup: BackupView, report: Report, result: BackupReport, verdict: Verdict, retries: int, now: datetime
) -> Status:
    """The backup is there, verified, its manifest written; it may be suspicious all the same."""
    size = None if result.size_bytes is None else units.size_for_people(result.size_bytes)
    took = units.duration_in_words(report.duration_seconds)
    sentence = METHODS[backup.begun.resolved.method].achieved(result, size, took)
    if verdict.suspicious:
        sentence += f"; suspicious: {verdict.sentence}"
    completed = result.completed_at or report.completed_at  # a runner of the release before told the latter only
    expiry = clock.days_after(completed, _retention_days(backup))
    done = _ended(backup, now, True, "BackupSucceeded", sentence, retries)
    judged = [(C.SUSPICIOUS, verdict.suspicious, verdict.reason, verdict.sentence)]
    return done.model_copy(
        update={
            "conditions": update(done.conditions, judged, backup.generation, now),
            "phase": Phase.SUCCEEDED,
            "failure": None,
            "ending": None,
            "size_bytes": result.size_bytes,
            "size": size,
            "database_size_bytes": result.database_size_bytes,
            "uncompressed_bytes": result.uncompressed_bytes,
            "compression_ratio": _ratio(result),
            "sha256": result.sha256,
            "completed_at": completed,
            "duration_seconds": round(report.duration_seconds, 1),
            "duration": units.duration_for_people(report.duration_seconds),
            **_expiring(expiry),
            "tool_version": result.tool_version,
            "server_version": result.server_version,
            "server_major": result.server_major or backup.status.server_major,
            "snapshot": reported.snapshot(result),
            "tables": result.tables,
            "rows": result.rows,
            "schema_sha256": result.schema_sha256,
            "migrations": reported.migrations(result),
            "verification": reported.verified(result),
            "needs": reported.needs(result),
            "globals": reported.globals_of(result),
            "warnings": report.warnings[:64] or None,
            "warning_count": len(report.warnings) or None,
        }
    )


def _ratio(result: BackupReport) -> float | None:
    if result.uncompressed_bytes is None or result.size_bytes is None:
        return None
    return round(result.uncompressed_bytes / max(1, result.size_bytes), 2)


def failed(backup: BackupView, failure: Failure, report: Report | None, retries: int, now: datetime) -> Status:
    """There is no backup, and this is why."""
    done = _ended(backup, now, False, failure.reason, explain(failure), retries)
    return done.model_copy(update={"phase": Phase.FAILED, "failure": failure, **_told(backup, report, now)})


def failed_at_last(backup: BackupView, failure: Failure, now: datetime) -> Status:
    """There is no backup, as was recorded before its Job was ended."""
    done = _ended(backup, now, False, failure.reason, explain(failure), 0)
    return done.model_copy(update={"phase": Phase.FAILED, "failure": failure})


def _told(backup: BackupView, report: Report | None, now: datetime) -> dict[str, object]:
    """Return what is kept of a failure's report, which goes with its Pod."""
    return {
        "server_major": (report and report.failure and report.failure.server_major) or backup.status.server_major,
        "completed_at": report.completed_at if report else now,
        "duration_seconds": round(report.duration_seconds, 1) if report else None,
        "duration": units.duration_for_people(report.duration_seconds) if report else None,
    }


def _ended(backup: BackupView, now: datetime, good: bool, reason: str, sentence: str, retries: int) -> Status:
    stalled = "nothing blocks the backup" if good else "a failed backup is not retried: create another backup"
    conditions = update(
        backup.status.conditions,
        [
            (C.FINISHED, True, reason, "the backup has ended"),
            (C.SUCCEEDED, good, reason, sentence),
            (
                C.VERIFIED,
                good,
                reason,
                "verified: see status.verification" if good else "there is no backup to verify",
            ),
            (C.READY, good, reason, "the backup can be restored" if good else "there is no backup"),
            (C.RECONCILING, False, reason, "the backup has ended"),
            (C.STALLED, not good, reason, stalled),
        ],
        backup.generation,
        now,
    )
    return backup.status.model_copy(
        update={
            "queue": None,
            "message": sentence[:4096],
            "observed_generation": backup.generation,
            "retries": retries or backup.status.retries,
            "pod_wanted": None,
            "conditions": conditions,
        }
    )


def _expiring(expiry: datetime | None) -> dict[str, object]:
    return {"expires_at": expiry, "expires": expiry and expiry.strftime("%Y-%m-%d")}


def kept(status: Status, reasons: Sequence[str], expires: datetime | None) -> Status:
    """Say why it is kept, and until when at least."""
    return status.model_copy(update={"kept_because": list(reasons) or None, **_expiring(expires)})


def kept_current(backup: BackupView) -> Status:
    """Follow the spec after the end: without a policy, its own retentionDays say until when; else the policy's plan."""
    status = backup.status
    changes: dict[str, object] = {"observed_generation": backup.generation}
    if backup.spec.policy_ref is None and status.phase is Phase.SUCCEEDED and status.completed_at:
        expiry = clock.days_after(status.completed_at, _retention_days(backup))
        changes |= _expiring(expiry)
    return status.model_copy(update=changes)


def cleanup_begun(job_name: str) -> Cleanup:
    """Remember that a killed attempt's leftovers are to be removed, which is done when the backup has ended."""
    return Cleanup(job_name=job_name, state=CLEANUP_RUNNING, message=_CLEANING)


def cleanup_runs(backup: BackupView, wanted: PodWanted | None) -> Status:
    """Nothing is in the way of it, or no more."""
    return _cleaning(backup, _CLEANING, wanted)


def cleanup_waits(backup: BackupView, what: str, wanted: PodWanted | None = None) -> Status:
    """Say what a cleanup waits for: a Pod's end, an image, a node, ..."""
    return _cleaning(backup, shorten(f"waiting: {what}", 2048), wanted)


def _cleaning(backup: BackupView, message: str, wanted: PodWanted | None) -> Status:
    cleanup = there(backup.status.cleanup, "cleanup").model_copy(update={"message": message})
    return backup.status.model_copy(update={"cleanup": cleanup, "pod_wanted": wanted})


def cleanup_done(backup: BackupView, sentence: str) -> Status:
    """Record what the cleanup did."""
    return _cleaned(backup, CLEANUP_DONE, sentence)


def cleanup_failed(backup: BackupView, sentence: str) -> Status:
    """Record why the cleanup could not be done."""
    return _cleaned(backup, CLEANUP_FAILED, sentence)


def _cleaned(backup: BackupView, state: Literal["Done", "Failed"], sentence: str) -> Status:
    name = there(backup.status.cleanup, "cleanup").job_name
    ended = Cleanup(job_name=name, state=state, message=shorten(sentence, 2048))
    return backup.status.model_copy(update={"cleanup": ended, "pod_wanted": None})


def _retention_days(backup: BackupView) -> int:
    if backup.spec.retention_days is not None:
        return backup.spec.retention_days
    resolved = there(backup.status.resolved, "resolved")
    return resolved.days_kept
