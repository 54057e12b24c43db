"""Puts a database file back: written beside its place under another name, whole on the disk, then given its name."""

import os
from collections.abc import Iterator
from pathlib import Path

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.sqlite.place import MAGIC, Place
from holdfast.runner.pod.progress import Progress
from holdfast.units import size_for_people

MODE = 0o660  # as a claim's fsGroup leaves files: owner and group read and write, nobody else


def write(place: Place, stream: Iterator[bytes], size: int, pod_uid: str, progress: Progress) -> None:
    """Write the stream, `size` bytes, to a place where no database is.

    Raises TargetNotEmpty, DiskFull, FileAccessDenied, VolumeReadOnly; the place is then as it was.
    """
    file = place.file
    temporary = file.parent / f".holdfast-{pod_uid}"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _require_room(place, file.parent, size)
        try:
            _fill(temporary, stream, progress)
            _name(place, temporary)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(file.parent)
    except (FileExistsError, NotADirectoryError) as error:
        place.require_absent()
        raise HoldfastError(
            Reason.TARGET_NOT_EMPTY,
            f"{place}: a part of the path that should be a folder is a file",
            "restore to another path; nothing was changed",
        ) from error
    except OSError as error:
        if place.read_only() or isinstance(error, PermissionError):
            raise place.denied() from error
        raise


def _require_room(place: Place, folder: Path, size: int) -> None:
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < size:
        raise HoldfastError(
            Reason.DISK_FULL,
            f"claim {place.claim} has {size_for_people(free)} free, but the database needs {size_for_people(size)} "
            f"({size} bytes)",
            "enlarge the claim, or restore into another one; nothing was changed",
        )


def _fill(temporary: Path, stream: Iterator[bytes], progress: Progress) -> None:
    with temporary.open("xb", buffering=0) as opened:
        os.fchmod(opened.fileno(), MODE)  # whatever the umask is
        begin = b""
        for chunk in stream:
            begin = begin or bytes(chunk[: len(MAGIC)])
            view = memoryview(chunk)
            while view:
                view = view[opened.write(view) :]
            progress.uncompressed += len(chunk)
        os.fsync(opened.fileno())
    if begin != MAGIC:
        raise HoldfastError(
            Reason.RESTORE_FAILED,
            "the artifact does not hold an SQLite database",
            "restore another backup; nothing was changed",
        )


def _name(place: Place, temporary: Path) -> None:
    """Give the file its name in one step, never over a database. Raises FileExistsError where one came meanwhile."""
    place.require_absent()
    file = place.file
    file.unlink(missing_ok=True)  # it was empty
    try:
        os.link(temporary, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        temporary.replace(file)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
