"""The cleanup task: removes what a killed Pod left in one backup's folder, and never a backup.

Uploads that nobody will complete are aborted. Where a manifest is, the artifact that it names stays; where there is
none, nothing in the folder is a backup. Outside the folder nothing is touched. What Object Lock retains is said, and is
no failure.
"""

import re

from holdfast.contract.task import CleanupTask
from holdfast.errors import HoldfastError, Reason
from holdfast.naming import MANIFEST_NAME
from holdfast.runner.bucket import manifests, store
from holdfast.runner.bucket.store import retained_until
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.outcome import Done

# namespace/owner/id/, maybe below a prefix: only an id's own folder holds nothing but one backup. A prefix of an older
# version may have empty parts.
_ONE_BACKUP = re.compile(r"([^/]*/)*[^/]+/[^/]+/backup-[0-9]{8}-[0-9]{6}[^/]*/")


def run(task: CleanupTask, context: Context) -> Done:
    """Remove what is left over. Raises HoldfastError; ManifestConflict when the folder is another backup's."""
    prefix = task.key_prefix
    require_one_backup(prefix)
    context.log.line("step", phase="cleaning")
    opened = store.connect(task.s3, context.places)
    aborted = abort_uploads(opened, prefix, context)
    manifest = manifests.find(opened, prefix, task.backup_uid)
    kept = {prefix + MANIFEST_NAME, manifest.artifact.key} if manifest else set()
    objects = [key for key in opened.keys(prefix) if key not in kept and _in_folder(key, prefix)]
    retained = []
    for key in objects:
        context.stop.check()
        until = opened.delete(key)
        retained += [f"{key} is {retained_until(until)}"] if until else []
    stays = f"; the backup {manifest.backup.backup_id} is there and stays" if manifest else ""
    deleted = f"deleted {len(objects) - len(retained)} objects under {prefix}{stays}"
    return Done(message="; ".join([f"aborted {aborted} uploads and {deleted}", *retained]))


def abort_uploads(opened: store.Store, prefix: str, context: Context) -> int:
    """Abort every upload in a backup's folder, and only there; return how many there were."""
    uploads = [(key, upload_id) for key, upload_id in opened.uploads(prefix) if _in_folder(key, prefix)]
    for key, upload_id in uploads:
        context.stop.check()
        opened.abort(key, upload_id)
    return len(uploads)


def _in_folder(key: str, prefix: str) -> bool:
    """Whether a key is the folder's own: a backup has no folders below its own."""
    return "/" not in key.removeprefix(prefix)


def require_one_backup(prefix: str) -> None:
    """Raise InvalidTask unless the prefix is the folder of a single backup."""
    if not _ONE_BACKUP.fullmatch(prefix):
        raise HoldfastError(
            Reason.INVALID_TASK,
            f"the key prefix {prefix!r} is not the folder of one backup",
            "nothing was removed; it must be …/namespace/policy/backup-YYYYMMDD-HHMMSS…/",
        )
