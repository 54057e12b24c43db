"""Compresses a stream, and takes one apart again in bounded steps: a small file may hold very much.

gzip is ISA-L's, which at a better ratio is four times as fast as zlib's fastest level; what ISA-L cannot do (the level
`small`) is zlib's. The measurements behind levels
and threads are in docs/adr/0013-compression-and-encryption.md.
"""

import sys
import zlib
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Protocol

from holdfast.api.policy import Algorithm, Compression, Level
from holdfast.errors import HoldfastError, Reason

GZIP = 31  # zlib's window bits for a gzip header and trailer
ISAL_LEVELS = {Level.FAST: 1, Level.BALANCED: 3}
ZLIB_SMALL = 6
ZSTD_LEVELS = {Level.FAST: 1, Level.BALANCED: 6, Level.SMALL: 9}
ZSTD_THREADS = 2  # beside the one that reads the dump
ZSTD_JOB = 1 << 20  # bytes that a thread takes at a time; there are a few such buffers for each
ZSTD_WINDOW = 23  # log2 of the bytes that reading may look back: 8 MiB; no level above writes more
OUTPUT = 1 << 20  # bytes that one step of decompression may give
SUFFIX = {Algorithm.GZIP: ".gz", Algorithm.ZSTD: ".zst", Algorithm.NONE: ""}


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


def compressor(compression: Compression) -> Compressor:
    """Return a fresh compressor."""
    level = compression.level or Level.FAST
    match compression.algorithm:
        case Algorithm.NONE:
            return Plain()
        case Algorithm.ZSTD:
            zstd = _zstd()
            option = zstd.CompressionParameter
            options = {
                option.compression_level: ZSTD_LEVELS[level],
                option.checksum_flag: 1,
                option.nb_workers: ZSTD_THREADS,
                option.job_size: ZSTD_JOB,
            }
            made: Compressor = zstd.ZstdCompressor(options=options)
            return made
        case Algorithm.GZIP:
            from isal import isal_zlib  # late: a task needs one library or the other

            if level is Level.SMALL:
                return zlib.compressobj(ZLIB_SMALL, wbits=GZIP)
            return isal_zlib.compressobj(ISAL_LEVELS[level], wbits=GZIP)


def decompressed(algorithm: Algorithm, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what the chunks decompress to, 1 MiB at most at a time. Raises ArchiveUnreadable unless they are whole."""
    match algorithm:
        case Algorithm.NONE:
            yield from chunks
        case Algorithm.ZSTD:
            yield from _from_zstd(chunks)
        case Algorithm.GZIP:
            yield from _from_gzip(chunks)


def _from_gzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    from isal import isal_zlib

    unpacker = isal_zlib.decompressobj(wbits=GZIP)
    try:
        for chunk in chunks:
            rest = chunk
            while rest and not unpacker.eof:
                yield unpacker.decompress(rest, OUTPUT)
                rest = unpacker.unconsumed_tail
            _require_end(Algorithm.GZIP, not rest)
    except isal_zlib.error as error:  # type: ignore[misc]
        raise _unreadable(str(error)) from error
    _require_end(Algorithm.GZIP, unpacker.eof and not unpacker.unused_data)


def _from_zstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    zstd = _zstd()
    unpacker = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW})
    try:
        for chunk in chunks:
            _require_end(Algorithm.ZSTD, not (chunk and unpacker.eof))
            yield unpacker.decompress(chunk, OUTPUT)
            while not (unpacker.needs_input or unpacker.eof):
                yield unpacker.decompress(b"", OUTPUT)
    except zstd.ZstdError as error:
        raise _unreadable(str(error)) from error
    _require_end(Algorithm.ZSTD, unpacker.eof and not unpacker.unused_data)


def _zstd() -> ModuleType:
    """Return the module of zstd: Python's own since 3.14, before that the same code as a library."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _require_end(algorithm: Algorithm, fulfilled: bool) -> None:
    if not fulfilled:
        raise _unreadable(f"the stored stream is cut off: it does not end as a {algorithm} stream does")


def _unreadable(what: str) -> HoldfastError:
    return HoldfastError(
        Reason.ARCHIVE_UNREADABLE,
        f"the artifact cannot be decompressed: {what}",
        "restore another backup, or create a new one: this artifact is damaged",
    )
