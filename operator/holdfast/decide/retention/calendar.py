"""Hours, days, weeks, months and years as numbers that count on: what the calendar on a wall shows, in a time zone.

A week is ISO's, from Monday. In the autumn, the hour that comes twice is one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from holdfast.clock import LAST
from holdfast.decide.retention.words import Kind

_OUT_OF_RANGE = (ValueError, OverflowError)


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch of the calendar, of which one backup is kept."""

    kind: Kind
    number: Callable[[datetime], int]  # of the one that a wall's clock is in
    wall: Callable[[int], datetime]  # what the wall's clock shows when one of that number begins
    shown: Callable[[datetime], str]  # by its beginning

    def text(self, number: int) -> str:
        """Return the reason that a backup is kept for."""
        return f"{self.kind} {self.shown(self.wall(number))}"

    def begins(self, number: int, zone: ZoneInfo) -> datetime:
        """Return when it begins, in UTC."""
        try:
            return self.wall(number).replace(tzinfo=zone).astimezone(UTC)
        except _OUT_OF_RANGE:
            return LAST


def _hour(wall: datetime) -> int:
    return wall.toordinal() * 24 + wall.hour


def _week(wall: datetime) -> int:
    return (wall.toordinal() - 1) // 7  # the first day of the year 1 was a Monday


def _month(wall: datetime) -> int:
    return wall.year * 12 + wall.month - 1


def _iso_week(monday: datetime) -> str:
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02}"


HOURS = Unit(
    Kind.HOURLY,
    _hour,
    lambda number: datetime.fromordinal(number // 24) + timedelta(hours=number % 24),
    lambda wall: f"{wall:%Y-%m-%d %H}:00",
)
DAYS = Unit(Kind.DAILY, datetime.toordinal, datetime.fromordinal, lambda wall: f"{wall:%Y-%m-%d}")
WEEKS = Unit(Kind.WEEKLY, _week, lambda number: datetime.fromordinal(number * 7 + 1), _iso_week)
MONTHS = Unit(
    Kind.MONTHLY,
    _month,
    lambda number: datetime(number // 12, number % 12 + 1, 1),  # noqa: DTZ001 - what a wall's clock shows
    lambda wall: f"{wall:%Y-%m}",
)
YEARS = Unit(
    Kind.YEARLY,
    lambda wall: wall.year,
    lambda number: datetime(number, 1, 1),  # noqa: DTZ001 - what a wall's clock shows
    lambda wall: f"{wall:%Y}",
)


def on_the_wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return what a wall's clock shows then; at the calendar's very ends, what UTC's does."""
    try:
        return moment.astimezone(zone)
    except _OUT_OF_RANGE:
        return moment
