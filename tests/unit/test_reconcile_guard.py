"""A restore into production: what it waits for and what is taken of the target first, however the operator dies."""

from contextlib import suppress
from typing import Any

import pytest
from tests.mortal import Killed, Mortal
from tests.restoring import World

from holdfast.contract.task import RestoreTask
from holdfast.kube.errors import KubeError
from holdfast.kube.kinds import EVENTS, JOBS, POLICIES, RESTORES

FIRST: dict[str, Any] = {"source": {"backupRef": {"name": "first"}}}
REPLACE = {**FIRST, "mode": "Replace"}
PIPELINE = {"unattended": {"reason": "the nightly rehearsal"}}
LATER = "2026-11-22T08:44:59Z"


async def a_world(environment: str = "production", **spec: Any) -> World:
    world = World(environment, **spec)
    await world.backed_up()
    return world


async def confirm(world: World, word: str | None = "orders", name: str = "again") -> None:
    await world.cluster.patch(RESTORES, "shop", name, {"spec": {"confirm": word}})


async def waits(world: World, name: str = "again") -> dict[str, Any]:
    await world.looked(name)
    status = await world.status(name)
    assert status["phase"] == "AwaitingConfirmation"
    assert world.tasks(RestoreTask) == []
    assert not its_job(world, name)
    return status


def its_job(world: World, name: str = "again") -> list[Any]:
    return [job for job in world.cluster.all(JOBS) if job["metadata"]["name"].startswith(f"{name}-restore")]


def events(world: World, reason: str) -> list[str]:
    return [event["message"] for event in world.cluster.all(EVENTS) if event["reason"] == reason]


@pytest.mark.parametrize("spec", [FIRST, REPLACE, {**FIRST, "mode": "Into"}], ids=["Refuse", "Replace", "Into"])
async def test_a_restore_into_production_waits_until_somebody_repeats_the_database_s_name(spec: dict[str, Any]):
    world = await a_world(**spec)
    status = await waits(world)
    said = status["message"]
    assert "the backup says that the target is of production" in said
    command = "kubectl -n shop patch databaserestores.holdfast.dev again --type=merge -p "
    assert command + """'{"spec":{"confirm":"orders"}}'""" in said
    assert events(world, "AwaitingConfirmation") == [said]
    assert status["source"]["backup"] == "first"
    assert status["target"] == "orders on orders-db:5432"

    await confirm(world)

    status = await world.until_the_end()
    assert status["phase"] == "Succeeded"
    assert status["confirmation"]["confirmedAt"] == "2026-11-22T08:45:00Z"
    assert len(events(world, "Confirmed")) == 1


async def test_another_name_is_no_confirmation():
    world = await a_world(**FIRST)
    await waits(world)
    await confirm(world, "order")
    assert "spec.confirm is not the name of the target" in (await waits(world))["message"]


async def test_a_name_that_came_with_the_resource_is_no_confirmation_until_it_is_given_again():
    world = await a_world(**FIRST, confirm="orders")
    assert "spec.confirm was set at creation" in (await waits(world))["message"]
    await confirm(world, None)
    await waits(world)
    await confirm(world)
    assert (await world.until_the_end())["phase"] == "Succeeded"


async def test_where_nobody_is_to_be_asked_status_and_event_say_why():
    world = await a_world(**FIRST, **PIPELINE, confirm="orders")
    status = await world.until_the_end()
    assert status["phase"] == "Succeeded"
    assert status["confirmation"]["unattended"] == "the nightly rehearsal"
    (said,) = events(world, "Confirmed")
    assert said.endswith("nobody is asked to confirm this restore into production: the nightly rehearsal")


async def test_a_reason_alone_is_no_confirmation():
    world = await a_world(**FIRST, **PIPELINE)
    await waits(world)


async def test_a_confirmation_that_is_taken_back_before_the_job_is_made_is_waited_for_again():
    world = await a_world(**FIRST)
    await waits(world)
    await confirm(world)
    with suppress(KubeError):
        await world.reconcile(acting=NoJobs(world.cluster))
    assert "jobName" in await world.status()

    await confirm(world, None)

    status = await waits(world)
    assert not {"jobName", "startedAt"} & set(status)
    assert "confirmedAt" not in status["confirmation"]
    await confirm(world)
    assert (await world.until_the_end())["phase"] == "Succeeded"
    assert len(world.tasks(RestoreTask)) == 1


async def test_once_the_job_is_there_taking_it_back_changes_nothing():
    world = await a_world(**FIRST)
    await waits(world)
    await confirm(world)
    await world.reconcile()
    assert its_job(world)
    await confirm(world, None)
    assert (await world.until_the_end())["phase"] == "Succeeded"


