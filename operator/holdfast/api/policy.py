"""BackupPolicy: this database, this method, this store; how long its backups are kept."""

from enum import StrEnum

from pydantic import AwareDatetime, ConfigDict, Field

from holdfast.api.base import ObjectName, Rule, SpecModel, StatusModel, keyed_by, rules
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
                "level has no effect where the algorithm is none: leave it out",
                field=".level",
            )
        )
    )

    algorithm: Algorithm = Field(
        Algorithm.GZIP,
        description="gzip (read everywhere), zstd (smaller in less time) or none. Default: gzip.",
    )
    level: Level | None = Field(
        None,
        description="fast (the dump tool is hardly slowed), balanced, or small (takes the longest). Only for gzip and "
        "zstd. Default: fast.",
    )


class Dump(SpecModel):
    """What the dump tool writes, and how that is compressed."""

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
        description="sql (a plain script), custom (pg_dump's archive, for selective restores), or directory (pg_dump's "
        "too, dumped by several jobs at once, onto a scratch volume first). mysql and mariadb have only sql. Default: "
        "sql. Engine sqlite has one format only, its own file, which is called sqlite: leave it out there.",
    )
    compression: Compression = Field(Compression(), description="How the artifact is compressed. Default: gzip.")
    jobs: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Parallel connections of a directory dump; other formats use one and take no number. Default: 4.",
    )


class Suspicion(SpecModel):
    """What makes a good backup a suspicious one, beside the last good ones of its policy and database."""

    max_size_loss_percent: int = Field(
        50,
        ge=0,
        le=100,
        description="Suspicious when the artifact is smaller by more than this share of the usual size. 100: never. "
        "Default: 50.",
    )
    max_row_loss_percent: int = Field(
        50,
        ge=0,
        le=100,
        description="Suspicious when more than this share of the usual rows is gone. 100: never. Default: 50.",
    )
    max_table_loss: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Suspicious when more tables than this are gone since the last good backup. Default: 0.",
    )
    since: AwareDatetime | None = Field(
        None,
        # `date-time` alone lets year 0 pass, an offset of 99 hours, and anything behind a second `T`
        json_schema_extra={
            "maxLength": 40,
            "pattern": r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
            r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
        },
        description="Compare with backups completed after this time only: set it when a loss was meant, and the next "
        "backup is the new measure. Default: no limit.",
    )


class VerificationLevel(StrEnum):
    """How a backup is compared with what its manifest says."""

    CHECKSUM = "checksum"
    READBACK = "readback"


class VerificationRules(SpecModel):
    """What is looked at once a backup is there."""

    level: VerificationLevel = Field(
        VerificationLevel.CHECKSUM,
        description="checksum (what the store holds is what was sent, by the store's own checksums of the parts) or "
        "readback (the artifact is downloaded, decrypted where there is an identity, decompressed and read to its "
        "end; its SHA-256, rows and schema are compared). In force for new backups, and for one that is verified again "
        "without naming a level. For the method aws-rds, AWS is asked for the snapshot's state. Default: checksum.",
    )
    identity_secret_name: ObjectName | None = Field(
        None,
        description="Name of a Secret in this namespace with an age identity, with which a readback decrypts encrypted "
        "backups. Default: none: a readback then goes as far as the ciphertext, but one that is asked for later takes "
        "a Secret named age-identity where there is one.",
    )
    suspicion: Suspicion = Field(
        Suspicion(), description="When a backup that succeeded is called suspicious: its condition Suspicious is True."
    )


class Retention(SpecModel):
    """How long backups are kept."""

    days: int | None = Field(
        None,
        ge=1,
        le=36500,
        description="Days until a backup expires. Default by environment: dev 30, staging 60, production 90. "
        "The expiry is recorded and shown; this version deletes nothing.",
    )


# The API server fills in checksum before it asks, so that cannot be told from nothing.
_READING = (
    ("level", "verification.level readback", "has(self.verification.level) && self.verification.level == 'readback'"),
    ("identitySecretName", "verification.identitySecretName", "has(self.verification.identitySecretName)"),
)


class BackupPolicySpec(SpecModel):
    """What is backed up, how, where to, and for how long."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(  # the API server fills in sql before it asks, so that cannot be told from nothing
                "!has(self.database.engine) || self.database.engine != 'sqlite' || !has(self.dump) || "
                "self.dump.format in ['sql', 'sqlite']",
                "a backup of engine sqlite is the database's own file: leave format out",
                field=".dump.format",
            ),
            Rule(
                "!has(self.dump) || self.dump.format != 'sqlite' || "
                "(has(self.database.engine) && self.database.engine == 'sqlite')",
                "format sqlite is the file of engine sqlite: use sql, custom or directory",
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
                "storage.encryption has no effect when method is aws-rds, as a snapshot stays with AWS: leave it out",
                field=".storage.encryption",
            ),
            *(
                Rule(
                    f"self.method != 'aws-rds' || !has(self.verification) || !({given})",
                    f"{what} has no effect when method is aws-rds, as a snapshot cannot be read: leave it out",
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
                "!has(self.database.engine) || !(self.database.engine in ['mysql', 'mariadb']) || !has(self.dump) || "
                "self.dump.format in ['sql', 'sqlite']",
                "custom and directory are formats of pg_dump alone: with mysql and mariadb, use sql",
                field=".dump.format",
            ),
        )
    )

    environment: Environment = Field(
        description="What the database is for: dev, staging or production. It gives the default retention."
    )
    method: Method = Field(
        Method.DUMP,
        description="How a backup is taken: dump (by the engine's own dump tool) or aws-rds (a snapshot that Amazon "
        "RDS takes of a whole instance or cluster). Default: dump.",
    )
    database: Database = Field(description="The database to back up.")
    dump: Dump | None = Field(
        None, description="What the dump tool writes; not with method aws-rds. Default: plain SQL, gzip."
    )
    storage: Storage = Field(
        Storage(),
        description="Where backups are kept: of a dump the artifact and its manifest, of a snapshot, which stays with "
        "AWS, the manifest. Fields left out are the chart's defaults, where it has them.",
    )
    retention: Retention = Field(
        Retention(), description="How long backups are kept. Default: by environment, 30, 60 or 90 days."
    )
    verification: VerificationRules = Field(
        VerificationRules(),
        description="What is looked at once a backup is there. Default: checksums; a loss is suspicious.",
    )
    job: JobTemplate = Field(
        JobTemplate(),
        description="How the Job of a backup runs. Fields left out are the chart's defaults, else the ones named here.",
    )


class BackupPolicyStatus(StatusModel):
    """What the operator makes of the policy."""

    observed_generation: int | None = Field(None, description="Generation of the spec that this status is about.")
    retention_days: int | None = Field(None, description="Days that its backups are kept, as resolved.")
    conditions: list[Condition] = Field(
        [],
        max_length=16,
        json_schema_extra=keyed_by("type"),
        description="What holds for the policy: Ready, Reconciling, Stalled.",
    )
