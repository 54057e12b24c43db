"""The method of a snapshot: AWS is asked about it, and one without a manifest goes."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.contract.report import Verification
from holdfast.contract.snapshot import SnapshotManifest
from holdfast.contract.task import DeleteItem, SnapshotCleanupTask, SnapshotDeleteTask, SnapshotVerifyTask
from holdfast.runner.pod.context import Context
from holdfast.runner.rds.snapshots import Pace

if TYPE_CHECKING:
    from holdfast.runner.bucket.store import Store


@dataclass(frozen=True)
class Snapshots:
    """What a snapshot's verification, cleanup and deletion do, as patiently as `pace` says."""

    pace: Pace = field(default_factory=Pace)
    manifest = SnapshotManifest

    def verify(
        self, task: SnapshotVerifyTask, _opened: "Store", manifest: SnapshotManifest, context: Context
    ) -> Verification:
        """Ask RDS whether the snapshot is there, and what its manifest says."""
        from holdfast.runner.rds import verify  # late: a cleanup takes no snapshot

        return verify.verified(task, manifest, context, self.pace)

    def left(self, task: SnapshotVerifyTask, context: Context) -> bool:
        """Ask RDS whether the snapshot or its copy is there."""
        from holdfast.runner.rds import verify

        return verify.is_left(task, context, self.pace)

    def require(self, task: SnapshotDeleteTask, _opened: "Store", manifest: SnapshotManifest, context: Context) -> None:
        """Ask RDS whether the snapshot is there."""
        from holdfast.runner.rds import deletion

        deletion.require(task.instance, manifest, context, self.pace)

    def delete(self, task: SnapshotDeleteTask, item: DeleteItem, context: Context) -> None:
        """Delete the snapshot and its copy, where they carry our tag with this backup's uid."""
        from holdfast.runner.rds import deletion

        deletion.delete(task.instance, item, context, self.pace)

    def clean(
        self, task: SnapshotCleanupTask, _opened: "Store", manifest: SnapshotManifest | None, context: Context
    ) -> str:
        """Remove the snapshot and its copy, unless they are a backup."""
        from holdfast.runner.rds import cleanup

        return cleanup.cleaned(task, manifest, context, self.pace)
