"""The backup of an SQLite file: a copy on the scratch volume, looked through there, then stored."""

from contextlib import ExitStack
from typing import Self

from holdfast.runner.artifact.stream import BUFFER, Sink
from holdfast.runner.engines import scratch
from holdfast.runner.engines.protocol import Contents
from holdfast.runner.engines.sqlite import work
from holdfast.runner.engines.sqlite.place import Place
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress

FOLDER = "copy"  # in the scratch volume


class FileDump:
    """See engine.Dumping. The live database is read only after the bucket was seen to take an upload."""

    def __init__(
        self, place: Place, context: Context, size: int, scratch_bytes: int | None, warnings: list[str]
    ) -> None:
        """`size` is what the copy may need, bytes; what the check notices is added to `warnings`."""
        self.arguments = ["pages=-1"]
        self.suffix = ".sqlite"
        self.contents: Contents | None = None
        self._place = place
        self._stop = context.stop
        self._folder = context.places.scratch / FOLDER
        self._room = scratch.Room(context.places.scratch, scratch_bytes, instead="")
        self._size = size
        self._warnings = warnings
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._room.require(self._size)
        self._stack.enter_context(scratch.removed_after(self._folder))
        self._folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stream(self, sink: Sink, progress: Progress) -> str:
        """See engine.Dumping."""
        copied = self._folder / "database"
        progress.phase = "dumping"
        with self._room.watched(self._stop, progress):
            work.copy(self._place, copied, self._stop)
        progress.phase = "checking"
        self._warnings += work.check(self._place, copied, self._stop)
        self.contents, warnings = work.contents(self._place, copied, self._stop)
        self._warnings += warnings
        progress.phase = "storing"
        view = memoryview(bytearray(BUFFER))
        with copied.open("rb", buffering=0) as file:
            while count := file.readinto(view):
                self._stop.check()
                sink.write(view[:count])
        self._stack.close()  # the room may be wanted to read the artifact back
        return "integrity_check passed on the copy"
