"""When a policy takes backups by itself: names and units are those of Kubernetes' CronJob.

What a rule can see is refused by the API server: how many fields, and what may stand in each. What it cannot see (a
range from a later hour to an earlier one, the 30th of February, a time zone that does not exist) the operator finds,
and says by a condition: `decide/policy/cron.py`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from holdfast.api.base import SpecModel, StatusModel, keyed_by, says
from holdfast.texts import Plain

UTC = "UTC"
MAX_SECONDS = 30 * 86400


def _anycase(words: str) -> str:
    """Return the pattern for one of these words, in capitals or not."""
    return "|".join("".join(f"[{letter}{letter.lower()}]" for letter in word) for word in words.split())


def _field(one: str, *others: str) -> str:
    """Return the pattern of one field: a list of values, ranges and steps, or one of the field's own forms."""
    part = "|".join([rf"(\*|({one})(-({one}))?)(/[1-9][0-9]?)?", *others])
    return rf"({part})(,({part}))*"


_MONTHS = _anycase("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
_DAYS = f"[0-7]|{_anycase('SUN MON TUE WED THU FRI SAT')}"
_FIELDS = (
    _field("[0-5]?[0-9]"),
    _field("[01]?[0-9]|2[0-3]"),
    _field("0?[1-9]|[12][0-9]|3[01]", "[Ll][Ww]?"),
    _field(f"0?[1-9]|1[0-2]|{_MONTHS}"),
    _field(_DAYS, "[0-7][Ll]", f"({_DAYS})#[1-5]"),
)
_SHORT = "@(yearly|annually|monthly|weekly|daily|midnight|hourly)"

Cron = Annotated[
    str,
    Field(
        min_length=5,
        max_length=128,
        pattern=f"^({_SHORT}|{' '.join(_FIELDS)})$",
        json_schema_extra=says(
            "must be five fields with one space between (minute, hour, day of month, month, day of week), "
            "or @hourly, @daily, @weekly, @monthly or @yearly: 0 2 * * *"
        ),
    ),
]
TimeZone = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        # those that begin with a small letter are no zones but what a system makes of its own
        pattern=r"^[A-Z][-A-Za-z0-9_+]*(/[A-Za-z0-9_+][-A-Za-z0-9_+]*){0,2}$",
        json_schema_extra=says("must be a name of the IANA time zone database: Europe/Berlin, UTC"),
    ),
]


class ConcurrencyPolicy(StrEnum):
    """What happens to a slot while the last scheduled backup still runs."""

    FORBID = "Forbid"
    ALLOW = "Allow"
    REPLACE = "Replace"


class Schedule(SpecModel):
    """When backups are taken."""

    cron: Cron = Field(
        description="When to take backups: five fields as in crontab (minute, hour, day of month, month, day of week), "
        "or @hourly, @daily (or @midnight), @weekly, @monthly or @yearly (or @annually). L is the last day of the "
        "month, LW the last weekday of the month, 5L the last Friday, 1#2 the second Monday. If both day fields are "
        "given and neither begins with an asterisk, a day that matches either of them counts."
    )
    time_zone: TimeZone = Field(UTC, description="Time zone in which cron is read, by its IANA name. Default: UTC.")
    jitter_seconds: int = Field(
        0,
        ge=0,
        le=86400,
        description="Most seconds by which a backup begins later than cron says, so that many policies do not begin "
        "at once. The delay of one policy is always the same. Default: 0.",
    )
    starting_deadline_seconds: int | None = Field(
        None,
        ge=10,
        le=MAX_SECONDS,
        description="Most seconds by which a missed backup may begin late, for instance because the operator was down. "
        "Of several missed backups, Holdfast takes the last one only. Default: no limit.",
    )
    concurrency_policy: ConcurrencyPolicy = Field(
        ConcurrencyPolicy.FORBID,
        description="What happens when a backup is due while the last scheduled one still runs: Forbid (Holdfast skips "
        "it and says so), Allow (both run) or Replace (Holdfast deletes the DatabaseBackup that still runs, which "
        "cancels it, and takes the new one). Default: Forbid.",
    )
    suspend: bool = Field(
        False,
        description="Whether the schedule takes no backups for now. Backups missed meanwhile are not taken later. "
        "Default: false.",
    )


class Missed(StrEnum):
    """Why a slot was not run."""

    OVERTAKEN = "Overtaken"
    TOO_LATE = "TooLate"
    STILL_RUNNING = "StillRunning"
    SUSPENDED = "Suspended"
    SCHEDULE_CHANGED = "ScheduleChanged"
    NAME_TAKEN = "NameTaken"


class MissedSlots(StatusModel):
    """Slots that were not run, for one reason."""

    reason: str = Field(
        max_length=64,
        description="Why the backups were missed: Overtaken (a later one was due before Holdfast could take them), "
        "TooLate (startingDeadlineSeconds had passed), StillRunning (the last one had not ended), Suspended, "
        "ScheduleChanged, or NameTaken (a DatabaseBackup that the policy did not create has this name).",
    )
    count: int = Field(ge=0, description="Number of backups missed for this reason since the policy was created.")
    at_least: bool = Field(
        False, description="Whether more were missed than count says: Holdfast counts at most a thousand at once."
    )
    last_slot: datetime = Field(description="When the last of the missed backups was due, UTC.")


class ScheduleStatus(StatusModel):
    """What has become of the schedule so far: nothing else is remembered of it, anywhere."""

    cron: str = Field(max_length=128, description="The cron that this status describes.")
    time_zone: str = Field(max_length=64, description="The time zone that this status describes.")
    policy_uid: str = Field(
        alias="policyUID", max_length=253, description="Uid of the policy that this status describes."
    )
    settled_until: datetime = Field(
        description="Time up to which every due backup was created, or is counted as missed, UTC."
    )
    suspended: bool = Field(False, description="Whether the schedule is suspended.")
    interval_seconds: int | None = Field(
        None, ge=0, description="Longest time between two consecutive backups of the schedule, in seconds."
    )
    message: Plain = Field(
        max_length=1024, description="The schedule in one sentence, and what keeps it from running, if anything does."
    )
    missed: list[MissedSlots] = Field(
        [],
        max_length=16,
        json_schema_extra=keyed_by("reason"),
        description="Scheduled backups that were not taken, counted by reason.",
    )
