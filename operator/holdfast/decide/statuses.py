"""How each state of a backup reads: the status as a whole, made from the former one. Pure.

Conditions follow kstatus: Ready, Reconciling and Stalled tell Helm, Flux and Argo CD; Finished turns True either way.
"""

from datetime import datetime, timedelta

from holdfast import units
from holdfast.api.backup import Cleanup, DatabaseBackupStatus, Failure, Migrations, Phase, Verification
from holdfast.api.conditions import ConditionType as C
from holdfast.api.conditions import update
from holdfast.contract.report import BackupReport, Outcome, Report
from holdfast.decide.observation import BackupView
from holdfast.decide.suspicion import Verdict
from holdfast.decide.views import JobView
from holdfast.errors import HoldfastError, Reason
from holdfast.sentences import explain

Status = DatabaseBackupStatus

CLEANUP_RUNNING, CLEANUP_DONE, CLEANUP_FAILED = "Running", "Done", "Failed"


def waiting(backup: BackupView, now: datetime, reason: str, sentence: str, retries: int = 0) -> Status:
    """Nothing runs yet; the sentence says what is waited for."""
    return _under_way(backup, now, Phase.PENDING, reason, sentence, retries)


def running(backup: BackupView, now: datetime, retries: int, sentence: str = "the Job is running") -> Status:
    """The Job's container runs, or a failed Pod of it is being replaced."""
    return _under_way(backup, now, Phase.RUNNING, "Running", sentence, retries)


