"""Puts a database file back: written beside its place under another name, whole on the disk, then given its name."""

import os
from collections.abc import Iterator
from pathlib import Path

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.sqlite.place import MAGIC, Place
from holdfast.runner.pod.progress import Progress
from holdfast.units import size_for_people

MODE = 0o660  # as a claim's fsGroup leaves files: owner and group read and write, nobody else


def temporary(file: Path, whose: str) -> Path:
    """Return what a file is called until it is whole; `whose` tells it from that of others."""
    return file.parent / f".holdfast-{whose}"


def write(place: Place, stream: Iterator[bytes], size: int, whose: str, progress: Progress) -> None:
    """Write the stream, `size` bytes, to a place where no database is.

    Raises TargetNotEmpty, DiskFull, FileAccessDenied, VolumeReadOnly; the place is then as it was.
    """
    file = place.file
    unfinished = temporary(file, whose)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        require_room(place, size)
        try:
            _fill(unfinished, stream, progress)
            _name(place, unfinished)
        finally:
            unfinished.unlink(missing_ok=True)
        sync(file.parent)
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


def require_room(place: Place, size: int) -> None:
    """See that a file of `size` bytes fits onto the claim. Raises DiskFull, FileAccessDenied."""
    folder = place.file.parent
    try:
        while not folder.exists():  # a restore makes it
            folder = folder.parent
        disk = os.statvfs(folder)
    except PermissionError as error:
        raise place.denied() from error
    free = disk.f_bavail * disk.f_frsize
    if free < size:
        raise HoldfastError(
            Reason.DISK_FULL,
            f"claim {place.claim} has {size_for_people(free)} free, but the database needs {size_for_people(size)} "
            f"({size} bytes)",
            "enlarge the claim, or restore into another one; nothing was changed",
        )


def _fill(unfinished: Path, stream: Iterator[bytes], progress: Progress) -> None:
    with unfinished.open("xb", buffering=0) as opened:
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


def _name(place: Place, unfinished: Path) -> None:
    """Give the file its name in one step, never over a database. Raises FileExistsError where one came meanwhile."""
    place.require_absent()
    file = place.file
    file.unlink(missing_ok=True)  # it was empty
    try:
        os.link(unfinished, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        unfinished.replace(file)


def sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
