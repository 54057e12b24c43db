"""Progress lines as they stand in a CI log, and the lock that lets one build at a time."""

import io
import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from tests.cluster.lock import locked
from tests.cluster.steps import Steps


def clock(*times: float) -> Iterator[float]:
    yield from times


def test_a_step_is_one_line():
    out = io.StringIO()
    steps = Steps(2, out, clock(0, 3.4, 10, 10.2).__next__)
    with steps.step("daemon"):
        pass
    with steps.step("cluster holdfast"):
        pass
    assert out.getvalue() == "[1/2] daemon ... 3 s\n[2/2] cluster holdfast ... 0 s\n"


def test_a_slow_part_has_its_own_line_and_the_step_its_sum():
    out = io.StringIO()
    steps = Steps(7, out, clock(0, 1, 204, 210).__next__)
    with steps.step("node image"), steps.part("building kube-apiserver (about 3 min)"):
        pass
    assert out.getvalue().splitlines() == [
        "[1/7] node image ...",
        "      building kube-apiserver (about 3 min) ... 203 s",
        "[1/7] node image 210 s",
    ]


def test_a_failed_step_says_so():
    out = io.StringIO()
    steps = Steps(1, out, clock(0, 34).__next__)
    with pytest.raises(ValueError, match="x"), steps.step("cluster"):
        raise ValueError("x")
    assert out.getvalue() == "[1/1] cluster ... failed after 34 s\n"


def test_a_remark_does_not_break_a_line():
    out = io.StringIO()
    steps = Steps(1, out, clock(0, 2).__next__)
    with steps.step("daemon"):
        steps.say("none of ours was running")
    assert out.getvalue() == "[1/1] daemon ...\n      none of ours was running\n[1/1] daemon 2 s\n"


def _hold(path: Path, ours: Connection) -> None:
    with locked(path, print):
        ours.send("held")
        ours.recv()


def test_the_second_waits_and_hears_who_holds_the_lock(tmp_path: Path):
    path = tmp_path / "locks" / "go"
    ours, theirs = multiprocessing.Pipe()
    holder = multiprocessing.get_context("fork").Process(target=_hold, args=(path, theirs))
    holder.start()
    assert ours.recv() == "held"
    heard: list[str] = []

    def waiting(pid: str) -> None:
        heard.append(pid)
        ours.send("end")

    with locked(path, waiting):
        assert heard == [str(holder.pid)]
    holder.join()


def test_a_killed_holder_frees_the_lock(tmp_path: Path):
    ours, theirs = multiprocessing.Pipe()
    holder = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path / "go", theirs))
    holder.start()
    assert ours.recv() == "held"
    holder.kill()
    holder.join()
    heard: list[str] = []
    with locked(tmp_path / "go", heard.append):
        assert heard == []
