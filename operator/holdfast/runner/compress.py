"""Compresses a stream. gzip is ISA-L's: some ten times zlib's speed at a better ratio than its fastest level."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from holdfast.api.policy import Algorithm
from holdfast.errors import HoldfastError, Reason

GZIP = 31  # zlib's window bits for a gzip header and trailer
OUTPUT = 1 << 20  # bytes that one step of decompression may give: a small file may hold very much
LEVEL = 1  # ISA-L has 0 to 3; 1 costs little more than 0 and stores a good deal less


class Compressor(Protocol):
    """What turns chunks into compressed chunks."""

    def compress(self, data: memoryview, /) -> bytes | memoryview:
        """Take a chunk; return what is ready, maybe nothing."""
        ...

    def flush(self) -> bytes:
        """Return the rest, with the trailer."""
        ...


class Plain:
    """No compression."""

    def compress(self, data: memoryview, /) -> memoryview:
        """Return the chunk as it is."""
        return data

    def flush(self) -> bytes:
        """Return nothing."""
        return b""


def compressor(algorithm: Algorithm) -> Compressor:
    """Return a fresh compressor."""
    if algorithm is Algorithm.NONE:
        return Plain()
    from isal import isal_zlib

    return isal_zlib.compressobj(LEVEL, wbits=GZIP)


def decompressed(algorithm: Algorithm, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what the chunks decompress to. Raises ArchiveUnreadable where they are not whole."""
    if algorithm is Algorithm.NONE:
        yield from chunks
        return
    from isal import isal_zlib

    unpacker = isal_zlib.decompressobj(wbits=GZIP)
    try:
        for chunk in chunks:
            rest = chunk
            while rest and not unpacker.eof:
                yield unpacker.decompress(rest, OUTPUT)
                rest = unpacker.unconsumed_tail
    except isal_zlib.error as error:  # type: ignore[misc]
        raise _unreadable(str(error)) from error
    if not unpacker.eof or unpacker.unused_data:
        raise _unreadable("it does not end where a gzip stream ends")


def _unreadable(what: str) -> HoldfastError:
    return HoldfastError(
        Reason.ARCHIVE_UNREADABLE, f"the artifact cannot be decompressed: {what}", "restore another backup"
    )


def suffix(algorithm: Algorithm) -> str:
    """Return what the artifact's name ends in."""
    return ".gz" if algorithm is Algorithm.GZIP else ""
