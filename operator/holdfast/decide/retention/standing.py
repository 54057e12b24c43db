"""Which backups a plan looks at, and what holds it back as a whole."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.words import Kind


def set_aside(fact: Fact, now: datetime, grace: timedelta) -> Kind | None:
    """Return why a backup is left alone, and counts for nothing; None for one that is looked at."""
    if fact.expired:
        return Kind.EXPIRED
    if fact.busy:
        return Kind.BUSY
    if fact.created > now - grace:
        return Kind.FRESH
    if fact.ended > now:  # some clock was wrong
        return Kind.AHEAD
    if fact.damaged:
        return Kind.DAMAGED
    if fact.failed or (fact.good and fact.completed):
        return None
    return Kind.UNCLEAR


def looked_at_again(fact: Fact, why: Kind, grace: timedelta) -> datetime | None:
    """Return when one that was set aside is looked at by itself; None where time alone changes nothing."""
    if why in (Kind.FRESH, Kind.AHEAD):
        return max(fact.created + grace, fact.ended)
    return None


def hold(facts: Iterable[Fact], good: Sequence[Fact]) -> Kind | None:
    """Return what keeps numbers from deleting anything: what came after the newest sound one that is looked at.

    All that ended is asked, newest first, also what is set aside: waiting an hour for a bad one would be an hour in
    which numbers delete.
    """
    newest = next((fact.uid for fact in good if fact.sound), None)
    for fact in facts:
        if fact.uid == newest:
            return None
        if not fact.expired and (bad := _bad(fact)):
            return bad
    return None


def _bad(fact: Fact) -> Kind | None:
    if fact.damaged:
        return Kind.NEWEST_DAMAGED
    if fact.good:
        return Kind.NEWEST_SUSPICIOUS if fact.suspicious else None
    return Kind.NEWEST_FAILED if fact.failed else None
