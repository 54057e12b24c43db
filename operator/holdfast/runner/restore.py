"""The restore task: fetch a backup, check it, feed it into an empty database.

A dump is untrusted until its SHA-256 is the manifest's: it is read through once before anything of it reaches a tool.
While it streams a second time it is hashed again, and its last chunk is held back until the sum is right: a tool
that works in one transaction never commits something else.
"""

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, cast

from holdfast.api.policy import Algorithm, Format
from holdfast.contract.manifest import Manifest, ManifestArtifact
from holdfast.contract.task import RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.naming import MANIFEST_NAME
from holdfast.runner import connection, postgres, record, store
from holdfast.runner.compress import decompressed
from holdfast.runner.connection import Target
from holdfast.runner.context import Context
from holdfast.runner.dumps import ARCHIVE_FOLDER
from holdfast.runner.outcome import Done
from holdfast.runner.progress import Progress
from holdfast.runner.scratch import Room, removed_after
from holdfast.runner.store import Store
from holdfast.runner.tool_errors import Feed, check
from holdfast.runner.tools import Tool
from holdfast.units import size_for_people

DOING = "restoring"
PSQL = ("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", "--no-password", "--file=-")
PG_RESTORE = ("pg_restore", "--exit-on-error", "--no-owner", "--no-acl", "--no-password")


def run(
    task: RestoreTask, context: Context, host: str | None = None, port: str | None = None, database: str | None = None
) -> Done:
    """Restore into the task's database, or into the one that a person named instead. Raises HoldfastError."""
    context.log.line("step", phase="validating")
    opened = store.connect(task.s3, context.places)
    manifest = record.find(opened, task.key_prefix, task.backup_uid)
    if manifest is None:
        raise store.not_found(opened, task.key_prefix + MANIFEST_NAME)
    target = connection.resolve(task.database, context.places)
    target = replace(target, host=host or target.host, port=port or target.port, database=database or target.database)
    _require_empty(target, context)
    total = manifest.artifact.uncompressed_bytes
    with Progress(context.log, "checking", total) as progress:
        for _ in _trusted(opened, manifest.artifact, context, progress):
            pass
        progress.phase = DOING
        _feed(task, opened, manifest, target, context, progress)
    return Done(
        message=f"restored {size_for_people(total)} ({total} bytes) of {manifest.backup.backup_id} into {target}",
        warnings=target.warnings,
    )


def _require_empty(target: Target, context: Context) -> None:
    there = postgres.user_objects(target, context.stop)
    if there:
        raise HoldfastError(
            Reason.TARGET_NOT_EMPTY,
            f"{target} is not empty: it has {len(there)} tables, views or sequences, such as {', '.join(there[:3])}",
            "restore into a new, empty database (CREATE DATABASE name TEMPLATE template0); nothing was changed",
        )


def _trusted(opened: Store, artifact: ManifestArtifact, context: Context, progress: Progress) -> Iterator[bytes]:
    """Stream the artifact; its last chunk comes only when the whole has the manifest's SHA-256 (ChecksumMismatch)."""
    digest, held, size = hashlib.sha256(), b"", 0
    for chunk in opened.chunks(artifact.key):
        context.stop.check()
        if held:
            yield held
        held = chunk
        digest.update(chunk)
        size += len(chunk)
        progress.stored = size
    if digest.hexdigest() != artifact.sha256:
        raise HoldfastError(
            Reason.CHECKSUM_MISMATCH,
            f"{artifact.key}: its SHA-256 is {digest.hexdigest()}, its manifest says {artifact.sha256}",
            "this artifact is not what was backed up: restore another backup; nothing of it was committed",
        )
    yield held


def _feed(
    task: RestoreTask, opened: Store, manifest: Manifest, target: Target, context: Context, progress: Progress
) -> None:
    artifact = manifest.artifact
    stream = decompressed(Algorithm(artifact.compression), _trusted(opened, artifact, context, progress))
    where = f"--dbname={target.conninfo()}"
    match Format(artifact.format):
        case Format.SQL:
            _pipe([*PSQL, where], stream, context, progress)
        case Format.CUSTOM:
            _pipe([*PG_RESTORE, "--single-transaction", where], stream, context, progress)
        case Format.DIRECTORY:
            _unpack_and_restore(task, artifact, stream, [*PG_RESTORE, f"--jobs={task.jobs}", where], context)


def _pipe(command: list[str], stream: Iterable[bytes], context: Context, progress: Progress) -> None:
    # Leaving the block on an error kills the tool before its input ends: the server then rolls back.
    with Tool(command, stdin=True) as tool, context.stop.calling(tool.kill):
        feed = Feed(tool, Reason.RESTORE_FAILED, DOING)
        for chunk in stream:
            feed.write(memoryview(chunk))
            progress.uncompressed += len(chunk)
        context.stop.check()
        code = tool.wait()
        context.stop.check()
        check(tool, code, Reason.RESTORE_FAILED, DOING)


def _unpack_and_restore(
    task: RestoreTask, artifact: ManifestArtifact, stream: Iterator[bytes], command: list[str], context: Context
) -> None:
    Room(context.places.scratch, task.scratch_bytes).require(artifact.uncompressed_bytes)
    folder = context.places.scratch / ARCHIVE_FOLDER
    with ExitStack() as stack:
        stack.enter_context(removed_after(folder))
        with tarfile.open(fileobj=cast("IO[bytes]", _Readable(stream)), mode="r|") as archive:
            archive.extractall(context.places.scratch, filter="data")  # nothing outside, no links, no devices
        for _ in stream:  # what follows the tar's end: only the whole has the right sum
            pass
        tool = stack.enter_context(Tool([*command, str(folder)]))
        stack.enter_context(context.stop.calling(tool.kill))
        code = tool.wait()
        context.stop.check()
        check(tool, code, Reason.RESTORE_FAILED, DOING)


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
