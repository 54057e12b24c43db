"""Somebody deletes a backup whose data is to go with it, with the API server: whatever dies between two calls."""

import copy
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY
from tests.builders import a_success, policy_dict, settings
from tests.fake_cluster import WHEN, FakeCluster
from tests.fake_objects import OPERATOR
from tests.mortal import Killed, Mortal
from tests.reconciling import a_loop

from holdfast import clock, naming
from holdfast.contract.report import DeleteReport, NotDeletedReport, Report
from holdfast.contract.task import BackupTask, CleanupTask, DeleteTask, Task
from holdfast.handlers.watches import keys_of
from holdfast.kube.errors import Refused
from holdfast.kube.kinds import BACKUPS, EVENTS, JOBS, PODS, POLICIES, Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key
from holdfast.settings import Settings

NOW = clock.from_text(WHEN)
LATE = NOW + timedelta(seconds=settings().deletion.let_go_seconds)
KEY = Key(BACKUPS.kind, "shop", "first")
THEIRS = "example.com/theirs"


class Bucket:
    """What the Jobs do: a backup is published, and a deletion deletes just what it names."""

    def __init__(self) -> None:
        self.folders: set[str] = set()
        self.deletions: list[DeleteTask] = []
        self.denied = False

    def __call__(self, _image: str, task: Task) -> Report:
        if isinstance(task, BackupTask):
            self.folders.add(task.key_prefix)
            return a_success(task=task)
        if isinstance(task, CleanupTask):
            return a_success().model_copy(update={"kind": task.kind, "backup": None})
        assert isinstance(task, DeleteTask)
        self.deletions.append(task)
        done = DeleteReport(deleted=[0])
        if self.denied:
            done = DeleteReport(failed=[NotDeletedReport(items=[0], reason="StorageAccessDenied", message="grant it")])
        else:
            self.folders -= {item.key_prefix for item in task.items}
        return a_success().model_copy(update={"kind": task.kind, "backup": None, "deletion": done})


def a_cluster(policys: str | None = "Delete", **spec: Any) -> tuple[FakeCluster, Bucket]:
    bucket = Bucket()
    cluster = FakeCluster(bucket)
    said = {"deletionPolicy": policys} if policys else {}
    cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": policy_dict(**said)})
    meta = {"namespace": "shop", "name": "first", "creationTimestamp": WHEN}
    cluster.put(BACKUPS, {"metadata": meta, "spec": {"policyRef": {"name": "orders"}, **spec}})
    return cluster, bucket


async def a_life(
    cluster: FakeCluster, acting: Any = None, now: datetime = NOW, chart: Settings | None = None
) -> datetime | None:
    """An operator that has just begun: it reads what there is, and looks at the backup once."""
    cache = Cache()
    for kind in (POLICIES, BACKUPS, JOBS, PODS):
        for body in cluster.all(kind):
            cache.put(kind, copy.deepcopy(body))
    return await a_loop(cache, acting or cluster, chart or settings(), now=lambda: now).reconcile(KEY)


async def lives(cluster: FakeCluster, acting: Any = None, now: datetime = NOW, rounds: int = 8) -> None:
    """One operator after the other, with the cluster's own controllers between them."""
    for _ in range(rounds):
        try:
            await a_life(cluster, acting, now)
        except Killed:
            continue
        cluster.collect_garbage()
        cluster.kubelet()


def backup(cluster: FakeCluster) -> dict[str, Any] | None:
    return cluster.objects.get((BACKUPS.kind, "shop", "first"))


def finalizers(cluster: FakeCluster) -> list[str]:
    held = backup(cluster)
    assert held is not None
    return held["metadata"].get("finalizers", [])


async def deleted(cluster: FakeCluster) -> None:
    await cluster.delete(BACKUPS, "shop", "first", uid=None)


def told(cluster: FakeCluster) -> list[str]:
    return [body["message"] for body in cluster.all(EVENTS) if body["reason"] == "DataLeft"]


async def a_good_one(**spec: Any) -> tuple[FakeCluster, Bucket]:
    cluster, bucket = a_cluster(**spec)
    await lives(cluster)
    held = backup(cluster)
    assert held is not None
    assert held["status"]["phase"] == "Succeeded"
    return cluster, bucket


async def test_with_delete_the_finalizer_is_there_before_the_backups_job_is():
    cluster, bucket = a_cluster()
    await a_life(cluster)
    assert finalizers(cluster) == [naming.FINALIZER]
    assert bucket.folders == set()


