"""A PostgreSQL database as tasks use it."""

from collections.abc import Iterator

from holdfast.api.database import Database
from holdfast.api.policy import Dump
from holdfast.contract.manifest import Manifest, ManifestArtifact
from holdfast.contract.task import Beside, RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines import landing, safe_releases, tools
from holdfast.runner.engines.postgres import connection, dumps, restore, server, target
from holdfast.runner.engines.protocol import Came, Landing, Overrides, Ready, Switched
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress


class Postgres:
    """See engine.Source."""

    def __init__(self, database: Database, context: Context, overrides: Overrides) -> None:
        self._context = context
        said = connection.resolve(database, context.places)
        self._target = said.aimed(overrides.host, overrides.port, overrides.database)
        context.log.mask.tell(said.host)
        self.warnings = self._target.warnings
        self._given = restore.Given()

    def __str__(self) -> str:
        return str(self._target)

    def validate(self) -> Ready:
        """See engine.Source. Raises ToolTooOld where the server is newer than pg_dump."""
        tool_version, major = tools.version("pg_dump")
        found = server.inspect(self._target, self._context.stop, major)
        # of several, the one that was asked is dumped, by each of the tool's connections, and recorded
        self._target = self._target.answered(found.host, found.port)
        if major < found.major:
            raise HoldfastError(
                Reason.TOOL_TOO_OLD,
                f"{tool_version} cannot dump {found.version}, since the tool is older than the server",
                f"add the key postgres-{found.major} to runner.images in the chart's values",
                server_major=found.major,
            )
        if major > found.major:
            self.warnings.append(
                f"{tool_version} is newer than the server ({found.version}), so a server of that version may refuse "
                f"to restore the dump: add the key postgres-{found.major} to runner.images in the chart's values"
            )
        self.warnings += [*safe_releases.warnings("pg_dump", tool_version), *found.warnings]
        return Ready(
            host=self._target.host,
            database=self._target.database,
            server_version=found.version,
            server_major=found.major,
            database_size=found.database_size,
            tool="pg_dump",
            tool_version=tool_version,
            migrations=found.migrations,
            needs=found.needs,
        )

    def dumping(self, dump: Dump, ready: Ready, scratch_bytes: int | None) -> dumps.StreamedDump | dumps.DirectoryDump:
        """See engine.Source."""
        return dumps.dumping(dump, self._target, self._context, ready.database_size, scratch_bytes)

    def require_empty(self) -> None:
        """See engine.Source."""
        if not self._target.is_one:
            self._target = server.of_several(self._target.writable(), self._context.stop)
        there = server.user_objects(self._target, self._context.stop)
        if there:
            raise HoldfastError(
                Reason.TARGET_NOT_EMPTY,
                f"{self} is not empty: it has {len(there)} tables, views or sequences, such as {', '.join(there[:3])}",
                "restore into a new, empty database (CREATE DATABASE name TEMPLATE template0); nothing was changed",
            )

    def require_needs(self, manifest: Manifest) -> None:
        """See engine.Source. It also learns what the restore leaves out and lifts."""
        seen = target.look(self._target, self._context.stop, manifest.needs)
        self._given = restore.Given(seen.schemas, seen.limits)
        self.warnings += seen.lacking.warnings
        target.require(seen.lacking, str(self))

    def restore(
        self, task: RestoreTask, artifact: ManifestArtifact, stream: Iterator[bytes], progress: Progress
    ) -> None:
        """See engine.Source."""
        self.warnings += safe_releases.warnings(
            "pg_dump", tools.version("pg_dump")[0]
        )  # pg_restore is of the same package
        restore.feed(task, artifact, stream, self._target, self._given, self._context, progress)

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
