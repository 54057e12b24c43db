"""The backup that is taken of a target of production before a restore touches it, however often the operator dies."""

from contextlib import suppress
from typing import Any

import pytest
import yaml
from tests.builders import policy_dict
from tests.mortal import Killed, Mortal
from tests.restoring import World

from holdfast.contract.task import BackupTask, CheckTask, RestoreTask
from holdfast.errors import Reason
from holdfast.kube.errors import KubeError, Refused, Unavailable
from holdfast.kube.kinds import BACKUPS, EVENTS, POLICIES, RESTORES
from holdfast.reconcile import restores
from holdfast.reconcile.cache import Cache

FIRST: dict[str, Any] = {"source": {"backupRef": {"name": "first"}}}
REPLACE, INTO = {**FIRST, "mode": "Replace"}, {**FIRST, "mode": "Into"}
PIPELINE = {"confirm": "orders", "unattended": {"reason": "a rehearsal"}}


async def a_world(environment: str = "production", **spec: Any) -> World:
    world = World(environment, **({**PIPELINE, **spec} if spec else {}))
    await world.backed_up()
    return world


def safety_backups(world: World) -> list[dict[str, Any]]:
    return [dict(body) for body in world.cluster.all(BACKUPS) if body["spec"].get("purpose") == "safety"]


def events(world: World, reason: str) -> list[str]:
    return [event["message"] for event in world.cluster.all(EVENTS) if event["reason"] == reason]


@pytest.mark.parametrize("spec", [REPLACE, INTO], ids=["Replace", "Into"])
async def test_a_target_of_production_is_backed_up_before_it_is_touched(spec: dict[str, Any]):
    world = await a_world(**spec)
    await world.looked()
    for _ in range(2):
        await world.reconcile()
    status = await world.status()
    (made,) = safety_backups(world)
    name = made["metadata"]["name"]
    assert "jobName" not in status
    assert status["safetyBackup"] == {"name": name, "message": "it is in progress"}
    assert status["message"] == (
        f"Holdfast first takes DatabaseBackup {name} of the target; the restore continues when it has Succeeded"
    )

    status = await world.until_the_end()

    assert status["phase"] == "Succeeded"
    assert [type(task) for _, task in world.cluster.ran] == [BackupTask, CheckTask, BackupTask, RestoreTask]
    assert status["safetyBackup"]["message"] == "it has Succeeded"
    assert f"before that it was backed up as DatabaseBackup {name}" in status["message"]
    assert made["spec"]["policyRef"] == {"name": "orders"}
    assert made["spec"]["reason"] == "of the target, before DatabaseRestore again"
    assert made["metadata"]["labels"]["holdfast.dev/restore"] == "again"
    assert "ownerReferences" not in made["metadata"]  # it outlives the restore


@pytest.mark.parametrize("answered", [False, True], ids=["before the call", "before its answer"])
@pytest.mark.parametrize("call", range(1, 16))
async def test_killed_anywhere_it_takes_one_safety_backup_and_restores_once(call: int, answered: bool):
    world = await a_world(**REPLACE)

    status = await world.until_the_end(acting=Mortal(world.cluster, call, answered), dies=Killed)

    assert status["phase"] == "Succeeded"
    assert len(safety_backups(world)) == 1
    assert len(world.tasks(BackupTask)) == 2
    assert len(world.tasks(RestoreTask)) == 1


async def test_where_it_fails_nothing_was_touched():
    world = await a_world(**REPLACE)
    world.runner.backups_fail = Reason.DATABASE_LOCKED
    status = await world.until_the_end()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.SAFETY_BACKUP_FAILED)
    assert "failed: DatabaseLocked" in status["failure"]["message"]
    assert status["failure"]["remedy"].startswith("find the cause with kubectl -n shop describe ")
    assert world.tasks(RestoreTask) == []


async def test_it_can_be_left_out_and_status_and_event_say_so():
    world = await a_world(**REPLACE, safetyBackup="Skip")
    status = await world.until_the_end()
    assert status["phase"] == "Succeeded"
    assert status["safetyBackup"] == {"message": "Holdfast takes none: spec.safetyBackup is Skip"}
    assert events(world, "SafetyBackupSkipped") == ["Holdfast takes none: spec.safetyBackup is Skip"]
    assert safety_backups(world) == []


async def test_where_the_target_must_be_empty_there_is_nothing_to_save():
    world = await a_world(**FIRST)
    status = await world.until_the_end()
    assert status["safetyBackup"] == {"message": "Holdfast takes none: in mode Refuse the target must be empty"}
    assert safety_backups(world) == []


