"""The leader's work as a whole: when it begins, what it watches over meanwhile, and why it ends."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from weakref import WeakSet

import kopf
import pytest
from kopf._core.reactor import queueing
from kubernetes.aio.client.configuration import Configuration
from prometheus_client import CollectorRegistry, generate_latest
from tests.builders import a_policy, policy_dict, settings
from tests.fake_server import FakeApi, serve

from holdfast import clock, naming
from holdfast.decide.resolve import resolve
from holdfast.kube import access
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import KubeError, NotServed, Refused, Unavailable
from holdfast.kube.kinds import BACKUPS, JOBS, POLICIES, Kind
from holdfast.process import operator as operators
from holdfast.process.audit import Audit
from holdfast.process.health import Health
from holdfast.process.operator import Operator
from holdfast.reconcile.clocktask import ClockTask
from holdfast.settings import MigrationGate, Queue, Settings


class Cluster:
    """An API server that lists nothing, and perhaps does not know our kinds."""

    def __init__(self, *, has_our_kinds: bool) -> None:
        self.has_our_kinds = has_our_kinds

    async def pages(self, kind: Kind, *_: object, **__: object) -> AsyncIterator[list[dict[str, Any]]]:
        if kind is BACKUPS and not self.has_our_kinds:
            raise NotServed(kind.plural, kind.api_version)
        yield []

    async def streams(self, *_: object) -> bool:
        return True


@pytest.mark.parametrize(
    ("has_our_kinds", "error", "says"),
    [
        pytest.param(
            False, NotServed, r"does not serve databasebackups of holdfast.dev/v1alpha1", id="the kind is gone"
        ),
        pytest.param(True, ConnectionError, "cut off", id="the API server knows of nothing"),
    ],
)
async def test_a_watch_that_fails_ends_the_work_with_the_servers_reason_where_it_has_one(
    has_our_kinds: bool, error: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> None:
        raise ConnectionError("cut off")

    async def spawn_tasks(**_: object) -> list[asyncio.Task[Any]]:
        return [asyncio.create_task(fails()), asyncio.create_task(asyncio.Event().wait())]

    monkeypatch.setattr(kopf, "spawn_tasks", spawn_tasks)
    monkeypatch.setattr(operators, "REGISTRY", CollectorRegistry())
    cluster = Cluster(has_our_kinds=has_our_kinds)
    operator = Operator(cluster, None, Settings(images={"postgres-17": "example.com/none"}), Health())
    watching = asyncio.create_task(operator.watch(lambda: None))
    working = asyncio.create_task(operator.work())
    with pytest.raises(error, match=says):
        await watching
    working.cancel()
    await asyncio.wait([working])


SETTINGS = Settings(images={"postgres-17": "example.com/none"}, watch_namespaces=["shop"])
A_BACKUP = {"metadata": {"namespace": "shop", "name": "b"}, "spec": {"policyRef": {"name": "orders"}}}


@asynccontextmanager
async def an_operator(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, given: Settings = SETTINGS
) -> AsyncIterator[tuple[Operator, Health]]:
    """One that leads, with kopf and client as they are; its audits follow one another without a pause."""
    monkeypatch.setattr(operators, "REGISTRY", CollectorRegistry())
    monkeypatch.setattr(operators, "Audit", partial(Audit, interval=0.05, grace=1))
    async with serve(api):
        configuration, health = Configuration(host=api.url), Health()
        client = KubeClient(configuration, timeout=60)
        operator = Operator(client, partial(access.credentials, configuration), given, health)
        tasks = [asyncio.create_task(operator.work()), asyncio.create_task(operator.watch(lambda: None))]
        try:
            yield operator, health
            assert not [task.result() for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(25):
        while not check():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


def is_ready(health: Health) -> Callable[[], bool]:
    """Ask each time what is ready now: it changes hands as the work goes on."""
    return lambda: bool(health.ready())


def a_running_backup(api: FakeApi) -> dict[str, Any]:
    """Put a backup into the cluster that is under way, as of now: an older one's Job would be ended; return its Job."""
    now = clock.to_text(clock.now())
    status = {
        "phase": "Running", "backupID": "backup-1", "jobName": "b-backup", "attempt": 1,
        "resolved": resolve(a_policy(), settings()).to_dict(),
        "startedAt": now, "location": "s3://backups/b", "conditions": [],
    }  # fmt: skip
    backup = api.put(BACKUPS, A_BACKUP | {"status": status})
    uid = backup["metadata"]["uid"]
    labels = {naming.MANAGED_BY: naming.MANAGER, naming.LABEL_BACKUP_UID: uid}
    owner = {"apiVersion": BACKUPS.api_version, "kind": BACKUPS.kind, "name": "b", "uid": uid, "controller": True}
    meta = {
        "namespace": "shop",
        "name": "b-backup",
        "labels": labels,
        "ownerReferences": [owner],
        "creationTimestamp": now,
    }
    return {"metadata": meta, "spec": {}}


