"""Which moments a cron means in its time zone. cronsim knows the calendar; clocks that change are seen to here.

cronsim is asked for times of the wall's clock alone, without a zone: with one, it never ends where a clock changes in
the midst of an hour (`* 3 * * *` in Pacific/Chatham, each April).

By daylight saving, as Debian's cron and cronsim have it: where minute and hour are fixed, a slot that the clock leaves
out runs once, right after the gap, and one that comes twice runs the first time. Where either begins with an asterisk
it means the passing time: it runs in each hour that there is. A slot is a moment, in UTC: no two are called the same.
"""

import functools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from holdfast.errors import HoldfastError, Reason
from holdfast.texts import quoted

SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MOST = 1000  # slots that are counted one by one; what is more is said to be more
_MINUTE = timedelta(minutes=1)
_CLOCKS_CHANGE = timedelta(hours=3)  # more than any clock is ever set forward or back
_LEFT_OUT = 181  # minutes that a clock may leave out, and one more
_A_WHILE = timedelta(days=2)  # in which a clock changes once at the most
_LOOKED_AT, _A_YEAR_OF_MONTHS, _TWO_MONTHS = 600, 13, timedelta(days=60)  # where the longest interval is looked for
_LONG_AGO = timedelta(days=36525)  # before which no slot is looked for: a status may say any year
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Slots:
    """The newest slots of a time, oldest first, and whether there are older ones that were not looked at."""

    newest: tuple[datetime, ...]
    more: bool = False


@dataclass(frozen=True)
class Cron:
    """A cron in a time zone."""

    fields: str
    zone: ZoneInfo
    sentence: str

    @classmethod
    def read(cls, cron: str, time_zone: str) -> Self:
        """Read them. Raises HoldfastError that names the field."""
        fields = SHORT.get(cron, cron)
        if len(fields.split(" ")) != 5:  # six, with seconds first, would be taken by cronsim for something else
            raise _wrong("cron", f"{quoted(cron)} has {len(fields.split())} fields instead of five")
        try:
            sentence = CronSim(fields, _ANY_TIME).explain()
        except CronSimError as error:
            raise _wrong("cron", f"{quoted(cron)} is not a schedule: {_readable(error)}") from None
        read = cls(fields, _zone(time_zone), f"{sentence[:1].lower()}{sentence[1:]}, {time_zone}")
        if next(read.after(_ANY_TIME), None) is None:
            raise _wrong("cron", f"{quoted(cron)} is never due: no day has that date and weekday")
        return read

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the slots later than a moment, in order, without end (but for the years that are looked at)."""
        moment = moment.astimezone(UTC)
        return self._passing(moment) if self._is_passing else self._fixed(moment)

    def between(self, after: datetime, until: datetime, most: int = MOST) -> Slots:
        """Return the newest slots later than one moment and not later than another, at the cost of so many."""
        start = self._from_where(max(after, until - _LONG_AGO), until, most)
        found = deque(takewhile(lambda slot: slot <= until, self.after(start)), maxlen=most + 1)
        return Slots(tuple(found)[-most:], more=start > after or len(found) > most)

    @functools.cached_property
    def longest(self) -> timedelta:
        """The longest time between two slots in a row, of some hundred slots: nights, weekends and long months."""
        longest, before = timedelta(0), None
        for count, slot in enumerate(self.after(_ANY_TIME), start=1):
            longest = max(longest, slot - before) if before else longest
            before = slot
            if count == _LOOKED_AT or (count > _A_YEAR_OF_MONTHS and slot - _ANY_TIME > _TWO_MONTHS):
                break
        return longest

    @property
    def _is_passing(self) -> bool:
        """Whether it means the passing time, and not times of the day."""
        return any(field.startswith("*") for field in self.fields.split()[:2])

    def _fixed(self, moment: datetime) -> Iterator[datetime]:
        """Yield each time of the wall's clock once: the first of two, and right after the gap where it is left out."""
        last = moment
        for wall in CronSim(self.fields, self._wall(moment)):
            slot = self._first(wall)
            if slot > last:
                last = slot
                yield slot

    def _passing(self, moment: datetime) -> Iterator[datetime]:
        """Yield each moment at which the wall's clock shows such a time: one stretch after another of equal offsets."""
        last, offset = moment, self._offset(moment)
        walls = CronSim(self.fields, self._wall(moment))
        while (wall := next(walls, None)) is not None:
            slot = (wall - offset).replace(tzinfo=UTC)
            if slot - last > _A_WHILE:  # nothing till shortly before it, whatever clocks do meanwhile
                last = slot - _CLOCKS_CHANGE
                offset, walls = self._offset(last), CronSim(self.fields, self._wall(last))
            elif self._offset(slot) == offset:
                last = slot
                yield slot
            else:
                changed = self._change(last, slot, offset)
                last, offset = changed, self._offset(changed)
                walls = CronSim(self.fields, self._wall(changed) - _MINUTE)

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def _offset(self, moment: datetime) -> timedelta:
        return self._wall(moment) - moment.replace(tzinfo=None)

    def _first(self, wall: datetime) -> datetime:
        """Return when the wall's clock shows this first, or would have, had it not left it out."""
        while self._wall(moment := wall.replace(tzinfo=self.zone).astimezone(UTC)) != wall:
            wall += _MINUTE
        return moment

    def _change(self, before: datetime, after: datetime, offset: timedelta) -> datetime:
        """Return the first minute at which the clock has another offset; at the later moment it has."""
        before = before.replace(second=0)
        while after - before > _MINUTE:
            middle = before + (after - before) // 2 // _MINUTE * _MINUTE
            before, after = (middle, after) if self._offset(middle) == offset else (before, middle)
        return after

    def _from_where(self, after: datetime, until: datetime, most: int) -> datetime:
        """Return where to begin, so that nothing of the newest is left out and the way is not much longer."""
        moment = until = until.astimezone(UTC)
        for wall in islice(CronSim(self.fields, self._wall(until), reverse=True), most + _LEFT_OUT):
            moment = (wall - self._offset(until)).replace(tzinfo=UTC)
            if moment <= after:
                return after
        return max(after, moment)


@functools.lru_cache(maxsize=4096)
def read(cron: str, time_zone: str) -> Cron | HoldfastError:
    """Read them, or say what is wrong, and remember it: that a cron never comes takes a tenth of a second to find."""
    try:
        return Cron.read(cron, time_zone)
    except HoldfastError as error:
        return error.with_traceback(None)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # no such file, or a folder, or a file that is none
        raise _wrong("timeZone", f"{quoted(name)} is not a time zone of the IANA database") from None


def _readable(error: CronSimError) -> str:
    """Say what cronsim says, which is `Bad day-of-week`, as the rest of a sentence."""
    return f"the field {str(error).removeprefix('Bad ').replace('-', ' ')} is not valid"


def _wrong(field: str, what: str) -> HoldfastError:
    remedy = "correct this field; until then the schedule takes no backups"
    return HoldfastError(Reason.SCHEDULE_INVALID, f"spec.schedule.{field}: {what}", remedy)
