"""The cleanup after a snapshot whose Pod was killed: removes it where no manifest says that it is a backup.

RDS deletes no snapshot before it is available, so this may wait as long as taking it would have. It deletes nothing
that does not carry our tag with this backup's uid.
"""

from holdfast import naming
from holdfast.api.rds import RDSInstance
from holdfast.contract.snapshot import SnapshotManifest
from holdfast.contract.task import SnapshotCleanupTask
from holdfast.runner.pod.context import Context
from holdfast.runner.rds.client import Rds, connect
from holdfast.runner.rds.snapshots import Pace, patiently, remove


def cleaned(task: SnapshotCleanupTask, manifest: SnapshotManifest | None, context: Context, pace: Pace) -> str:
    """Remove the snapshot in each region where no manifest makes it a backup; go on with the sentence."""
    if manifest is not None:
        return f" under {task.key_prefix}; the backup {manifest.backup.backup_id} is there and stays"
    done = removed(task.instance, task.backup_id, task.backup_uid, context, pace)
    return f" under {task.key_prefix}; {'; '.join(done)}"


def removed(instance: RDSInstance, backup_id: str, uid: str, context: Context, pace: Pace) -> list[str]:
    """Remove a backup's snapshot in each region where it may be; say for each what was done."""
    name, copy = naming.snapshot_name(backup_id, uid), instance.copy_to
    # the copy first: RDS may fail a copy whose source is deleted
    regions = [*([copy.region] if copy else []), instance.region]
    return [_removed(connect(instance, region, context.places), name, uid, context, pace) for region in regions]


def _removed(rds: Rds, name: str, uid: str, context: Context, pace: Pace) -> str:
    """Remove the snapshot in one region, waiting until RDS lets it go; say what was done."""
    while True:
        done = patiently(context, pace, lambda: remove(rds, name, uid))
        if done is None:
            return f"{rds.region} has no snapshot of this backup"
        if done:
            return f"deleted snapshot {name} in {rds.region}"
        context.log.line("waiting", snapshot=name, region=rds.region, reason="RDS deletes it once it is available")
        context.stop.wait(pace.next())
