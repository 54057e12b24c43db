"""The clock task: what is due is queued when it is, and everything is looked at now and then."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.patience import until

from holdfast.reconcile import clocktask
from holdfast.reconcile.clocktask import ClockTask
from holdfast.reconcile.queue import Key

START = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)


def a_key(name: str) -> Key:
    return Key("DatabaseBackup", "shop", name)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment


class Queue:
    """Remembers what was added."""

    def __init__(self) -> None:
        self.added: list[str] = []

    def add(self, key: Key) -> None:
        self.added.append(key.name)


@contextlib.asynccontextmanager
async def running(task: ClockTask) -> AsyncIterator[None]:
    running = asyncio.create_task(task.run())
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def task(clock: Clock, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> ClockTask:
    monkeypatch.setattr(clocktask, "_LONGEST_SLEEP", 0.02)
    return ClockTask(queue, clock, list)


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def test_keys_are_queued_when_due_in_their_order(task: ClockTask, clock: Clock, queue: Queue) -> None:
    task.due(a_key("second"), later(20))
    task.due(a_key("first"), later(10))
    task.due(a_key("far"), later(3600))
    async with running(task):
        clock.moment = later(9)
        clock.moment = later(30)
        await until(lambda: len(queue.added) == 2)
        assert queue.added == ["first", "second"]
        clock.moment = later(3600)
        await until(lambda: queue.added == ["first", "second", "far"])


async def test_a_time_in_the_past_is_due_at_once(task: ClockTask, queue: Queue) -> None:
    async with running(task):
        task.due(a_key("late"), later(-5))
        await until(lambda: queue.added == ["late"])


@pytest.mark.parametrize("new", [5, 500, None], ids=["sooner", "later", "never"])
async def test_a_new_time_replaces_the_former(task: ClockTask, clock: Clock, queue: Queue, new: float | None) -> None:
    task.due(a_key("moved"), later(50))
    task.due(a_key("moved"), None if new is None else later(new))
    task.due(a_key("mark"), later(100))
    clock.moment = later(100)
    async with running(task):
        await until(lambda: "mark" in queue.added)
        clock.moment = later(1000)
        task.due(a_key("end"), later(1000))
        await until(lambda: "end" in queue.added)
    assert queue.added.count("moved") == (0 if new is None else 1)
    if new == 500:
        assert queue.added.index("moved") > queue.added.index("mark")


async def test_moving_a_time_for_ever_takes_no_memory(task: ClockTask) -> None:
    for second in range(10_000):
        task.due(a_key("moved"), later(100_000 + second))
    assert len(task._heap) < 200


async def test_a_sooner_time_wakes_it_from_a_long_sleep(
    clock: Clock, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocktask, "_LONGEST_SLEEP", 3600)
    task = ClockTask(queue, clock, list)
    task.due(a_key("far"), later(3600))
    async with running(task):
        await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.05)
        task.due(a_key("near"), later(0))
        await until(lambda: queue.added == ["near"])


async def test_every_key_is_looked_at_now_and_then(clock: Clock, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocktask, "_LONGEST_SLEEP", 0.01)
    task = ClockTask(queue, clock, lambda: [a_key("a"), a_key("b")], resync=0.05)
    async with running(task):
        await until(lambda: queue.added == ["a", "b", "a", "b"])


async def test_it_shows_that_it_still_comes_round(task: ClockTask) -> None:
    async with running(task):
        await until(lambda: task.ticked)
        before = task.ticked
        await until(lambda: task.ticked > before)
