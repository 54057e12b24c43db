"""A backup whose server another image fits better, from its first Job to its end, however often the operator dies."""

from typing import Any

import pytest
from tests.builders import NOW, a_failure, a_success, policy_dict, settings
from tests.fake_cluster import WHEN, FakeCluster
from tests.mortal import Killed, Mortal

from holdfast.contract.report import Report
from holdfast.contract.task import BackupTask, CleanupTask, Task
from holdfast.errors import Reason
from holdfast.kube.events import EventRecorder
from holdfast.kube.kinds import BACKUPS, EVENTS, JOBS, PODS, POLICIES
from holdfast.manifests.jobs import RETIRED_SECONDS
from holdfast.reconcile.backup import BackupReconciler
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key
from holdfast.settings import Settings

OPERATOR = settings(images={f"postgres-{major}": f"runner:{major}" for major in (15, 17, 18)})
CALLS = 10  # what a backup with two Jobs takes


def a_runner(server: int) -> Any:
    """What the runners do with a server of that version: refuse it, leave it to another, or back it up."""

    def run(image: str, task: Task) -> Report:
        if isinstance(task, CleanupTask):
            return a_success().model_copy(update={"kind": task.kind, "backup": None})
        assert isinstance(task, BackupTask)
        if int(image.partition(":")[2]) < server:
            return a_failure(Reason.TOOL_TOO_OLD, server_major=server)
        if server in task.other_majors:
            return a_failure(Reason.TOOL_TOO_NEW, server_major=server)
        return a_success(server_major=server, task=task)

    return run


def a_cluster(server: int, *backups: str) -> FakeCluster:
    cluster = FakeCluster(a_runner(server))
    cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": policy_dict()})
    for name in backups or ("first",):
        spec = {"policyRef": {"name": "orders"}}
        cluster.put(BACKUPS, {"metadata": {"namespace": "shop", "name": name, "creationTimestamp": WHEN}, "spec": spec})
    return cluster


async def a_life(
    cluster: FakeCluster, acting: Any, name: str = "first", operator: Settings = OPERATOR
) -> dict[str, Any]:
    """Start with an empty cache, read what there is, reconcile once; return the backup's status after that."""
    cache = Cache()
    for kind in (POLICIES, BACKUPS, JOBS, PODS):
        for body in cluster.all(kind):
            cache.put(kind, body)
    reconciler = BackupReconciler(cache, acting, EventRecorder(acting), operator, lambda: NOW)
    await reconciler.reconcile(Key(BACKUPS.kind, "shop", name))
    return (await cluster.get(BACKUPS, "shop", name)).get("status", {})


async def lives_until_the_end(cluster: FakeCluster, acting: Any, name: str = "first") -> dict[str, Any]:
    for _ in range(20):
        try:
            status = await a_life(cluster, acting, name)
        except Killed:
            continue
        if status.get("phase") in ("Succeeded", "Failed"):
            return await a_life(cluster, cluster, name)
        cluster.kubelet()
    raise AssertionError(f"no end: {status}")


def images(cluster: FakeCluster) -> list[str]:
    return [image for image, task in cluster.ran if isinstance(task, BackupTask)]


async def test_the_first_backup_of_an_older_server_is_taken_by_the_image_of_its_own_version():
    cluster = a_cluster(15)

    status = await lives_until_the_end(cluster, cluster)

    assert images(cluster) == ["runner:18", "runner:15"]
    first, second = [task for _, task in cluster.ran]
    assert (first.backup, first.key_prefix) == (second.backup, second.key_prefix)
    assert (first.other_majors, second.other_majors) == ([15, 17], [])
    assert (status["phase"], status["attempt"], status["serverMajor"]) == ("Succeeded", 2, 15)
    assert "runner:15" in status["restore"]
    assert "cleanup" not in status
    events = {event["reason"]: event for event in cluster.all(EVENTS)}
    assert "the image postgres-15" in events["RunnerChanged"]["message"]
    assert events.keys() == {"RunnerChanged", "BackupSucceeded"}


async def test_the_next_backup_of_that_database_begins_with_the_right_image():
    cluster = a_cluster(15, "first", "second")

    await lives_until_the_end(cluster, cluster, "first")
    status = await lives_until_the_end(cluster, cluster, "second")

    assert images(cluster) == ["runner:18", "runner:15", "runner:15"]
    assert (status["phase"], status["attempt"]) == ("Succeeded", 1)


@pytest.mark.parametrize(("field", "value"), [("name", "another"), ("connection", {"host": "h", "secretName": "s"})])
async def test_a_policy_that_now_names_another_database_knows_nothing_of_its_server(field: str, value: Any):
    cluster = a_cluster(15, "first", "second")
    await lives_until_the_end(cluster, cluster, "first")
    policy = policy_dict()
    policy["database"][field] = value
    cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": policy})

    await lives_until_the_end(cluster, cluster, "second")

    assert images(cluster) == ["runner:18", "runner:15", "runner:18", "runner:15"]


async def test_a_server_that_was_upgraded_is_noticed():
    cluster = a_cluster(15, "first", "second")
    await lives_until_the_end(cluster, cluster, "first")
    cluster._run = a_runner(17)

    status = await lives_until_the_end(cluster, cluster, "second")

    assert images(cluster)[2:] == ["runner:15", "runner:17"]
    assert status["serverMajor"] == 17


async def test_a_server_that_no_image_fits_fails_at_once():
    cluster = a_cluster(19)

    status = await lives_until_the_end(cluster, cluster)

    assert images(cluster) == ["runner:18"]
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "ToolTooOld")


async def test_a_server_of_a_version_without_an_image_is_backed_up_at_once_by_a_newer_one():
    cluster = a_cluster(16)

    await lives_until_the_end(cluster, cluster)

    assert images(cluster) == ["runner:18"]


async def test_a_backup_that_ended_while_the_chart_lost_its_image_is_recorded_all_the_same():
    cluster = a_cluster(18)
    await a_life(cluster, cluster)
    cluster.kubelet()

    status = await a_life(cluster, cluster, operator=settings(images={"mysql-9": "runner:9"}))

    assert status["phase"] == "Succeeded"
    assert "restore" not in status
    again = await a_life(cluster, cluster)
    assert "runner:18" in again.pop("restore")
    assert again == status


async def test_the_job_that_was_followed_goes_soon_and_the_other_stays_a_day():
    cluster = a_cluster(15)

    await lives_until_the_end(cluster, cluster)

    kept = sorted(job["spec"]["ttlSecondsAfterFinished"] for job in cluster.all(JOBS))
    assert kept == [RETIRED_SECONDS, 86_400]


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, CALLS + 2))
async def test_an_operator_that_dies_at_any_call_takes_one_backup_with_two_jobs(call: int, answered: bool):
    cluster = a_cluster(15)
    mortal = Mortal(cluster, call, answered)

    status = await lives_until_the_end(cluster, mortal)

    assert mortal.died == (call <= CALLS)
    assert images(cluster) == ["runner:18", "runner:15"]
    assert (status["phase"], status["attempt"]) == ("Succeeded", 2)
