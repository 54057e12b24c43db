"""The Job of each role: the task and the image that fit what the status has fixed, put into a manifest."""

from collections.abc import Callable, Mapping
from typing import Any

from holdfast import naming
from holdfast.api.backup import DatabaseBackupStatus
from holdfast.decide.backup import claims
from holdfast.decide.backup.observation import BACKUP, CLEANUP, VERIFY, BackupView, Observation
from holdfast.decide.images import other_majors
from holdfast.decide.resolve import image_of
from holdfast.manifests import jobs, methods, tasks
from holdfast.settings import Settings


def owner(backup: BackupView) -> jobs.Owner:
    """Return whom the Jobs belong to."""
    reference = backup.spec.policy_ref
    policy = reference.name if reference else None
    return jobs.Owner(naming.BACKUP_KIND, backup.namespace, backup.name, backup.uid, policy)


def runner(status: DatabaseBackupStatus, settings: Settings) -> jobs.Runner:
    """Return the image that fits the backup's server, and how it is run. Raises HoldfastError(ImageNotSet)."""
    _, image = image_of(tasks.resolved_of(status), settings, status.server_major)
    return jobs.Runner(image, settings.image_pull_policy, settings.proxy, settings.own_user)


def _backup_job(o: Observation, settings: Settings) -> dict[str, Any]:
    status = o.backup.status
    assert status.job_name is not None
    resolved, attempt = tasks.resolved_of(status), status.attempt or 1
    # Only the first Job leaves a server to a better image: whatever the next one meets, it does what it can.
    engine = resolved.database.engine if attempt == 1 else None
    others = other_majors(engine, settings, status.server_major) if engine else []
    work = methods.of(owner(o.backup), status).backup(o.backup.spec, others, o.first_known)
    image, node = runner(status, settings), claims.node(o.claim)
    return jobs.backup_job(status.job_name, owner(o.backup), attempt, work, resolved, image, node)


def _cleanup_job(o: Observation, settings: Settings) -> dict[str, Any]:
    status = o.backup.status
    assert status.cleanup is not None
    template, work = tasks.resolved_of(status).job, methods.of(owner(o.backup), status).cleanup()
    return jobs.cleanup_job(status.cleanup.job_name, owner(o.backup), work, template, runner(status, settings))


def _verify_job(o: Observation, settings: Settings) -> dict[str, Any]:
    status = o.backup.status
    run = status.verification_run
    assert run is not None
    resolved, work = tasks.resolved_of(status), methods.of(owner(o.backup), status).verification(run.level)
    return jobs.verify_job(run, owner(o.backup), work, resolved, runner(status, settings))


Builder = Callable[[Observation, Settings], dict[str, Any]]
BUILDERS: Mapping[str, Builder] = {BACKUP: _backup_job, CLEANUP: _cleanup_job, VERIFY: _verify_job}
"""What makes the Job of a role. Raises HoldfastError(ImageNotSet)."""
