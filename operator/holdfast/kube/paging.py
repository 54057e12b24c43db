"""How many objects a page of a list asks for, so that an answer fits into memory however big somebody made them.

The limit that the API server knows is a number of objects, and an object may have anything between 1 kB and 1.5 MB.
"""

from collections.abc import AsyncIterable

FIRST = 50  # objects of the first page, whose sizes nobody knows yet
_MOST = 500  # objects of any page
_WANTED = 1 << 20  # bytes that a page should have; in memory it is there twice for a moment, as text and as objects
MAX_BYTES = 6 << 20  # bytes that an answer may have: more than the biggest object that a cluster keeps


class TooBig(Exception):  # noqa: N818 - what a cluster holds, not a fault
    """An answer that has more bytes than may be held."""


async def read(chunks: AsyncIterable[bytes]) -> bytes:
    """Return the whole answer. Raises TooBig as soon as it is."""
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > MAX_BYTES:
            raise TooBig(f"the answer has more than {MAX_BYTES >> 20} MiB")
    return bytes(data)


async def first_line(chunks: AsyncIterable[bytes]) -> bytes:
    """Return an answer's first line, of one that may have no end. Raises TooBig."""
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if b"\n" in chunk:
            break
        if len(data) > MAX_BYTES:
            raise TooBig(f"a line of the answer has more than {MAX_BYTES >> 20} MiB")
    return bytes(data.partition(b"\n")[0])


def next_size(size: int, objects: int, held: int) -> int:
    """Return how many objects to ask for after so many, by how many there were and how many bytes they had."""
    return max(1, min(_MOST, 4 * size, _WANTED * max(1, objects) // held))


def fewer(size: int) -> int:
    """Return how many to ask for where so many were too big."""
    return max(1, size // 8)
