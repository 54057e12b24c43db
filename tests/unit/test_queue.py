"""The work queue: every key is worked on, by one worker at a time, until it succeeds."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs
from tests.patience import until

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
