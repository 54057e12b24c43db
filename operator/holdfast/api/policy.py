"""BackupPolicy: this database, this method, this store; how long its backups are kept."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from holdfast.api.base import SpecModel, StatusModel
from holdfast.api.conditions import Condition
from holdfast.api.database import Database
from holdfast.api.job import JobTemplate
from holdfast.api.storage import Storage


class Environment(StrEnum):
    """What a database is for; it gives the default retention."""

    DEV = "dev"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def retention_days(self) -> int:
        """Days that a backup of this environment is kept unless something says otherwise."""
        return {Environment.DEV: 30, Environment.STAGING: 60, Environment.PRODUCTION: 90}[self]


class Method(StrEnum):
    """How a backup is taken."""

    DUMP = "dump"


class Format(StrEnum):
    """What the dump tool writes."""

    SQL = "sql"
    CUSTOM = "custom"
    DIRECTORY = "directory"


class Algorithm(StrEnum):
    """How the artifact is compressed."""

    GZIP = "gzip"
    NONE = "none"


class Compression(SpecModel):
    """How the artifact is compressed."""

    algorithm: Algorithm = Field(Algorithm.GZIP, description="gzip or none.")


class Dump(SpecModel):
    """What the dump looks like."""

    format: Format = Field(
        Format.SQL,
        description="sql (a plain script), custom (pg_dump's archive, for selective restores), or directory (dumped by "
        "several jobs at once; the only one that needs a scratch volume).",
    )
    compression: Compression = Field(Compression(), description="How the artifact is compressed.")
    jobs: int = Field(4, ge=1, le=64, description="Parallel connections of a directory dump.")


class Retention(SpecModel):
    """How long backups are kept."""

    days: int | None = Field(
        None,
        ge=1,
        le=36500,
        description="Days until a backup expires. Default by environment: dev 30, staging 60, production 90. "
        "This version records the expiry and deletes nothing.",
    )


class BackupPolicySpec(SpecModel):
    """What is backed up, how, where to, and for how long."""

    model_config = ConfigDict(title="BackupPolicySpec")

    environment: Environment = Field(description="dev, staging or production: gives the default retention.")
    method: Method = Field(Method.DUMP, description="How a backup is taken: dump.")
    database: Database = Field(description="The database to back up.")
    dump: Dump = Field(Dump(), description="What the dump looks like.")
    storage: Storage = Field(
        Storage(), description="Where backups are kept; what is left out, the chart's defaults say."
    )
    retention: Retention = Field(Retention(), description="How long backups are kept.")
    job: JobTemplate = Field(JobTemplate(), description="How the Job of a backup runs.")


class BackupPolicyStatus(StatusModel):
    """What the operator makes of the policy."""

    observed_generation: int | None = Field(None, description="Generation of the spec that this status is about.")
    retention_days: int | None = Field(None, description="Days that its backups are kept, as resolved.")
    conditions: list[Condition] = Field([], max_length=16, description="Ready, Reconciling, Stalled.")
