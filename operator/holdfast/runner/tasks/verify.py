"""The verify task: compares a backup that is there with its manifest, and changes nothing."""

from typing import TypeVar

from holdfast.contract.task import AnyVerification
from holdfast.errors import HoldfastError, Reason
from holdfast.naming import MANIFEST_NAME
from holdfast.runner.bucket import manifests, store
from holdfast.runner.bucket.manifest_forms import M
from holdfast.runner.method import Verifying
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.result import Result

V = TypeVar("V", bound=AnyVerification)


def run(task: V, context: Context, method: Verifying[V, M]) -> Result:
    """Verify the backup. Raises HoldfastError: verification (exit 5), or what kept it from being verified."""
    context.log.line("step", phase="verifying", level=task.level)
    opened = store.connect(task.s3, context.places)
    manifest = manifests.read(opened, task.key_prefix, task.backup_uid, method.manifest)
    if manifest is None:
        raise _absent(task, opened, context, method)
    return Result(verification=method.verify(task, opened, manifest, context))


def _absent(task: V, opened: store.Store, context: Context, method: Verifying[V, M]) -> HoldfastError:
    """Tell a backup of which nothing is left from one that lacks its manifest. Raises what kept that from being seen.

    Who deletes backups on purpose, as a lifecycle rule does, leaves nothing. Where a part is left, somebody did
    something else, and only a person can say what.
    """
    try:
        left = opened.keys(task.key_prefix) or method.left(task, context)
    except HoldfastError as error:
        if error.reason is not Reason.STORAGE_ACCESS_DENIED:
            raise
        left = True  # without the right to list, only the manifest is known to be missing
    if left:
        return store.not_found(opened, task.key_prefix + MANIFEST_NAME)
    return HoldfastError(
        Reason.BACKUP_GONE,
        f"nothing is left of the backup: bucket {opened.bucket} has neither its manifest nor anything else under "
        f"{task.key_prefix}",
        "find out who, or which lifecycle rule, deletes from the bucket; if a lifecycle rule should delete backups, "
        "set retention.mode External in the policy",
    )
