"""Sees that a plain SQL dump was written to its end: pg_dump's last words must be the last thing in the stream."""

import re

from holdfast.runner.engines.tail import Tail

_LINE = re.compile(rb"^-- PostgreSQL database dump complete\r?$", re.MULTILINE)
_MAY_FOLLOW = re.compile(rb"(--[^\n]*|\\unrestrict [A-Za-z0-9]+|[ \t\r]*)\Z")


class EndMark(Tail):
    """Whether the last that passed is an end mark."""

    @property
    def seen(self) -> bool:
        r"""Whether the mark is there with only comments and `\unrestrict` (pg_dump since August 2025) after it."""
        marks = list(_LINE.finditer(self._tail))
        return bool(marks) and all(_MAY_FOLLOW.match(line) for line in self._tail[marks[-1].end() :].split(b"\n"))
