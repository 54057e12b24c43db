"""The verify task: compares a backup that is there with its manifest, and changes nothing."""

from holdfast.contract.task import VerifyTask
from holdfast.naming import MANIFEST_NAME
from holdfast.runner import manifests, record, store, verifying
from holdfast.runner.context import Context
from holdfast.runner.outcome import Done
from holdfast.runner.verifying import Wanted


def run(task: VerifyTask, context: Context) -> Done:
    """Verify the backup. Raises HoldfastError: verification (exit 5), or what kept it from being verified."""
    context.log.line("step", phase="verifying", level=task.level)
    opened = store.connect(task.s3, context.places)
    manifest = record.find(opened, task.key_prefix, task.backup_uid)
    if manifest is None:
        raise store.not_found(opened, task.key_prefix + MANIFEST_NAME)
    manifests.require_pinned(manifest, task.pinned, task.key_prefix)
    wanted = Wanted(task.level, task.engine, task.identity_secret, task.scratch_bytes)
    return Done(verification=verifying.verified(opened, manifest, wanted, context))
