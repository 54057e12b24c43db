"""Backups that have settled, as the operator itself leaves them: one is taken in memory, and the others are like it."""

import copy
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.builders import a_success, policy_dict, settings
from tests.fake_cluster import WHEN, FakeCluster
from tests.reconciling import a_loop

from holdfast import clock
from holdfast.contract.report import Report
from holdfast.contract.task import BackupTask, Task
from holdfast.decide.retention.words import within
from holdfast.kube.kinds import BACKUPS, JOBS, PODS, POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key

Body = dict[str, Any]
POLICY_COUNT = 20  # that they are spread over
NAMESPACE = "shop"


async def taken(environment: str = "production") -> Mapping[str, Any]:
    """Return the status of a backup that has succeeded, from its first reconcile to its last."""
    cluster = FakeCluster(_run)
    cluster.put(
        POLICIES, {"metadata": {"namespace": NAMESPACE, "name": "orders"}, "spec": policy_dict(environment=environment)}
    )
    spec = {"policyRef": {"name": "orders"}}
    cluster.put(BACKUPS, {"metadata": {"namespace": NAMESPACE, "name": "b", "creationTimestamp": WHEN}, "spec": spec})
    for _ in range(3):
        cache = Cache()
        for kind in (POLICIES, BACKUPS, JOBS, PODS):
            for body in cluster.all(kind):
                cache.put(kind, body)
        loop = a_loop(cache, cluster, settings())  # type: ignore[arg-type]
        await loop.reconcile(Key(BACKUPS.kind, NAMESPACE, "b"))
        cluster.kubelet()
    status: Body = (await cluster.get(BACKUPS, NAMESPACE, "b"))["status"]
    assert status["phase"] == "Succeeded", status
    assert "DatabaseRestore" in status["restore"], status
    return status


def _run(_image: str, task: Task) -> Report:
    assert isinstance(task, BackupTask)
    return a_success(task=task)


def a_policy(namespace: str, number: int, **spec: Any) -> Body:
    """Return the policy of that number."""
    return {
        "apiVersion": POLICIES.api_version, "kind": POLICIES.kind,
        "metadata": {"namespace": namespace, "name": policy_name(number)}, "spec": policy_dict(**spec),
    }  # fmt: skip


def a_backup(namespace: str, number: int, policies: int = POLICY_COUNT) -> Body:
    """Return the backup of that number, without a status; so many policies have them in turn."""
    return {
        "apiVersion": BACKUPS.api_version, "kind": BACKUPS.kind,
        "metadata": {"namespace": namespace, "name": f"orders-{number:05}"},
        "spec": {"policyRef": {"name": policy_name(number % policies)}, "reason": "to be many"},
    }  # fmt: skip


def a_status(like: Mapping[str, Any], number: int, completed: datetime) -> Body:
    """Return the status of that number: nothing in it that differs between backups is the same in two.

    It says why it is kept as far as its age alone keeps it; an operator says the rest of the newest of each policy.
    """
    text = {key: value for key, value in like.items() if isinstance(value, str)}
    own = {key: value.replace("backup-20261122-084500", f"backup-{completed:%Y%m%d-%H%M%S}")
           for key, value in text.items()}  # fmt: skip
    expires = completed + timedelta(days=_kept(like))
    kept = {"keptBecause": [within(_kept(like))]} if expires > clock.now() else {}
    return copy.deepcopy(dict(like)) | own | kept | {
        "startedAt": clock.to_text(completed - timedelta(seconds=12)),
        "completedAt": clock.to_text(completed),
        "expiresAt": clock.to_text(expires),
        "expires": f"{expires:%Y-%m-%d}",
        "jobName": f"orders-{number:05}-backup-{number:08x}",
        "sizeBytes": like["sizeBytes"] + number,
        "rows": like["rows"] + number,
        "sha256": f"{number:064x}",
    }  # fmt: skip


def _kept(status: Mapping[str, Any]) -> int:
    days: int = status["resolved"]["retention"]["days"]
    return days


def policy_name(number: int) -> str:
    """Return the name of the policy of that number."""
    return f"orders-{number:04}"
