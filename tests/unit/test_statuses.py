"""How a backup's status reads as a whole, in each of its states: every field and every condition, and nothing else.

Each row of test_decide_backup.py looks at what its promise is about; here nothing can be lost or turned around
without being seen.
"""

from typing import Any

from tests.builders import (
    NOW,
    a_backup,
    a_begun_backup,
    a_failure,
    a_job,
    a_pod,
    a_policy,
    a_success,
    observed,
    settings,
)

from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.api.policy import VerificationLevel
from holdfast.contract.report import CheckedBy, MigrationsReport, Report
from holdfast.decide.backup.observation import BackupView, Observation
from holdfast.decide.backup.steps import decide
from holdfast.errors import Reason

RESOLVED_EARLIER = {"resolved", "backupID", "location", "jobName", "startedAt"}


def the_status(o: Observation) -> dict[str, Any]:
    """What is written, without what the beginning has fixed, and the conditions by their type."""
    status = decide(o, settings(), NOW).status
    assert status is not None
    told = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    told["conditions"] = {c["type"]: (c["status"], c["reason"], c["message"]) for c in told["conditions"]}
    return {key: value for key, value in told.items() if key not in RESOLVED_EARLIER}


def a_running_backup(**changes: Any) -> BackupView:
    return a_begun_backup(**({"phase": Phase.RUNNING} | changes))


def ended_well(report: Report, **changes: Any) -> Observation:
    pod = a_pod(exit_code=0, report=report)
    return observed(a_running_backup(**changes), job=a_job(complete=True), pods=(pod,))


def told_in_full() -> Report:
    report = a_success()
    assert report.backup is not None
    filled = report.backup.model_copy(
        update={
            "migrations": MigrationsReport(tool="flyway", applied_count=7, last="V7__orders", failed=1),
            "level": VerificationLevel.READBACK, "checked_by": CheckedBy.READBACK, "compared": ["size", "rows"],
        }
    )  # fmt: skip
    return report.model_copy(update={"backup": filled, "warnings": [f"warning {n}" for n in range(70)]})


def test_a_backup_that_succeeded_says_all_that_the_runner_told():
    status = the_status(ended_well(told_in_full()))
    conditions = status.pop("conditions")
    warnings = status.pop("warnings")
    assert status == {
        "phase": "Succeeded",
        "attempt": 1,
        "message": "backed up 82 MB in 12s",
        "warningCount": 70,
        "observedGeneration": 1,
        "sizeBytes": 82_000_000,
        "size": "82 MB",
        "databaseSizeBytes": 250_000_000,
        "uncompressedBytes": 328_000_000,
        "compressionRatio": 4.0,
        "sha256": "a" * 64,
        "completedAt": "2026-11-22T08:45:00Z",
        "durationSeconds": 12.3,
        "duration": "12s",
        "expiresAt": "2027-02-20T08:45:00Z",
        "expires": "2027-02-20",
        "toolVersion": "pg_dump 17.6",
        "serverVersion": "PostgreSQL 17.6",
        "serverMajor": 17,
        "tables": 8,
        "rows": 3_000_000,
        "schemaSha256": "b" * 64,
        "migrations": {"tool": "flyway", "appliedCount": 7, "last": "V7__orders", "failed": 1},
        "verification": {
            "integrityCheck": "passed", "fileReadable": "end mark seen", "verifiedAt": "2026-11-22T08:45:00Z",
            "level": "readback", "checkedBy": "Readback", "compared": ["size", "rows"],
        },
    }  # fmt: skip
    assert warnings == [f"warning {n}" for n in range(64)], "as many as the definition takes"
    said = "backed up 82 MB in 12s"
    assert conditions == {
        "Finished": ("True", "BackupSucceeded", "the backup has ended"),
        "Succeeded": ("True", "BackupSucceeded", said),
        "Verified": ("True", "BackupSucceeded", "verified: see status.verification"),
        "Ready": ("True", "BackupSucceeded", "the backup can be restored"),
        "Reconciling": ("False", "BackupSucceeded", "the backup has ended"),
        "Stalled": ("False", "BackupSucceeded", "nothing blocks the backup"),
        "Suspicious": conditions["Suspicious"],
    }
    assert conditions["Suspicious"][0] == "Unknown", "there is nothing to compare it with"


