"""Moves bytes from a tool to the bucket: one reader, several takers, only a buffer and the current parts are held."""

import select
import time
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.compress import Compressor
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop

if TYPE_CHECKING:  # they import slow libraries
    from holdfast.runner.artifact.encryption import Piped
    from holdfast.runner.bucket.upload import Upload

BUFFER = 1 << 20  # bytes; what a pipe of ours holds
LOOK = 1.0  # seconds between two looks whether a silent pipe is still wanted
SILENCE = 300.0  # seconds without a byte, until the server is asked; a scan of dead rows may well be silent for longer


class Sink:
    """Compresses what it gets, encrypts that where it is asked to, and passes it on to the upload."""

    def __init__(
        self, compressor: Compressor, upload: "Upload", progress: Progress, encryption: "Piped | None" = None
    ) -> None:
        self._compressor = compressor
        self._encryption = encryption
        self._upload = upload
        self._progress = progress
        self.uncompressed = 0

    def write(self, data: memoryview | bytes) -> int:
        """Take the next bytes; waits while the store is slow."""
        view = memoryview(data)
        self.uncompressed += len(view)
        ready = self._compressor.compress(view)
        if ready:
            self._store(ready)
        self._progress.uncompressed = self.uncompressed
        self._progress.stored = self._upload.size
        return len(view)

    def close(self) -> None:
        """Pass on the rest. Raises SizeImplausible when nothing came at all."""
        if self.uncompressed == 0:
            raise HoldfastError(
                Reason.SIZE_IMPLAUSIBLE,
                "the dump tool wrote nothing",
                "read the server's log, then create another backup",
            )
        rest = self._compressor.flush()
        if rest:
            self._store(rest)
        if self._encryption:
            self._upload.write(self._encryption.end())

    def _store(self, data: bytes | memoryview) -> None:
        if self._encryption:
            data = self._encryption.take(data)
        self._upload.write(data)


def pump(
    source: IO[bytes],
    takers: Sequence[Callable[[memoryview], object]],
    stop: Stop,
    silent: Callable[[float], None] | None = None,
) -> None:
    """Read the pipe to its end, giving each chunk to every taker. Raises when the task is asked to end.

    `silent` is called with the seconds without a byte, whenever SILENCE passes so; it raises where waiting is no use.
    The time that a taker takes is none: a slow store is no silence.
    """
    view = memoryview(bytearray(BUFFER))
    _await(source, stop, silent)
    while count := source.readinto(view):  # type: ignore[attr-defined]
        stop.check()
        for take in takers:
            take(view[:count])
        _await(source, stop, silent)
    stop.check()


def _await(source: IO[bytes], stop: Stop, silent: Callable[[float], None] | None) -> None:
    """Wait until there is something to read, or the end."""
    since = asked = time.monotonic()
    while not select.select([source], [], [], LOOK)[0]:
        stop.check()
        now = time.monotonic()
        if silent and now - asked >= SILENCE:
            silent(now - since)
            asked = now
