"""One part of an upload while it is filled and until the store has it: in memory, or in a file where it is too big.

The file has no name, so nothing of it outlives the process. What lies in it is what goes into the bucket: compressed,
and encrypted where the backup is.
"""

import errno
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket.part_plan import DISK, Size
from holdfast.units import size_for_people


class Part(Protocol):
    """Bytes that are sent together, and again where that failed."""

    def __len__(self) -> int:
        """Return how many bytes it has."""
        ...

    @property
    def room(self) -> int:
        """How many bytes it still takes."""
        ...

    def add(self, data: bytes | memoryview) -> None:
        """Take further bytes. Raises DiskFull."""
        ...

    def body(self) -> "bytearray | Spooled":
        """Return it as botocore takes it."""
        ...

    def sha256(self) -> bytes:
        """Return the SHA-256 of what it has."""
        ...

    def md5(self) -> bytes:
        """Return the MD5 of what it has, for stores that know nothing better."""
        ...

    def give_up(self) -> None:
        """Nobody wants it any more: sending it ends soon, with an error."""
        ...


class Held:
    """A part in memory."""

    def __init__(self, planned: int) -> None:
        """`planned` is how many bytes it shall have, unless it is the last one."""
        self._planned = planned
        self._data = bytearray()

    def __len__(self) -> int:
        return len(self._data)

    @property
    def room(self) -> int:
        """See Part."""
        return self._planned - len(self._data)

    def add(self, data: bytes | memoryview) -> None:
        """See Part."""
        self._data += data

    def body(self) -> bytearray:
        """See Part."""
        return self._data

    def sha256(self) -> bytes:
        """See Part."""
        return hashlib.sha256(self._data).digest()

    def md5(self) -> bytes:
        """See Part."""
        return hashlib.md5(self._data, usedforsecurity=False).digest()

    def give_up(self) -> None:
        """See Part: it is so small that it is sent soon."""


class Spooled:
    """A part in a file; as its body it is read from the beginning, as often as it takes."""

    def __init__(self, planned: int, folder: Path) -> None:
        """See Held; the file lies in `folder`."""
        self._planned = planned
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed below
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._given_up = False

    def __del__(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._size

    @property
    def room(self) -> int:
        """See Part."""
        return self._planned - self._size

    def add(self, data: bytes | memoryview) -> None:
        """See Part."""
        rest = memoryview(data)
        self._sha256.update(rest)
        self._size += len(rest)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise _full("there is no space left for parts that wait for the upload") from error

    def body(self) -> "Spooled":
        """See Part."""
        self._file.seek(0)
        return self

    def sha256(self) -> bytes:
        """See Part."""
        return self._sha256.digest()

    def md5(self) -> bytes:
        """See Part."""
        self._file.seek(0)
        return hashlib.file_digest(self._file, lambda: hashlib.md5(usedforsecurity=False)).digest()

    def give_up(self) -> None:
        """See Part."""
        self._given_up = True

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes. Raises BrokenPipeError once it was given up."""
        if self._given_up:
            raise BrokenPipeError(errno.EPIPE, "the upload was aborted")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place, as in a file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place, as in a file."""
        return self._file.tell()


@dataclass(frozen=True)
class Spool:
    """The volume for the parts that are too big for memory."""

    folder: Path
    limit: int | None  # bytes that may lie there; none where the Pod has no such volume

    def part(self, planned: Size) -> Part:
        """Return a part to fill. Raises DiskFull, InvalidTask."""
        if not planned.on_disk:
            return Held(planned.size)
        self.require(planned.size)
        return Spooled(planned.size, self.folder)

    def require(self, free: int = DISK) -> None:
        """Raise DiskFull unless that many bytes are free, InvalidTask where there is no volume."""
        if self.limit is None:
            raise HoldfastError(
                Reason.INVALID_TASK,
                "the dump is too large to upload from memory, and the Pod has no volume for its parts",
                "use runner images of the operator's own release",
            )
        disk = os.statvfs(self.folder)
        available = disk.f_bavail * disk.f_frsize
        if available < free or self.limit < DISK:
            there = min(available, self.limit)
            raise _full(f"a dump of this size needs {_exact(DISK)} for its parts, but {_exact(there)} are free")


def _full(what: str) -> HoldfastError:
    return HoldfastError(
        Reason.DISK_FULL,
        f"the disk of the Job's node: {what}",
        "free space on the node's disk, or choose another node with job.nodeSelector; if job.resources limits "
        f"ephemeral-storage, raise that limit by {_exact(DISK)}",
    )


def _exact(size: int) -> str:
    return f"{size_for_people(size)} ({size} bytes)"