async def test_with_retain_it_goes_as_if_there_were_no_operator_and_its_data_stays():
    cluster, bucket = await a_good_one(policys=None)
    assert finalizers(cluster) == []
    await deleted(cluster)
    assert (backup(cluster), len(bucket.folders)) == (None, 1)


@pytest.mark.parametrize("answered", [False, True], ids=["before the call", "before its answer"])
@pytest.mark.parametrize("dies_at", range(1, 13))
async def test_its_data_goes_and_then_it_goes_whenever_an_operator_dies(dies_at: int, answered: bool):
    cluster, bucket = await a_good_one()
    await deleted(cluster)
    assert backup(cluster) is not None
    mortal = Mortal(cluster, dies_at, answered)

    await lives(cluster, mortal)

    assert mortal.died or dies_at > 8
    assert (backup(cluster), bucket.folders, told(cluster)) == (None, set(), [])
    assert len(bucket.deletions) == 1
    (item,) = bucket.deletions[0].items
    assert (item.namespace, item.name) == ("shop", "first")


async def test_the_job_that_deletes_has_no_owner_says_who_made_it_and_goes_by_itself():
    cluster, _ = await a_good_one()
    await deleted(cluster)
    await a_life(cluster)
    (job,) = [each for each in cluster.all(JOBS) if each["metadata"]["labels"][naming.LABEL_TASK] == "delete"]
    assert "ownerReferences" not in job["metadata"]
    assert job["metadata"]["annotations"] == {naming.ANNOTATION_MADE_BY: OPERATOR}
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    cache = Cache()
    for kind in (BACKUPS, JOBS):
        for body in cluster.all(kind):
            cache.put(kind, body)
    assert list(keys_of(JOBS, job, cache)) == [KEY]  # its end is an event of the backup's
    cache.maker = OPERATOR
    assert cache.outliving() == 1


@pytest.mark.parametrize("dies_at", [None, *range(1, 13)])
async def test_one_that_runs_is_cancelled_first_and_nothing_of_it_is_left(dies_at: int | None):
    cluster, bucket = a_cluster()
    await a_life(cluster)
    await deleted(cluster)

    await lives(cluster, Mortal(cluster, dies_at, True) if dies_at else None, rounds=10)

    assert (backup(cluster), bucket.folders) == (None, set())
    assert not [each for each in cluster.all(JOBS) if "ownerReferences" in each["metadata"]]
    assert bucket.deletions[0].items[0].completed_at == NOW  # what its Pod may have written until then goes


async def test_retain_that_is_written_later_lets_it_go_also_while_it_waits():
    cluster, bucket = await a_good_one()
    bucket.denied = True
    await deleted(cluster)
    await lives(cluster, rounds=3)
    assert backup(cluster) is not None
    await cluster.patch(BACKUPS, "shop", "first", {"spec": {"deletionPolicy": "Retain"}})
    await a_life(cluster)
    assert (backup(cluster), len(bucket.folders), told(cluster)) == (None, 1, [])


@pytest.mark.parametrize(("own", "held"), [("Delete", True), ("Retain", False)])
async def test_what_is_written_into_a_backup_that_has_ended_holds_at_once(own: str, held: bool):
    cluster, _ = await a_good_one(policys="Retain" if held else "Delete")
    assert (finalizers(cluster) == [naming.FINALIZER]) is not held
    await cluster.patch(BACKUPS, "shop", "first", {"spec": {"deletionPolicy": own}})
    await a_life(cluster)
    assert (finalizers(cluster) == [naming.FINALIZER]) is held


async def test_other_peoples_finalizers_stay():
    cluster, bucket = await a_good_one()
    await cluster.patch(BACKUPS, "shop", "first", {"metadata": {"finalizers": [THEIRS, naming.FINALIZER]}})
    await deleted(cluster)
    await lives(cluster)
    assert (finalizers(cluster), bucket.folders) == ([THEIRS], set())
    await lives(cluster)
    assert len(bucket.deletions) == 1


async def test_one_that_is_made_anew_under_its_name_is_not_touched():
    cluster, _ = await a_good_one()
    await deleted(cluster)
    cache = Cache()
    for kind in (POLICIES, BACKUPS, JOBS, PODS):
        for body in cluster.all(kind):
            cache.put(kind, copy.deepcopy(body))
    del cluster.objects[BACKUPS.kind, "shop", "first"]
    meta = {"namespace": "shop", "name": "first", "finalizers": [naming.FINALIZER], "creationTimestamp": WHEN}
    cluster.put(BACKUPS, {"metadata": meta, "spec": {"policyRef": {"name": "orders"}}})
    await a_loop(cache, cluster, settings(), now=lambda: LATE).reconcile(KEY)
    assert (finalizers(cluster), told(cluster)) == ([naming.FINALIZER], [])


