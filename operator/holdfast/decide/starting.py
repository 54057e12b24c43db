"""Whether a Job's Pod runs, starts, or cannot start, and since when one is wanted and none runs. Pure.

The time to start counts from then, not from the Job's beginning: a Pod that ran and was killed is replaced, and the
next one has its own time. That moment stands in the status where nothing else in the cluster keeps it. An Event's time
was written by others: it only tells an old refusal from a new one, and the clock that counts is ours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from holdfast.api.job import PodWanted
from holdfast.decide.views import JobView, PodView

CLOCKS = timedelta(seconds=60)  # by which a controller's clock may be ahead of ours; a later time is nobody's
LATE = timedelta(seconds=5)  # by which we may have seen a Pod's end later than it was


class Seen(Protocol):
    """An Event, as far as its time goes."""

    @property
    def seen(self) -> datetime:
        """When it was last seen, as it says."""


S = TypeVar("S", bound=Seen)


def latest(events: Iterable[S], now: datetime) -> S | None:
    """Return the latest Event; one of the future is nobody's, and hides no other."""
    return max((each for each in events if each.seen <= now + CLOCKS), key=lambda each: each.seen, default=None)


@dataclass(frozen=True)
class Start:
    """How far the Job's Pod has come."""

    running: bool = False
    replaced: bool = False  # the last one has ended; the Job makes another one by itself, or ends
    since: datetime | None = None  # it is to start, and has been since then; None: nothing is waited for
    refusal: str | None = None  # why there is none
    wanted: PodWanted | None = None  # what the status keeps of it


def look(
    job: JobView, pods: Sequence[PodView], known: PodWanted | None, ran: bool,
    refusal: str | None, refused_at: datetime | None, now: datetime,
) -> Start:  # fmt: skip
    """Say how the Job's start stands; `pods` are its own, `ran` whether one of them is known to have run."""
    active = [pod for pod in pods if not pod.ended]
    if active and active[-1].started:
        return Start(running=True)
    been = ran or len(pods) > len(active) or job.failed_pods > 0 or (known is not None and known.ran)
    if known is not None and (known.failed_pods != job.failed_pods or (active and known.refused)):
        known = None  # another Pod has been there since, or is
    wanted = known or PodWanted(since=now, ran=been, failed_pods=job.failed_pods)
    if active:
        return Start(since=min(active[-1].created, now), wanted=wanted if been else None)
    if refusal is not None and not wanted.refused and _is_news(refused_at, job, pods, wanted.since if been else None):
        since = now if been else min(job.created, now)  # no Pod at all: one has been wanted from the beginning
        wanted = wanted.model_copy(update={"since": since, "refused": True})
    if wanted.refused:
        return Start(since=wanted.since, refusal=refusal, wanted=wanted)
    return Start(replaced=True, wanted=wanted) if been else Start(since=min(job.created, now))


def _is_news(refused_at: datetime | None, job: JobView, pods: Sequence[PodView], gone: datetime | None) -> bool:
    """Whether a refusal is younger than every Pod that there was; `gone` is when the last one was seen to be over."""
    before = [pod.created for pod in pods]
    before += [pod.terminated.at for pod in pods if pod.terminated and pod.terminated.at]
    if gone is not None and (not pods or len(pods) < job.failed_pods):
        before.append(gone - LATE)  # nothing else tells how long the Pod ran that is not there any more
    return refused_at is None or all(refused_at >= moment for moment in before)
