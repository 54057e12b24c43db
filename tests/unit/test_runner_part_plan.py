"""The plan of parts, walked from the first to the last: S3's limits, and what memory and disk must hold for it."""

import pytest

from holdfast.errors import HoldfastError, Reason
from holdfast.manifests import volumes
from holdfast.runner.bucket.part import Spooled
from holdfast.runner.bucket.part_plan import DISK, GIB, IN_MEMORY, MAX_OBJECT, MAX_PARTS, MIB, planned
from holdfast.runner.bucket.upload import MEMORY
from holdfast.units import bytes_of_quantity

WALK = [planned(number) for number in range(1, MAX_PARTS + 1)]


def test_all_parts_together_hold_the_largest_object_that_s3_knows():
    assert sum(part.size for part in WALK) >= MAX_OBJECT == 5 * 1024 * GIB


def test_every_part_is_of_a_size_that_s3_takes():
    assert all(5 * MIB <= part.size <= 5 * GIB for part in WALK)


def test_memory_never_holds_more_than_24_mib_of_parts():
    """One is filled; those on their way share what they may have, and a bigger one than that would go alone."""
    held = max(part.size for part in WALK if not part.on_disk)
    assert held + max(held, MEMORY) <= 24 * MIB


def test_the_disk_holds_two_parts_and_the_jobs_volume_has_room_for_them():
    spooled = max(part.size for part in WALK if part.on_disk)
    assert spooled > MEMORY, "so they go one by one"
    assert 2 * spooled == DISK < bytes_of_quantity(volumes.SPOOL_LIMIT)


def test_what_needs_no_disk_is_known():
    assert sum(part.size for part in WALK if not part.on_disk) == IN_MEMORY > 38 * GIB


def test_a_file_that_takes_less_than_it_is_given_gets_the_rest(tmp_path):
    part = Spooled(100, tmp_path)
    real = part._file

    class Slow:
        """A file that takes seven bytes at a time, as a full pipe or a signal makes one."""

        def write(self, data):
            return real.write(data[:7])

        def __getattr__(self, name):
            return getattr(real, name)

    part._file = Slow()
    part.add(bytes(range(100)))
    assert part.body().read() == bytes(range(100))
    assert len(part) == 100


def test_there_is_no_part_beyond_the_last():
    with pytest.raises(HoldfastError, match="larger than 5 TiB") as caught:
        planned(MAX_PARTS + 1)
    assert caught.value.reason is Reason.STORAGE_FAILED
