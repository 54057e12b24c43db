r"""Reads a script of mysqldump's or mariadb-dump's as it passes: the rows of each table, and a hash of the schema.

Rows are counted where they are dumped, so the count is exact and of the dump's own moment. Nearly all bytes of a dump
are rows. Both tools escape what a string holds (`\0 \n \r \\ \' \" \Z`,
https://dev.mysql.com/doc/c-api/9.7/en/mysql-real-escape-string-quote.html) under an empty sql_mode of their own: so the
first `;` at a line's end is the end of an INSERT, and each `(` outside strings begins a row. mariadb-dump begins a line
with each row, so there nobody has to look for strings. All else is read statement by statement, as the client does it
under the delimiter and the sql_mode that are in force, so that what merely looks like an INSERT, in a routine's body or
in a comment, is not taken for one.
"""

import hashlib
import re
from functools import lru_cache

from holdfast.contract.manifest import ManifestTable
from holdfast.runner.engines.counting import counter
from holdfast.runner.engines.lexer import STAY, Lexer
from holdfast.runner.engines.protocol import Contents

_NAME = rb"`((?:[^`]++|``)*+)`"
_HEADER = re.compile(rb"INSERT INTO " + _NAME + rb"(?: \((?:`[^`]*+`|[^`()]|" + STAY + rb")*+\))? VALUES(?=(\s)\()")
_TABLE = re.compile(rb"CREATE TABLE " + _NAME)
_DELIMITER = re.compile(rb"DELIMITER (\S+)\n")
_LINE = re.compile(rb"(?:--|/\*M!999999\\-)[^\n]*\n")  # a comment, or MariaDB's command to its client alone
_SPACE = re.compile(rb"\s*+")
_MODE = re.compile(rb"/\*!\d+ SET sql_mode\s*=\s*(?:'([^']*)'|@)")
# Rows, and what is said around them: settings that are saved and put back, keys, sequences' values.
_NO_SCHEMA = re.compile(
    rb"(?:/\*M?!\d+ ?)?(?:SET (?!\w+\s*=\s*['\w])|(?:SET|set) autocommit|ALTER TABLE "
    + _NAME
    + rb" (?:DIS|EN)ABLE KEYS|(?:UN)?LOCK TABLES|(?:COMMIT|commit);|(?:DO|SELECT) SETVAL\()",
)
_DATABASE = re.compile(rb"\AALTER DATABASE " + _NAME)  # by its name, which may be another one after a restore
# MySQL says a column's character set beside its collation, which has it, or does not, as the column was made.
_CHARACTER_SET = re.compile(
    rb"(\n  `(?:[^`]|``)*+` (?:(?:enum|set)\((?:'(?:[^'\\]|''|\\.|" + STAY + rb")*+',?|" + STAY + rb")*+\)|[^' \n]++))"
    rb" CHARACTER SET \w++(?= COLLATE )"
)
_NEXT_NUMBER = re.compile(rb"( ENGINE=\w+) AUTO_INCREMENT=\d+")

_UNKNOWN = re.compile(rb"(?:INSERT|REPLACE|LOAD)\s")  # rows in a form that is not known

_LOOKAHEAD = 64  # bytes, more than what tells one kind of statement from another
_LONGEST = 8 << 20  # bytes of a statement that holds no rows


@lru_cache
def _statement(delimiter: bytes, sql_mode: bytes) -> re.Pattern[bytes]:
    """Return what a statement is, up to its delimiter, which begins with `;`."""
    delimiter = re.escape(delimiter)
    inside = b"" if b"NO_BACKSLASH_ESCAPES" in sql_mode else rb"\\"
    text = rb"'(?:[^'" + inside + rb"]++|\\.)*+'"
    name = rb'"[^"]*+"' if b"ANSI_QUOTES" in sql_mode else text.replace(b"'", b'"')
    comment = rb"--(?=\s)[^\n]*+\n|#[^\n]*+\n|/\*(?!M?!)(?:[^*]++|\*(?!/)|" + STAY + rb")*+\*/"
    other = rb"[^'\"`#/;-]++|-(?!-\s)|/(?!\*)|/\*(?=M?!)|(?!" + delimiter + rb");"
    return re.compile(
        rb"(?:" + b"|".join((other, text, name, rb"`[^`]*+`", comment, STAY)) + rb")*+" + delimiter, re.DOTALL
    )


