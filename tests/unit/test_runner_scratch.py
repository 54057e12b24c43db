"""The scratch volume: what is available is the smaller of disk and limit, and too little is told beforehand."""

import pytest

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines import scratch
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop

GB = 10**9


@pytest.mark.parametrize(
    ("free", "limit", "present", "expected"),
    [
        (100 * GB, 10 * GB, 0, 10 * GB),
        (5 * GB, 10 * GB, 0, 5 * GB),
        (100 * GB, 10 * GB, 4 * GB, 6 * GB),
        (100 * GB, 10 * GB, 11 * GB, 0),
        (100 * GB, None, 4 * GB, 100 * GB),
    ],
    ids=["the limit", "the disk", "what is left of the limit", "nothing left", "no limit"],
)
def test_available_is_what_may_still_be_written(free, limit, present, expected):
    assert scratch.available(free, limit, present) == expected


def test_too_little_is_told_with_both_numbers(tmp_path):
    with pytest.raises(HoldfastError, match=r"5\.0 GB \(5000000000 bytes\).*has only 1\.0 kB \(1000 bytes\)") as caught:
        scratch.Room(tmp_path, 1000).require(5 * GB)
    assert caught.value.reason is Reason.SCRATCH_TOO_SMALL
    assert caught.value.exit_code == 2


def test_what_fits_is_let_through(tmp_path):
    scratch.Room(tmp_path, 1000).require(1000)


def test_used_counts_every_file_below(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 10)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_bytes(b"x" * 5)
    assert scratch.used(tmp_path) == 15


def test_what_was_written_since_the_last_look_counts_too(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "INTERVAL", 60)
    room = scratch.Room(tmp_path, 1000)
    with (
        pytest.raises(HoldfastError, match=r"the dump has reached 2\.0 kB \(2000 bytes\)"),
        room.watched(Stop(), Progress(Log(), "dumping")),
    ):
        (tmp_path / "dump").write_bytes(b"x" * 2000)
