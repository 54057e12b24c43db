"""Which snapshot a restore is of, before anything is made: what the manifest says, held to what else is known.

A manifest lies where others may write. The resource's status knows the snapshot's ARN, and wins. Where there is no
resource, RDS itself is asked: the snapshot's tags must name the very folder that the restore names, so that whoever
writes to a bucket cannot have another backup's snapshot restored. Engine and version are RDS's word, too.
"""

from holdfast import naming
from holdfast.contract.snapshot import Snapshot, SnapshotInRegion, SnapshotManifest
from holdfast.contract.task import SnapshotRestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket import manifests, store
from holdfast.runner.bucket.environments import require_masked
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.text import one_line
from holdfast.runner.rds.client import Taken, connect
from holdfast.runner.rds.snapshots import Pace, present

_TYPES = {"instance": "snapshot", "cluster": "cluster-snapshot"}  # as an ARN has them
_WHO_WRITES = "find out who else writes to this bucket; nothing was restored"
_ANOTHER = "create another DatabaseRestore"


def read(task: SnapshotRestoreTask, context: Context) -> tuple[SnapshotManifest, SnapshotInRegion]:
    """Read the manifest, which must be of this backup; return the snapshot that it has in the task's region too.

    Raises ManifestConflict, WrongTarget, MaskingMissing, BackupNotFound.
    """
    opened = store.connect(task.s3, context.places)
    manifest = manifests.read(opened, task.key_prefix, task.backup_uid, SnapshotManifest)
    if manifest is None:
        raise store.not_found(opened, task.key_prefix + naming.MANIFEST_NAME)
    said, kind = manifest.snapshot, task.instance.kind.value
    if manifest.backup.backup_id != task.key_prefix.rstrip("/").rpartition("/")[2]:
        named = one_line(manifest.backup.backup_id, 100)
        raise _conflict(f"the manifest in {task.key_prefix} is that of {named}", _WHO_WRITES)
    if task.snapshot_arn is None:
        _require_fit(task, said)
    lies = next((each for each in _places(said) if each.region == task.instance.region), None)
    if said.kind != kind or lies is None or lies.arn != (task.snapshot_arn or lies.arn):
        named = f"the {said.kind} snapshot {lies.arn if lies else said.arn}"
        raise _conflict(f"the manifest names {named}, and the DatabaseBackup {task.snapshot_arn}", _WHO_WRITES)
    _, _, _, region, _, what, name = lies.arn.split(":")  # of a word that an ARN is
    expected = naming.snapshot_name(manifest.backup.backup_id, manifest.backup.uid)
    if (region, what, name.lower()) != (lies.region, _TYPES[kind], expected.lower()):
        raise _conflict(f"the manifest names {lies.arn}, which is no {kind} snapshot of this backup", _WHO_WRITES)
    require_masked(task.never_unmasked_of, manifest.backup.environment)
    return manifest, lies


def taken(
    task: SnapshotRestoreTask, manifest: SnapshotManifest, lies: SnapshotInRegion, context: Context, pace: Pace
) -> Taken:
    """Ask RDS for the snapshot, by its name, which finds none of another account.

    Raises BackupNotFound, and ManifestConflict where RDS says something else of it than the manifest.
    """
    rds = connect(task.instance, lies.region, context.places, restores=True)
    name = lies.arn.rpartition(":")[2]
    found = present(rds, name, manifest.backup.uid, context, pace, then="restore another backup")
    if found.arn.lower() != lies.arn.lower() or found.engine != manifest.snapshot.engine:
        raise _conflict(
            f"the manifest names {lies.arn} of {manifest.snapshot.engine}, and RDS has {found.arn} of {found.engine}",
            _WHO_WRITES,
        )
    if task.snapshot_arn is None:
        _require_of_folder(task.key_prefix, found)
    return found


def _places(said: Snapshot) -> list[SnapshotInRegion]:
    return [said, *([said.copy_in] if said.copy_in else [])]


def _require_fit(task: SnapshotRestoreTask, said: Snapshot) -> None:
    """Raise WrongTarget where the restore was written for a snapshot of another kind or region."""
    kind, region = task.instance.kind.value, task.instance.region
    if said.kind != kind:
        raise HoldfastError(
            Reason.WRONG_TARGET,
            f"the snapshot in the folder is of a {said.kind}, and target.rds.kind is {kind}",
            f"set target.rds.kind to {said.kind}, and {_ANOTHER}",
        )
    regions = [each.region for each in _places(said)]
    if region not in regions:
        raise HoldfastError(
            Reason.WRONG_TARGET,
            f"the snapshot in the folder is in {' and '.join(regions)}, and target.rds.region is {region}",
            f"set target.rds.region to {' or '.join(regions)}, with a subnet group and security groups of that region, "
            f"and {_ANOTHER}",
        )


def _require_of_folder(key_prefix: str, found: Taken) -> None:
    """Raise ManifestConflict unless the folder's name ends as the snapshot's tags say."""
    tags = found.tags
    namespace, identifier = tags.get(naming.TAG_NAMESPACE), tags.get(naming.TAG_BACKUP_ID)
    owner = tags.get(naming.TAG_POLICY) or tags.get(naming.TAG_BACKUP)
    if namespace and owner and identifier:
        whose = naming.key_prefix(None, namespace, owner, identifier)
        if f"/{key_prefix}".endswith(f"/{whose}"):
            return
    said = one_line("/".join(each or "-" for each in (namespace, owner, identifier)), 300)
    raise _conflict(
        f"snapshot {found.arn} is of {said}, as its tags say, and the folder is {key_prefix}",
        f"{_WHO_WRITES}. If somebody moved the folder, copy it back to one whose name ends in {said}, and {_ANOTHER}",
    )


def _conflict(what: str, remedy: str) -> HoldfastError:
    return HoldfastError(Reason.MANIFEST_CONFLICT, what, remedy)
