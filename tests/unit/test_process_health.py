"""Probes and metrics over HTTP."""

import socket
import time

import aiohttp
import pytest
from prometheus_client import REGISTRY, Metric
from prometheus_client.registry import Collector

from holdfast.process.health import MAX_TICK_SECONDS, Health, serve


async def get(health: Health, path: str) -> tuple[int, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with (
        serve(port, health),
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def test_a_process_is_alive_before_it_is_ready() -> None:
    assert await get(Health(), "/healthz") == (200, "ok\n")
    assert await get(Health(), "/readyz") == (503, "starting\n")


async def test_ready_says_so() -> None:
    health = Health()
    health.ready = lambda: True
    assert await get(health, "/readyz") == (200, "ok\n")


async def test_a_clock_task_that_stands_still_is_no_life() -> None:
    health, stopped = Health(), time.monotonic() - MAX_TICK_SECONDS - 5
    health.ticked = lambda: stopped
    status, text = await get(health, "/healthz")
    assert status == 503
    assert "clock task" in text


async def test_a_watch_that_is_behind_is_no_life() -> None:
    health = Health()
    health.behind = lambda: "DatabaseBackup shop/a"
    assert await get(health, "/healthz") == (503, "a watch is behind: DatabaseBackup shop/a\n")


@pytest.mark.parametrize("name", ["holdfast_leader", "holdfast_build_info", "holdfast_queue_depth", "python_info"])
async def test_metrics_are_exported(name: str) -> None:
    import holdfast.process.main  # noqa: F401 - the whole operator's metrics

    status, text = await get(Health(), "/metrics")
    assert status == 200
    assert f"\n{name}" in text
    assert "_created" not in text


async def test_who_names_some_metrics_gets_these_alone_and_no_resource_is_read_for_it() -> None:
    read = list[bool]()

    class Resources(Collector):
        def describe(self) -> list[Metric]:
            return []

        def collect(self) -> list[Metric]:
            read.append(True)
            return []

    collector = Resources()
    REGISTRY.register(collector)
    try:
        status, text = await get(Health(), "/metrics?name[]=holdfast_queue_depth")
        assert (status, read) == (200, [])
        assert {line.split()[0] for line in text.splitlines() if not line.startswith("#")} == {"holdfast_queue_depth"}
        await get(Health(), "/metrics")
        assert read == [True]
    finally:
        REGISTRY.unregister(collector)
