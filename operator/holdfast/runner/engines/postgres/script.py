r"""Reads a plain script of pg_dump's as it passes: the rows of each table, and a hash of what makes the schema.

Rows are counted where they are dumped, so the count is exact and of the dump's own snapshot, whatever else the server
does meanwhile. Nearly all bytes of a dump are rows: a block of them costs one search for its end and one count of its
line ends, since COPY's text format writes a row as one line and never a line `\.` but at the end
(https://www.postgresql.org/docs/current/sql-copy.html). All else is lexed as psql does it, so that what merely looks
like a COPY, in a function's body or in a comment, is not taken for one.
"""

import hashlib
import re

from holdfast.contract.manifest import ManifestTable
from holdfast.runner.engines.counting import counter
from holdfast.runner.engines.lexer import STAY, Lexer, Reader
from holdfast.runner.engines.protocol import Contents

_PART = rb'(?:"[^"]*(?:""[^"]*)*"|[^\s".(;]+)'
_COPY = re.compile(rb"\nCOPY (" + _PART + rb"\." + _PART + rb") (?:\(.*\))? FROM stdin;\n", re.DOTALL)
_STATEMENT = re.compile(rb'(?:[^";]++|"[^"]*+"|' + STAY + rb")*+;\n")
_END_OF_ROWS = b"\n\\.\n"

# Statements, each from a line's start, that are no schema: rows, settings, sequences' values and large objects.
_TOKEN = re.compile(rb"""['"$]|--|\n(?:\\|COPY |SET (?!default_)|SELECT pg_catalog\.|BEGIN;|COMMIT;)""")
_END_TOKEN = re.compile(rb"""['"$;]|--""")
_OLD_STRINGS = b"\nSET standard_conforming_strings = off;"
LOOKAHEAD = 64  # bytes, more than any token has: nearer to the end of what is there, a token may be cut

_ESCAPE = re.compile(rb"(?:\A|[^A-Za-z0-9_$\x80-\xff])[eE]\Z")
_ESCAPED = re.compile(rb"[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+", re.DOTALL)
_DOLLAR = re.compile(rb"(?<![A-Za-z0-9_$\x80-\xff])\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$")
_DOLLAR_CUT = re.compile(rb"\$[A-Za-z0-9_\x80-\xff]*\Z")
_LONGEST_HEADER = 1 << 20  # bytes; 1,600 columns of the longest names have some 200 kB


