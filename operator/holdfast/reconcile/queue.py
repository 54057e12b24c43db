"""The work queue: keys in, one reconcile a key at a time, backoff a key on error. It knows nothing of what is done.

A key stands in it once, however often it is added. One that is added while it is worked on runs again afterwards,
since the reconcile under way may have looked already.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple

import structlog
from prometheus_client import Counter, Gauge, Histogram

from holdfast.kube.errors import Conflict, KubeError, Unavailable

log = structlog.get_logger(__name__)

DEPTH = Gauge("holdfast_queue_depth", "Keys that wait for a worker.")
RECONCILES = Counter("holdfast_reconciles_total", "Reconciles, by outcome.", ["kind", "outcome"])
SECONDS = Histogram(
    "holdfast_reconcile_duration_seconds", "Time of one reconcile.", ["kind"], buckets=(0.005, 0.05, 0.5, 5, 30)
)

_FIRST_BACKOFF = 0.5  # seconds
_MAX_BACKOFF = 60.0


class Key(NamedTuple):
    """What to reconcile: a kind (`DatabaseBackup`, `BackupPolicy`), its namespace and its name."""

    kind: str
    namespace: str
    name: str


Reconcile = Callable[[Key], Awaitable[datetime | None]]
OnDue = Callable[[Key, datetime | None], None]


class WorkQueue:
    """Keys that wait for their reconcile. For one event loop."""

    def __init__(self) -> None:
        """Start empty."""
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()  # in _ready
        self._running: set[Key] = set()
        self._again: set[Key] = set()  # added while running
        self._later: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        DEPTH.set_function(self.depth)

    def depth(self) -> int:
        """Return how many keys wait for a worker."""
        return len(self._waiting) + len(self._again)

    def add(self, key: Key, after: float = 0) -> None:
        """Have the key reconciled, at the earliest after so many seconds. The sooner of two calls counts."""
        if key in self._waiting:
            return
        if after > 0:
            self._add_later(key, after)
            return
        if timer := self._later.pop(key, None):
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        else:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    async def work(self, reconcile: Reconcile, on_due: OnDue, workers: int) -> None:
        """Reconcile what comes, for ever. After each success `on_due` is told when the key is due next, if ever."""
        async with asyncio.TaskGroup() as group:
            for number in range(workers):
                group.create_task(self._worker(reconcile, on_due), name=f"reconciler {number}")

    async def _worker(self, reconcile: Reconcile, on_due: OnDue) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._running.add(key)
            try:
                await self._run(key, reconcile, on_due)
            finally:
                self._running.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            await asyncio.sleep(0)  # a reconcile that had nothing to do never waited: let the watches have their turn

    async def _run(self, key: Key, reconcile: Reconcile, on_due: OnDue) -> None:
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(kind=key.kind, namespace=key.namespace, name=key.name):
            try:
                due = await reconcile(key)
            except Exception as error:  # noqa: BLE001 - a fault in one reconcile must not end the others'
                self._failed(key, error)
            else:
                self._failures.pop(key, None)
                on_due(key, due)
                RECONCILES.labels(key.kind, "success").inc()
        SECONDS.labels(key.kind).observe(time.monotonic() - began)

    def _failed(self, key: Key, error: Exception) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = backoff(failures, random.random())  # noqa: S311 - jitter
        if isinstance(error, Unavailable) and error.retry_after is not None:
            delay = max(delay, error.retry_after)
        RECONCILES.labels(key.kind, type(error).__name__ if isinstance(error, KubeError) else "fault").inc()
        if isinstance(error, Conflict):
            log.info("The object changed meanwhile; trying again", seconds=round(delay, 1))
        elif isinstance(error, KubeError):
            log.warning("Reconcile failed; trying again", error=str(error), failures=failures, seconds=round(delay, 1))
        else:
            log.error("Reconcile failed because of a fault in Holdfast", exc_info=error, seconds=round(delay, 1))
        self.add(key, delay)

    def _add_later(self, key: Key, after: float) -> None:
        loop = asyncio.get_running_loop()
        held = self._later.get(key)
        if held and held.when() <= loop.time() + after:
            return
        if held:
            held.cancel()
        self._later[key] = loop.call_later(after, self.add, key)


def backoff(failures: int, chance: float) -> float:
    """Return the seconds to wait after so many failures in a row: doubling, capped at 60, spread by chance (0 to 1)."""
    full = min(_MAX_BACKOFF, _FIRST_BACKOFF * 2.0 ** min(failures - 1, 16))
    return full * (0.5 + chance / 2)
