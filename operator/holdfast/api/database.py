"""Which database, and how to reach it."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from holdfast.api.base import ObjectName, SecretKey, SpecModel, rules


class Engine(StrEnum):
    """The database engines whose dump tools Holdfast has images for."""

    POSTGRESQL = "postgresql"


class TLSMode(StrEnum):
    """How the connection is protected; the words are libpq's `sslmode`."""

    DISABLE = "disable"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class SecretKeys(SpecModel):
    """Which keys of the Secret hold what; change them where another tool made the Secret."""

    username: SecretKey = Field("username", description="Key of the user's name.")
    password: SecretKey = Field("password", description="Key of the password.")
    url: SecretKey = Field(
        "url",
        description="Key of a connection URL (postgresql://user:password@host:port/...). Read only when no host is "
        "given; where this key is absent, the key `uri` is read (the Secrets of CloudNativePG have it).",
    )


class TLS(SpecModel):
    """Protection of the connection to the database."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.mode) || !(self.mode in ['verify-ca', 'verify-full']) || has(self.caSecretName)",
                "caSecretName is required when mode is verify-ca or verify-full",
            ),
        )
    )

    mode: TLSMode = Field(
        TLSMode.PREFER,
        description="disable, prefer, require, verify-ca or verify-full, with the meaning of libpq's sslmode: only "
        "verify-ca and verify-full check who answers.",
    )
    ca_secret_name: ObjectName | None = Field(
        None, description="Secret of this namespace with the certificate authority, PEM."
    )
    ca_secret_key: SecretKey = Field("ca.crt", description="Key of the certificate authority in that Secret.")


class Connection(SpecModel):
    """Where the server is and which Secret of this namespace opens it."""

    host: str | None = Field(
        None,
        min_length=1,
        max_length=253,
        pattern=r"^[^\s/@]+$",
        description="Host name or address of the server. Without it, the Secret's URL says where the server is.",
    )
    port: int | None = Field(None, ge=1, le=65535, description="Port. Default: the URL's, else the engine's own.")
    secret_name: ObjectName = Field(
        description="Secret of this namespace with `username` and `password`, or one connection URL. It is mounted "
        "into the Job as files; the operator never reads it."
    )
    secret_keys: SecretKeys = Field(SecretKeys(), description="Names of the keys in that Secret.")
    tls: TLS = Field(TLS(), description="Protection of the connection.")


class Database(SpecModel):
    """One database of one server."""

    engine: Engine = Field(description="The database's engine: postgresql.")
    name: str = Field(
        min_length=1,
        max_length=63,
        pattern=r"^[^\x00]+$",
        description="Name of the database on the server, as it is, unquoted. At most 63 characters.",
    )
    connection: Connection = Field(description="How to reach the server.")
