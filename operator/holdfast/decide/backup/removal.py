"""The deletion of a backup that its policy's retention has chosen: marked, deleted by the policy's Job, recorded. Pure.

The policy names it in a page of its status. It is called Deleting before the Job is made, so that nobody takes it for a
backup while its data goes; what has begun is finished, whatever the rules say by then. What became of it stands in the
page until it stands here, too.
"""

from datetime import datetime

from holdfast import clock
from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.api.conditions import ConditionType as C
from holdfast.api.conditions import State
from holdfast.api.deletion import Deletion, Member, Result
from holdfast.decide.backup import abandoned
from holdfast.decide.backup.observation import BackupView, Decision, Observation, Removal
from holdfast.decide.backup.stated import EXPIRED, expired, with_states
from holdfast.decide.decision import Announcement, Rest, Write

Status = DatabaseBackupStatus
DELETING, DELETION_FAILED = "Deleting", "DeletionFailed"


def decide(o: Observation, now: datetime) -> Decision | None:
    """Return the next step of a backup that has ended; None where nothing of it is to be deleted."""
    status, asked = o.backup.status, o.removal
    if status.phase is Phase.DELETING:
        return _follow(o, asked, now)
    if asked is None or asked.member.result is not None or asked.kept or o.backup.spec.pinned:
        return None
    if status.phase not in (Phase.SUCCEEDED, Phase.FAILED):
        return None
    return Write(_deleting(o.backup, asked, now))


def _follow(o: Observation, asked: Removal | None, now: datetime) -> Decision:
    """Record what the Job has made of it."""
    if asked is None:
        return abandoned.step(o, now)
    if asked.member.result is None:
        return Rest()
    if asked.member.result is Result.DELETED:
        if asked.made and not o.backup.held:
            return Rest()  # the policy removes what Holdfast has made
        return gone(o.backup, asked, now)
    status = _kept(o.backup, asked, now) if asked.member.untouched else _stuck(o.backup, asked, now)
    if asked.member.result is Result.RETAINED:
        return Write(status)
    sentence = f"{asked.member.reason}: {asked.member.message}"
    return Write(status, Announcement(True, DELETION_FAILED, sentence))


def gone(backup: BackupView, asked: Removal, now: datetime) -> Write[Status]:
    """Record that its data is gone: from then on nothing holds the resource."""
    status = _expired(backup, asked, now)
    return Write(status, Announcement(False, EXPIRED, status.message or ""))


def _deleting(backup: BackupView, asked: Removal, now: datetime) -> Status:
    why = _why(asked.member)
    states: list[State] = [
        (C.READY, False, DELETING, "the backup's data is being deleted"),
        (C.RECONCILING, True, DELETING, why),
        (C.STALLED, False, DELETING, "Holdfast goes on by itself"),
    ]
    deletion = Deletion(reason_to_delete=asked.member.reason_to_delete, since=now, job_name=asked.job_name)
    return with_states(backup, states, now, phase=Phase.DELETING, message=why, deletion=deletion, kept_because=None)


def _expired(backup: BackupView, asked: Removal, now: datetime) -> Status:
    sentence = f"the backup's data was deleted on {clock.to_text(now)}: {asked.member.reason_to_delete}"
    states: list[State] = [
        (C.RECONCILING, False, EXPIRED, sentence),
        (C.STALLED, False, EXPIRED, "nothing is left to do"),
    ]
    done = _recorded(backup, asked, now).model_copy(update={"completed_at": now})
    return expired(backup, states, now, message=sentence, deletion=done)


def _kept(backup: BackupView, asked: Removal, now: datetime) -> Status:
    """Nothing of it was deleted: it is what it was."""
    failure, member = backup.status.failure, asked.member
    phase = Phase.SUCCEEDED if failure is None else Phase.FAILED
    if member.result is Result.RETAINED and member.until:
        reason, sentence = "Retained", f"Object Lock keeps the backup's data until {clock.to_text(member.until)}"
    else:
        reason, sentence = DELETION_FAILED, f"the data could not be deleted: {member.reason}: {member.message}"
    ready = failure is None
    states: list[State] = [
        (C.READY, ready, reason, "the backup can be restored" if ready else "there is no backup"),
        (C.RECONCILING, False, reason, sentence),
        (C.STALLED, not ready, reason, sentence),
    ]
    update_ = {"phase": phase, "message": sentence, "deletion": _recorded(backup, asked, now)}
    return with_states(backup, states, now, **update_, locked_until=member.until)


def _stuck(backup: BackupView, asked: Removal, now: datetime) -> Status:
    """A part of it is gone: it is no backup any more, and its deletion is tried again."""
    member = asked.member
    until = member.until if member.result is Result.RETAINED else None
    retained = until is not None
    if until is not None:
        sentence = f"Object Lock keeps the rest of the data until {clock.to_text(until)}; Holdfast deletes it then"
    else:
        sentence = f"the data could not be deleted, and Holdfast tries again: {member.reason}: {member.message}"
    states: list[State] = [
        (C.RECONCILING, True, DELETING if retained else DELETION_FAILED, sentence),
        (C.STALLED, not retained, DELETING if retained else DELETION_FAILED, sentence),
    ]
    return with_states(
        backup, states, now, message=sentence, deletion=_recorded(backup, asked, now), locked_until=member.until
    )


def _recorded(backup: BackupView, asked: Removal, now: datetime) -> Deletion:
    former, member = backup.status.deletion, asked.member
    return Deletion(
        reason_to_delete=member.reason_to_delete,
        since=former.since if former else now,
        job_name=asked.job_name,
        result=member.result,
        until=member.until,
        reason=member.reason,
        message=member.message,
        untouched=member.untouched,
    )


def _why(member: Member) -> str:
    return f"retention deletes the backup: {member.reason_to_delete}"
