"""Where the database is and who asks: from the task and its Secret to what libpq and its tools are given.

The password goes into the pgpass file and nowhere else. The database's name is never parsed as a connection string.
"""

from dataclasses import dataclass, field
from pathlib import Path

from holdfast.api.database import Connection, Database, Engine, TLSMode
from holdfast.runner import connections, secrets
from holdfast.runner.context import Places
from holdfast.runner.secrets import MountedSecret

APPLICATION = "holdfast"
CONNECT_TIMEOUT = 5  # seconds for one attempt at one address
# A server whose Pod or node is gone closes nothing; without these a dump would wait two hours for it, here a minute.
KEEPALIVES = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
_STRICTNESS = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
_SCHEMES = ("postgresql://", "postgres://")
_USED = {"host", "port", "user", "password", "dbname", "sslmode"}


@dataclass(frozen=True)
class Target:
    """A database as libpq is told of it; no secret in it."""

    host: str
    port: str
    user: str
    database: str
    sslmode: str
    passfile: Path
    sslrootcert: Path | None = None
    warnings: list[str] = field(default_factory=list)
    """What is worth knowing of how it is reached, and of what the tools said of it."""

    def __str__(self) -> str:
        return f"database {self.database!r} at {self.host}:{self.port} as user {self.user!r}"

    def parameters(self) -> dict[str, str]:
        """Return the connection parameters, with libpq's names."""
        common = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "dbname": self.database,
            "sslmode": self.sslmode,
            "passfile": str(self.passfile),
            "connect_timeout": str(CONNECT_TIMEOUT),
            "application_name": APPLICATION,
            **KEEPALIVES,
        }
        return common | ({"sslrootcert": str(self.sslrootcert)} if self.sslrootcert else {})

    def conninfo(self) -> str:
        """Return the connection string for a tool's `--dbname`: nothing in it is secret, every value is escaped."""
        from psycopg.conninfo import make_conninfo  # late: psycopg is slow to import

        return make_conninfo("", **self.parameters())


def resolve(database: Database, places: Places) -> Target:
    """Read the Secret and write pgpass. Raises SecretMissing, SecretKeyMissing, SecretInvalid."""
    connection = database.reached()
    assert database.name is not None
    secret = MountedSecret(connection.secret_name, places.database_secret)
    said = _from_keys(connection, secret) if connection.host else _from_url(connection, secret)
    passfile = places.run / "pgpass"
    try:
        secrets.write_private(passfile, secrets.pgpass_line(said["password"]))
    except ValueError as error:
        raise secret.invalid(said["password_key"], str(error)) from None
    ignored = sorted(set(said) - _USED - {"password_key"})
    return Target(
        host=said["host"],
        port=str(connection.port or said.get("port") or Engine.POSTGRESQL.default_port),
        user=said["user"],
        database=database.name,
        sslmode=stricter(connection.tls.mode, said.get("sslmode")),
        passfile=passfile,
        sslrootcert=connections.authority(connection, places),
        warnings=[f"the connection URL's {', '.join(ignored)} is not used"] if ignored else [],
    )


def stricter(mode: TLSMode, other: str | None) -> str:
    """Return the stricter of the spec's TLS mode and the URL's `sslmode`."""
    return max(mode.value, other or "disable", key=lambda word: _STRICTNESS.index(word) if word in _STRICTNESS else -1)


def _from_keys(connection: Connection, secret: MountedSecret) -> dict[str, str]:
    keys = connection.secret_keys
    return {
        "host": connection.host or "",
        "user": secret.read(keys.username),
        "password": secret.read(keys.password),
        "password_key": keys.password,
    }


def _from_url(connection: Connection, secret: MountedSecret) -> dict[str, str]:
    from psycopg import ProgrammingError  # late: psycopg is slow to import
    from psycopg.conninfo import conninfo_to_dict

    key = connections.url_key(connection, secret)
    text = secret.read(key)
    try:
        # libpq's own parser; its message would quote the URL, password and all, so it goes no further.
        said = {name: str(value) for name, value in conninfo_to_dict(text).items() if text.startswith(_SCHEMES)}
    except ProgrammingError:
        raise secret.invalid(key, "is not a connection URL (postgresql://user:password@host:port/name)") from None
    missing = [name for name in ("host", "user", "password") if not said.get(name)]
    if missing:
        raise secret.invalid(key, f"is not a connection URL (postgresql://…) with {', '.join(missing)}")
    return said | {"password_key": key}
