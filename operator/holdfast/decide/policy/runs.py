"""What a policy tells of its backups: the last good one, the last one that failed, each told once by an Event. Pure."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from holdfast.api.policy_status import BackupPolicyStatus
from holdfast.api.runs import LastFailure, LastSuccess, Run, RunResult
from holdfast.decide.decision import Announcement
from holdfast.units import duration_for_people, duration_in_words, size_for_people

REMEMBERED = 10  # of the last runs, also where their resources are gone


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


def last(ended: Iterable[Ended]) -> list[Ended]:
    """Return those that ended last, the newest first: as many as are remembered."""
    return heapq.nlargest(REMEMBERED, ended, key=lambda each: each.completed)


def replaced(status: BackupPolicyStatus, name: str, now: datetime) -> BackupPolicyStatus:
    """Return the status that remembers that this run is cancelled, since its resource will be gone."""
    run = Run(name=name, result=RunResult.REPLACED, completed_at=now)
    return status.model_copy(
        update={"recent": [run, *(each for each in status.recent if each.name != name)][:REMEMBERED]}
    )


def is_replaced(status: BackupPolicyStatus, name: str) -> bool:
    """Whether the status remembers that this run is cancelled."""
    return any((each.name, each.result) == (name, RunResult.REPLACED) for each in status.recent)


def told(
    status: BackupPolicyStatus, good: Ended | None, failed: Ended | None, spoilt: bool, ended: Sequence[Ended] = ()
) -> tuple[BackupPolicyStatus, Announcement | None]:
    """Return the status with what ended last, and what is new; `spoilt`: the last good one is none any more."""
    held, fell = status.last_success if not spoilt else None, status.last_failure
    if held is None or (good and good.completed > held.completed_at):
        held = LastSuccess(name=good.name, completed_at=good.completed) if good else None
    newer = failed if failed and (fell is None or failed.completed > fell.completed_at) else None
    if newer:
        fell = LastFailure(name=newer.name, completed_at=newer.completed, reason=newer.reason)
    recent = _remembered(status.recent, ended)
    if (held, fell, recent) == (status.last_success, status.last_failure, status.recent):
        return status, None
    told = status.model_copy(update={"last_success": held, "last_failure": fell, "recent": recent})
    return told, _news(status.last_success, good, newer)


def _remembered(former: Sequence[Run], ended: Iterable[Ended]) -> list[Run]:
    """Return the last runs: those that are there by what they say now, the others as they were remembered."""
    runs = {each.name: each for each in former} | {each.name: _run(each) for each in ended}
    return sorted(runs.values(), key=lambda run: (run.completed_at, run.name), reverse=True)[:REMEMBERED]


def _run(ended: Ended) -> Run:
    took, size = ended.seconds or None, ended.size_bytes or None
    return Run(
        name=ended.name,
        result=RunResult.SUCCEEDED if ended.good else RunResult.FAILED,
        reason=None if ended.good else ended.reason or None,
        completed_at=ended.completed,
        size_bytes=size,
        size=size_for_people(size) if size else None,
        duration_seconds=took,
        duration=duration_for_people(took) if took else None,
    )


def _news(former: LastSuccess | None, good: Ended | None, failed: Ended | None) -> Announcement | None:
    """Say what has ended since; of a success and a failure at once, the failure."""
    if failed:
        sentence = f"{failed.name} failed: {failed.reason or 'its status says why'}"
        return Announcement(True, "BackupFailed", f"{sentence}. What to do: see its status.failure")
    if good and (former is None or good.completed > former.completed_at):  # an older one may have become the last
        took = duration_in_words(good.seconds)
        return Announcement(False, "BackupSucceeded", f"{good.name}: {size_for_people(good.size_bytes)} in {took}")
    return None
