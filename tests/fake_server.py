"""An API server on loopback, as far as the operator's process asks of one: lists in pages, watches, reads and writes.

What it keeps of objects is tests/fake_objects.py's; a watch brings what comes after a list, or begins with what there
is, where that is asked for and `streams`.
"""

import asyncio
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from tests.certificates import Shown
from tests.fake_objects import Body, FakeObjects

from holdfast.kube.errors import AlreadyExists, Conflict, KubeError, Refused
from holdfast.kube.kinds import BACKUPS, EVENTS, JOBS, LEASES, PODS, POLICIES, RESTORES, SELF_REVIEWS, Kind

KINDS = (BACKUPS, POLICIES, RESTORES, JOBS, PODS, EVENTS, LEASES, SELF_REVIEWS)
NAMESPACES = Kind("", "v1", "namespaces", "Namespace")  # kopf waits until it knows of them


class FakeApi(FakeObjects):
    """Its objects can be changed while it serves; whoever watches is told."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []  # methods and paths with queries
        self.tokens: set[str | None] = set()  # that came with them
        self.url = ""
        self.streams = True  # the feature WatchList, which Kubernetes 1.30, 1.31 and 1.33 do not have
        self.cut_after: int | None = None  # objects of the next stream that begins with what there is
        self.silent: set[Kind] = set()  # kinds whose watches bring nothing, and whose lists are not told to kopf
        self._watchers: list[tuple[str, asyncio.Queue[bytes]]] = []

    def put(self, kind: Kind, body: Body) -> Body:
        known = (kind.kind, body["metadata"]["namespace"], body["metadata"]["name"]) in self.objects
        body = super().put(kind, {"apiVersion": kind.api_version, "kind": kind.kind} | body)
        self._tell(kind, "MODIFIED" if known else "ADDED", body)
        return body

    async def delete(self, kind: Kind, namespace: str, name: str, **how: Any) -> None:
        body = await self.get(kind, namespace, name)
        await super().delete(kind, namespace, name, **how)
        if (kind.kind, namespace, name) not in self.objects:
            self._tell(kind, "DELETED", body)

    def _has_left(self, kind: Kind, held: Body, merged: Body) -> bool:
        left = super()._has_left(kind, held, merged)
        if left:
            self._tell(kind, "DELETED", merged)
        return left

    def _tell(self, kind: Kind, type_: str, body: Body) -> None:
        line = json.dumps({"type": type_, "object": body}).encode() + b"\n"
        for plural, queue in self._watchers:
            if plural == kind.plural and kind not in self.silent:
                queue.put_nowait(line)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        self.tokens.add(request.headers.get("Authorization"))
        found = _discovery(request.path)
        if found is not None:
            return web.json_response(found)
        try:
            kind, namespace, name, subresource = _place(request.path)
            if kind == SELF_REVIEWS:
                _require_its_kind(kind, await request.json())
                return web.json_response({"status": {"userInfo": {"username": await self.who_am_i()}}})
            if name:
                return await self._of_one(request, kind, namespace or "", name, subresource)
            if request.method == "POST":
                return web.json_response(await self.create(kind, namespace or "", await request.json()))
            return await (
                self._watch(request, kind, namespace)
                if "watch" in request.query
                else self._page(request, kind, namespace)
            )
        except StopIteration:
            return web.Response(status=404, text="404 page not found")
        except KubeError as error:
            return _status(error)

    async def _of_one(
        self, request: web.Request, kind: Kind, namespace: str, name: str, subresource: str | None
    ) -> web.Response:
        if request.method == "GET":
            return web.json_response(await self.get(kind, namespace, name))
        body = await request.json()
        if request.method == "PATCH":
            return web.json_response(await self.patch(kind, namespace, name, body, subresource=subresource))
        asked = body.get("preconditions") or {}
        await self.delete(
            kind,
            namespace,
            name,
            uid=asked.get("uid"),
            version=asked.get("resourceVersion"),
            propagation=body["propagationPolicy"],
        )
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _page(self, request: web.Request, kind: Kind, namespace: str | None) -> web.Response:
        await asyncio.sleep(0)
        query, found = request.query, await self._found(request, kind, namespace)
        begin, limit = int(query.get("continue") or 0), int(query.get("limit") or len(found) or 1)
        meta = {"resourceVersion": str(next(self._numbers))}
        if begin + limit < len(found):
            meta["continue"] = str(begin + limit)
        items = found[begin : begin + limit]
        body = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": items}
        return web.json_response(body)

    async def _found(self, request: web.Request, kind: Kind, namespace: str | None) -> list[Body]:
        query, headers = request.query, request.headers
        if "kopf" in headers.get("User-Agent", "") and kind in self.silent:
            return []
        return await self.list(
            kind,
            namespace,
            label_selector=query.get("labelSelector"),
            field_selector=query.get("fieldSelector"),
            metadata_only="PartialObjectMetadataList" in headers.get("Accept", ""),
        )

    async def _watch(self, request: web.Request, kind: Kind, namespace: str | None) -> web.StreamResponse:
        begins_with_all = "sendInitialEvents" in request.query
        if begins_with_all and not self.streams:
            raise Refused("sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled", 422)
        if begins_with_all and request.query.get("resourceVersionMatch") != "NotOlderThan":
            raise Refused("resourceVersionMatch: Required value: sendInitialEvents requires NotOlderThan", 422)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._watchers.append((kind.plural, queue))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        try:
            marked = request.query.get("allowWatchBookmarks") == "true"
            found = await self._found(request, kind, namespace) if begins_with_all else []
            for line in self._all_lines(found, marked) if begins_with_all else ():
                await response.write(line)
                if not line:
                    return response
            while line := await queue.get():
                await response.write(line)
        finally:
            self._watchers.remove((kind.plural, queue))
        return response

    def _all_lines(self, found: list[Body], marked: bool) -> Iterator[bytes]:
        """What there is, and the mark, if asked for, that it was all; the empty line where the stream is cut before."""
        cut, self.cut_after = (self.cut_after, None) if found else (None, self.cut_after)
        for body in found[:cut]:
            yield json.dumps({"type": "ADDED", "object": body}).encode() + b"\n"
        meta = {"resourceVersion": str(next(self._numbers)), "annotations": {"k8s.io/initial-events-end": "true"}}
        if cut:
            yield b""
        elif marked:
            yield json.dumps({"type": "BOOKMARK", "object": {"metadata": meta}}).encode() + b"\n"

    def end_watches(self) -> None:
        """Close every stream, as a server does that ends."""
        for _, queue in self._watchers:
            queue.put_nowait(b"")


@asynccontextmanager
async def serve(api: FakeApi, shown: Shown | None = None, folder: Path = Path()) -> AsyncIterator[FakeApi]:
    """Serve it while the context lasts; with certificates, which are written into the folder, by TLS."""
    context = None
    if shown:
        chain, key, _ = shown.write(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
    application = web.Application(client_max_size=1 << 24)
    application.router.add_route("*", "/{path:.*}", api._answer)
    runner = web.AppRunner(application, shutdown_timeout=0, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        api.url = f"{'https' if shown else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        yield api
    finally:
        api.end_watches()
        await runner.cleanup()


def _place(path: str) -> tuple[Kind, str | None, str | None, str | None]:
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace, parts = (parts[1], parts[2:]) if parts[0] == "namespaces" else (None, parts)
    kind = next(kind for kind in KINDS if kind.plural == parts[0])
    name, subresource = itertools.islice(itertools.chain(parts[1:], itertools.repeat(None)), 2)
    return kind, namespace, name, subresource


def _require_its_kind(kind: Kind, body: Any) -> None:
    """Refuse what does not say what it is, as the API server does. Raises Refused."""
    if not isinstance(body, dict) or (body.get("apiVersion"), body.get("kind")) != (kind.api_version, kind.kind):
        raise Refused(f"the object provided is unrecognized: it is no {kind.kind} of {kind.api_version}", 400)


def _discovery(path: str) -> Body | None:
    if path == "/api":
        return {"versions": ["v1"]}
    if path == "/apis":
        groups = {kind.group: {"version": kind.version} for kind in KINDS if kind.group}
        found = [{"name": name, "versions": [it], "preferredVersion": it} for name, it in groups.items()]
        return {"groups": found}
    for kind in KINDS:
        if path.strip("/") == (f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"):
            same = [it for it in (*KINDS, NAMESPACES) if it.api_version == kind.api_version]
            return {"resources": [_resource(it) for it in same]}
    return None


def _resource(kind: Kind) -> Body:
    return {
        "name": kind.plural,
        "singularName": "",
        "kind": kind.kind,
        "verbs": ["list", "watch", "patch"],
        "namespaced": kind is not NAMESPACES,
    }


def _status(error: KubeError) -> web.Response:
    reason = next((kind.__name__ for kind in (AlreadyExists, Conflict) if isinstance(error, kind)), "")
    body = {"kind": "Status", "code": error.status, "reason": reason, "message": error.message}
    return web.json_response(body, status=error.status or 500)


def kubeconfig_for(api: FakeApi, folder: Path, token: str, **cluster: Any) -> Path:
    """Write one that names that server, and the CA that `serve` has written."""
    if api.url.startswith("https"):
        cluster = {"certificate-authority": str(folder / "ca.pem"), **cluster}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": api.url, **cluster}}],
        "users": [{"name": "it", "user": {"token": token}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
