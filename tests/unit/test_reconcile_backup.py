"""A backup whose server another image fits better, from its first Job to its end, however often the operator dies."""

import asyncio
from typing import Any

import pytest
from tests.builders import a_failure, a_success, policy_dict, settings
from tests.fake_cluster import WHEN, FakeCluster
from tests.moody import ANSWERS, Moody
from tests.mortal import Killed, Mortal
from tests.reconciling import a_loop

from holdfast import clock
from holdfast.contract.report import Report
from holdfast.contract.task import BackupTask, CleanupTask, Task
from holdfast.decide.backup.refusals import PATIENCE
from holdfast.errors import Reason
from holdfast.kube.errors import KubeError
from holdfast.kube.kinds import BACKUPS, EVENTS, JOBS, PODS, POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.loop import Loop
from holdfast.reconcile.queue import Key
from holdfast.settings import Queue, Settings

OPERATOR = settings(images={f"postgres-{major}": f"runner:{major}" for major in (15, 17, 18)})
CALLS = 10


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
    loop = a_loop(cache, acting, operator)
    await loop.reconcile(Key(BACKUPS.kind, "shop", name))
    return (await cluster.get(BACKUPS, "shop", name)).get("status", {})


async def lives_until_the_end(cluster: FakeCluster, acting: Any, name: str = "first") -> dict[str, Any]:
    for _ in range(20):
        try:
            status = await a_life(cluster, acting, name)
        except (Killed, KubeError):  # the queue asks again
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
    assert "kind: DatabaseRestore" in status["restore"]
    assert "cleanup" not in status
    events = {event["reason"]: event for event in cluster.all(EVENTS)}
    assert "with image postgres-15" in events["RunnerChanged"]["message"]
    assert events.keys() == {"RunnerChanged", "BackupSucceeded"}


async def test_the_next_backup_of_that_database_begins_with_the_right_image():
    cluster = a_cluster(15, "first", "second")

    await lives_until_the_end(cluster, cluster, "first")
    status = await lives_until_the_end(cluster, cluster, "second")

    assert images(cluster) == ["runner:18", "runner:15", "runner:15"]
    assert (status["phase"], status["attempt"]) == ("Succeeded", 1)


@pytest.mark.parametrize(
    ("database", "since"),
    [({}, "2026-11-20T08:00:00+00:00"), ({"name": "moved"}, "2026-11-21T08:00:00+00:00")],
    ids=["of the same database", "of another, which the policy named before"],
)
async def test_the_runner_is_told_since_when_the_cluster_knows_of_backups_of_the_policy(database, since):
    cluster = a_cluster(18, "first", "second")
    for name, created in (("first", "2026-11-20T08:00:00Z"), ("second", "2026-11-21T08:00:00Z")):
        body = await cluster.get(BACKUPS, "shop", name)
        cluster.put(BACKUPS, {**body, "metadata": {**body["metadata"], "creationTimestamp": created}})
    await lives_until_the_end(cluster, cluster, "first")
    spec = policy_dict()
    spec["database"] |= database
    cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": spec})

    await lives_until_the_end(cluster, cluster, "second")

    assert [task.compare_before.isoformat() for _, task in cluster.ran][1:] == [since]


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
    assert "kind: DatabaseRestore" in status["restore"]
    assert await a_life(cluster, cluster) == status


async def test_the_job_that_was_followed_goes_soon_and_the_other_stays_a_day():
    cluster = a_cluster(15)

    await lives_until_the_end(cluster, cluster)

    kept = sorted(job["spec"]["ttlSecondsAfterFinished"] for job in cluster.all(JOBS))
    assert kept == [300, 86_400]


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, CALLS + 2))
async def test_an_operator_that_dies_at_any_call_takes_one_backup_with_two_jobs(call: int, answered: bool):
    cluster = a_cluster(15)
    mortal = Mortal(cluster, call, answered)

    status = await lives_until_the_end(cluster, mortal)

    assert mortal.died == (call <= CALLS)
    assert images(cluster) == ["runner:18", "runner:15"]
    assert (status["phase"], status["attempt"]) == ("Succeeded", 2)


