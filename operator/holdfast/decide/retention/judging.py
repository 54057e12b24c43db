"""What becomes of one backup: every rule is asked, and all that keep it are named."""

from datetime import datetime
from typing import NamedTuple

from holdfast import clock
from holdfast.decide.retention.counting import Reasons
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.rules import FAILURES, Rules
from holdfast.decide.retention.standing import looked_at_again
from holdfast.decide.retention.words import Kind, locked, migrated, older, within

_WITHIN = (Kind.WITHIN,)


class Verdict(NamedTuple):
    """What becomes of one backup, and why."""

    fact: Fact
    keep: bool
    kinds: tuple[str, ...]  # of the reasons that keep it
    reasons: tuple[str, ...]  # every one that keeps it, or the one for which it goes
    expires: datetime | None  # the earliest time at which no rule keeps it; a forecast where numbers do
    again: datetime | None = None  # when time alone changes it

    @property
    def name(self) -> str:
        """The backup's name."""
        return self.fact.name

    @property
    def uid(self) -> str:
        """The backup's uid."""
        return self.fact.uid

    @property
    def reason(self) -> str:
        """The first reason, which of one that goes is the only one."""
        return self.reasons[0]


def left_alone(fact: Fact, why: Kind, rules: Rules) -> Verdict:
    """Judge one that is set aside: it stays as it is."""
    return Verdict(fact, True, (why,), (why,), None, looked_at_again(fact, why, rules.grace))


def failed(fact: Fact, newest: bool, now: datetime) -> Verdict:
    """Judge a failed one: it has no data, and its resource tells what happened for a while."""
    goes = fact.ended + FAILURES
    if newest or fact.pinned:
        why = Kind.NEWEST_FAILURE if newest else Kind.PINNED
        return Verdict(fact, True, (why,), (why,), None)
    if goes > now:
        return Verdict(fact, True, (Kind.FAILED,), (Kind.FAILED,), goes, goes)
    return Verdict(fact, False, (), (f"failed more than {FAILURES.days} days ago",), goes)


def expired(fact: Fact, now: datetime) -> Verdict:
    """Judge one without data: where that was found out, its resource says so for as long as that of a failed one."""
    goes = clock.days_after(fact.looked, FAILURES.days) if fact.looked and not fact.pinned else None
    if goes is None or goes > now:
        return Verdict(fact, True, (Kind.EXPIRED,), (Kind.EXPIRED,), goes, goes)
    return Verdict(fact, False, (), (f"its data was found gone more than {FAILURES.days} days ago",), goes)


def external(fact: Fact, rules: Rules, now: datetime) -> Verdict:
    """Judge one that the bucket deletes: nobody here knows when it does."""
    expires = clock.days_after(fact.ended, rules.days(fact))
    again = expires if expires > now else None
    return Verdict(fact, True, (Kind.EXTERNAL,), (Kind.EXTERNAL,), expires, again)


def good(fact: Fact, rules: Rules, counted: Reasons, held_by: Kind | None, now: datetime) -> Verdict:
    """Judge a good one: every rule is asked, and those that keep it are listed."""
    days = rules.days(fact)
    old = clock.days_after(fact.ended, days)
    lock = fact.locked_until if fact.locked_until and fact.locked_until > now else None
    migration = fact.migrated_until if fact.migrated_until and fact.migrated_until > now else None
    if not (counted or lock or held_by or fact.pinned or fact.migrating or migration):  # as most are, of many
        if old > now:
            return Verdict(fact, True, _WITHIN, (within(days),), old, old)
        return Verdict(fact, False, (), (older(days, bool(fact.retention_days), rules.retention.counts),), old)
    said: list[tuple[Kind, str]] = [(Kind.WITHIN, within(days))] if old > now else []
    said += [(kind, kept.text) for kind, kept in counted.items()]
    said += [(Kind.PINNED, Kind.PINNED)] if fact.pinned else []
    said += [(Kind.MIGRATION, Kind.MIGRATION)] if fact.migrating else []
    said += [(Kind.MIGRATED, migrated(migration))] if migration else []
    said += [(Kind.LOCKED, locked(lock))] if lock else []
    if not said and held_by:
        said = [(held_by, held_by)]
    ends = max(old, lock or old, migration or old, *(kept.until for kept in counted.values()))
    expires = (
        None if fact.pinned or fact.migrating or ends <= now else ends
    )  # past: it goes once others have come, and they do not
    again = min((moment for moment in (old, lock, migration, expires) if moment and moment > now), default=None)
    return Verdict(fact, True, tuple(kind for kind, _ in said), tuple(text for _, text in said), expires, again)
