"""Which backup takes the database back to before a migration, and which restore does it: worked out from the cache."""

from holdfast import clock
from holdfast.api.restore_status import Phase
from holdfast.api.restoring import RestoreMode
from holdfast.decide.migrations import MigrationJob
from holdfast.decide.rollback import Rollback, WayBack
from holdfast.reconcile.cache import Cache
from holdfast.untrusted import word


def way_back(cache: Cache, job: MigrationJob) -> WayBack | None:
    """Return the good backup that was taken for a Job; the first, where somebody has asked for another one since."""
    taken = [each for each in cache.backups_for(job) if each.policy_name == job.policy and each.completed_at]
    good = [each for each in taken if each.good and not each.deleting]
    first = min(good, key=lambda each: (each.completed_at or clock.EPOCH, each.name), default=None)
    return WayBack(first.name, first.released, any(each.rolled_back for each in taken)) if first else None


def rollback(cache: Cache, job: MigrationJob, back: WayBack | None) -> Rollback | None:
    """Return what bears the name of the Job's rollback."""
    there = cache.rollback_of(job)
    if there is None:
        return None
    phase = word(there.status.get("phase"))
    ours = there.spec.get("mode") == RestoreMode.REPLACE and (back is None or there.restores == back.name)
    return Rollback(ours, Phase(phase) if phase in list(Phase) else None)


def made(cache: Cache, job: MigrationJob | None, backup: str) -> str | None:
    """Return the name of the restore of this backup that a Job's failure has led to."""
    there = cache.rollback_of(job) if job is not None else None
    return there.name if there is not None and there.restores == backup else None
