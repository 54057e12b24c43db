"""What the client says on the wire, to the letter; and what it counts of it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException
from prometheus_client import REGISTRY
from tests.patience import ENOUGH

from holdfast import __version__
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import NotFound, NotServed, Unavailable
from holdfast.kube.kinds import BACKUPS, JOBS, Kind

SHIPS = Kind("example.com", "v1", "ships", "Ship")
ONE = "/apis/batch/v1/namespaces/shop/jobs/a"
ALL = "/apis/batch/v1/namespaces/shop/jobs"
JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"
BRIEFLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
Asked = dict[str, Any]


class Wire:
    """An API server that writes down what it is asked, and has nothing."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.status = 200
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        text = await request.text()
        sent = {"method": request.method, "path": request.path, "query": dict(request.query)}
        self.asked.append(sent | {"headers": request.headers, "body": json.loads(text) if text else None})
        return web.json_response({"metadata": {}, "items": [], "message": "told"}, status=self.status)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire, application = Wire(), web.Application()
    application.router.add_route("*", "/{path:.*}", wire.answer)
    runner = web.AppRunner(application, shutdown_timeout=0, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    wire.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield wire
    await runner.cleanup()


@pytest.fixture
async def configuration(wire: Wire) -> Configuration:
    return Configuration(host=wire.url, api_key={"BearerToken": "Bearer the-token"})


@pytest.fixture
async def client(configuration: Configuration) -> AsyncIterator[KubeClient]:
    client = KubeClient(configuration, timeout=ENOUGH)
    yield client
    await client.close()


OPTIONS = {"apiVersion": "v1", "kind": "DeleteOptions"}
Call = Callable[[KubeClient], Awaitable[Any]]


@pytest.mark.parametrize(
    ("call", "method", "path", "query", "body"),
    [
        pytest.param(lambda it: it.get(JOBS, "shop", "a"), "GET", ONE, {}, None, id="get"),
        pytest.param(lambda it: it.list(JOBS, "shop"), "GET", ALL, {"limit": "50"}, None, id="list"),
        pytest.param(lambda it: it.list(JOBS, "shop", label_selector="a=b", field_selector="c=d"), "GET", ALL,
                     {"limit": "50", "labelSelector": "a=b", "fieldSelector": "c=d"}, None, id="list what matches"),
        pytest.param(lambda it: it.create(JOBS, "shop", {"a": 1}), "POST", ALL, {}, {"a": 1}, id="create"),
        pytest.param(lambda it: it.patch(JOBS, "shop", "a", {"a": None}), "PATCH", ONE, {}, {"a": None}, id="patch"),
        pytest.param(lambda it: it.patch(JOBS, "shop", "a", {}, subresource="status"), "PATCH", f"{ONE}/status", {}, {},
                     id="patch the status"),
        pytest.param(lambda it: it.delete(JOBS, "shop", "a", uid="u", propagation="Foreground"), "DELETE", ONE, {},
                     {**OPTIONS, "propagationPolicy": "Foreground", "preconditions": {"uid": "u"}}, id="delete this"),
        pytest.param(lambda it: it.delete(JOBS, "shop", "a", uid=None), "DELETE", ONE, {},
                     {**OPTIONS, "propagationPolicy": "Background"}, id="delete any"),
    ],
)  # fmt: skip
async def test_each_call_asks_for_just_this(
    wire: Wire, client: KubeClient, call: Call, method: str, path: str, query: dict[str, str], body: Any
) -> None:
    await call(client)
    asked = [(it["method"], it["path"], it["query"], it["body"]) for it in wire.asked]
    assert asked == [(method, path, query, body)]
    headers = wire.asked[0]["headers"]
    assert headers["Accept"] == JSON
    assert headers["Content-Type"] == (MERGE_PATCH if method == "PATCH" else JSON)
    assert headers["Authorization"] == "Bearer the-token"
    assert headers["User-Agent"] == f"holdfast-operator/{__version__}"  # who it was, in audit logs and managedFields


@pytest.mark.parametrize("metadata_only", [True, False])
async def test_of_a_list_only_the_metadata_is_asked_for_where_that_is_enough(
    wire: Wire, client: KubeClient, metadata_only: bool
) -> None:
    assert await client.list(JOBS, "shop", metadata_only=metadata_only) == []
    assert [page async for page in client.pages(JOBS, "shop", metadata_only=metadata_only)] == [[]]
    assert [it["headers"]["Accept"] for it in wire.asked] == [BRIEFLY if metadata_only else JSON] * 2


async def test_pages_are_of_whole_objects_where_nothing_else_is_said(wire: Wire, client: KubeClient) -> None:
    assert [page async for page in client.pages(JOBS, "shop")] == [[]]
    assert wire.asked[0]["headers"]["Accept"] == JSON


async def test_a_list_that_is_not_found_is_of_a_kind_that_is_not_installed(wire: Wire, client: KubeClient) -> None:
    wire.status = 404
    with pytest.raises(NotServed, match=r"does not serve ships of example.com/v1: install the Custom") as caught:
        await client.list(SHIPS, "shop")
    assert caught.value.status == 404
    with pytest.raises(NotFound, match="told") as one:
        await client.get(SHIPS, "shop", "a")
    assert type(one.value) is NotFound


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(FileNotFoundError("no such file"), "no connection: no such file", id="it is gone"),
        pytest.param(ConfigException("Token file exists but empty."), "no credentials: Token file", id="it is empty"),
    ],
)
async def test_a_token_that_cannot_be_read_again_now_is_asked_for_later(
    wire: Wire, configuration: Configuration, client: KubeClient, error: Exception, told: str
) -> None:
    def read_again(_: Configuration) -> None:
        raise error

    configuration.refresh_api_key_hook = read_again
    with pytest.raises(Unavailable, match=told):
        await client.get(JOBS, "shop", "a")
    assert wire.asked == []


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"holdfast_kube_request_{name}", labels) or 0


async def test_each_call_that_failed_is_counted_by_its_error(wire: Wire, client: KubeClient) -> None:
    before = {error: counted("errors_total", verb="GET", error=error) for error in ("NotFound", "Unavailable")}
    await client.get(BACKUPS, "shop", "a")
    wire.status = 404
    for _ in range(2):
        with pytest.raises(NotFound):
            await client.get(BACKUPS, "shop", "a")
    wire.status = 500
    with pytest.raises(Unavailable):
        await client.get(BACKUPS, "shop", "a")
    more = {error: counted("errors_total", verb="GET", error=error) - before[error] for error in before}
    assert more == {"NotFound": 2, "Unavailable": 1}


async def test_each_call_s_seconds_are_counted_by_its_kind_also_of_one_that_failed(
    wire: Wire, client: KubeClient
) -> None:
    of = {"verb": "DELETE", "kind": "DatabaseBackup"}
    calls, seconds = counted("duration_seconds_count", **of), counted("duration_seconds_sum", **of)
    await client.delete(BACKUPS, "shop", "a", uid=None)
    wire.status = 500
    with pytest.raises(Unavailable):
        await client.delete(BACKUPS, "shop", "a", uid=None)
    assert counted("duration_seconds_count", **of) - calls == 2
    assert 0 < counted("duration_seconds_sum", **of) - seconds < 2 * ENOUGH
