"""Our finalizer is put on the very backup that was decided about, and taken from it, whatever happens meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.builders import NOW
from tests.fake_cluster import WHEN, FakeCluster
from tests.reconciling import some_leftovers

from holdfast import naming
from holdfast.decide.decision import Hold, Left, Release
from holdfast.kube.kinds import BACKUPS, EVENTS
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.holds import Holds
from holdfast.reconcile.leftovers import LEFT as LEFT_BEHIND
from holdfast.reconcile.sight import Known

THEIRS = "example.com/theirs"
KNOWN = Known(pods_listed=True)
LEFT = Left("s3://backups/x/", "nobody may delete it")


class World:
    """A backup that the operator has seen."""

    def __init__(self, *finalizers: str, going: bool = False) -> None:
        self.cluster, self.cache = FakeCluster(lambda *_: None), Cache()
        self.uid = self.made(*finalizers, going=going)["metadata"]["uid"]
        self.cache.put(BACKUPS, self.cluster.all(BACKUPS)[0])

    def made(self, *finalizers: str, going: bool = False) -> dict[str, Any]:
        meta: dict[str, Any] = {"namespace": "shop", "name": "b", "finalizers": list(finalizers)}
        meta |= {"deletionTimestamp": WHEN} if going else {}
        return self.cluster.put(BACKUPS, {"metadata": meta, "spec": {}})

    async def mark(self, act: Hold | Release) -> Known | None:
        return await Holds(self.cache, self.cluster, some_leftovers(self.cluster, lambda: NOW)).mark("shop", act, KNOWN)

    def before(self, call: str, act: Callable[[], Any]) -> None:
        """Have something happen just before a call."""
        asked = getattr(self.cluster, call)

        async def called(*args: Any, **kwargs: Any) -> Any:
            setattr(self.cluster, call, asked)
            act()
            return await asked(*args, **kwargs)

        setattr(self.cluster, call, called)

    def vanish(self) -> None:
        self.cluster.objects.pop((BACKUPS.kind, "shop", "b"))

    def finalizers(self) -> list[str]:
        return self.cluster.all(BACKUPS)[0]["metadata"]["finalizers"]

    def version(self) -> str | None:
        held = self.cache.backup("shop", "b")
        return held.resource_version if held else None


async def test_ours_comes_beside_theirs_and_goes_without_them_and_the_cache_knows_at_once() -> None:
    world = World(THEIRS)
    assert await world.mark(Hold("b", world.uid)) is KNOWN
    held = world.cache.backup("shop", "b")
    assert held is not None
    assert (world.finalizers(), held.held) == ([THEIRS, naming.FINALIZER], True)
    assert await world.mark(Release("b", world.uid)) is KNOWN
    held = world.cache.backup("shop", "b")
    assert held is not None
    assert (world.finalizers(), held.held) == ([THEIRS], False)


async def test_a_body_without_finalizers_is_one_with_none() -> None:
    world = World()
    del world.cluster.objects[BACKUPS.kind, "shop", "b"]["metadata"]["finalizers"]
    await world.mark(Hold("b", world.uid))
    assert world.finalizers() == [naming.FINALIZER]


async def test_what_is_so_already_is_looked_at_and_nothing_is_told_or_written(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(THEIRS)
    newer = world.made(THEIRS)["metadata"] | {"uid": world.uid}
    world.cluster.objects[BACKUPS.kind, "shop", "b"]["metadata"]["uid"] = world.uid
    monkeypatch.setattr(world.cluster, "patch", lambda *_, **__: pytest.fail("nothing is to be written"))
    assert await world.mark(Release("b", world.uid, LEFT)) is KNOWN
    assert (world.version(), world.cluster.all(EVENTS)) == (newer["resourceVersion"], [])


@pytest.mark.parametrize("act", [Hold, Release], ids=["to be held", "to be let go"])
@pytest.mark.parametrize("call", ["get", "patch"])
async def test_one_that_is_gone_is_forgotten(act: type[Hold] | type[Release], call: str) -> None:
    world = World(*([naming.FINALIZER] if act is Release else []))
    world.before(call, world.vanish)
    assert await world.mark(act("b", world.uid)) is None
    assert world.cache.backup("shop", "b") is None


async def test_another_one_of_its_name_is_left_as_it_is_and_known() -> None:
    world = World()
    another = world.made(THEIRS)["metadata"]
    assert await world.mark(Hold("b", world.uid)) is None
    assert (world.finalizers(), world.version()) == ([THEIRS], another["resourceVersion"])


async def test_another_one_that_was_seen_before_the_first_ones_end_is_not_forgotten() -> None:
    world = World()
    first = world.uid
    world.cache.put(BACKUPS, world.made())
    world.vanish()
    assert await world.mark(Hold("b", first)) is None
    assert world.cache.backup("shop", "b") is not None


async def test_one_that_nobody_has_seen_and_that_is_gone_is_no_fault() -> None:
    world = World()
    world.vanish()
    world.cache = Cache()
    assert await world.mark(Hold("b", world.uid)) is None


async def test_one_that_was_changed_meanwhile_is_looked_at_again_and_no_finalizer_is_lost() -> None:
    world = World()

    def change() -> None:
        world.cluster.put(BACKUPS, {"metadata": {"namespace": "shop", "name": "b", "uid": world.uid,
                                                 "finalizers": [THEIRS]}, "spec": {}})  # fmt: skip

    world.before("patch", change)
    assert await world.mark(Hold("b", world.uid)) is KNOWN
    assert world.finalizers() == [THEIRS]
    assert world.version() == world.cluster.all(BACKUPS)[0]["metadata"]["resourceVersion"]


async def test_one_that_is_going_tells_of_its_end_itself_and_what_is_left_is_told_before() -> None:
    world = World(naming.FINALIZER, THEIRS, going=True)
    seen: list[int] = []
    world.before("patch", lambda: seen.append(len(world.cluster.all(EVENTS))))
    before = world.version()
    assert await world.mark(Release("b", world.uid, LEFT)) is None
    assert (world.finalizers(), world.version(), seen) == ([THEIRS], before, [1])


async def test_where_nothing_is_left_nothing_is_told() -> None:
    world = World(naming.FINALIZER, going=True)
    assert await world.mark(Release("b", world.uid)) is None
    assert (world.cluster.all(BACKUPS), world.cluster.all(EVENTS)) == ([], [])


async def test_outside_a_cluster_what_is_left_is_counted_and_no_event_is_written():
    cluster, before = FakeCluster(lambda *_: None), LEFT_BEHIND.labels("shop")._value.get()
    await some_leftovers(cluster, home=None).tell("shop", "b", LEFT)
    assert (LEFT_BEHIND.labels("shop")._value.get() - before, cluster.all(EVENTS)) == (1, [])
