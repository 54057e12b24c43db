"""One leader at most, whatever the API server and the way to it do: at no moment do two lead."""

import asyncio
import math
import random
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.budget import examples
from tests.fake_objects import FakeObjects
from tests.virtual_time import in_virtual_time, now

from holdfast.kube.errors import Unavailable
from holdfast.kube.kinds import LEASES
from holdfast.kube.lease import Lease, LeaseLost

DURATION, DEADLINE, PERIOD = 30, 20, 4  # the Lease's own
MICRO_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
Fault = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


class Line:
    """The way to an API server, with a switch to break it. What was sent arrives, whether it is waited for or not."""

    def __init__(self, server: FakeObjects) -> None:
        self.server = server
        self.fault: Fault = answers
        self._under_way: set[asyncio.Task[Any]] = set()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)  # a real call always waits
            task = asyncio.create_task(self.fault(lambda: getattr(self.server, name)(*args, **kwargs)))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            return await asyncio.shield(task)

        return call


async def answers(call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()


async def refuses(_: Callable[[], Awaitable[Any]]) -> Any:
    raise Unavailable("busy")


async def hangs(_: Callable[[], Awaitable[Any]]) -> Any:
    await asyncio.Event().wait()


async def does_and_hangs(call: Callable[[], Awaitable[Any]]) -> Any:
    await call()
    await asyncio.sleep(math.inf)


def does_and_answers_after(seconds: float) -> Fault:
    async def fault(call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await call()
        finally:
            await asyncio.sleep(seconds)

    return fault


def refuses_after(seconds: float) -> Fault:
    async def fault(_: Callable[[], Awaitable[Any]]) -> Any:
        await asyncio.sleep(seconds)
        raise Unavailable("busy")

    return fault


def a_lease(line: Line, identity: str = "me") -> Lease:
    return Lease(line, "holdfast", "lease", identity)


async def holder(server: FakeObjects) -> str:
    return (await server.get(LEASES, "holdfast", "lease"))["spec"]["holderIdentity"]


@pytest.mark.parametrize(
    "times",
    [
        pytest.param({"deadline": 40}, id="it gives up after another may lead"),
        pytest.param({"deadline": 30}, id="it gives up when another may lead"),
        pytest.param({"duration": 20}, id="another leads too early"),
        pytest.param({"period": 11}, id="it tries only once"),
        pytest.param({"period": 0}, id="it tries without a pause"),
        pytest.param({"period": math.nan}, id="no number"),
    ],
)
def test_times_that_would_let_two_lead_are_refused(times: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="before another may lead"):
        Lease(Line(FakeObjects()), "holdfast", "lease", "me", **times)


@pytest.mark.parametrize(
    "times",
    [
        pytest.param({"period": 10}, id="two tries just fit"),
        pytest.param({"duration": 0.9, "deadline": 0.6, "period": 0.1}, id="parts of a second"),
    ],
)
def test_other_times_are_taken(times: dict[str, float]) -> None:
    Lease(Line(FakeObjects()), "holdfast", "lease", "me", **times)


@pytest.mark.parametrize(
    "fault",
    [refuses, hangs, does_and_hangs, does_and_answers_after(DEADLINE), refuses_after(3.3), refuses_after(9.9)],
    ids=["refuses", "hangs", "hangs when it is done", "answers too late", "refuses late", "refuses very late"],
)
@in_virtual_time
async def test_a_leader_that_cannot_renew_gives_up_exactly_at_its_deadline(fault: Fault) -> None:
    line = Line(FakeObjects())
    lease = a_lease(line)
    await lease.acquire()
    led = now()
    line.fault = fault
    with pytest.raises(LeaseLost, match="not renewed"):
        await lease.keep()
    assert now() - led == pytest.approx(DEADLINE, abs=0.01)


@in_virtual_time
async def test_the_deadline_counts_from_when_the_last_renewal_was_asked_for() -> None:
    line = Line(FakeObjects())
    lease = a_lease(line)
    await lease.acquire()
    led = now()
    line.fault = does_and_answers_after(9)  # asked for after 4 s, answered after 13
    keeping = asyncio.create_task(lease.keep())
    await asyncio.sleep(13.5)
    line.fault = refuses
    with pytest.raises(LeaseLost, match="not renewed"):
        await keeping
    assert now() - led == pytest.approx(4 + DEADLINE, abs=0.01)


@in_virtual_time
async def test_the_deadline_counts_from_when_the_lease_was_asked_for() -> None:
    line = Line(FakeObjects())
    line.fault = does_and_answers_after(4.5)  # twice: look, then write
    lease = a_lease(line)
    began = now()
    await lease.acquire()
    assert now() - began == pytest.approx(4.5 + 4.5, abs=0.01)
    line.fault = refuses
    await asyncio.sleep(5)  # what begins to work takes its time, too
    with pytest.raises(LeaseLost, match="not renewed"):
        await lease.keep()
    assert now() - began == pytest.approx(DEADLINE, abs=0.01)


@in_virtual_time
async def test_who_never_led_does_not_keep_it() -> None:
    with pytest.raises(LeaseLost):
        await a_lease(Line(FakeObjects())).keep()


@in_virtual_time
async def test_a_process_that_stood_still_does_not_write_any_more() -> None:
    line = Line(FakeObjects())
    lease = a_lease(line)
    await lease.acquire()
    version = (await line.server.get(LEASES, "holdfast", "lease"))["metadata"]["resourceVersion"]
    await asyncio.sleep(DEADLINE + 1)
    woke = now()
    with pytest.raises(LeaseLost, match="not renewed"):
        await lease.keep()
    assert now() - woke < 0.5
    assert (await line.server.get(LEASES, "holdfast", "lease"))["metadata"]["resourceVersion"] == version


@in_virtual_time
async def test_a_renewal_half_a_second_before_the_deadline_keeps_it() -> None:
    lease = a_lease(Line(FakeObjects()))
    await lease.acquire()
    await asyncio.sleep(DEADLINE - PERIOD - 0.5)  # it stood still, and looks again after a period
    keeping = asyncio.create_task(lease.keep())
    await asyncio.sleep(PERIOD + 1)
    assert not keeping.done()
    keeping.cancel()


@in_virtual_time
async def test_a_short_failure_costs_no_leadership() -> None:
    line = Line(FakeObjects())
    lease = a_lease(line)
    await lease.acquire()
    keeping = asyncio.create_task(lease.keep())
    for fault in (refuses, answers, does_and_hangs, answers, refuses_after(5), answers):
        line.fault = fault
        await asyncio.sleep(DEADLINE - 2 * PERIOD - 1)
    assert not keeping.done()
    keeping.cancel()


@in_virtual_time
async def test_a_silent_leader_is_replaced_after_the_duration_and_not_before() -> None:
    server = FakeObjects()
    first, second = (a_lease(Line(server), identity) for identity in ("first", "second"))
    await first.acquire()
    began = now()
    await second.acquire()
    assert DURATION < now() - began <= DURATION + 2 * PERIOD
    assert await holder(server) == "second"


@in_virtual_time
async def test_a_longer_duration_of_the_holder_is_waited_for() -> None:
    server = FakeObjects()
    await Lease(Line(server), "holdfast", "lease", "first", duration=90.5).acquire()
    began = now()
    await a_lease(Line(server), "second").acquire()
    assert now() - began > 90.5


@in_virtual_time
async def test_a_contender_counts_from_the_last_change_that_it_saw() -> None:
    server = FakeObjects()
    first, second = (a_lease(Line(server), identity) for identity in ("first", "second"))
    await first.acquire()
    keeping, waiting = asyncio.create_task(first.keep()), asyncio.create_task(second.acquire())
    await asyncio.sleep(10 * DURATION)
    assert not waiting.done()
    keeping.cancel()
    stopped = now()
    await waiting
    assert now() - stopped > DURATION - PERIOD


@pytest.mark.parametrize(
    "fault",
    [refuses, hangs, does_and_answers_after(11), does_and_answers_after(9)],
    ids=["refuses", "hangs", "is slow", "leaves less than half of the time to lead"],
)
@in_virtual_time
async def test_a_contender_waits_for_a_server_that_does_not_answer(fault: Fault) -> None:
    line = Line(FakeObjects())
    line.fault = fault
    lease = a_lease(line)
    waiting = asyncio.create_task(lease.acquire())
    await asyncio.sleep(10 * DEADLINE)
    assert not waiting.done()
    line.fault = answers
    mended = now()
    await waiting
    assert now() - mended <= DEADLINE / 2 + PERIOD + DURATION + 2 * PERIOD  # its own write may have arrived
    assert await holder(line.server) == "me"


@in_virtual_time
async def test_a_standby_is_ready_once_it_has_read_the_lease() -> None:
    server = FakeObjects()
    await a_lease(Line(server), "first").acquire()
    line = Line(server)
    line.fault = refuses
    lease = a_lease(line)
    waiting = asyncio.create_task(lease.acquire())
    await asyncio.sleep(DURATION)
    assert not lease.reached
    line.fault = answers
    await asyncio.sleep(2 * PERIOD)
    assert lease.reached
    waiting.cancel()


@in_virtual_time
async def test_many_contenders_at_once_make_one_leader() -> None:
    server = FakeObjects()
    tasks = [asyncio.create_task(a_lease(Line(server), str(number)).acquire()) for number in range(8)]
    await asyncio.sleep(DURATION / 2)
    assert sum(task.done() for task in tasks) == 1
    for task in tasks:
        task.cancel()


@in_virtual_time
async def test_many_contenders_for_a_lapsed_lease_make_one_leader() -> None:
    server = FakeObjects()
    await a_lease(Line(server), "dead").acquire()
    tasks = [asyncio.create_task(a_lease(Line(server), str(number)).acquire()) for number in range(8)]
    await asyncio.sleep(DURATION + 3 * PERIOD)
    assert sum(task.done() for task in tasks) == 1
    for task in tasks:
        task.cancel()


@pytest.mark.parametrize("held", [False, True], ids=["a new Lease", "a lapsed Lease"])
@in_virtual_time
async def test_who_comes_second_waits_without_a_warning(held: bool) -> None:
    server = FakeObjects()
    if held:
        await a_lease(Line(server), "dead").acquire()
    with capture_logs() as logs:
        tasks = [asyncio.create_task(a_lease(Line(server), str(number)).acquire()) for number in range(8)]
        await asyncio.sleep(DURATION + 3 * PERIOD if held else PERIOD)
    assert logs == []
    for task in tasks:
        task.cancel()


@in_virtual_time
async def test_a_lease_says_who_leads_since_when_and_how_often_that_changed() -> None:
    server = FakeObjects()
    first = a_lease(Line(server), "first")
    await first.acquire()
    spec = (await server.get(LEASES, "holdfast", "lease"))["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"], spec["leaseDurationSeconds"]) == ("first", 0, DURATION)
    assert re.fullmatch(MICRO_TIME, spec["acquireTime"])
    assert re.fullmatch(MICRO_TIME, spec["renewTime"])
    await first.release()
    since = "2026-11-22T08:45:00.000000Z"
    await server.patch(LEASES, "holdfast", "lease", {"spec": {"acquireTime": since, "leaseTransitions": 6}})
    second = a_lease(Line(server), "second")
    await second.acquire()
    taken = (await server.get(LEASES, "holdfast", "lease"))["spec"]
    assert (taken["holderIdentity"], taken["leaseTransitions"]) == ("second", 7)
    assert taken["acquireTime"] > since
    keeping = asyncio.create_task(second.keep())
    await asyncio.sleep(3 * PERIOD)
    kept = (await server.get(LEASES, "holdfast", "lease"))["spec"]
    assert (kept["acquireTime"], kept["leaseTransitions"]) == (taken["acquireTime"], 7)
    assert kept["renewTime"] != taken["renewTime"]
    keeping.cancel()


@in_virtual_time
async def test_who_takes_a_lease_that_somebody_emptied_counts_from_one() -> None:
    server = FakeObjects()
    await server.create(LEASES, "holdfast", {"metadata": {"name": "lease"}})
    await a_lease(Line(server)).acquire()
    assert (await server.get(LEASES, "holdfast", "lease"))["spec"]["leaseTransitions"] == 1


@pytest.mark.parametrize("held", [False, True], ids=["a new Lease", "one that was there"])
@in_virtual_time
async def test_a_renewal_is_one_call(held: bool) -> None:
    line = Line(FakeObjects())
    if held:
        await line.server.create(LEASES, "holdfast", {"metadata": {"name": "lease"}})
    lease = a_lease(line)
    await lease.acquire()
    keeping, calls = asyncio.create_task(lease.keep()), 0

    async def counts(call: Callable[[], Awaitable[Any]]) -> Any:
        nonlocal calls
        calls += 1
        return await call()

    line.fault = counts
    await asyncio.sleep(5 * PERIOD + 1)
    assert calls == 5
    keeping.cancel()


@in_virtual_time
async def test_a_replaced_leader_learns_it_and_neither_takes_it_back_nor_frees_it() -> None:
    server = FakeObjects()
    first, second = (a_lease(Line(server), identity) for identity in ("first", "second"))
    await first.acquire()
    await server.patch(LEASES, "holdfast", "lease", {"spec": {"holderIdentity": "second"}})
    with pytest.raises(LeaseLost, match="held by second"):
        await first.keep()
    with pytest.raises(LeaseLost, match="held by second"):
        await first.release()
    assert await holder(server) == "second"
    assert second is not first


@pytest.mark.parametrize("spec", [None, {"holderIdentity": None}], ids=["no spec", "no holder"])
@in_virtual_time
async def test_a_lease_that_was_emptied_ends_the_leader_and_is_free(spec: Any) -> None:
    server = FakeObjects()
    lease = a_lease(Line(server))
    await lease.acquire()
    await server.patch(LEASES, "holdfast", "lease", {"spec": spec})
    with pytest.raises(LeaseLost, match="held by nobody"):
        await lease.keep()
    await a_lease(Line(server), "second").acquire()
    assert await holder(server) == "second"


@in_virtual_time
async def test_a_deleted_lease_ends_the_leader() -> None:
    server = FakeObjects()
    lease = a_lease(Line(server))
    await lease.acquire()
    await server.delete(LEASES, "holdfast", "lease", uid=None)
    with pytest.raises(LeaseLost, match="deleted"):
        await lease.keep()


@in_virtual_time
async def test_a_released_lease_is_taken_at_the_next_look() -> None:
    server = FakeObjects()
    first, second = (a_lease(Line(server), identity) for identity in ("first", "second"))
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(PERIOD)
    await first.release()
    freed = now()
    await waiting
    assert now() - freed <= PERIOD + 0.01


@in_virtual_time
async def test_a_lease_is_released_though_its_last_renewal_was_cut_off() -> None:
    line = Line(FakeObjects())
    lease = a_lease(line)
    await lease.acquire()
    keeping = asyncio.create_task(lease.keep())
    line.fault = does_and_hangs
    await asyncio.sleep(PERIOD + 1)
    keeping.cancel()
    line.fault = answers
    await lease.release()
    assert await holder(line.server) == ""


@in_virtual_time
async def test_releasing_does_not_wait_for_ever() -> None:
    line = Line(FakeObjects())
    lease = a_lease(line)
    await lease.acquire()
    line.fault = hangs
    began = now()
    with pytest.raises(TimeoutError):
        await lease.release()
    assert now() - began == pytest.approx(DEADLINE / 2, abs=0.01)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=examples(5, times=1))
