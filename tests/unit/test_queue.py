"""The work queue: every key is worked on, by one worker at a time, until it succeeds."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
import structlog
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from tests import virtual_time
from tests.patience import ENOUGH, until
from tests.virtual_time import in_virtual_time

from holdfast.kube.errors import Conflict, Refused, Unavailable
from holdfast.reconcile import queue as queues
from holdfast.reconcile.queue import Key, WorkQueue, backoff

DUE = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)


def a_key(name: str = "orders") -> Key:
    return Key("DatabaseBackup", "shop", name)


@contextlib.asynccontextmanager
async def working(
    queue: WorkQueue, reconcile: Callable[[Key], Awaitable[datetime | None]], workers: int = 4
) -> AsyncIterator[dict[Key, datetime | None]]:
    """Run the workers while the context lasts; gives the due times they reported."""
    due: dict[Key, datetime | None] = {}
    task = asyncio.create_task(queue.work(reconcile, due.__setitem__, workers))
    try:
        yield due
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_key_added_many_times_is_worked_on_once() -> None:
    queue, done = WorkQueue(), []

    async def reconcile(key: Key) -> None:
        done.append(key)

    for _ in range(10):
        queue.add(a_key())
    assert queue.depth() == 1
    async with working(queue, reconcile):
        await until(lambda: done)
        await until(lambda: queue.depth() == 0)
    assert done == [a_key()]


async def test_the_time_a_key_is_due_again_is_told() -> None:
    queue = WorkQueue()

    async def reconcile(key: Key) -> datetime | None:
        return DUE if key.name == "later" else None

    queue.add(a_key("later"))
    queue.add(a_key("settled"))
    async with working(queue, reconcile) as due:
        await until(lambda: len(due) == 2)
    assert due == {a_key("later"): DUE, a_key("settled"): None}


async def test_a_key_is_never_worked_on_twice_at_once_and_runs_again_when_added_meanwhile() -> None:
    queue, runs, active = WorkQueue(), Counter(), Counter()
    go_on = asyncio.Event()

    async def reconcile(key: Key) -> None:
        runs[key] += 1
        active[key] += 1
        assert active[key] == 1
        await go_on.wait()
        active[key] -= 1

    queue.add(a_key())
    async with working(queue, reconcile):
        await until(lambda: runs[a_key()] == 1)
        for _ in range(5):
            queue.add(a_key())
        assert queue.depth() == 1
        go_on.set()
        await until(lambda: runs[a_key()] == 2)
        await until(lambda: queue.depth() == 0 and not active[a_key()])
    assert runs[a_key()] == 2


async def test_as_many_keys_as_workers_are_worked_on_at_once() -> None:
    queue, active, most = WorkQueue(), 0, 0
    go_on = asyncio.Event()

    async def reconcile(_: Key) -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await go_on.wait()
        active -= 1

    for number in range(10):
        queue.add(a_key(str(number)))
    async with working(queue, reconcile, workers=3):
        await until(lambda: active == 3)
        go_on.set()
        await until(lambda: queue.depth() == 0)
    assert most == 3


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (Unavailable("busy"), "warning"),
        (Refused("no"), "warning"),
        (Conflict("changed"), "info"),
        (KeyError("x"), "error"),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Exception) else it,
)
async def test_a_key_that_fails_is_tried_again_and_the_failure_logged(
    error: Exception, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "_FIRST_BACKOFF", 0.01)
    queue, tries = WorkQueue(), 0

    async def reconcile(_: Key) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise error

    queue.add(a_key())
    with capture_logs() as logs:
        async with working(queue, reconcile) as due:
            await until(lambda: due)
    assert tries == 3
    assert [line["log_level"] for line in logs] == [level, level]


async def test_a_key_that_fails_holds_up_no_other() -> None:
    queue, done = WorkQueue(), []

    async def reconcile(key: Key) -> None:
        if key.name == "bad":
            raise Unavailable("busy")
        done.append(key.name)

    for name in ("bad", "good-1", "good-2"):
        queue.add(a_key(name))
    async with working(queue, reconcile, workers=1):
        await until(lambda: len(done) == 2)


async def test_a_busy_server_is_given_the_time_it_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "_FIRST_BACKOFF", 0.001)
    queue, tries = WorkQueue(), []
    clock = asyncio.get_running_loop().time

    async def reconcile(_: Key) -> None:
        tries.append(clock())
        if len(tries) == 1:
            raise Unavailable("busy", 429, retry_after=0.3)

    queue.add(a_key())
    async with working(queue, reconcile):
        await until(lambda: len(tries) == 2)
    assert tries[1] - tries[0] >= 0.29


@pytest.mark.parametrize("order", [(0.05, 60), (60, 0.05), (60, 0)], ids=["sooner first", "sooner last", "now"])
async def test_of_two_times_the_sooner_counts_and_the_key_runs_once(order: tuple[float, float]) -> None:
    queue, done = WorkQueue(), []

    async def reconcile(key: Key) -> None:
        done.append(key)

    for after in order:
        queue.add(a_key(), after)
    async with working(queue, reconcile):
        await until(lambda: done)
    assert len(done) == 1
    assert not any(not handle.cancelled() for handle in queue._later.values())


async def test_an_event_overtakes_the_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "_FIRST_BACKOFF", 60)
    queue, tries = WorkQueue(), 0

    async def reconcile(_: Key) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Unavailable("busy")

    queue.add(a_key())
    async with working(queue, reconcile) as due:
        await until(lambda: tries == 1 and queue._later)
        queue.add(a_key())
        await until(lambda: due)


@pytest.mark.parametrize("chance", [0, 0.5, 1])
def test_backoff_doubles_to_a_minute_and_never_vanishes(chance: float) -> None:
    delays = [backoff(failures, chance) for failures in range(1, 100)]
    assert delays == sorted(delays)
    assert delays[1] == 2 * delays[0]
    assert delays[0] >= 0.25
    assert 30 <= delays[-1] <= 60


def test_by_chance_it_is_between_half_of_its_time_and_all_of_it():
    assert [backoff(failures, 1) for failures in (1, 2, 3, 7, 8, 10_000)] == [0.5, 1, 2, 32, 60, 60]
    assert [backoff(failures, 0) for failures in (1, 2, 8)] == [0.25, 0.5, 30]


Times = list[tuple[str, float]]


@contextlib.asynccontextmanager
async def timed(
    queue: WorkQueue, errors: dict[str, list[Exception | None]] | None = None, workers: int = 1
) -> AsyncIterator[Times]:
    """Run the workers in virtual time; gives which key was worked on when, to a tenth of a second."""
    times: Times = []

    async def reconcile(key: Key) -> None:
        times.append((key.name, round(virtual_time.now(), 1)))
        answers = (errors or {}).get(key.name)
        if answers and (error := answers.pop(0)):
            raise error

    async with working(queue, reconcile, workers):
        yield times


@pytest.mark.parametrize(
    ("order", "at"),
    [((5, 60), 5), ((60, 5), 5), ((60, 0), 0), ((0, 60), 0), ((0.5,), 0.5), ((7, 7), 7)],
    ids=["sooner first", "sooner last", "now last", "now first", "within a second", "the same"],
)
def test_of_all_the_times_a_key_is_added_for_it_is_worked_on_at_the_soonest_alone(order: tuple[float, ...], at: float):
    @in_virtual_time
    async def lives() -> None:
        queue = WorkQueue()
        for after in order:
            queue.add(a_key(), after)
        async with timed(queue) as times:
            await asyncio.sleep(100)
        assert times == [("orders", at)]

    lives()


@in_virtual_time
async def test_what_is_to_run_again_at_once_needs_no_later_time() -> None:
    queue, runs = WorkQueue(), 0

    async def reconcile(key: Key) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            queue.add(key)
            queue.add(key, 5)

    queue.add(a_key())
    async with working(queue, reconcile):
        await asyncio.sleep(60)
    assert runs == 2


@in_virtual_time
async def test_each_failure_in_a_row_waits_twice_as_long_and_a_success_begins_anew() -> None:
    queues.random = type("Chance", (), {"random": staticmethod(lambda: 1.0)})  # type: ignore[attr-defined]
    try:
        queue, error = WorkQueue(), Refused("no")
        queue.add(a_key())
        async with timed(queue, {"orders": [error, error, error, None, error]}) as times:
            await asyncio.sleep(10)
            queue.add(a_key())
            await asyncio.sleep(10)
        assert times == [("orders", at) for at in (0, 0.5, 1.5, 3.5, 10, 10.5)]
    finally:
        queues.random = random  # type: ignore[attr-defined]


@pytest.mark.parametrize(("retry_after", "at"), [(None, 0.5), (0, 0.5), (30, 30)], ids=str)
def test_the_longer_counts_of_what_a_busy_server_asks_for_and_what_is_due_anyway(retry_after: float | None, at: float):
    @in_virtual_time
    async def lives() -> None:
        queue = WorkQueue()
        queue.add(a_key())
        async with timed(queue, {"orders": [Unavailable("busy", 429, retry_after=retry_after)]}) as times:
            await asyncio.sleep(60)
        assert times[0] == ("orders", 0)
        assert at / 2 <= times[1][1] <= at

    lives()


@in_virtual_time
async def test_keys_follow_each_other_at_once() -> None:
    queue = WorkQueue()
    for number in range(20):
        queue.add(a_key(str(number)))
    async with timed(queue) as times:
        await asyncio.sleep(60)
    assert [at for _, at in times] == [0] * 20


def counted(outcome: str) -> float:
    labels = {"kind": "DatabaseBackup", "outcome": outcome}
    return REGISTRY.get_sample_value("holdfast_reconciles_total", labels) or 0


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, "success"), (Refused("no"), "Refused"), (Conflict("changed"), "Conflict"), (KeyError("x"), "fault")],
    ids=["success", "Refused", "Conflict", "fault"],
)
def test_each_outcome_is_counted_with_the_time_that_it_took(error: Exception | None, outcome: str):
    def took(what: str) -> float:
        return REGISTRY.get_sample_value(f"holdfast_reconcile_duration_seconds_{what}", {"kind": "DatabaseBackup"}) or 0

    before = counted(outcome), took("count"), took("sum")

    @in_virtual_time
    async def lives() -> None:
        queue = WorkQueue()
        queue.add(a_key())
        async with timed(queue, {"orders": [error]}):
            await asyncio.sleep(0.1)

    lives()
    assert (counted(outcome) - before[0], took("count") - before[1]) == (1, 1)
    assert 0 <= took("sum") - before[2] < ENOUGH


async def test_how_many_keys_wait_is_a_metric() -> None:
    queue = WorkQueue()
    queue.add(a_key("a"))
    queue.add(a_key("b"))
    assert REGISTRY.get_sample_value("holdfast_queue_depth") == queue.depth() == 2


async def test_whatever_is_logged_in_a_reconcile_names_its_key() -> None:
    queue, said = WorkQueue(), []

    async def reconcile(_: Key) -> None:
        said.append(structlog.contextvars.get_contextvars())

    queue.add(a_key())
    async with working(queue, reconcile):
        await until(lambda: said)
    assert said == [{"kind": "DatabaseBackup", "namespace": "shop", "name": "orders"}]
