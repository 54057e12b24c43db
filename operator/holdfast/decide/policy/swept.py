"""How retention reads in a policy's status: what is kept and why, what goes next, and what a page has come to. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from holdfast import clock
from holdfast.api.conditions import Condition, update
from holdfast.api.conditions import ConditionType as C
from holdfast.api.deletion import (
    MAX_RETRIES,
    MAX_TOLD,
    Because,
    DeletionPage,
    Member,
    Planned,
    Result,
    RetentionPlan,
    RetentionStatus,
    Retry,
    Swept,
)
from holdfast.api.policy_status import BackupPolicyStatus
from holdfast.decide import deletion
from holdfast.decide.retention import telling
from holdfast.decide.retention.plan import Plan
from holdfast.sentences import EVENT_BYTES, cut, few
from holdfast.units import size_for_people

Status = BackupPolicyStatus
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=6)  # until what failed is tried again


def summarised(status: Status, plans: Sequence[Plan], generation: int, now: datetime) -> Status:
    """Say what is kept and what goes; what has been done stays as it was."""
    kept = sum(plan.kept for plan in plans)
    size = sum(plan.kept_bytes for plan in plans)
    told = {
        "kept": kept,
        "kept_bytes": size,
        "kept_size": size_for_people(size),
        "because": _because(plans),
        "next": _next(plans),
        "plan": _stopped(plans),
        "message": cut("; ".join(telling.summary(plan) for plan in plans), 1024),
    }
    return _with(status, **told).model_copy(update={"conditions": _conditions(status, plans, generation, now)})


def _because(plans: Iterable[Plan]) -> list[Because]:
    counts: dict[str, int] = {}
    for plan in plans:
        for rule, number in plan.counts.items():
            counts[rule] = counts.get(rule, 0) + number
    return [Because(rule=rule, count=number) for rule, number in counts.items()][:16]


def _next(plans: Iterable[Plan]) -> Planned | None:
    nexts = [plan.next for plan in plans if plan.next is not None]
    first = min(nexts, key=lambda each: each.due, default=None)
    return Planned(name=first.name, at=first.due) if first else None


def _stopped(plans: Iterable[Plan]) -> RetentionPlan | None:
    """Return what is planned and not done; of several databases, the first one's."""
    stopped = next((plan for plan in plans if plan.deletions and not plan.sweep), None)
    if stopped is None:
        return None
    named = [Planned(name=each.name, reason=cut(each.reason, 256)) for each in stopped.deletions[:MAX_TOLD]]
    return RetentionPlan(hash=stopped.hash, total=len(stopped.deletions), deletions=named)


def _conditions(status: Status, plans: Sequence[Plan], generation: int, now: datetime) -> list[Condition]:
    held = next((plan for plan in plans if plan.held), None)
    there = any(condition.type == C.RETENTION_HELD for condition in status.conditions)
    if held is None and not there:
        return list(status.conditions)
    sentence = telling.held(held) if held else "no plan is held"
    state = (C.RETENTION_HELD, held is not None, "PlanHeld" if held else "NothingHeld", sentence)
    return list(update(status.conditions, [state], generation, now))


def _held(status: Status) -> RetentionStatus:
    return status.retention or RetentionStatus()


def _with(status: Status, **changes: object) -> Status:
    return status.model_copy(update={"retention": _held(status).model_copy(update=changes)})


def with_page(status: Status, page: DeletionPage | None) -> Status:
    """Return the status with that page."""
    return _with(status, page=page)


def begun(status: Status, page: DeletionPage, left: str) -> Status:
    """Return the status with a new page; `left`: the hash of what the plan has beside it."""
    return _with(status, page=page, pages=page.number, approved_rest=left)


def reduced(status: Status, page: DeletionPage, kept: Sequence[Member], now: datetime) -> Status:
    """Leave out what is gone or was not marked: a later plan says whether it is still to go."""
    stay = {each.uid for each in kept}
    failed = page.model_copy(update={"members": [each for each in page.members if each.uid not in stay]})
    left = page.model_copy(update={"members": list(kept)}) if kept else None
    return _with(status, page=left, retries=_retries(_held(status), failed, now))


def closed(status: Status, page: DeletionPage, now: datetime) -> Status:
    """Return the status without the page: what could not be deleted is tried again, later each time."""
    held = _held(status)
    done = [each for each in page.members if each.result is Result.DELETED]
    last = Swept(
        completed_at=page.completed_at or now,
        deleted=len(done),
        retained=sum(each.result is Result.RETAINED for each in page.members),
        failed=sum(each.result is Result.FAILED for each in page.members),
        message=told(page)[1],
    )
    retries = _retries(held, page, now)
    return _with(status, page=None, last_sweep=last, deleted=held.deleted + len(done), retries=retries)


def _retries(held: RetentionStatus, page: DeletionPage, now: datetime) -> list[Retry]:
    former = {retry.uid: retry for retry in held.retries}
    members = {each.uid for each in page.members}
    kept = [retry for retry in held.retries if retry.uid not in members and retry.at > now - LONGEST_PAUSE]
    again = [_retry(each, former.get(each.uid), now) for each in page.members if _is_tried_again(each)]
    return [*kept, *again][-MAX_RETRIES:]


def _is_tried_again(member: Member) -> bool:
    """Whether it is to be tried again by itself: what is locked as a whole, the plan keeps until its lock ends."""
    return not (member.result is Result.DELETED or (member.result is Result.RETAINED and member.untouched))


def _retry(member: Member, former: Retry | None, now: datetime) -> Retry:
    tries = (former.tries if former else 0) + 1
    pause = deletion.pause(tries, FIRST_PAUSE, LONGEST_PAUSE)
    at = member.until if member.result is Result.RETAINED and member.until else now + pause
    return Retry(name=member.name, uid=member.uid, tries=tries, at=at, reason=member.reason)


def has_failed(page: DeletionPage) -> bool:
    """Whether anything could not be deleted, and nothing but time will mend that."""
    return any(each.result is Result.FAILED for each in page.members)


def told(page: DeletionPage) -> tuple[str, str]:
    """Return what was done, as an Event's reason and sentence."""
    by = {result: [each for each in page.members if each.result is result] for result in Result}
    done = by[Result.DELETED]
    parts = [f"{len(done)} {'backup' if len(done) == 1 else 'backups'} deleted{_names(done)}"]
    if locked := by[Result.RETAINED]:
        until = min((each.until for each in locked if each.until), default=None)
        parts.append(f"{len(locked)} kept by Object Lock{f', the first until {clock.to_text(until)}' if until else ''}")
    if failed := by[Result.FAILED]:
        first = failed[0]
        parts.append(f"{len(failed)} not deleted{_names(failed)}: {first.reason}: {first.message}")
    return ("DeletionFailed" if failed else "BackupsDeleted"), cut("; ".join(parts), EVENT_BYTES)


def _names(members: Sequence[Member]) -> str:
    return f" ({few([each.name for each in members], 3)})" if members else ""
