"""The only place that reads the wall clock; everything else takes `now` as a parameter.

Times in resources, reports and manifests are UTC with whole seconds, written as RFC 3339 with a `Z`
(the form that Kubernetes' `date` columns and `metav1.Time` use).
"""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that is not known: longer ago than anything."""
LAST = datetime(9999, 12, 31, tzinfo=UTC)


def now() -> datetime:
    """Return the current time, UTC, with whole seconds: what a resource can hold."""
    return datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the one place that may


def days_after(moment: datetime, days: int) -> datetime:
    """Return the time so many days later; the last that there is where that is beyond it, whoever says so."""
    try:
        return moment + timedelta(days=days)
    except OverflowError:
        return LAST


def to_text(moment: datetime) -> str:
    """Write a time as RFC 3339 in UTC with whole seconds, e.g. `2026-11-22T08:45:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_text(text: str) -> datetime:
    """Read an RFC 3339 time; fractions of a second are kept. Raises ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text!r}")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # the first hours of the year 1, or the last ones of 9999, elsewhere
        raise ValueError(f"no time that can be written as UTC: {text!r}") from error
