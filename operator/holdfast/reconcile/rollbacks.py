"""Which backup takes the database back to before a migration, and which restore does it: worked out from the cache."""

from holdfast.api.restore_status import Phase
from holdfast.api.restoring import RestoreMode
from holdfast.decide.migrations import MigrationJob
from holdfast.decide.rollback import Rollback, WayBack
from holdfast.reconcile.cache import Cache
from holdfast.untrusted import word


def way_back(cache: Cache, job: MigrationJob) -> WayBack | None:
    """Return the good backup that was taken for a Job; the first, where somebody has asked for another one since."""
    taken = [each for each in cache.backups_for(job) if each.policy_name == job.policy]
    good = [
        (each.completed_at, each.name, each) for each in taken if each.good and not each.deleting and each.completed_at
    ]
    if not good:
        return None
    _, name, first = min(good)
    return WayBack(name, first.released, any(each.rolled_back for each in taken))


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
