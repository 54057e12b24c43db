"""A DatabaseRestore from its creation to what it leaves beside its target, however often the operator dies."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import yaml
from tests.builders import NOW
from tests.mortal import Killed, Mortal
from tests.restoring import World

from holdfast.contract.task import DropTask, RestoreTask, SwapBackTask
from holdfast.errors import Reason
from holdfast.kube.kinds import BACKUPS, CLAIMS, EVENTS, JOBS, PODS, POLICIES, RESTORES

FIRST = {"source": {"backupRef": {"name": "first"}}}
REPLACE = {**FIRST, "mode": "Replace"}
LATER = "2026-11-22T08:44:59Z"


async def a_world(**spec: Any) -> World:
    world = World(**spec)
    await world.backed_up()
    return world


async def test_a_backup_comes_back_into_the_database_it_was_taken_of():
    world = await a_world(**FIRST)

    status = await world.until_the_end()

    assert status["phase"] == "Succeeded"
    assert status["source"]["backup"] == "first"
    assert status["target"] == "orders on orders-db:5432"
    assert (status["rows"], status["tables"], status["compared"]) == (3_000_000, 8, ["rows"])
    (task,) = world.tasks(RestoreTask)
    assert task.database.name == "orders"
    assert task.backup_uid == (await world.cluster.get(BACKUPS, "shop", "first"))["metadata"]["uid"]
    assert (task.pinned.sha256, task.pinned.encryption) == ("a" * 64, "none")
    assert {event["reason"] for event in world.cluster.all(EVENTS)} == {"BackupSucceeded", "RestoreSucceeded"}
    conditions = {each["type"]: each["status"] for each in status["conditions"]}
    assert (conditions["Finished"], conditions["Succeeded"], conditions["Ready"]) == ("True", "True", "True")
    assert (conditions["Reconciling"], conditions["Stalled"]) == ("False", "False")


async def test_what_is_restored_and_into_what_stands_in_the_status_before_a_job_is_made():
    world = await a_world(**FIRST)
    made = len(world.cluster.all(JOBS))
    seen = []
    for call in range(1, 8):
        world.put("again", **FIRST)
        with suppress(Killed):
            await world.reconcile(acting=Mortal(world.cluster, call, answered=False))
        seen.append(await world.status())
        if len(world.cluster.all(JOBS)) > made:
            break
    assert all("because" in status["source"] and "target" in status for status in seen if "jobName" in status)
    assert {"resolved" in status for status in seen[:-1]} == {False, True}  # killed on either side of that write
    assert "jobName" in seen[-1]


@pytest.mark.parametrize("answered", [False, True], ids=["before the call", "before its answer"])
@pytest.mark.parametrize("call", range(8))
async def test_killed_anywhere_it_restores_once(call: int, answered: bool):
    world = await a_world(**REPLACE)

    status = await world.until_the_end(acting=Mortal(world.cluster, call, answered), dies=Killed)

    assert status["phase"] == "Succeeded"
    assert len(world.tasks(RestoreTask)) == 1


async def test_without_a_permission_to_lose_anything_a_target_is_never_tried_twice():
    world = await a_world(**FIRST)
    await world.reconcile()
    (job,) = [each for each in world.cluster.all(JOBS) if each["metadata"]["name"].startswith("again")]
    assert job["spec"]["backoffLimit"] == 0


async def test_the_latest_good_backup_of_a_policy_is_chosen_and_the_status_says_why():
    world = await a_world(source={"policyRef": {"name": "orders"}})
    world.put_backup("second")
    await world.backed_up("second")

    status = await world.until_the_end()

    assert status["source"]["backup"] == "second"
    assert "the last backup of BackupPolicy orders that is good" in status["source"]["because"]


async def test_the_latest_backup_before_a_migration_is_chosen_and_it_is_told_to_where_that_goes_back():
    world = World(source={"policyRef": {"name": "orders"}, "purpose": "pre-migration"})
    release = {"jobName": "migrate-2", "jobUID": "j-2", "images": ["shop/migrate:2"], "revision": "v2.0"}
    world.put_backup("before", purpose="pre-migration", release=release)
    for name in ("first", "before"):
        await world.backed_up(name)
    world.now += timedelta(minutes=1)
    world.put_backup("later")
    await world.backed_up("later")
    status = await world.until_the_end()

    assert status["source"]["backup"] == "before"
    assert "the last backup of BackupPolicy orders with purpose pre-migration" in status["source"]["because"]
    assert status["source"]["release"] == release
    assert status["message"].endswith("; the database is as it was before release v2.0 (Job migrate-2)")
    (told,) = [each["message"] for each in world.cluster.all(EVENTS) if each["reason"] == "RollsBack"]
    assert told == (
        "restores DatabaseBackup before into orders on orders-db:5432; then the database is as it was before release "
        "v2.0 (Job migrate-2)"
    )


async def test_where_there_is_none_before_a_migration_it_is_the_last_good_one_and_the_status_says_so():
    world = World(source={"policyRef": {"name": "orders"}, "purpose": "pre-migration"})
    await world.backed_up()
    status = await world.until_the_end()
    assert status["source"]["backup"] == "first"
    assert status["source"]["because"].endswith("; it has none with purpose pre-migration")
    assert "release" not in status["source"]


@pytest.mark.parametrize(
    ("asked", "chosen"), [("safety", "guarding"), (None, "first")], ids=["asked for", "left out of the latest"]
)
async def test_a_safety_backup_is_chosen_only_where_it_is_asked_for(asked: str | None, chosen: str):
    world = World(source={"policyRef": {"name": "orders"}} | ({"purpose": asked} if asked else {}))
    world.put_backup("guarding", purpose="safety")
    for name in ("first", "guarding"):
        await world.backed_up(name)
    assert (await world.until_the_end())["source"]["backup"] == chosen


async def test_the_latest_before_a_time_is_chosen_or_none():
    world = await a_world(source={"policyRef": {"name": "orders"}, "before": "2026-11-22T08:45:01Z"})
    world.put("earlier", source={"policyRef": {"name": "orders"}, "before": "2026-11-22T08:45:00Z"})
    world.put("never", source={"policyRef": {"name": "orders"}, "before": "2026-02-30T08:45:00Z"})

    assert (await world.until_the_end())["phase"] == "Succeeded"
    status = await world.until_the_end("earlier")
    assert status["failure"]["reason"] == Reason.SOURCE_NOT_GOOD
    assert "completed before 2026-11-22T08:45:00Z" in status["failure"]["message"]
    assert (await world.until_the_end("never"))["failure"]["reason"] == Reason.INVALID_SPEC


async def test_it_waits_for_a_backup_that_is_under_way():
    world = World(**FIRST)
    await world.reconcile("first", kind=BACKUPS.kind)

    await world.reconcile()

    status = await world.status()
    assert (status["phase"], "resolved" in status) == ("Pending", False)
    assert status["message"] == "DatabaseBackup first is in progress; the restore waits for it"
    world.cluster.kubelet()
    await world.reconcile("first", kind=BACKUPS.kind)
    assert (await world.until_the_end())["phase"] == "Succeeded"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"backupRef": {"name": "none"}}, "DatabaseBackup none does not exist"),
        ({"policyRef": {"name": "none"}}, "BackupPolicy none does not exist"),
        ({"replacedBy": {"name": "none"}}, "DatabaseRestore none does not exist"),
    ],
)
async def test_for_what_is_not_there_it_waits_a_moment_and_then_fails(source: dict[str, Any], says: str):
    world = World(source=source)
    world.now = NOW - timedelta(hours=1)
    due = await world.reconcile()
    status = await world.status()
    assert status["phase"] == "Pending"
    assert says in status["message"]
    assert due is not None

    world.now = NOW + timedelta(hours=1)
    await world.reconcile()

    status = await world.status()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.SOURCE_NOT_FOUND)


async def test_a_backup_that_failed_is_no_source():
    world = World(**FIRST)
    body = await world.cluster.get(BACKUPS, "shop", "first")
    world.cluster.put(BACKUPS, {**body, "status": {"phase": "Failed", "failure": {"reason": "X"}}})

    status = await world.until_the_end()

    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.SOURCE_NOT_GOOD)


async def test_another_name_on_the_same_server_and_made_if_asked():
    world = await a_world(**FIRST, target={"databaseName": "orders_staging", "create": True})
    await world.until_the_end()
    (task,) = world.tasks(RestoreTask)
    assert (task.database.name, task.create) == ("orders_staging", True)
    assert task.database.connection.host == "orders-db"


async def test_another_policy_s_database_with_its_secret():
    world = await a_world(**FIRST, target={"policyRef": {"name": "staging"}})
    connection = {"host": "staging-db", "secretName": "staging-db"}
    database = {"engine": "postgresql", "name": "orders", "connection": connection}
    spec = {"environment": "staging", "database": database, "job": {"serviceAccountName": "staging"}}
    world.cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "staging"}, "spec": spec})

    status = await world.until_the_end()

    (task,) = world.tasks(RestoreTask)
    assert task.database.connection.secret_name == "staging-db"
    assert status["target"] == "orders on staging-db:5432"
    assert status["resolved"]["job"]["serviceAccountName"] == "staging"


async def test_a_target_of_another_engine_is_refused_by_name():
    volume = {"engine": "sqlite", "name": "a", "volume": {"claimName": "c", "path": "p"}}
    world = await a_world(**FIRST, target={"database": volume})
    status = await world.until_the_end()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "InvalidSpec")
    assert "engine postgresql" in status["failure"]["message"]


async def test_a_folder_in_a_bucket_is_enough():
    bucket = {"s3": {"bucket": "old", "secretName": "old"}, "folder": "eu-1/shop/orders/backup-20261101-020000"}
    connection = {"host": "orders-db", "secretName": "orders-db"}
    database = {"engine": "postgresql", "name": "orders", "connection": connection}
    world = World(source={"bucket": bucket}, target={"database": database})

    status = await world.until_the_end()

    (task,) = world.tasks(RestoreTask)
    assert (task.backup_uid, task.pinned) == (None, None)
    assert (task.s3.bucket, task.key_prefix) == ("old", "eu-1/shop/orders/backup-20261101-020000/")
    assert task.scratch_bytes == 10 * 1024**3
    assert status["source"]["location"] == "s3://old/eu-1/shop/orders/backup-20261101-020000/"


@pytest.mark.parametrize(
    ("form", "jobs", "staged"), [("custom", 1, False), ("custom", 2, True), ("directory", 1, True)]
)
async def test_only_what_is_not_read_as_one_stream_has_a_scratch_volume(form, jobs, staged):
    world = await a_world(**FIRST, form=form, options={"jobs": jobs})
    await world.until_the_end()
    (task,) = world.tasks(RestoreTask)
    assert (task.jobs, task.scratch_bytes) == (jobs, 10 * 1024**3 if staged else None)


async def test_a_replaced_database_is_kept_and_named():
    world = await a_world(**REPLACE, keepReplacedHours=2)

    status = await world.until_the_end()

    (task,) = world.tasks(RestoreTask)
    assert status["replaced"]["name"] == task.beside.old
    assert task.beside.old.startswith("orders_before_again_")
    assert status["replaced"]["until"] == "2026-11-22T10:45:00Z"
    assert f"the old database is now {task.beside.old}" in status["message"]
    assert await world.reconcile() == NOW + timedelta(hours=2)


async def test_a_replaced_database_is_removed_by_a_job_and_with_it_the_way_back():
    world = await a_world(**REPLACE, keepReplacedHours=0)
    assert "undo" in await world.until_the_end()

    world.cluster.kubelet()
    await world.reconcile()

    status = await world.status()
    (task,) = world.tasks(RestoreTask)
    (drop,) = world.tasks(DropTask)
    assert drop.names == [task.beside.old]
    assert status["removal"]["state"] == "Done"
    assert "undo" not in status
    assert status["phase"] == "Succeeded"


async def test_undo_is_a_resource_that_puts_back_what_was_replaced():
    world = await a_world(**REPLACE)
    undo = yaml.safe_load((await world.until_the_end())["undo"])
    assert (undo["kind"], undo["metadata"]["name"]) == ("DatabaseRestore", "again-undo")
    world.put("again-undo", **undo["spec"])

    status = await world.until_the_end("again-undo")

    (back,) = world.tasks(SwapBackTask)
    (task,) = world.tasks(RestoreTask)
    assert back.kept == task.beside.old
    assert back.database == task.database
    assert status["phase"] == "Succeeded"
    assert status["replaced"]["name"] == back.old
    assert "put back the database that DatabaseRestore again had replaced" in status["message"]


async def test_what_is_not_kept_any_more_cannot_be_put_back():
    world = await a_world(**REPLACE, keepReplacedHours=0)
    await world.until_the_end()
    for _ in range(2):
        await world.reconcile()
        world.cluster.kubelet()
    await world.reconcile()
    world.put("undo", source={"replacedBy": {"name": "again"}})
    status = await world.until_the_end("undo")
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.SOURCE_NOT_GOOD)
    assert "is no longer kept" in status["failure"]["message"]


async def test_what_is_being_put_back_is_not_removed_meanwhile():
    world = await a_world(**REPLACE, keepReplacedHours=0)
    await world.until_the_end()
    body = await world.cluster.get(RESTORES, "shop", "again")
    status = {key: value for key, value in body["status"].items() if key != "removal"}
    world.cluster.put(RESTORES, {**body, "status": status})
    world.put("undo", source={"replacedBy": {"name": "again"}})

    await world.reconcile()
    assert "removal" not in await world.status()

    await world.until_the_end("undo")
    await world.reconcile("undo")
    assert ("DatabaseRestore", "shop", "again") in [(key.kind, key.namespace, key.name) for key in world.woken]


async def test_two_restores_into_one_database_come_one_after_the_other():
    world = await a_world(**FIRST)
    world.put("later", created=LATER, source={"policyRef": {"name": "orders"}})
    await world.reconcile("again")

    await world.reconcile("later")

    status = await world.status("later")
    assert status["phase"] == "Queued"
    assert status["message"] == "DatabaseRestore again restores into the same database, and runs first"
    assert "jobName" not in status
    await world.until_the_end("again")
    await world.reconcile("again")
    assert ("DatabaseRestore", "later") in [(key.kind, key.name) for key in world.woken]
    assert (await world.until_the_end("later"))["phase"] == "Succeeded"


async def test_a_restore_that_failed_says_why_and_leaves_nothing_beside():
    world = await a_world(**REPLACE)
    world.runner.fails = Reason.RESTORE_DIFFERS
    status = await world.until_the_end()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "RestoreDiffers")
    assert "removal" not in status  # its Pod says that it is clean
    assert {event["reason"] for event in world.cluster.all(EVENTS)} >= {"RestoreFailed"}


async def test_a_report_of_another_backup_is_not_believed():
    world = await a_world(**FIRST)
    world.runner.says = {"backup_id": "backup-20200101-000000"}
    status = await world.until_the_end()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "ReportImplausible")


async def test_a_job_that_is_gone_is_not_begun_again():
    world = await a_world(**FIRST)
    await world.reconcile()
    body = await world.cluster.get(RESTORES, "shop", "again")
    world.cluster.put(RESTORES, {**body, "status": {**body["status"], "phase": "Running"}})
    for job in list(world.cluster.all(JOBS)):
        if job["metadata"]["name"].startswith("again"):
            await world.cluster.delete(JOBS, "shop", job["metadata"]["name"], uid=None)

    await world.reconcile()

    status = await world.status()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.RESTORE_UNKNOWN)
    assert world.tasks(RestoreTask) == []


async def test_what_cannot_be_read_fails_with_the_field():
    world = await a_world(source={"backupRef": {"name": "first"}, "surprise": 1})
    await world.reconcile()
    status = await world.status()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "InvalidSpec")
    assert "surprise" in status["failure"]["message"]


def a_file_from_a_bucket() -> World:
    volume = {"claimName": "data", "path": "app.db", "runAsUser": 472}
    bucket = {"s3": {"bucket": "old"}, "folder": "shop/app/backup-20261101-020000"}
    return World(source={"bucket": bucket}, target={"database": {"engine": "sqlite", "name": "app", "volume": volume}})


def a_claim(world: World, mode: str, node: str | None = None) -> None:
    meta = {"namespace": "shop", "name": "data"}
    world.cluster.put(CLAIMS, {"metadata": meta, "spec": {"accessModes": [mode]}, "status": {"accessModes": [mode]}})
    if node:
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
        body = {"metadata": {"namespace": "shop", "name": "app"}, "spec": {"nodeName": node, "volumes": volumes}}
        world.cluster.put(PODS, {**body, "status": {"phase": "Running"}})


async def test_a_file_is_restored_where_its_claim_is_mounted():
    world = a_file_from_a_bucket()
    a_claim(world, "ReadWriteOnce", "node-b")
    await world.reconcile()
    (job,) = world.cluster.all(JOBS)
    assert "node-b" in str(job["spec"]["template"]["spec"]["affinity"])
    assert job["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == 472


async def test_a_claim_that_another_pod_has_for_itself_is_no_target():
    world = a_file_from_a_bucket()
    a_claim(world, "ReadWriteOncePod", "node-b")
    status = await world.until_the_end()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "ClaimInUse")
    assert world.cluster.all(JOBS) == []


async def test_a_claim_that_is_not_there_is_waited_for():
    world = a_file_from_a_bucket()
    await world.reconcile()
    status = await world.status()
    assert status["phase"] == "Pending"
    assert "PersistentVolumeClaim data does not exist" in status["message"]


async def test_a_status_that_names_another_database_removes_nothing():
    world = await a_world(**REPLACE, keepReplacedHours=0)
    await world.until_the_end()
    body = await world.cluster.get(RESTORES, "shop", "again")
    removal = {**body["status"]["removal"], "names": ["payroll"], "state": "Running"}
    world.cluster.put(RESTORES, {**body, "status": {**body["status"], "removal": removal}})
    for job in list(world.cluster.all(JOBS)):
        await world.cluster.delete(JOBS, "shop", job["metadata"]["name"], uid=None)

    await world.reconcile()
    world.cluster.kubelet()

    assert (await world.status())["removal"]["state"] == "Failed"
    assert world.tasks(DropTask) == []


async def test_a_status_that_names_another_database_puts_nothing_back():
    world = await a_world(**REPLACE)
    await world.until_the_end()
    body = await world.cluster.get(RESTORES, "shop", "again")
    replaced = {**body["status"]["replaced"], "name": "payroll"}
    world.cluster.put(RESTORES, {**body, "status": {**body["status"], "replaced": replaced}})
    world.put("undo", source={"replacedBy": {"name": "again"}})

    status = await world.until_the_end("undo")

    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.SOURCE_NOT_GOOD)
    assert world.tasks(SwapBackTask) == []
