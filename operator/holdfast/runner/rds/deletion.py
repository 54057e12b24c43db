"""The deletion of snapshots that are backups: each by its own name, and only with our tag and this backup's uid."""

from holdfast import naming
from holdfast.api.rds import RDSInstance
from holdfast.contract.snapshot import SnapshotManifest
from holdfast.contract.task import DeleteItem
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.pod.context import Context
from holdfast.runner.rds import cleanup
from holdfast.runner.rds.client import connect
from holdfast.runner.rds.snapshots import Pace, is_of, patiently, present


def require(instance: RDSInstance, manifest: SnapshotManifest, context: Context, pace: Pace) -> None:
    """Ask whether a snapshot that is to stay is there, where its manifest says. Raises BackupNotFound."""
    backup = manifest.backup
    rds = connect(instance, manifest.snapshot.region, context.places)
    present(rds, naming.snapshot_name(backup.backup_id, backup.uid), backup.uid, context, pace)


def delete(instance: RDSInstance, item: DeleteItem, context: Context, pace: Pace) -> None:
    """Delete the copy and the snapshot. Raises SnapshotNotOurs where another bears the name: it stays."""
    name, copy = naming.snapshot_name(item.backup_id, item.uid), instance.copy_to
    for region in [*([copy.region] if copy else []), instance.region]:
        rds = connect(instance, region, context.places)
        taken = patiently(context, pace, lambda rds=rds: rds.find(name))  # type: ignore[misc]
        if taken is not None and not is_of(taken, item.uid):
            raise HoldfastError(
                Reason.SNAPSHOT_NOT_OURS,
                f"the snapshot {name} in {region} has no tags that name backup {item.uid}; it was not deleted",
                "find out who changed its tags or created it, then delete it by hand if it is not needed",
            )
    cleanup.removed(instance, item.backup_id, item.uid, context, pace)
