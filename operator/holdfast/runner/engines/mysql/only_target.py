"""Keeps a restore to its target: passes a dump's script on, with no statement that says anything of another database.

Around a routine or trigger that is older than the database's character set, the dump tools write ALTER DATABASE with
the name of the database that was dumped. Restored beside it under another name, that would change the original. So
the name is made the target's there, and wherever else the tools write the original's own.

A statement is let through by its form: the tools' own. Another one (USE, GRANT, CREATE DATABASE, SET GLOBAL, a table
that names another database, a statement among rows) is refused. What the *bodies* of routines, triggers, events and
views name is the application's own and stays as it is: how far that reaches, the rights of the restore's user say.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, MutableMapping
from itertools import pairwise

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql.grants import quoted
from holdfast.runner.engines.mysql.script import Script, worded
from holdfast.runner.engines.mysql.tokens import NAME, plain, tokens
from holdfast.runner.pod.text import one_line

Token = tuple[int, bytes]
Edit = tuple[int, int, bytes]
"""From where to where, and what stands there instead."""
Definitions = MutableMapping[str, bytes]
"""What makes the schema, each by its kind and name, with a hash of its definition."""

_HEAD = 120  # tokens; more than the longest head of a statement has
_IS_NAME = re.compile(NAME)
_WORD = re.compile(rb"[A-Za-z_$\x80-\xff][\w$\x80-\xff]*")
_DEFINED = rb"(?:DEFINER=" + NAME + rb"@" + NAME + rb" )?"
_TYPED = rb"(?:" + NAME + rb"|[\w$\x80-\xff]+)"  # of a trigger, whose words MariaDB keeps as they were typed
_FORMS = (
    rb"SET NAMES \w+\Z",
    rb"SET (?:@{0,2}(?:session\.)?(?!PASSWORD\b)\w+=[^()`]*)\Z",
    rb"CREATE TABLE " + NAME + rb" \(",
    rb"CREATE (?:ALGORITHM=\w+ )?" + _DEFINED + rb"(?:SQL SECURITY \w+ )?(?:JSON RELATIONAL DUALITY )?VIEW " + NAME
    + rb" ?(?:AS|\()",
    rb"CREATE " + _DEFINED + rb"TRIGGER " + _TYPED + rb" (?:BEFORE|AFTER) [\w ,]+ ON " + _TYPED + rb" ",
    rb"CREATE " + _DEFINED + rb"(?:AGGREGATE )?(?:PROCEDURE|FUNCTION|EVENT|PACKAGE BODY|PACKAGE|LIBRARY) " + NAME
    + rb"(?! ?\.)(?! RETURNS \w+ SONAME)",
    rb"CREATE SEQUENCE " + NAME + rb" [\w =-]*\Z",
    rb"DROP (?:TABLE|VIEW|EVENT) IF EXISTS " + NAME + rb"\Z",
    rb"ALTER TABLE " + NAME + rb" (?:DIS|EN)ABLE KEYS\Z",
    rb"ALTER DATABASE " + NAME + rb" CHARACTER SET \w+ COLLATE \w+\Z",
    rb"LOCK TABLES " + NAME + rb" WRITE\Z|UNLOCK TABLES\Z|COMMIT\Z",
    rb"(?:DO|SELECT) SETVAL\(" + NAME + rb",[\w ,-]*\)\Z",
)  # fmt: skip
_ALLOWED = re.compile(rb"|".join(_FORMS), re.IGNORECASE)
_VIEW = re.compile(rb"CREATE [^(]*?VIEW ", re.IGNORECASE)
_EVENT = re.compile(rb"CREATE " + _DEFINED + rb"EVENT (" + NAME + rb")", re.IGNORECASE)
_DEFINES = re.compile(
    rb"CREATE (?:\w+=[^ `]+ |DEFINER=" + NAME + rb"@" + NAME + rb" |SQL SECURITY \w+ |JSON RELATIONAL DUALITY )*"
    rb"(TABLE|VIEW|TRIGGER|(?:AGGREGATE )?FUNCTION|PROCEDURE|EVENT|PACKAGE BODY|PACKAGE|SEQUENCE|LIBRARY) (" + _TYPED
    + rb")",
    re.IGNORECASE,
)  # fmt: skip
_DROPS = re.compile(rb"DROP (?:TABLE|VIEW) IF EXISTS (" + NAME + rb")\Z", re.IGNORECASE)
_WIDE = {b"GLOBAL", b"@@GLOBAL", b"PERSIST", b"@@PERSIST", b"PERSIST_ONLY", b"@@PERSIST_ONLY"}
_MODE = {b"SQL_MODE", b"@@SQL_MODE"}
# Said at the start, before and after a routine, and at the end: what lies between is read as these have it.
_MODES = re.compile(
    rb"\s*(?:/\*!\d+ )?SET (?:@OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO'|SQL_MODE=@OLD_SQL_MODE"
    rb"|@saved_sql_mode\s*=\s*@@sql_mode|sql_mode\s*=\s*(?:'[A-Z_,0-9]*'|@saved_sql_mode))\s*(?:\*/)?\s*\Z"
)
_IN_TABLE = {b"SELECT", b"UNION", b"CONNECTION", b"DIRECTORY"}  # what leads out of a table
_VALUES = bytes(set(range(256)) - set(b'";`/#*\\@'))  # all but what no value has


class OnlyTarget(Script):
    """See Script; what is read is passed on."""

    def __init__(
        self, source: str, target: str, asleep: set[str] | None = None, defined: Definitions | None = None
    ) -> None:
        """`source` is the database that was dumped, `target` the one that is restored into.

        `asleep` gets the names of events, which are then made so that they do not run yet; `defined` what is made.
        """
        super().__init__()
        self._asleep = asleep
        self.defined: Definitions = {} if defined is None else defined
        self._source, self._target = quoted(source).encode(), quoted(target).encode()
        self._waiting = b""  # what was taken and is not passed on yet
        self._taken = self._passed = 0  # bytes
        self._edits: list[Edit] = []

    def pass_on(self, data: bytes) -> bytes:
        """Take the next bytes; return those that were seen to be right. Raises RestoreFailed."""
        self._waiting += data
        self.feed(data)
        return self._release(self._taken - len(self._held) + self._at)

    def end(self) -> bytes:
        """Take the end; return the rest. Raises RestoreFailed."""
        last = self._taken
        if self.contents() is None:
            raise _refused("ends within a statement")
        return self._release(last)

    def _take(self, data: memoryview | bytes) -> None:
        self._taken += len(data)
        super()._take(data)

    def _release(self, until: int) -> bytes:
        """Return what lies before that place and was not passed on yet, edited."""
        taken, parts, at = self._waiting[: max(0, until - self._passed)], [], 0
        for start, end, text in self._edits:
            parts += [taken[at : start - self._passed], text]
            at = end - self._passed
        parts.append(taken[at:])
        self._waiting = self._waiting[len(taken) :]
        self._passed += len(taken)
        self._edits.clear()
        return b"".join(parts)

    def _anything(self, buffer: bytes, at: int) -> int:
        raise _refused(f"has rows or a statement in an unknown form, before {_shown(buffer[at:])}")

    def _line(self, buffer: bytes, at: int) -> int | None:
        end = super()._line(buffer, at)
        if self._delimiter not in (b";", b";;"):
            raise _refused(f"has the delimiter {_shown(self._delimiter)}")
        return end

    def _insert(self, buffer: bytes, at: int) -> int | None:
        end = super()._insert(buffer, at)
        if end is not None:
            self._read = self._rows
        return end

    def _rows(self, buffer: bytes, at: int) -> int:
        """See Script; between strings there must be values and nothing that ends the statement."""
        end = buffer.find(b";\n", at)
        reached = end if end >= 0 else max(at, len(buffer) - 1)
        text = buffer[at:reached]
        if end < 0:  # what the last character means depends on what follows
            rest = text.rstrip(b"-") if text.endswith(b"-") else text
            odd = (len(rest) - len(rest.rstrip(b"\\"))) % 2
            text = rest[:-1] if odd else rest
            reached = at + len(text)
        pieces = text.replace(b"\\\\", b"").replace(b"\\'", b"").split(b"'") if text else [b""]
        outside = b"'".join(pieces[self._within :: 2])
        if b"--" in outside or outside.translate(None, _VALUES):
            raise _refused(f"has something other than values among the rows of table {_shown(self._table)}")
        self._within ^= (len(pieces) - 1) % 2
        if end < 0:
            return reached
        self._read = self._statements if not self._within else self._anything
        return end + 1

    def _other(self, buffer: bytes, at: int) -> int | None:
        mode = self._sql_mode  # that this statement is read in
        end = super()._other(buffer, at)
        if end is not None and self._read != self._anything:
            place, statement = self._taken - len(buffer) + at, buffer[at : end - len(self._delimiter)]
            found = tokens(statement, mode)
            edits = self._judged(statement, found)
            self._define(_edited(statement, edits), found)
            self._edits += [(place + start, place + stop, text) for start, stop, text in edits]
        return end

    def _define(self, statement: bytes, found: list[Token]) -> None:
        """Take note of what a statement makes. Of a view, the tools make a stand-in first, and drop it."""
        head = plain([text for _, text in found[:_HEAD]])
        if dropped := _DROPS.match(head):
            for kind in ("table", "view"):
                self.defined.pop(_named(kind, dropped[1]), None)
        if made := _DEFINES.match(head):
            kind = made[1].decode().lower()
            said = worded(statement) if kind == "table" else statement
            self.defined[_named(kind, made[2])] = hashlib.blake2b(said.strip(), digest_size=16).digest()

    def _judged(self, statement: bytes, found: list[Token]) -> list[Edit]:
        """Return what must stand where in a statement. Raises RestoreFailed where it is none of the tools'."""
        texts = [text for _, text in found]
        head = plain(texts[:_HEAD])
        if head and (not _ALLOWED.match(head) or b"\\" in texts):
            raise _refused(f"has a statement that the dump tool never writes: {_shown(statement)}")
        kind = head[:12].upper()
        if kind.startswith(b"SET "):
            self._require_own_setting(statement, texts)
        if kind.startswith(b"ALTER DATABA"):
            return [next((at, at + len(text), self._target) for at, text in found if _IS_NAME.fullmatch(text))]
        if kind == b"CREATE TABLE":
            return list(self._qualified(found))
        if self._source != self._target and _VIEW.match(head):
            return list(self._called(found))
        if self._asleep is not None and (event := _EVENT.match(head)):
            return self._put_to_sleep(event[1], found, self._asleep)
        return []

    @staticmethod
    def _put_to_sleep(name: bytes, found: list[Token], asleep: set[str]) -> list[Edit]:
        """Have an event not run where it is restored: its rows are to be what they were, and the original runs, too."""
        words = [(at, text) for at, text in found if text.upper() in (b"ENABLE", b"DISABLE", b"DO")]
        if not words or words[0][1].upper() != b"ENABLE":
            return []
        asleep.add(name[1:-1].replace(b"``", b"`").decode(errors="surrogateescape"))
        return [(words[0][0], words[0][0] + len(b"ENABLE"), b"DISABLE")]

    @staticmethod
    def _require_own_setting(statement: bytes, texts: Iterable[bytes]) -> None:
        words = {text.upper() for text in texts}
        if words & _WIDE:
            raise _refused(f"changes a setting of the whole server: {_shown(statement)}")
        if words & _MODE and not _MODES.match(statement):
            raise _refused(f"changes how the server reads what follows: {_shown(statement)}")

    def _qualified(self, found: list[Token]) -> Iterator[Edit]:
        """Make the names of the database within a table's definition the target's. Raises where it names another."""
        for (at, text), (_, after) in pairwise(found):
            if after == b"." and (_IS_NAME.fullmatch(text) or _WORD.fullmatch(text)):
                if text not in (self._source, self._target):
                    raise _refused(f"has a table that refers to another database, {_shown(text)}")
                yield at, at + len(text), self._target
            if text.upper() in _IN_TABLE:
                raise _refused(f"has a table with the word {_shown(text)}")

    def _called(self, found: list[Token]) -> Iterator[Edit]:
        """Have a view that calls the database's own function by its full name call the target's."""
        for (at, text), (_, dot), (_, name), (_, opens) in zip(found, found[1:], found[2:], found[3:], strict=False):
            if text == self._source and dot == b"." and opens == b"(" and _IS_NAME.fullmatch(name):
                yield at, at + len(text), self._target


def _edited(statement: bytes, edits: Iterable[Edit]) -> bytes:
    """Return what is passed on of a statement."""
    parts, at = [], 0
    for start, end, text in edits:
        parts += [statement[at:start], text]
        at = end
    return b"".join([*parts, statement[at:]])


def _named(kind: str, name: bytes) -> str:
    return f"{kind} {name.decode(errors='backslashreplace')}"


def _shown(text: bytes) -> str:
    return repr(one_line(text[:80].decode(errors="replace"), 60))


def _refused(what: str) -> HoldfastError:
    return HoldfastError(
        Reason.RESTORE_FAILED,
        f"the dump {what}; the restore stops there, so that it changes nothing but its target",
        "read the dump: if it is what was backed up, restore it by hand; if not, find out who else writes to this "
        "bucket",
    )


def for_target(
    stream: Iterable[bytes],
    source: str,
    target: str,
    asleep: set[str] | None = None,
    defined: Definitions | None = None,
) -> Iterator[bytes]:
    """Pass a script on to the target; `defined` gets what it makes.

    Raises RestoreFailed where it says anything of another database.
    """
    script = OnlyTarget(source, target, asleep, defined)
    for chunk in stream:
        yield script.pass_on(chunk)
    yield script.end()
