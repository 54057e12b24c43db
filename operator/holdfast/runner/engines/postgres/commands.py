r"""Takes psql's own commands out of a plain script, so that a restore runs SQL and nothing else.

psql takes a backslash outside of quotes and rows for a command of its own: `\!` is a shell, with whatever the restore's
process may read. pg_dump writes two, `\restrict KEY` and `\unrestrict KEY`, with a key of the dump's own: these are
left out, since the whole script goes to a psql that was told a key of ours (restore.py) and takes no command any more.
A comment on an extension is left out as well: only its owner may make it, who is an administrator, and CREATE
EXTENSION makes it by itself; and so is a schema that an administrator has made for an extension.
Any other command is refused by its name, and so is what would mislead this reading and no pg_dump writes: a comment
between `/*` and `*/`, and a COPY that is not from stdin, such as FROM PROGRAM.
"""

import re
from collections.abc import Iterable, Iterator

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.lexer import Reader
from holdfast.runner.engines.postgres.script import LOOKAHEAD, Script
from holdfast.runner.pod.text import one_line

_OWN = re.compile(rb"\\(?:un)?restrict [A-Za-z0-9]{1,256}")
_COMMENT, _SCHEMA = b"\nCOMMENT ON EXTENSION ", b"\nCREATE SCHEMA "
_LONGEST_COMMENT = 1 << 20  # bytes of a statement that is held until its end is seen
_LONGEST = 1024  # bytes of a command's line


class Commands(Script):
    """See Script; what is read is passed on, without the dump's own commands."""

    token = re.compile(
        rb"""['"$]|--|/\*|\n(?:\\|COPY |SET (?!default_)|SELECT pg_catalog\.|BEGIN;|COMMIT;"""
        rb"""|COMMENT ON EXTENSION |CREATE SCHEMA )|\\"""
    )
    end_token = re.compile(rb"""['"$;]|--|/\*|\n\\|\\""")

    def __init__(self, schemas: Iterable[str] = ()) -> None:
        """`schemas` are in the target already."""
        super().__init__()
        self._there = {
            f"CREATE SCHEMA {written};".encode()
            for name in schemas
            for written in (name, '"' + name.replace('"', '""') + '"')
        }
        self._doubted: int | None = None  # where a statement began that may be left out
        self._waiting = b""  # what was taken and is not passed on yet
        self._taken = 1  # bytes; the first is Script's own line end
        self._passed = 1
        self._lines = 1
        self._cuts: list[tuple[int, int]] = []

    def pass_on(self, data: bytes) -> bytes:
        """Take the next bytes; return those that are known to be SQL or rows. Raises RestoreFailed."""
        self._waiting += data
        self.feed(data)
        begun = 1 if self._read == self._command else 0  # its backslash is not passed on
        return self._release(self._taken - len(self._held) + self._at - begun)

    def end(self) -> bytes:
        """Take the end; return the rest. Raises RestoreFailed."""
        last = self._taken
        self.feed(b"\n" * LOOKAHEAD)
        return self._release(last)

    def _take(self, data: memoryview | bytes) -> None:
        self._taken += len(data)
        super()._take(data)

    def _release(self, until: int) -> bytes:
        """Return what lies before that place and was not passed on yet, without the cuts."""
        if self._doubted is not None:
            if until - self._doubted > _LONGEST_COMMENT:
                raise self._refused(b"", 0, "a comment on an extension of more than a megabyte")
            until = min(until, self._doubted)
        taken, parts, at = self._waiting[: max(0, until - self._passed)], [], 0
        for start, end in self._cuts:
            parts.append(taken[at : start - self._passed])
            at = end - self._passed
        parts.append(taken[at:])
        self._waiting = self._waiting[len(taken) :]
        self._passed += len(taken)
        self._lines += taken.count(b"\n")
        self._cuts.clear()
        return b"".join(parts)

    def _begins(self, token: bytes, buffer: bytes, at: int) -> None:
        if token in (_COMMENT, _SCHEMA):
            self._doubted = self._taken - len(buffer) + at

    def _ends(self, buffer: bytes, at: int) -> None:
        """Leave out the comment on an extension, which only its owner may make, and a schema that is there."""
        if self._doubted is None:
            return
        start, end = self._doubted, self._taken - len(buffer) + at
        self._doubted = None
        text = self._waiting[start - self._passed : end - self._passed]
        if text.startswith(_COMMENT.strip()) or text in self._there:
            self._cuts.append((start, end))

    def _other(self, token: bytes) -> Reader:
        return self._command if token.endswith(b"\\") else self._refused_comment

    def _command(self, buffer: bytes, at: int) -> int:
        """Read a command from after its backslash to the end of its line."""
        end = buffer.find(b"\n", at)
        if end < 0 and len(buffer) - at < _LONGEST:
            return at
        start = at - 1
        line = buffer[start : end if end >= 0 else None]
        if not (_OWN.fullmatch(line) and buffer[start - 1 : start] == b"\n"):
            raise self._refused(buffer, start, f"the command {one_line(line[:40].decode(errors='replace'), 60)!r}")
        place = self._taken - len(buffer)
        self._cuts.append((place + start, place + end))
        self._read = self._statements
        return end

    def _refused_comment(self, buffer: bytes, at: int) -> int:
        raise self._refused(buffer, at, "a comment in the form /* */")

    def _unknown_copy(self, buffer: bytes, at: int) -> None:
        raise self._refused(buffer, at + 1, "a COPY that does not read rows FROM stdin")

    def _refused(self, buffer: bytes, at: int, what: str) -> HoldfastError:
        place = self._taken - len(buffer) + at
        line = self._lines + self._waiting[: max(0, place - self._passed)].count(b"\n")
        return HoldfastError(
            Reason.RESTORE_FAILED,
            f"line {line} of the dump has {what}, which pg_dump never writes; psql would run it, so the restore stops",
            "find out who else writes to this bucket, and restore another backup: this is not what was backed up",
        )


def without_commands(stream: Iterator[bytes], schemas: Iterable[str] = ()) -> Iterator[bytes]:
    """Pass a plain script on without psql's commands, comments on extensions, and schemas that are there.

    Raises RestoreFailed where it has other commands than pg_dump's.
    """
    commands = Commands(schemas)
    for chunk in stream:
        yield commands.pass_on(chunk)
    yield commands.end()
