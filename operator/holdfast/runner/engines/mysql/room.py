"""Asks the target's server for the room on its disk: MariaDB tells it by its plugin DISKS, MySQL not at all.

A restore is refused only where it cannot fit. How much it needs is known beforehand as a lower bound alone: the dump as
it is compressed, and the size that the original had on its server, whichever is less. A database in fewer bytes than
its compressed dump is not to be had. Whether more than that fits is left to the server.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath

from holdfast.api.database import Engine
from holdfast.api.policy import Algorithm
from holdfast.contract.manifest import Manifest
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.mysql import server
from holdfast.runner.engines.mysql.connection import Target
from holdfast.runner.engines.mysql.errors import number
from holdfast.runner.pod.stop import Stop
from holdfast.runner.pod.text import one_line
from holdfast.units import size_for_people

# Paths as bytes, whatever they are; sizes in KiB. Where tables have no files of their own, they may grow elsewhere.
_DISKS = """
select 'disk', hex(path), available, hex(@@datadir) from information_schema.disks where @@innodb_file_per_table = 1;
"""
_NO_SUCH_TABLE = 1109


def require(target: Target, manifest: Manifest, stop: Stop) -> list[str]:
    """Return warnings. Raises DiskFull where the restored database cannot have room on the disk of the server."""
    needed = _least(manifest)
    if target.flavour.engine is not Engine.MARIADB or needed is None:
        return []
    try:
        rows = server.look(target, _DISKS, stop)
    except ValueError as error:
        if number(str(error)) == _NO_SUCH_TABLE:  # the plugin is not there
            return []
        return [f"the room on the server's disk is not known: {one_line(str(error), 200)}"]
    free = available((row[1], row[2], row[3]) for row in rows if row[0] == "disk")
    if free is not None and free < needed:
        raise HoldfastError(
            Reason.DISK_FULL,
            f"the disk of {target} has {_exact(free)} available, and the restored database needs more than "
            f"{_exact(needed)}",
            "free space on the disk of the database server, or enlarge it; nothing was changed",
        )
    return []


def _least(manifest: Manifest) -> int | None:
    """Return how many bytes it takes at least; None where nothing is known that is surely less."""
    artifact, size = manifest.artifact, manifest.database.size_bytes
    if artifact.compression == Algorithm.NONE or size is None:
        return None
    return min(artifact.size_bytes, size)


def available(disks: Iterable[tuple[str, str, str]]) -> int | None:
    """Return the bytes that are available where the server keeps its data; None where that is not told for sure.

    `disks`: path, KiB available, the data's folder, as the server tells them. Of `/` is not believed that the data lie
    there: older servers leave out what is no device, such as a network's disk that is mounted below it.
    """
    found = list[tuple[int, int]]()
    for path, free, data in disks:
        mounted, folder = _path(path), _path(data)
        if mounted != PurePosixPath("/") and folder.is_relative_to(mounted):
            found.append((len(mounted.parts), int(free) * 1024))
    return max(found, default=(0, None))[1]


def _path(text: str) -> PurePosixPath:
    return PurePosixPath(bytes.fromhex(text).decode(errors="surrogateescape"))


def _exact(size: int) -> str:
    return f"{size_for_people(size)} ({size} bytes)"
