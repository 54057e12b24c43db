"""The most memory that the runner and its tools held.

What the kernel tells of a child that has ended (`RUSAGE_CHILDREN`) is no use: a child begins as the runner, whose
memory counts as the child's own peak, so that a psql of 11 MiB was told as one of 75. So the tools are looked at while
they run. Each remembers its own peak since it became a program of its own.
"""

import os
import resource
from collections import defaultdict
from pathlib import Path

PROCESSES = Path("/proc")


class Peak:
    """Is asked to look again and again; a tool that is gone before the next look is not seen."""

    def __init__(self, processes: Path = PROCESSES) -> None:
        self._processes = processes
        self._tools = 0  # bytes

    def look(self) -> None:
        """See what the tools that run now have held at most, all together."""
        self._tools = max(self._tools, _of_descendants(self._processes, os.getpid()))

    def total(self) -> int:
        """Return the runner's peak plus that of its tools, bytes."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + self._tools  # Linux counts in KiB


PEAK = Peak()
"""Of this process."""


def _of_descendants(processes: Path, parent: int) -> int:
    """Return the sum of the peaks of all processes that a process has started, and those have started, bytes."""
    children: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for file in processes.glob("[0-9]*/status"):
        try:
            said = dict(line.split(":", 1) for line in file.read_text(errors="replace").splitlines() if ":" in line)
        except OSError:  # it has ended
            continue
        peak = int(said.get("VmHWM", "0 kB").split()[0]) * 1024  # one that has just ended holds nothing
        children[int(said["PPid"])].append((int(file.parent.name), peak))
    total, of = 0, [parent]
    while of:
        for number, peak in children.pop(of.pop(), []):
            total += peak
            of.append(number)
    return total
