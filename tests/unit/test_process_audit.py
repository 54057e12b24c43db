"""The audit: a ghost is forgotten, a silent watch is found out, and a healthy one is left in peace."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.patience import ENOUGH

from holdfast.handlers.watches import WATCHES
from holdfast.kube.errors import Unavailable
from holdfast.kube.kinds import BACKUPS, Kind
from holdfast.process.audit import Audit
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
    """What the API server lists; a watch brings it a moment later, or never."""

    def __init__(self, *backups: dict[str, Any]) -> None:
        self.backups = list(backups)
        self.on_list: Callable[[], None] = lambda: None

    async def pages(
        self, kind: Kind, namespace: str | None, *, metadata_only: bool, label_selector: str | None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        assert bool(label_selector) is (kind.kind in ("Job", "Pod"))
        found = [it for it in self.backups if kind is BACKUPS and namespace in (None, it["metadata"]["namespace"])]
        if metadata_only:
            self.on_list()
        for body in found:
            yield [{"metadata": body["metadata"]} if metadata_only else body]


class Queue:
    """Remembers what was added."""

    def __init__(self) -> None:
        self.added: list[Key] = []

    def add(self, key: Key) -> None:
        self.added.append(key)


def an_audit(
    cache: Cache, cluster: Cluster, queue: Queue | None = None, namespaces: tuple[str, ...] = (), grace: float = 0.2
) -> Audit:
    return Audit(cache, queue or Queue(), cluster, namespaces, WATCHES, interval=0.01, grace=grace)


def a_cache(*backups: dict[str, Any]) -> Cache:
    cache = Cache()
    for backup in backups:
        cache.put(BACKUPS, backup)
    return cache


async def test_a_cache_that_holds_everything_is_in_order() -> None:
    audit = an_audit(a_cache(a_backup("a", 5)), Cluster(a_backup("a", 5)))
    await audit.check()
    assert audit.behind is None


NEVER_BROUGHT = pytest.mark.parametrize(
    "held", [a_cache(), a_cache(a_backup("a", 4))], ids=["an object never brought", "a change never brought"]
)


@NEVER_BROUGHT
async def test_what_a_watch_has_not_brought_is_fetched_and_looked_at(held: Cache) -> None:
    queue = Queue()
    await an_audit(held, Cluster(a_backup("a", 5), a_backup("b")), queue).check()
    assert held.store(BACKUPS).knows("shop", "a", "5")
    assert set(queue.added) == {Key("DatabaseBackup", "shop", "a"), Key("DatabaseBackup", "shop", "b")}


async def test_a_watch_that_brings_nothing_any_more_is_found_out_and_found_well_again() -> None:
    cache, cluster = a_cache(), Cluster(a_backup("a", 5))
    audit = an_audit(cache, cluster)
    await audit.check()
    assert audit.behind is None  # the first time it may be the server that is slow, and all was fetched
    cluster.backups.append(a_backup("b"))
    await audit.check()
    assert audit.behind == "DatabaseBackup shop/b"
    await audit.check()
    assert audit.behind is None


async def test_a_watch_that_brings_other_objects_is_not_called_dead_for_one() -> None:
    cache, cluster = a_cache(), Cluster()
    audit = an_audit(cache, cluster)
    for name in "abc":
        cluster.backups.append(a_backup(name))
        asyncio.get_running_loop().call_later(0.05, cache.hear, BACKUPS, "shop")
        await audit.check()
        assert audit.behind is None
        assert cache.backup("shop", name) is not None


async def test_a_watch_of_one_namespace_does_not_answer_for_that_of_another() -> None:
    cache, cluster = a_cache(), Cluster(a_backup("a"), a_backup("b", namespace="crm"))
    audit = an_audit(cache, cluster, namespaces=("shop", "crm"))
    await audit.check()
    cluster.backups += [a_backup("c"), a_backup("d", namespace="crm")]
    asyncio.get_running_loop().call_later(0.05, cache.hear, BACKUPS, "shop")
    await audit.check()
    assert audit.behind == "DatabaseBackup crm/d"


async def test_an_object_that_changes_all_the_time_is_not_waited_for() -> None:
    cache, cluster = a_cache(), Cluster(a_backup("restless", 1))
    versions = itertools.count(2)

    def change() -> None:
        version = next(versions)
        cluster.backups[:] = [a_backup("restless", version)]
        asyncio.get_running_loop().call_later(0.01, cache.put, BACKUPS, a_backup("restless", version))

    cluster.on_list = change
    audit = an_audit(cache, cluster)
    for _ in range(3):
        await audit.check()
        assert audit.behind is None


@pytest.mark.parametrize("wrong", [{"name": ["a"]}, {"name": None}, {"uid": None}, {"resourceVersion": 7}], ids=str)
async def test_an_object_that_cannot_be_read_keeps_neither_start_nor_audit(wrong: dict[str, Any]) -> None:
    body = a_backup("a", 5)
    strange = a_backup("strange") | {"metadata": a_backup("strange")["metadata"] | wrong}
    cache = a_cache()
    audit = an_audit(cache, Cluster(strange, body))
    await audit.wait_until_filled()
    for _ in range(3):
        await audit.check()
        assert audit.behind is None
    assert cache.backup("shop", "a") is not None


async def test_nothing_is_kept_of_what_is_listed_but_names_and_versions() -> None:
    big = a_backup("a", 5)
    big["metadata"]["annotations"] = {"big": "x" * 1_000_000}
    missing = await an_audit(a_cache(), Cluster(big)).compare()
    assert len(repr(missing)) < 1000


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


async def test_a_watch_that_never_brings_anything_keeps_nobody_from_the_start() -> None:
    cache, cluster = a_cache(), Cluster(*(a_backup(name) for name in "abcde"))
    audit = an_audit(cache, cluster)
    await asyncio.wait_for(audit.wait_until_filled(), timeout=10)
    assert len(cache.backups.all()) == 5
    cluster.backups.append(a_backup("f"))
    await audit.check()
    assert audit.behind == "DatabaseBackup shop/f"


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


async def test_a_place_whose_holders_deletion_the_watch_missed_goes_to_who_is_next() -> None:
    policy = {"database": {"engine": "postgresql", "connection": {"host": "db"}}}
    running = a_backup("runs", 5) | {"status": {"phase": "Running", "backupID": "x", "resolved": policy}}
    waiting = a_backup("waits", 6) | {"spec": {"policy": policy}}
    queue = Queue()
    await an_audit(a_cache(running, waiting), Cluster(waiting), queue).check()
    assert Key(BACKUPS.kind, "shop", "waits") in queue.added
