"""What to do about one migration Job now: hold it until its backup has succeeded, then release it, once. Pure.

Nothing is remembered of a Job but what stands in the cluster: the backup bears a name made of the Job's uid, and says
in its status that the Job was released. So whoever comes next, after a kill or as another leader, comes to the same
answer. A Job that is not suspended is never touched: the gate can hold back, it cannot stop.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from holdfast import naming
from holdfast.api.base import StatusModel
from holdfast.decide import rollback
from holdfast.decide.decision import Decision, Do, MakeBackup, ReleaseJob, Rest
from holdfast.decide.migrations import ROLLBACK, MigrationJob
from holdfast.decide.rollback import AGAIN, Rollback, WayBack
from holdfast.decide.telling import tell
from holdfast.sentences import EVENT_BYTES, cut
from holdfast.texts import quoted


@dataclass(frozen=True)
class BackupBefore:
    """The backup of a Job, as far as the Job depends on it."""

    ours: bool  # of the Job's policy, for this very Job
    waits: bool = False  # it has not begun
    good: bool = False
    over: bool = False  # it has ended, or is going
    failed_for: str = ""  # in one word
    released: bool = False  # its status says that the Job was released


@dataclass(frozen=True)
class Other:
    """Another Job that waits for a backup of the same policy, or had one."""

    name: str
    uid: str
    created: datetime
    begun: bool  # its backup is under way, or it runs, or is to be rolled back
    stuck: bool  # its backup has failed: it waits for a person


@dataclass(frozen=True)
class Observation:
    """Everything that the decision about one migration Job rests on."""

    job: MigrationJob
    policy: bool  # there is the BackupPolicy that the label names
    backup: BackupBefore | None = None
    others: tuple[Other, ...] = ()
    restoring: str | None = None  # a DatabaseRestore into the policy's database that has not ended
    held_before: bool = False  # a backup was taken for it that its annotations do not ask for any more
    back: WayBack | None = None  # the backup that it goes back to where it has failed
    rollback: Rollback | None = None
    refused: str | None = None  # why the API server does not let a resource be made, or the Job go


def standing(
    job: MigrationJob, backup: BackupBefore | None, back: WayBack | None = None, there: Rollback | None = None
) -> Other | None:
    """Say how a Job stands to others of its policy; None where it is in nobody's way."""
    if rollback.is_due(job, back, there):
        return Other(job.name, job.uid, job.created, begun=True, stuck=False)
    if job.finished or (job.suspended and job.deleting):
        return None
    stuck = job.suspended and backup is not None and ((backup.over and not backup.good) or not backup.ours)
    return Other(job.name, job.uid, job.created, not stuck and (not job.suspended or backup is not None), stuck)


def decide(o: Observation, now: datetime) -> Decision[StatusModel]:
    """Return the next step for this Job."""
    if o.job.failed:
        return rollback.decide(o.job, o.back, o.rollback, o.refused, now)
    if o.job.finished or o.job.deleting:
        return Rest()
    if not o.job.suspended:
        return Rest() if o.backup is not None or o.held_before else _not_held(o.job)
    if o.job.on_failure not in ("", ROLLBACK):
        return _unknown(o.job)
    if o.refused is not None:
        return _refused(o, o.refused, now)
    if not o.policy and (o.backup is None or o.backup.waits):
        return _no_policy(o.job)
    return _before(o) if o.backup is None else _with_backup(o, o.backup)


def _before(o: Observation) -> Decision[StatusModel]:
    """Have the backup made, unless another migration of the same policy goes first: it would be a half-way state."""
    first = _first(o.job, o.others)
    if first is None and o.restoring is not None:
        return tell(
            o.job, False, "MigrationWaits",
            f"the Job stays suspended until DatabaseRestore {o.restoring}, which restores into the same database, has "
            "ended",
        )  # fmt: skip
    if first is None:
        return Do(MakeBackup(o.job.backup_name))
    return tell(
        o.job, False, "MigrationWaits",
        f"the Job stays suspended until Job {first}, which has the same {naming.LABEL_BACKUP_FIRST}, has ended: a "
        "backup taken during another migration would be no way back",
    )  # fmt: skip


def _with_backup(o: Observation, backup: BackupBefore) -> Decision[StatusModel]:
    name = o.job.backup_name
    if not backup.ours:
        return _stays(o.job, f"DatabaseBackup {name} already exists, and was not created for this Job")
    if backup.released:
        return tell(
            o.job, False, "MigrationSuspended",
            "Holdfast has released this Job before, and does not release it again: whoever suspended the Job since "
            "then must resume it",
        )  # fmt: skip
    if backup.good:
        return Do(ReleaseJob(o.job, name))
    if backup.over:
        why = f" ({backup.failed_for})" if backup.failed_for else ""
        return _stays(o.job, f"DatabaseBackup {name} is not a good backup{why}: kubectl describe dbb {name} says why")
    return tell(o.job, False, "MigrationHeld", f"the Job stays suspended until DatabaseBackup {name} has succeeded")


def _first(job: MigrationJob, others: Iterable[Other]) -> str | None:
    """Return the name of the Job that goes before this one: one that has begun, else an older one that is not stuck."""
    there = [each for each in others if each.uid != job.uid]
    ahead = [each for each in there if each.begun]
    ahead = ahead or [each for each in there if not each.stuck and (each.created, each.uid) < (job.created, job.uid)]
    return min(ahead, key=lambda each: (each.created, each.uid)).name if ahead else None


def _not_held(job: MigrationJob) -> Decision[StatusModel]:
    return tell(
        job, True, "MigrationNotHeld",
        f"the Job has the label {naming.LABEL_BACKUP_FIRST}, but was not created with spec.suspend: true: it runs "
        "without a backup before it. What to do: create the next Job with spec.suspend: true",
    )  # fmt: skip


def _unknown(job: MigrationJob) -> Decision[StatusModel]:
    return tell(
        job, True, "OnFailureUnknown",
        f"the Job stays suspended: its annotation {naming.ANNOTATION_ON_FAILURE} says {quoted(job.on_failure)}, and "
        f"only {ROLLBACK} is known. What to do: correct the annotation, or remove it",
    )  # fmt: skip


def _no_policy(job: MigrationJob) -> Decision[StatusModel]:
    return tell(
        job, True, "PolicyNotFound",
        f"the Job stays suspended: BackupPolicy {quoted(job.policy)}, which its label {naming.LABEL_BACKUP_FIRST} "
        f"names, does not exist in namespace {job.namespace}. What to do: create the policy, or correct the label",
    )  # fmt: skip


def _refused(o: Observation, why: str, now: datetime) -> Decision[StatusModel]:
    what = "its backup" if o.backup is None else "to release it"
    said = (
        f"the Job stays suspended: the API server refuses {what}: {cut(why, EVENT_BYTES // 2)}. What to do: correct "
        "what the message names; Holdfast tries again each minute"
    )
    return tell(o.job, True, "MigrationNotReleased", said, now + AGAIN)


def _stays(job: MigrationJob, why: str) -> Decision[StatusModel]:
    """Say why it stays suspended for good, and how a person has it tried again."""
    return tell(
        job, True, "BackupBeforeFailed",
        f"the Job stays suspended: {cut(why, EVENT_BYTES // 2)}. What to do: correct this, then request another "
        f"backup: kubectl -n {job.namespace} annotate job {job.name} --overwrite "
        f'{naming.ANNOTATION_BACKUP_NOW}="$(date +%s)"; or delete the Job and create it again',
    )  # fmt: skip
