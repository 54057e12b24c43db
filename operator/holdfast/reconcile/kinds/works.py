"""A Job as a look sees it, whoever it is for: the Job of a name, its Pods, and why it has none."""

from datetime import datetime

from holdfast.decide.seen import Seen
from holdfast.decide.starting import latest
from holdfast.reconcile.cache import Cache


def work(cache: Cache, namespace: str, name: str, refused: str | None, now: datetime) -> Seen:
    """Read one Job and its Pods; `refused`: why the API server has refused it just now."""
    job, pods = cache.job(namespace, name), tuple(cache.pods_named(namespace, name))
    told = latest(cache.refusals_of(job), now) if job else None
    return Seen(name, job, pods, told.message if told else refused, told.seen if told else None)
