"""The folder of one backup: what lies in it is that backup's alone, and nothing outside it is touched."""

import re

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket.store import Store
from holdfast.runner.pod.context import Context

# namespace/owner/id/, maybe below a prefix: only an id's own folder holds nothing but one backup. A prefix of an older
# version may have empty parts.
_ONE_BACKUP = re.compile(r"([^/]*/)*[^/]+/[^/]+/backup-[0-9]{8}-[0-9]{6}[^/]*/")


def abort_uploads(opened: Store, prefix: str, context: Context) -> int:
    """Abort every upload in a backup's folder, and only there; return how many there were."""
    uploads = [(key, upload_id) for key, upload_id in opened.uploads(prefix) if holds(key, prefix)]
    for key, upload_id in uploads:
        context.stop.check()
        opened.abort(key, upload_id)
    return len(uploads)


def holds(key: str, prefix: str) -> bool:
    """Whether a key is the folder's own: a backup has no folders below its own."""
    return "/" not in key.removeprefix(prefix)


def require_one_backup(prefix: str) -> None:
    """Raise InvalidTask unless the prefix is the folder of a single backup."""
    if not _ONE_BACKUP.fullmatch(prefix):
        raise HoldfastError(
            Reason.INVALID_TASK,
            f"the key prefix {prefix!r} is not the folder of a single backup",
            "nothing was removed; a folder must look like …/namespace/policy/backup-YYYYMMDD-HHMMSS…/",
        )
