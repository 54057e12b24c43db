"""Reads a stored SQLite file through: it is written onto the scratch volume, and checked there as the copy was."""

from collections.abc import Iterator
from pathlib import Path

from holdfast.contract.manifest import Manifest
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines import scratch
from holdfast.runner.engines.protocol import Contents
from holdfast.runner.engines.sqlite import work
from holdfast.runner.engines.sqlite.dump import FOLDER
from holdfast.runner.engines.sqlite.place import Place
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress


class Stored(Place):
    """The file in the scratch volume, in words for a person."""

    def __str__(self) -> str:
        return "the stored database"


class FileReading:
    """See engine.Reading."""

    schema_comparable = True

    def __init__(self, manifest: Manifest, context: Context, scratch_bytes: int | None) -> None:
        self.contents: Contents | None = None
        self._size = manifest.artifact.uncompressed_bytes
        self._scratch = context.places.scratch
        self._limit = scratch_bytes
        self._stop = context.stop

    def read(self, stream: Iterator[bytes], progress: Progress) -> str:
        """See engine.Reading. Raises ScratchTooSmall, ArchiveUnreadable."""
        scratch.Room(self._scratch, self._limit, instead="").require(self._size)
        folder = self._scratch / FOLDER
        with scratch.removed_after(folder):
            folder.mkdir()
            copied = folder / "database"
            with copied.open("wb") as file:
                for chunk in stream:
                    self._stop.check()
                    file.write(chunk)
                    progress.uncompressed += len(chunk)
            self._check(copied)
        return "integrity_check passed"

    def _check(self, copied: Path) -> None:
        try:
            place = Stored(self._scratch, "", str(copied))
            work.check(place, copied, self._stop)
            self.contents, _ = work.contents(place, copied, self._stop)
        except HoldfastError as error:
            if error.reason not in (Reason.DATABASE_CORRUPT, Reason.NOT_A_DATABASE):
                raise
            raise HoldfastError(
                Reason.ARCHIVE_UNREADABLE,
                error.message,
                "restore another backup, or create a new one: this artifact is not a complete database",
            ) from error
