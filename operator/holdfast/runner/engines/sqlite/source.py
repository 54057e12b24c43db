"""An SQLite database as tasks use it."""

from collections.abc import Iterator
from copy import copy

from holdfast.api.database import Database
from holdfast.api.policy import Dump
from holdfast.api.restoring import RestoreMode
from holdfast.contract.globals import Globals
from holdfast.contract.manifest import Manifest, ManifestArtifact
from holdfast.contract.task import Beside, RestoreTask
from holdfast.runner.engines import landing
from holdfast.runner.engines.protocol import Came, Landing, Look, Overrides, Ready, Switched
from holdfast.runner.engines.scripts import Script
from holdfast.runner.engines.sqlite import arrived, replacing, restore, work
from holdfast.runner.engines.sqlite.dump import FileDump
from holdfast.runner.engines.sqlite.place import Place
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.stop import Stop

FILES = "the last write to the file, or to its write-ahead log"
FORMAT = 3  # of the file, as in its first bytes; the image's key has it too


class SQLite:
    """See engine.Source."""

    def __init__(self, database: Database, context: Context, overrides: Overrides) -> None:
        assert database.volume is not None
        volume = database.volume
        self._context = context
        assert database.name is not None
        self._name = database.name
        self.place = Place(context.places.volume, overrides.claim or volume.claim_name, overrides.path or volume.path)
        self.whose = context.pod_uid
        self.warnings: list[str] = []

    def __str__(self) -> str:
        return str(self.place)

    @property
    def stop(self) -> Stop:
        """What asks the task to end."""
        return self._context.stop

    def at(self, place: Place, whose: str) -> "SQLite":
        """Return the one at another place, whose warnings are this one's; `whose` names what is not whole yet."""
        other = copy(self)
        other.place, other.whose = place, whose
        return other

    def validate(self, *, with_globals: bool | None = None) -> Ready:  # noqa: ARG002 - a file has none
        """See engine.Source. Raises DatabaseNotFound, NotADatabase, FileAccessDenied."""
        import sqlite3  # late: a restore does without

        found = self.place.look()
        return Ready(
            host=f"claim {self.place.claim}, {self.place.path}",
            database=self._name,
            server_version=f"SQLite {found.writer}",
            server_major=FORMAT,
            database_size=found.size,
            tool="sqlite3_backup",
            tool_version=f"SQLite {sqlite3.sqlite_version}",
        )

    def dumping(self, dump: Dump, ready: Ready, scratch_bytes: int | None) -> FileDump:  # noqa: ARG002 - one format
        """See engine.Source."""
        return FileDump(self.place, self._context, ready.database_size, scratch_bytes, self.warnings)

    def look(self) -> Look:
        """See engine.Source: of a file, its size and when it was last written. Its applications may be at work."""
        return Look(size_bytes=self.place.look().size, newest_change=self.place.changed(), newest_change_of=FILES)

    def require_empty(self) -> None:
        """See engine.Source."""
        self.place.require_absent()

    def require_needs(self, manifest: Manifest) -> None:
        """See engine.Source: a file holds all that it needs, but for the room."""
        restore.require_room(self.place, manifest.artifact.uncompressed_bytes)

    def restore(
        self,
        task: RestoreTask,  # noqa: ARG002 - says nothing that matters to a file
        artifact: ManifestArtifact,
        stream: Iterator[bytes],
        progress: Progress,
    ) -> None:
        """See engine.Source."""
        restore.write(self.place, stream, artifact.uncompressed_bytes, self.whose, progress)

    def stages(self, task: RestoreTask, artifact: ManifestArtifact) -> bool:  # noqa: ARG002
        """See engine.Source."""
        return False

    def require_served(self, task: RestoreTask, manifest: Manifest) -> None:  # noqa: ARG002
        """See engine.Source. Of a file, only all of it can be restored, and nothing be added to another."""
        landing.require_plain(task)
        if task.mode is RestoreMode.INTO:
            raise landing.not_served(f"mode {task.mode}")

    def make(self, manifest: Manifest) -> None:
        """See engine.Source: a file is made when it is written, with its folders."""

    def came(self, manifest: Manifest, task: RestoreTask) -> Came:  # noqa: ARG002
        """See engine.Source."""
        return arrived.look(self.place, manifest, self.stop, self.warnings)

    def require_scripts(self) -> None:
        """See engine.Source: SQLite is a library of Python's own."""

    def run_script(self, script: Script) -> int:
        """See engine.Source."""
        return work.run_script(self.place, script, self._context.places.run, self.stop)

    def giving(self, task: RestoreTask, found: Globals | None) -> landing.NothingGiven:  # noqa: ARG002 - refused before
        """See engine.Source."""
        return landing.NothingGiven()

    def beside(self, names: Beside, manifest: Manifest) -> Landing:  # noqa: ARG002
        """See engine.Source."""
        return replacing.Replacing(self, names)

    def swap_back(self, kept: str, old: str) -> Switched:
        """See engine.Source."""
        return replacing.swapped_back(self.place, kept, old, self.stop)

    def drop(self, names: list[str]) -> list[str]:
        """See engine.Source."""
        return replacing.dropped(self.place, names)
