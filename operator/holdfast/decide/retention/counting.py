"""What is kept by number: the last ones, one of each hour, day, week, month and year; and the floor of them all.

Each rule picks for itself, as restic's do: what one rule keeps is not passed over by another. The newest of a
bucket stands for it. A suspicious backup takes nobody's place: the rules are asked twice, once as if there were none of
these, and what either answer keeps is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from holdfast.decide.retention.calendar import DAYS, HOURS, MONTHS, WEEKS, YEARS, Unit, on_the_wall
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.pace import Pace
from holdfast.decide.retention.rules import Rules
from holdfast.decide.retention.words import Kind


class Kept(NamedTuple):
    """A reason that keeps one backup, and when that is expected to end."""

    kind: Kind
    text: str
    until: datetime


Reasons = dict[Kind, Kept]


@dataclass(frozen=True, slots=True)
class _Line:
    """Some of the backups, newest first, by their places among all; and how they are expected to go on."""

    places: Sequence[int]
    walls: Sequence[datetime]  # what a clock on the wall showed when each of all ended
    pace: Pace
    zone: ZoneInfo

    def last(self, count: int, kind: Kind, text: str) -> Iterator[tuple[int, Kept]]:
        """Yield the newest so many."""
        for rank, place in enumerate(self.places[:count]):
            yield place, Kept(kind, text, self.pace.after(count - rank))

    def each(self, unit: Unit, count: int) -> Iterator[tuple[int, Kept]]:
        """Yield the newest of each of the last so many that have one."""
        seen: set[int] = set()
        for place in self.places:
            number = unit.number(self.walls[place])
            if number not in seen:
                yield place, Kept(unit.kind, unit.text(number), self._until(unit, count - len(seen), not seen))
                seen.add(number)
            if len(seen) == count:
                return

    def _until(self, unit: Unit, more: int, newest: bool) -> datetime:
        """Return when so many buckets more will have one; or, in the newest, when the next backup takes its place."""
        current = unit.number(self.walls[self.places[0]])
        if newest and unit.number(on_the_wall(self.pace.exactly(1), self.zone)) == current:
            return self.pace.after(1)
        return max(unit.begins(current + more, self.zone), self.pace.after(more))


def kept_by_number(facts: Sequence[Fact], rules: Rules) -> list[Reasons]:
    """Return for each (they are all good, newest first) the reasons that numbers give; often there are none."""
    walls = [on_the_wall(fact.ended, rules.zone) for fact in facts] if rules.retention.counts else []
    sound = [place for place, fact in enumerate(facts) if fact.sound]
    found: dict[int, Reasons] = {}
    for places in (sound, range(len(facts))) if len(sound) < len(facts) else (sound,):
        if places:
            pace = Pace.of([facts[place].ended for place in places[: Pace.LOOKED_AT]])
            newest = Kind.NEWEST_GOOD if places[0] == 0 else Kind.NEWEST_SOUND
            for place, kept in _asked(_Line(places, walls, pace, rules.zone), newest, rules):
                found.setdefault(place, {}).setdefault(kept.kind, kept)
    none: Reasons = {}
    return [found.get(place, none) for place in range(len(facts))]


def _asked(line: _Line, newest: Kind, rules: Rules) -> Iterator[tuple[int, Kept]]:
    """Ask each rule that is set."""
    retention = rules.retention
    if retention.keep_last:
        yield from line.last(retention.keep_last, Kind.LAST, f"last {retention.keep_last}")
    for unit, count in (
        (HOURS, retention.keep_hourly),
        (DAYS, retention.keep_daily),
        (WEEKS, retention.keep_weekly),
        (MONTHS, retention.keep_monthly),
        (YEARS, retention.keep_yearly),
    ):
        if count:
            yield from line.each(unit, count)
    yield from line.last(1, newest, newest)
    yield from line.last(retention.minimum, Kind.MINIMUM, f"minimum {retention.minimum}")
