"""What came of a Job: read from its report where there is one, else from what Job, Pods and refusals show.

"No report" is an outcome too: a container may be killed, evicted, never started. Each such end has its own reason
and remedy, since the person who is paged has no log to look at.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.api.backup import Failure
from holdfast.contract import report as reports
from holdfast.contract.report import Report
from holdfast.decide import failures
from holdfast.decide.containers import InitContainer
from holdfast.decide.views import JobView, PodView
from holdfast.errors import FINAL_EXIT_CODES, Reason
from holdfast.sentences import shorten

_IMAGE_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
_BACK_OFF = re.compile(
    r'^Back-off pulling image "[^"]*"(: ErrImagePull)?:? ?'
)  # the kubelet alternates with and without
_SIGKILL = 137
_WHO_PUT_IT_THERE = (
    "find the webhook or admission policy that adds this container to Pods, and correct it or exempt Holdfast's Jobs"
)

_REFUSALS: tuple[tuple[str, Reason, str], ...] = (
    ("exceeded quota", Reason.QUOTA_EXCEEDED, "raise the ResourceQuota, or lower job.resources in the policy"),
    ("must specify", Reason.QUOTA_EXCEEDED, "set job.resources: the ResourceQuota requires a value for each resource"),
    (
        "service ?account",
        Reason.SERVICE_ACCOUNT_MISSING,
        "create the ServiceAccount, or correct job.serviceAccountName",
    ),
    (
        "violates PodSecurity",
        Reason.POD_SECURITY,
        "look for an admission webhook or a stricter policy in this namespace: Holdfast's own Pod meets `restricted`",
    ),
)


@dataclass(frozen=True)
class End:
    """How a Job ended: with a report, or with a failure made of what was seen."""

    report: Report | None = None
    failure: Failure | None = None


def report_of(pod: PodView) -> Report | None:
    """Read the report that this Pod left; None when it left none."""
    return reports.parse(pod.terminated.message) if pod.terminated else None


def retries(job: JobView | None, pods: Sequence[PodView]) -> int:
    """Count the Pods that failed and were replaced."""
    lost = max(job.failed_pods if job else 0, sum(pod.phase == "Failed" for pod in pods))
    running = any(not pod.ended for pod in pods) or any(pod.phase == "Succeeded" for pod in pods)
    return lost if running else max(0, lost - 1)


def is_final(pods: Sequence[PodView]) -> bool:
    """Whether the last Pod ended in a way after which none follows, by the Job's own rules."""
    end = pods[-1].terminated if pods else None
    return end is not None and (end.exit_code == 0 or end.exit_code in FINAL_EXIT_CODES)


def left_behind(job: JobView | None, pods: Sequence[PodView]) -> bool:
    """Whether some Pod may have left something half-written in the bucket: it ran, and no clean report came of it."""
    unclean = [pod for pod in pods if pod.started and not ((report := report_of(pod)) and report.clean)]
    vanished = (job.failed_pods if job else 0) > sum(pod.phase == "Failed" for pod in pods)
    return bool(unclean) or vanished


def trouble_starting(pods: Sequence[PodView], refusal: str | None) -> Failure | None:
    """Say what keeps the Job from starting, as far as the cluster tells; None when nothing does."""
    if refusal is not None and not any(not pod.ended for pod in pods):
        return _refused(refusal)
    pod = next((pod for pod in pods if not pod.started and not pod.ended), None)
    if pod is None:
        return None
    if pod.held_up_by and pod.held_up_by.reason:
        return _held_up(pod.held_up_by)
    if pod.waiting_reason in _IMAGE_REASONS:
        return _failure(
            Reason.IMAGE_PULL,
            f"the runner's image cannot be pulled: {_BACK_OFF.sub('', pod.waiting_message) or pod.waiting_reason}",
            "check runner.images in the chart's values, the registry, and job.imagePullSecrets",
        )
    if pod.unschedulable:
        return _failure(
            Reason.UNSCHEDULABLE,
            f"no node can run the Pod: {pod.unschedulable}",
            "compare job.resources, job.nodeSelector and job.tolerations with the nodes",
        )
    if pod.waiting_reason and pod.waiting_reason not in ("ContainerCreating", "PodInitializing"):
        return _failure(
            Reason.POD_REFUSED,
            f"the container does not start: {pod.waiting_reason}: {pod.waiting_message}",
            "read the Pod's Events: kubectl describe pod " + pod.name,
        )
    return None


