"""Where Holdfast itself fails over a resource, the resource says so, and says no more when it goes on."""

from datetime import datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.builders import NOW, policy_dict
from tests.fake_cluster import FakeCluster
from tests.reconciling import some_faults

from holdfast import clock
from holdfast.decide.policy import statuses
from holdfast.kube.errors import Refused, Unavailable
from holdfast.kube.kinds import BACKUPS, EVENTS, POLICIES, Kind
from holdfast.process.health import Health
from holdfast.process.operator import Operator
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.faults import PATIENCE
from holdfast.reconcile.queue import Key
from holdfast.settings import Settings

KEY = Key("DatabaseBackup", "shop", "b")
GOOD = {"type": "Succeeded", "status": "True", "reason": "BackupSucceeded", "message": "m", "lastTransitionTime": "2026-11-22T08:00:00Z"}  # fmt: skip # noqa: E501
STALLED = "Stalled"


class World:
    """A cluster with one backup, and what is to come of its next reconcile."""

    def __init__(self, kind: Kind = BACKUPS, **status: Any) -> None:
        self.cluster, self.cache, self.kind = FakeCluster(lambda *_: None), Cache(), kind
        body = {"metadata": {"namespace": "shop", "name": "b"}, "spec": {}, "status": {"conditions": [GOOD]} | status}
        self.cache.put(kind, self.cluster.put(kind, body))
        self.faults = some_faults(self.cache, self.cluster)
        self.error: Exception | None = None

    async def reconcile(self, times: int = 1) -> None:
        async def reconciled(_: Key) -> datetime | None:
            if self.error:
                raise self.error
            return NOW

        for _ in range(times):
            key = Key(self.kind.kind, "shop", "b")
            if self.error is None:
                assert await self.faults.guard(key, reconciled) == NOW
                continue
            with pytest.raises(type(self.error)) as raised:  # the queue is told, and tries again
                await self.faults.guard(key, reconciled)
            assert raised.value is self.error

    def condition(self) -> dict[str, Any] | None:
        (body,) = self.cluster.all(self.kind)
        return next((each for each in body["status"]["conditions"] if each["type"] == STALLED), None)

    def events(self) -> list[dict[str, Any]]:
        return self.cluster.all(EVENTS)


@pytest.mark.parametrize("kind", [BACKUPS, POLICIES], ids=lambda kind: kind.kind)
async def test_the_resource_says_so_after_a_few_failures_in_a_row(kind: Kind) -> None:
    world = World(kind)
    world.error = ValueError("'1e999999' is no size")
    await world.reconcile(PATIENCE - 1)
    assert world.condition() is None
    await world.reconcile()
    told = world.condition()
    assert (told["status"], told["reason"]) == ("True", "OperatorFault")
    assert "ValueError: '1e999999' is no size. What to do: read the operator's log" in told["message"]
    (event,) = world.events()
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "OperatorFault", told["message"])
    assert REGISTRY.get_sample_value("holdfast_resources_stuck") == 1


async def test_what_it_says_is_a_whole_condition_and_another_fault_is_said_anew() -> None:
    world = World()
    world.error = ValueError("no")
    await world.reconcile(PATIENCE)
    told = world.condition()
    message = (
        "a fault in Holdfast, which tries again each minute: ValueError: no. What to do: read the operator's log, "
        "and report the fault"
    )
    assert told == {
        "type": STALLED, "status": "True", "reason": "OperatorFault", "message": message,
        "lastTransitionTime": clock.to_text(NOW), "observedGeneration": 1,
    }  # fmt: skip
    world.error = KeyError("another")
    await world.reconcile(2)
    assert "KeyError" in world.condition()["message"]
    assert [(event["count"], "KeyError" in event["message"]) for event in world.events()] == [(1, False), (1, True)]
    (body,) = world.cluster.all(BACKUPS)
    assert body["status"]["conditions"] == [GOOD, world.condition()]


