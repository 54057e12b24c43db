"""What becomes of a backup that somebody has deleted, whose data is to go with it. Pure.

Our finalizer holds the resource meanwhile: its own Jobs are ended, then a Job without an owner deletes the data, and
then the finalizer goes. It goes in any case within a bounded time, and at once where the namespace takes no Job any
more: what is left then is told elsewhere. Each step follows from what stands in the cluster, so an operator that is
killed between any two of them is followed by one that goes on.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from holdfast import clock, naming
from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.api.begun import there
from holdfast.api.conditions import ConditionType as C
from holdfast.api.conditions import State
from holdfast.api.deletion import Deletion, Member, Result
from holdfast.api.job import PodWanted
from holdfast.api.policy import DeletionPolicy
from holdfast.decide import deletion, failures, job_life, ownership
from holdfast.decide.backup import ending, holding, removal, stated
from holdfast.decide.backup.observation import (
    BACKUP,
    CLEANUP,
    DELETION,
    FORMER,
    VERIFY,
    BackupView,
    Decision,
    Observation,
    Removal,
)
from holdfast.decide.decision import Announcement, Delete, Do, Learn, Left, Release, Rest, What, Write
from holdfast.decide.job_life import Step, Work
from holdfast.decide.resolve import no_image
from holdfast.sentences import explain, shorten
from holdfast.settings import Settings

WHY = "its resource was deleted, and deletionPolicy is Delete"
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=5)  # until a deletion that failed is repeated
CROWDED = timedelta(seconds=5)  # until one that waits for others' deletions looks again
_LONGEST = 512


def decide(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Return the next step for a backup that somebody has deleted, and that our finalizer holds."""
    backup, status = o.backup, o.backup.status
    begun = (status.backup_id, status.job_name, status.resolved) != (None, None, None)
    says_itself = backup.spec.pinned or backup.spec.deletion_policy is DeletionPolicy.RETAIN
    if status.phase is Phase.EXPIRED or not begun or says_itself:
        return _release(backup)
    if error := backup.lacks:
        return _let_go(backup, explain(error))
    if holding.policy_of(backup) is DeletionPolicy.RETAIN:
        return _release(backup)
    if o.removal and o.removal.member.result is Result.DELETED:
        return removal.gone(backup, o.removal, now)
    late = _late(backup, settings)
    if now >= late:
        return _let_go(backup, f"not done within {settings.deletion.let_go_seconds} s: {_last_word(status)}")
    found = _delete(o, settings, late, now)
    return found if isinstance(found, Do) else replace(found, due=min(filter(None, (found.due, late))))


