"""Sees that a dump was written to its end: the tool's last words must be the last thing in the stream."""

import re

from holdfast.runner.engines.tail import Tail

_LAST = re.compile(rb"(?:^|\n)-- Dump completed(?: on [0-9 :-]+)?\s*\Z")


class EndMark(Tail):
    """Whether the last that passed is an end mark."""

    @property
    def seen(self) -> bool:
        """Whether the mark is there, with nothing but white space after it."""
        return _LAST.search(self._tail) is not None
