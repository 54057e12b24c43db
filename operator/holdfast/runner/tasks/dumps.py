"""The method of a dump: it is compared with its manifest, and what no manifest names goes from its folder."""

from typing import TYPE_CHECKING

from holdfast.contract.manifest import Manifest
from holdfast.contract.report import Verification
from holdfast.contract.task import CleanupTask, DeleteItem, DeleteTask, VerifyTask
from holdfast.naming import MANIFEST_NAME
from holdfast.runner.bucket import folder, manifest_forms
from holdfast.runner.pod.context import Context

if TYPE_CHECKING:
    from holdfast.runner.bucket.store import Store


class Dumps:
    """What a dump's verification, cleanup and deletion do."""

    manifest = Manifest

    def verify(self, task: VerifyTask, opened: "Store", manifest: Manifest, context: Context) -> Verification:
        """Compare the artifact. Raises ManifestConflict where the manifest is not what the resource remembers."""
        from holdfast.runner.tasks import comparing  # late: a cleanup needs no engine

        manifest_forms.require_pinned(manifest, task.pinned, task.key_prefix)
        wanted = comparing.Wanted(task.level, task.engine, task.identity_secret, task.scratch_bytes)
        return comparing.verified(opened, manifest, wanted, context)

    def left(self, _task: VerifyTask, _context: Context) -> bool:
        """Return False: all of a dump is in its folder."""
        return False

    def require(self, _task: DeleteTask, opened: "Store", manifest: Manifest, _context: Context) -> None:
        """Look whether all that it names is there, with its size."""
        from holdfast.runner.bucket import manifests

        manifests.require_size(opened, manifest.artifact.key, manifest.artifact.size_bytes)
        if manifest.globals is not None:
            manifests.require_size(opened, manifest.globals.key, manifest.globals.size_bytes)

    def delete(self, _task: DeleteTask, _item: DeleteItem, _context: Context) -> None:
        """Do nothing: all of a dump is in its folder."""

    def clean(self, task: CleanupTask, opened: "Store", manifest: Manifest | None, context: Context) -> str:
        """Delete every object but a backup's. What Object Lock retains is said, and is no failure."""
        from holdfast.runner.bucket.store import retained_until

        prefix = task.key_prefix
        kept = {prefix + MANIFEST_NAME, *manifest.objects()} if manifest else set()
        objects = [key for key in opened.keys(prefix) if key not in kept and folder.holds(key, prefix)]
        retained = []
        for key in objects:
            context.stop.check()
            until = opened.delete(key)
            retained += [f"{key} is {retained_until(until)}"] if until else []
        stays = f"; the backup {manifest.backup.backup_id} is there and stays" if manifest else ""
        deleted = f" and deleted {len(objects) - len(retained)} objects under {prefix}{stays}"
        return "; ".join([deleted, *retained])
