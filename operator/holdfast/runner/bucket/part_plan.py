"""The plan of parts: how big each one is, and whether it waits for the store in memory or on the disk.

S3 takes at most 10,000 parts of 5 MiB to 5 GiB, and 5 TiB in all
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html), and nobody knows beforehand how long a dump will
be. A part must be there in full until the store has it, since it may have to be sent again. So nearly half of all
numbers go to parts that memory holds easily, which is enough for most databases; the other half has to make up the
5 TiB, and those parts are too big for memory.
"""

from typing import NamedTuple

from holdfast.errors import HoldfastError, Reason

MIB = 1 << 20
GIB = 1 << 30
MAX_PARTS = 10_000
MAX_OBJECT = 5 << 40  # bytes


class Size(NamedTuple):
    """How the parts up to a number are."""

    last: int  # the number of the last such part
    size: int  # bytes of each
    on_disk: bool


PLAN = (Size(4_900, 8 * MIB, on_disk=False), Size(MAX_PARTS, GIB, on_disk=True))
IN_MEMORY = 4_900 * 8 * MIB  # bytes of an artifact that needs no disk
DISK = 2 * GIB  # bytes of disk that a bigger one needs: a part is filled while another is on its way


def planned(number: int) -> Size:
    """Return how part `number` is, from 1. Raises StorageFailed beyond the last one."""
    for size in PLAN:
        if number <= size.last:
            return size
    raise HoldfastError(
        Reason.STORAGE_FAILED,
        "the artifact is larger than 5 TiB, the limit of an object in S3",
        "compress the dump (dump.compression), or split the database",
    )
