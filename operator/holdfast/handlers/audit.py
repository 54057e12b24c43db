"""The audit of the watches: whether the cache holds what the cluster holds.

A watch can die without a word (nolar/kopf #996, #1276), and one that is opened anew never tells of what was deleted
in between. So every few minutes the server's own list of versions is compared with the cache: what is gone is
forgotten, and a watch that is behind makes the process unhealthy, whatever the reason. It asks for metadata only.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog

from holdfast.handlers.watches import WATCHES, Watch, keys_of
from holdfast.kube.client import KubeClient, Object
from holdfast.kube.errors import KubeError
from holdfast.reconcile.cache import Body, Cache
from holdfast.reconcile.queue import WorkQueue

log = structlog.get_logger(__name__)

Missing = list[tuple[Watch, Object]]


class Audit:
    """Compares the cache with the cluster."""

    def __init__(
        self,
        cache: Cache,
        queue: WorkQueue,
        client: KubeClient,
        namespaces: Sequence[str],
        *,
        interval: float = 300,
        grace: float = 30,
    ) -> None:
        """Take the namespaces watched (none: all), seconds between audits, and how late a watch may be, seconds."""
        self._cache, self._queue, self._client = cache, queue, client
        self.namespaces = namespaces
        self._interval, self._grace = interval, grace
        self.behind: str | None = None  # what a watch has failed to bring, for the liveness probe

    async def wait_until_filled(self) -> None:
        """Return once the cache holds all that the cluster held when this began.

        Before that, a reconcile would take a Job that has not arrived for one that does not exist. Raises KubeError
        when the cluster cannot be read (a missing CRD or right), TimeoutError when the watches do not bring it.
        """
        missing = await self.compare()
        limit = self._grace + len(missing) / 50
        if missing := await self._settle(missing, limit):
            raise TimeoutError(f"not brought by a watch within {limit:.0f} s: {_names(missing)}")

    async def run(self) -> None:
        """Audit, for ever."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.check()
            except KubeError as error:  # the Lease ends a leader that stays cut off
                log.warning("Watches not audited", error=error.message)

    async def check(self) -> None:
        """Audit once, and say in `behind` what came out."""
        missing = await self._settle(await self.compare(), self._grace)
        self.behind = _names(missing) if missing else None
        if missing:
            log.error("A watch does not bring what the cluster holds", missing=self.behind)

    async def _settle(self, missing: Missing, seconds: float) -> Missing:
        """Wait until the watches have brought what is missing; return what they have not, and the cluster has."""
        until = time.monotonic() + seconds
        while missing and time.monotonic() < until:
            await asyncio.sleep(min(0.2, self._grace / 4))
            missing = [(watch, item) for watch, item in missing if not self._knows(watch, item)]
        if missing:  # deleted, perhaps, before a watch could see it
            still = {_name(watch, item) for watch, item in await self.compare()}
            missing = [(watch, item) for watch, item in missing if _name(watch, item) in still]
        return missing

    def _knows(self, watch: Watch, item: Body) -> bool:
        meta = item["metadata"]
        return self._cache.store(watch.kind).knows(meta["namespace"], meta["name"], meta["resourceVersion"])

    async def compare(self) -> Missing:
        """Forget what is gone from the cluster; return what the cache lacks. Raises KubeError."""
        missing: Missing = []
        everywhere: Sequence[str | None] = self.namespaces or [None]
        for watch in WATCHES:
            # What the cache held before the list was asked for, and the list does not hold, is gone.
            held = {(it.namespace, it.name): it.resource_version for it in self._cache.store(watch.kind).all()}
            items = [item for namespace in everywhere for item in await self._list(watch, namespace)]
            missing += [(watch, item) for item in items if not self._knows(watch, item)]
            there = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items}
            for namespace, name in held.keys() - there:
                self._forget(watch, namespace, name, held[namespace, name])
        return missing

    async def _list(self, watch: Watch, namespace: str | None) -> list[Object]:
        return await self._client.list(
            watch.kind,
            namespace,
            label_selector=watch.label_selector,
            field_selector=watch.field_selector,
            metadata_only=True,
        )

    def _forget(self, watch: Watch, namespace: str, name: str, version: str) -> None:
        log.info("Forgotten: deleted unseen", kind=watch.kind.kind, namespace=namespace, name=name)
        body = {"metadata": {"namespace": namespace, "name": name, "resourceVersion": version}}
        keys = list(keys_of(watch.kind, body, self._cache))
        self._cache.remove(watch.kind, body)
        for key in keys:
            self._queue.add(key)


def _name(watch: Watch, item: Body) -> str:
    return f"{watch.kind.kind} {item['metadata']['namespace']}/{item['metadata']['name']}"


def _names(missing: Missing) -> str:
    shown = [_name(watch, item) for watch, item in missing[:3]]
    return ", ".join(shown) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
