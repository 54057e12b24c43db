"""The audit: a ghost is forgotten, a silent watch is found out, and a healthy one is left in peace."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.patience import ENOUGH

from holdfast.handlers.audit import Audit
from holdfast.kube.errors import Unavailable
from holdfast.kube.kinds import BACKUPS, Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key


def a_backup(name: str, version: int = 1, namespace: str = "shop") -> dict[str, Any]:
    meta = {
        "namespace": namespace,
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-22T08:45:00Z",
    }
    return {"metadata": meta, "spec": {}}


class Cluster:
    """What the API server lists, and what a watch brings a moment later."""

    def __init__(self, *backups: dict[str, Any]) -> None:
        self.backups = list(backups)
        self.on_list: Callable[[], None] = lambda: None

    async def list(self, kind: Kind, namespace: str | None, **selectors: object) -> list[dict[str, Any]]:
        assert selectors["metadata_only"]
        assert bool(selectors["label_selector"]) is (kind.kind in ("Job", "Pod"))
        found = [{"metadata": it["metadata"]} for it in self.backups if kind is BACKUPS]
        self.on_list()
        return [it for it in found if namespace in (None, it["metadata"]["namespace"])]


class Queue:
    """Remembers what was added."""

    def __init__(self) -> None:
        self.added: list[Key] = []

    def add(self, key: Key) -> None:
        self.added.append(key)


def an_audit(
    cache: Cache, cluster: Cluster, queue: Queue | None = None, namespaces: tuple[str, ...] = (), grace: float = 0.2
) -> Audit:
    return Audit(cache, queue or Queue(), cluster, namespaces, interval=0.01, grace=grace)


def a_cache(*backups: dict[str, Any]) -> Cache:
    cache = Cache()
    for backup in backups:
        cache.put(BACKUPS, backup)
    return cache


async def test_a_cache_that_holds_everything_is_in_order() -> None:
    audit = an_audit(a_cache(a_backup("a", 5)), Cluster(a_backup("a", 5)))
    await audit.check()
    assert audit.behind is None


@pytest.mark.parametrize(
    "held", [a_cache(), a_cache(a_backup("a", 4))], ids=["an object never brought", "a change never brought"]
)
async def test_a_watch_that_stays_behind_is_found_out_and_found_well_again(held: Cache) -> None:
    audit = an_audit(held, Cluster(a_backup("a", 5)))
    await audit.check()
    assert audit.behind == "DatabaseBackup shop/a"
    held.put(BACKUPS, a_backup("a", 5))
    await audit.check()
    assert audit.behind is None


async def test_a_watch_may_be_late_for_a_moment() -> None:
    cache = a_cache()
    audit = an_audit(cache, Cluster(a_backup("a", 5)))
    asyncio.get_running_loop().call_later(0.05, cache.put, BACKUPS, a_backup("a", 5))
    await audit.check()
    assert audit.behind is None


async def test_what_is_deleted_before_a_watch_saw_it_is_not_missed() -> None:
    cluster = Cluster(a_backup("brief"))
    audit = an_audit(a_cache(), cluster)
    asyncio.get_running_loop().call_later(0.05, cluster.backups.clear)
    await audit.check()
    assert audit.behind is None


async def test_a_ghost_is_forgotten_and_its_key_queued() -> None:
    cache, queue = a_cache(a_backup("ghost"), a_backup("real")), Queue()
    await an_audit(cache, Cluster(a_backup("real")), queue).check()
    assert cache.backup("shop", "ghost") is None
    assert cache.backup("shop", "real") is not None
    assert queue.added == [Key("DatabaseBackup", "shop", "ghost")]


async def test_what_came_while_the_list_was_read_is_no_ghost() -> None:
    cache, cluster = a_cache(), Cluster()
    cluster.on_list = lambda: cache.put(BACKUPS, a_backup("new"))
    await an_audit(cache, cluster).check()
    assert cache.backup("shop", "new") is not None


async def test_only_the_namespaces_watched_are_looked_at() -> None:
    cache = a_cache(a_backup("a"))
    audit = an_audit(cache, Cluster(a_backup("a"), a_backup("b", namespace="foreign")), namespaces=("shop",))
    await audit.check()
    assert audit.behind is None


async def test_work_may_begin_when_the_cache_is_filled_and_not_before() -> None:
    cache = a_cache()
    audit = an_audit(cache, Cluster(a_backup("a", 5)), grace=ENOUGH)
    waiting = asyncio.create_task(audit.wait_until_filled())
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    cache.put(BACKUPS, a_backup("a", 5))
    await waiting


async def test_a_watch_that_never_brings_anything_ends_the_start() -> None:
    with pytest.raises(TimeoutError, match=r"DatabaseBackup shop/a, .* and 2 more"):
        await an_audit(a_cache(), Cluster(*(a_backup(name) for name in "abcde"))).wait_until_filled()


async def test_a_server_that_cannot_be_asked_ends_no_audit() -> None:
    cluster, asked = Cluster(a_backup("a")), 0

    def refuse() -> None:
        nonlocal asked
        asked += 1
        raise Unavailable("busy")

    cluster.on_list = refuse
    running = asyncio.create_task(an_audit(a_cache(), cluster).run())
    async with asyncio.timeout(ENOUGH):
        while asked < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert not running.done()
    running.cancel()
