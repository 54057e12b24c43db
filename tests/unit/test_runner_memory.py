"""The peak of memory is what the runner and its tools held, and not what a tool seems to have begun with."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.runner.pod.memory import Peak

MIB = 1 << 20


def processes(folder: Path, *rows: tuple[int, int, int | None]) -> Path:
    """Write what the kernel says of processes: their number, their parent's, and their peak in kB."""
    for number, parent, peak in rows:
        told = folder / str(number)
        told.mkdir()
        memory = "" if peak is None else f"VmHWM:\t{peak:8} kB\n"
        (told / "status").write_text(f"Name:\tpsql\nPPid:\t{parent}\n{memory}")
    return folder


@pytest.fixture
def a_runner_that_grows_no_more(monkeypatch):
    """Its own peak would rise between two looks where nothing before them took as much."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    monkeypatch.setattr(resource, "getrusage", lambda _: own)


@pytest.mark.usefixtures("a_runner_that_grows_no_more")
@pytest.mark.parametrize(
    ("rows", "kib"),
    [
        pytest.param([(2_000_001, os.getpid(), 300)], 300, id="a tool"),
        pytest.param([(2_000_001, os.getpid(), 300), (2_000_002, 2_000_001, 50)], 350, id="a tool and its worker"),
        pytest.param([(2_000_001, os.getpid(), None)], 0, id="a tool that has just ended"),
        pytest.param([(2_000_001, 1, 300)], 0, id="another's process"),
    ],
)
def test_what_the_tools_hold_is_added_up(tmp_path, rows, kib):
    peak = Peak(processes(tmp_path, *rows))
    before = peak.total()
    peak.look()
    assert peak.total() - before == kib * 1024


@pytest.mark.usefixtures("a_runner_that_grows_no_more")
def test_of_several_looks_the_greatest_counts(tmp_path):
    peak = Peak(processes(tmp_path, (2_000_001, os.getpid(), 300)))
    before = peak.total()
    peak.look()
    (tmp_path / "2000001" / "status").unlink()
    peak.look()
    assert peak.total() - before == 300 * 1024


def test_a_small_tool_of_a_large_runner_is_small():
    held = b"x" * (128 * MIB)
    peak, before = Peak(), Peak().total()
    command = [sys.executable, "-c", "print('there', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tool:
        assert tool.stdout is not None
        tool.stdout.readline()
        peak.look()
        tool.communicate(b"\n")
    assert 0 < peak.total() - before < len(held) // 2
