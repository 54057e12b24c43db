"""What the watches do with an event: a trimmed copy into the cache, a key into the queue, and nothing else."""

from typing import Any

import pytest

from holdfast import naming
from holdfast.handlers import watches
from holdfast.handlers.watches import WATCHES, keys_of
from holdfast.kube.kinds import BACKUPS, JOBS, PODS, POLICIES, RESTORES, Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key

BACKUP_KEY = Key("DatabaseBackup", "shop", "b")


class Queue:
    """Remembers what was added."""

    def __init__(self) -> None:
        self.added: list[Key] = []

    def add(self, key: Key) -> None:
        self.added.append(key)


def an_object(name: str, version: int = 1, labels: dict[str, str] | None = None, **rest: Any) -> dict[str, Any]:
    meta = {
        "namespace": "shop",
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-22T08:45:00Z",
        "labels": labels or {},
    }
    return {"metadata": meta, "spec": {}, **rest}


A_JOB = an_object("j", labels={naming.LABEL_BACKUP_UID: "uid-b"})
A_POD = an_object("p", labels={naming.LABEL_BACKUP_UID: "uid-b", "batch.kubernetes.io/job-name": "j"})


OF_A_POLICY = {naming.LABEL_POLICY: "orders", f"{naming.LABEL_POLICY}-uid": "uid-orders"}
POLICY_KEY = Key("BackupPolicy", "shop", "orders")


@pytest.fixture
def cache() -> Cache:
    cache = Cache()
    cache.put(BACKUPS, an_object("b"))
    cache.put(POLICIES, an_object("orders"))
    cache.put(JOBS, A_JOB)
    return cache


async def send(kind: Kind, type_: str | None, body: dict[str, Any], cache: Cache) -> list[Key]:
    """Send an event through the handler that kopf would call."""
    queue = Queue()
    registry = watches.registry(cache, queue, login=None)
    (handler,) = [it for it in registry._watching.get_all_handlers() if it.id == kind.plural]
    await handler.fn(event={"type": type_, "object": body}, body=body, logger=None)
    return queue.added


@pytest.mark.parametrize("type_", [None, "ADDED", "MODIFIED"], ids=["listed", "added", "modified"])
@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        (BACKUPS, an_object("b", 2), BACKUP_KEY),
        (POLICIES, an_object("orders"), POLICY_KEY),
        (JOBS, A_JOB, BACKUP_KEY),
        (PODS, A_POD, BACKUP_KEY),
        (JOBS, an_object("j2", labels=OF_A_POLICY), POLICY_KEY),
        (PODS, an_object("p2", labels=OF_A_POLICY), POLICY_KEY),
    ],
    ids=["a backup", "a policy", "a backup's Job", "its Pod", "a policy's Job", "that one's Pod"],
)
async def test_an_object_is_kept_and_what_it_belongs_to_is_queued(
    kind: Kind, body: dict[str, Any], key: Key, type_: str | None, cache: Cache
) -> None:
    assert await send(kind, type_, body, cache) == [key]
    assert cache.store(kind).get("shop", body["metadata"]["name"]) is not None


@pytest.mark.parametrize(
    ("kind", "body"), [(BACKUPS, an_object("b", 2)), (JOBS, A_JOB), (PODS, A_POD)],
    ids=lambda it: it.kind if isinstance(it, Kind) else "",
)  # fmt: skip
async def test_a_deleted_object_is_forgotten_and_its_backup_queued(
    kind: Kind, body: dict[str, Any], cache: Cache
) -> None:
    cache.put(kind, body)
    assert await send(kind, "DELETED", body, cache) == [BACKUP_KEY]
    assert cache.store(kind).get("shop", body["metadata"]["name"]) is None


@pytest.mark.parametrize(
    ("spec", "status", "woken"),
    [
        pytest.param({"source": {"backupRef": {"name": "b"}}}, {}, True, id="one that names it"),
        pytest.param({"source": {"policyRef": {"name": "orders"}}}, {}, True, id="one of its policy"),
        pytest.param({"source": {"backupRef": {"name": "c"}}}, {}, False, id="not one of another"),
        pytest.param({"source": {"backupRef": {"name": "b"}}}, {"resolved": {}}, False, id="not one that has chosen"),
        pytest.param({"source": {"backupRef": {"name": "b"}}}, {"phase": "Failed"}, False, id="not one that has ended"),
    ],
)
async def test_a_backup_that_has_ended_wakes_the_restores_that_wait_for_it(
    cache: Cache, spec: dict[str, Any], status: dict[str, Any], woken: bool
) -> None:
    cache.put(RESTORES, {**an_object("back"), "spec": spec, "status": status})
    ended = {**an_object("b", 2, status={"phase": "Succeeded"}), "spec": {"policyRef": {"name": "orders"}}}
    queued = await send(BACKUPS, "MODIFIED", ended, cache)
    assert (Key("DatabaseRestore", "shop", "back") in queued) is woken


async def test_a_deleted_policy_wakes_what_waits_for_it_and_what_it_was_deleting(cache: Cache) -> None:
    for name, phase in (("waits", "Pending"), ("half", "Deleting"), ("good", "Succeeded")):
        body = an_object(name, status={"phase": phase} | ({} if name == "waits" else {"backupID": name}))
        cache.put(BACKUPS, body | {"spec": {"policyRef": {"name": "orders"}}})
    woken = await send(POLICIES, "DELETED", an_object("orders", 2), cache)
    assert sorted(key.name for key in woken) == ["half", "orders", "waits"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JOBS, an_object("x", labels={naming.LABEL_BACKUP_UID: "uid-nobody"})),
        (JOBS, an_object("x", labels={f"{naming.LABEL_POLICY}-uid": "uid-b"})),
        (JOBS, an_object("x", labels={naming.LABEL_POLICY: "orders", f"{naming.LABEL_RESTORE}-uid": "uid-orders"})),
        (JOBS, an_object("x")),
        (PODS, an_object("x")),
    ],
    ids=[
        "a Job of an unknown backup",
        "a policy's Job with a backup's uid",
        "a Job of a kind that nobody watches",
        "a Job without our label",
        "a Pod without our label",
    ],
)
async def test_what_belongs_to_no_resource_of_ours_queues_nothing(
    kind: Kind, body: dict[str, Any], cache: Cache
) -> None:
    assert await send(kind, "ADDED", body, cache) == []


def test_nothing_is_found_for_what_was_never_seen() -> None:
    assert list(keys_of(PODS, A_POD, Cache())) == []


def test_kopf_has_no_reason_to_write() -> None:
    registry = watches.registry(Cache(), Queue(), login=None)
    assert not registry._changing.get_all_handlers()
    assert not registry._spawning.get_all_handlers()
    assert not registry._indexing.get_all_handlers()
    assert not registry._webhooks.get_all_handlers()
    assert watches.settings(streaming=True).posting.enabled is False


@pytest.mark.parametrize("method", ["store", "purge", "touch"])
def test_a_write_by_kopf_would_be_a_fault(method: str) -> None:
    with pytest.raises(NotImplementedError):
        getattr(watches.settings(streaming=True).persistence.progress_storage, method)(body={}, patch={}, key="x")


def test_children_are_selected_by_the_server() -> None:
    settings = watches.settings(streaming=True)
    for watch in WATCHES:
        where = (watch.kind.group, watch.kind.version, watch.kind.plural)
        assert settings.watching.label_selectors.get(where) == watch.label_selector
        assert (watch.kind in (BACKUPS, POLICIES, RESTORES)) is not bool(watch.label_selector)
