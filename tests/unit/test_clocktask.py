"""The clock task: what is due is queued when it is, and everything is looked at now and then."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from tests import virtual_time
from tests.patience import ENOUGH, until
from tests.virtual_time import in_virtual_time

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


async def test_however_many_keys_are_due_nothing_is_swept_out_while_no_time_is_moved(task: ClockTask) -> None:
    heap = task._heap
    for number in range(1000):
        task.due(a_key(str(number)), later(number))
    assert task._heap is heap


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


def test_one_that_has_not_come_round_yet_is_as_old_as_it_is(task: ClockTask) -> None:
    assert 0 <= time.monotonic() - task.ticked < ENOUGH


async def test_what_is_due_at_one_time_by_two_calls_is_queued_once(task: ClockTask, clock: Clock, queue: Queue) -> None:
    for _ in range(2):
        task.due(a_key("twice"), later(5))
    task.due(a_key("mark"), later(6))
    clock.moment = later(10)
    async with running(task):
        await until(lambda: "mark" in queue.added)
    assert queue.added == ["twice", "mark"]


async def test_times_that_were_moved_often_are_still_kept_in_their_order(
    task: ClockTask, clock: Clock, queue: Queue
) -> None:
    names = [f"{number:03}" for number in range(100)]
    for late in (5000, 4000, 3000, 2000, 0):
        for place, name in enumerate(names):
            task.due(a_key(name), later(late + 7 * place % 100))
    clock.moment = later(100)
    async with running(task):
        await until(lambda: len(queue.added) == 100)
    assert queue.added == sorted(names, key=lambda name: 7 * int(name) % 100)


class Timed(Queue):
    """Remembers when."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[tuple[int, str]] = []

    def add(self, key: Key) -> None:
        self.times.append((round(virtual_time.now()), key.name))


@contextlib.asynccontextmanager
async def in_its_own_time(queue: Timed, *keys: str) -> AsyncIterator[ClockTask]:
    """A task whose clocks go with the loop's."""
    clocktask.time = SimpleNamespace(monotonic=virtual_time.now)  # type: ignore[attr-defined]
    try:
        task = ClockTask(queue, lambda: later(virtual_time.now()), lambda: map(a_key, keys))  # type: ignore[arg-type]
        async with running(task):
            yield task
    finally:
        clocktask.time = time  # type: ignore[attr-defined]


@in_virtual_time
async def test_what_is_due_is_queued_to_the_second_also_what_became_due_sooner() -> None:
    queue = Timed()
    async with in_its_own_time(queue) as task:
        for name, at in (("a", 5), ("b", 40), ("c", 3), ("d", 100)):
            task.due(a_key(name), later(at))
        await asyncio.sleep(50)
        task.due(a_key("d"), later(53))
        await asyncio.sleep(60)
    assert queue.times == [(3, "c"), (5, "a"), (40, "b"), (53, "d")]


@in_virtual_time
async def test_a_lost_event_is_made_good_within_ten_minutes_or_so_and_not_sooner() -> None:
    queue = Timed()
    async with in_its_own_time(queue, "a", "b"):
        await asyncio.sleep(1860)
    rounds = sorted({at for at, _ in queue.times})
    assert Counter(name for _, name in queue.times) == {"a": 3, "b": 3}
    assert [600 <= after - before <= 620 for before, after in zip([0, *rounds], rounds, strict=False)] == [True] * 3
