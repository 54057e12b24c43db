"""Which engine gives a task what it needs: the only place that knows them all."""

from holdfast.api.database import Database, Engine
from holdfast.contract.manifest import Manifest
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.protocol import Overrides, Reading, Source
from holdfast.runner.pod.context import Context


def source(database: Database, context: Context, overrides: Overrides | None = None) -> Source:
    """Return the database as a task uses it. Raises what is wrong with its Secret (exit 1)."""
    if database.engine is None:
        raise HoldfastError(
            Reason.INVALID_TASK,
            "the task names no engine",
            "use runner images of the operator's own release",
        )
    match database.engine:  # late imports: each engine needs libraries that the others do not
        case Engine.POSTGRESQL:
            from holdfast.runner.engines.postgres.source import Postgres

            return Postgres(database, context, overrides or Overrides())
        case Engine.MYSQL | Engine.MARIADB:
            from holdfast.runner.engines.mysql.source import MySQL

            return MySQL(database, context, overrides or Overrides())
        case Engine.SQLITE:
            from holdfast.runner.engines.sqlite.source import SQLite

            return SQLite(database, context, overrides or Overrides())


def reading(engine: Engine, manifest: Manifest, context: Context, scratch_bytes: int | None) -> Reading:
    """Return what reads the dump that a manifest names."""
    match engine:
        case Engine.POSTGRESQL:
            from holdfast.runner.engines.postgres import reading as postgres

            return postgres.reading(manifest, context, scratch_bytes)
        case Engine.MYSQL | Engine.MARIADB:
            from holdfast.runner.engines.mysql import reading as mysql

            return mysql.reading(context)
        case Engine.SQLITE:
            from holdfast.runner.engines.sqlite.reading import FileReading

            return FileReading(manifest, context, scratch_bytes)
