"""Compression: any reader of gzip can read it, and what is not whole is noticed."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.api.policy import Algorithm
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.compress import compressor, decompressed

TEXT = b"".join(b"%d\tcustomer %d\n" % (i, i * 7919) for i in range(20000))


def packed(algorithm, data, size=1000):
    made = compressor(algorithm)
    chunks = [bytes(made.compress(memoryview(data)[i : i + size])) for i in range(0, len(data), size)]
    return b"".join([*chunks, made.flush()])


def chunked(data, size=777):
    return [data[i : i + size] for i in range(0, len(data), size)]


def test_gzip_is_gzip_for_everyone():
    stored = packed(Algorithm.GZIP, TEXT)
    assert gzip.decompress(stored) == TEXT
    assert len(stored) < len(TEXT) / 2


def test_none_is_the_thing_itself():
    assert packed(Algorithm.NONE, TEXT) == TEXT


@given(st.binary(max_size=5000), st.integers(1, 2000))
@pytest.mark.parametrize("algorithm", Algorithm)
def test_anything_comes_back(algorithm, data, size):
    assert b"".join(decompressed(algorithm, chunked(packed(algorithm, data, size), size))) == data


def test_a_small_file_that_holds_very_much_comes_in_bounded_steps():
    bomb = gzip.compress(bytes(50_000_000))
    sizes = [len(piece) for piece in decompressed(Algorithm.GZIP, [bomb])]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 1 << 20


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s[:-1],
        lambda s: s[: len(s) // 2],
        lambda s: s[:-8] + b"\0" * 8,
        lambda s: b"x" + s,
        lambda s: s + b"more",
    ],
    ids=["one byte short", "half of it", "a wrong sum", "no gzip", "something after it"],
)
def test_what_is_not_whole_is_noticed(change):
    with pytest.raises(HoldfastError) as caught:
        list(decompressed(Algorithm.GZIP, chunked(change(packed(Algorithm.GZIP, TEXT)))))
    assert caught.value.reason is Reason.ARCHIVE_UNREADABLE