async def test_nothing_is_done_before_the_watches_have_brought_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeApi()
    api.put(JOBS, a_running_backup(api))
    api.silent.add(JOBS)
    async with an_operator(api, monkeypatch) as (operator, health):
        health.ready = lambda: True  # as it was while it stood by
        await until(lambda: operator.cache.backup("shop", "b"))
        assert operator.cache.job("shop", "b-backup") is None
        assert not health.ready()
        await until(is_ready(health))
        await until(lambda: not operator._queue.depth())
        assert operator.cache.job("shop", "b-backup") is not None
    assert not [asked for asked in api.asked if asked.startswith("POST") and "jobs" in asked]


def a_migration(api: FakeApi, name: str, **labels: str) -> None:
    meta = {"namespace": "shop", "name": name, "labels": labels, "creationTimestamp": clock.to_text(clock.now())}
    api.put(JOBS, {"metadata": meta, "spec": {"suspend": True}})


@pytest.mark.parametrize("enabled", [True, False], ids=["on", "off"])
async def test_jobs_of_others_are_watched_where_they_are_held_and_nowhere_else(
    enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, given = FakeApi(), SETTINGS.model_copy(update={"migration_gate": MigrationGate(enabled=enabled)})
    api.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": policy_dict()})
    api.put(JOBS, a_running_backup(api))
    a_migration(api, "migrate", **{naming.LABEL_BACKUP_FIRST: "orders"})
    a_migration(api, "theirs", app="theirs")
    async with an_operator(api, monkeypatch, given) as (operator, health):
        await until(is_ready(health))
        await until(lambda: operator.cache.job("shop", "b-backup"))
        assert {job.name for job in operator.cache.jobs.all()} == {"b-backup"}
        held = {job.name for job in operator.cache.migrations.all()}
        assert held == ({"migrate"} if enabled else set())
        await until(lambda: len(api.all(BACKUPS)) == (2 if enabled else 1))
    asked = [each for each in api.asked if "jobs" in each and naming.LABEL_BACKUP_FIRST.split("/")[1] in each]
    assert bool(asked) is enabled


async def test_what_was_deleted_unseen_is_noticed_by_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeApi()
    api.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": policy_dict()})
    async with an_operator(api, monkeypatch) as (operator, health):
        await until(is_ready(health))
        assert operator.cache.policy("shop", "orders")
        api.objects.clear()
        await until(lambda: not operator.cache.policy("shop", "orders"))


async def test_a_stream_that_is_cut_before_its_end_is_made_good_by_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeApi()
    for number in range(9):
        a_small_policy(api, number)
    api.cut_after = 4
    async with an_operator(api, monkeypatch) as (operator, health):
        await until(is_ready(health))
        assert len(operator.cache.policies.all()) == 9
    assert api.cut_after is None


def a_small_policy(api: FakeApi, number: int) -> None:
    api.put(POLICIES, {"metadata": {"namespace": "shop", "name": f"p{number:04}"}, "spec": policy_dict()})


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "listed"])
async def test_however_many_there_are_few_are_held_at_once(streams: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    api, held, most = FakeApi(), WeakSet[Any](), 0
    api.streams = streams
    for number in range(400):
        a_small_policy(api, number)
    made = queueing.Stream

    def counted(**parts: Any) -> queueing.Stream:
        nonlocal most
        held.add(parts["backlog"])  # which an object has from when it comes to when it is in the cache
        most = max(most, len(held))
        return made(**parts)

    monkeypatch.setattr(queueing, "Stream", counted)
    async with an_operator(api, monkeypatch) as (operator, health):
        await until(is_ready(health))
        assert len(operator.cache.policies.all()) == 400
    assert 0 < most <= 20
    pages = [asked for asked in api.asked if re.search(r"/backuppolicies\?limit=5(&|$)", asked)]
    assert len(pages) == (0 if streams else 80)  # a page is in memory as a whole, and its objects have any size


@pytest.mark.parametrize(
    ("error", "streaming"),
    [
        pytest.param(None, True, id="the server streams"),
        pytest.param(Refused("sendInitialEvents is forbidden", 422), False, id="it does not"),
        pytest.param(Unavailable("no answer within 10 s"), False, id="it takes the question and never answers"),
    ],
)
async def test_what_there_is_is_streamed_where_the_server_does_so_and_listed_where_it_does_not(
    error: KubeError | None, streaming: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Server(Cluster):
        async def streams(self, *asked: object) -> bool:
            assert asked == (POLICIES, None)
            if error:
                raise error
            return True

    told = asyncio.get_running_loop().create_future()

    async def spawn_tasks(*, settings: kopf.OperatorSettings, **_: object) -> list[asyncio.Task[Any]]:
        told.set_result(settings.watching.initial_streaming)
        return [asyncio.create_task(asyncio.Event().wait())]

    monkeypatch.setattr(kopf, "spawn_tasks", spawn_tasks)
    monkeypatch.setattr(operators, "REGISTRY", CollectorRegistry())
    operator = Operator(Server(has_our_kinds=True), None, settings(), Health())
    tasks = [asyncio.create_task(operator.watch(lambda: None)), asyncio.create_task(operator.work())]
    try:
        assert await asyncio.wait_for(told, 25) is streaming
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_the_probe_tells_of_a_watch_that_brings_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    api, numbers = FakeApi(), iter(range(1000))
    async with an_operator(api, monkeypatch) as (_, health):
        await until(is_ready(health))
        assert health.problem() is None
        api.silent.add(POLICIES)

        def told() -> bool:
            meta = {"namespace": "shop", "name": f"p{next(numbers)}"}
            api.put(POLICIES, {"metadata": meta, "spec": policy_dict()})
            return "a watch is behind: BackupPolicy shop/p" in (health.problem() or "")

        await until(told)


async def test_the_probe_tells_of_a_clock_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stands_still(_: ClockTask) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(ClockTask, "run", stands_still)
    monkeypatch.setattr("holdfast.process.health.MAX_TICK_SECONDS", 0.5)
    async with an_operator(FakeApi(), monkeypatch) as (_, health):
        await until(is_ready(health))
        await until(lambda: "the clock task has not run" in (health.problem() or ""))


async def test_figures_are_there_once_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeApi()
    api.put(BACKUPS, A_BACKUP)
    api.put(POLICIES, {"metadata": {"namespace": "shop", "name": "users"}, "spec": policy_dict()})
    async with an_operator(api, monkeypatch) as (_, health):
        await until(is_ready(health))
        text = generate_latest(operators.REGISTRY)
        assert b'holdfast_backups{namespace="shop",phase="Pending",policy="orders"} 1.0' in text
        assert b'holdfast_policy_created_timestamp_seconds{namespace="shop",policy="users"}' in text


async def test_the_queue_has_the_limits_of_the_settings() -> None:
    limits = Queue(max_running=3, max_running_per_server=2)
    made = settings().model_copy(update={"queue": limits})
    operator = Operator(Cluster(has_our_kinds=True), None, made, Health())
    assert operator.cache.limits == limits
