"""Which backup is restored, and why. Pure.

A restore that fires long after somebody has asked for it would be a surprise: it waits for a backup that is under way,
and for a moment for one that is not there yet, since files are applied in any order. For nothing
else: then it fails.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast import clock
from holdfast.api.backup import Failure
from holdfast.api.release import Purpose
from holdfast.api.restore_source import RestoreSource
from holdfast.decide.restore.observation import Candidate
from holdfast.errors import Reason
from holdfast.untrusted import moment

PATIENCE = timedelta(seconds=60)  # for what is applied together with the restore


@dataclass(frozen=True)
class Choice:
    """This backup, for this reason."""

    name: str
    because: str


@dataclass(frozen=True)
class Waits:
    """It cannot be told yet."""

    reason: str
    sentence: str
    due: datetime | None = None


def choose(
    source: RestoreSource, candidates: Sequence[Candidate], policy_there: bool, created: datetime, now: datetime
) -> Choice | Waits | Failure:
    """Choose among the backups that were found."""
    if source.backup_ref is not None:
        return _named(source.backup_ref.name, candidates, created, now)
    assert source.policy_ref is not None
    name = source.policy_ref.name
    if not policy_there and not candidates:
        return missing(f"BackupPolicy {name} does not exist", created, now)
    return _latest(name, source, candidates)


def _named(name: str, candidates: Sequence[Candidate], created: datetime, now: datetime) -> Choice | Waits | Failure:
    backup = next((each for each in candidates if each.name == name), None)
    if backup is None:
        return missing(f"DatabaseBackup {name} does not exist", created, now)
    if backup.deleting:
        return not_good(f"DatabaseBackup {name} is being deleted")
    if not backup.ended:
        return Waits("BackupInProgress", f"DatabaseBackup {name} is in progress; the restore waits for it")
    if not backup.good:
        return not_good(f"DatabaseBackup {name} has no data that can be restored: it failed, or its data is gone")
    return Choice(name, "the resource names this backup")


def _latest(policy: str, source: RestoreSource, candidates: Sequence[Candidate]) -> Choice | Failure:
    before, suspicious = moment(source.before), bool(source.include_suspicious)
    if before is None and source.before is not None:
        return Failure(
            reason=Reason.INVALID_SPEC,
            message=f"spec.source.before is not a date of the calendar: {source.before}",
            remedy="correct source.before in another DatabaseRestore",
        )
    if source.purpose is not Purpose.SAFETY:  # those are of what a restore was to change
        candidates = [each for each in candidates if each.purpose != Purpose.SAFETY]
    good = [each for each in candidates if each.good and not each.deleting and each.completed is not None]
    sound = [each for each in good if suspicious or not each.suspicious]
    timely = [each for each in sound if before is None or _completed(each) < before]
    word = "good" if suspicious else "good and not suspicious"
    until = f", completed before {clock.to_text(before)}" if before else ""
    if not timely:
        left_out = len(good) - len(sound)
        more = f"; {left_out} are suspicious: set source.includeSuspicious to restore one of these" if left_out else ""
        return not_good(f"BackupPolicy {policy} has no backup that is {word}{until}{more}")
    meant = [each for each in timely if each.purpose == source.purpose]  # none where none is asked for
    newest = max(meant or timely, key=lambda each: (_completed(each), each.name))
    rivals = [each for each in good if not meant or each.purpose == source.purpose]
    newer = [each for each in rivals if _completed(each) > _completed(newest)]
    passed = f"; {len(newer)} newer ones are suspicious or were completed later" if newer else ""
    taken = f" with purpose {source.purpose}" if meant else ""
    instead = f"; it has none with purpose {source.purpose}" if source.purpose and not meant else ""
    because = f"the last backup of BackupPolicy {policy}{taken} that is {word}{until}{passed}{instead}"
    return Choice(newest.name, because)


def _completed(backup: Candidate) -> datetime:
    return backup.completed or clock.EPOCH


def missing(what: str, created: datetime, now: datetime) -> Waits | Failure:
    """Wait a moment for what the source names, then fail."""
    due = created + PATIENCE
    if now < due:
        return Waits("SourceNotFound", f"{what}; the restore waits for it, {PATIENCE.seconds} s at most", due)
    return Failure(
        reason=Reason.SOURCE_NOT_FOUND,
        message=f"{what} in this namespace",
        remedy=(
            "correct source in another DatabaseRestore; if the backup's resource is gone, restore the backup from "
            "its folder, with source.bucket"
        ),
    )


def not_good(what: str) -> Failure:
    """Say that there is nothing to restore from what the source names."""
    return Failure(
        reason=Reason.SOURCE_NOT_GOOD,
        message=what,
        remedy="create another DatabaseRestore that names another backup: kubectl get dbb shows which have Succeeded",
    )
