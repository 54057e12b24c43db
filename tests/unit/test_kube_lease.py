"""The Lease when the API server fails: a leader that cannot renew gives up before another may lead."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.kube.errors import Unavailable
from holdfast.kube.lease import Lease, LeaseLost

DURATION, DEADLINE, PERIOD = 1.0, 0.6, 0.05


class Server:
    """The Lease's part of an API server, with a switch to break it."""

    def __init__(self) -> None:
        self.spec: dict[str, Any] = {}
        self.version = 1
        self.broken: Callable[[], Any] | None = None

    async def get(self, *_: object) -> dict[str, Any]:
        return await self._answer()

    async def patch(self, _kind: object, _namespace: str, _name: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.broken:
            await self.broken()
        self.spec |= body["spec"]
        self.version += 1
        return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        if self.broken:
            await self.broken()
        return {"metadata": {"resourceVersion": str(self.version)}, "spec": dict(self.spec)}


async def refuses() -> None:
    raise Unavailable("busy")


async def hangs() -> None:
    await asyncio.Event().wait()


def a_lease(server: Server) -> Lease:
    return Lease(server, "holdfast", "lease", "me", duration=DURATION, deadline=DEADLINE, period=PERIOD)


@pytest.mark.parametrize("broken", [refuses, hangs])
async def test_a_leader_that_cannot_renew_gives_up_before_another_may_lead(broken: Callable[[], Any]) -> None:
    server = Server()
    lease = a_lease(server)
    await lease.acquire()
    server.broken = broken
    began = time.monotonic()
    with pytest.raises(LeaseLost, match="not renewed"):
        await lease.keep()
    assert DEADLINE <= time.monotonic() - began < DURATION


async def test_a_short_failure_costs_no_leadership() -> None:
    server = Server()
    lease = a_lease(server)
    await lease.acquire()
    renewing = asyncio.create_task(lease.keep())
    server.broken = refuses
    await asyncio.wait([renewing], timeout=DEADLINE / 2)
    server.broken = None
    await asyncio.wait([renewing], timeout=2 * DEADLINE)
    assert not renewing.done()
    renewing.cancel()


@pytest.mark.parametrize("broken", [refuses, hangs])
async def test_a_contender_waits_for_a_server_that_does_not_answer(broken: Callable[[], Any]) -> None:
    server = Server()
    server.broken = broken
    lease = a_lease(server)
    waiting = asyncio.create_task(lease.acquire())
    await asyncio.wait([waiting], timeout=2 * DEADLINE)
    assert not waiting.done()
    assert not lease.reached
    server.broken = None
    await asyncio.wait_for(waiting, timeout=5)
    assert server.spec["holderIdentity"] == "me"


async def test_releasing_does_not_wait_for_ever() -> None:
    server = Server()
    lease = a_lease(server)
    await lease.acquire()
    server.broken = hangs
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lease.release(), timeout=5)
