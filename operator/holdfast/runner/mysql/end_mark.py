"""Sees that a dump was written to its end: the tool's last words must be the last thing in the stream."""

import re

TAIL = 4096  # bytes; the end mark is some 45
_LAST = re.compile(rb"(?:^|\n)-- Dump completed(?: on [0-9 :-]+)?\s*\Z")


class EndMark:
    """Keeps the tail of a stream."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: memoryview) -> None:
        """Take the next bytes."""
        self._tail = (self._tail + bytes(data[-TAIL:]))[-TAIL:]

    @property
    def seen(self) -> bool:
        """Whether the mark is there, with nothing but white space after it."""
        return _LAST.search(self._tail) is not None
