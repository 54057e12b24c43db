"""Reads a stream piece by piece, as a machine of states: what the readers of the engines' scripts have in common."""

from collections.abc import Callable

Reader = Callable[[bytes, int], int]

STAY = rb"(?!)"
"""The last choice of a possessive group, which never matches.

Before Python 3.11.5 (Debian bookworm's is older) what is tried after such a group is tried where its last choice gave
up, unless yet another choice was begun after that one (https://github.com/python/cpython/issues/106052).
"""

_SLICE = 1 << 17  # bytes; what is copied stays in the processor's cache: twice as fast as 1 MiB at a time (measured)


class Lexer:
    """Is fed chunks of any size.

    Each state is a method: it takes the buffer and where to go on, and returns how far it has read; the rest is held.
    """

    before = 0
    """Bytes that are kept of what was read."""

    def __init__(self, held: bytes = b"") -> None:
        self._held, self._at = held, 0
        self._read: Reader = self._anything

    def feed(self, data: memoryview | bytes) -> None:
        """Take the next bytes."""
        for start in range(0, len(data), _SLICE):
            self._take(data[start : start + _SLICE])

    def _take(self, data: memoryview | bytes) -> None:
        buffer, at = b"".join((self._held, data)), self._at
        while True:
            read = self._read
            reached = read(buffer, at)
            if reached == at and self._read is read:
                break
            at = reached
        keep = max(0, at - self.before)
        self._held, self._at = buffer[keep:], at - keep

    def _anything(self, buffer: bytes, at: int) -> int:
        """Read on without a look, once a stream could not be followed."""
        return max(at, len(buffer))