class Script(Lexer):
    """See Lexer."""

    def __init__(self) -> None:
        super().__init__()
        self._read = self._statements
        self._delimiter, self._sql_mode = b";", b""
        self._wanted = 0  # bytes that must be there until what was not whole is looked at again
        self._tables: dict[bytes, int] = {}
        self._table = b""  # whose rows are read
        self._within = 0  # 1 within a string
        self._schema = hashlib.sha256()
        self._counter = counter()

    def contents(self) -> Contents | None:
        """End the stream; return what was in it, None where it could not be followed to its end."""
        self._wanted = 0
        self.feed(b"\n" * _LOOKAHEAD)
        if self._read != self._statements or self._at < len(self._held):
            return None
        tables = [ManifestTable(name=_text(name), rows=rows) for name, rows in self._tables.items()]
        return Contents(tables, self._schema.hexdigest())

    def _statements(self, buffer: bytes, at: int) -> int:
        space = _SPACE.match(buffer, at)
        assert space is not None  # it may match nothing
        start, there = space.end(), len(buffer) - space.end()
        if there < max(_LOOKAHEAD, self._wanted):
            return start
        reached = self._line(buffer, start) or self._insert(buffer, start) or self._other(buffer, start)
        self._wanted = 0 if reached else 2 * there
        if reached is None and there > _LONGEST:
            self._read = self._anything
        return reached or start

    def _line(self, buffer: bytes, at: int) -> int | None:
        delimiter = _DELIMITER.match(buffer, at)
        if delimiter:
            self._delimiter = delimiter[1]
        line = delimiter or _LINE.match(buffer, at)
        return line and line.end()

    def _insert(self, buffer: bytes, at: int) -> int | None:
        header = _HEADER.match(buffer, at) if self._delimiter == b";" else None
        if header is None:
            return None
        self._table, self._within = header[1], 0
        self._read = self._lines if header[2] == b"\n" else self._rows
        self._tables.setdefault(header[1], 0)
        return header.end()

    def _other(self, buffer: bytes, at: int) -> int | None:
        whole = _statement(self._delimiter, self._sql_mode).match(buffer, at)
        if whole is None:
            return None
        if self._delimiter == b";" and _UNKNOWN.match(buffer, at):
            self._read = self._anything
            return whole.end()
        said, mode = whole[0], _MODE.match(buffer, at)
        if mode:
            self._sql_mode = mode[1] or b""
        table = _TABLE.match(said)
        if table:
            self._tables.setdefault(table[1], 0)
            said = worded(said)
        said = _DATABASE.sub(b"ALTER DATABASE", said)
        if not _NO_SCHEMA.match(said):
            self._schema.update(said)
        return whole.end()

    def _lines(self, buffer: bytes, at: int) -> int:
        """Count the lines that begin a row, as `_rows` does: within a string, a line's end is escaped."""
        reached, rows, ended = self._counter.lines(buffer, at)
        self._tables[self._table] += rows
        if not ended:
            return reached
        self._read = self._statements
        return reached + 2

    def _rows(self, buffer: bytes, at: int) -> int:
        """Count what begins a row outside strings, up to the end of the INSERT, or of what is there of it."""
        end = buffer.find(b"\n", at)  # finds faster; mysqldump's INSERT has only that one
        end = buffer.find(b";\n", max(at, end - 1)) if end >= 0 else -1
        reached = end if end >= 0 else max(at, len(buffer) - 1)
        reached, rows, self._within = self._counter.texts(buffer, at, reached, self._within)
        self._tables[self._table] += rows
        if end < 0:
            return reached
        self._read = self._statements if not self._within else self._anything
        return end + 1


def worded(table: bytes) -> bytes:
    """Return a table's definition without what may be said of it in two ways, or changes with its rows."""
    return _CHARACTER_SET.sub(rb"\1", _NEXT_NUMBER.sub(rb"\1", table))


def _text(name: bytes) -> str:
    return name.replace(b"``", b"`").decode(errors="backslashreplace")
