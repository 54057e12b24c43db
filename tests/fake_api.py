"""An API server on loopback, as far as the operator's process asks of one: lists in pages, watches, reads and writes.

It keeps what the real one promises: versions rise, a changed object conflicts, a watch brings what comes after a list.
"""

import asyncio
import copy
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from holdfast.kube.kinds import BACKUPS, EVENTS, JOBS, LEASES, PODS, POLICIES, Kind

Body = dict[str, Any]
KINDS = (BACKUPS, POLICIES, JOBS, PODS, EVENTS, LEASES)
NAMESPACES = Kind("", "v1", "namespaces", "Namespace")  # kopf waits until it knows of them
WHEN = "2026-11-22T08:45:00Z"


class FakeApi:
    """Its objects can be changed while it serves; whoever watches is told."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Body] = {}
        self.asked: list[str] = []  # methods and paths with queries
        self.url = ""
        self.silent: set[Kind] = set()  # kinds whose watches bring nothing, and whose lists are not told to kopf
        self._numbers = itertools.count(1)
        self._watchers: list[tuple[str, asyncio.Queue[bytes]]] = []

    def put(self, kind: Kind, body: Body) -> Body:
        meta = body["metadata"]
        known = (kind.plural, meta["namespace"], meta["name"]) in self.objects
        meta["resourceVersion"] = str(next(self._numbers))
        for field, value in {"uid": f"uid-{meta['name']}", "creationTimestamp": WHEN, "generation": 1}.items():
            meta.setdefault(field, value)
        body = {"apiVersion": kind.api_version, "kind": kind.kind} | body
        self.objects[kind.plural, meta["namespace"], meta["name"]] = body
        self._tell(kind, "MODIFIED" if known else "ADDED", body)
        return body

    def get(self, kind: Kind, namespace: str, name: str) -> Body | None:
        return copy.deepcopy(self.objects.get((kind.plural, namespace, name)))

    def _tell(self, kind: Kind, type_: str, body: Body) -> None:
        line = json.dumps({"type": type_, "object": body}).encode() + b"\n"
        for plural, queue in self._watchers:
            if plural == kind.plural and kind not in self.silent:
                queue.put_nowait(line)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        found = _discovery(request.path)
        if found is not None:
            return web.json_response(found)
        kind, namespace, name = _place(request.path)
        if name is None and request.method == "POST":
            return self._created(kind, namespace, await request.json())
        if name is None:
            return await (
                self._watch(request, kind) if "watch" in request.query else self._list(request, kind, namespace)
            )
        held = self.objects.get((kind.plural, namespace or "", name))
        if held is None:
            return _status(404, "NotFound")
        return self._changed(kind, held, await request.json()) if request.method in ("PATCH", "PUT") else _json(held)

    def _created(self, kind: Kind, namespace: str | None, body: Body) -> web.Response:
        body["metadata"]["namespace"] = namespace
        if (kind.plural, namespace, body["metadata"]["name"]) in self.objects:
            return _status(409, "AlreadyExists")
        return _json(self.put(kind, body))

    def _changed(self, kind: Kind, held: Body, patch: Body) -> web.Response:
        version = patch.get("metadata", {}).pop("resourceVersion", None)
        if version not in (None, held["metadata"]["resourceVersion"]):
            return _status(409, "Conflict")
        return _json(self.put(kind, _merged(held, patch)))

    async def _list(self, request: web.Request, kind: Kind, namespace: str | None) -> web.Response:
        await asyncio.sleep(0)
        kopf = "kopf" in request.headers.get("User-Agent", "")
        bodies = [] if kopf and kind in self.silent else list(self._matching(kind, namespace, request.query))
        begin, limit = int(request.query.get("continue") or 0), int(request.query.get("limit", len(bodies) or 1))
        shown = bodies[begin : begin + limit]
        if "PartialObjectMetadataList" in request.headers.get("Accept", ""):
            shown = [{"metadata": body["metadata"]} for body in shown]
        following = str(begin + limit) if begin + limit < len(bodies) else ""
        meta = {"resourceVersion": str(next(self._numbers)), "continue": following}
        return _json({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": shown})

    def _matching(self, kind: Kind, namespace: str | None, query: Any) -> Iterator[Body]:
        wanted = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
        for (plural, where, _), body in self.objects.items():
            labels = body["metadata"].get("labels") or {}
            if plural == kind.plural and namespace in (None, where) and wanted.items() <= labels.items():
                yield body

    async def _watch(self, request: web.Request, kind: Kind) -> web.StreamResponse:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._watchers.append((kind.plural, queue))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        try:
            while line := await queue.get():
                await response.write(line)
        finally:
            self._watchers.remove((kind.plural, queue))
        return response

    def end_watches(self) -> None:
        """Close every stream, as a server does that ends."""
        for _, queue in self._watchers:
            queue.put_nowait(b"")


@asynccontextmanager
async def serve(api: FakeApi) -> AsyncIterator[FakeApi]:
    """Serve it while the context lasts."""
    application = web.Application(client_max_size=1 << 24)
    application.router.add_route("*", "/{path:.*}", api._answer)
    runner = web.AppRunner(application, shutdown_timeout=0, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield api
    finally:
        api.end_watches()
        await runner.cleanup()


def _place(path: str) -> tuple[Kind, str | None, str | None]:
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace, parts = (parts[1], parts[2:]) if parts[0] == "namespaces" else (None, parts)
    kind = next(kind for kind in KINDS if kind.plural == parts[0])
    return kind, namespace, parts[1] if len(parts) > 1 else None


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
    verbs = ["list", "watch", "patch"]
    return {
        "name": kind.plural,
        "singularName": "",
        "kind": kind.kind,
        "verbs": verbs,
        "namespaced": kind is not NAMESPACES,
    }


def _json(body: Body) -> web.Response:
    return web.json_response(body)


def _status(code: int, reason: str) -> web.Response:
    body = {"kind": "Status", "code": code, "reason": reason, "message": reason}
    return web.json_response(body, status=code)


def _merged(old: Body, patch: Body) -> Body:
    """Apply a merge patch (RFC 7386)."""
    result = {key: value for key, value in old.items() if key not in patch or patch[key] is not None}
    for key, value in patch.items():
        if isinstance(value, dict):
            result[key] = _merged(old.get(key) or {}, value)
        elif value is not None:
            result[key] = value
    return result