async def test_an_undo_loses_nothing_and_takes_none():
    world = await a_world(**REPLACE)
    await world.until_the_end()
    world.put("undo", **PIPELINE, source={"replacedBy": {"name": "again"}})
    status = await world.until_the_end("undo")
    assert status["phase"] == "Succeeded"
    assert status["safetyBackup"]["message"].startswith(
        "Holdfast takes none: putting a database back keeps the present one"
    )
    assert len(safety_backups(world)) == 1


async def test_a_target_that_is_not_there_needs_none():
    world = await a_world(**INTO, target={"create": True})
    world.runner.backups_fail = Reason.DATABASE_NOT_FOUND
    status = await world.until_the_end()
    assert status["phase"] == "Succeeded"
    assert "the target does not exist yet" in status["safetyBackup"]["message"]
    assert "name" not in status["safetyBackup"]


async def test_a_target_that_is_not_there_and_will_not_be_made_fails_before_the_restore():
    world = await a_world(**INTO)
    world.runner.backups_fail = Reason.DATABASE_NOT_FOUND
    assert (await world.until_the_end())["failure"]["reason"] == Reason.SAFETY_BACKUP_FAILED


async def test_what_is_not_of_production_is_not_backed_up_first():
    world = await a_world("staging", **REPLACE)
    assert "safetyBackup" not in await world.until_the_end()
    assert safety_backups(world) == []


@pytest.mark.parametrize(
    ("hours", "days"),
    [pytest.param(1, 90, id="as long as the policy says"), pytest.param(24 * 100 + 1, 101, id="as long as is kept")],
)
async def test_it_is_kept_as_long_as_what_was_replaced_at_least(hours: int, days: int):
    world = await a_world(**REPLACE, keepReplacedHours=hours)
    await world.until_the_end()
    (made,) = safety_backups(world)
    assert made["spec"]["retentionDays"] == days


async def test_of_a_database_that_no_policy_is_of_it_is_complete_in_itself():
    world = await a_world(**INTO, target={"databaseName": "orders_copy"}, confirm="orders_copy")
    status = await world.until_the_end()
    assert status["phase"] == "Succeeded"
    (made,) = safety_backups(world)
    policy = made["spec"]["policy"]
    assert "policyRef" not in made["spec"]
    assert (policy["environment"], policy["database"]["name"]) == ("production", "orders_copy")
    assert policy["storage"]["s3"]["bucket"] == "backups"
    assert set(policy) == {"environment", "database", "storage", "job"}


async def test_it_is_encrypted_as_the_backups_of_its_policy_are_and_names_no_store():
    age = {"age": {"recipients": ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]}}
    world = World(
        "production", **{**PIPELINE, **INTO, "target": {"databaseName": "orders_copy"}, "confirm": "orders_copy"}
    )
    storage = {"s3": {"bucket": "backups"}, "encryption": age}
    spec = policy_dict(storage=storage)
    world.cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": spec})
    await world.backed_up()
    await world.until_the_end()
    (made,) = safety_backups(world)
    assert made["spec"]["policy"]["storage"]["encryption"] == age
    assert "store" not in made["spec"]["policy"]["storage"]


async def test_a_policy_that_was_changed_to_another_database_backs_up_none_for_it():
    world = await a_world(**REPLACE)
    await world.looked()
    (before,) = safety_backups(world)
    spec = policy_dict()
    spec["database"] = {**spec["database"], "name": "payroll"}
    world.cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": spec})

    status = await world.until_the_end()

    assert before["spec"]["policyRef"] == {"name": "orders"}
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.SAFETY_BACKUP_FAILED)
    assert "is of another database" in status["failure"]["message"]


async def test_a_backup_of_that_name_which_somebody_else_made_is_not_believed():
    world = await a_world(**REPLACE)
    await world.looked()
    (made,) = safety_backups(world)
    labels = {**made["metadata"]["labels"], "holdfast.dev/restore-uid": "another"}
    world.cluster.put(BACKUPS, {**made, "metadata": {**made["metadata"], "labels": labels}})
    status = await world.until_the_end()
    assert status["failure"]["reason"] == Reason.SAFETY_BACKUP_FAILED
    assert "not created for this restore" in status["failure"]["message"]
    assert world.tasks(RestoreTask) == []