class Script(Lexer):
    """See Lexer."""

    token, end_token = _TOKEN, _END_TOKEN
    before = 2  # bytes, to see whether a quote begins an E'...' string

    def __init__(self) -> None:
        super().__init__(b"\n")  # the first line begins as any other
        self._tables: list[tuple[bytes, int]] = []
        self._schema = hashlib.sha256()
        self._read = self._statements
        self._skipping = False  # within a statement that is no schema
        self._old_strings = False  # a backslash escapes in plain strings, too
        self._end = b""  # of what is quoted
        self._counter = counter()
        self._rows = 0  # of the table whose rows are read
        self._lost = False

    def contents(self) -> Contents | None:
        """End the stream; return what was in it, None where it could not be followed to its end."""
        self.feed(b"\n" * LOOKAHEAD)
        if self._lost or self._read != self._statements:
            return None
        tables = [ManifestTable(name=name.decode(errors="backslashreplace"), rows=rows) for name, rows in self._tables]
        return Contents(tables, self._schema.hexdigest())

    def _statements(self, buffer: bytes, at: int) -> int:
        found = (self.end_token if self._skipping else self.token).search(buffer, at)
        safe = len(buffer) - LOOKAHEAD
        start = found.start() if found else len(buffer)
        # Line ends between statements vary from one version of pg_dump to the next.
        self._hash(buffer[at : min(start, max(at, safe))].replace(b"\n", b""))
        if found is None or start > safe:
            return max(at, safe)
        match found[0]:
            case b"'" | b'"' | b"$":
                return self._quote(buffer, start)
            case b"--":
                self._read = self._comment
            case b"\n\\" | b"\\" | b"/*":
                self._read = self._other(found[0])
            case b";":
                self._skipping = False
                self._ends(buffer, found.end())
            case b"\nCOPY ":
                self._read = self._header
                return start
            case _:
                self._skipping = True
                self._begins(found[0], buffer, start + 1)
                self._old_strings |= buffer.startswith(_OLD_STRINGS, start)
                return start + 1
        return found.end()

    def _begins(self, token: bytes, buffer: bytes, at: int) -> None:
        """Take note of a statement that is no schema; see commands.py."""

    def _ends(self, buffer: bytes, at: int) -> None:
        """Take note of its end."""

    def _quote(self, buffer: bytes, start: int) -> int:
        """Begin what is quoted by the character at `start`."""
        mark = buffer[start : start + 1]
        if mark == b"$":
            dollar = _DOLLAR.match(buffer, start)
            if dollar is None and _DOLLAR_CUT.match(buffer, start):
                return start
            if dollar is None:
                self._hash(mark)
                return start + 1
            mark = dollar[0]
        self._hash(mark)
        self._end, self._read = mark, self._quoted
        if mark == b"'" and (self._old_strings or _ESCAPE.search(buffer[max(0, start - self.before) : start])):
            self._read = self._escaped
        return start + len(mark)

    def _quoted(self, buffer: bytes, at: int) -> int:
        """Read to the end mark. A doubled quote ends what is quoted and begins it anew, which comes to the same."""
        end = buffer.find(self._end, at)
        reached = end + len(self._end) if end >= 0 else max(at, len(buffer) - len(self._end) + 1)
        self._hash(buffer[at:reached])
        if end >= 0:
            self._read = self._statements
        return reached

    def _escaped(self, buffer: bytes, at: int) -> int:
        inside = _ESCAPED.match(buffer, at)
        assert inside is not None  # it may match nothing
        end = inside.end()
        closed = buffer.startswith(b"'", end) and end + 1 < len(buffer)
        reached = end + 1 if closed else end
        self._hash(buffer[at:reached])
        if closed:
            self._read = self._statements
        return reached

    def _comment(self, buffer: bytes, at: int) -> int:
        end = buffer.find(b"\n", at)
        if end < 0:
            return len(buffer)
        self._read = self._statements
        return end

    def _other(self, token: bytes) -> Reader:  # noqa: ARG002 - see commands.py
        """Return what reads on after a backslash; it is a command of psql's, and no schema."""
        return self._comment

    def _unknown_copy(self, buffer: bytes, at: int) -> None:  # noqa: ARG002
        """Give up."""
        self._lost, self._read = True, self._anything

    def _header(self, buffer: bytes, at: int) -> int:
        """Read `COPY schema.table (columns) FROM stdin;`, from the line end before it to the one after it."""
        whole = _STATEMENT.match(buffer, at)
        if whole is None and len(buffer) - at < _LONGEST_HEADER:
            return at
        copy = _COPY.fullmatch(whole[0]) if whole else None
        if whole is None or copy is None:
            self._unknown_copy(buffer, at)
            return at
        self._tables.append((copy[1], 0))
        self._rows, self._read = 0, self._rows_of_table
        return whole.end() - 1

    def _rows_of_table(self, buffer: bytes, at: int) -> int:
        """Count lines from the line end at `at`, which is the header's, or a row's that is counted already."""
        reached, rows, ended = self._counter.copied(buffer, at)
        self._rows += rows
        if not ended:
            return reached
        self._tables[-1] = (self._tables[-1][0], self._rows)
        self._read = self._statements
        return reached + len(_END_OF_ROWS) - 1

    def _hash(self, text: bytes) -> None:
        if not self._skipping:
            self._schema.update(text)
