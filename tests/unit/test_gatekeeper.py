"""What is done to a migration Job: to the very one that was seen, and people are told each thing once."""

import copy
from typing import Any

import pytest
from tests.builders import NOW
from tests.fake_cluster import FakeCluster
from tests.unit.test_gate import a_body

from holdfast.decide.decision import Announcement, ReleaseJob, Tell
from holdfast.decide.migrations import MigrationJob, migration_job
from holdfast.kube.errors import Refused
from holdfast.kube.events import EventRecorder
from holdfast.kube.kinds import EVENTS, MIGRATION_JOBS
from holdfast.reconcile import gatekeeper
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.gatekeeper import Gatekeeper
from holdfast.reconcile.sight import Known

HELD = Announcement(False, "MigrationHeld", "it waits for its backup")
FAILS = Announcement(True, "BackupBeforeFailed", "its backup has failed")


class World:
    """A held Job that the operator has seen."""

    def __init__(self) -> None:
        self.cluster, self.cache = FakeCluster(lambda *_: None), Cache()
        self.body = self.cluster.put(MIGRATION_JOBS, a_body())
        self.cache.put(MIGRATION_JOBS, self.body)
        self.gate = Gatekeeper(self.cache, self.cluster, EventRecorder(self.cluster), lambda: NOW)

    @property
    def known(self) -> list[MigrationJob]:
        return list(self.cache.migrations.all())

    @property
    def told(self) -> int:
        return sum(event.get("count") or 1 for event in self.cluster.all(EVENTS))

    async def release(self, known: Known) -> Known | None:
        return await self.gate.act(ReleaseJob(migration_job(self.body), "orders-before"), known)


async def test_its_release_is_told_as_good_news_and_all_goes_on():
    world, known = World(), Known(pods_listed=True)
    assert await world.release(known) is known
    assert [(job.uid, job.suspended) for job in world.known] == [("j-1", False)]
    assert [(event["reason"], event["type"]) for event in world.cluster.all(EVENTS)] == [
        ("MigrationReleased", "Normal")
    ]


async def test_that_it_may_not_be_released_is_known_beside_what_was_refused_before():
    world = World()

    async def refused(*_: Any) -> Any:
        raise Refused("not here", 403)

    world.cluster.patch = refused
    known = await world.release(Known(refused={"verify": "a quota"}))
    assert known == Known(refused={"verify": "a quota", "orders-before": "not here"})
    assert world.told == 0


@pytest.mark.parametrize(("warning", "type_"), [(True, "Warning"), (False, "Normal")])
async def test_bad_news_is_a_warning_and_good_news_is_none(warning: bool, type_: str):
    world = World()
    await world.gate.act(Tell(migration_job(world.body), Announcement(warning, "News", "n")), Known())
    assert [event["type"] for event in world.cluster.all(EVENTS)] == [type_]


async def test_one_that_is_gone_is_forgotten_and_all_goes_on():
    world, known = World(), Known(pods_listed=True)
    await world.cluster.delete(MIGRATION_JOBS, "shop", "migrate", uid=None)
    assert await world.release(known) is known
    assert world.known == []
    assert world.told == 0


async def test_one_that_has_changed_and_then_gone_is_forgotten_too():
    world, known = World(), Known(pods_listed=True)
    get = world.cluster.get

    async def gone_by_then(*args: Any) -> Any:
        await world.cluster.delete(MIGRATION_JOBS, "shop", "migrate", uid=None)
        return await get(*args)

    world.cluster.put(MIGRATION_JOBS, copy.deepcopy(world.body) | {"status": {"ready": 0}})
    world.cluster.get = gone_by_then
    assert await world.release(known) is known
    assert world.known == []


async def test_what_was_told_last_of_most_jobs_is_not_told_again_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gatekeeper, "_MOST_TOLD", 2)
    world = World()

    async def tell(uid: str, said: Announcement = HELD) -> int:
        body = a_body()
        body["metadata"] |= {"uid": uid, "name": f"migrate-{uid}"}
        before = world.told
        await world.gate.act(Tell(migration_job(body), said), Known())
        return world.told - before

    assert [await tell(uid) for uid in ("1", "2", "1", "2")] == [1, 1, 0, 0]
    assert [await tell(uid) for uid in ("3", "2", "3")] == [1, 0, 0]
    # the one of which nobody has spoken for longest has made room
    assert await tell("1") == 1
    assert [await tell("3", FAILS), await tell("2"), await tell("3", FAILS)] == [1, 1, 0]  # "3" was spoken of after "1"
