"""A PostgreSQL database as tasks use it."""

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Self

from holdfast.api.database import Database
from holdfast.api.policy import Dump
from holdfast.contract.globals import Globals
from holdfast.contract.manifest import Manifest, ManifestArtifact
from holdfast.contract.task import Beside, RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines import landing, safe_releases, tools
from holdfast.runner.engines.postgres import (
    after,
    beside,
    connection,
    dumps,
    giving,
    looking,
    restore,
    scripts,
    served,
    server,
    target,
)
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.postgres.maintenance import Maintenance
from holdfast.runner.engines.protocol import Came, Landing, Look, Overrides, Ready, Switched
from holdfast.runner.engines.scripts import Script
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
        self._replaced: Target | None = None  # whose place it takes
        self._anew = False  # a database that the restore itself has made, to take another's place

    def __str__(self) -> str:
        return str(self._target)

    def validate(self, *, with_globals: bool | None = None) -> Ready:
        """See engine.Source. Raises ToolTooOld where the server is newer than pg_dump."""
        tool_version, major = tools.version("pg_dump")
        found = server.inspect(self._target, self._context.stop, major, with_globals is not False)
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
            globals=found.globals,
        )

    def dumping(self, dump: Dump, ready: Ready, scratch_bytes: int | None) -> dumps.StreamedDump | dumps.DirectoryDump:
        """See engine.Source."""
        return dumps.dumping(dump, self._target, self._context, ready.database_size, scratch_bytes)

    def look(self) -> Look:
        """See engine.Source."""
        if not self._target.is_one:
            self._target = server.of_several(self._target.writable(), self._context.stop)
        found, warnings = looking.look(self._target, self._context.stop)
        self.warnings += warnings
        return found

    def require_empty(self) -> None:
        """See engine.Source."""
        if not self._target.is_one:
            self._target = server.of_several(self._target.writable(), self._context.stop)
        there = server.user_objects(self._target, self._context.stop)
        if there:
            raise HoldfastError(
                Reason.TARGET_NOT_EMPTY,
                f"{self} is not empty: it has {len(there)} tables, views or sequences, such as {', '.join(there[:3])}",
                "restore into a new, empty database (CREATE DATABASE name TEMPLATE template0), or with mode Replace "
                f"or Into; {landing.LEFT}",
            )

    def require_needs(self, manifest: Manifest) -> None:
        """See engine.Source. It also learns what the restore leaves out and lifts."""
        seen = target.look(self._target, self._context.stop, manifest.needs, self._anew)
        self._given = restore.Given(seen.schemas, seen.limits)
        self.warnings += seen.lacking.warnings
        target.require(seen.lacking, str(self), self._anew)

    def restore(
        self, task: RestoreTask, artifact: ManifestArtifact, stream: Iterator[bytes], progress: Progress
    ) -> None:
        """See engine.Source."""
        restore.feed(task, artifact, stream, self._target, self._given, self._context, progress)

    def stages(self, task: RestoreTask, artifact: ManifestArtifact) -> bool:
        """See engine.Source."""
        return restore.stages(task, artifact)

    def require_served(self, task: RestoreTask, manifest: Manifest) -> None:
        """See engine.Source. Raises ToolTooOld of a client that a hostile dump gets the better of."""
        served.require(task, manifest)
        served.require_safe(manifest.artifact.format)

    def make(self, manifest: Manifest) -> None:
        """See engine.Source. Raises TargetNotReady."""
        beside.make(self._maintenance([self._target.database]), self._target.database, manifest)

    def came(self, manifest: Manifest, task: RestoreTask) -> Came:
        """See engine.Source."""
        found, warnings = after.look(self._target, self._context.stop, manifest, task)
        self.warnings += warnings
        return replace(found, tool_version=tools.version("pg_restore")[0])

    def require_scripts(self) -> None:
        """See engine.Source: the driver is what asks the target anyway."""

    def run_script(self, script: Script) -> int:
        """See engine.Source."""
        return scripts.run(self._target, script, self._given.limits, self._context.stop)

    def giving(self, task: RestoreTask, found: Globals | None) -> giving.Giving:
        """See engine.Source."""
        wanted = giving.Wanted(task.globals, found, task.owner)
        beside = self._maintenance([])
        return giving.Giving(self._target, wanted, self._context, self._replaced, beside, self.warnings)

    def replaces(self, old: Target) -> None:
        """Say whose place it takes."""
        self._replaced = old

    def beside(self, names: Beside, manifest: Manifest) -> Landing:
        """See engine.Source."""
        maintenance = self._maintenance([self._target.database, names.fresh, names.old])
        one = maintenance.where()
        old = self._target.answered(one.host, one.port)
        new = replace(old, database=names.fresh)
        fresh = self._of(new)
        return beside.Replacing(maintenance, old.database, names, manifest, fresh, partial(fresh.replaces, old))

    def swap_back(self, kept: str, old: str) -> Switched:
        """See engine.Source."""
        name = self._target.database
        return beside.swap_back(self._maintenance([name, kept, old]), name, kept, old)

    def drop(self, names: list[str]) -> list[str]:
        """See engine.Source."""
        return beside.drop(self._maintenance(names), names)

    def _of(self, fresh: Target) -> Self:
        """Return the same for a database that the restore itself has made; warnings are in common."""
        other = copy(self)
        vars(other).update(_target=fresh, _anew=True)
        return other

    def _maintenance(self, involved: list[str]) -> Maintenance:
        return Maintenance(self._target, self._context.stop, involved)
