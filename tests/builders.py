"""Builders of what tests are about: `a_backup(phase="Running")`, `a_pod(exit_code=3)`. Times are given as ages.

Everything has a sensible value; a test names only what its promise is about.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus, Phase
from holdfast.api.begun import Begun
from holdfast.api.policy import BackupPolicySpec
from holdfast.contract.report import BackupReport, FailureReport, Report
from holdfast.contract.task import BackupTask
from holdfast.decide.backup.observation import BACKUP, CLEANUP, FORMER, VERIFY, BackupView, Observation
from holdfast.decide.backup.steps import decide
from holdfast.decide.containers import InitContainer
from holdfast.decide.seen import Asked, Seen
from holdfast.decide.views import JobView, OwnerRef, PodView, Terminated
from holdfast.errors import EXIT_CODES, Reason
from holdfast.settings import Settings

NOW = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)
UID = "0f6bd1c4-5a0e-4a8a-9a5e-6d1f5a0c7b11"
BACKUP_REF = OwnerRef("DatabaseBackup", UID)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def settings(**changes: Any) -> Settings:
    base = {
        "images": {
            "postgres-17": "holdfast-runner-postgres:17",
            "sqlite-3": "holdfast-runner-sqlite:3",
            "aws": "holdfast-runner-aws:1",
        },
        "defaults": {"storage": {"s3": {"bucket": "backups"}}},
    }
    return Settings.model_validate(base | changes)


def policy_dict(**changes: Any) -> dict[str, Any]:
    base = {
        "environment": "production",
        "database": {
            "engine": "postgresql",
            "name": "orders",
            "connection": {"host": "orders-db", "secretName": "orders-db"},
        },
        "storage": {"s3": {"bucket": "backups", "prefix": "eu-1"}},
    }
    return base | changes


def a_sqlite_policy(**changes: Any) -> BackupPolicySpec:
    volume = {"claimName": "app-data", "path": "data/app.db", "runAsUser": 472, "runAsGroup": 0}
    return a_policy(database={"engine": "sqlite", "name": "app", "volume": volume}, **changes)


def an_rds_policy(**instance: Any) -> BackupPolicySpec:
    found = {"identifier": "orders", "region": "eu-central-1"} | instance
    return BackupPolicySpec.model_validate(policy_dict(method="aws-rds", database={"instance": found}))


def a_policy(**changes: Any) -> BackupPolicySpec:
    return BackupPolicySpec.model_validate(policy_dict(**changes))


def a_backup(
    *, label: str | None = None, inline: BackupPolicySpec | None = None, retention_days: int | None = None,
    status: DatabaseBackupStatus | None = None, deleting: bool = False, uid: str = UID, generation: int = 1,
) -> BackupView:  # fmt: skip
    spec: dict[str, Any] = {"policy": inline.to_dict()} if inline else {"policyRef": {"name": "orders"}}
    spec |= {"label": label} if label else {}
    spec |= {"retentionDays": retention_days} if retention_days else {}
    return BackupView(
        namespace="shop",
        name="orders-1",
        uid=uid,
        generation=generation,
        created=ago(60),
        deleting=deleting,
        spec=DatabaseBackupSpec.model_validate(spec),
        status=status or DatabaseBackupStatus(),
    )


def a_begun_backup(*, age: float = 30, **changes: Any) -> BackupView:
    """A backup whose id is fixed, as the decision itself fixes it."""
    backup = a_backup(**{key: changes.pop(key) for key in ("label", "retention_days", "inline") if key in changes})
    begun = decide(Observation(backup, policy=a_policy()), settings(), ago(age)).status
    assert begun is not None
    return BackupView(**{**backup.__dict__, "status": begun.model_copy(update=changes)})


def as_begun(status: DatabaseBackupStatus) -> Begun:
    """A status that something is fixed in, as the builders of Jobs see it."""
    return Begun.of(UID, ago(60), status)


def observed(
    backup: BackupView, *, job: JobView | None = None, pods: Sequence[PodView] = (), former_job: JobView | None = None,
    cleanup_job: JobView | None = None, cleanup_pods: Sequence[PodView] = (), verify_job: JobView | None = None,
    verify_pods: Sequence[PodView] = (), refusal: str | None = None, refused_at: datetime | None = None,
    pods_listed: bool = False, refusals_read: datetime | None = None, **seen: Any,
) -> Observation:  # fmt: skip
    """What a decision sees of a backup and of its Jobs; a refusal is of the Job that is under way."""
    verifying = backup.status.phase is Phase.VERIFYING
    told, none = {"refusal": refusal, "refused_at": refused_at}, {"refusal": None, "refused_at": None}
    return Observation(
        backup,
        works={
            BACKUP: Seen(backup.status.job_name, job, tuple(pods), **(none if verifying else told)),
            FORMER: Seen(None, former_job),
            CLEANUP: Seen(None, cleanup_job, tuple(cleanup_pods), **(told if cleaning(backup) else none)),
            VERIFY: Seen(None, verify_job, tuple(verify_pods), **(told if verifying else none)),
        },
        asked=Asked(pods_listed, refusals_read),
        **seen,
    )


def cleaning(backup: BackupView) -> bool:
    status = backup.status
    return bool(status.phase and status.phase.is_final and status.cleanup)


def a_job(
    *, age: float = 20, failed_pods: int = 0, complete: bool = False, failed: str | None = None, message: str = "",
    owner: str | None = UID, ttl_set: bool = False, deleting: bool = False, name: str = "orders-1-backup-x",
    uid: str = "job-1", kind: str = "DatabaseBackup",
) -> JobView:  # fmt: skip
    """A Job of the backup, or of another owner."""
    ref = OwnerRef(kind, owner) if owner else None
    return JobView(
        namespace="shop", name=name, uid=uid, resource_version="1", labelled=ref, controller=ref, created=ago(age),
        deleting=deleting, failed_pods=failed_pods, complete=complete, failed_reason=failed,
        failed_message=message, ttl_set=ttl_set,
    )  # fmt: skip


def a_pod(
    *, phase: str = "Pending", age: float = 10, exit_code: int | None = None, end_reason: str = "Error",
    report: Report | None = None, message: str = "", reason: str = "", disrupted: str | None = None,
    unschedulable: str | None = None, waiting: str = "", waiting_message: str = "", uid: str = "pod-1",
    job: str | None = "job-1", ended: float | None = 1, deleting: bool = False, held_up_by: InitContainer | None = None,
) -> PodView:  # fmt: skip
    """A Pod of that Job; with an exit code, of a runner that ended `ended` seconds ago (and phase: beside another)."""
    said = report.to_bytes().decode() if report else message
    at = None if ended is None else ago(ended)
    end = Terminated(exit_code, end_reason, said, at) if exit_code is not None else None
    if end and phase == "Pending":
        phase = "Succeeded" if exit_code == 0 else "Failed"
    return PodView(
        namespace="shop", name=f"orders-1-{uid}", uid=uid, resource_version="1", labelled=BACKUP_REF,
        job_name="orders-1-backup-x", controller=job, created=ago(age), deleting=deleting, phase=phase, reason=reason,
        message=message,
        disrupted=disrupted, unschedulable=unschedulable, waiting_reason=waiting, waiting_message=waiting_message,
        started=phase in ("Running", "Succeeded") or end is not None, terminated=end, held_up_by=held_up_by,
    )  # fmt: skip


def a_success(
    *, size: int = 82_000_000, found: bool = False, took: float = 12.3, server_major: int | None = 17,
    tables: int | None = 8, rows: int | None = 3_000_000, task: BackupTask | None = None, **changes: Any,
) -> Report:  # fmt: skip
    """The report of the backup that `a_begun_backup` begins, or of that task."""
    identifier = task.backup.backup_id if task else "backup-20261122-084430"
    folder = task.key_prefix if task else f"eu-1/shop/orders/{identifier}/"
    return Report(
        kind="backup", outcome="Succeeded", started_at=ago(took), completed_at=NOW, duration_seconds=took,
        backup=BackupReport(
            backup_id=identifier, artifact_key=f"{folder}pod-1.sql.gz", size_bytes=size,
            uncompressed_bytes=size * 4, database_size_bytes=250_000_000, sha256="a" * 64, tool_version="pg_dump 17.6",
            server_version="PostgreSQL 17.6", server_major=server_major, integrity_check="passed",
            file_readable="end mark seen", verified_at=NOW, found=found, tables=tables, rows=rows,
            schema_sha256="b" * 64,
        ).model_copy(update=changes),
    )  # fmt: skip


def a_failure(
    reason: Reason = Reason.AUTHENTICATION_FAILED, *, clean: bool = True, message: str = "refused",
    server_major: int | None = None,
) -> Report:  # fmt: skip
    return Report(
        kind="backup", outcome="Failed", started_at=ago(5), completed_at=NOW, duration_seconds=5, clean=clean,
        failure=FailureReport(reason=reason, exit_code=EXIT_CODES[reason], message=message, remedy="mend it",
                              server_major=server_major),
    )  # fmt: skip