class Closed:
    """A namespace that takes nothing new: an API server's own words."""

    def __init__(self, cluster: FakeCluster, **why: bool) -> None:
        self._cluster, self._why = cluster, why

    async def create(self, kind: Kind, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        if namespace == "shop":
            raise Refused("forbidden", 403, **self._why)
        return await self._cluster.create(kind, namespace, body)

    async def pages(self, kind: Kind, namespace: str | None, **which: Any) -> AsyncIterator[Any]:
        if self._why.get("unauthorized"):
            raise Refused("pods is forbidden", 403, unauthorized=True)
        async for page in self._cluster.pages(kind, namespace, **which):
            yield page

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self._cluster, name)


SHOP_ONLY = settings(watchNamespaces=["shop"])


@pytest.mark.parametrize(
    ("why", "chart", "goes"),
    [({"terminating": True}, settings(), True), ({"unauthorized": True}, SHOP_ONLY, True),
     ({"unauthorized": True}, settings(), False), ({}, SHOP_ONLY, False)],
    ids=["the namespace goes", "its RoleBinding has gone with it", "a right is missing everywhere", "a quota"],
)  # fmt: skip
async def test_where_no_job_can_be_had_any_more_it_goes_at_once_and_that_is_told_elsewhere(why, chart, goes):
    cluster, bucket = await a_good_one()
    await deleted(cluster)

    with structlog.testing.capture_logs() as logs:
        await a_life(cluster, Closed(cluster, **why), chart=chart)

    assert (backup(cluster) is None) is goes
    assert len(bucket.folders) == 1
    if goes:
        (sentence,) = told(cluster)
        assert "DatabaseBackup shop/first was removed, but its data is still in s3://backups/eu-1/shop/" in sentence
        (event,) = [each for each in cluster.all(EVENTS) if each["reason"] == "DataLeft"]
        assert (event["metadata"]["namespace"], event["involvedObject"]["name"]) == ("holdfast", naming.LEASE_NAME)
        assert any(entry["event"] == "Data left in the store" for entry in logs)


@pytest.mark.parametrize("chart", [SHOP_ONLY, settings()], ids=["a listed namespace", "a right is missing everywhere"])
async def test_one_that_ran_goes_at_once_where_its_pods_may_not_be_asked_for_any_more(chart):
    cluster, _ = a_cluster()
    await a_life(cluster)
    await deleted(cluster)
    for job in cluster.all(JOBS):
        await cluster.delete(JOBS, "shop", job["metadata"]["name"], uid=None)

    acting = Closed(cluster, unauthorized=True)
    if chart is SHOP_ONLY:
        await a_life(cluster, acting, chart=chart)
        assert (backup(cluster), len(told(cluster))) == (None, 1)
        return
    with pytest.raises(Refused, match="pods is forbidden"):
        await a_life(cluster, acting, chart=chart)
    await a_life(cluster, acting, now=LATE, chart=chart)
    assert (backup(cluster), len(told(cluster))) == (None, 1)


def left() -> float:
    return REGISTRY.get_sample_value("holdfast_data_left_total", {"namespace": "shop"}) or 0


async def test_what_cannot_be_deleted_goes_after_so_long_with_a_word_a_metric_and_its_data_where_it_was():
    cluster, bucket = await a_good_one()
    bucket.denied = True
    await deleted(cluster)
    await lives(cluster)
    held = backup(cluster)
    assert held is not None
    assert held["status"]["deletion"]["reason"] == "StorageAccessDenied"
    before = left()
    await lives(cluster, now=LATE, rounds=1)
    assert (backup(cluster), len(bucket.folders), left()) == (None, 1, before + 1)
    assert "StorageAccessDenied: grant it" in told(cluster)[0]


async def test_what_failed_once_is_done_by_the_next_job():
    cluster, bucket = await a_good_one()
    bucket.denied = True
    await deleted(cluster)
    await lives(cluster)
    bucket.denied = False
    await lives(cluster, now=NOW + timedelta(seconds=31))
    assert (backup(cluster), bucket.folders, len(bucket.deletions)) == (None, set(), 2)


async def test_one_whose_status_somebody_made_unreadable_goes_after_so_long():
    cluster, _ = await a_good_one()
    held = backup(cluster)
    assert held is not None
    held["status"]["attempt"] = "many"
    await deleted(cluster)
    assert await a_life(cluster) == LATE
    await a_life(cluster, now=LATE)
    assert backup(cluster) is None
    assert "cannot be read" in told(cluster)[0]
