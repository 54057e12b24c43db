"""Progress for people and CI logs: one plain line per step on standard error, with the time it took.

Standard output stays free for what a shell is meant to eval.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


class Steps:
    """Counts the steps of one command: `[3/7] node image: building kube-apiserver (about 3 min) ... 203 s`."""

    def __init__(self, total: int, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.number = 0
        self._out = out
        self._clock = clock
        self._open = False

    def _write(self, text: str) -> None:
        out = self._out or sys.stderr
        out.write(text)
        out.flush()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A numbered part of the whole."""
        self.number += 1
        with self._timed(f"[{self.number}/{self.total}] {name}"):
            yield

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Something slow inside a step, worth a line of its own."""
        with self._timed(f"      {name}"):
            yield

    @contextmanager
    def _timed(self, label: str) -> Iterator[None]:
        self._write(f"\n{label} ..." if self._open else f"{label} ...")
        self._open = True
        start = self._clock()
        end = "failed after"
        try:
            yield
            end = ""
        finally:
            took = f" {end} {self._clock() - start:.0f} s\n".replace("  ", " ")
            self._write(took if self._open else f"{label}{took}")
            self._open = False

    def say(self, text: str) -> None:
        self._write(f"\n      {text}\n" if self._open else f"      {text}\n")
        self._open = False

    def waiting(self, pid: str) -> None:
        self.say(f"waiting for process {pid}, which is busy with the same")
