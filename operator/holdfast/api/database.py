"""Which database, and how to reach it."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from holdfast.api.base import AUTHORITY_KEY, BLANK, Authority, ObjectName, Rule, SecretKey, SpecModel, rules, says
from holdfast.api.rds import RDSInstance


class Engine(StrEnum):
    """The database engines whose dump tools Holdfast has images for."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    MARIADB = "mariadb"
    SQLITE = "sqlite"

    @property
    def default_port(self) -> int:
        """The port that its servers listen on unless told otherwise; SQLite has no server."""
        return {Engine.POSTGRESQL: 5432, Engine.MYSQL: 3306, Engine.MARIADB: 3306}[self]


class TLSMode(StrEnum):
    """How the connection is protected; the words are libpq's `sslmode`, for every engine."""

    DISABLE = "disable"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class SecretKeys(SpecModel):
    """Which keys of the Secret hold what; change them where another tool made the Secret."""

    username: SecretKey = Field("username", description="Key of the user's name. Default: username.")
    password: SecretKey = Field("password", description="Key of the password. Default: password.")
    url: SecretKey = Field(
        "url",
        description="Key of a connection URL (postgresql://user:password@host:port/..., mysql://... or mariadb://...). "
        "It is read only where no host is given; where this key is absent, the key `uri` is read, which the Secrets of "
        "CloudNativePG have. Default: url.",
    )


class TLS(SpecModel):
    """Protection of the connection to the database."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.mode) || !self.mode.startsWith('verify-') || has(self.caSecretName) || "
                "has(self.caConfigMapName)",
                "caSecretName or caConfigMapName is required when mode is verify-ca or verify-full",
                reason="FieldValueRequired",
                field=".caSecretName",
            ),
            Rule(
                "!has(self.caSecretName) || (has(self.mode) && self.mode.startsWith('verify-'))",
                "caSecretName has no effect unless mode is verify-ca or verify-full: set mode, or leave it out",
                field=".caSecretName",
            ),
            Rule(
                "!has(self.caConfigMapName) || (has(self.mode) && self.mode.startsWith('verify-'))",
                "caConfigMapName has no effect unless mode is verify-ca or verify-full: set mode, or leave it out",
                field=".caConfigMapName",
            ),
            Rule(
                "!has(self.caConfigMapName) || !has(self.caSecretName)",
                "the authority is in a Secret or in a ConfigMap: leave out caSecretName or caConfigMapName",
                field=".caConfigMapName",
            ),
        )
    )

    mode: TLSMode = Field(
        TLSMode.PREFER,
        description="How the connection is protected: disable, prefer, require, verify-ca or verify-full, with the "
        "meaning of libpq's sslmode. Only verify-ca and verify-full check who answers; the engine mariadb has no "
        "verify-ca. Default: prefer.",
    )
    ca_secret_name: ObjectName | None = Field(
        None,
        description="Name of a Secret in this namespace with the certificate authority, PEM. Required by verify-ca and "
        "verify-full, and read by no other mode.",
    )
    ca_secret_key: SecretKey = Field(
        AUTHORITY_KEY, description="Key of the certificate authority in that Secret. Default: ca.crt."
    )
    ca_config_map_name: ObjectName | None = Field(
        None,
        description="Name of a ConfigMap in this namespace with the certificate authority, PEM, in place of a Secret: "
        "as trust-manager writes it.",
    )
    ca_config_map_key: SecretKey | None = Field(
        None, description="Key of the certificate authority in that ConfigMap. Default: ca.crt."
    )

    def authority(self) -> Authority | None:
        """Return where the certificate authority is, if one is named."""
        return Authority.named(self.ca_secret_name, self.ca_secret_key, self.ca_config_map_name, self.ca_config_map_key)


class Connection(SpecModel):
    """Where the server is, and which Secret of this namespace opens it."""

    host: str | None = Field(
        None,
        min_length=1,
        max_length=253,
        pattern=rf"^([^{BLANK}/@:,]+|[0-9A-Fa-f]*(:[0-9A-Fa-f.]*){{2,8}}(%[A-Za-z0-9]+)?)$",
        json_schema_extra=says(
            "must be one host name or address alone, without a scheme, port or path: orders-db.shop.svc"
        ),
        description="Host name or address of the server, e.g. orders-db.shop.svc. Without it, the connection URL in "
        "the Secret says where the server is.",
    )
    port: int | None = Field(
        None, ge=1, le=65535, description="Port of the server. Default: the URL's, else the engine's own: 5432 or 3306."
    )
    secret_name: ObjectName = Field(
        description="Name of a Secret in this namespace that holds a user's name and password, or one connection URL. "
        "It is mounted into the Job as files; the operator never reads it."
    )
    username: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        json_schema_extra=says("must not contain control characters"),
        description="The user's name, where it is no secret: it wins over the one in the Secret, and messages show it. "
        "Without it the name is read from the Secret, and nothing that is in a Secret is ever shown.",
    )
    secret_keys: SecretKeys = Field(
        SecretKeys(), description="Names of the keys in that Secret. Default: username, password and url."
    )
    tls: TLS = Field(TLS(), description="Protection of the connection. Default: TLS where the server offers it.")


class Volume(SpecModel):
    """The PersistentVolumeClaim that an SQLite database lies on, and whose file it is."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!self.path.split('/').exists(part, part in ['', '.', '..'])",
                "path is relative within the claim, and has no empty parts, '.' or '..': data/orders.db",
                field=".path",
            ),
        )
    )

    claim_name: ObjectName = Field(
        description="Name of a PersistentVolumeClaim in this namespace. The Job mounts it writable, which SQLite's "
        "write-ahead log needs, and writes nothing but the side files that SQLite itself keeps beside a database."
    )
    path: str = Field(
        min_length=1,
        max_length=512,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        json_schema_extra=says("must not contain control characters"),
        description="Path of the database file within the claim, e.g. data/orders.db.",
    )
    run_as_user: int = Field(
        65532,
        ge=1,
        le=2147483647,
        description="Number of the user that the Job runs as: the owner of the file. Root is refused. Default: 65532.",
    )
    run_as_group: int | None = Field(
        None,
        ge=0,
        le=2147483647,
        description="Number of the group that the Job runs as. Default: the number of runAsUser. It is never an "
        "fsGroup, which would change the owner of the live files.",
    )

    @property
    def group(self) -> int:
        """The group that the Job runs as."""
        return self.run_as_user if self.run_as_group is None else self.run_as_group


