"""What a BackupPolicy's status says: whether backups can be made from it, and what is in the way where they cannot."""

from typing import Any

import pytest
from tests.builders import policy_dict, settings
from tests.fake_cluster import FakeCluster
from tests.reconciling import a_loop

from holdfast.kube.kinds import BACKUPS, POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key
from holdfast.settings import Settings

ORDERS = Key(POLICIES.kind, "shop", "orders")


class Queue:
    def __init__(self) -> None:
        self.added: list[Key] = []

    def add(self, key: Key) -> None:
        self.added.append(key)


class Counting:
    """The API server, and what was asked of it."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.asked: list[str] = []
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._cluster, name)


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
    await a_loop(cache, cluster, operator or settings(), wake=(queue or Queue()).add).reconcile(ORDERS)
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


async def test_an_operator_that_is_behind_judges_the_newer_policy_and_writes_nothing_of_the_older_one():
    cluster, cache = a_cluster(retention={"days": 12}), Cache()
    for body in cluster.all(POLICIES):
        cache.put(POLICIES, body)
    (old,) = cluster.all(POLICIES)
    spec = policy_dict(retention={"days": 7})
    cluster.put(POLICIES, {"metadata": old["metadata"] | {"generation": 2}, "spec": spec})
    writes = Counting(cluster)

    await a_loop(cache, writes, settings()).reconcile(ORDERS)

    status = (await cluster.get(POLICIES, "shop", "orders"))["status"]
    assert (status["retentionDays"], status["observedGeneration"]) == (7, 2)
    assert writes.asked == ["patch", "get", "patch"]  # refused as a conflict, looked at, written


async def test_a_policy_that_is_gone_meanwhile_is_left_to_its_deletion():
    cluster, cache = a_cluster(), Cache()
    (body,) = cluster.all(POLICIES)
    cache.put(POLICIES, body)
    await cluster.delete(POLICIES, "shop", "orders", uid=None)

    assert await a_loop(cache, cluster, settings()).reconcile(ORDERS) is None


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
