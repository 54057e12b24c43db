"""Where the database is and who asks: from the task and its Secret to what libpq and its tools are given.

The password goes into the pgpass file and nowhere else, the user's name into a service file: neither is an argument.
The database's name is never parsed as a connection string.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.api.database import Connection, Database, Engine, TLSMode
from holdfast.runner import connections, secrets
from holdfast.runner.context import Places
from holdfast.runner.secrets import MountedSecret

APPLICATION = "holdfast"
SERVICE_FILE = "pg_service.conf"  # beside the pgpass file
SERVICE = "holdfast"  # its section
CONNECT_TIMEOUT = 5  # seconds for one attempt at one address
# A server whose Pod or node is gone closes nothing; without these a dump would wait two hours for it, here a minute.
KEEPALIVES = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
_STRICTNESS = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
_SCHEMES = ("postgresql://", "postgres://")
_USED = {"host", "port", "user", "password", "dbname", "sslmode"}


@dataclass(frozen=True)
class Target:
    """A database as libpq is told of it. As text, it has nothing that is in a Secret but the address."""

    host: str
    port: str
    user: str = field(repr=False)
    database: str
    sslmode: str
    passfile: Path
    sslrootcert: Path | None = None
    warnings: list[str] = field(default_factory=list)
    """What is worth knowing of how it is reached, and of what the tools said of it."""
    asker: str = "its user"
    """The user, as people are told of him."""

    def __str__(self) -> str:
        return f"database {self.database!r} at {self.host}:{self.port} as {self.asker}"

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

        return make_conninfo("", service=SERVICE, **{k: v for k, v in self.parameters().items() if k != "user"})

    def environment(self) -> dict[str, str]:
        """Return what a tool that is given the connection string needs in its environment."""
        return {"PGSERVICEFILE": str(self.passfile.with_name(SERVICE_FILE))}


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
    try:
        secrets.write_private(places.run / SERVICE_FILE, secrets.service(SERVICE, said["user"]))
    except ValueError as error:
        raise secret.invalid(said["user_key"], str(error)) from None
    ignored = sorted(set(said) - _USED - {"password_key", "user_key"})
    return Target(
        host=said["host"],
        port=str(connection.port or said.get("port") or Engine.POSTGRESQL.default_port),
        user=said["user"],
        database=database.name,
        sslmode=stricter(connection.tls.mode, said.get("sslmode")),
        passfile=passfile,
        sslrootcert=connections.authority(connection, places),
        warnings=[f"the connection URL's {', '.join(ignored)} is not used"] if ignored else [],
        asker=connections.told(connection, said["user_key"]),
    )


def stricter(mode: TLSMode, other: str | None) -> str:
    """Return the stricter of the spec's TLS mode and the URL's `sslmode`."""
    return max(mode.value, other or "disable", key=lambda word: _STRICTNESS.index(word) if word in _STRICTNESS else -1)


def _from_keys(connection: Connection, secret: MountedSecret) -> dict[str, str]:
    keys = connection.secret_keys
    return {
        "host": connection.host or "",
        "user": connection.username or secret.read(keys.username),
        "user_key": keys.username,
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
    said |= {"user": connection.username} if connection.username else {}
    missing = [name for name in ("host", "user", "password") if not said.get(name)]
    missing += ["a port that is a number"] if re.search(r"[^0-9,]", said.get("port", "")) else []
    # After an unescaped @ in the password, libpq takes the rest of it for the host: which messages would show.
    missing += (
        ["a host that is one (a password's @ is written %40)"] if re.search(r"[\s@/]", said.get("host", "")) else []
    )
    if missing:
        raise secret.invalid(key, f"is not a connection URL (postgresql://…) with {', '.join(missing)}")
    return said | {"password_key": key, "user_key": key}
