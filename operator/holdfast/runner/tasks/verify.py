"""The verify task: compares a backup that is there with its manifest, and changes nothing."""

from typing import TypeVar

from holdfast.contract.task import AnyVerification
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
        raise store.not_found(opened, task.key_prefix + MANIFEST_NAME)
    return Result(verification=method.verify(task, opened, manifest, context))
