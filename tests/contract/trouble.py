"""Something between the operator and a real API server that answers in its place, cuts its watches, and goes away."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web
from tests.cluster.api import Cluster

BODIES = {
    409: {"reason": "Conflict", "message": "the object has been modified"},
    429: {"reason": "TooManyRequests", "message": "the server is busy"},
    500: {"reason": "InternalError", "message": "etcdserver: request timed out"},
}
HOP = ("transfer-encoding", "content-length", "content-encoding", "connection")
Between = aiohttp.ClientSession


class Trouble:
    """A proxy. `kubeconfig` is for whoever is to go through it."""

    def __init__(self, backend: str, session: Between) -> None:
        self._backend, self._session = backend, session
        self._errors: Iterator[int] = iter(())
        self._watches = set[asyncio.Task[object]]()
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.answered: list[int] = []  # what it has said in the server's place

    def kubeconfig(self, file: Path) -> Path:
        """Write one whose server is this."""
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        whole = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [cluster],
                 "contexts": [context], "users": [{"name": "u", "user": {}}]}  # fmt: skip
        file.write_text(json.dumps(whole))
        return file

    def answers(self, *statuses: int, times: int) -> None:
        """Have so many calls that are no watch answered so, in turn; a 500 comes when the server has done it all."""
        self._errors = itertools.islice(itertools.cycle(statuses), times)

    def cut(self) -> int:
        """End every watch in its midst; return how many there were."""
        cut = list(self._watches)
        for task in cut:
            task.cancel()
        return len(cut)

    async def up(self) -> None:
        """Listen, at the port of before."""
        application = web.Application(client_max_size=1 << 24)
        application.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def down(self) -> None:
        """Go away, with every connection."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        watches = request.query.get("watch") == "true"
        status = None if watches or "/leases/" in request.path else next(self._errors, None)
        if status is not None:
            self.answered.append(status)
        if status in (409, 429):
            return _said(status)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in (*HOP, "host")}
        url = f"{self._backend}{request.raw_path}"
        body = await request.read()
        no = ("Content-Type", "Accept-Encoding")  # but what the operator itself has said
        async with self._session.request(
            request.method, url, headers=headers, data=body or None, skip_auto_headers=no
        ) as answer:
            if status == 500:
                await answer.read()
                return _said(500)
            response = web.StreamResponse(status=answer.status, headers=_passed(answer))
            await response.prepare(request)
            await (self._stream(request, answer, response) if watches else _copied(answer, response))
            return response

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse, to: web.StreamResponse) -> None:
        task = asyncio.ensure_future(_copied(answer, to))
        self._watches.add(task)
        try:
            await task
        except asyncio.CancelledError:
            if request.transport is not None:
                request.transport.abort()  # no end of the stream: the connection breaks
            if not task.cancelled():
                task.cancel()
                raise
        finally:
            self._watches.discard(task)


def _passed(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {k: v for k, v in answer.headers.items() if k.lower() not in HOP}


async def _copied(answer: aiohttp.ClientResponse, to: web.StreamResponse) -> None:
    async for chunk in answer.content.iter_any():
        await to.write(chunk)


def _said(status: int) -> web.Response:
    headers = {"Retry-After": "1"} if status == 429 else {}
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status} | BODIES[status]
    return web.json_response(body, status=status, headers=headers)


@asynccontextmanager
async def some_trouble(cluster: Cluster) -> AsyncIterator[Trouble]:
    """One that is up, before the cluster under test."""
    argv = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", f"--context={cluster.context}", "proxy", "--port=0"]
    proxy = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=cluster.environment
    )
    assert proxy.stdout
    try:
        line = (await asyncio.wait_for(proxy.stdout.readline(), 30)).decode()
        backend = f"http://{line.rsplit(maxsplit=1)[-1]}"
        timeout = aiohttp.ClientTimeout(total=None, connect=30)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            trouble = Trouble(backend, session)
            await trouble.up()
            try:
                yield trouble
            finally:
                await trouble.down()
    finally:
        proxy.terminate()
        await proxy.stdout.read()  # to its end, or the pipe would outlive the test
        await proxy.wait()