@pytest.mark.parametrize(("answer", "late"), [("409", False), ("429", False), ("500", False), ("500", True)],
                         ids=["409", "429", "500", "500, and yet it was done"])  # fmt: skip
@pytest.mark.parametrize("call", range(1, CALLS + 1))
async def test_whatever_the_api_server_answers_instead_it_takes_one_backup(call: int, answer: str, late: bool):
    cluster = a_cluster(15)
    moody = Moody(cluster, ANSWERS[answer], call, late=late)

    status = await lives_until_the_end(cluster, moody)

    assert moody.failed == 1
    assert images(cluster) == ["runner:18", "runner:15"]
    assert (status["phase"], status["attempt"]) == ("Succeeded", 2)


async def test_a_job_that_somebody_deletes_is_made_again_under_its_name_and_takes_one_backup():
    cluster = a_cluster(18)
    await a_life(cluster, cluster)
    (job,) = cluster.all(JOBS)
    await cluster.delete(JOBS, "shop", job["metadata"]["name"], uid=None)

    status = await lives_until_the_end(cluster, cluster)

    assert (status["phase"], status["attempt"]) == ("Succeeded", 1)
    assert [each["metadata"]["name"] for each in cluster.all(JOBS)] == [job["metadata"]["name"]]
    assert images(cluster) == ["runner:18"]


async def test_without_limits_all_of_one_server_begin_at_once_and_nobody_is_called_queued():
    names = [f"b{number:02}" for number in range(50)]
    cluster = a_cluster(18, *names)
    unlimited = Queue(max_running=100_000, max_running_per_server=0)

    operator = an_operator(cluster, cluster, unlimited)
    for name in names:
        await operator.reconcile(Key(BACKUPS.kind, "shop", name))

    assert len(cluster.all(JOBS)) == 50
    assert {body["status"]["phase"] for body in cluster.all(BACKUPS)} == {"Pending"}
    assert len({body["status"]["backupID"] for body in cluster.all(BACKUPS)}) == 50
    assert all("queue" not in body["status"] for body in cluster.all(BACKUPS))
    cluster.kubelet()
    later = an_operator(cluster, cluster, unlimited)
    for name in names:
        await later.reconcile(Key(BACKUPS.kind, "shop", name))
    assert {body["status"]["phase"] for body in cluster.all(BACKUPS)} == {"Succeeded"}


def an_operator(cluster: FakeCluster, acting: Any, limits: Queue | None = None) -> Loop:
    """One whose cache holds what there is now."""
    cache = Cache(limits=limits)
    for kind in (POLICIES, BACKUPS, JOBS, PODS):
        for body in cluster.all(kind):
            cache.put(kind, body)
    return a_loop(cache, acting, OPERATOR)


FIRST = Key(BACKUPS.kind, "shop", "first")


async def test_a_job_that_has_no_pod_yet_is_looked_at_again_as_soon_as_it_may_be_asked_why():
    cluster = a_cluster(17)

    due = await an_operator(cluster, cluster).reconcile(FIRST)

    (job,) = cluster.all(JOBS)
    assert due == clock.from_text(job["metadata"]["creationTimestamp"]) + PATIENCE


async def test_an_operator_that_is_behind_overwrites_nothing_that_another_one_has_written():
    cluster = a_cluster(18)
    late = an_operator(cluster, cluster)
    status = {"backupID": "backup-of-another", "phase": "Succeeded", "message": "done"}
    await cluster.patch(BACKUPS, "shop", "first", {"status": status}, subresource="status")

    await late.reconcile(FIRST)

    after = (await cluster.get(BACKUPS, "shop", "first"))["status"]
    assert (after["backupID"], after["phase"], after["message"]) == ("backup-of-another", "Succeeded", "done")
    assert cluster.all(JOBS) == []