_OF_A_DUMP = ("engine", "name")


class Database(SpecModel):
    """One database: of a server, or a file on a volume; or a whole instance of Amazon RDS."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(
                Rule(
                    f"has(self.instance) || has(self.{field})",
                    f"{field} is required, unless method is aws-rds",
                    reason="FieldValueRequired",
                    field=f".{field}",
                )
                for field in _OF_A_DUMP
            ),
            *(
                Rule(
                    f"!has(self.instance) || !has(self.{field})",
                    f"{field} has no effect beside instance, which is snapshot as a whole: leave it out",
                    field=f".{field}",
                )
                for field in (*_OF_A_DUMP, "connection", "volume")
            ),
            Rule(
                "has(self.instance) || !has(self.engine) || (self.engine == 'sqlite') != has(self.connection)",
                "connection says how to reach a server: every engine needs it but sqlite, which has a volume instead",
                field=".connection",
            ),
            Rule(
                "has(self.instance) || !has(self.engine) || (self.engine == 'sqlite') == has(self.volume)",
                "volume says where an SQLite file lies: engine sqlite needs it, and no other has one",
                field=".volume",
            ),
            Rule(
                "!has(self.engine) || self.engine != 'postgresql' || !has(self.name) || size(self.name) <= 63",
                "the name of a PostgreSQL database has at most 63 characters",
                field=".name",
            ),
            Rule(
                "!has(self.engine) || self.engine != 'mariadb' || !has(self.connection) || "
                "!has(self.connection.tls) || !has(self.connection.tls.mode) || "
                "self.connection.tls.mode != 'verify-ca'",
                "MariaDB's client checks certificate and host name together or not at all: use verify-full",
                field=".connection.tls.mode",
            ),
        )
    )

    engine: Engine | None = Field(
        None,
        description="The database's engine: postgresql, mysql, mariadb or sqlite. Required, unless method is aws-rds.",
    )
    name: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[^\x00]+$",
        json_schema_extra=says("must not contain a NUL character"),
        description="Name of the database on its server, as it is, without quotes: at most 64 characters, 63 for "
        "postgresql. Of an SQLite file: what people call it. Required, unless method is aws-rds.",
    )
    connection: Connection | None = Field(
        None, description="How to reach the server. Required by every engine but sqlite; not with method aws-rds."
    )
    volume: Volume | None = Field(None, description="Where the file of an SQLite database lies. Required by sqlite.")
    instance: RDSInstance | None = Field(
        None, description="What method aws-rds takes a snapshot of: an instance or a cluster of Amazon RDS."
    )

    def reached(self) -> Connection:
        """Return the connection, which the API server asks for wherever a server is connected to."""
        assert self.connection is not None
        return self.connection

    def dumped_engine(self) -> Engine:
        """Return the engine, which the API server asks for wherever the method is dump."""
        assert self.engine is not None
        return self.engine

    def snapshotted(self) -> RDSInstance:
        """Return the instance, which the API server asks for wherever the method is aws-rds."""
        assert self.instance is not None
        return self.instance
