"""The audit of the watches: whether the cache holds what the cluster holds.

A watch can die without a word (nolar/kopf #996, #1276), and one that is opened anew never tells of what was deleted
in between. So every few minutes the server's own list of versions is compared with the cache: what is gone is
forgotten, and what a watch has not brought is fetched. A watch that stays silent while there is something to bring
makes the process unhealthy. One that brings other objects lives, and beginning anew would mend nothing.

It asks for metadata only, and keeps names and versions of that: the rest may be as big as somebody made it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import NamedTuple

import structlog

from holdfast.handlers.watches import Watch, take
from holdfast.kube.client import KubeClient, Object
from holdfast.kube.errors import KubeError
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import WorkQueue
from holdfast.sentences import few
from holdfast.untrusted import Unreadable, mapping, needed

log = structlog.get_logger(__name__)


class Stream(NamedTuple):
    """One watch that kopf runs: of a kind, in one namespace or in all (None)."""

    watch: Watch
    namespace: str | None


class Seen(NamedTuple):
    """An object as the server lists it."""

    stream: Stream
    namespace: str
    name: str
    version: str

    def __str__(self) -> str:
        """Name it for people."""
        return f"{self.stream.watch.kind.kind} {self.namespace}/{self.name}"


class Audit:
    """Compares the cache with the cluster."""

    def __init__(
        self,
        cache: Cache,
        queue: WorkQueue,
        client: KubeClient,
        namespaces: Sequence[str],
        watches: Sequence[Watch],
        *,
        interval: float = 300,
        grace: float = 30,
    ) -> None:
        """Take the namespaces (none: all), what is watched there, and how often it audits and how late a watch may be.

        Both in seconds.
        """
        self._cache, self._queue, self._client = cache, queue, client
        self.namespaces, self._watches = namespaces, watches
        self._interval, self._grace = interval, grace
        self._silent: dict[Stream, float] = {}  # since when, of those that had something to bring
        self.behind: str | None = None  # what a watch has failed to bring, for the liveness probe

    async def wait_until_filled(self) -> None:
        """Return once the cache holds all that the cluster held when this began.

        Before that, a reconcile would take a Job that has not arrived for one that does not exist. What the watches
        do not bring in time is fetched: no object may keep the operator from its start. Raises KubeError when the
        cluster cannot be read (a missing CRD or right).
        """
        began, missing = time.monotonic(), await self.compare()
        await self._fetch(await self._settle(missing, self._grace + len(missing) / 50), began)

    async def run(self) -> None:
        """Audit, for ever."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.check()
            except KubeError as error:  # the Lease ends a leader that stays cut off
                log.warning("Could not audit the watches", error=error.message)

    async def check(self) -> None:
        """Audit once, and say in `behind` what came out."""
        began = time.monotonic()
        dead = await self._fetch(await self._settle(await self.compare(), self._grace), began)
        self.behind = _names(dead) if dead else None
        if dead:
            log.error("A watch delivers nothing", missing=self.behind)

    async def _settle(self, missing: list[Seen], seconds: float) -> list[Seen]:
        """Wait until the watches have brought what is missing; return what they have not, and the cluster has."""
        until = time.monotonic() + seconds
        while missing and time.monotonic() < until:
            await asyncio.sleep(min(0.2, self._grace / 4))
            while missing and self._knows(missing[-1]):  # watches bring them in the list's order: each is asked once
                missing.pop()
        if missing:  # deleted, perhaps, before a watch could see it
            still = {str(seen) for seen in await self.compare()}
            missing = [seen for seen in missing if str(seen) in still]
        return missing

    async def _fetch(self, missing: list[Seen], began: float) -> list[Seen]:
        """Bring what the watches have not; return what is missing of those that have been silent for two audits."""
        dead: list[Seen] = []
        for stream in {seen.stream for seen in missing}:
            lost = [seen for seen in missing if seen.stream == stream]
            log.error("Fetched an object that the watch missed", missing=_names(lost))
            if self._was_silent(stream, began):
                dead += lost
            await self._fetch_from(stream, {(seen.namespace, seen.name) for seen in lost})
        return dead

    def _was_silent(self, stream: Stream, began: float) -> bool:
        """Whether the watch has brought nothing since an earlier audit, either, that missed something of it."""
        heard = self._cache.heard(stream.watch.kind, stream.namespace)
        since = self._silent.get(stream)
        if heard >= began:
            self._silent.pop(stream, None)
            return False
        if since is None or heard >= since:
            self._silent[stream] = began
            return False
        return True

    async def _fetch_from(self, stream: Stream, names: set[tuple[str, str]]) -> None:
        async for page in self._pages(stream, metadata_only=False):
            for body in page:
                seen = _seen(stream, body)
                if seen and (seen.namespace, seen.name) in names:
                    take(stream.watch.kind, {"type": None, "object": body}, self._cache, self._queue)

    def _knows(self, seen: Seen) -> bool:
        return self._cache.store(seen.stream.watch.kind).knows(seen.namespace, seen.name, seen.version)

    async def compare(self) -> list[Seen]:
        """Forget what is gone from the cluster; return what the cache lacks. Raises KubeError."""
        missing: list[Seen] = []
        everywhere: Sequence[str | None] = self.namespaces or [None]
        for watch in self._watches:
            # What the cache held before the list was asked for, and the list does not hold, is gone.
            held = {(it.namespace, it.name): it.resource_version for it in self._cache.store(watch.kind).all()}
            for namespace in everywhere:
                async for page in self._pages(Stream(watch, namespace), metadata_only=True):
                    for seen in _all_seen(Stream(watch, namespace), page):
                        held.pop((seen.namespace, seen.name), None)
                        if not self._knows(seen):
                            missing.append(seen)
            for (namespace, name), version in held.items():
                self._forget(watch, namespace, name, version)
        return missing

    def _pages(self, stream: Stream, *, metadata_only: bool) -> AsyncIterator[list[Object]]:
        return self._client.pages(
            stream.watch.kind,
            stream.namespace,
            label_selector=stream.watch.label_selector,
            metadata_only=metadata_only,
        )

    def _forget(self, watch: Watch, namespace: str, name: str, version: str) -> None:
        log.info(
            "Forgot an object whose deletion the watch missed", kind=watch.kind.kind, namespace=namespace, name=name
        )
        body = {"metadata": {"namespace": namespace, "name": name, "resourceVersion": version}}
        take(watch.kind, {"type": "DELETED", "object": body}, self._cache, self._queue)


def _all_seen(stream: Stream, page: Iterable[Object]) -> Iterator[Seen]:
    return filter(None, (_seen(stream, body) for body in page))


def _seen(stream: Stream, body: Object) -> Seen | None:
    """Return what is compared of an object; None where it has no name, which no watch could bring, either."""
    meta = mapping(body.get("metadata"))
    try:
        return Seen(stream, needed(meta, "namespace"), needed(meta, "name"), needed(meta, "resourceVersion"))
    except Unreadable:
        return None


def _names(missing: Sequence[Seen]) -> str:
    return few([*map(str, missing)], 3)
