"""Which API servers are trusted: those that kubectl trusts, and no other, by our client and by kopf's watches alike."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import kopf
import pytest
from kopf._cogs.structs.credentials import Vault
from kubernetes.aio.client.configuration import Configuration
from tests.certificates import REFUSED, TRUSTED, Shown
from tests.fake_server import FakeApi, kubeconfig_for, serve
from tests.patience import ENOUGH

from holdfast.handlers import watches
from holdfast.handlers.login import connection
from holdfast.kube import access
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import Unavailable
from holdfast.kube.kinds import POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key

TOKEN = "the-token-of-a-service-account"


def an_api() -> FakeApi:
    """One with a policy to read."""
    api = FakeApi()
    api.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}})
    return api


async def configuration_for(api: FakeApi, folder: Path, **cluster: Any) -> Configuration:
    return await access.configure(kubeconfig_for(api, folder, TOKEN, **cluster))


async def get(configuration: Configuration) -> dict[str, Any]:
    client = KubeClient(configuration, timeout=ENOUGH)
    try:
        return await client.get(POLICIES, "shop", "orders")
    finally:
        await client.close()


async def watch(configuration: Configuration) -> None:
    """Run kopf on our registry until it has brought the policy; raise what it ends with instead."""
    brought = Brought()
    registry = watches.registry(Cache(), brought, partial(access.credentials, configuration))
    # Of the two requests that kopf begins with, it waits for one.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    settings = watches.settings(streaming=False)
    settings.networking.error_backoffs = []
    settings.networking.request_timeout = ENOUGH
    tasks = await kopf.spawn_tasks(registry=registry, settings=settings, namespaces=["shop"])
    waiting = asyncio.create_task(brought.event.wait())
    try:
        done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=ENOUGH)
        assert done, "kopf neither brought anything nor ended"
        for task in done:
            await task
    finally:
        for task in [*tasks, waiting]:
            task.cancel()
        await asyncio.wait([*tasks, waiting])


class Brought:
    """A queue that tells when the policy is in it."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def add(self, key: Key) -> None:
        assert key == Key(POLICIES.kind, "shop", "orders")
        self.event.set()


@pytest.fixture(autouse=True)
def _python_3_13(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the operator's image runs on is as strict by default; older versions are not."""
    make = ssl.create_default_context

    def strict(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        context = make(*args, **kwargs)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


@pytest.fixture(autouse=True)
async def _connections_end() -> AsyncIterator[None]:
    """TLS takes a moment longer to close than its session does."""
    yield
    open_files = asyncio.get_running_loop()._selector.get_map()
    async with asyncio.timeout(ENOUGH):
        while len(open_files) > 1:  # noqa: ASYNC110 - the loop's own pipe stays
            await asyncio.sleep(0.01)


BOTH_WAYS = pytest.mark.parametrize("asks", [get, watch], ids=["client", "watches"])


@BOTH_WAYS
@pytest.mark.parametrize("made", TRUSTED.values(), ids=TRUSTED)
async def test_a_server_that_kubectl_trusts_is_trusted(
    made: Callable[[], Shown], asks: Callable[[Configuration], Any], tmp_path: Path
) -> None:
    async with serve(an_api(), made(), tmp_path) as server:
        await asks(await configuration_for(server, tmp_path))
    assert server.tokens == {f"Bearer {TOKEN}"}


@BOTH_WAYS
@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED)
async def test_a_server_that_kubectl_refuses_is_refused_before_anything_is_sent(
    made: Callable[[], Shown], asks: Callable[[Configuration], Any], tmp_path: Path
) -> None:
    async with serve(an_api(), made(), tmp_path) as server:
        with pytest.raises((Unavailable, aiohttp.ClientConnectorCertificateError), match="CERTIFICATE_VERIFY_FAILED"):
            await asks(await configuration_for(server, tmp_path))
    assert server.asked == []


@BOTH_WAYS
async def test_a_server_is_unchecked_only_where_the_kubeconfig_says_so(
    asks: Callable[[Configuration], Any], tmp_path: Path
) -> None:
    async with serve(an_api(), REFUSED["another CA"](), tmp_path) as server:
        await asks(await configuration_for(server, tmp_path, **{"insecure-skip-tls-verify": True}))
    assert server.asked


@BOTH_WAYS
async def test_the_proxies_of_the_environment_are_not_for_the_api_server(
    asks: Callable[[Configuration], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(an_api()) as proxy, serve(an_api()) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        await asks(await configuration_for(server, tmp_path))
    assert server.asked
    assert proxy.asked == []


@BOTH_WAYS
async def test_the_proxy_of_the_kubeconfig_is(asks: Callable[[Configuration], Any], tmp_path: Path) -> None:
    async with serve(an_api()) as proxy:
        server = FakeApi()
        server.url = "http://kubernetes.example.com"
        await asks(await configuration_for(server, tmp_path, **{"proxy-url": proxy.url}))
    assert proxy.asked


async def test_no_credential_is_ever_printed(tmp_path: Path) -> None:
    configuration = await configuration_for(FakeApi(), tmp_path)
    credentials = await access.credentials(configuration)
    assert credentials.token == TOKEN
    held = connection(credentials)
    assert held.token == TOKEN
    for it in (credentials, held, Vault({"login": held})):
        assert TOKEN not in f"{it!r} {it!s} {[it]}"


async def test_a_login_with_a_refused_token_is_seen_to_be_the_same(tmp_path: Path) -> None:
    """kopf asks for credentials again when a token is refused, and ends when it gets the same ones."""
    configuration = await configuration_for(FakeApi(), tmp_path)
    assert connection(await access.credentials(configuration)) == connection(await access.credentials(configuration))