def _held_up(by: InitContainer) -> Failure:
    """Say which container the runner waits for. Holdfast puts none before it: somebody's admission did."""
    reason = Reason.IMAGE_PULL if by.reason in _IMAGE_REASONS else Reason.POD_REFUSED
    return _failure(reason, f"{by}, and the runner can only start after it", _WHO_PUT_IT_THERE)


def never_started(pods: Sequence[PodView], refusal: str | None, seconds: int) -> Failure:
    """Make the failure of a Job whose Pod did not start in time."""
    known = trouble_starting(pods, refusal)
    if known is None:
        waits = next((f": {pod.held_up_by}" for pod in pods if pod.held_up_by and not pod.ended), "")
        return _failure(
            Reason.START_TIMEOUT,
            f"the Job's Pod did not start within {seconds} s{waits}",
            "read the Events of the Job and the Pod (kubectl describe); if the Pod only needs more time, raise "
            "job.startTimeoutSeconds",
        )
    return failures.given_up(known, seconds)


def _refused(refusal: str) -> Failure:
    for pattern, reason, remedy in _REFUSALS:
        if re.search(pattern, refusal, re.IGNORECASE):
            return _failure(reason, f"the cluster refuses the Job's Pod: {refusal}", remedy)
    return _failure(
        Reason.POD_REFUSED,
        f"the cluster refuses the Job's Pod: {refusal}",
        "correct what the message names: it is the API server's or an admission webhook's own",
    )


def unreported(job: JobView, pod: PodView | None) -> Failure:
    """Explain a failed Job that left no report, from its last Pod."""
    if job.failed_reason == "DeadlineExceeded" or (pod and pod.reason == "DeadlineExceeded"):
        return _failure(
            Reason.DEADLINE_EXCEEDED,
            "the cluster stopped the Job at its deadline",
            "find out what made the Job slow, or raise job.activeDeadlineSeconds",
        )
    if pod is None:
        return _failure(
            Reason.POD_LOST,
            f"the Job's Pods are gone and left no report: {job.failed_message}",
            "find out who deletes Pods in this namespace, or which node was lost; then create another backup",
        )
    if pod.reason == "Evicted":
        return _failure(
            Reason.EVICTED,
            f"the Pod was evicted: {pod.message}",
            "raise job.resources.requests, or give the node more room",
        )
    if pod.disrupted:
        return _failure(
            Reason.POD_LOST, f"the Pod was lost: {pod.disrupted}", "create another backup once the nodes are healthy"
        )
    return killed(pod)


def killed(pod: PodView) -> Failure:
    """Explain a container that ended and left no report."""
    end = pod.terminated
    if end is not None and end.reason == "OOMKilled":
        return _failure(
            Reason.OUT_OF_MEMORY,
            "the container was killed, since it needed more memory than its limit",
            "raise job.resources.limits.memory",
            end.exit_code,
        )
    if end is not None and end.exit_code == _SIGKILL:
        return _failure(
            Reason.CONTAINER_KILLED,
            "the container was killed (SIGKILL) before it could report, and the node does not say why",
            "raise job.resources.limits.memory, since memory is the most frequent cause, then create another backup; "
            "if that does not help, read the node's log",
            end.exit_code,
        )
    if end is None and pod.held_up_by is not None:
        return _failure(Reason.POD_REFUSED, f"{pod.held_up_by}, and the runner never ran", _WHO_PUT_IT_THERE)
    code = end.exit_code if end else None
    return _failure(
        Reason.REPORT_MISSING,
        f"the container ended with code {code} and left no report",
        f"read the container's log: kubectl -n {pod.namespace} logs {pod.name}",
        code,
    )


def _failure(reason: Reason, message: str, remedy: str, exit_code: int | None = None) -> Failure:
    return Failure(reason=reason, exit_code=exit_code, message=shorten(message, 2000), remedy=remedy)