@pytest.mark.parametrize("there", [True, False], ids=["it is there", "it is gone"])
async def test_one_of_which_a_few_facts_are_known_is_asked_for_to_say_so(
    there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    monkeypatch.setattr(Cache, "whole", lambda *_: None)
    world.error = ValueError("no")
    if there:
        await world.reconcile(PATIENCE)
        assert world.condition()["reason"] == "OperatorFault"
    else:
        world.cluster.objects.clear()
        await world.reconcile(PATIENCE + 1)
        assert world.events() == []


async def test_what_is_known_whole_is_not_asked_for_to_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(world.cluster, "get", lambda *_: pytest.fail("nothing is to be asked for"))
    world.error = ValueError("no")
    await world.reconcile(PATIENCE)
    assert world.condition()["reason"] == "OperatorFault"


async def test_one_of_which_a_few_facts_are_known_goes_on_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(Cache, "whole", lambda *_: None)
    await world.reconcile()
    assert world.condition() is None


@pytest.mark.parametrize(
    "theirs",
    [{"type": "Theirs", "reason": "OperatorFault"}, {"type": STALLED, "reason": "Theirs"}],
    ids=["of another type", "for another reason"],
)
async def test_what_is_no_complaint_of_ours_is_not_taken_back(theirs: dict[str, str]) -> None:
    world = World(conditions=[GOOD | theirs])
    (before,) = world.cluster.all(BACKUPS)
    await world.reconcile()
    assert world.cluster.all(BACKUPS) == [before]


async def test_an_api_server_that_is_away_meanwhile_hides_no_fault_and_it_is_said_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    get = world.cluster.get

    async def away(*_: object) -> None:
        raise Unavailable("busy")

    monkeypatch.setattr(world.cluster, "get", away)
    monkeypatch.setattr(Cache, "whole", lambda *_: None)
    world.error = ValueError("no")
    await world.reconcile(PATIENCE)
    assert world.condition() is None
    monkeypatch.setattr(world.cluster, "get", get)
    await world.reconcile()
    assert world.condition()["reason"] == "OperatorFault"


async def test_it_is_said_once_and_nothing_else_of_the_status_is_touched() -> None:
    world = World(phase="Succeeded", backupID="backup-1")
    world.error = ValueError("no")
    await world.reconcile(PATIENCE)
    (before,) = world.cluster.all(BACKUPS)
    await world.reconcile(20)
    (after,) = world.cluster.all(BACKUPS)
    assert after == before
    assert [event["count"] for event in world.events()] == [1]
    assert (after["status"]["phase"], after["status"]["backupID"]) == ("Succeeded", "backup-1")
    assert GOOD in after["status"]["conditions"]


async def test_it_is_taken_back_when_the_resource_goes_on_also_by_the_next_operator() -> None:
    world = World()
    world.error = ValueError("no")
    await world.reconcile(PATIENCE)
    world.faults = some_faults(world.cache, world.cluster)
    world.error = None
    await world.reconcile()
    assert (world.condition()["status"], world.condition()["reason"]) == ("False", "Recovered")
    (before,) = world.cluster.all(BACKUPS)
    await world.reconcile(3)
    assert world.cluster.all(BACKUPS) == [before]


async def test_a_success_in_between_begins_the_count_anew() -> None:
    world = World()
    for _ in range(3):
        world.error = ValueError("no")
        await world.reconcile(PATIENCE - 1)
        world.error = None
        await world.reconcile()
    assert world.condition() is None


async def test_what_the_api_server_answers_is_no_fault_of_ours() -> None:
    world = World()
    world.error = Unavailable("busy")
    await world.reconcile(3 * PATIENCE)
    assert world.condition() is None


@pytest.mark.parametrize("conditions", [None, "x", [None, 5, {}], [{"type": ["Stalled"]}]], ids=str)
async def test_conditions_of_any_form_are_no_hindrance(conditions: object) -> None:
    world = World(conditions=conditions)
    world.error = ValueError("no")
    await world.reconcile(PATIENCE)
    (body,) = world.cluster.all(BACKUPS)
    assert body["status"]["conditions"][-1]["reason"] == "OperatorFault"


async def test_a_status_that_is_refused_hides_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise Refused("not yours")

    world = World()
    monkeypatch.setattr(world.cluster, "patch", refused)
    world.error = ValueError("no")
    await world.reconcile(PATIENCE + 1)


async def test_a_resource_that_is_gone_is_no_more_counted() -> None:
    world = World()
    world.error = ValueError("no")
    await world.reconcile(PATIENCE)
    (body,) = world.cluster.all(BACKUPS)
    world.cache.remove(BACKUPS, body)
    await world.reconcile()
    assert REGISTRY.get_sample_value("holdfast_resources_stuck") == 0


@pytest.mark.parametrize("status", [{"conditions": "x"}, {"retentionDays": []}, {"conditions": [{}]}], ids=str)
def test_a_policys_status_that_cannot_be_read_is_made_anew(status: dict[str, Any]) -> None:
    cache = Cache()
    meta = {"namespace": "shop", "name": "orders", "uid": "u", "resourceVersion": "1"}
    cache.put(POLICIES, {"metadata": meta, "spec": policy_dict(), "status": status})
    there, operator = cache.policy("shop", "orders"), Settings(images={"postgres-17": "x"})
    made = statuses.status(statuses.spec_of(there.spec), there.status, there.generation, operator, NOW)
    assert {condition.type: condition.status for condition in made.conditions}["Ready"] == "True"


async def test_the_leader_reconciles_under_that_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr("holdfast.reconcile.kinds.backup.decide", broken)
    world = World()
    operator = Operator(world.cluster, None, Settings(images={}), Health())
    (body,) = world.cluster.all(BACKUPS)
    operator.cache.put(BACKUPS, body | {"spec": {"policyRef": {"name": "orders"}}, "status": {}})
    for _ in range(PATIENCE):
        with pytest.raises(ValueError, match="broken"):
            await operator._reconcile(KEY)
    assert world.condition()["reason"] == "OperatorFault"