async def test_where_the_api_server_refuses_it_the_restore_fails():
    world = await a_world(**REPLACE)
    await world.looked()
    for body in safety_backups(world):
        await world.cluster.delete(BACKUPS, "shop", body["metadata"]["name"], uid=None)
    await world.reconcile(acting=NoBackups(world.cluster))
    status = await world.status()
    assert status["failure"]["reason"] == Reason.SAFETY_BACKUP_FAILED
    assert "the API server refuses DatabaseBackup" in status["failure"]["message"]


class NoBackups:
    """An API server that takes no more backups."""

    def __init__(self, client: Any, answer: KubeError | None = None) -> None:
        self._client, self._answer = client, answer or Refused("exceeded quota", 403)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def create(self, kind: Any, namespace: str, body: Any) -> Any:
        if kind == BACKUPS:
            raise self._answer
        return await self._client.create(kind, namespace, body)


async def test_a_confirmation_that_is_withdrawn_meanwhile_takes_effect_and_another_one_takes_another_backup():
    world = World("production", **REPLACE)
    await world.backed_up()
    await world.looked()
    await world.cluster.patch(RESTORES, "shop", "again", {"spec": {"confirm": "orders"}})
    await world.reconcile()
    assert len(safety_backups(world)) == 1
    await world.cluster.patch(RESTORES, "shop", "again", {"spec": {"confirm": None}})
    await world.reconcile()
    status = await world.status()
    assert (status["phase"], "safetyBackup" in status) == ("AwaitingConfirmation", False)

    world.now = world.now.replace(minute=50)
    await world.cluster.patch(RESTORES, "shop", "again", {"spec": {"confirm": "orders"}})
    assert (await world.until_the_end())["phase"] == "Succeeded"
    assert len(safety_backups(world)) == 2
    assert len(world.tasks(RestoreTask)) == 1


async def test_whoever_waits_for_its_backup_has_its_turn():
    world = await a_world(**REPLACE)
    world.put("earlier", created="2026-11-22T08:44:00Z", **PIPELINE, **REPLACE)
    await world.looked()
    await world.looked("earlier")
    status = await world.status("earlier")
    assert (status["phase"], "safetyBackup" in status) == ("Queued", False)
    with suppress(AssertionError):
        await world.until_the_end("again")
    assert (await world.until_the_end("earlier"))["phase"] == "Succeeded"


async def test_the_end_of_the_backup_wakes_the_restore():
    world = await a_world(**REPLACE)
    await world.looked()
    (made,) = safety_backups(world)
    cache = Cache()
    for body in world.cluster.all(RESTORES):
        cache.put(RESTORES, body)
    assert list(restores.of_backup(cache, "shop", made["metadata"]["name"], "orders")) == ["again"]
    assert list(restores.of_backup(cache, "shop", "first", "orders")) == []


async def test_without_a_replaced_database_the_way_back_is_the_safety_backup():
    world = await a_world(**INTO)
    status = await world.until_the_end()
    undo = yaml.safe_load(status["undo"])
    assert undo["spec"] == {"source": {"backupRef": {"name": status["safetyBackup"]["name"]}}, "mode": "Replace"}


async def test_a_way_back_names_the_safety_backup_too():
    world = await a_world(**REPLACE)
    status = await world.until_the_end()
    assert status["undo"].startswith(f"# what was there is in DatabaseBackup {status['safetyBackup']['name']}, too\n")
    assert yaml.safe_load(status["undo"])["spec"] == {"source": {"replacedBy": {"name": "again"}}}


async def test_the_last_good_backup_of_a_policy_is_none_that_was_taken_before_a_restore():
    world = await a_world()
    world.put("zeta", **PIPELINE, **REPLACE)  # of two that end at once, the last by name
    await world.until_the_end("zeta")
    world.put("back", **PIPELINE, source={"policyRef": {"name": "orders"}}, mode="Replace")
    assert (await world.until_the_end("back"))["source"]["backup"] == "first"


def put_policy(world: World, name: str, **changes: Any) -> None:
    world.cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": name}, "spec": policy_dict(**changes)})


