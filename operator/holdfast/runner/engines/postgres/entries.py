"""Leaves out of an archive's restore what its user may not do and need not: pg_restore's own list of entries, edited.

The comment on an extension is its owner's to set, who is an administrator, and CREATE EXTENSION sets it by itself. A
schema that an administrator made for an extension is there already.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.stream import pump
from holdfast.runner.engines.postgres.dumps import listening
from holdfast.runner.engines.tool_errors import RESTORING, Feed, check
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.stop import Stop

LISTER = ("pg_restore", "--list")
_COMMENT = re.compile(rb"\d+; \d+ \d+ COMMENT - EXTENSION ")
_SCHEMA = re.compile(rb"\d+; \d+ \d+ SCHEMA - (.*) \S+")


def without(listing: bytes, schemas: Iterable[str]) -> bytes | None:
    """Return the list without what is left out; None where all of it is to be restored."""
    there = {schema.encode() for schema in schemas}
    lines = listing.split(b"\n")
    kept = [line for line in lines if not (_COMMENT.match(line) or _is_there(line, there))]
    return b"\n".join(kept) if len(kept) < len(lines) else None


def _is_there(line: bytes, schemas: set[bytes]) -> bool:
    found = _SCHEMA.fullmatch(line)
    return found is not None and found[1] in schemas


class Listing:
    """The entries of an archive that comes as a stream: its head is read, and given back."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._held: list[bytes] = []
        self._said = bytearray()

    def of(self, stream: Iterator[bytes]) -> bytes:
        """Read as much of the stream as it takes. Raises RestoreFailed."""
        with (
            Tool(LISTER, stdin=True, stdout=True) as tool,
            self._stop.calling(tool.kill),
            listening(tool, self._said.extend, self._stop),
        ):
            feed = Feed(tool, Reason.RESTORE_FAILED, RESTORING)
            while feed.open and (chunk := next(stream, None)) is not None:
                self._held.append(chunk)
                feed.write(memoryview(chunk))
            check(tool, tool.wait(), Reason.RESTORE_FAILED, RESTORING)
        return bytes(self._said)

    def whole(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        """Pass on what was read, then the rest."""
        while self._held:
            yield self._held.pop(0)
        yield from stream


def of_folder(folder: Path, stop: Stop) -> bytes:
    """Return the entries of a directory dump. Raises RestoreFailed."""
    said = bytearray()
    with Tool([*LISTER, str(folder)], stdout=True) as tool, stop.calling(tool.kill):
        pump(tool.stdout, (said.extend,), stop)
        check(tool, tool.wait(), Reason.RESTORE_FAILED, RESTORING)
    return bytes(said)


def chosen(listing: bytes, schemas: Iterable[str], file: Path) -> list[str]:
    """Return pg_restore's argument that leaves out what is to be; none where nothing is. Writes the file."""
    kept = without(listing, schemas)
    if kept is None:
        return []
    try:
        file.write_bytes(kept)
    except OSError as error:
        raise HoldfastError(
            Reason.DISK_FULL, f"the list of the dump's entries cannot be written: {error.strerror}",
            "free the memory of the Pod's node, then restore again",
        ) from error  # fmt: skip
    return [f"--use-list={file}"]
