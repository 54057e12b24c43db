"""What a BackupPolicy's status says: whether backups can be made from it, and what is in the way where they cannot."""

from typing import Any

import pytest
from tests.builders import NOW, policy_dict, settings
from tests.fake_cluster import FakeCluster

from holdfast.kube.kinds import BACKUPS, POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds.policy import PolicyReconciler
from holdfast.reconcile.queue import Key
from holdfast.settings import Settings

ORDERS = Key(POLICIES.kind, "shop", "orders")


class Queue:
    def __init__(self) -> None:
        self.added: list[Key] = []

    def add(self, key: Key) -> None:
        self.added.append(key)


def a_cluster(**spec: Any) -> FakeCluster:
    cluster = FakeCluster(lambda *_: pytest.fail("a policy runs nothing"))
    cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": policy_dict(**spec)})
    return cluster


async def looked_at(
    cluster: FakeCluster, operator: Settings | None = None, queue: Queue | None = None
) -> dict[str, Any]:
    cache = Cache()
    for kind in (POLICIES, BACKUPS):
        for body in cluster.all(kind):
            cache.put(kind, body)
    await PolicyReconciler(cache, cluster, queue or Queue(), operator or settings(), lambda: NOW).reconcile(ORDERS)
    return (await cluster.get(POLICIES, "shop", "orders")).get("status", {})


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


async def test_a_policy_that_works_is_ready_and_says_for_how_long_backups_are_kept():
    status = await looked_at(a_cluster(retention={"days": 12}))

    assert conditions(status) == {
        "Ready": ("True", "Ready"), "Reconciling": ("False", "Ready"), "Stalled": ("False", "Ready"),
    }  # fmt: skip
    assert (status["retentionDays"], status["observedGeneration"]) == (12, 1)


@pytest.mark.parametrize(
    ("spec", "operator", "reason", "says"),
    [
        pytest.param({}, {"images": {"mysql-9": "x"}}, "ImageNotSet", "runner.images", id="no image"),
        pytest.param({"storage": {}}, {"defaults": {}}, "StorageNotSet", "What to do", id="no bucket"),
        pytest.param({"environment": "moon"}, {}, "InvalidSpec", "environment", id="a value that makes no sense"),
    ],
)
async def test_a_policy_that_can_never_work_is_stalled_and_says_why(spec, operator, reason, says):
    status = await looked_at(a_cluster(**spec), settings(**operator))

    assert conditions(status) == {
        "Ready": ("False", reason), "Reconciling": ("False", reason), "Stalled": ("True", reason),
    }  # fmt: skip
    assert all(says in each["message"] for each in status["conditions"])
    assert "retentionDays" not in status


async def test_a_policy_that_says_the_same_is_not_written_again():
    cluster = a_cluster()
    await looked_at(cluster)
    before = (await cluster.get(POLICIES, "shop", "orders"))["metadata"]["resourceVersion"]

    await looked_at(cluster)

    assert (await cluster.get(POLICIES, "shop", "orders"))["metadata"]["resourceVersion"] == before


async def test_an_operator_that_is_behind_leaves_the_newer_policy_its_status():
    cluster, cache = a_cluster(), Cache()
    for body in cluster.all(POLICIES):
        cache.put(POLICIES, body)
    await cluster.patch(POLICIES, "shop", "orders", {"status": {"retentionDays": 7}}, subresource="status")

    await PolicyReconciler(cache, cluster, Queue(), settings(), lambda: NOW).reconcile(ORDERS)

    assert (await cluster.get(POLICIES, "shop", "orders"))["status"] == {"retentionDays": 7}


async def test_backups_that_wait_for_it_are_woken_and_those_that_have_begun_are_not():
    cluster, queue = a_cluster(), Queue()
    for name, status in (("waits", {"phase": "Pending"}), ("begun", {"backupID": "backup-1"})):
        spec = {"policyRef": {"name": "orders"}}
        cluster.put(BACKUPS, {"metadata": {"namespace": "shop", "name": name}, "spec": spec, "status": status})

    await looked_at(cluster, queue=queue)

    assert queue.added == [Key(BACKUPS.kind, "shop", "waits")]


async def test_a_policy_that_is_being_deleted_is_left_alone():
    cluster = a_cluster()
    body = cluster.all(POLICIES)[0]
    cluster.put(POLICIES, body | {"metadata": body["metadata"] | {"deletionTimestamp": "2026-11-22T08:45:00Z"}})
    assert await looked_at(cluster) == {}
