"""What a deletion Job has made of each backup that it was given, and when what failed is tried again. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from holdfast.api.backup import Failure
from holdfast.api.deletion import Member, Result
from holdfast.contract.report import DeleteReport
from holdfast.errors import Reason
from holdfast.sentences import explain, shorten

_LONGEST = 512  # characters of a message
_UNSAID = {
    "result": Result.FAILED,
    "reason": Reason.REPORT_MISSING,
    "message": "the Job's report does not say what happened",
}


def results(members: Sequence[Member], report: DeleteReport) -> list[Member]:
    """Return each member with what the Job has made of it: as good as before is only what the Job has seen to be."""
    fates: dict[int, dict[str, object]] = {place: {"result": Result.DELETED} for place in report.deleted}
    for kept in report.retained:
        fates |= {place: {"result": Result.RETAINED, "until": kept.until} for place in kept.items}
    for told in report.failed:
        message = shorten(told.message, _LONGEST)
        fates |= {
            place: {"result": Result.FAILED, "reason": told.reason, "message": message} for place in told.items
        }  # fmt: skip
    return [
        each.model_copy(update={**fates.get(place, _UNSAID), "untouched": place in report.whole})
        for place, each in enumerate(members)
    ]


def failed(members: Sequence[Member], failure: Failure) -> list[Member]:
    """Return each member as not deleted: nobody knows how far the Job had come."""
    said = {"result": Result.FAILED, "reason": failure.reason, "message": shorten(explain(failure), _LONGEST)}
    return [each.model_copy(update=said) for each in members]


def pause(tries: int, first: timedelta, longest: timedelta) -> timedelta:
    """Return how long to wait after so many tries: twice as long each time, up to the longest."""
    factor: int = 2 ** min(tries - 1, 10)
    return min(first * factor, longest)
