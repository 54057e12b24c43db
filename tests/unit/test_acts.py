"""What the operator does to backups of its own making: to the very one that was decided about, and to no other."""

from typing import Any

import pytest
from tests.builders import NOW
from tests.fake_cluster import FakeCluster
from tests.reconciling import some_leftovers

from holdfast.api.backup import Phase
from holdfast.decide.decision import DeleteBackup, Do
from holdfast.handlers.watches import keys_of, take
from holdfast.kube.errors import Refused
from holdfast.kube.kinds import BACKUPS
from holdfast.reconcile.acts import Acts
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key, WorkQueue
from holdfast.reconcile.sight import Known, Sight

NAME = "orders-20261122-0200"


class World:
    """A backup that the operator has seen, and an operator that is to delete it."""

    def __init__(self, phase: str = "Running") -> None:
        self.cluster, self.cache, self.known = (
            FakeCluster(lambda *_: pytest.fail("nothing runs here")),
            Cache(),
            Known(),
        )
        self.body = self.made(phase)
        self.cache.put(BACKUPS, self.body)

    def made(self, phase: str) -> dict[str, Any]:
        meta = {"namespace": "shop", "name": NAME}
        body = {"metadata": meta, "spec": {"policyRef": {"name": "orders"}}, "status": {"phase": phase}}
        return self.cluster.put(BACKUPS, body)

    async def delete(self, uid: str) -> Known | None:
        act = DeleteBackup(NAME, uid)
        return await self.acts().act(Sight("shop", Do(act)), act, self.known)

    def acts(self) -> Acts:
        return Acts(self.cache, self.cluster, lambda: NOW, some_leftovers(self.cluster))


async def test_a_backup_is_deleted_by_its_uid_and_its_own_event_tells_of_it():
    world = World()
    assert await world.delete(world.body["metadata"]["uid"]) is None
    assert world.cluster.all(BACKUPS) == []
    assert world.cache.backup("shop", NAME) is not None


async def test_another_backup_of_its_name_is_not_touched():
    world = World()
    former = world.body["metadata"]["uid"]
    del world.cluster.objects[BACKUPS.kind, "shop", NAME]
    another = world.made("Running")["metadata"]["uid"]
    assert await world.delete(former) is world.known
    assert [body["metadata"]["uid"] for body in world.cluster.all(BACKUPS)] == [another]
    seen = world.cache.backup("shop", NAME)
    assert seen is not None
    assert seen.uid == another


async def test_one_that_has_changed_since_is_not_touched_where_it_was_meant_as_it_was_seen():
    world = World()
    await world.cluster.patch(BACKUPS, "shop", NAME, {"status": {"phase": "Succeeded"}}, subresource="status")
    uid, version = world.body["metadata"]["uid"], world.body["metadata"]["resourceVersion"]
    act = DeleteBackup(NAME, uid, version)
    known = await world.acts().act(Sight("shop", Do(act)), act, world.known)
    seen = world.cache.backup("shop", NAME)
    assert seen is not None
    assert (known, seen.phase) == (world.known, Phase.SUCCEEDED)


async def test_what_the_api_server_says_against_a_deletion_is_known_then():
    world = World()

    async def refuses(*_: object, **__: object) -> None:
        raise Refused("denied by an admission policy", 403)

    world.cluster.delete = refuses  # type: ignore[method-assign]
    known = await world.delete(world.body["metadata"]["uid"])
    assert known is not None
    assert known.refused == {NAME: "denied by an admission policy"}


async def test_one_that_is_gone_already_is_a_success():
    world = World()
    del world.cluster.objects[BACKUPS.kind, "shop", NAME]
    assert await world.delete(world.body["metadata"]["uid"]) is world.known
    assert world.cache.backup("shop", NAME) is None


async def test_what_is_known_of_a_newer_one_by_its_name_is_kept():
    world = World()
    former = world.body["metadata"]["uid"]
    newer = world.cluster.put(BACKUPS, {**world.body, "metadata": world.body["metadata"] | {"uid": "newer"}})
    world.cache.put(BACKUPS, newer)
    assert await world.delete(former) is world.known
    kept = world.cache.backup("shop", NAME)
    assert kept is not None
    assert kept.uid == "newer"


@pytest.mark.parametrize("phase", ["Running", "Pending", "Succeeded"])
async def test_the_end_of_a_backup_wakes_its_policy_whatever_it_was_doing(phase: str):
    world, queue = World(phase), WorkQueue()
    take(BACKUPS, {"type": "DELETED", "object": world.body}, world.cache, queue)
    assert world.cache.backup("shop", NAME) is None
    assert queue.depth() == 2  # itself, of which nothing is left to do, and its policy


def test_a_backup_that_is_being_deleted_wakes_its_policy():
    world = World()
    going = world.cluster.put(
        BACKUPS, {**world.body, "metadata": world.body["metadata"] | {"deletionTimestamp": "2026-11-22T08:45:00Z"}}
    )
    world.cache.put(BACKUPS, going)
    assert Key("BackupPolicy", "shop", "orders") in set(keys_of(BACKUPS, going, world.cache))
