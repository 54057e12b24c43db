"""Reads a stored PostgreSQL dump of each format through, as it was when it was taken."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.api.policy import Format
from holdfast.contract.manifest import Manifest
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.stream import pump
from holdfast.runner.engines import tools
from holdfast.runner.engines.postgres.dumps import (
    ARCHIVE_FOLDER,
    NO_TABLESPACES,
    READ_THROUGH,
    READER,
    READING,
    listening,
    seen,
)
from holdfast.runner.engines.postgres.staging import unpack
from holdfast.runner.engines.protocol import Contents, Reading
from holdfast.runner.engines.scratch import Room, removed_after
from holdfast.runner.engines.script_seen import ScriptReading
from holdfast.runner.engines.tool_errors import Feed, check
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress


class ArchiveReading:
    """A custom archive: pg_restore writes it out as a script."""

    def __init__(self, manifest: Manifest, context: Context) -> None:
        self.contents: Contents | None = None
        self.schema_comparable = _version(manifest.tool.version) == _version(tools.version("pg_restore")[0])
        self._reader = reader_of(manifest)
        self._stop = context.stop

    def read(self, stream: Iterator[bytes], progress: Progress) -> str:
        """See engine.Reading. Raises ArchiveUnreadable."""
        script = seen([])
        with (
            Tool(self._reader, stdin=True, stdout=True) as reader,
            self._stop.calling(reader.kill),
            listening(reader, script.feed, self._stop),
        ):
            feed = Feed(reader, Reason.ARCHIVE_UNREADABLE, READING)
            for chunk in stream:
                self._stop.check()
                with _killed_apart(reader):
                    feed.write(memoryview(chunk))
                progress.uncompressed += len(chunk)
            with _killed_apart(reader):
                check(reader, reader.wait(), Reason.ARCHIVE_UNREADABLE, READING)
        self.contents = script.contents("pg_restore", Reason.ARCHIVE_UNREADABLE)
        return READ_THROUGH


class DirectoryReading:
    """The tar of a directory dump: it is unpacked onto the scratch volume, and read there."""

    def __init__(self, manifest: Manifest, context: Context, scratch_bytes: int | None) -> None:
        self.contents: Contents | None = None
        self.schema_comparable = _version(manifest.tool.version) == _version(tools.version("pg_restore")[0])
        self._reader = reader_of(manifest)
        self._size = manifest.artifact.uncompressed_bytes
        self._scratch = context.places.scratch
        self._limit = scratch_bytes
        self._stop = context.stop

    def read(self, stream: Iterator[bytes], progress: Progress) -> str:  # noqa: ARG002 - counted by who gives the stream
        """See engine.Reading. Raises ScratchTooSmall, ArchiveUnreadable."""
        Room(self._scratch, self._limit).require(self._size)
        folder = self._scratch / ARCHIVE_FOLDER
        with removed_after(folder):
            unpack(stream, folder)
            self.contents = self._contents(folder)
        return READ_THROUGH

    def _contents(self, folder: Path) -> Contents | None:
        script = seen([])
        with Tool([*self._reader, str(folder)], stdout=True) as reader, self._stop.calling(reader.kill):
            pump(reader.stdout, (script.feed,), self._stop)
            with _killed_apart(reader):
                check(reader, reader.wait(), Reason.ARCHIVE_UNREADABLE, READING)
        return script.contents("pg_restore", Reason.ARCHIVE_UNREADABLE)


def reading(manifest: Manifest, context: Context, scratch_bytes: int | None) -> Reading:
    """Return what reads a dump of the manifest's format."""
    match Format(manifest.artifact.format):
        case Format.CUSTOM:
            return ArchiveReading(manifest, context)
        case Format.DIRECTORY:
            return DirectoryReading(manifest, context, scratch_bytes)
        case _:
            return ScriptReading(context, seen)


def reader_of(manifest: Manifest) -> list[str]:
    """Return what writes an archive out as it was when it was hashed: older ones with their tablespaces."""
    without = NO_TABLESPACES in manifest.tool.arguments
    return [argument for argument in READER if without or argument != NO_TABLESPACES]


@contextmanager
def _killed_apart(reader: Tool) -> Iterator[None]:
    """Tell a pg_restore that was killed from one that cannot read the archive: that says nothing about the archive."""
    try:
        yield
    except HoldfastError as error:
        if error.reason is Reason.ARCHIVE_UNREADABLE and (code := reader.wait()) < 0:
            check(reader, code, Reason.DUMP_FAILED, READING)
        raise


def _version(tool: str) -> str:
    """Return the version in a tool's name and version."""
    return tool.rpartition(" ")[2]
