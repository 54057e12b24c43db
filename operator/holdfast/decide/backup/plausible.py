"""Whether a report of success fits what was asked for: only then is it believed. Pure.

The forms of its fields are held where it is read (contract/report.py). Here they are compared with what the resource
has fixed before the Job was made: the id, the folder, the instance. Each answer is what is wrong, or None.
"""

from datetime import datetime, timedelta

from holdfast import naming
from holdfast.api.backup import VerificationRun
from holdfast.api.policy import BackupPolicySpec, VerificationLevel
from holdfast.contract.report import BackupReport, Report
from holdfast.contract.snapshot import Snapshot
from holdfast.decide.backup.observation import BackupView

CLOCKS = timedelta(hours=1)  # a store refuses requests of a clock that is wrong by a quarter of that
KINDS = ("backup", "rds-snapshot")
VERIFY_KINDS = ("verify", "rds-verify")
CLEANUP_KINDS = ("cleanup", "rds-cleanup")


def wrong_backup(report: Report, result: BackupReport, backup: BackupView, now: datetime) -> str | None:
    """Say what is wrong with the report of a backup."""
    resolved = backup.status.resolved
    assert resolved is not None
    if report.kind not in KINDS:
        return f"it is about another task, {report.kind}"
    if result.backup_id != backup.status.backup_id:
        return f"it is about another backup, {result.backup_id}"
    if max(report.completed_at, result.verified_at) > now + CLOCKS:
        return "its times are in the future"
    if resolved.database.instance is not None:
        return _wrong_snapshot(result.snapshot, resolved, backup)
    return _wrong_artifact(result, backup)


def _wrong_artifact(result: BackupReport, backup: BackupView) -> str | None:
    folder, key = (backup.status.location or "").removeprefix("s3://").partition("/")[2], result.artifact_key or ""
    name = key.removeprefix(folder)
    if not folder or not key.startswith(folder) or not name or "/../" in f"/{name}/":
        return f"its artifact is not in the backup's folder: {key}"
    if result.size_bytes is None or result.size_bytes <= 0 or result.sha256 is None:
        return "it lacks the artifact's size or checksum"
    return None


def _wrong_snapshot(snapshot: Snapshot | None, resolved: BackupPolicySpec, backup: BackupView) -> str | None:
    instance = resolved.database.instance
    assert instance is not None
    assert backup.status.backup_id is not None
    if snapshot is None:
        return "it names no snapshot"
    asked = (instance.kind.value, instance.identifier.lower(), instance.region)
    if (snapshot.kind, snapshot.source.lower(), snapshot.region) != asked:
        return f"its snapshot is of another instance: {snapshot.source} in {snapshot.region}"
    name = naming.snapshot_name(backup.status.backup_id, backup.uid)
    arns = [snapshot.arn, *([snapshot.copy_in.arn] if snapshot.copy_in else [])]
    if any(arn.rpartition(":")[2].lower() != name.lower() for arn in arns):
        return f"its snapshot has another name than {name}"
    copied = snapshot.copy_in.region if snapshot.copy_in else None
    if copied != (instance.copy_to.region if instance.copy_to else None):
        return "its snapshot's copy is not the one that was asked for"
    return None


def wrong_verification(report: Report, run: VerificationRun, now: datetime) -> str | None:
    """Say what is wrong with the report of a verification that passed."""
    found = report.verification
    if found is None or report.kind not in VERIFY_KINDS:
        return f"it is about another task, {report.kind}"
    if run.level is VerificationLevel.READBACK and found.level is not VerificationLevel.READBACK:
        return f"it was verified by {found.level or 'no level'}, and {run.level} was asked for"
    return "its times are in the future" if found.verified_at > now + CLOCKS else None
