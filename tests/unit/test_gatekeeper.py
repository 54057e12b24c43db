"""What is done to a migration Job: to the very one that was seen, and people are told each thing once."""

import copy
from typing import Any

import pytest
from tests.builders import NOW
from tests.fake_cluster import FakeCluster
from tests.unit.test_gate import a_body

from holdfast.decide.decision import Announcement, ReleaseJob, Tell
from holdfast.decide.migrations import MigrationJob, migration_job
from holdfast.kube.events import EventRecorder
from holdfast.kube.kinds import EVENTS, MIGRATION_JOBS
from holdfast.reconcile import gatekeeper
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.gatekeeper import Gatekeeper
from holdfast.reconcile.sight import Known

HELD = Announcement(False, "MigrationHeld", "it waits for its backup")


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

    async def tell(uid: str) -> int:
        body = a_body()
        body["metadata"] |= {"uid": uid, "name": f"migrate-{uid}"}
        before = world.told
        await world.gate.act(Tell(migration_job(body), HELD), Known())
        return world.told - before

    assert [await tell(uid) for uid in ("1", "2", "1", "2")] == [1, 1, 0, 0]
    assert [await tell(uid) for uid in ("3", "2", "3")] == [1, 0, 0]
    # the one of which nobody has spoken for longest has made room
    assert await tell("1") == 1
