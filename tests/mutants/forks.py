"""Work in forked processes: what was imported is there at once, and whatever a faulty program does stays its own."""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HUNG = -1
_DIES_WITH_ITS_PARENT = 1  # prctl(2): a run that is ended leaves nothing behind


@dataclass
class _Child:
    pid: int
    door: int  # a file descriptor that says that it has ended
    until: float
    slot: Path
    key: object


@dataclass(frozen=True)
class Done:
    """One that has ended: with its exit code, or HUNG; and what it wrote into its own folder."""

    key: object
    code: int
    said: str


class Forks:
    """At most `count` at a time, each with a folder of its own that is emptied behind it."""

    def __init__(self, folder: Path, count: int) -> None:
        self._free = [folder / f"slot-{number}" for number in range(count)]
        self._children: list[_Child] = []

    def run(self, jobs: Iterator[tuple[object, float, Callable[[Path], int]]]) -> Iterator[Done]:
        """Run each job (key, seconds that it may take, what to do), and yield them as they end."""
        for key, seconds, work in jobs:
            while not self._free:
                yield from self._wait()
            self._start(key, seconds, work)
        while self._children:
            yield from self._wait()

    def _start(self, key: object, seconds: float, work: Callable[[Path], int]) -> None:
        slot = self._free.pop()
        slot.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _child(slot, work)
        self._children.append(_Child(pid, os.pidfd_open(pid), time.monotonic() + seconds, slot, key))

    def _wait(self) -> Iterator[Done]:
        soonest = min(child.until for child in self._children)
        doors = [child.door for child in self._children]
        ended, _, _ = select.select(doors, [], [], max(0.0, soonest - time.monotonic()))
        for child in list(self._children):
            hung = child.door not in ended
            if not hung or time.monotonic() >= child.until:
                yield self._end(child, hung=hung)

    def _end(self, child: _Child, *, hung: bool) -> Done:
        """Whatever it started ends with it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        _, status = os.waitpid(child.pid, 0)
        os.close(child.door)
        self._children.remove(child)
        said = (child.slot / "said").read_text(errors="replace") if (child.slot / "said").exists() else ""
        said = said or _last(child.slot / "output")
        shutil.rmtree(child.slot, ignore_errors=True)
        self._free.append(child.slot)
        code = os.waitstatus_to_exitcode(status)
        return Done(child.key, HUNG if hung or code == -signal.SIGALRM else code, said)


def _last(output: Path) -> str:
    """The end of what it printed, where it wrote no word of its own."""
    return output.read_text(errors="replace")[-300:] if output.exists() else ""


def _child(slot: Path, work: Callable[[Path], int]) -> None:
    """Be a process group of our own, quiet, with our own folder for temporary files; never come back."""
    code = 120
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(_DIES_WITH_ITS_PARENT, signal.SIGKILL)
        output = os.open(slot / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.environ["TMPDIR"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = str(slot)
        tempfile.tempdir = None
        code = work(slot)
    except BaseException as error:  # noqa: BLE001 - the parent judges by the code; this process is over
        (slot / "said").write_text(repr(error))
    finally:
        os._exit(code)
