"""The plan of parts: a stream of any length fits S3's limits, and small backups stay small in memory."""

from itertools import pairwise

from holdfast.runner.parts import MAX_PARTS, MIB, size_of_part

SIZES = [size_of_part(number) for number in range(1, MAX_PARTS + 1)]


def test_ten_thousand_parts_hold_the_largest_object_that_s3_knows():
    assert sum(SIZES) >= 5 << 40


def test_every_part_is_within_s3s_limits():
    assert all(5 * MIB <= size <= 5 << 30 for size in SIZES)


def test_parts_never_shrink_and_grow_slowly():
    assert all(after >= before for before, after in pairwise(SIZES))
    assert all(after <= before * 1.13 for before, after in pairwise(SIZES))


def test_the_first_gigabytes_go_in_small_parts():
    total = 0
    for size in SIZES:
        total += size
        if total > 4 << 30:
            break
        assert size <= 10 * MIB
