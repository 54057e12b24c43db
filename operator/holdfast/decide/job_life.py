"""The life of a Job, the same for every task: wanted, made, started, followed, ended. Pure.

What is wanted is data; what comes of it is one of the steps below, and each task says what that means for its status.
Nothing is made of a Job that is not the owner's, nothing waits for ever, and what keeps a Job from starting is told.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from holdfast.api.backup import Failure
from holdfast.api.begun import there
from holdfast.api.job import JobTemplate, PodWanted
from holdfast.decide import failures, job_end, outcome, ownership, starting
from holdfast.decide.decision import Create, Delete, Do, Expire, Learn, What
from holdfast.decide.outcome import End
from holdfast.decide.seen import Asked, Seen
from holdfast.decide.views import JobView, OwnerRef

LOOK_AGAIN = timedelta(seconds=5)  # where nothing tells when the Job can be made


@dataclass(frozen=True)
class Work:
    """A Job that is wanted."""

    role: str
    owner: OwnerRef  # the resource that is to control it
    template: JobTemplate  # how long it may take to start, and to work
    since: datetime | None = None  # when it was asked for; None: when it was first waited for
    wanted: PodWanted | None = None  # what the status keeps of its start
    ran: bool = False  # one of its Pods is known to have run
    maker: str | None = None  # who makes a Job that is to outlive its resource, and so has no owner


@dataclass(frozen=True)
class Hindered:
    """Something keeps it from starting, so far."""

    by: Failure
    due: datetime
    wanted: PodWanted | None


@dataclass(frozen=True)
class Starting:
    """Its Pod is to start, and nothing is known to be in the way."""

    due: datetime
    wanted: PodWanted | None


class State(Enum):
    """How a Job goes on."""

    RUNS = "the runner is running"
    BESIDE = "the runner has ended; the Pod's other containers have a minute to end"
    REPLACED = "a Pod failed, and the Job replaces it"
    LAST_ENDED = "the last Pod has ended, and the Job is about to end"
    DELETED = "the Job is being deleted; then the operator creates it again"


# How a backup and a restore say it, while it goes on.
SENTENCES = {
    State.RUNS: "the Job is running",
    State.BESIDE: (
        "the runner has ended; the Pod's other containers have a minute to end, then the operator ends the Job"
    ),
    State.REPLACED: "a Pod failed, and the Job replaces it",
    State.LAST_ENDED: "the runner has ended, and the Job is about to end",
}


@dataclass(frozen=True)
class GoesOn:
    """Nothing is to be done."""

    state: State
    due: datetime
    wanted: PodWanted | None = None


@dataclass(frozen=True)
class Over:
    """It has come to its end."""

    end: End


@dataclass(frozen=True)
class Unreported:
    """It has ended, and what came of it is not known."""

    contradicted: bool  # a Pod reports a success, and the Job failed


@dataclass(frozen=True)
class GivenUp:
    """It will not be waited for any longer."""

    failure: Failure


Step = Do | Hindered | Starting | GoesOn | Over | Unreported | GivenUp


def step(work: Work, seen: Seen, asked: Asked, now: datetime, hindrance: Failure | None = None) -> Step:
    """Return the next step; `hindrance` is why the Job cannot be made yet."""
    job = seen.job
    if job is None:
        return _make(work, seen, hindrance, now)
    if not ownership.is_ours(job, work.owner, work.maker):
        return GivenUp(failures.job_name_taken(job.name))
    late = job_end.overdue(job, work.template)
    if job.deleting and not job.finished:  # its end is an event
        return GivenUp(failures.job_overdue(job.name)) if now >= late else GoesOn(State.DELETED, late, work.wanted)
    return _follow(work, seen, job, asked, now)


def tidied(seen: Seen, owner: OwnerRef, seconds: int) -> Do | None:
    """End a Job that nobody waits for any more, or let it go when it has ended; None where that is done."""
    job = seen.job
    if job is None or job.deleting or not ownership.is_ours(job, owner):
        return None
    if not job.finished:
        return Do(Delete(job))
    return None if job.ttl_set else Do(Expire(job, seconds))


def _follow(work: Work, seen: Seen, job: JobView, asked: Asked, now: datetime) -> Step:
    late = job_end.overdue(job, work.template)
    found = job_end.standing(job, seen.own_pods, asked.pods, now)
    if found.look:
        return Do(Learn(What.PODS))
    if found.end is not None:
        return Over(found.end)
    if found.lost or found.contradicted:
        return Unreported(found.contradicted)
    if now >= late:
        return GivenUp(failures.job_overdue(job.name))
    if found.due is not None:
        return GoesOn(State.BESIDE, found.due)
    return _start(work, seen, job, asked, now)


def _make(work: Work, seen: Seen, hindrance: Failure | None, now: datetime) -> Step:
    by = hindrance or (failures.job_refused(seen.refusal) if seen.refusal is not None else None)
    if by is None:
        return Do(Create(work.role))
    wanted = work.wanted or PodWanted(since=now)
    since = work.since or wanted.since
    if now - since < timedelta(seconds=_timeout(work)):
        return Hindered(by, now + LOOK_AGAIN, None if work.since else wanted)
    return GivenUp(failures.given_up(by, _timeout(work)))


def _start(work: Work, seen: Seen, job: JobView, asked: Asked, now: datetime) -> Step:
    pods, late = seen.own_pods, job_end.overdue(job, work.template)
    start = starting.look(job, pods, work.wanted, work.ran, seen.refusal, seen.refused_at, now)
    if start.running:
        return GoesOn(State.RUNS, late)
    if start.since is None:
        return GoesOn(State.LAST_ENDED if outcome.is_final(pods) else State.REPLACED, late, start.wanted)
    due = start.since + timedelta(seconds=_timeout(work))
    if now >= due:
        if not asked.pods:
            return Do(Learn(What.PODS))  # the cache may be behind, and this is not taken back
        if start.refusal is None and not any(not pod.ended for pod in pods) and not _known(asked.refusals, due):
            return Do(Learn(What.EVENTS))  # the last look may have been too early
        return GivenUp(outcome.never_started(pods, start.refusal, _timeout(work)))
    trouble = outcome.trouble_starting(pods, start.refusal)
    return Hindered(trouble, due, start.wanted) if trouble else Starting(due, start.wanted)


def _known(read: datetime | None, due: datetime) -> bool:
    """Whether it was asked why there is no Pod when there should have been one."""
    return read is not None and read >= due


def _timeout(work: Work) -> int:
    """Return how long it may take to start, seconds; a policy that is resolved always says it."""
    return there(work.template.start_timeout_seconds, "resolved.job.startTimeoutSeconds")
