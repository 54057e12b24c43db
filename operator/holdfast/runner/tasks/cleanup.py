"""The cleanup task: removes what a killed Pod left in one backup's folder, and never a backup.

Uploads that nobody will complete are aborted. Where a manifest is, the artifact that it names stays; where there is
none, nothing in the folder is a backup. Outside the folder nothing is touched. What Object Lock retains is said, and is
no failure.
"""

from holdfast.contract.task import CleanupTask
from holdfast.naming import MANIFEST_NAME
from holdfast.runner.bucket import folder, manifests, store
from holdfast.runner.bucket.store import retained_until
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.outcome import Done


def run(task: CleanupTask, context: Context) -> Done:
    """Remove what is left over. Raises HoldfastError; ManifestConflict when the folder is another backup's."""
    prefix = task.key_prefix
    folder.require_one_backup(prefix)
    context.log.line("step", phase="cleaning")
    opened = store.connect(task.s3, context.places)
    aborted = folder.abort_uploads(opened, prefix, context)
    manifest = manifests.find(opened, prefix, task.backup_uid)
    kept = {prefix + MANIFEST_NAME, manifest.artifact.key} if manifest else set()
    objects = [key for key in opened.keys(prefix) if key not in kept and folder.holds(key, prefix)]
    retained = []
    for key in objects:
        context.stop.check()
        until = opened.delete(key)
        retained += [f"{key} is {retained_until(until)}"] if until else []
    stays = f"; the backup {manifest.backup.backup_id} is there and stays" if manifest else ""
    deleted = f"deleted {len(objects) - len(retained)} objects under {prefix}{stays}"
    return Done(message="; ".join([f"aborted {aborted} uploads and {deleted}", *retained]))
