"""The reasons for which a backup is kept or goes, in the words that its status shows."""

import functools
from datetime import datetime
from enum import StrEnum

from holdfast import clock


class Kind(StrEnum):
    """A kind of reason, by which those that are kept are counted."""

    WITHIN = "within"
    LAST = "last"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    NEWEST_GOOD = "newest good"
    NEWEST_SOUND = "newest not suspicious"
    MINIMUM = "minimum"
    PINNED = "pinned"
    MIGRATION = "before a migration that has not succeeded"
    MIGRATED = "before a migration"
    LOCKED = "locked"
    NEWEST_FAILED = "newest failed"
    NEWEST_DAMAGED = "newest damaged"
    NEWEST_SUSPICIOUS = "newest suspicious"
    EXTERNAL = "left to the bucket"
    BUSY = "in use"
    FRESH = "created a short time ago"
    AHEAD = "completed in the future"
    EXPIRED = "data is gone"
    DAMAGED = "damaged"
    FAILED = "failed within 7 days"
    NEWEST_FAILURE = "newest failure"
    UNCLEAR = "not known to have ended"


SET_ASIDE = (Kind.BUSY, Kind.FRESH, Kind.AHEAD, Kind.EXPIRED, Kind.DAMAGED, Kind.UNCLEAR)
"""Why a backup is not looked at: no rule has said anything about it."""


@functools.lru_cache(maxsize=1024)
def within(days: int) -> str:
    """Return the reason of one that its age keeps."""
    return f"within {_days(days)}"


@functools.lru_cache(maxsize=1024)
def older(days: int, own: bool, counted: bool) -> str:
    """Return why one goes."""
    age = f"older than {'its own ' if own else ''}{_days(days)}"
    return f"{age}, and no other rule keeps it" if counted else age


def locked(until: datetime) -> str:
    """Return the reason of one that the store does not let go yet."""
    return f"locked until {clock.to_text(until)}"


def migrated(until: datetime) -> str:
    """Return the reason of one that a migration keeps after its end."""
    return f"{Kind.MIGRATED}, until {clock.to_text(until)}"


def _days(days: int) -> str:
    return f"{days} day" if days == 1 else f"{days} days"
