"""The verify task: compares a backup that is there with its manifest, and changes nothing."""

from holdfast.contract.task import VerifyTask
from holdfast.naming import MANIFEST_NAME
from holdfast.runner.bucket import manifest_forms, manifests, store
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.outcome import Done
from holdfast.runner.tasks import comparing
from holdfast.runner.tasks.comparing import Wanted


def run(task: VerifyTask, context: Context) -> Done:
    """Verify the backup. Raises HoldfastError: verification (exit 5), or what kept it from being verified."""
    context.log.line("step", phase="verifying", level=task.level)
    opened = store.connect(task.s3, context.places)
    manifest = manifests.find(opened, task.key_prefix, task.backup_uid)
    if manifest is None:
        raise store.not_found(opened, task.key_prefix + MANIFEST_NAME)
    manifest_forms.require_pinned(manifest, task.pinned, task.key_prefix)
    wanted = Wanted(task.level, task.engine, task.identity_secret, task.scratch_bytes)
    return Done(verification=comparing.verified(opened, manifest, wanted, context))
