"""The Job of each role of a backup: the task and the image that fit what the status has fixed, put into a manifest."""

from collections.abc import Callable, Mapping
from typing import Any

from holdfast import naming
from holdfast.api.begun import Begun, there
from holdfast.decide import claims
from holdfast.decide.backup.observation import BACKUP, CLEANUP, DELETION, VERIFY, BackupView, Observation
from holdfast.decide.images import other_majors
from holdfast.decide.resolve import image_of
from holdfast.manifests import jobs, methods, tasks
from holdfast.settings import Settings


def owner(backup: BackupView) -> jobs.Owner:
    """Return whom the Jobs belong to."""
    reference = backup.spec.policy_ref
    policy = reference.name if reference else None
    return jobs.Owner(naming.BACKUP_KIND, backup.namespace, backup.name, backup.uid, policy)


def runner(begun: Begun, settings: Settings) -> jobs.Runner:
    """Return the image that fits the backup's server, and how it is run. Raises HoldfastError(ImageNotSet)."""
    _, image = image_of(begun.resolved, settings, begun.status.server_major)
    return jobs.Runner(image, settings.image_pull_policy, settings.proxy, settings.own_user)


def _backup_job(o: Observation, settings: Settings) -> dict[str, Any]:
    begun = o.backup.begun
    # Only the first Job leaves a server to a better image: whatever the next one meets, it does what it can.
    engine = begun.resolved.database.engine if begun.attempt == 1 else None
    others = other_majors(engine, settings, begun.status.server_major) if engine else []
    work = methods.of(owner(o.backup), begun).backup(o.backup.spec, others, o.first_known)
    image, node = runner(begun, settings), claims.node(o.claim)
    return jobs.backup_job(begun.job_name, owner(o.backup), begun.attempt, work, begun.resolved, image, node)


def _cleanup_job(o: Observation, settings: Settings) -> dict[str, Any]:
    begun = o.backup.begun
    name, work = there(begun.status.cleanup, "cleanup").job_name, methods.of(owner(o.backup), begun).cleanup()
    return jobs.cleanup_job(name, owner(o.backup), work, begun.resolved.job, runner(begun, settings))


def _verify_job(o: Observation, settings: Settings) -> dict[str, Any]:
    begun = o.backup.begun
    run = there(begun.status.verification_run, "verificationRun")
    name = there(run.job_name, "verificationRun.jobName")
    work = methods.of(owner(o.backup), begun).verification(run.level)
    return jobs.verify_job(name, run.number, owner(o.backup), work, begun.resolved, runner(begun, settings))


def _deletion_job(o: Observation, settings: Settings) -> dict[str, Any]:
    """Build the Job that deletes what somebody has deleted the resource of: it outlives that, so nothing owns it."""
    begun, whose = o.backup.begun, owner(o.backup)
    told = there(begun.status.deletion, "deletion")
    name, number = there(told.job_name, "deletion.jobName"), there(told.attempt, "deletion.attempt")
    work = methods.of(whose, begun).deletion([tasks.deletion_item(whose, begun, o.backup.deleted)], [])
    maker = there(o.maker, "maker")
    return jobs.deletion_job(name, whose, maker, number, work, begun.resolved.job, runner(begun, settings))


Builder = Callable[[Observation, Settings], dict[str, Any]]
BUILDERS: Mapping[str, Builder] = {
    BACKUP: _backup_job,
    CLEANUP: _cleanup_job,
    VERIFY: _verify_job,
    DELETION: _deletion_job,
}
"""What makes the Job of a role. Raises HoldfastError(ImageNotSet)."""
