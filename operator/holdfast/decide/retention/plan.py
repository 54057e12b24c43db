"""What of a policy's backups is kept, with every reason, and what is to go: a function of facts, rules and the time.

What any rule keeps is kept. Time, a stricter rule, or what was deleted since never make it keep more or delete what
another look would have kept: the tests hold that over random histories. It deletes nothing itself.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from holdfast.api.retention import RetentionMode
from holdfast.decide.retention import judging
from holdfast.decide.retention.breaker import Held, hash_of, held
from holdfast.decide.retention.counting import kept_by_number
from holdfast.decide.retention.facts import Fact, newest_first
from holdfast.decide.retention.judging import Verdict
from holdfast.decide.retention.looking import Look, look
from holdfast.decide.retention.rules import Rules
from holdfast.decide.retention.standing import hold, set_aside
from holdfast.decide.retention.words import Kind

__all__ = ["Held", "Next", "Plan", "Rules", "Verdict", "hash_of", "plan"]


class Next(NamedTuple):
    """The one that goes next, of those that are kept."""

    name: str
    uid: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What is kept and what is to go, oldest first; and what may go now."""

    verdicts: tuple[Verdict, ...]  # newest first
    deletions: tuple[Verdict, ...]  # good ones, whose data is to go
    failures: tuple[Verdict, ...]  # failed ones and those found gone, whose resource is to go; they have no data
    hash: str  # of exactly what is in deletions
    held: Held | None
    dry_run: bool
    external: bool
    overdue: int  # kept ones that the bucket was to have deleted by now: nobody has looked
    look: str | None  # uid of the one to look for, where the bucket deletes
    next: Next | None
    look_again: datetime | None  # when time alone changes something of this plan
    counts: Mapping[str, int]  # good ones that are kept, by kind of reason; one may be kept for several
    kept: int  # good ones
    kept_bytes: int
    going_bytes: int
    good: int  # those that are there, of which deletions may be half

    @property
    def sweep(self) -> tuple[Verdict, ...]:
        """What may be deleted now, with its data."""
        return () if self.dry_run or self.held else self.deletions

    @property
    def removals(self) -> tuple[Verdict, ...]:
        """Whose resources may be removed now."""
        return () if self.dry_run else self.failures


def plan(facts: Iterable[Fact], rules: Rules, now: datetime, approved: str | None = None) -> Plan:
    """Return the plan for the backups of one policy and database; `approved`: the hash that somebody has repeated."""
    ordered = newest_first(facts)
    aside = [set_aside(fact, now, rules.grace) for fact in ordered]
    managed = rules.retention.mode is RetentionMode.MANAGED
    good = [fact for fact, why in zip(ordered, aside, strict=True) if why is None and not fact.failed]
    counted = iter(kept_by_number(good, rules)) if managed else None
    held_by = hold(ordered, good) if rules.retention.counts else None
    newest = next((fact for fact in ordered if fact.failed and not fact.expired), None)
    judged = []
    for fact, why in zip(ordered, aside, strict=True):
        if why is Kind.EXPIRED:
            judged.append(judging.expired(fact, now))
        elif why:
            judged.append(judging.left_alone(fact, why, rules))
        elif fact.failed:
            judged.append(judging.failed(fact, fact is newest, now))
        elif counted is None:
            judged.append(judging.external(fact, rules, now))
        else:
            judged.append(judging.good(fact, rules, next(counted), held_by, now))
    return _gathered(judged, rules, Look() if managed else look(ordered, rules, now), approved)


def _gathered(judged: list[Verdict], rules: Rules, sought: Look, approved: str | None) -> Plan:
    """Put the verdicts together, newest first as they come, and what goes, oldest first."""
    going = [each for each in reversed(judged) if not each.keep]
    kept = [each for each in judged if each.keep and each.fact.good and not each.fact.expired]
    deletions = tuple(each for each in going if not (each.fact.failed or each.fact.expired))
    there = sum(each.fact.good and not (each.fact.expired or each.fact.busy) for each in judged)
    short = hash_of(each.fact.uid for each in deletions)
    stopped = held(len(deletions), there, rules.retention.max_deletions_per_sweep) if approved != short else None
    return Plan(
        verdicts=tuple(judged),
        deletions=deletions,
        failures=tuple(each for each in going if each.fact.failed or each.fact.expired),
        hash=short,
        held=stopped,
        dry_run=rules.retention.dry_run,
        external=rules.retention.mode is RetentionMode.EXTERNAL,
        overdue=sum(Kind.EXTERNAL in each.kinds and each.again is None for each in kept),
        look=sought.uid,
        next=_next(kept),
        look_again=min(filter(None, (sought.again, *(each.again for each in judged))), default=None),
        counts=Counter(kind for each in kept for kind in each.kinds),
        kept=len(kept),
        kept_bytes=sum(each.fact.size_bytes for each in kept),
        going_bytes=sum(each.fact.size_bytes for each in deletions),
        good=there,
    )


def _next(kept: Iterable[Verdict]) -> Next | None:
    due = [(each.expires, each.fact) for each in kept if each.expires]
    if not due:
        return None
    moment, fact = min(due, key=lambda one: (one[0], one[1].ended, one[1].uid))
    return Next(fact.name, fact.uid, moment)
