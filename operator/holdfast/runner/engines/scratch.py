"""The scratch volume of what is staged: whether there is room, and whether it lasts.

A volume's limit is not what `statvfs` says (it shows the node's disk), so the limit travels in the task. The runner
stops before the kubelet evicts the Pod: an eviction takes the report with it.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact.stream import SILENCE
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop
from holdfast.units import size_for_people

INTERVAL = 0.25  # seconds between two looks
FULL = 0.97  # of what is available


class Room:
    """The room in the scratch volume."""

    def __init__(
        self,
        folder: Path,
        limit: int | None,
        instead: str = ", or use format sql or custom, which need no scratch volume",
    ) -> None:
        """`limit` is the volume's, bytes; none where the disk alone is the limit. `instead` completes the remedy."""
        self._folder = folder
        self._instead = instead
        disk = os.statvfs(folder)
        self.available = available(disk.f_bavail * disk.f_frsize, limit, used(folder))

    def require(self, needed: int) -> None:
        """Raise ScratchTooSmall unless `needed` bytes fit."""
        if needed > self.available:
            raise self._too_small(f"the dump may need {_exact(needed)}", needed)

    @contextmanager
    def watched(self, stop: Stop, progress: Progress, silent: Callable[[float], None] | None = None) -> Iterator[None]:
        """Ask the task to end when the room is nearly used up; shows what is used as progress.

        `silent` is called when nothing was written for long, as `stream.pump` does; what it raises ends the task.
        Raises ScratchTooSmall also for what was written since the last look: the kubelet's own look is still to come.
        """
        done = threading.Event()
        limit = int(self.available * FULL)

        def look() -> None:
            progress.uncompressed = size = used(self._folder)
            if size > limit:
                stop.request(self._too_small(f"the dump has reached {_exact(size)}", size * 2))

        def watch() -> None:
            before, since = -1, time.monotonic()
            asked = since
            while not done.wait(INTERVAL):
                look()
                now = time.monotonic()
                if progress.uncompressed != before:
                    before, since, asked = progress.uncompressed, now, now
                elif silent and now - asked >= SILENCE:
                    asked = now
                    try:
                        silent(now - since)
                    except HoldfastError as error:
                        stop.request(error)

        thread = threading.Thread(target=watch, name="scratch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        look()
        stop.check()

    def _too_small(self, what: str, wanted: int) -> HoldfastError:
        return HoldfastError(
            Reason.SCRATCH_TOO_SMALL,
            f"{what}, but the scratch volume has only {_exact(self.available)}",
            f"raise job.scratch.sizeLimit to at least {size_for_people(wanted * 5 // 4)}{self._instead}",
        )


def available(free: int, limit: int | None, present: int) -> int:
    """Return how many bytes may be written: what the disk has free, and no more than is left of the limit."""
    return free if limit is None else max(0, min(free, limit - present))


def used(folder: Path) -> int:
    """Return the bytes of all files under a folder; files may come and go meanwhile."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size  # noqa: PTH118 - thousands of files, four times a second
            except FileNotFoundError:
                continue
    return total


@contextmanager
def removed_after(folder: Path) -> Iterator[None]:
    """Remove a folder of ours when the block ends, however it ends."""
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exact(size: int) -> str:
    return f"{size_for_people(size)} ({size} bytes)"
