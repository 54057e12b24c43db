"""Progress for people and tools: one line a second with what has been read and stored so far."""

import threading
import time
from types import TracebackType
from typing import Self

from holdfast.runner.pod.log import Log

INTERVAL = 1.0  # seconds


class Progress:
    """Counts bytes and logs them once a second while the block runs. Counters are set by the one thread that works."""

    def __init__(self, log: Log, phase: str, estimated_total: int | None = None) -> None:
        """`estimated_total` is what the whole may come to before compression, bytes."""
        self._log = log
        self._estimated_total = estimated_total
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)
        self.phase = phase
        self.uncompressed = 0
        self.stored = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _tick(self) -> None:
        before, moment = 0, time.monotonic()
        while not self._done.wait(INTERVAL):
            count, now = self.uncompressed, time.monotonic()
            self._log.line(
                "progress",
                phase=self.phase,
                bytes=self.stored,
                uncompressedBytes=count,
                rate=round((count - before) / (now - moment)),
                estimatedTotal=self._estimated_total,
            )
            before, moment = count, now
