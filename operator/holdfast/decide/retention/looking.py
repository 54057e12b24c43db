"""Which backup is to be looked for where the bucket deletes by itself, and when: one of a plan at a time. Pure.

Holdfast is not told when a lifecycle rule deletes. So it looks for what is past its days: two days later, since a store
deletes at some midnight after the age and not at once; and where the backup is still there, each time after twice as
long, at last each two months: a bucket without such a rule would be asked each day for ever.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from holdfast import clock
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.rules import Rules

FIRST, LONGEST = timedelta(days=2), timedelta(days=64)  # after its days, and after the last look


class Look(NamedTuple):
    """Whom to look for now, or when there will be somebody to look for."""

    uid: str | None = None
    again: datetime | None = None


def look(facts: Iterable[Fact], rules: Rules, now: datetime) -> Look:
    """Return the one to look for; nobody while another is looked for, so that no policy has two such Jobs."""
    held = list(facts)
    if any(fact.busy and fact.completed for fact in held):
        return Look()
    there = ((due(fact, rules), fact.uid) for fact in held if fact.good and not fact.busy)
    first = min(there, default=None)
    if first is None:
        return Look()
    return Look(uid=first[1]) if first[0] <= now else Look(again=first[0])


def due(fact: Fact, rules: Rules) -> datetime:
    """Return when to look for one."""
    expires = clock.days_after(fact.ended, rules.days(fact))
    if fact.looked is None or fact.looked < expires:
        return clock.days_after(expires, FIRST.days)
    waited = min(max(FIRST, fact.looked - expires), LONGEST)
    return clock.days_after(fact.looked, waited.days)
