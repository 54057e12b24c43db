"""Whether a Job has come to its end, and to which: the same for a backup, its cleanup and a later verification. Pure.

Only a Pod that the Job controls is read, only its container `runner`, and only where the Job's own end agrees: a
success that a failed Job contradicts is believed by nobody, and the bucket is asked. Where a container that was put
beside the runner keeps the Job from its end, the runner's end is the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.api.job import JobTemplate
from holdfast.contract.report import Outcome, Report
from holdfast.decide import outcome
from holdfast.decide.outcome import End
from holdfast.decide.views import JobView, PodView

# A sidecar that ends after the others does so by itself in this time: Kubernetes kills one after the Pod's 30 seconds
# of grace. Then the Job ends in the ordinary way, and its log stays.
SIDECAR_GRACE = timedelta(seconds=60)
CLOCKS = timedelta(minutes=5)  # by which a node's clock may be ahead; a time after that is nobody's


# Beyond a Job's own deadline. Kubernetes calls a Job failed when its last Pod has ended, and a Pod on a node that does
# not answer never does.
OVERDUE = timedelta(minutes=10)
SHORTEST = 600  # seconds of work that each Job has


@dataclass(frozen=True)
class Standing:
    """How a Job stands. Nothing of it is set while it goes on."""

    end: End | None = None
    lost: bool = False  # it is complete, and no report is there that says so
    contradicted: bool = False  # a Pod reports success, and the Job has failed without that Pod
    look: bool = False  # it has finished: ask the API server for its Pods before anything is made of that
    due: datetime | None = None  # the runner has ended beside another container: then that is the end


def overdue(job: JobView | PodView, template: JobTemplate) -> datetime:
    """Return when a Job, or a Pod of one, that has not finished by itself never will."""
    seconds = (template.start_timeout_seconds or 0) + max(SHORTEST, template.active_deadline_seconds or SHORTEST)
    return job.created + timedelta(seconds=seconds) + OVERDUE


def standing(job: JobView, pods: Sequence[PodView], listed: bool, now: datetime) -> Standing:
    """Say how the Job stands; `pods` are its own, oldest first, and `listed` when they were asked for just now."""
    found = _finished(job, pods) if job.finished else _beside(pods, now)
    if job.finished and not listed and (found.end is None or found.end.report is None):
        return Standing(look=True)
    return found


def success_of(pods: Sequence[PodView]) -> tuple[PodView, Report] | None:
    """Return the newest Pod whose runner ended with 0 and reports success, with that report."""
    for pod in reversed(pods):
        report = outcome.report_of(pod)
        if pod.terminated and pod.terminated.exit_code == 0 and report and report.outcome is Outcome.SUCCEEDED:
            return pod, report
    return None


def _finished(job: JobView, pods: Sequence[PodView]) -> Standing:
    told = success_of(pods)
    if told is not None:
        pod, report = told
        # a Pod may fail by a container beside the runner, and its Job with it, when the runner's work is done
        agrees = job.complete or pod.phase == "Failed"
        return Standing(end=End(report=report)) if agrees else Standing(contradicted=True)
    if job.complete:
        return Standing(lost=True)
    reports = (outcome.report_of(pod) for pod in reversed(pods))
    failed = next((report for report in reports if report and report.failure), None)
    if failed is not None:
        return Standing(end=End(report=failed))
    return Standing(end=End(failure=outcome.unreported(job, pods[-1] if pods else None)))


def _beside(pods: Sequence[PodView], now: datetime) -> Standing:
    """Look at the last Pod of a Job that has not finished: its runner may have ended, and the Pod has not."""
    pod = pods[-1] if pods else None
    if pod is None or pod.terminated is None or pod.over:
        return Standing()
    told = success_of([pod])
    if told is None and pod.deleting:
        return Standing()  # it is on its way out, and another one follows it
    at = pod.terminated.at
    if at is not None and at - now < CLOCKS and now < at + SIDECAR_GRACE:
        return Standing(due=at + SIDECAR_GRACE)
    if told is not None:
        return Standing(end=End(report=told[1]))
    report = outcome.report_of(pod)
    failed = End(report=report) if report and report.failure else End(failure=outcome.killed(pod))
    return Standing(end=failed)
