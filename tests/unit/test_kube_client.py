"""What the client makes of an API server that misbehaves: each is one of our errors, and none takes for ever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from kubernetes.aio.client.configuration import Configuration
from tests.patience import ENOUGH

from holdfast.kube.client import KubeClient
from holdfast.kube.errors import AlreadyExists, Conflict, KubeError, NotFound, Refused, Unavailable, from_response
from holdfast.kube.kinds import JOBS, Kind

GIVES_UP = 0.5  # seconds, where the answer never comes; nothing is measured by it
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def a_server(answer: Answer, gives_up: float = ENOUGH) -> AsyncIterator[KubeClient]:
    connections: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        await answer(reader, writer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = KubeClient(Configuration(host=f"http://127.0.0.1:{port}"), timeout=gives_up)
    try:
        yield client
    finally:
        await client.close()
        server.close()
        await asyncio.gather(*connections)


def says(raw: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()

    return answer


def http(status: str, body: str, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(head).encode()


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the client gives up


async def hangs_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"kind":')
    await writer.drain()
    await hangs(reader, writer)


@pytest.mark.parametrize("answer", [hangs, hangs_in_the_body], ids=["no answer", "half an answer"])
async def test_a_hung_server_is_given_up_in_time(answer: Answer) -> None:
    async with a_server(answer, GIVES_UP) as client:
        with pytest.raises(Unavailable, match=r"no answer within 0.5 s"):
            await client.get(JOBS, "shop", "orders")  # or the test's own limit strikes


async def test_a_closed_port_is_unavailable() -> None:
    client = KubeClient(Configuration(host="http://127.0.0.1:1"), timeout=ENOUGH)
    with pytest.raises(Unavailable, match="no connection"):
        await client.create(JOBS, "shop", {"metadata": {"name": "orders"}})
    await client.close()


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        pytest.param(http("200 OK", "<html>login</html>"), "not JSON", id="a page that says 200"),
        pytest.param(http("200 OK", "[]"), "not an object but a list", id="JSON that is no object"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "no connection", id="an answer cut off"),
        pytest.param(b"", "no connection", id="a connection closed without a word"),
        pytest.param(b"SSH-2.0\r\n\r\n", "no connection", id="something else than HTTP"),
        pytest.param(http("502 Bad Gateway", "<html>sorry</html>"), "<html>sorry", id="a proxy's error page"),
    ],
)
async def test_what_is_no_answer_of_kubernetes_is_unavailable(raw: bytes, sentence: str) -> None:
    async with a_server(says(raw)) as client:
        with pytest.raises(Unavailable, match=sentence):
            await client.get(JOBS, "shop", "orders")


async def test_the_seconds_that_a_busy_server_asks_for_are_kept() -> None:
    async with a_server(says(http("429 Too Many Requests", '{"message": "busy"}', "Retry-After: 7"))) as client:
        with pytest.raises(Unavailable, match="busy") as caught:
            await client.get(JOBS, "shop", "orders")
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "BadRequest", Refused),
        (401, "Unauthorized", Unavailable),
        (403, "Forbidden", Refused),
        (404, "NotFound", NotFound),
        (405, "MethodNotAllowed", Refused),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (410, "Expired", Unavailable),
        (413, "RequestEntityTooLarge", Refused),
        (422, "Invalid", Refused),
        (429, "TooManyRequests", Unavailable),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (504, "Timeout", Unavailable),
    ],
)
def test_every_status_is_one_error(status: int, reason: str, expected: type[KubeError]) -> None:
    error = from_response(status, {}, f'{{"reason": "{reason}", "message": "the sentence"}}'.encode())
    assert type(error) is expected
    assert (error.message, error.status) == ("the sentence", status)


@pytest.mark.parametrize(
    ("kind", "arguments", "path"),
    [
        (JOBS, (None,), "/apis/batch/v1/jobs"),
        (JOBS, ("shop",), "/apis/batch/v1/namespaces/shop/jobs"),
        (Kind("", "v1", "pods", "Pod"), ("shop", "a"), "/api/v1/namespaces/shop/pods/a"),
        (JOBS, ("shop", "a", "status"), "/apis/batch/v1/namespaces/shop/jobs/a/status"),
    ],
)
def test_paths_are_those_of_the_api(kind: Kind, arguments: tuple[str | None, ...], path: str) -> None:
    assert kind.path(*arguments) == path
