"""Counts the rows in what passes: in C where the image has it, else in Python, which takes longer for the same.

Why so: docs/adr/0037-rows-are-counted-in-c.md.
"""

import ctypes
import sys
from pathlib import Path
from typing import Protocol

LIBRARY = Path(sys.prefix) / "lib" / "holdfast-rows.so"
"""Built of rows.c when the image is; nothing needs it."""

_END_OF_COPY = b"\n\\.\n"
_END_OF_LINES = b");\n"
_MARKS = bytes(set(range(256)) - set(b"'("))  # all but what tells a row
_ESCAPES = bytes(set(range(256)) - set(b"'(\\0nrZ\""))  # and all that can follow a backslash


class Counter(Protocol):
    """Counts rows in a buffer from a place on. What is not there yet is told by the next buffer."""

    def copied(self, buffer: bytes, at: int) -> tuple[int, int, bool]:
        r"""Count the lines after the line end at `at`, or after what was read before, up to a line `\.`.

        Returns how far it has read, the lines, and whether their end is there: it has read to the line end before it.
        """

    def lines(self, buffer: bytes, at: int) -> tuple[int, int, bool]:
        r"""Count the lines that begin with `(`, up to `);` at a line's end; return what `copied` does."""

    def texts(self, buffer: bytes, at: int, end: int, within: int) -> tuple[int, int, int]:
        """Count each `(` outside of strings. `within`: 1 within a string, 0 outside.

        Returns how far it has read, the rows, and `within`. It stops before a backslash at the end: what that escapes
        is not there yet.
        """


class InPython:
    """See Counter."""

    def copied(self, buffer: bytes, at: int) -> tuple[int, int, bool]:
        """See Counter."""
        end = buffer.find(_END_OF_COPY, at)
        reached = end if end >= 0 else max(at, len(buffer) - len(_END_OF_COPY) + 1)
        # CPython counts a character of a text half as fast again as a byte (measured with 3.13).
        text = str(memoryview(buffer)[at : reached + 1], "latin-1")
        return reached, text.count("\n") - text.startswith("\n"), end >= 0

    def lines(self, buffer: bytes, at: int) -> tuple[int, int, bool]:
        """See Counter."""
        end = buffer.find(_END_OF_LINES, at)
        reached = end if end >= 0 else max(at, len(buffer) - len(_END_OF_LINES) + 1)
        return reached, buffer.count(b"\n(", at, reached + 1), end >= 0

    def texts(self, buffer: bytes, at: int, end: int, within: int) -> tuple[int, int, int]:
        """See Counter."""
        text = buffer[at:end]
        if b"\\" in text:
            if (len(text) - len(text.rstrip(b"\\"))) % 2:
                end, text = end - 1, text[:-1]
            text = text.translate(None, _ESCAPES).replace(b"\\\\", b"").replace(b"\\'", b"")
        # Of two quotes side by side, between which no row can begin, neither changes what the others mean.
        pieces = text.translate(None, _MARKS).replace(b"''", b"").split(b"'")
        return end, sum(map(len, pieces[within::2])), within ^ (len(pieces) - 1) % 2


class InC:
    """See Counter. The functions take some microseconds and hold the interpreter's lock."""

    def __init__(self, library: Path) -> None:
        functions = ctypes.PyDLL(str(library))
        self._rows, self._flag = ctypes.c_size_t(), ctypes.c_int()
        size, flag = ctypes.c_size_t, ctypes.c_int
        for function in (functions.copy_rows, functions.line_rows, functions.text_rows):
            function.argtypes = [ctypes.c_char_p, size, size, ctypes.POINTER(size), ctypes.POINTER(flag)]
            function.restype = size
        self._copied, self._lines, self._texts = functions.copy_rows, functions.line_rows, functions.text_rows

    def copied(self, buffer: bytes, at: int) -> tuple[int, int, bool]:
        """See Counter."""
        reached = self._copied(buffer, at, len(buffer), self._rows, self._flag)
        return reached, self._rows.value, bool(self._flag.value)

    def lines(self, buffer: bytes, at: int) -> tuple[int, int, bool]:
        """See Counter."""
        reached = self._lines(buffer, at, len(buffer), self._rows, self._flag)
        return reached, self._rows.value, bool(self._flag.value)

    def texts(self, buffer: bytes, at: int, end: int, within: int) -> tuple[int, int, int]:
        """See Counter."""
        self._flag.value = within
        reached = self._texts(buffer, at, end, self._rows, self._flag)
        return reached, self._rows.value, self._flag.value


def counter() -> Counter:
    """Return the fastest that is there; one for each reader, since it keeps what its last answer was."""
    return InC(LIBRARY) if LIBRARY.is_file() else InPython()
