"""The verification of a snapshot that was taken: RDS is asked whether it is still there, and what its manifest says."""

from holdfast import clock, naming
from holdfast.contract.report import CheckedBy, Verification
from holdfast.contract.snapshot import SnapshotInRegion, SnapshotManifest
from holdfast.contract.task import SnapshotVerifyTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.pod.context import Context
from holdfast.runner.rds.client import Taken, connect
from holdfast.runner.rds.snapshots import Pace, is_of, patiently, present, what_rds_says
from holdfast.runner.rds.task import UNREADABLE


def verified(task: SnapshotVerifyTask, manifest: SnapshotManifest, context: Context, pace: Pace) -> Verification:
    """Ask. Raises BackupNotFound, ContentMismatch, or what kept it from being asked."""
    said = manifest.snapshot
    taken = _seen(task, said, context, pace)
    copied = _seen(task, said.copy_in, context, pace) if said.copy_in else None
    if taken.encrypted != said.encrypted:
        raise _differs(taken.arn, f"is {'' if taken.encrypted else 'not '}encrypted, but its manifest says otherwise")
    return Verification(
        checked_by=CheckedBy.RDS,
        compared=["arn", "state", "encryption"],
        integrity_check=what_rds_says(taken, copied),
        file_readable=UNREADABLE,
        verified_at=clock.now(),
    )


def is_left(task: SnapshotVerifyTask, context: Context, pace: Pace) -> bool:
    """Ask, without a manifest, whether a snapshot of this backup is where it was to be taken or copied to."""
    instance = task.instance
    regions = (instance.region, *([instance.copy_to.region] if instance.copy_to else []))
    return any(_is_in(region, task, context, pace) for region in regions)


def _is_in(region: str, task: SnapshotVerifyTask, context: Context, pace: Pace) -> bool:
    rds, name = connect(task.instance, region, context.places), naming.snapshot_name(task.backup_id, task.backup_uid)
    taken = patiently(context, pace, lambda: rds.find(name))
    return taken is not None and is_of(taken, task.backup_uid)


def _seen(task: SnapshotVerifyTask, said: SnapshotInRegion, context: Context, pace: Pace) -> Taken:
    """Ask about one snapshot, where the manifest says that it lies."""
    rds = connect(task.instance, said.region, context.places)
    taken = present(rds, naming.snapshot_name(task.backup_id, task.backup_uid), task.backup_uid, context, pace)
    if taken.arn != said.arn:
        raise _differs(said.arn, f"is in the manifest, but RDS has {taken.arn}")
    return taken


def _differs(arn: str, what: str) -> HoldfastError:
    return HoldfastError(
        Reason.CONTENT_MISMATCH,
        f"snapshot {arn} {what}",
        "find out in CloudTrail, and in the bucket's access log, who changed what; then create another backup",
    )
