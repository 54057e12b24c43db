"""What decisions see of a Job and of its Pods: the few facts they need, taken from the API's bodies.

Whole bodies are never kept: a thousand Pods would not fit into the operator's memory. Whoever may write a Job or a Pod
may write anything into it: each fact is read as `untrusted`, and what makes no sense is as if it were not there.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from holdfast import clock, naming
from holdfast.decide import containers
from holdfast.decide.containers import InitContainer
from holdfast.untrusted import mapping, mappings, moment, needed, number, sentence, word

Body = Mapping[str, Any]

_MAX_SENTENCE = 2048  # characters kept of what a person is told
_MAX_VOLUMES = 1024  # looked at of one Pod
_MAX_REPORT = 4096  # bytes that the kubelet keeps of a termination message


class OwnerRef(NamedTuple):
    """A resource of ours that Jobs are made for: a name may be used again, and a uid is known of one kind alone."""

    kind: str
    uid: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A Job of ours (or one that bears a name of ours)."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    labelled: OwnerRef | None  # whose its labels say that it is, which anybody may give
    controller: OwnerRef | None  # the resource of ours that controls it
    created: datetime
    deleting: bool
    failed_pods: int
    complete: bool
    failed_reason: str | None
    failed_message: str
    ttl_set: bool
    made_by: str | None = None  # the user who made it, as it says; the chart's admission policy sees that it is true

    @property
    def finished(self) -> bool:
        """Whether the Job has ended, either way."""
        return self.complete or self.failed_reason is not None


@dataclass(frozen=True, slots=True)
class Terminated:
    """How the runner's container ended. The message is its report."""

    exit_code: int
    reason: str
    message: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PodView:
    """A Pod of one of our Jobs."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    labelled: OwnerRef | None  # whose its labels say that it is, which anybody may give
    job_name: str
    controller: str | None  # uid of the Job that controls it
    created: datetime
    deleting: bool
    phase: str
    reason: str
    message: str
    disrupted: str | None
    unschedulable: str | None
    waiting_reason: str
    waiting_message: str
    started: bool
    terminated: Terminated | None
    held_up_by: InitContainer | None = None  # the runner starts after it, or never

    @property
    def over(self) -> bool:
        """Whether nothing runs in it any more."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def ended(self) -> bool:
        """Whether the runner does not run in it, nor ever will: a container beside it may run on."""
        return self.over or self.terminated is not None


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A PersistentVolumeClaim that a Job is to mount, and the Pods that hold it now."""

    access_modes: tuple[str, ...] | None  # None: there is no such claim
    holders: tuple[tuple[str, str], ...] = ()  # name and node of each Pod


def claim_view(claim: Body | None, holders: Iterable[tuple[str, str]]) -> ClaimView:
    """Take the facts from a claim (None: it is not there), and who holds it."""
    if claim is None:
        return ClaimView(None)
    # the volume's modes, where there is one: it may have more than were asked for
    modes = mapping(claim.get("status")).get("accessModes") or mapping(claim.get("spec")).get("accessModes")
    return ClaimView(tuple(filter(None, map(word, modes if isinstance(modes, list) else []))), tuple(sorted(holders)))


def holders(claim: str, pods: Iterable[Body]) -> Iterator[tuple[str, str]]:
    """Return name and node of each of these `v1` Pods that holds the claim now."""
    for pod in pods:
        if _holds(pod, claim):
            yield word(mapping(pod.get("metadata")).get("name")), word(mapping(pod.get("spec")).get("nodeName"))


def _holds(pod: Body, claim: str) -> bool:
    """Whether the Pod has a node, has not ended, and mounts the claim."""
    spec = mapping(pod.get("spec"))
    if not spec.get("nodeName") or mapping(pod.get("status")).get("phase") in ("Succeeded", "Failed"):
        return False
    volumes = mappings(spec.get("volumes"), most=_MAX_VOLUMES)
    return any(mapping(volume.get("persistentVolumeClaim")).get("claimName") == claim for volume in volumes)


def job_view(body: Body) -> JobView:
    """Take the facts from a `batch/v1` Job."""
    meta, status = mapping(body.get("metadata")), mapping(body.get("status"))
    failed = _condition(status, "Failed", "True")
    return JobView(
        namespace=needed(meta, "namespace"),
        name=needed(meta, "name"),
        uid=needed(meta, "uid"),
        resource_version=word(meta.get("resourceVersion")) or "0",
        labelled=_labelled(mapping(meta.get("labels"))),
        controller=_controller(meta, naming.GROUP),
        created=moment(meta.get("creationTimestamp")) or clock.EPOCH,
        deleting="deletionTimestamp" in meta,
        failed_pods=number(status.get("failed")),
        complete=_condition(status, "Complete", "True") is not None,
        failed_reason=(word(failed.get("reason")) or "Failed") if failed else None,
        failed_message=sentence(failed.get("message"), _MAX_SENTENCE) if failed else "",
        ttl_set="ttlSecondsAfterFinished" in mapping(body.get("spec")),
        made_by=word(mapping(meta.get("annotations")).get(naming.ANNOTATION_MADE_BY)) or None,
    )


def pod_view(body: Body) -> PodView:
    """Take the facts from a `v1` Pod of one of our Jobs; others may have put containers beside the runner."""
    meta, status = mapping(body.get("metadata")), mapping(body.get("status"))
    labels = mapping(meta.get("labels"))
    state = containers.state_of_the_runner(status)
    waiting, ended = mapping(state.get("waiting")), state.get("terminated")
    job = _controller(meta, "batch")
    return PodView(
        namespace=needed(meta, "namespace"),
        name=needed(meta, "name"),
        uid=needed(meta, "uid"),
        resource_version=word(meta.get("resourceVersion")) or "0",
        labelled=_labelled(labels),
        job_name=word(labels.get("batch.kubernetes.io/job-name")),
        controller=job.uid if job and job.kind == "Job" else None,
        created=moment(meta.get("creationTimestamp")) or clock.EPOCH,
        deleting="deletionTimestamp" in meta,
        phase=word(status.get("phase")) or "Pending",
        reason=word(status.get("reason")),
        message=sentence(status.get("message"), _MAX_SENTENCE),
        disrupted=_message(_condition(status, "DisruptionTarget", "True")),
        unschedulable=_message(_condition(status, "PodScheduled", "False")),
        waiting_reason=word(waiting.get("reason")),
        waiting_message=sentence(waiting.get("message"), _MAX_SENTENCE),
        started="running" in state or ended is not None,
        terminated=None if ended is None else _terminated(mapping(ended)),
        held_up_by=containers.held_up_by(mapping(body.get("spec")), status),
    )


def _controller(meta: Body, group: str) -> OwnerRef | None:
    """Return the one owner that says it is the controller, where that is of this API group."""
    owner = next((each for each in mappings(meta.get("ownerReferences")) if each.get("controller") is True), {})
    kind, uid = word(owner.get("kind")), word(owner.get("uid"))
    ours = word(owner.get("apiVersion")).startswith(f"{group}/")
    return OwnerRef(kind, uid) if ours and kind and uid else None


def _labelled(labels: Body) -> OwnerRef | None:
    """Return whose the labels say that it is; of several, the first of our kinds."""
    said = (OwnerRef(kind, word(labels.get(naming.uid_label(kind)))) for kind in naming.OWNER_LABELS)
    return next((owner for owner in said if owner.uid), None)


def _condition(status: Body, kind: str, value: str) -> Body | None:
    """Return the condition of that type and with that status."""
    conditions = mappings(status.get("conditions"))
    return next((each for each in conditions if each.get("type") == kind and each.get("status") == value), None)


def _message(condition: Body | None) -> str | None:
    """Return what a condition says; None when there is none."""
    if condition is None:
        return None
    said = (sentence(condition.get(field), _MAX_SENTENCE) for field in ("message", "reason", "type"))
    return next(filter(None, said), "")


def _terminated(state: Body) -> Terminated:
    code = state.get("exitCode")
    return Terminated(
        exit_code=code if type(code) is int else -1,
        reason=word(state.get("reason")),
        message=_report(state.get("message")),
        at=moment(state.get("finishedAt")),
    )


def _report(message: object) -> str:
    """Return the report as it is; what is longer than a report can be is none."""
    return message if isinstance(message, str) and len(message) <= _MAX_REPORT else ""
