"""What a Job reports, in the words of a status: the one place that turns the contract's models into the resource's.

Pure. The two look alike today, and change for different reasons: a report is read from a Pod of this release or the one
before, a status is what the CRD promises.
"""

from holdfast.api import backup
from holdfast.contract.report import BackupReport, Verification


def snapshot(result: BackupReport) -> backup.Snapshot | None:
    """Return the snapshot that was taken, if one was."""
    found = result.snapshot
    return None if found is None else backup.Snapshot.model_validate(found.to_dict())


def migrations(result: BackupReport) -> backup.Migrations | None:
    """Return how far migrations had come, where that is known."""
    found = result.migrations
    return None if found is None else backup.Migrations.model_validate(found.to_dict())


def needs(result: BackupReport) -> list[str] | None:
    """Return what a restore needs that the dump does not hold, where there is such."""
    return list(result.needs) or None


def globals_of(result: BackupReport) -> backup.BackupGlobals | None:
    """Return what stands beside the artifact, if anything."""
    found = result.globals
    return None if found is None else backup.BackupGlobals.model_validate(found.to_dict())


def verified(result: BackupReport) -> backup.Verification:
    """Return how a backup was seen to be whole, as the report of the backup says."""
    return backup.Verification(
        integrity_check=result.integrity_check,
        file_readable=result.file_readable,
        verified_at=result.verified_at,
        level=result.level,
        checked_by=result.checked_by and backup.CheckedBy(result.checked_by),
        compared=result.compared,
    )


def verification(found: Verification) -> backup.Verification:
    """Return how a backup was verified again."""
    return backup.Verification.model_validate(found.to_dict())
