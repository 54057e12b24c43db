"""The HTTP port: liveness, readiness and metrics. It answers from memory and calls nobody."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

MAX_TICK_SECONDS = 120.0


class Health:
    """What the probes ask for. A standby has no clock and no watches: it is alive while it answers."""

    def __init__(self) -> None:
        """Start not ready, and alive."""
        self.ready: Callable[[], bool] = lambda: False
        self.ticked: Callable[[], float] = time.monotonic
        self.behind: Callable[[], str | None] = lambda: None

    def problem(self) -> str | None:
        """Say why the process should be replaced; None while it should not."""
        silent = time.monotonic() - self.ticked()
        if silent > MAX_TICK_SECONDS:
            return f"the clock task has not run for {silent:.0f} s"
        behind = self.behind()
        return f"a watch is behind: {behind}" if behind else None


@asynccontextmanager
async def serve(port: int, health: Health) -> AsyncIterator[None]:
    """Listen on all addresses, of IPv4 and IPv6, while the context lasts. Raises OSError when the port is taken."""

    async def healthz(_: web.Request) -> web.Response:
        problem = health.problem()
        return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

    async def readyz(_: web.Request) -> web.Response:
        ready = health.ready()
        return web.Response(text="ok\n" if ready else "starting\n", status=200 if ready else 503)

    app = web.Application()
    app.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", make_aiohttp_handler())]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, port=port)
        await site.start()
        yield
    finally:
        await runner.cleanup()
