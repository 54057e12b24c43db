"""What to do about a migration Job that has failed and asks for a rollback: have its backup restored, once. Pure.

That the restore was made stands in the status of the backup: one that somebody deletes is not made again, for by then
there may be rows in the database that nobody wants to lose.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast import naming
from holdfast.api.restore_status import Phase
from holdfast.decide.decision import Do, MakeRestore, Rest
from holdfast.decide.migrations import MigrationJob
from holdfast.decide.telling import tell
from holdfast.sentences import EVENT_BYTES, cut

AGAIN = timedelta(seconds=60)  # until the API server is asked again for what it has refused


@dataclass(frozen=True)
class WayBack:
    """The backup that takes the database back to before a Job: a good one that was taken for it."""

    name: str
    released: bool  # its status says that the Job was released
    made: bool  # its status says that a restore was made


@dataclass(frozen=True)
class Rollback:
    """The restore that bears the name of a Job's rollback."""

    ours: bool  # it restores this Job's backup in its place
    phase: Phase | None = None


def is_due(job: MigrationJob, back: WayBack | None, there: Rollback | None) -> bool:
    """Whether a restore is to be made for this Job: it ran, failed, and asks for it."""
    return _wanted(job, back) and back is not None and not back.made and there is None


def _wanted(job: MigrationJob, back: WayBack | None) -> bool:
    ran = not job.suspended or (back is not None and back.released)
    return job.failed and job.rolls_back and not job.deleting and ran


def decide(
    job: MigrationJob, back: WayBack | None, there: Rollback | None, refused: str | None, now: datetime
) -> Do | Rest:
    """Return the next step for a Job that has failed."""
    if not _wanted(job, back):
        return Rest()
    if there is not None:
        return _told(job, back, there)
    if back is None:
        return _none(job)
    if back.made:
        return Rest()
    if refused is not None:
        said = (
            f"the Job has failed, and is not rolled back: the API server refuses DatabaseRestore {job.rollback_name}: "
            f"{cut(refused, EVENT_BYTES // 2)}. What to do: remove what refuses it; Holdfast tries again each minute"
        )
        return tell(job, True, "MigrationNotRolledBack", said, now + AGAIN)
    return Do(MakeRestore(job.rollback_name, back.name))


def _told(job: MigrationJob, back: WayBack | None, there: Rollback) -> Do:
    """Say how the rollback stands."""
    name = job.rollback_name
    what = f"databaserestores.{naming.GROUP} {name}"
    if not there.ours:
        said = (
            f"the Job has failed, and is not rolled back: a DatabaseRestore {name} is there that was not made for this "
            "Job. What to do: delete it"
        )
        return tell(job, True, "MigrationNotRolledBack", said)
    to = f"to DatabaseBackup {back.name}, taken before this Job" if back else "to before this Job"
    match there.phase:
        case Phase.SUCCEEDED:
            return tell(job, False, "MigrationRolledBack", f"DatabaseRestore {name} has taken the database back {to}")
        case Phase.FAILED:
            said = (
                f"the Job has failed, and DatabaseRestore {name}, which was to take the database back {to}, has failed "
                f"too. What to do: see why (kubectl -n {job.namespace} describe {what}), then restore again"
            )
            return tell(job, True, "RollbackFailed", said)
        case Phase.AWAITING_CONFIRMATION:
            said = (
                f"the Job has failed, and DatabaseRestore {name} waits for somebody to confirm that the database goes "
                f"back {to}. What to do: kubectl -n {job.namespace} describe {what} has the command; or delete it"
            )
            return tell(job, True, "RollbackAwaitsConfirmation", said)
        case _:
            return tell(job, True, "MigrationRollsBack", f"the Job has failed: DatabaseRestore {name} goes back {to}")


def _none(job: MigrationJob) -> Do:
    return tell(
        job, True, "MigrationNotRolledBack",
        "the Job has failed, and is not rolled back: no good backup is there that was taken for it. What to do: choose "
        f"another one (kubectl -n {job.namespace} get databasebackups.{naming.GROUP}), and restore it by a "
        "DatabaseRestore with mode Replace",
    )  # fmt: skip
