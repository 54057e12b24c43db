"""Lays a dump out in the scratch volume, for a tool that does not read it as one stream."""

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from holdfast.api.policy import Format
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.stream import BUFFER
from holdfast.runner.engines.postgres.dumps import ARCHIVE_FOLDER


def stage(form: Format, stream: Iterator[bytes], folder: Path) -> Path:
    """Write the dump into the folder, and return what pg_restore is to read. Raises ArchiveUnreadable, DiskFull."""
    try:
        if form is Format.DIRECTORY:
            unpack(stream, folder)
            return folder
        folder.mkdir()
        archive = folder / "archive"
        with archive.open("xb") as file:
            file.writelines(stream)
    except OSError as error:
        instead = "" if form is Format.DIRECTORY else ", or leave options.jobs out, which needs no scratch volume"
        raise HoldfastError(
            Reason.DISK_FULL,
            f"the dump cannot be written to the scratch volume: {error.strerror}",
            f"free the disk of the Pod's node{instead}, then restore again; nothing was restored",
        ) from error
    return archive


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