@pytest.mark.parametrize(
    ("target", "policy"),
    [
        pytest.param({}, "another", id="the first by name"),
        pytest.param({"target": {"policyRef": {"name": "orders"}}}, "orders", id="the one that is named"),
    ],
)
async def test_of_several_policies_of_the_target_one_is_taken(target: dict[str, Any], policy: str):
    world = await a_world(**INTO, **target)
    put_policy(world, "another")
    await world.until_the_end()
    assert safety_backups(world)[0]["spec"]["policyRef"] == {"name": policy}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"storage": {"store": "gone"}}, id="names a store that is none"),
        pytest.param(
            {
                "database": {
                    "engine": "postgresql",
                    "name": "orders",
                    "connection": {"host": "orders-db", "secretName": "b"},
                }
            },
            id="asks as another user",
        ),
    ],
)
async def test_a_policy_that_could_not_back_it_up_alike_is_left_alone(changes: dict[str, Any]):
    world = await a_world(**INTO)
    put_policy(world, "orders", **changes)
    await world.until_the_end()
    (made,) = safety_backups(world)
    assert made["spec"]["policy"]["database"]["connection"]["secretName"] == "orders-db"


AGE = {"age": {"recipients": ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]}}
OWNER: dict[str, Any] = {"host": "orders-db", "secretName": "orders-owner"}
FROM_A_BUCKET: dict[str, Any] = {
    "source": {"bucket": {"s3": {"bucket": "old"}, "folder": "shop/orders/backup-20261101-020000"}},
    "target": {
        "database": {"engine": "postgresql", "name": "orders", "connection": OWNER}, "environment": "production",
    },
    "mode": "Replace",
    "options": {"identitySecretName": "age"},
    **PIPELINE,
}  # fmt: skip


async def test_a_policy_that_asks_as_another_user_says_where_it_is_stored_and_how_encrypted():
    world = World(**FROM_A_BUCKET)
    put_policy(world, "orders", storage={"s3": {"bucket": "backups"}, "encryption": AGE})
    assert (await world.until_the_end())["phase"] == "Succeeded"
    (made,) = safety_backups(world)
    storage = made["spec"]["policy"]["storage"]
    assert (storage["s3"]["bucket"], storage["encryption"]) == ("backups", AGE)
    assert made["spec"]["policy"]["database"]["connection"]["secretName"] == "orders-owner"


async def test_beside_a_source_that_is_encrypted_none_is_stored_in_the_clear_and_nobody_is_asked():
    world = World(**{**FROM_A_BUCKET, "confirm": None, "unattended": None})
    await world.cluster.delete(POLICIES, "shop", "orders", uid=None)
    await world.reconcile()
    await world.reconcile()
    status = await world.status()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.SAFETY_BACKUP_FAILED)
    assert "would be stored beside it without encryption" in status["failure"]["message"]
    assert status["failure"]["remedy"].startswith("create a BackupPolicy for the target with storage.encryption, or ")
    assert world.cluster.ran == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"options": {}}, id="as the source is"),
        pytest.param({"safetyBackup": "Skip"}, id="not at all"),
        pytest.param({"mode": "Refuse"}, id="not at all, since it is empty"),
        pytest.param({"target": {**FROM_A_BUCKET["target"], "environment": "staging"}}, id="not of staging"),
    ],
)
async def test_without_a_policy_it_is_stored(changes: dict[str, Any]):
    world = World(**{**FROM_A_BUCKET, "maskingWaived": "a rehearsal", **changes})
    await world.cluster.delete(POLICIES, "shop", "orders", uid=None)
    assert (await world.until_the_end())["phase"] == "Succeeded"
    stored = [made["spec"]["policy"]["storage"] for made in safety_backups(world)]
    assert [storage["s3"]["bucket"] for storage in stored] == (["old"] if changes == {"options": {}} else [])
    assert not any("encryption" in storage for storage in stored)


async def test_once_its_policy_is_deleted_before_it_is_created_none_is_stored_in_the_clear():
    world = World(**FROM_A_BUCKET)
    with suppress(KubeError):
        await world.looked(acting=NoBackups(world.cluster, Unavailable("no answer")))
    assert (await world.status())["safetyBackup"]["message"] == "it is in progress"
    await world.cluster.delete(POLICIES, "shop", "orders", uid=None)
    status = await world.until_the_end()
    assert status["failure"]["reason"] == Reason.SAFETY_BACKUP_FAILED
    assert safety_backups(world) == []


async def test_one_whose_policy_is_deleted_before_it_begins_is_not_waited_for_for_ever():
    world = await a_world(**REPLACE)
    await world.looked()
    (made,) = safety_backups(world)
    name = made["metadata"]["name"]
    await world.cluster.delete(POLICIES, "shop", "orders", uid=None)
    due = await world.reconcile()
    assert (await world.status())["safetyBackup"]["message"] == "it is in progress"
    assert due is not None
    world.now = due
    await world.reconcile()
    status = await world.status()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.SAFETY_BACKUP_FAILED)
    assert status["failure"]["message"] == (
        f"DatabaseBackup {name} cannot begin, since its BackupPolicy orders was deleted"
    )
    assert f"delete DatabaseBackup {name}, which waits for it" in status["failure"]["remedy"]


