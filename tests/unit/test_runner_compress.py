"""Compression: any reader of gzip can read it, and what is not whole is noticed."""

import gzip
from itertools import pairwise
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.api.policy import Algorithm, Compression, Level
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.compress import compressor, decompressed

TEXT = b"".join(b"%d\tcustomer %d\n" % (i, i * 7919) for i in range(20000))


REAL = b"".join(path.read_bytes() for path in sorted((Path(__file__).parents[2] / "operator").rglob("*.py")))
COMPRESSING = [Algorithm.GZIP, Algorithm.ZSTD]


def packed(algorithm, data, size=1000, level=None):
    made = compressor(Compression(algorithm=algorithm, level=level))
    chunks = [bytes(made.compress(memoryview(data)[i : i + size])) for i in range(0, len(data), size)]
    return b"".join([*chunks, made.flush()])


def chunked(data, size=777):
    return [data[i : i + size] for i in range(0, len(data), size)]


def test_gzip_is_gzip_for_everyone():
    stored = packed(Algorithm.GZIP, TEXT)
    assert gzip.decompress(stored) == TEXT
    assert len(stored) < len(TEXT) / 2


def test_zstd_is_zstd_for_everyone_and_carries_a_checksum():
    stored = packed(Algorithm.ZSTD, TEXT)
    assert zstd.decompress(stored) == TEXT
    with pytest.raises(zstd.ZstdError, match="checksum"):
        zstd.decompress(stored[:-1] + bytes([stored[-1] ^ 1]))


@pytest.mark.parametrize("algorithm", COMPRESSING)
def test_a_level_gives_more_time_for_less_room(algorithm):
    sizes = [len(packed(algorithm, REAL, level=level)) for level in Level]
    assert all(after < before for before, after in pairwise(sizes))


def test_none_is_the_thing_itself():
    assert packed(Algorithm.NONE, TEXT) == TEXT


@settings(deadline=None)  # threads take turns with whatever else runs
@given(st.binary(max_size=5000), st.integers(1, 2000))
@pytest.mark.parametrize("algorithm", Algorithm)
def test_anything_comes_back(algorithm, data, size):
    assert b"".join(decompressed(algorithm, chunked(packed(algorithm, data, size), size))) == data


@pytest.mark.parametrize(("algorithm", "pack"), [(Algorithm.GZIP, gzip.compress), (Algorithm.ZSTD, zstd.compress)])
def test_a_small_file_that_holds_very_much_comes_in_bounded_steps(algorithm, pack):
    bomb = pack(bytes(50_000_000))
    sizes = [len(piece) for piece in decompressed(algorithm, [bomb])]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 1 << 20


def test_a_stream_that_asks_for_more_memory_than_ours_ever_do_is_refused():
    option = zstd.CompressionParameter
    made = zstd.ZstdCompressor(options={option.window_log: 24})
    greedy = made.compress(TEXT) + made.flush()
    with pytest.raises(HoldfastError, match="too much memory"):
        list(decompressed(Algorithm.ZSTD, [greedy]))


@pytest.mark.parametrize("algorithm", COMPRESSING)
@pytest.mark.parametrize(
    "change",
    [
        lambda s: s[:-1],
        lambda s: s[: len(s) // 2],
        lambda s: s[:-4] + bytes(byte ^ 1 for byte in s[-4:]),
        lambda s: b"x" + s,
        lambda s: s + b"more",
    ],
    ids=["one byte short", "half of it", "a wrong sum", "another format", "something after it"],
)
@pytest.mark.parametrize("size", [777, 1 << 20], ids=["in pieces", "at once"])
def test_what_is_not_whole_is_noticed(algorithm, change, size):
    with pytest.raises(HoldfastError) as caught:
        list(decompressed(algorithm, chunked(change(packed(algorithm, TEXT)), size)))
    assert caught.value.reason is Reason.ARCHIVE_UNREADABLE
