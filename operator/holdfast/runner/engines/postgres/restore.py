"""Feeds a dump of each format into a PostgreSQL database."""

import secrets
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO, cast

from holdfast.api.policy import Format
from holdfast.api.restoring import Content, RestoreMode
from holdfast.contract.manifest import ManifestArtifact
from holdfast.contract.task import RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.stream import BUFFER
from holdfast.runner.engines.postgres import entries
from holdfast.runner.engines.postgres.commands import without_commands
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.postgres.dumps import ARCHIVE_FOLDER
from holdfast.runner.engines.scratch import Room, removed_after
from holdfast.runner.engines.tool_errors import RESTORING, check, feed_tool
from holdfast.runner.engines.tools import Tool
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress

LIST_FILE = "restore.list"  # beside the pgpass file
PSQL = ("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", "--no-password", "--file=-")
PG_RESTORE = ("pg_restore", "--exit-on-error", "--no-owner", "--no-acl", "--no-tablespaces", "--no-password")
ONE = "--single-transaction"
PARTS: dict[Content, list[str]] = {Content.ALL: [], Content.SCHEMA: ["--schema-only"], Content.DATA: ["--data-only"]}


@dataclass(frozen=True)
class Given:
    """What the target was seen to have."""

    schemas: list[str] = field(default_factory=list)  # that are there, and not made again
    limits: dict[str, str] = field(default_factory=dict)  # settings of the session that are lifted

    def environment(self, target: Target) -> dict[str, str]:
        """Return what the tool needs; options only where there is something to lift, since some poolers refuse them."""
        lifted = " ".join(f"-c {name}={value}" for name, value in sorted(self.limits.items()))
        return target.environment() | ({"PGOPTIONS": lifted} if lifted else {})


def feed(
    task: RestoreTask,
    artifact: ManifestArtifact,
    stream: Iterator[bytes],
    target: Target,
    given: Given,
    context: Context,
    progress: Progress,
) -> None:
    """Restore the stream of a dump. `sql` and `custom` are one transaction: ended early, they change nothing.

    But for a script with large objects: pg_dump writes a COMMIT of its own after them, with only indexes, constraints
    and the like still to come.
    """
    where = f"--dbname={target.conninfo()}"
    match Format(artifact.format):
        case Format.SQL:
            script = chain([restricted()], without_commands(stream, given.schemas))
            feed_tool([*PSQL, where], script, context.stop, progress, given.environment(target))
        case Format.CUSTOM:
            listing = entries.Listing(context.stop)
            listed = listing.of(stream)
            only = entries.of_tables(task.tables, listing.again)
            use = entries.chosen(listed, given.schemas, context.places.run / LIST_FILE, only)
            command = [*PG_RESTORE, ONE, *PARTS[task.content], *use, where]
            feed_tool(command, listing.whole(stream), context.stop, progress, given.environment(target))
        case Format.DIRECTORY:
            sessions = ONE if task.mode is RestoreMode.INTO else f"--jobs={task.jobs}"
            command = [*PG_RESTORE, sessions, *PARTS[task.content], where]
            _unpack_and_restore(task, artifact, stream, command, given, target, context)


def restricted() -> bytes:
    r"""Return the line that makes psql take no command any more but the `\unrestrict` of a key that nobody else knows.

    A psql that does not know it ends here, before anything was done.
    """
    return f"\\restrict {secrets.token_hex(32)}\n".encode()


def _unpack_and_restore(
    task: RestoreTask,
    artifact: ManifestArtifact,
    stream: Iterator[bytes],
    command: list[str],
    given: Given,
    target: Target,
    context: Context,
) -> None:
    Room(context.places.scratch, task.scratch_bytes).require(artifact.uncompressed_bytes)
    folder = context.places.scratch / ARCHIVE_FOLDER
    with ExitStack() as stack:
        stack.enter_context(removed_after(folder))
        unpack(stream, folder)
        listing = entries.of_folder(folder, context.stop)
        only = entries.of_tables(task.tables, partial(entries.of_folder, folder, context.stop))
        listed = entries.chosen(listing, given.schemas, context.places.run / LIST_FILE, only)
        whole = [*command, *listed, str(folder)]
        tool = stack.enter_context(Tool(whole, environment=given.environment(target)))
        stack.enter_context(context.stop.calling(tool.kill))
        code = tool.wait()
        context.stop.check()
        check(tool, code, Reason.RESTORE_FAILED, RESTORING)


def unpack(stream: Iterator[bytes], folder: Path) -> None:
    """Write the files of a directory dump's tar into the folder; take the stream to its end.

    Raises ArchiveUnreadable.
    """
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", _Readable(stream)), mode="r|") as archive:
            _unpack(archive, folder)
    except tarfile.TarError as error:
        raise HoldfastError(
            Reason.ARCHIVE_UNREADABLE,
            f"the tar of the directory dump cannot be read: {error}",
            "restore another backup",
        ) from error
    for _ in stream:  # what follows the tar's end: only the whole has the right sum
        pass


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Write the archive's files into the folder: plain ones, right below it, and nothing else.

    The filters of tarfile do more, but Debian 12's Python (3.11.2) does not know them.
    """
    folder.mkdir()
    for member in archive:
        path = PurePosixPath(member.name)
        content = archive.extractfile(member) if member.isreg() else None
        if content is None or path.parent != PurePosixPath(ARCHIVE_FOLDER) or path.name == "..":
            raise HoldfastError(
                Reason.ARCHIVE_UNREADABLE,
                f"the archive has a file that is not part of a directory dump: {member.name!r}",
                "restore another backup: Holdfast did not write this artifact; nothing was restored",
            )
        with content, (folder / path.name).open("xb") as file:
            shutil.copyfileobj(content, file, BUFFER)


class _Readable:
    """A stream of chunks as the file that tarfile reads."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self._stream = stream
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        while len(self._rest) < size and (chunk := next(self._stream, None)) is not None:
            self._rest += chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
