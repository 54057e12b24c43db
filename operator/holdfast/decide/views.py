"""What decisions see of a Job and of its Pods: the few facts they need, taken from the API's bodies.

Whole bodies are never kept: a thousand Pods would not fit into the operator's memory.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from holdfast import clock, naming

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobView:
    """A Job of ours (or one that bears a name of ours)."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    backup_uid: str | None
    owner_uids: tuple[str, ...]
    created: datetime
    deleting: bool
    failed_pods: int
    complete: bool
    failed_reason: str | None
    failed_message: str
    ttl_set: bool

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


@dataclass(frozen=True, slots=True)
class PodView:
    """A Pod of one of our Jobs."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    backup_uid: str | None
    job_name: str
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

    @property
    def ended(self) -> bool:
        """Whether nothing runs in it any more."""
        return self.phase in ("Succeeded", "Failed") or self.terminated is not None


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A PersistentVolumeClaim that a Job is to mount, and the Pods that hold it now."""

    access_modes: tuple[str, ...] | None  # None: there is no such claim
    holders: tuple[tuple[str, str], ...] = ()  # name and node of each Pod


def claim_view(name: str, claim: Body | None, pods: Iterable[Body]) -> ClaimView:
    """Take the facts from a claim (None: it is not there) and from the `v1` Pods of its namespace."""
    if claim is None:
        return ClaimView(None)
    # the volume's modes, where there is one: it may have more than were asked for
    modes = (claim.get("status") or {}).get("accessModes") or claim["spec"].get("accessModes") or []
    holders = [
        (pod["metadata"]["name"], pod["spec"]["nodeName"])
        for pod in pods
        if pod["spec"].get("nodeName")
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        and any(
            (volume.get("persistentVolumeClaim") or {}).get("claimName") == name
            for volume in pod["spec"].get("volumes") or []
        )
    ]
    return ClaimView(tuple(modes), tuple(sorted(holders)))


def job_view(body: Body) -> JobView:
    """Take the facts from a `batch/v1` Job."""
    meta, status = body["metadata"], body.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or [] if c.get("status") == "True"}
    failed = conditions.get("Failed")
    return JobView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta.get("resourceVersion", "0"),
        backup_uid=(meta.get("labels") or {}).get(naming.LABEL_BACKUP_UID),
        owner_uids=tuple(owner["uid"] for owner in meta.get("ownerReferences") or []),
        created=clock.from_text(meta["creationTimestamp"]),
        deleting="deletionTimestamp" in meta,
        failed_pods=status.get("failed") or 0,
        complete="Complete" in conditions,
        failed_reason=failed.get("reason", "Failed") if failed else None,
        failed_message=failed.get("message", "") if failed else "",
        ttl_set="ttlSecondsAfterFinished" in body["spec"],
    )


def pod_view(body: Body) -> PodView:
    """Take the facts from a `v1` Pod of one of our Jobs; its one container is the runner."""
    meta, status = body["metadata"], body.get("status") or {}
    labels = meta.get("labels") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    state = next((c.get("state") or {} for c in status.get("containerStatuses") or []), {})
    waiting = state.get("waiting") or {}
    return PodView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta.get("resourceVersion", "0"),
        backup_uid=labels.get(naming.LABEL_BACKUP_UID),
        job_name=labels.get("batch.kubernetes.io/job-name") or "",
        created=clock.from_text(meta["creationTimestamp"]),
        deleting="deletionTimestamp" in meta,
        phase=status.get("phase") or "Pending",
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        disrupted=_message(conditions.get("DisruptionTarget"), "True"),
        unschedulable=_message(conditions.get("PodScheduled"), "False"),
        waiting_reason=waiting.get("reason") or "",
        waiting_message=waiting.get("message") or "",
        started="running" in state or "terminated" in state,
        terminated=_terminated(state.get("terminated")),
    )


def _message(condition: Body | None, status: str) -> str | None:
    """Return the sentence of a condition that has this status; None when it has not."""
    if condition is None or condition.get("status") != status:
        return None
    return str(condition.get("message") or condition.get("reason") or condition["type"])


def _terminated(state: Body | None) -> Terminated | None:
    if state is None:
        return None
    return Terminated(
        exit_code=state.get("exitCode", -1), reason=state.get("reason") or "", message=state.get("message") or ""
    )
