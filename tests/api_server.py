"""An API server on loopback, as much of one as a GET and kopf's watches ask for, with any certificate."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from tests.certificates import Shown

from holdfast.handlers import watches
from holdfast.kube.kinds import POLICIES, Kind

TOKEN = "the-token-of-a-service-account"
NAMESPACES = Kind("", "v1", "namespaces", "Namespace")  # kopf asks whether there is that kind
KINDS = [watch.kind for watch in watches.WATCHES]
WHEN = "2026-11-22T08:45:00Z"
A_POLICY = {
    "apiVersion": POLICIES.api_version,
    "kind": POLICIES.kind,
    "metadata": {"namespace": "shop", "name": "orders", "uid": "u", "resourceVersion": "1", "creationTimestamp": WHEN},
}


@dataclass
class ApiServer:
    """As much of one as a GET and kopf's watches ask for; it remembers what reached it."""

    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, request.headers.get("Authorization")))
        if "watch" in request.query:
            return web.Response()  # an end without news: kopf asks again
        return web.json_response(_found(request.path))


def _served(kind: Kind) -> dict[str, Any]:
    named = {"name": kind.plural, "singularName": kind.kind.lower(), "kind": kind.kind}
    return {**named, "verbs": ["list", "watch", "patch"], "namespaced": kind is not NAMESPACES}


def _found(path: str) -> dict[str, Any]:
    if path == "/api":
        return {"versions": ["v1"]}
    if path == "/apis":
        groups = {kind.group: kind.version for kind in KINDS if kind.group}
        told = [
            {"name": group, "versions": [{"version": version}], "preferredVersion": {"version": version}}
            for group, version in groups.items()
        ]
        return {"groups": told}
    if len(path.strip("/").split("/")) == (2 if path.startswith("/api/") else 3):
        return {"resources": [_served(it) for it in (*KINDS, NAMESPACES) if path.endswith(it.api_version)]}
    if path.endswith("/orders"):
        return A_POLICY
    return {"metadata": {"resourceVersion": "1"}, "items": [A_POLICY] if path.endswith(POLICIES.plural) else []}


@contextlib.asynccontextmanager
async def a_server(shown: Shown | None, folder: Path) -> AsyncIterator[ApiServer]:
    """One on loopback; without a certificate it speaks HTTP."""
    result = ApiServer()
    context = None
    if shown:
        chain, key, _ = shown.write(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", result.answer)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        result.url = f"{'https' if shown else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        yield result
    finally:
        await runner.cleanup()


def kubeconfig_for(server: ApiServer, folder: Path, **cluster: Any) -> Path:
    """Write one that names that server."""
    if server.url.startswith("https"):
        cluster = {"certificate-authority": str(folder / "ca.pem"), **cluster}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": server.url, **cluster}}],
        "users": [{"name": "it", "user": {"token": TOKEN}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
