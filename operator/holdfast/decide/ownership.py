"""Whose a Job is, and whose a Pod. Pure.

Anybody in a namespace may give a Job our name, and a Pod all our labels. What is believed, ended or given a time to
live is only what has the right controller: of a Job, the backup by its uid; of a Pod, that very Job by its uid.
"""

from collections.abc import Sequence

from holdfast.decide.views import JobView, PodView


def is_ours(job: JobView, backup_uid: str) -> bool:
    """Whether the Job was made for this backup."""
    return job.controller == backup_uid


def pods_of(job_uid: str | None, pods: Sequence[PodView]) -> tuple[PodView, ...]:
    """Return the Pods that this Job has made, among those that bear its name."""
    return tuple(pod for pod in pods if job_uid is not None and pod.controller == job_uid)


def strays(job: JobView | None, pods: Sequence[PodView], backup_uid: str) -> tuple[PodView, ...]:
    """Return the Pods of a Job of this backup that bore the same name and is gone: somebody deleted it."""
    there = job.uid if job else None
    return tuple(pod for pod in pods if pod.controller not in (None, there) and pod.backup_uid == backup_uid)
