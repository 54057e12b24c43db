"""The three forms of a PostgreSQL dump: how each is made, how it is seen to be whole, and what it is seen to hold.

An archive is read through by pg_restore, which writes it out as a script: so every form's rows are counted alike.
"""

import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Self, cast

from holdfast.api.policy import Dump, Format
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.stream import BUFFER, Sink, pump
from holdfast.runner.engines import scratch
from holdfast.runner.engines.postgres import server
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.postgres.end_mark import EndMark
from holdfast.runner.engines.postgres.script import Script
from holdfast.runner.engines.protocol import Contents
from holdfast.runner.engines.script_seen import SEEN_TO_END, Seen
from holdfast.runner.engines.silence import asking
from holdfast.runner.engines.tool_errors import Feed, check
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop

NO_TABLESPACES = "--no-tablespaces"
COMMON = ("--no-owner", "--no-acl", NO_TABLESPACES, "--no-password")
SUFFIX = {Format.SQL: ".sql", Format.CUSTOM: ".dump", Format.DIRECTORY: ".tar"}
READING = "reading the archive through"
READ_THROUGH = "read through by pg_restore"
READER = ("pg_restore", "--file=-", "--no-owner", "--no-acl", NO_TABLESPACES)
ARCHIVE_FOLDER = "dump"  # in the scratch volume, and in the tar


def arguments(dump: Dump) -> list[str]:
    """Return pg_dump's arguments, without the connection and the place."""
    form = {
        Format.SQL: ["--format=plain"],
        Format.CUSTOM: ["--format=custom", "--compress=0"],
        Format.DIRECTORY: ["--format=directory", "--compress=0", f"--jobs={dump.jobs}"],
    }[dump.format]
    return [*form, *COMMON]


def seen(warnings: list[str]) -> Seen:
    """Return what sees a script of pg_dump's; `warnings` gets what is worth knowing of it."""
    return Seen(EndMark(), Script(), "PostgreSQL database dump complete", "a COPY", warnings)


class StreamedDump:
    """A plain script or a custom archive: pg_dump writes it straight into our pipe."""

    def __init__(self, dump: Dump, target: Target, context: Context) -> None:
        self.arguments = arguments(dump)
        self.suffix = SUFFIX[dump.format]
        self.contents: Contents | None = None
        self._seen = seen(target.warnings)
        self._custom = dump.format is Format.CUSTOM
        self._stop = context.stop
        self._silent = asking(server.require_dumping, target, context)
        self._warnings = target.warnings
        self._stack = ExitStack()
        self._command = ["pg_dump", *self.arguments, f"--dbname={target.conninfo()}"]
        self._environment = target.environment()

    def __enter__(self) -> Self:
        self._tool = self._stack.enter_context(Tool(self._command, stdout=True, environment=self._environment))
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
        pump(self._tool.stdout, (self._seen.feed, sink.write), self._stop, self._silent)
        check(self._tool, self._tool.wait(), Reason.DUMP_FAILED, "dumping")
        self.contents = self._seen.contents("pg_dump", Reason.END_MARK_MISSING)
        return SEEN_TO_END

    def _archive(self, sink: Sink) -> str:
        with (
            Tool(READER, stdin=True, stdout=True) as reader,
            self._stop.calling(reader.kill),
            listening(reader, self._seen.feed, self._stop),
        ):
            feed = Feed(reader, Reason.ARCHIVE_UNREADABLE, READING)
            pump(self._tool.stdout, (feed.write, sink.write), self._stop, self._silent)
            check(self._tool, self._tool.wait(), Reason.DUMP_FAILED, "dumping")
            check(reader, reader.wait(), Reason.ARCHIVE_UNREADABLE, READING)
        self.contents = self._seen.contents("pg_restore", Reason.ARCHIVE_UNREADABLE)
        return READ_THROUGH


@contextmanager
def listening(tool: Tool, take: Callable[[memoryview], None], stop: Stop) -> Iterator[None]:
    """Take what a tool writes while the block feeds it; when the block ends well, all of it was taken."""

    def listen() -> None:
        try:
            pump(tool.stdout, (take,), stop)
        except BaseException:
            tool.kill()  # it would wait for ever for somebody to read on
            raise

    with ThreadPoolExecutor(1, thread_name_prefix="listener") as pool:
        listening = pool.submit(listen)
        try:
            yield
        except HoldfastError:
            tool.kill()
            listening.result()  # what failed there explains what failed here
            raise
        except BaseException:
            tool.kill()
            raise
        listening.result()


class DirectoryDump:
    """A dump by several jobs at once: it goes to the scratch volume first, then into the bucket as one tar."""

    def __init__(
        self, dump: Dump, target: Target, context: Context, database_size: int, scratch_bytes: int | None
    ) -> None:
        self.arguments = arguments(dump)
        self.suffix = SUFFIX[Format.DIRECTORY]
        self.contents: Contents | None = None
        self._target = target
        self._stop = context.stop
        self._folder = context.places.scratch / ARCHIVE_FOLDER
        self._silent = asking(server.require_dumping, target, context)
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
        watched = self._room.watched(self._stop, progress, self._silent)
        with watched, Tool(command, environment=self._target.environment()) as tool, self._stop.calling(tool.kill):
            code = tool.wait()
            self._stop.check()
            check(tool, code, Reason.DUMP_FAILED, "dumping")
            self._target.warnings.extend(tool.warnings())
        progress.phase = "reading"
        self.contents = self._read()
        progress.phase = "storing"
        self._store(sink)
        self._stack.close()  # the room may be wanted to read the artifact back
        return READ_THROUGH

    def _read(self) -> Contents | None:
        script = seen(self._target.warnings)
        with Tool([*READER, str(self._folder)], stdout=True) as reader, self._stop.calling(reader.kill):
            pump(reader.stdout, (script.feed,), self._stop)
            check(reader, reader.wait(), Reason.ARCHIVE_UNREADABLE, READING)
        return script.contents("pg_restore", Reason.ARCHIVE_UNREADABLE)

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
