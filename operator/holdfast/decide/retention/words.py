"""The reasons for which a backup is kept or goes, in the words that its status shows."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from holdfast import clock, naming
from holdfast.units import size_for_people

if TYPE_CHECKING:
    from holdfast.decide.retention.plan import Plan


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


def within(days: int) -> str:
    """Return the reason of one that its age keeps."""
    return f"within {_days(days)}"


def older(days: int, own: bool, counted: bool) -> str:
    """Return why one goes."""
    age = f"older than {'its own ' if own else ''}{_days(days)}"
    return f"{age}, and no other rule keeps it" if counted else age


def locked(until: datetime) -> str:
    """Return the reason of one that the store does not let go yet."""
    return f"locked until {clock.to_text(until)}"


def _days(days: int) -> str:
    return f"{days} day" if days == 1 else f"{days} days"


def summary(plan: "Plan") -> str:
    """Say in a sentence what is kept, and what becomes of the rest."""
    kept = f"{_backups(plan.kept)} kept, {size_for_people(plan.kept_bytes)}"
    if plan.external:
        return f"{kept}; a lifecycle rule of the bucket deletes them"
    if not plan.deletions:
        return kept
    going = f"{_backups(len(plan.deletions))}, {size_for_people(plan.going_bytes)}"
    if plan.dry_run:
        return f"{kept}; {going} would be deleted, if this were no dry run"
    return f"{kept}; {going} {'would be deleted, and the plan waits for approval' if plan.held else 'to be deleted'}"


def held(plan: "Plan") -> str:
    """Say why a plan waits, and how to let it go on."""
    why = plan.held.why if plan.held else "it is approved"
    return (
        f"{_backups(len(plan.deletions))} of {plan.good} good ones would be deleted, and {why}: nothing is deleted "
        f"until you approve this very plan by annotating the policy with {naming.ANNOTATION_APPROVE}={plan.hash}, or "
        "change the policy"
    )


def _backups(number: int) -> str:
    return f"{number} {'backup' if number == 1 else 'backups'}"
