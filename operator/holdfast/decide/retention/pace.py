"""How often backups have come of late, to say when one that is kept by number is expected to go: a forecast.

It follows from the backups alone and not from the time, so that it stays the same until another one comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import ClassVar, Self

from holdfast.clock import LAST

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """The newest backup, and after how much time each next one is expected."""

    newest: datetime
    every: timedelta

    LOOKED_AT: ClassVar[int] = 11

    @classmethod
    def of(cls, ended: Sequence[datetime]) -> Self:
        """Tell it from when the last few ended, newest first; one alone is taken for daily."""
        if len(ended) < 2:
            return cls(ended[0], _DAY)
        apart = [(later - earlier).total_seconds() for later, earlier in pairwise(ended)]
        usual = timedelta(seconds=median(apart))
        grain = _HOUR if usual >= _HOUR - 5 * _MINUTE else _MINUTE
        return cls(ended[0], max(grain, round(usual / grain) * grain))

    def exactly(self, backups: int) -> datetime:
        """Return when so many more are there if they go on as they came."""
        try:
            return (self.newest + backups * self.every).astimezone(UTC)
        except OverflowError:
            return LAST

    def after(self, backups: int) -> datetime:
        """Return when so many more are expected to be there, to the day, hour or minute as often as they come."""
        moment = self.exactly(backups).replace(second=0, microsecond=0)
        if self.every < _HOUR:
            return moment
        return moment.replace(minute=0) if self.every < _DAY else moment.replace(hour=0, minute=0)
