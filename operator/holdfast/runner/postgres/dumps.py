"""The three forms of a PostgreSQL dump: how each is made, and how each is seen to be whole."""

import tarfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self, cast

from holdfast.api.policy import Dump, Format
from holdfast.errors import HoldfastError, Reason
from holdfast.runner import scratch
from holdfast.runner.context import Context
from holdfast.runner.postgres.connection import Target
from holdfast.runner.postgres.end_mark import EndMark
from holdfast.runner.progress import Progress
from holdfast.runner.stream import BUFFER, Sink, pump
from holdfast.runner.tool_errors import Feed, check
from holdfast.runner.tools import Tool

COMMON = ("--no-owner", "--no-acl", "--no-password")
SUFFIX = {Format.SQL: ".sql", Format.CUSTOM: ".dump", Format.DIRECTORY: ".tar"}
READING = "reading the archive through"
ARCHIVE_FOLDER = "dump"  # in the scratch volume, and in the tar


def arguments(dump: Dump) -> list[str]:
    """Return pg_dump's arguments, without the connection and the place."""
    form = {
        Format.SQL: ["--format=plain"],
        Format.CUSTOM: ["--format=custom", "--compress=0"],
        Format.DIRECTORY: ["--format=directory", "--compress=0", f"--jobs={dump.jobs}"],
    }[dump.format]
    return [*form, *COMMON]


class StreamedDump:
    """A plain script or a custom archive: pg_dump writes it straight into our pipe."""

    def __init__(self, dump: Dump, target: Target, context: Context) -> None:
        self.arguments = arguments(dump)
        self.suffix = SUFFIX[dump.format]
        self._custom = dump.format is Format.CUSTOM
        self._stop = context.stop
        self._warnings = target.warnings
        self._stack = ExitStack()
        self._command = ["pg_dump", *self.arguments, f"--dbname={target.conninfo()}"]

    def __enter__(self) -> Self:
        self._tool = self._stack.enter_context(Tool(self._command, stdout=True))
        self._stack.enter_context(self._stop.calling(self._tool.kill))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stream(self, sink: Sink, progress: Progress) -> str:
        """See engine.Dumping."""
        progress.phase = "dumping"
        readable = self._archive(sink) if self._custom else self._script(sink)
        self._warnings += self._tool.warnings()
        return readable

    def _script(self, sink: Sink) -> str:
        mark = EndMark()
        pump(self._tool.stdout, (mark.feed, sink.write), self._stop)
        check(self._tool, self._tool.wait(), Reason.DUMP_FAILED, "dumping")
        if not mark.seen:
            raise HoldfastError(
                Reason.END_MARK_MISSING,
                "pg_dump exited 0, but its script does not end in 'PostgreSQL database dump complete'",
                "the dump is not whole: look at the server's log, then apply a new backup",
            )
        return "end of dump seen"

    def _archive(self, sink: Sink) -> str:
        with Tool(["pg_restore", "--file=/dev/null"], stdin=True) as reader, self._stop.calling(reader.kill):
            feed = Feed(reader, Reason.ARCHIVE_UNREADABLE, READING)
            pump(self._tool.stdout, (feed.write, sink.write), self._stop)
            check(self._tool, self._tool.wait(), Reason.DUMP_FAILED, "dumping")
            check(reader, reader.wait(), Reason.ARCHIVE_UNREADABLE, READING)
        return "read through by pg_restore"


class DirectoryDump:
    """A dump by several jobs at once: it goes to the scratch volume first, then into the bucket as one tar."""

    def __init__(
        self, dump: Dump, target: Target, context: Context, database_size: int, scratch_bytes: int | None
    ) -> None:
        self.arguments = arguments(dump)
        self.suffix = SUFFIX[Format.DIRECTORY]
        self._target = target
        self._stop = context.stop
        self._folder = context.places.scratch / ARCHIVE_FOLDER
        self._room = scratch.Room(context.places.scratch, scratch_bytes)
        self._database_size = database_size
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._room.require(self._database_size)
        self._stack.enter_context(scratch.removed_after(self._folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stream(self, sink: Sink, progress: Progress) -> str:
        """See engine.Dumping."""
        progress.phase = "dumping"
        command = ["pg_dump", *self.arguments, f"--file={self._folder}", f"--dbname={self._target.conninfo()}"]
        with self._room.watched(self._stop, progress):
            self._run(command, Reason.DUMP_FAILED, "dumping")
        progress.phase = "reading"
        self._run(
            ["pg_restore", "--file=/dev/null", str(self._folder)],
            Reason.ARCHIVE_UNREADABLE,
            READING,
        )
        progress.phase = "storing"
        self._store(sink)
        return "read through by pg_restore"

    def _run(self, command: list[str], failed: Reason, doing: str) -> None:
        with Tool(command) as tool, self._stop.calling(tool.kill):
            code = tool.wait()
            self._stop.check()
            check(tool, code, failed, doing)
            self._target.warnings.extend(tool.warnings())

    def _store(self, sink: Sink) -> None:
        # A tar stream only ever writes to its file object.
        with tarfile.open(fileobj=cast("IO[bytes]", sink), mode="w|", bufsize=BUFFER) as archive:
            for path in sorted(self._folder.iterdir()):
                self._stop.check()
                archive.add(path, arcname=str(Path(ARCHIVE_FOLDER) / path.name), filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def dumping(
    dump: Dump, target: Target, context: Context, database_size: int, scratch_bytes: int | None
) -> StreamedDump | DirectoryDump:
    """Return the dump of the format that was asked for."""
    if dump.format is Format.DIRECTORY:
        return DirectoryDump(dump, target, context, database_size, scratch_bytes)
    return StreamedDump(dump, target, context)
