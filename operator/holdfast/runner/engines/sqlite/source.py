"""An SQLite database as tasks use it."""

from collections.abc import Iterator

from holdfast.api.database import Database
from holdfast.api.policy import Dump
from holdfast.contract.manifest import Manifest, ManifestArtifact
from holdfast.contract.task import Beside, RestoreTask
from holdfast.runner.engines import landing
from holdfast.runner.engines.protocol import Came, Landing, Overrides, Ready, Switched
from holdfast.runner.engines.sqlite import restore
from holdfast.runner.engines.sqlite.dump import FileDump
from holdfast.runner.engines.sqlite.place import Place
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress

FORMAT = 3  # of the file, as in its first bytes; the image's key has it too


class SQLite:
    """See engine.Source."""

    def __init__(self, database: Database, context: Context, overrides: Overrides) -> None:
        assert database.volume is not None
        volume = database.volume
        self._context = context
        assert database.name is not None
        self._name = database.name
        self._place = Place(context.places.volume, overrides.claim or volume.claim_name, overrides.path or volume.path)
        self.warnings: list[str] = []

    def __str__(self) -> str:
        return str(self._place)

    def validate(self) -> Ready:
        """See engine.Source. Raises DatabaseNotFound, NotADatabase, FileAccessDenied."""
        import sqlite3  # late: a restore does without

        found = self._place.look()
        return Ready(
            host=f"claim {self._place.claim}, {self._place.path}",
            database=self._name,
            server_version=f"SQLite {found.writer}",
            server_major=FORMAT,
            database_size=found.size,
            tool="sqlite3_backup",
            tool_version=f"SQLite {sqlite3.sqlite_version}",
        )

    def dumping(self, dump: Dump, ready: Ready, scratch_bytes: int | None) -> FileDump:  # noqa: ARG002 - one format
        """See engine.Source."""
        return FileDump(self._place, self._context, ready.database_size, scratch_bytes, self.warnings)

    def require_empty(self) -> None:
        """See engine.Source."""
        self._place.require_absent()

    def require_needs(self, manifest: Manifest) -> None:
        """See engine.Source: a file holds all that it needs."""

    def restore(
        self,
        task: RestoreTask,  # noqa: ARG002 - says nothing that matters to a file
        artifact: ManifestArtifact,
        stream: Iterator[bytes],
        progress: Progress,
    ) -> None:
        """See engine.Source."""
        restore.write(self._place, stream, artifact.uncompressed_bytes, self._context.pod_uid, progress)

    def require_served(self, task: RestoreTask, manifest: Manifest) -> None:  # noqa: ARG002
        """See engine.Source."""
        landing.require_plain(task)

    def make(self, manifest: Manifest) -> None:  # noqa: ARG002
        """See engine.Source."""
        raise landing.not_served("making the database")

    def came(self, manifest: Manifest, task: RestoreTask) -> Came | None:  # noqa: ARG002
        """See engine.Source."""
        return None

    def beside(self, names: Beside, manifest: Manifest) -> Landing:  # noqa: ARG002
        """See engine.Source."""
        raise landing.not_served("mode Replace")

    def swap_back(self, kept: str, old: str) -> Switched:  # noqa: ARG002
        """See engine.Source."""
        raise landing.not_served("putting back what was replaced")

    def drop(self, names: list[str]) -> list[str]:  # noqa: ARG002
        """See engine.Source."""
        raise landing.not_served("removing what was replaced")
