"""What a restore into production would change is looked at before anybody is asked, however the operator dies."""

from datetime import timedelta
from typing import Any

import pytest
from tests import restoring
from tests.builders import NOW, settings
from tests.mortal import Killed, Mortal
from tests.restoring import World

from holdfast.contract.task import CheckTask, RestoreTask
from holdfast.errors import Reason
from holdfast.kube.kinds import CLAIMS, EVENTS, JOBS, PODS, RESTORES

FIRST: dict[str, Any] = {"source": {"backupRef": {"name": "first"}}}
REPLACE, INTO = {**FIRST, "mode": "Replace"}, {**FIRST, "mode": "Into"}
PIPELINE = {"confirm": "orders", "unattended": {"reason": "a rehearsal"}}


async def a_world(environment: str = "production", **spec: Any) -> World:
    world = World(environment, **spec)
    await world.backed_up()
    return world


async def asked(world: World, name: str = "again") -> dict[str, Any]:
    await world.looked(name)
    status = await world.status(name)
    assert status["phase"] == "AwaitingConfirmation"
    return status


async def test_whoever_is_to_confirm_reads_what_would_be_changed():
    world = await a_world(**REPLACE)
    world.runner.sees = {
        "undone": ["Flyway: 42 prices", "Flyway: 43 taxes"], "undone_count": 2,
        "newest_change": NOW - timedelta(minutes=1),
        "newest_change_of": "the last commit", "backup_completed_at": NOW - timedelta(hours=6),
    }  # fmt: skip

    status = await asked(world)

    said = (
        "the target has 410 MB, 9 tables, about 3000100 rows and 4 clients; its last change was at "
        "2026-11-22T08:44:00Z; backup-20261122-084500, 6h old, would replace it; 2 migrations would be undone, the "
        "last of them Flyway: 42 prices, Flyway: 43 taxes; the restore would take about 36s"
    )
    assert status["impact"]["message"] == said
    assert f"; {said}; the restore waits until somebody confirms it: kubectl" in status["message"]
    facts = {
        "state": "Done", "present": True, "sizeBytes": 410_000_000, "size": "410 MB", "tables": 9, "rows": 3_000_100,
        "rowsEstimated": True, "clients": 4, "serverTime": "2026-11-22T08:45:00Z", "newestChangeOf": "the last commit",
        "migrationsUndone": ["Flyway: 42 prices", "Flyway: 43 taxes"], "migrationsUndoneCount": 2,
        "backupAgeSeconds": 21_600, "backupTables": 8, "backupRows": 3_000_000, "estimatedSeconds": 36,
    }  # fmt: skip
    assert status["impact"] | facts == status["impact"]


async def test_its_job_reads_the_target_and_the_manifest_and_can_write_to_neither():
    world = await a_world(**REPLACE)
    await asked(world)
    (task,) = world.tasks(CheckTask)
    assert (task.database.name, task.key_prefix.split("/")[-2]) == ("orders", "backup-20261122-084500")
    assert task.pinned.sha256 == "a" * 64
    (job,) = (job for job in world.cluster.all(JOBS) if job["metadata"]["name"].startswith("again-check"))
    assert (job["spec"]["backoffLimit"], task.deadline_seconds) == (0, 300)
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    assert "age-identity" not in str(job["spec"])


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param(REPLACE, "would replace it", id="Replace"),
        pytest.param(INTO, "would be added to it", id="Into"),
        pytest.param(FIRST, "would come into it, if it is empty", id="Refuse"),
    ],
)
async def test_what_becomes_of_the_target_is_said_for_each_mode(spec: dict[str, Any], says: str):
    world = await a_world(**spec)
    assert f"backup-20261122-084500, 0s old, {says}" in (await asked(world))["impact"]["message"]


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        pytest.param(REPLACE, 36, id="twice as long as the backup, and a backup before it"),
        pytest.param({**REPLACE, "safetyBackup": "Skip"}, 24, id="without the backup before it"),
        pytest.param(FIRST, 24, id="into an empty target"),
    ],
)
async def test_the_time_is_reckoned_from_the_backup_s(spec: dict[str, Any], seconds: int):
    world = await a_world(**spec)
    assert (await asked(world))["impact"]["estimatedSeconds"] == seconds


async def test_a_target_that_is_not_there_is_said_to_be_absent():
    world = await a_world(**REPLACE)
    world.runner.sees = dict.fromkeys(("size_bytes", "tables", "rows", "clients", "server_time")) | {"present": False}
    status = await asked(world)
    assert status["impact"]["present"] is False
    assert status["impact"]["message"].startswith("the target does not exist yet; backup-")


async def test_a_check_that_fails_says_why_and_a_person_may_confirm_all_the_same():
    world = await a_world(**REPLACE)
    world.runner.check_fails = Reason.AUTHENTICATION_FAILED
    status = await asked(world)
    assert status["impact"]["state"] == "Failed"
    why = status["impact"]["message"]
    assert why.startswith("Holdfast could not find out what the restore would change: ")
    assert "What to do: " in why
    assert why in status["message"]
    assert [event["message"] for event in world.cluster.all(EVENTS) if event["reason"] == "ImpactUnknown"] == [why]
    await world.cluster.patch(RESTORES, "shop", "again", {"spec": {"confirm": "orders"}})
    assert (await world.until_the_end())["phase"] == "Succeeded"


