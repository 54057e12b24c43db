"""BackupPolicy: this database, this method, this store; when, and how long its backups are kept."""

from enum import StrEnum

from pydantic import AwareDatetime, ConfigDict, Field

from holdfast.api.base import ObjectName, Rule, SpecModel, rules
from holdfast.api.database import Database
from holdfast.api.job import JobTemplate
from holdfast.api.retention import Retention
from holdfast.api.schedule import Schedule
from holdfast.api.storage import Storage


class Environment(StrEnum):
    """What a database is for; it gives the default retention."""

    DEV = "dev"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def retention_days(self) -> int:
        """Days that a backup of this environment is kept unless something says otherwise."""
        return _RETENTION_DAYS[self]


_RETENTION_DAYS = {Environment.DEV: 30, Environment.STAGING: 60, Environment.PRODUCTION: 90}


class DeletionPolicy(StrEnum):
    """What happens to a backup's data when somebody deletes its resource."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Method(StrEnum):
    """How a backup is taken."""

    DUMP = "dump"
    AWS_RDS = "aws-rds"


class Format(StrEnum):
    """What the dump tool writes."""

    SQL = "sql"
    CUSTOM = "custom"
    DIRECTORY = "directory"
    SQLITE = "sqlite"

    @property
    def staged(self) -> bool:
        """Whether it needs a scratch volume: it is written and looked at there before it goes to the bucket."""
        return self in (Format.DIRECTORY, Format.SQLITE)


class Algorithm(StrEnum):
    """How the artifact is compressed."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


class Level(StrEnum):
    """How much time is given for how small an artifact."""

    FAST = "fast"
    BALANCED = "balanced"
    SMALL = "small"


class Compression(SpecModel):
    """How the artifact is compressed."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.level) || self.algorithm != 'none'",
                "level has no effect if algorithm is none: leave it out",
                field=".level",
            )
        )
    )

    algorithm: Algorithm = Field(
        Algorithm.GZIP,
        description="Compression algorithm: gzip (every system can read it), zstd (smaller in less time) or none. "
        "Default: gzip.",
    )
    level: Level | None = Field(
        None,
        description="Compression level: fast (hardly slows the dump), balanced, or small (takes the longest). Only "
        "for gzip and zstd. Default: fast.",
    )


class Dump(SpecModel):
    """The dump's format, and how the artifact is compressed."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.jobs) || self.format == 'directory'",
                "jobs has no effect unless format is directory: set format, or leave it out",
                field=".jobs",
            )
        )
    )

    format: Format = Field(
        Format.SQL,
        description="Format of the dump: sql (a plain script), custom (pg_dump's archive, for restoring single "
        "objects), or directory (pg_dump's archive, written by several connections at once to a scratch volume "
        "first). Engines mysql and mariadb have only sql. Leave it out for engine sqlite, whose only format is its "
        "own file, sqlite. Default: sql.",
    )
    compression: Compression = Field(
        Compression(), description="How the artifact is compressed. Default: gzip, level fast."
    )
    jobs: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Number of parallel connections for format directory. Not allowed for other formats, which use one "
        "connection. Default: 4.",
    )
    globals: bool | None = Field(
        None,
        description="Whether to back up, beside the dump, the roles or accounts that the database refers to (without "
        "passwords), and the owners and grants of its objects. Not for engine sqlite. Default: wherever the "
        "backup's user may read them. If true is set and the user may not, each backup has a warning.",
    )


class Suspicion(SpecModel):
    """When a good backup is suspicious, compared with the last good ones of its policy and database."""

    max_size_loss_percent: int = Field(
        50,
        ge=0,
        le=100,
        description="Call a backup suspicious if its artifact is smaller than usual by more than this percentage. 100 "
        "turns this check off. Default: 50.",
    )
    max_row_loss_percent: int = Field(
        50,
        ge=0,
        le=100,
        description="Call a backup suspicious if more than this percentage of the usual rows is missing. 100 turns "
        "this check off. Default: 50.",
    )
    max_table_loss: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Call a backup suspicious if more tables than this number are missing since the last good backup. "
        "Default: 0.",
    )
    since: AwareDatetime | None = Field(
        None,
        # `date-time` alone lets year 0 pass, an offset of 99 hours, and anything behind a second `T`
        json_schema_extra={
            "maxLength": 40,
            "pattern": r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
            r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
        },
        description="Compare only with backups completed after this time. Set it after data was deleted on purpose: "
        "the next backup then becomes the new standard. Default: compare with all.",
    )


class VerificationLevel(StrEnum):
    """How a backup is compared with what its manifest says."""

    CHECKSUM = "checksum"
    READBACK = "readback"


class VerificationRules(SpecModel):
    """How backups are verified, and when one is called suspicious."""

    level: VerificationLevel = Field(
        VerificationLevel.CHECKSUM,
        description="How to verify a backup: checksum (compare the store's own checksums with what was sent) or "
        "readback (download the artifact, decrypt it if there is an identity, decompress it, read it to its end, and "
        "compare its SHA-256, rows and schema). This applies to new backups, and to a repeated verification whose "
        "annotation names no level. With method aws-rds there are no levels: the Job asks RDS for the snapshot's "
        "state. Default: checksum.",
    )
    identity_secret_name: ObjectName | None = Field(
        None,
        description="Name of a Secret in this namespace with an age identity, so that a readback can decrypt "
        "encrypted backups. Without an identity, a readback compares only the encrypted bytes. Default: none; a "
        "repeated verification uses the Secret age-identity, if there is one.",
    )
    suspicion: Suspicion = Field(
        Suspicion(), description="When to call a successful backup suspicious. Its condition Suspicious is then True."
    )


