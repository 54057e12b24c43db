"""What a policy tells of its backups: the last good one, the last one that failed, each told once by an Event. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from holdfast.api.policy import BackupPolicyStatus
from holdfast.api.runs import LastFailure, LastSuccess
from holdfast.decide.decision import Announcement
from holdfast.units import duration_for_people, size_for_people


@dataclass(frozen=True)
class Ended:
    """A backup of the policy that has ended, as far as a policy tells of it."""

    name: str
    completed: datetime
    good: bool
    reason: str  # why it failed
    size_bytes: int
    seconds: float


def newest(ended: Iterable[Ended], good: bool) -> Ended | None:
    """Return the one that ended last, of those that are good or of those that are not."""
    return max((each for each in ended if each.good is good), key=lambda each: each.completed, default=None)


def told(
    status: BackupPolicyStatus, good: Ended | None, failed: Ended | None, spoilt: bool
) -> tuple[BackupPolicyStatus, Announcement | None]:
    """Return the status with what ended last, and what is new; `spoilt`: the last good one is none any more."""
    held, fell = status.last_success if not spoilt else None, status.last_failure
    if held is None or (good and good.completed > held.completed_at):
        held = LastSuccess(name=good.name, completed_at=good.completed) if good else None
    if failed and (fell is None or failed.completed > fell.completed_at):
        fell = LastFailure(name=failed.name, completed_at=failed.completed, reason=failed.reason)
    if (held, fell) == (status.last_success, status.last_failure):
        return status, None
    told = status.model_copy(update={"last_success": held, "last_failure": fell})
    return told, _news(status, told, good, failed)


def _news(
    before: BackupPolicyStatus, after: BackupPolicyStatus, good: Ended | None, failed: Ended | None
) -> Announcement | None:  # fmt: skip
    """Say what has ended since; of a success and a failure at once, the failure."""
    if failed and after.last_failure != before.last_failure:
        sentence = f"{failed.name} failed: {failed.reason or 'its status says why'}"
        return Announcement(True, "BackupFailed", f"{sentence}. What to do: see its status.failure")
    former = before.last_success
    if good and (former is None or good.completed > former.completed_at):  # an older one may have become the last
        took = duration_for_people(good.seconds)
        return Announcement(False, "BackupSucceeded", f"{good.name}: {size_for_people(good.size_bytes)} in {took}")
    return None
