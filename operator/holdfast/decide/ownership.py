"""Whose a Job is, and whose a Pod. Pure.

Anybody in a namespace may give a Job our name, and a Pod all our labels. What is believed, ended or given a time to
live is only what has the right controller: of a Job, its owner by kind and uid; of a Pod, that very Job by its uid.
A Job that is to outlive its resource has no owner: it is believed by its name and by who made it (docs/adr/0020).
"""

from collections.abc import Sequence

from holdfast.decide.views import JobView, OwnerRef, PodView


def is_ours(job: JobView, owner: OwnerRef, maker: str | None = None) -> bool:
    """Whether the Job was made for this resource; with `maker`, that user made it, and no resource owns it."""
    if maker is not None:
        return job.controller is None and job.made_by == maker
    return job.controller == owner


def pods_of(job_uid: str | None, pods: Sequence[PodView]) -> tuple[PodView, ...]:
    """Return the Pods that this Job has made, among those that bear its name."""
    return tuple(pod for pod in pods if job_uid is not None and pod.controller == job_uid)


def strays(job: JobView | None, pods: Sequence[PodView], owner: OwnerRef) -> tuple[PodView, ...]:
    """Return the Pods of a Job of this resource that bore the same name and is gone: somebody deleted it."""
    there = job.uid if job else None
    return tuple(pod for pod in pods if pod.controller not in (None, there) and pod.labelled == owner)