async def test_a_check_that_cannot_start_is_given_up_after_two_minutes():
    world = await a_world(**REPLACE)
    await world.reconcile()
    assert (await world.status())["phase"] == "Pending"
    world.now = NOW + timedelta(seconds=121)
    for _ in range(2):
        await world.reconcile()
        world.cluster.collect_garbage()
    status = await world.status()
    assert (status["phase"], status["impact"]["state"]) == ("AwaitingConfirmation", "Failed")
    assert "did not start within 120 s" in status["impact"]["message"]
    assert not [job for job in world.cluster.all(JOBS) if job["metadata"]["name"].startswith("again-check")]
    assert "podWanted" not in status


async def test_a_report_of_another_task_is_not_believed():
    world = await a_world(**REPLACE)
    await world.reconcile()
    world.cluster.kubelet()
    (pod,) = (pod for pod in world.cluster.all(PODS) if pod["metadata"]["name"].startswith("again-check"))
    (container,) = pod["status"]["containerStatuses"]
    ended = container["state"]["terminated"]
    told = {**ended, "message": ended["message"].replace("restore-check", "restore")}
    status = {**pod["status"], "containerStatuses": [{**container, "state": {"terminated": told}}]}
    world.cluster.put(PODS, {**pod, "status": status})
    assert (await asked(world))["impact"]["state"] == "Failed"


async def test_a_restore_that_is_confirmed_already_is_looked_at_too():
    world = await a_world(**REPLACE, **PIPELINE)
    status = await world.until_the_end()
    assert (status["phase"], status["impact"]["state"]) == ("Succeeded", "Done")
    assert [type(task) for _, task in world.cluster.ran if not hasattr(task, "dump")] == [CheckTask, RestoreTask]


async def test_what_is_put_back_is_looked_at_without_a_backup():
    world = await a_world(**REPLACE, **PIPELINE)
    await world.until_the_end()
    world.put("undo", source={"replacedBy": {"name": "again"}})
    status = await asked(world, "undo")
    assert world.tasks(CheckTask)[-1].s3 is None
    assert "backupCompletedAt" not in status["impact"]


async def test_what_is_not_of_production_is_not_looked_at():
    world = await a_world("staging", **REPLACE)
    assert "impact" not in await world.until_the_end()
    assert world.tasks(CheckTask) == []


@pytest.mark.parametrize("answered", [False, True], ids=["before the call", "before its answer"])
@pytest.mark.parametrize("call", range(1, 10))
async def test_killed_anywhere_it_looks_once(call: int, answered: bool):
    world = await a_world(**REPLACE, **PIPELINE)
    status = await world.until_the_end(acting=Mortal(world.cluster, call, answered), dies=Killed)
    assert (status["phase"], status["impact"]["state"]) == ("Succeeded", "Done")
    assert len(world.tasks(CheckTask)) == 1


async def test_a_restore_that_ends_meanwhile_ends_its_check(monkeypatch: pytest.MonkeyPatch):
    world = await a_world(**REPLACE)
    await world.reconcile()
    monkeypatch.setattr(restoring, "OPERATOR", settings(images={"sqlite-3": "holdfast-runner-sqlite:3"}))
    for _ in range(2):
        await world.reconcile()
        world.cluster.collect_garbage()
    status = await world.status()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "ImageNotSet")
    assert not [job for job in world.cluster.all(JOBS) if job["metadata"]["name"].startswith("again-check")]


def a_file_of_production() -> World:
    volume = {"claimName": "data", "path": "app.db", "runAsUser": 472}
    bucket = {"s3": {"bucket": "old"}, "folder": "shop/app/backup-20261101-020000"}
    target = {"database": {"engine": "sqlite", "name": "app", "volume": volume}, "environment": "production"}
    return World(source={"bucket": bucket}, target=target)


def a_claim(world: World, mode: str) -> None:
    meta = {"namespace": "shop", "name": "data"}
    world.cluster.put(CLAIMS, {"metadata": meta, "spec": {"accessModes": [mode]}, "status": {"accessModes": [mode]}})
    body = {"metadata": {"namespace": "shop", "name": "app"}, "status": {"phase": "Running"}}
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    world.cluster.put(PODS, {**body, "spec": {"nodeName": "node-b", "volumes": volumes}})


async def test_a_file_is_looked_at_where_its_claim_is_mounted():
    world = a_file_of_production()
    a_claim(world, "ReadWriteOnce")
    await world.reconcile()
    (job,) = world.cluster.all(JOBS)
    assert "node-b" in str(job["spec"]["template"]["spec"]["affinity"])
    assert (await asked(world))["impact"]["state"] == "Done"


async def test_a_file_that_another_pod_has_for_itself_is_not_looked_at():
    world = a_file_of_production()
    a_claim(world, "ReadWriteOncePod")
    status = await asked(world)
    assert status["impact"]["state"] == "Failed"
    assert "is ReadWriteOncePod, and Pod app" in status["impact"]["message"]
    assert world.cluster.all(JOBS) == []


async def test_a_claim_that_is_not_there_is_waited_for_and_said():
    world = a_file_of_production()
    await world.reconcile()
    status = await world.status()
    assert (status["phase"], status["impact"]["state"]) == ("Pending", "Running")
    assert "PersistentVolumeClaim data does not exist" in status["message"]
    assert status["podWanted"]["since"] == "2026-11-22T08:45:00Z"


async def test_a_job_that_left_no_report_is_no_look():
    world = await a_world(**REPLACE)
    await world.reconcile()
    world.cluster.kubelet()
    for pod in world.cluster.all(PODS):
        if pod["metadata"]["name"].startswith("again-check"):
            await world.cluster.delete(PODS, "shop", pod["metadata"]["name"], uid=None)
    status = await asked(world)
    assert status["impact"]["state"] == "Failed"
    assert "the Job's report is missing" in status["impact"]["message"]