@pytest.mark.parametrize(("hours", "days"), [(24 * 100, 100), (1, 90)])
async def test_one_without_a_policy_is_kept_as_long_too(hours: int, days: int):
    copy = {"target": {"databaseName": "orders_copy"}, "confirm": "orders_copy"}
    world = await a_world(**REPLACE, **copy, keepReplacedHours=hours)
    await world.until_the_end()
    assert safety_backups(world)[0]["spec"]["retentionDays"] == days


async def test_an_event_tells_of_what_is_taken_and_a_warning_of_what_is_left_out():
    kinds = {}
    for spec in (REPLACE, FIRST, {**REPLACE, "safetyBackup": "Skip"}):
        world = await a_world(**spec)
        await world.until_the_end()
        kinds |= {
            event["reason"]: event["type"]
            for event in world.cluster.all(EVENTS)
            if event["reason"].startswith("SafetyBackup")
        }
        if spec is FIRST:
            assert events(world, "SafetyBackupSkipped") == []
    assert kinds == {"SafetyBackup": "Normal", "SafetyBackupSkipped": "Warning"}


@pytest.mark.parametrize("ended", [False, True], ids=["in progress", "good"])
async def test_one_that_somebody_deletes_is_none(ended: bool):
    world = await a_world(**REPLACE)
    await world.looked()
    if ended:
        await world.back_up()
        world.cluster.kubelet()
        await world.back_up()
    (made,) = safety_backups(world)
    meta = {**made["metadata"], "deletionTimestamp": "2026-11-22T08:45:00Z", "finalizers": ["somebody.s/own"]}
    world.cluster.put(BACKUPS, {**made, "metadata": meta})
    await world.reconcile()
    status = await world.status()
    assert status["failure"]["reason"] == Reason.SAFETY_BACKUP_FAILED
    assert "is being deleted" in status["failure"]["message"]


@pytest.mark.parametrize(
    ("completed", "says"),
    [("2026-11-22T08:44:30Z", "2026-11-22T08:44:30Z"), (None, "2026-11-22T08:45:00Z")],
    ids=["as it says", "now, where it does not say"],
)
async def test_when_it_was_completed_is_told(completed: str | None, says: str):
    world = await a_world(**REPLACE)
    await world.looked()
    await world.back_up()
    world.cluster.kubelet()
    await world.back_up()
    (made,) = safety_backups(world)
    status = {**made["status"], "completedAt": completed}
    world.cluster.put(BACKUPS, {**made, "status": {key: value for key, value in status.items() if value}})
    await world.reconcile()
    assert (await world.status())["safetyBackup"]["completedAt"] == says


async def test_a_target_that_is_not_there_is_replaced_without_one():
    world = await a_world(**REPLACE)
    world.runner.backups_fail = Reason.DATABASE_NOT_FOUND
    assert (await world.until_the_end())["phase"] == "Succeeded"


WAITING: dict[str, Any] = {"confirm": None, "unattended": None}


@pytest.mark.parametrize(
    ("changes", "has", "left"),
    [
        pytest.param(WAITING, "confirmation", 0, id="while it waits for somebody"),
        pytest.param({}, "safetyBackup", 1, id="during its safety backup, which goes on"),
        pytest.param({}, "jobUID", 1, id="while its Job runs, which the garbage collector ends"),
    ],
)
async def test_a_restore_that_is_deleted_leaves_only_its_safety_backup_and_the_next_one_has_its_turn(
    changes: dict[str, Any], has: str, left: int
):
    world = await a_world(**{**REPLACE, **changes})
    world.put("next", created="2026-11-22T08:45:30Z", **PIPELINE, **REPLACE)
    await world.looked()
    await world.reconcile()
    if has == "jobUID":
        await world.back_up()
        world.cluster.kubelet()
        await world.back_up()
        await world.reconcile()
    status = await world.status()
    assert has in status
    assert status["phase"] not in ("Succeeded", "Failed")

    await world.cluster.delete(RESTORES, "shop", "again", uid=None)

    assert len(safety_backups(world)) == left
    assert (await world.until_the_end("next"))["phase"] == "Succeeded"
    assert [backup["status"]["phase"] for backup in safety_backups(world)] == ["Succeeded"] * (left + 1)
