"""A migration Job that somebody else has made: what a decision about it sees, and whom to ask what to do.

It has no status of ours: what is to be remembered stands in the backup that it waits for.
"""

from datetime import datetime
from functools import partial
from typing import Any

from holdfast.api.release import Release
from holdfast.decide import gate
from holdfast.decide.decision import MakeBackup, MakeRestore
from holdfast.decide.gate import BackupBefore, Observation, Other
from holdfast.decide.migrations import MigrationJob
from holdfast.decide.rollback import Rollback, WayBack
from holdfast.kube.kinds import MIGRATION_JOBS
from holdfast.manifests import children
from holdfast.manifests import rollback as manifest
from holdfast.reconcile import restores, rollbacks
from holdfast.reconcile.backups import Backup
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known, Row, Sight, Sources


def look(sources: Sources, resource: Resource, known: Known, now: datetime) -> Sight:
    """Observe one, and ask what to do. Of the resource only its name counts: it is a Job of somebody else's."""
    job = sources.cache.migration(resource.namespace, resource.name)
    if job is None:
        raise LookupError(f"Job {resource.namespace}/{resource.name} is not in the cache")
    decision = gate.decide(observe(sources.cache, job, known), now)
    return Sight(
        job.namespace, decision, child_of=partial(_child, sources.cache, job), restore_of=partial(_restore, job)
    )


ROW = Row(MIGRATION_JOBS, look, foreign=True)


def observe(cache: Cache, job: MigrationJob, known: Known) -> Observation:
    """Read what is known of the Job, of its backup, and of the other Jobs of its policy."""
    policy, backup = cache.policy(job.namespace, job.policy), _backup(cache, job)
    begins = job.held and backup is None
    back, there = _rollback(cache, job)
    return Observation(
        job=job,
        policy=policy is not None and policy.deleted is None,
        backup=backup,
        others=_others(cache, job) if begins else (),
        restoring=restores.into_policy(cache, policy) if begins and policy else None,
        held_before=backup is None and bool(cache.backups_for(job)),
        back=back,
        rollback=there,
        refused=known.refused.get(job.rollback_name if job.failed else job.backup_name),
    )


def _others(cache: Cache, job: MigrationJob) -> tuple[Other, ...]:
    return tuple(filter(None, (_standing(cache, each) for each in cache.migrations_of(job.namespace, job.policy))))


def _standing(cache: Cache, job: MigrationJob) -> Other | None:
    return gate.standing(job, _backup(cache, job), *_rollback(cache, job))


def _rollback(cache: Cache, job: MigrationJob) -> tuple[WayBack | None, Rollback | None]:
    """Read what takes back one that has failed, and what bears the name of the restore that does."""
    if not job.failed:
        return None, None
    back = rollbacks.way_back(cache, job)
    return back, rollbacks.rollback(cache, job, back)


def _backup(cache: Cache, job: MigrationJob) -> BackupBefore | None:
    backup = cache.backup(job.namespace, job.backup_name)
    return None if backup is None else _seen(backup, job)


def _seen(backup: Backup, job: MigrationJob) -> BackupBefore:
    """Say how it stands: a good one is good only while it is there, and was taken for this very Job."""
    return BackupBefore(
        ours=(backup.migrates, backup.policy_name) == (job.uid, job.policy),
        waits=backup.waits,
        good=backup.good and not backup.deleting,
        over=backup.phase.has_ended or backup.deleting,
        failed_for=backup.failed_for,
        released=backup.released,
    )


def _child(cache: Cache, job: MigrationJob, _: MakeBackup) -> dict[str, Any]:
    policy = cache.policy(job.namespace, job.policy)
    if policy is None:
        raise LookupError(f"BackupPolicy {job.namespace}/{job.policy} is not in the cache")
    release = Release(job_name=job.name, job_uid=job.uid, images=[*job.images], revision=job.revision)
    return children.before_migration(job.namespace, job.backup_name, job.policy, policy.uid, job.name, release)


def _restore(job: MigrationJob, act: MakeRestore) -> dict[str, Any]:
    failed = manifest.Failed(job.name, job.uid, job.confirm)
    return manifest.resource(job.namespace, act.name, act.backup, job.policy, failed)