class NoJobs:
    """An API server that answers nothing to whoever makes a Job."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def create(self, kind: Any, namespace: str, body: Any) -> Any:
        if kind == JOBS:
            raise KubeError("no answer")
        return await self._client.create(kind, namespace, body)


@pytest.mark.parametrize(
    ("target", "environment", "who"),
    [
        (None, "staging", None),
        ({"databaseName": "orders_copy"}, "production", "the backup"),
        ({"databaseName": "orders_copy", "environment": "dev"}, "production", "the backup"),
        ({"environment": "production"}, "staging", "spec.target"),
        ({"policyRef": {"name": "live"}}, "staging", "BackupPolicy live"),
        ({"policyRef": {"name": "trial"}}, "production", None),
        ({"database": "trial"}, "production", None),
        ({"database": "trial", "environment": "production"}, "staging", "spec.target"),
        ({"database": "live"}, "staging", "BackupPolicy live"),
        ({"database": "live", "environment": "dev"}, "staging", "BackupPolicy live"),
    ],
)
async def test_a_target_is_of_production_where_anybody_says_so_who_knows(
    target: dict[str, Any] | None, environment: str, who: str | None
):
    databases = {
        name: {
            "engine": "postgresql", "name": name, "connection": {"host": f"{name}-db", "secretName": f"{name}-db"},
        }
        for name in ("live", "trial")
    }  # fmt: skip
    spec = {**FIRST, "maskingWaived": "the rows are made up"}
    if target is not None:
        spec["target"] = {**target, **({"database": databases[target["database"]]} if "database" in target else {})}
    world = await a_world(environment, **spec)
    for name, of in (("live", "production"), ("trial", "dev")):
        policy = {"environment": of, "database": databases[name]}
        world.cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": name}, "spec": policy})

    if who is None:
        assert (await world.until_the_end())["phase"] == "Succeeded"
    else:
        assert f"{who} says that the target is of production" in (await waits(world))["message"]


async def test_a_name_that_a_shell_would_read_more_into_is_in_no_command():
    world = await a_world(**FIRST, target={"databaseName": "a'; rm -rf ~; '"})
    message = (await waits(world))["message"]
    assert "rm -rf" not in message
    assert "set spec.confirm to the name of the target database, exactly" in message
    await confirm(world, "a'; rm -rf ~; '")
    assert (await world.until_the_end())["phase"] == "Succeeded"


async def test_undoing_a_restore_into_production_is_asked_too():
    world = await a_world(**REPLACE, **PIPELINE, confirm="orders")
    await world.until_the_end()
    world.put("undo", source={"replacedBy": {"name": "again"}})
    await world.looked("undo")
    status = await world.status("undo")
    assert status["phase"] == "AwaitingConfirmation"
    assert "DatabaseRestore again restored into a database of production" in status["message"]
    await confirm(world, name="undo")
    assert (await world.until_the_end("undo"))["phase"] == "Succeeded"


async def test_one_that_nobody_confirms_holds_up_no_other():
    world = await a_world(**FIRST)
    await waits(world)
    world.put("later", created=LATER, **FIRST, **PIPELINE, confirm="orders")
    assert (await world.until_the_end("later"))["phase"] == "Succeeded"
    await waits_and_wakes_nobody(world)


async def waits_and_wakes_nobody(world: World) -> None:
    world.put("third", created=LATER, **FIRST)
    await world.looked("third")
    await world.reconcile("third")
    await world.reconcile("again")
    assert world.woken == []  # or two that wait would wake each other for ever


@pytest.mark.parametrize("answered", [False, True], ids=["before the call", "before its answer"])
@pytest.mark.parametrize("call", range(10))
async def test_killed_anywhere_it_asks_once_and_restores_once(call: int, answered: bool):
    world = await a_world(**REPLACE)
    mortal = Mortal(world.cluster, call, answered)
    for _ in range(2):
        with suppress(Killed):
            await world.reconcile(acting=mortal)
    await waits(world)
    await confirm(world)

    status = await world.until_the_end(acting=mortal, dies=Killed)

    assert status["phase"] == "Succeeded"
    assert status["confirmation"]["confirmedAt"]
    assert len(world.tasks(RestoreTask)) == 1


async def test_what_is_changed_after_the_end_counts_as_seen_so_that_nobody_waits_for_it():
    world = await a_world("staging", **REPLACE)
    assert (await world.until_the_end())["observedGeneration"] == 1
    await confirm(world)
    await confirm(world, None)
    await world.reconcile()
    body = await world.cluster.get(RESTORES, "shop", "again")
    assert body["status"]["observedGeneration"] == body["metadata"]["generation"] == 3
    assert body["status"]["phase"] == "Succeeded"
