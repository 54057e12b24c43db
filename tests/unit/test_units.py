"""Sizes and durations read as people and Kubernetes write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.units import MAX_SIZE, bytes_of_quantity, duration_for_people, duration_in_words, size_for_people


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10Gi", 10 * 1024**3),
        ("500M", 500_000_000),
        ("1e9", 10**9),
        (5, 5),
        ("1.5Gi", 1610612736),
        ("1Ei", 1024**6),
        ("1E", 10**18),
        ("1E3", 1000),
        (".5k", 500),
        ("1.", 1),
        ("1500m", 2),
        ("500m", 1),
        ("0m", 0),
    ],
)
def test_quantities_are_read_as_bytes(text, size):
    assert bytes_of_quantity(text) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1e999999", MAX_SIZE),
        ("1e" + "9" * 60, MAX_SIZE),
        ("0e" + "9" * 60, 0),
        ("1e-999999999", 1),
        ("9" * 64, MAX_SIZE),
        (10**5000, MAX_SIZE),
        ("100Ei", MAX_SIZE),
    ],
    ids=["exponent", "longest exponent", "of zero", "tiny", "digits", "number", "too large"],
)
@pytest.mark.timeout(2)
def test_a_size_beyond_all_is_the_largest_one_as_in_kubernetes_and_takes_no_time(text, size):
    assert bytes_of_quantity(text) == size


@given(
    st.integers() | st.text() | st.from_regex(r"[+-]?[0-9.]{1,30}([eE][+-]?[0-9]{1,40}|[A-Za-z]{0,2})", fullmatch=True)
)
def test_whatever_is_written_is_a_size_in_range_or_refused(text):
    try:
        assert 0 <= bytes_of_quantity(text) <= MAX_SIZE
    except ValueError as refusal:
        assert re.search("not a size|below zero", str(refusal))  # noqa: PT017 - either is right


@pytest.mark.parametrize("text", ["", "ten", "10 GB", "-1Gi", "1Zi", "1e5m", "1_0", "\u0663", ".", "1" * 65])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=r"not a size|below zero"):
        bytes_of_quantity(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (82_400_000, "82 MB"),
        (1_240_000_000, "1.2 GB"),
        (10**19, "10000 PB"),
        (10**400, "1000000000 PB"),
    ],
)
def test_sizes_are_short(size, text):
    assert size_for_people(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.004, "0.1s"),
        (0.34, "0.3s"),
        (0.949, "0.9s"),
        (0.95, "1s"),
        (4.4, "4s"),
        (125, "2m5s"),
        (3600, "1h"),
        (11400, "3h10m"),
        (190_000, "2d4h"),
        (1e300, "11574d1h"),
        (float("nan"), "0s"),
        (-3, "0s"),
    ],
)
def test_durations_read_as_kubectl_prints_them(seconds, text):
    assert duration_for_people(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "less than a second"), (0.6, "less than a second"), (0.95, "1s"), (125, "2m5s")]
)
def test_a_sentence_never_says_that_something_took_no_time(seconds, text):
    assert duration_in_words(seconds) == text
