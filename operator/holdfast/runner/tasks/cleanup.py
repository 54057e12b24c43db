"""The cleanup task: removes what a killed Pod left of one backup, and never a backup.

Uploads that nobody will complete are aborted. What else goes, the method knows; where a manifest is, what it names
stays. Outside the folder nothing is touched, nor with AWS what does not carry our tag.
"""

from typing import TypeVar

from holdfast.contract.task import AnyCleanup
from holdfast.runner.bucket import folder, manifests, store
from holdfast.runner.bucket.manifest_forms import M
from holdfast.runner.method import Cleaning
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.result import Result

C = TypeVar("C", bound=AnyCleanup)


def run(task: C, context: Context, method: Cleaning[C, M]) -> Result:
    """Remove what is left over. Raises HoldfastError; ManifestConflict when the folder is another backup's."""
    folder.require_one_backup(task.key_prefix)
    context.log.line("step", phase="cleaning")
    opened = store.connect(task.s3, context.places)
    aborted = folder.abort_uploads(opened, task.key_prefix, context)
    manifest = manifests.read(opened, task.key_prefix, task.backup_uid, method.manifest)
    message = f"aborted {aborted} uploads{method.clean(task, opened, manifest, context)}"
    return Result(message=message, backup_there=manifest is not None or None)