async def a_failing_backup(cluster: FakeCluster) -> dict[str, Any]:
    """Its Job's Pod waits for an image since long; the API server has it as the operator's cache will."""
    status = await a_life(cluster, cluster)
    (job,) = cluster.all(JOBS)
    labels = {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": job["metadata"]["name"]}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "uid": job["metadata"]["uid"], "controller": True}
    meta = {"namespace": "shop", "name": "pod", "labels": labels, "ownerReferences": [owner]}
    waits = {"name": "runner", "state": {"waiting": {"reason": "ErrImagePull"}}}
    meta["creationTimestamp"] = "2026-11-22T08:00:00Z"
    cluster.put(PODS, {"metadata": meta, "status": {"phase": "Pending", "containerStatuses": [waits]}})
    return status


async def test_what_did_not_start_is_failed_when_its_job_and_pods_are_gone_and_not_before():
    cluster = a_cluster(18)
    await a_failing_backup(cluster)

    for _ in range(2):
        status = await a_life(cluster, cluster)
        assert (status["phase"], status["failure"]["reason"]) == ("Pending", "ImagePull")
        assert {c["type"]: c["status"] for c in status["conditions"]}["Finished"] == "False"
    assert cluster.all(JOBS)[0]["metadata"]["deletionTimestamp"], "it is deleted with its Pods before it"

    cluster.collect_garbage()
    status = await a_life(cluster, cluster)
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "ImagePull")
    assert {c["type"]: c["status"] for c in status["conditions"]}["Finished"] == "True"


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, 6))
async def test_an_operator_that_dies_at_any_call_while_it_ends_a_job_says_failed_once_it_has_ended(
    call: int, answered: bool
):
    cluster = a_cluster(18)
    await a_failing_backup(cluster)
    mortal, seen = Mortal(cluster, call, answered), []
    for _ in range(6):
        try:
            seen.append((await a_life(cluster, mortal))["phase"])
        except Killed:
            continue
        if seen[-1] == "Failed":
            break
        if "deletionTimestamp" in cluster.all(JOBS)[0]["metadata"]:
            cluster.collect_garbage()
    assert seen[-1] == "Failed"
    assert (cluster.all(JOBS), cluster.all(PODS)) == ([], [])


async def test_a_strangers_job_that_took_the_name_since_is_not_deleted():
    cluster = a_cluster(18)
    await a_failing_backup(cluster)
    late = an_operator(cluster, cluster)
    job = cluster.all(JOBS)[0]
    await cluster.delete(JOBS, "shop", job["metadata"]["name"], uid=None)
    cluster.put(JOBS, {"metadata": {"namespace": "shop", "name": job["metadata"]["name"], "uid": "a-strangers"}})

    await late.reconcile(FIRST)

    (left,) = cluster.all(JOBS)
    assert (left["metadata"]["uid"], "deletionTimestamp" in left["metadata"]) == ("a-strangers", False)


async def test_two_backups_of_one_second_that_begin_at_once_get_two_ids():
    cluster = a_cluster(18, "first", "second")
    both = asyncio.Barrier(2)

    class Slow:
        """A client whose answers to what is written of a status come when both have asked."""

        def __getattr__(self, name: str) -> Any:
            return getattr(cluster, name)

        async def patch(self, *args: Any, **kwargs: Any) -> Any:
            if "backupID" in args[3].get("status", {}):
                await both.wait()
            return await cluster.patch(*args, **kwargs)

    operator = an_operator(cluster, Slow(), Queue(max_running_per_server=0))
    async with asyncio.timeout(10):
        await asyncio.gather(*(operator.reconcile(Key(BACKUPS.kind, "shop", name)) for name in ("first", "second")))

    statuses = [(await cluster.get(BACKUPS, "shop", name))["status"] for name in ("first", "second")]
    assert len({status["backupID"] for status in statuses}) == 2
    assert len({status["location"] for status in statuses}) == 2