def test_two_never_lead_at_once_whatever_happens_on_the_way(seed: int) -> None:
    in_virtual_time(_history)(random.Random(seed))


async def _history(chance: random.Random) -> None:
    """Let four contend for twenty minutes, over lines that delay, refuse, lose and hang."""
    server, leading, led = FakeObjects(), set(), []

    async def fault(call: Callable[[], Awaitable[Any]]) -> Any:
        await asyncio.sleep(chance.choice([0, 0.1, 1, chance.uniform(0, 12), chance.uniform(0, 60)]))
        if chance.random() < 0.1:
            raise Unavailable("busy")
        answer = await call()
        await asyncio.sleep(chance.choice([0, 0.1, 1, chance.uniform(0, 12), math.inf]))
        if chance.random() < 0.1:
            raise Unavailable("the answer was lost")
        return answer

    async def contend(name: str) -> None:
        for life in range(1000):
            line = Line(server)
            line.fault = fault if chance.random() < 0.9 else answers
            lease = a_lease(line, f"{name}-{life}")
            await lease.acquire()
            assert not leading, f"{name} leads beside {leading} at {now():g} s"
            leading.add(name)
            led.append(name)
            stops = chance.uniform(0, 300)
            done, _ = await asyncio.wait([keeping := asyncio.create_task(lease.keep())], timeout=stops)
            leading.discard(name)  # it has ended its work: it may free the Lease
            keeping.cancel()
            if not done and chance.random() < 0.5:
                await asyncio.gather(lease.release(), return_exceptions=True)

    await _for(1200, [contend(name) for name in "abcd"])
    assert led


async def _for(seconds: float, work: list[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.create_task(it) for it in work]
    done, rest = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in rest:
        task.cancel()
    for task in done:
        task.result()
