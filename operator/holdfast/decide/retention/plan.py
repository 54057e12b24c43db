"""What of a policy's backups is kept, with every reason, and what is to go: a function of facts, rules and the time.

What any rule keeps is kept. Time, a stricter rule, or what was deleted since never make it keep more or delete what
another look would have kept: the tests hold that over random histories. It deletes nothing itself.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from holdfast import clock
from holdfast.api.retention import RetentionMode
from holdfast.decide.retention.breaker import Held, hash_of, held
from holdfast.decide.retention.counting import Reasons, kept_by_number
from holdfast.decide.retention.facts import Fact, newest_first
from holdfast.decide.retention.rules import FAILURES, Rules
from holdfast.decide.retention.standing import hold, looked_at_again, set_aside
from holdfast.decide.retention.words import Kind, locked, older, within

__all__ = ["Deletion", "Held", "Next", "Plan", "Rules", "Verdict", "hash_of", "plan"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one backup, and why."""

    name: str
    uid: str
    keep: bool
    reasons: tuple[str, ...]  # every one that keeps it, or the one for which it goes
    expires: datetime | None  # the earliest time at which no rule keeps it; a forecast where numbers do


@dataclass(frozen=True, slots=True)
class Deletion:
    """One that is to go."""

    name: str
    uid: str
    backup_id: str | None
    completed: datetime
    size_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class Next:
    """The one that goes next, of those that are kept."""

    name: str
    uid: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What is kept and what is to go, oldest first; and what may go now."""

    verdicts: tuple[Verdict, ...]  # newest first
    deletions: tuple[Deletion, ...]  # good ones, whose data is to go
    failures: tuple[Deletion, ...]  # failed ones, whose resource is to go; they have no data
    hash: str  # of exactly what is in deletions
    held: Held | None
    dry_run: bool
    external: bool
    next: Next | None
    look_again: datetime | None  # when time alone changes something of this plan
    counts: Mapping[str, int]  # good ones that are kept, by kind of reason; one may be kept for several
    kept: int  # good ones
    kept_bytes: int
    going_bytes: int
    good: int  # those that are there, of which deletions may be half

    @property
    def sweep(self) -> tuple[Deletion, ...]:
        """What may be deleted now, with its data."""
        return () if self.dry_run or self.held else self.deletions

    @property
    def removals(self) -> tuple[Deletion, ...]:
        """Whose resources may be removed now."""
        return () if self.dry_run else self.failures


@dataclass(frozen=True, slots=True)
class _Judged:
    """A verdict on its way."""

    fact: Fact
    keep: bool
    kinds: tuple[str, ...]
    reasons: tuple[str, ...]
    expires: datetime | None
    again: datetime | None = None  # when time alone changes it


def plan(facts: Iterable[Fact], rules: Rules, now: datetime, approved: str | None = None) -> Plan:
    """Return the plan for the backups of one policy and database; `approved`: the hash that somebody has repeated."""
    ordered = newest_first(facts)
    aside = [(fact, set_aside(fact, now, rules.grace)) for fact in ordered]
    judged = [_left_alone(fact, why, rules) for fact, why in aside if why]
    looked_at = [fact for fact, why in aside if why is None]
    failed = [fact for fact in ordered if fact.failed and not fact.expired]
    judged += [_failed(fact, fact is failed[0], now) for fact in looked_at if fact.failed]
    good = [fact for fact in looked_at if not fact.failed]
    external = rules.retention.mode is RetentionMode.EXTERNAL
    if external:
        judged += [_external(fact, rules, now) for fact in good]
    else:
        judged += _good(good, rules, hold(ordered, good) if rules.retention.counts else None, now)
    return _gathered(judged, rules, external, approved)


def _left_alone(fact: Fact, why: Kind, rules: Rules) -> _Judged:
    return _Judged(fact, True, (why,), (why,), None, looked_at_again(fact, why, rules.grace))


def _failed(fact: Fact, newest: bool, now: datetime) -> _Judged:
    """Judge a failed one: it has no data, and its resource tells what happened for a while."""
    goes = fact.ended + FAILURES
    if newest or fact.pinned:
        why = Kind.NEWEST_FAILURE if newest else Kind.PINNED
        return _Judged(fact, True, (why,), (why,), None)
    if goes > now:
        return _Judged(fact, True, (Kind.FAILED,), (Kind.FAILED,), goes, goes)
    return _Judged(fact, False, (), (f"failed more than {FAILURES.days} days ago",), goes)


def _external(fact: Fact, rules: Rules, now: datetime) -> _Judged:
    """Judge one that the bucket deletes: nobody here knows when it does."""
    expires = clock.days_after(fact.ended, rules.days(fact))
    again = expires if expires > now else None
    return _Judged(fact, True, (Kind.EXTERNAL,), (Kind.EXTERNAL,), expires, again)


def _good(good: Sequence[Fact], rules: Rules, held_by: Kind | None, now: datetime) -> Iterator[_Judged]:
    counted = kept_by_number(good, rules)
    none: Reasons = {}
    for place, fact in enumerate(good):
        yield _judged(fact, rules, counted.get(place, none), held_by, now)


def _judged(fact: Fact, rules: Rules, counted: Reasons, held_by: Kind | None, now: datetime) -> _Judged:
    """Judge a good one: ask every rule, and list those that keep it."""
    days = rules.days(fact)
    old = clock.days_after(fact.ended, days)
    lock = fact.locked_until if fact.locked_until and fact.locked_until > now else None
    said: list[tuple[Kind, str]] = [(Kind.WITHIN, within(days))] if old > now else []
    said += [(kind, kept.text) for kind, kept in counted.items()]
    said += [(Kind.PINNED, Kind.PINNED)] if fact.pinned else []
    said += [(Kind.LOCKED, locked(lock))] if lock else []
    if not said and held_by:
        said = [(held_by, held_by)]
    ends = [old, *(kept.until for kept in counted.values()), *([lock] if lock else [])]
    expires = None if fact.pinned else max(ends)
    if not said:
        return _Judged(fact, False, (), (older(days, bool(fact.retention_days), rules.retention.counts),), expires)
    if expires and expires <= now:
        expires = None  # it goes once others have come, and they do not
    again = min((moment for moment in (old, lock, expires) if moment and moment > now), default=None)
    return _Judged(fact, True, tuple(kind for kind, _ in said), tuple(text for _, text in said), expires, again)


def _gathered(judged: list[_Judged], rules: Rules, external: bool, approved: str | None) -> Plan:
    """Put the verdicts together, newest first, and what goes, oldest first."""
    judged = sorted(judged, key=lambda each: (each.fact.ended, each.fact.created, each.fact.uid), reverse=True)
    going = [each for each in reversed(judged) if not each.keep]
    kept = [each for each in judged if each.keep and each.fact.good and not each.fact.expired]
    deletions = tuple(_deletion(each) for each in going if not each.fact.failed)
    there = sum(each.fact.good and not (each.fact.expired or each.fact.busy) for each in judged)
    short = hash_of(each.uid for each in deletions)
    stopped = None if approved and approved == short else held(
        len(deletions), there, rules.retention.max_deletions_per_sweep
    )  # fmt: skip
    return Plan(
        verdicts=tuple(
            Verdict(each.fact.name, each.fact.uid, each.keep, each.reasons, each.expires) for each in judged
        ),
        deletions=deletions,
        failures=tuple(_deletion(each) for each in going if each.fact.failed),
        hash=short,
        held=stopped,
        dry_run=rules.retention.dry_run,
        external=external,
        next=_next(kept),
        look_again=min((each.again for each in judged if each.again), default=None),
        counts=Counter(kind for each in kept for kind in each.kinds),
        kept=len(kept),
        kept_bytes=sum(each.fact.size_bytes for each in kept),
        going_bytes=sum(each.size_bytes for each in deletions),
        good=there,
    )


def _deletion(each: _Judged) -> Deletion:
    fact = each.fact
    return Deletion(fact.name, fact.uid, fact.backup_id, fact.ended, fact.size_bytes, each.reasons[0])


def _next(kept: Iterable[_Judged]) -> Next | None:
    due = [(each.expires, each.fact) for each in kept if each.expires]
    if not due:
        return None
    moment, fact = min(due, key=lambda one: (one[0], one[1].ended, one[1].uid))
    return Next(fact.name, fact.uid, moment)
