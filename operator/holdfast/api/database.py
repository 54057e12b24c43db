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

    username: SecretKey = Field(
        "username", description="Key in the Secret that holds the user's name. Default: username."
    )
    password: SecretKey = Field("password", description="Key in the Secret that holds the password. Default: password.")
    url: SecretKey = Field(
        "url",
        description="Key in the Secret that holds a connection URL (postgresql://user:password@host:port/..., "
        "mysql://... or mariadb://...). The URL is read only if host is not set. If the Secret lacks this key, the "
        "key `uri` is read, as in CloudNativePG's Secrets. Default: url.",
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
                "the CA certificate is in a Secret or in a ConfigMap: leave out caSecretName or caConfigMapName",
                field=".caConfigMapName",
            ),
        )
    )

    mode: TLSMode = Field(
        TLSMode.PREFER,
        description="How TLS protects the connection: disable, prefer, require, verify-ca or verify-full, as in "
        "libpq's sslmode. Only verify-ca and verify-full check the server's certificate. Engine mariadb has no "
        "verify-ca. Default: prefer.",
    )
    ca_secret_name: ObjectName | None = Field(
        None,
        description="Name of a Secret in this namespace with the CA certificate in PEM. Modes verify-ca and "
        "verify-full need either this field or caConfigMapName. Other modes accept neither.",
    )
    ca_secret_key: SecretKey = Field(
        AUTHORITY_KEY, description="Key in the Secret caSecretName that holds the CA certificate. Default: ca.crt."
    )
    ca_config_map_name: ObjectName | None = Field(
        None,
        description="Name of a ConfigMap in this namespace with the CA certificate in PEM, instead of a Secret. "
        "trust-manager writes such ConfigMaps.",
    )
    ca_config_map_key: SecretKey | None = Field(
        None, description="Key in the ConfigMap caConfigMapName that holds the CA certificate. Default: ca.crt."
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
        json_schema_extra=says("must be one host name or address, without a scheme, port or path: orders-db.shop.svc"),
        description="Host name or address of the server, e.g. orders-db.shop.svc. Default: the host in the Secret's "
        "connection URL.",
    )
    port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of the server. Default: the port in the connection URL, else 5432 (postgresql) or 3306 "
        "(mysql, mariadb).",
    )
    secret_name: ObjectName = Field(
        description="Name of a Secret in this namespace with a user's name and password, or with a connection URL. "
        "The Job mounts the Secret as files; the operator never reads it."
    )
    username: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        json_schema_extra=says("must not contain control characters"),
        description="Name of the user, if it need not be secret. It overrides the name in the Secret, and messages "
        "show it. Default: the name in the Secret, which is never shown.",
    )
    secret_keys: SecretKeys = Field(
        SecretKeys(), description="Names of the keys in the Secret. Default: username, password and url."
    )
    tls: TLS = Field(
        TLS(),
        description="How TLS protects the connection. Default: mode prefer, which uses TLS if the server offers it, "
        "and does not check its certificate.",
    )


class Volume(SpecModel):
    """The PersistentVolumeClaim with an SQLite database, and the user that owns the database file."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!self.path.split('/').exists(part, part in ['', '.', '..'])",
                "path must be relative to the claim's root, without empty parts, '.' or '..': data/orders.db",
                field=".path",
            ),
        )
    )

    claim_name: ObjectName = Field(
        description="Name of the PersistentVolumeClaim in this namespace that holds the database. SQLite's write-ahead "
        "log needs a writable mount, so the Job mounts the claim writable. A backup writes only the files that SQLite "
        "itself keeps beside a database."
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
        description="Numeric id of the user that the Job runs as. Use the owner of the database file. Root is "
        "refused. Default: 65532.",
    )
    run_as_group: int | None = Field(
        None,
        ge=0,
        le=2147483647,
        description="Numeric id of the group that the Job runs as. It is never set as fsGroup, which would change the "
        "group of the live files. Default: the same number as runAsUser.",
    )

    @property
    def group(self) -> int:
        """The group that the Job runs as."""
        return self.run_as_user if self.run_as_group is None else self.run_as_group


_OF_A_DUMP = ("engine", "name")


class Database(SpecModel):
    """One database on a server, a database file on a volume, or a whole instance of Amazon RDS."""

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
                    f"{field} has no effect beside instance, since RDS takes a snapshot of the whole instance: leave "
                    "it out",
                    field=f".{field}",
                )
                for field in (*_OF_A_DUMP, "connection", "volume")
            ),
            Rule(
                "has(self.instance) || !has(self.engine) || (self.engine == 'sqlite') != has(self.connection)",
                "set connection for every engine except sqlite; for sqlite, set volume instead",
                field=".connection",
            ),
            Rule(
                "has(self.instance) || !has(self.engine) || (self.engine == 'sqlite') == has(self.volume)",
                "set volume for engine sqlite, and for no other engine",
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
                "engine mariadb has no verify-ca, since MariaDB's client checks certificate and host name together: "
                "use verify-full",
                field=".connection.tls.mode",
            ),
        )
    )

    engine: Engine | None = Field(
        None,
        description="Database engine: postgresql, mysql, mariadb or sqlite. Required, unless method is aws-rds.",
    )
    name: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[^\x00]+$",
        json_schema_extra=says("must not contain a NUL character"),
        description="Name of the database on its server, exactly and without quotes. For sqlite: any name that tells "
        "people which database it is. At most 64 characters, 63 for postgresql. Required, unless method is aws-rds.",
    )
    connection: Connection | None = Field(
        None,
        description="How to reach the database server. Required, except for engine sqlite and for method aws-rds, "
        "where it is not allowed.",
    )
    volume: Volume | None = Field(
        None,
        description="Where the file of an SQLite database is. Required for engine sqlite, and not allowed for any "
        "other engine.",
    )
    instance: RDSInstance | None = Field(
        None,
        description="The instance or cluster of Amazon RDS to take a snapshot of. Required for method aws-rds, and not "
        "allowed for method dump.",
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
