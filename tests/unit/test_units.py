"""Sizes and durations read as people and Kubernetes write them."""

import pytest

from holdfast.units import bytes_of_quantity, duration_for_people, size_for_people


@pytest.mark.parametrize(
    ("text", "size"),
    [("10Gi", 10 * 1024**3), ("500M", 500_000_000), ("1e9", 10**9), (5, 5), ("1.5Gi", 1610612736), ("1Ei", 1024**6)],
)
def test_quantities_are_read_as_bytes(text, size):
    assert bytes_of_quantity(text) == size


@pytest.mark.parametrize("text", ["", "ten", "10 GB", "-1Gi", "1Zi"])
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
    ],
)
def test_sizes_are_short(size, text):
    assert size_for_people(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (4.4, "4s"), (125, "2m5s"), (3600, "1h"), (11400, "3h10m"), (190_000, "2d4h")]
)
def test_durations_read_as_kubectl_prints_them(seconds, text):
    assert duration_for_people(seconds) == text
