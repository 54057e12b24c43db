"""The clock task: one task over all due times, instead of a timer an object; and a slow look at every key.

The slow look is what makes a lost event harmless: whatever it was about is looked at within ten minutes or so.
"""

import asyncio
import heapq
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from holdfast.reconcile.queue import Key, WorkQueue

RESYNC_SECONDS = 600.0
_LONGEST_SLEEP = 15.0  # seconds; a clock that is set forward, and the slow look's time, are noticed after that


class ClockTask:
    """Puts keys into the queue when they are due."""

    def __init__(
        self,
        queue: WorkQueue,
        now: Callable[[], datetime],
        keys: Callable[[], Iterable[Key]],
        resync: float = RESYNC_SECONDS,
    ) -> None:
        """Take where keys go, the clock, and all keys: each is looked at every `resync` seconds."""
        self._queue, self._now, self._keys = queue, now, keys
        self._resync = resync
        self._due: dict[Key, datetime] = {}
        self._heap: list[tuple[datetime, Key]] = []  # may hold entries that _due has replaced
        self._sooner = asyncio.Event()
        self.ticked = self._looked = time.monotonic()  # when it last came round, for the liveness probe; and looked

    def due(self, key: Key, at: datetime | None) -> None:
        """Have the key reconciled at that time; replaces the key's former due time, None removes it."""
        if at is None:
            self._due.pop(key, None)
            return
        self._due[key] = at
        heapq.heappush(self._heap, (at, key))
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = sorted((moment, key) for key, moment in self._due.items())
        if self._heap[0][1] == key:
            self._sooner.set()

    async def run(self) -> None:
        """Do so, for ever."""
        while True:
            self.ticked = time.monotonic()
            self._sooner.clear()
            self._release()
            self._look_at_all()
            await self._sleep()

    def _release(self) -> None:
        now = self._now()
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                self._queue.add(key)

    def _look_at_all(self) -> None:
        if self.ticked - self._looked >= self._resync:
            self._looked = self.ticked
            for key in list(self._keys()):
                self._queue.add(key)

    async def _sleep(self) -> None:
        """Sleep until the next due time, or until a sooner one comes."""
        seconds = _LONGEST_SLEEP
        if self._heap:
            seconds = min(seconds, (self._heap[0][0] - self._now()).total_seconds())
        try:
            async with asyncio.timeout(seconds):
                await self._sooner.wait()
        except TimeoutError:
            return
