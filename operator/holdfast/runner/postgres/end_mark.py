"""Sees that a plain SQL dump was written to its end: pg_dump's last words must be the last thing in the stream."""

import re

TAIL = 4096  # bytes; the end mark and what may follow it are some 150
_LINE = re.compile(rb"^-- PostgreSQL database dump complete\r?$", re.MULTILINE)
_MAY_FOLLOW = re.compile(rb"(--[^\n]*|\\unrestrict [A-Za-z0-9]+|[ \t\r]*)\Z")


class EndMark:
    """Keeps the tail of a stream."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: memoryview) -> None:
        """Take the next bytes."""
        self._tail = (self._tail + bytes(data[-TAIL:]))[-TAIL:]

    @property
    def seen(self) -> bool:
        r"""Whether the mark is there with only comments and `\unrestrict` (pg_dump since August 2025) after it."""
        marks = list(_LINE.finditer(self._tail))
        return bool(marks) and all(_MAY_FOLLOW.match(line) for line in self._tail[marks[-1].end() :].split(b"\n"))
