"""Leaves out of an archive's restore what its user may not do and need not: pg_restore's own list of entries, edited.

Where only some tables are wanted, pg_restore itself says which entries these are, by names that it is given whole: in
its list, a name with a blank cannot be told from a name and an owner.
The comment on an extension is its owner's to set, who is an administrator, and CREATE EXTENSION sets it by itself. A
schema that an administrator made for an extension is there already.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.stream import pump
from holdfast.runner.engines.postgres.dumps import listening
from holdfast.runner.engines.postgres.names import parsed
from holdfast.runner.engines.tool_errors import RESTORING, Feed, check
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.stop import Stop

LISTER = ("pg_restore", "--list")
_COMMENT = re.compile(rb"\d+; \d+ \d+ COMMENT - EXTENSION ")
_ENTRY = re.compile(rb"^(\d+); \d+ \d+ (TABLE DATA|TABLE|[A-Z]+)", re.MULTILINE)
_SCHEMA = re.compile(rb"\d+; \d+ \d+ SCHEMA - (.*) \S+")


def without(listing: bytes, schemas: Iterable[str], only: set[bytes] | None = None) -> bytes | None:
    """Return the list without what is left out; None where all of it is to be restored. `only`: numbers of entries."""
    there = {schema.encode() for schema in schemas}
    lines = listing.split(b"\n")
    kept = [line for line in lines if not (_COMMENT.match(line) or _is_there(line, there) or _is_other(line, only))]
    return b"\n".join(kept) if len(kept) < len(lines) else None


def _is_other(line: bytes, only: set[bytes] | None) -> bool:
    found = _ENTRY.match(line)
    return only is not None and found is not None and found[1] not in only


Lister = Callable[[Sequence[str]], bytes]


def of_tables(names: Sequence[str], listed: Lister) -> set[bytes] | None:
    """Return the numbers of the tables' entries, definition and rows; None where all of the archive is wanted.

    `listed` gives the archive's list as some of pg_restore's arguments select it. Raises RestoreFailed.
    """
    if not names:
        return None
    by_schema: dict[str, list[str]] = defaultdict(list)
    for schema, table in filter(None, map(parsed, names)):
        by_schema[schema].append(table)
    numbers, rows = set[bytes](), 0
    for schema, tables in by_schema.items():
        entries = list(_ENTRY.finditer(listed([f"--schema={schema}", *(f"--table={table}" for table in tables)])))
        numbers |= {entry[1] for entry in entries}
        rows += sum(1 for entry in entries if entry[2] == b"TABLE DATA")
    if rows < len(names):
        raise HoldfastError(
            Reason.RESTORE_FAILED,
            f"the archive has rows of only {rows} of the {len(names)} chosen tables; nothing was restored",
            "name the tables as manifest.json does, e.g. public.orders, or restore all tables",
        )
    return numbers


def _is_there(line: bytes, schemas: set[bytes]) -> bool:
    found = _SCHEMA.fullmatch(line)
    return found is not None and found[1] in schemas


class Listing:
    """The entries of an archive that comes as a stream: its head is read, and given back."""

    def __init__(self, stop: Stop, selected: Sequence[str] = ()) -> None:
        self._stop, self._selected = stop, selected
        self._held: list[bytes] = []
        self._said = bytearray()

    def of(self, stream: Iterator[bytes]) -> bytes:
        """Read as much of the stream as it takes. Raises RestoreFailed."""
        with (
            Tool([*LISTER, *self._selected], stdin=True, stdout=True) as tool,
            self._stop.calling(tool.kill),
            listening(tool, self._said.extend, self._stop),
        ):
            feed = Feed(tool, Reason.RESTORE_FAILED, RESTORING)
            while feed.open and (chunk := next(stream, None)) is not None:
                self._held.append(chunk)
                feed.write(memoryview(chunk))
            check(tool, tool.wait(), Reason.RESTORE_FAILED, RESTORING)
        return bytes(self._said)

    def again(self, selected: Sequence[str]) -> bytes:
        """Read the head once more, for the entries that pg_restore's arguments select. Raises RestoreFailed."""
        return Listing(self._stop, selected).of(iter(self._held))

    def whole(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        """Pass on what was read, then the rest."""
        while self._held:
            yield self._held.pop(0)
        yield from stream


def of_archive(archive: Path, stop: Stop, selected: Sequence[str] = ()) -> bytes:
    """Return the entries of an archive's file or folder, those that the arguments select. Raises RestoreFailed."""
    said = bytearray()
    with Tool([*LISTER, *selected, str(archive)], stdout=True) as tool, stop.calling(tool.kill):
        pump(tool.stdout, (said.extend,), stop)
        check(tool, tool.wait(), Reason.RESTORE_FAILED, RESTORING)
    return bytes(said)


def chosen(listing: bytes, schemas: Iterable[str], file: Path, only: set[bytes] | None = None) -> list[str]:
    """Return pg_restore's argument that leaves out what is to be; none where nothing is. Writes the file."""
    kept = without(listing, schemas, only)
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