def test_a_backup_that_failed_is_neither_ready_nor_verified_and_says_what_the_runner_told():
    report = a_failure(Reason.AUTHENTICATION_FAILED, server_major=16)
    pod = a_pod(exit_code=3, report=report)
    job = a_job(failed="PodFailurePolicy", failed_pods=1)
    status = the_status(observed(a_running_backup(), job=job, pods=(pod,)))
    assert status.pop("conditions") == {
        "Finished": ("True", "AuthenticationFailed", "the backup has ended"),
        "Succeeded": ("False", "AuthenticationFailed", "refused. What to do: mend it"),
        "Verified": ("False", "AuthenticationFailed", "there is no backup to verify"),
        "Ready": ("False", "AuthenticationFailed", "there is no backup"),
        "Reconciling": ("False", "AuthenticationFailed", "the backup has ended"),
        "Stalled": (
            "True", "AuthenticationFailed", "a failed backup is not retried: create another backup",
        ),
    }  # fmt: skip
    assert status == {
        "phase": "Failed",
        "attempt": 1,
        "message": "refused. What to do: mend it",
        "observedGeneration": 1,
        "serverMajor": 16,
        "failure": {"reason": "AuthenticationFailed", "exitCode": 3, "message": "refused", "remedy": "mend it"},
        "completedAt": "2026-11-22T08:45:00Z",
        "durationSeconds": 5.0,
        "duration": "5s",
    }


def test_a_backup_without_a_report_ends_at_the_operators_own_time_and_keeps_what_was_known():
    pod = a_pod(exit_code=137, end_reason="OOMKilled")
    backup = a_running_backup(server_major=17, retries=2)
    job = a_job(failed="BackoffLimitExceeded", failed_pods=1)
    status = the_status(observed(backup, job=job, pods=(pod,), pods_listed=True))
    assert status["completedAt"] == "2026-11-22T08:45:00Z"
    assert status["failure"]["reason"] == "OutOfMemory"
    assert status["serverMajor"] == 17
    assert status["retries"] == 2, "a Pod that was replaced is not forgotten when it is gone"
    assert "durationSeconds" not in status
    assert "duration" not in status


def test_a_backup_under_way_is_not_known_to_be_anything_yet():
    pods = (a_pod(exit_code=1, uid="pod-1"), a_pod(phase="Running", uid="pod-2"))
    backup = a_begun_backup(attempt=2)
    status = the_status(observed(backup, job=a_job(failed_pods=1), pods=pods))
    said = "the Job is running (Job 2) (retry 1)"
    assert status.pop("conditions") == {
        "Finished": ("False", "Running", "the backup is in progress"),
        "Succeeded": ("Unknown", "Running", "not known until the backup has finished"),
        "Verified": ("Unknown", "Running", "not known until the backup has finished"),
        "Ready": ("False", "Running", "the backup is in progress"),
        "Reconciling": ("True", "Running", said),
        "Stalled": ("False", "Running", "Holdfast goes on by itself"),
    }
    assert status == {"phase": "Running", "message": said, "observedGeneration": 1, "retries": 1, "attempt": 2}


def test_what_was_found_in_the_bucket_says_so_and_keeps_the_servers_version():
    report = a_success(found=True, server_major=None)
    status = the_status(ended_well(report, server_major=14))
    assert status["message"] == "found in the bucket and verified: 82 MB"
    assert status["serverMajor"] == 14


def test_a_new_retention_moves_the_expiry_of_what_succeeded_and_gives_none_to_what_failed():
    done = decide(ended_well(a_success()), settings(), NOW).status
    assert done is not None
    assert expiry_after(done, retention_days=10) == ("2026-12-02T08:45:00Z", "2026-12-02", 2)
    failed = done.model_copy(update={"phase": Phase.FAILED, "expires_at": None, "expires": None})
    assert expiry_after(failed, retention_days=10) == (None, None, 2)


def expiry_after(status: DatabaseBackupStatus, *, retention_days: int) -> tuple[str | None, str | None, int]:
    backup = a_backup(inline=a_policy(), status=status, retention_days=retention_days, generation=2)
    written = decide(observed(backup, job=a_job(complete=True, ttl_set=True)), settings(), NOW).status
    assert written is not None
    told = written.model_dump(mode="json", by_alias=True)
    return told["expiresAt"], told["expires"], told["observedGeneration"]