def unreadable(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Wait for somebody who can read it, for so long; then let it go."""
    late = _late(o.backup, settings)
    return Rest(late) if now < late else _let_go(o.backup, "its spec or its status cannot be read")


def _late(backup: BackupView, settings: Settings) -> datetime:
    return _since(backup) + timedelta(seconds=settings.deletion.let_go_seconds)


def _since(backup: BackupView) -> datetime:
    return there(backup.deleted, "metadata.deletionTimestamp")


def _release(backup: BackupView) -> Do:
    return Do(Release(backup.name, backup.uid))


def _let_go(backup: BackupView, why: str) -> Do:
    """Take the finalizer away though the data may be there."""
    snapshot = backup.status.snapshot
    where = [backup.status.location or "an unknown place", *([snapshot.arn] if snapshot else [])]
    return Do(Release(backup.name, backup.uid, Left(", ".join(where), shorten(why, _LONGEST))))


def _last_word(status: DatabaseBackupStatus) -> str:
    told = status.deletion
    if told is None or told.attempt is None:
        return "no operator saw the deletion earlier"
    return f"{told.reason}: {told.message}" if told.reason else status.message or ""


def _delete(o: Observation, settings: Settings, late: datetime, now: datetime) -> Decision:
    """End what still works on it, then have its data deleted."""
    told = o.backup.status.deletion
    if told is None or told.attempt is None:  # or it is retention's, whose page may never come to its end
        return Write(_begun(o.backup, 1, now))
    if o.closed:
        return _let_go(o.backup, "its namespace is being deleted, so no Job can be created there")
    if running := _end_others(o, now):
        return running
    if told.again_at is not None:
        return Rest(told.again_at) if now < told.again_at else Write(_begun(o.backup, told.attempt + 1, now))
    if o.maker is None:
        return Do(Learn(What.SELF))
    seen, resolved = o.of(DELETION), o.backup.begun.resolved
    if seen.job is None and o.crowded:
        return Rest(now + CROWDED)
    error = no_image(resolved, settings)
    work = Work(DELETION, o.backup.ref, resolved.job, wanted=o.backup.status.pod_wanted, maker=o.maker)
    step = job_life.step(work, seen, o.asked, now, failures.failure_of(error) if error else None)
    return _after(o, told, step, late, now)


def _end_others(o: Observation, now: datetime) -> Decision | None:
    """End the backup's own Jobs, and wait for their Pods; None where nothing of it works any more."""
    for role in (BACKUP, FORMER, CLEANUP, VERIFY):
        job = o.of(role).job
        if job is not None and ownership.is_ours(job, o.backup.ref) and not job.finished:
            return Rest() if job.deleting else Do(Delete(job))
    if ending.unended(o, now):
        return Rest()
    if o.backup.status.completed_at is None and o.of(DELETION).job is None and not o.asked.pods:
        return Do(Learn(What.PODS))  # the cache may be behind, and a Pod may be about to publish
    return None


def _after(o: Observation, told: Deletion, step: Step, late: datetime, now: datetime) -> Decision:
    """Say what the Job's step means for the backup."""
    match step:
        case Do():
            return step
        case job_life.Over(end):
            report = end.report
            if report is not None and report.deletion is not None:
                return _reported(o, told, deletion.results([_member(o.backup)], report.deletion)[0], late, now)
            failure = end.failure or failures.failure_in(report)
        case job_life.Unreported():
            failure = failures.report_lost(1)
        case job_life.GivenUp(given_up):
            failure = given_up
        case job_life.Hindered(by, due, wanted):
            return _waits(o, explain(by, _LONGEST), wanted, due, now)
        case job_life.Starting(due, wanted) | job_life.GoesOn(_, due, wanted):
            return _waits(o, "", wanted, due, now)
    return _reported(o, told, deletion.failed([_member(o.backup)], failure)[0], late, now)


def _member(backup: BackupView) -> Member:
    """Return it as the only one that the Job was given."""
    return Member(name=backup.name, uid=backup.uid, reason_to_delete=WHY)


def _reported(o: Observation, told: Deletion, member: Member, late: datetime, now: datetime) -> Decision:
    """Record what the Job has done: Expired is then released; what failed is tried again, while there is time."""
    if member.result is Result.DELETED:
        return removal.gone(o.backup, Removal(member, told.job_name or "", made=False, kept=False), now)
    if member.until:
        sentence = f"Object Lock keeps the data until {clock.to_text(member.until)}"
        if member.until >= late:
            return _let_go(o.backup, sentence)
        member = member.model_copy(update={"reason": "Retained", "message": sentence})
    pause = deletion.pause(there(told.attempt, "deletion.attempt"), FIRST_PAUSE, LONGEST_PAUSE)
    failed = told.model_copy(
        update={
            "result": member.result,
            "until": member.until,
            "reason": member.reason,
            "message": member.message,
            "again_at": member.until or now + pause,
        }
    )
    sentence = f"the data could not be deleted, and Holdfast tries again: {member.reason}: {member.message}"
    status = _deleting(o.backup, sentence, failed, None, now)
    return Write(status, Announcement(True, removal.DELETION_FAILED, sentence))


def _begun(backup: BackupView, attempt: int, now: datetime) -> DatabaseBackupStatus:
    name = naming.child_name(backup.name, backup.uid, DELETION, attempt)
    told = Deletion(reason_to_delete=WHY, since=_since(backup), job_name=name, attempt=attempt)
    return _deleting(backup, f"Holdfast deletes the backup's data: {WHY}", told, None, now)


def _waits(o: Observation, what: str, wanted: PodWanted | None, due: datetime, now: datetime) -> Decision:
    status = o.backup.status
    told = there(status.deletion, "deletion")
    said = f"Holdfast deletes the backup's data: {WHY}" + (f"; waiting: {what}" if what else "")
    return Write(_deleting(o.backup, said, told, wanted, now), due=due)


def _deleting(
    backup: BackupView, sentence: str, told: Deletion, wanted: PodWanted | None, now: datetime
) -> DatabaseBackupStatus:
    failed = told.result is Result.FAILED
    reason = removal.DELETION_FAILED if failed else removal.DELETING
    states: list[State] = [
        (C.READY, False, reason, "the backup's data is being deleted"),
        (C.RECONCILING, True, reason, sentence),
        (C.STALLED, failed, reason, sentence if failed else "Holdfast goes on by itself"),
    ]
    changes = {"phase": Phase.DELETING, "message": sentence, "deletion": told, "pod_wanted": wanted}
    return stated.with_states(backup, states, now, **changes, kept_because=None)
