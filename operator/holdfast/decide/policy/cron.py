"""Which moments a cron means in its time zone. cronsim computes them; what it would take too far is bounded here.

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
_CLOCKS_CHANGE = timedelta(hours=3)  # at most, with room: how far a slot may lie from where one looks for it backwards
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
            raise _wrong("cron", f"{quoted(cron)} has {len(fields.split())} fields and not five")
        try:
            sentence = CronSim(fields, _ANY_TIME).explain()
        except CronSimError as error:
            raise _wrong("cron", f"{quoted(cron)} is no schedule: {_readable(error)}") from None
        read = cls(fields, _zone(time_zone), f"{sentence[:1].lower()}{sentence[1:]}, {time_zone}")
        if next(read.after(_ANY_TIME), None) is None:
            raise _wrong("cron", f"{quoted(cron)} never comes: no day is all that it asks for")
        return read

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the slots later than a moment, in order, without end (but for the years that are looked at)."""
        last = moment
        for found in CronSim(self.fields, moment.astimezone(self.zone)):
            slot = found.astimezone(UTC)
            if slot > last:  # in the hour that comes twice, cronsim begins with the first one
                last = slot
                yield slot

    def between(self, after: datetime, until: datetime, most: int = MOST) -> Slots:
        """Return the newest slots later than one moment and not later than another, at the cost of so many."""
        start = self._from_where(after, until, most)
        found = deque(takewhile(lambda slot: slot <= until, self.after(start)), maxlen=most + 1)
        return Slots(tuple(found)[-most:], more=start > after or len(found) > most)

    def _from_where(self, after: datetime, until: datetime, most: int) -> datetime:
        """Return where to begin, so that nothing of the newest is left out and the way is not much longer."""
        backwards = CronSim(self.fields, until.astimezone(self.zone), reverse=True)
        moment = until
        for found in islice(backwards, most + 1):
            moment = found.astimezone(UTC)
            if moment <= after:
                return after
        return max(after, moment - _CLOCKS_CHANGE)


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
        raise _wrong("timeZone", f"{quoted(name)} is no time zone of the IANA database") from None


def _readable(error: CronSimError) -> str:
    """Say what cronsim says, which is `Bad day-of-week`, as the rest of a sentence."""
    return f"the field {str(error).removeprefix('Bad ').replace('-', ' ')} makes no sense"


def _wrong(field: str, what: str) -> HoldfastError:
    remedy = "correct it; until then nothing is run by schedule"
    return HoldfastError(Reason.SCHEDULE_INVALID, f"spec.schedule.{field}: {what}", remedy)