# The API server fills in checksum before it asks, so that cannot be told from nothing.
_READING = (
    ("level", "verification.level readback", "has(self.verification.level) && self.verification.level == 'readback'"),
    ("identitySecretName", "verification.identitySecretName", "has(self.verification.identitySecretName)"),
)


class BackupPolicySpec(SpecModel):
    """What to back up, how, where to, when, and how long to keep the backups."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(  # the API server fills in sql before it asks, so that cannot be told from nothing
                "!has(self.database.engine) || self.database.engine != 'sqlite' || !has(self.dump) || "
                "self.dump.format in ['sql', 'sqlite']",
                "the only format of engine sqlite is its own file: leave format out",
                field=".dump.format",
            ),
            Rule(
                "!has(self.dump) || self.dump.format != 'sqlite' || "
                "(has(self.database.engine) && self.database.engine == 'sqlite')",
                "format sqlite is only for engine sqlite: use sql, custom or directory",
                field=".dump.format",
            ),
            Rule(
                "self.method != 'aws-rds' || has(self.database.instance)",
                "database.instance is required when method is aws-rds",
                reason="FieldValueRequired",
                field=".database.instance",
            ),
            Rule(
                "self.method == 'aws-rds' || !has(self.database.instance)",
                "database.instance has no effect unless method is aws-rds: set method, or leave it out",
                field=".database.instance",
            ),
            Rule(
                "self.method != 'aws-rds' || !has(self.dump)",
                "dump has no effect when method is aws-rds: leave it out",
                field=".dump",
            ),
            Rule(
                "self.method != 'aws-rds' || !has(self.storage) || !has(self.storage.encryption)",
                "storage.encryption has no effect when method is aws-rds, since AWS keeps the snapshot: leave it out",
                field=".storage.encryption",
            ),
            *(
                Rule(
                    f"self.method != 'aws-rds' || !has(self.verification) || !({given})",
                    f"{what} has no effect when method is aws-rds, since a snapshot cannot be read: leave it out",
                    field=f".verification.{field}",
                )
                for field, what, given in _READING
            ),
            Rule(
                "self.method != 'aws-rds' || !has(self.job) || !has(self.job.scratch)",
                "job.scratch has no effect when method is aws-rds: leave it out",
                field=".job.scratch",
            ),
            Rule(
                "!has(self.dump) || !has(self.dump.globals) || !self.dump.globals || !has(self.database.engine) || "
                "self.database.engine != 'sqlite'",
                "globals is not for engine sqlite: leave it out",
                field=".dump.globals",
            ),
            Rule(
                "!has(self.database.engine) || !(self.database.engine in ['mysql', 'mariadb']) || !has(self.dump) || "
                "self.dump.format in ['sql', 'sqlite']",
                "only postgresql has the formats custom and directory: use sql",
                field=".dump.format",
            ),
        )
    )

    environment: Environment = Field(
        description="What the database is for: dev, staging or production. The environment decides the default "
        "retention."
    )
    method: Method = Field(
        Method.DUMP,
        description="How to take a backup: dump (run the engine's own dump tool) or aws-rds (let Amazon RDS take a "
        "snapshot of a whole instance or cluster). Default: dump.",
    )
    database: Database = Field(description="The database to back up.")
    dump: Dump | None = Field(
        None,
        description="Format and compression of the dump. Not allowed for method aws-rds. Default: format sql, "
        "compressed with gzip.",
    )
    storage: Storage = Field(
        Storage(),
        description="Where to keep backups: the artifact and manifest of a dump, or the manifest of a snapshot, which "
        "AWS keeps itself. Fields left out take the chart's defaults, if the chart has any.",
    )
    schedule: Schedule | None = Field(
        None,
        description="When Holdfast takes backups by itself. Default: never. You may also create a DatabaseBackup "
        "that refers to the policy, at any time.",
    )
    retention: Retention = Field(
        Retention(),
        description="Which backups to keep, and for how long. Default by environment: dev 30, staging 60, production "
        "90 days. Holdfast never deletes the last good backup.",
    )
    deletion_policy: DeletionPolicy = Field(
        DeletionPolicy.RETAIN,
        description="What happens to a backup's data when somebody deletes the DatabaseBackup: Retain (the data stays "
        "in the store) or Delete (Holdfast deletes the data first; until then the resource stays, by default for at "
        "most 15 minutes). It applies to backups that begin from now on. Retention deletes expired backups in either "
        "case. Default: Retain.",
    )
    verification: VerificationRules = Field(
        VerificationRules(),
        description="How to verify backups, and when to call one suspicious. Default: compare checksums; call a backup "
        "suspicious if it lost half of its size or rows, or any table.",
    )
    job: JobTemplate = Field(
        JobTemplate(),
        description="How the Job of a backup runs. Fields left out take the chart's defaults, else the defaults named "
        "here.",
    )

    @property
    def days_kept(self) -> int:
        """For how many days a backup is kept by its age, unless it says so itself."""
        return self.environment.retention_days if self.retention.days is None else self.retention.days
