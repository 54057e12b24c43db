"""The plan of parts: a stream of any length fits S3's limits, and small backups stay small in memory."""

import re
from itertools import accumulate, pairwise
from pathlib import Path

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


def test_the_docs_say_how_big_a_part_is_after_how_much():
    """docs/performance.md has a table of it, since two parts are in memory at a time."""
    page = (Path(__file__).parents[2] / "docs/performance.md").read_text()
    rows = re.findall(r"^\| ([\d,]+) GiB \| ([\d,]+) MiB \|", page, re.MULTILINE)
    assert len(rows) > 5
    for stored, part in rows:
        wanted = int(stored.replace(",", "")) << 30
        size = next(size for size, total in zip(SIZES, accumulate(SIZES), strict=True) if total >= wanted)
        assert size // MIB == int(part.replace(",", ""))