def _under_way(backup: BackupView, now: datetime, phase: Phase, reason: str, sentence: str, retries: int) -> Status:
    if (backup.status.attempt or 1) > 1:
        sentence = f"{sentence} (Job {backup.status.attempt})"
    if retries:
        sentence = f"{sentence} (retry {retries})"
    conditions = update(
        backup.status.conditions,
        [
            (C.FINISHED, False, reason, "the backup is under way"),
            (C.SUCCEEDED, None, reason, "not known before the backup has finished"),
            (C.VERIFIED, None, reason, "not known before the backup has finished"),
            (C.READY, False, reason, "the backup is under way"),
            (C.RECONCILING, True, reason, sentence),
            (C.STALLED, False, reason, "it goes on by itself"),
        ],
        backup.generation,
        now,
    )
    return backup.status.model_copy(
        update={
            "phase": phase,
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
    sentence = _achieved(report, result, size)
    if verdict.suspicious:
        sentence += f"; suspicious: {verdict.sentence}"
    expiry = report.completed_at + timedelta(days=_retention_days(backup))
    done = _ended(backup, now, True, "BackupSucceeded", sentence, retries)
    judged = [(C.SUSPICIOUS, verdict.suspicious, verdict.reason, verdict.sentence)]
    return done.model_copy(
        update={
            "conditions": update(done.conditions, judged, backup.generation, now),
            "phase": Phase.SUCCEEDED,
            "size_bytes": result.size_bytes,
            "size": size,
            "database_size_bytes": result.database_size_bytes,
            "uncompressed_bytes": result.uncompressed_bytes,
            "compression_ratio": _ratio(result),
            "sha256": result.sha256,
            "completed_at": report.completed_at,
            "duration_seconds": round(report.duration_seconds, 1),
            "duration": units.duration_for_people(report.duration_seconds),
            "expires_at": expiry,
            "expires": expiry.strftime("%Y-%m-%d"),
            "tool_version": result.tool_version,
            "server_version": result.server_version,
            "server_major": result.server_major or backup.status.server_major,
            "snapshot": result.snapshot,
            "tables": result.tables,
            "rows": result.rows,
            "schema_sha256": result.schema_sha256,
            "migrations": result.migrations and Migrations.model_validate(result.migrations.to_dict()),
            "verification": Verification(
                integrity_check=result.integrity_check,
                file_readable=result.file_readable,
                verified_at=result.verified_at,
                level=result.level,
                checked_by=result.checked_by,
                compared=result.compared,
            ),
            "warnings": report.warnings[:64] or None,
        }
    )


def _achieved(report: Report, result: BackupReport, size: str | None) -> str:
    """Say in a sentence what there is now; of a cluster's snapshot nobody knows the size."""
    took = units.duration_for_people(report.duration_seconds)
    if result.snapshot is None:
        return f"found in the bucket and verified: {size}" if result.found else f"backed up {size} in {took}"
    what = f"snapshot of {result.snapshot.source}{f' ({size})' if size else ''}"
    return f"{what} found and looked at again" if result.found else f"{what} available after {took}"


def _ratio(result: BackupReport) -> float | None:
    if result.uncompressed_bytes is None or result.size_bytes is None:
        return None
    return round(result.uncompressed_bytes / max(1, result.size_bytes), 2)


def failed(backup: BackupView, failure: Failure, report: Report | None, retries: int, now: datetime) -> Status:
    """There is no backup, and this is why."""
    sentence = explain(failure)
    done = _ended(backup, now, False, failure.reason, sentence, retries)
    return done.model_copy(
        update={
            "phase": Phase.FAILED,
            "failure": failure,
            "server_major": (report and report.failure and report.failure.server_major) or backup.status.server_major,
            "completed_at": report.completed_at if report else now,
            "duration_seconds": round(report.duration_seconds, 1) if report else None,
            "duration": units.duration_for_people(report.duration_seconds) if report else None,
        }
    )


def _ended(backup: BackupView, now: datetime, good: bool, reason: str, sentence: str, retries: int) -> Status:
    stalled = "nothing is in the way" if good else "a failed backup is not tried again: create another one"
    conditions = update(
        backup.status.conditions,
        [
            (C.FINISHED, True, reason, "the backup has ended"),
            (C.SUCCEEDED, good, reason, sentence),
            (
                C.VERIFIED,
                good,
                reason,
                "verified: status.verification says how" if good else "there is nothing to verify",
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
            "message": sentence[:4096],
            "observed_generation": backup.generation,
            "retries": retries or backup.status.retries,
            "conditions": conditions,
        }
    )


def kept_current(backup: BackupView) -> Status:
    """Follow the spec after the end: retentionDays may change, and with it the expiry."""
    status = backup.status
    changes: dict[str, object] = {"observed_generation": backup.generation}
    if status.phase is Phase.SUCCEEDED and status.completed_at:
        expiry = status.completed_at + timedelta(days=_retention_days(backup))
        changes |= {"expires_at": expiry, "expires": expiry.strftime("%Y-%m-%d")}
    return status.model_copy(update=changes)


def cleanup_begun(job_name: str) -> Cleanup:
    """Remember that a killed attempt's leftovers are to be removed, which is done when the backup has ended."""
    return Cleanup(job_name=job_name, state=CLEANUP_RUNNING, message="removing what an unfinished attempt left")


def cleanup_waits(backup: BackupView, error: HoldfastError) -> Status:
    """Say what a cleanup waits for, of which the operator learns when it starts anew with other settings."""
    assert backup.status.cleanup is not None
    waiting = backup.status.cleanup.model_copy(update={"message": f"waiting: {explain(error, 2000)}"})
    return backup.status.model_copy(update={"cleanup": waiting})


def cleanup_ended(backup: BackupView, job: JobView, report: Report | None) -> Status:
    """Record what the cleanup did, or why it could not."""
    good = report is not None and report.outcome is Outcome.SUCCEEDED
    if report is None:
        sentence = f"the cleanup left no report: {job.failed_message or 'its Pod is gone'}"
    elif report.failure:
        sentence = explain(report.failure)
    else:
        sentence = report.message or ""
    state = CLEANUP_DONE if good else CLEANUP_FAILED
    ended = Cleanup(job_name=job.name, state=state, message=sentence[:2048])
    return backup.status.model_copy(update={"cleanup": ended})


def failure_of(error: HoldfastError) -> Failure:
    """Turn an error of ours into what the status says."""
    return Failure(reason=error.reason, message=error.message, remedy=error.remedy)


def failure_in(report: Report | None) -> Failure:
    """Turn the failure that a report tells into what the status says."""
    if report is None or report.failure is None:
        return Failure(
            reason=Reason.REPORT_MISSING,
            message="the report says neither what was backed up nor what failed",
            remedy="use the runner image of the same release as the operator",
        )
    told = report.failure
    return Failure(reason=told.reason, exit_code=told.exit_code, message=told.message, remedy=told.remedy)


def job_name_taken(name: str) -> Failure:
    """Somebody else's Job bears the name that ours would have."""
    return Failure(
        reason=Reason.JOB_NAME_TAKEN,
        message=f"a Job named {name} is there already and is not this backup's",
        remedy="see who made it; delete it, then create another backup",
    )


def job_refused(sentence: str) -> Failure:
    """The API server does not accept the Job."""
    return Failure(
        reason=Reason.JOB_REFUSED,
        message=f"the API server refuses the Job: {sentence}",
        remedy="read the sentence: admission, a quota or the operator's role says why",
    )


def report_lost(attempts: int) -> Failure:
    """Job after Job ended well and left no report that could be read."""
    return Failure(
        reason=Reason.REPORT_MISSING,
        message=f"{attempts} Jobs ended, and none of their reports could be read",
        remedy="see who deletes finished Pods here; the bucket may hold the backup: look for its manifest.json",
    )


def _retention_days(backup: BackupView) -> int:
    if backup.spec.retention_days is not None:
        return backup.spec.retention_days
    resolved = backup.status.resolved
    assert resolved is not None
    return resolved.retention.days or resolved.environment.retention_days
