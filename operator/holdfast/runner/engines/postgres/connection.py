"""Where the database is and who asks: from the task and its Secret to what libpq and its tools are given.

The password goes into the pgpass file and nowhere else, the user's name into a service file: neither is an argument.
The database's name is never parsed as a connection string.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from holdfast.api.database import Connection, Database, Engine, TLSMode
from holdfast.runner.engines import connections
from holdfast.runner.pod import secrets
from holdfast.runner.pod.context import Places
from holdfast.runner.pod.secrets import MountedSecret

APPLICATION = "holdfast"
SERVICE_FILE = "pg_service.conf"  # beside the pgpass file
SERVICE = "holdfast"  # its section
CONNECT_TIMEOUT = 5  # seconds for one attempt at one address
# A server whose Pod or node is gone closes nothing; without these a dump would wait two hours for it, here a minute.
KEEPALIVES = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
_STRICTNESS = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
_SCHEMES = ("postgresql://", "postgres://")
_USED = {"host", "port", "user", "password", "dbname", "sslmode", "target_session_attrs"}
_SESSIONS = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")


@dataclass(frozen=True)
class Target:
    """A database as libpq is told of it. As text, it has nothing that is in a Secret but the address."""

    host: str  # or several, with commas, which libpq tries in order
    port: str  # of all of them, or as many with commas
    user: str = field(repr=False)
    database: str
    sslmode: str
    passfile: Path
    sslrootcert: Path | None = None
    warnings: list[str] = field(default_factory=list)
    """What is worth knowing of how it is reached, and of what the tools said of it."""
    asker: str = "its user"
    """The user, as people are told of him."""
    session: str = ""
    """libpq's target_session_attrs: which kind of server will do, where several are named."""

    def __str__(self) -> str:
        hosts, ports = self.host.split(","), self.port.split(",")
        each = zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=True)
        return f"database {self.database!r} at {', '.join(f'{host}:{port}' for host, port in each)} as {self.asker}"

    @property
    def is_one(self) -> bool:
        """Whether one server is named: what is asked, dumped or written must all be in the same."""
        return "," not in self.host

    def answered(self, host: str, port: str) -> "Target":
        """Return the target with the one server that answered, whatever others were named."""
        return replace(self, host=host, port=port)

    def aimed(self, host: str | None, port: str | None, database: str | None) -> "Target":
        """Return the target with what a person sets instead; another host takes the place of all."""
        same = set(self.port.split(","))
        kept = self.port if host is None else same.pop() if len(same) == 1 else str(Engine.POSTGRESQL.default_port)
        return replace(
            self,
            host=host or self.host,
            port=port or kept,
            database=database or self.database,
            session="" if host else self.session,
        )

    def writable(self) -> "Target":
        """Return the target for what writes: of several servers, the one that can be written to."""
        return self if self.is_one else replace(self, session="read-write")

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
        session = {"target_session_attrs": self.session} if self.session else {}
        return common | session | ({"sslrootcert": str(self.sslrootcert)} if self.sslrootcert else {})

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
        port=str(connection.port or "") or _ports(said.get("port", "")),
        user=said["user"],
        database=database.name,
        sslmode=stricter(connection.tls.mode, said.get("sslmode")),
        passfile=passfile,
        sslrootcert=connections.authority(connection, places),
        warnings=[f"the connection URL's {', '.join(ignored)} is not used"] if ignored else [],
        asker=connections.told(connection, said["user_key"]),
        session=said.get("target_session_attrs", ""),
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
        what = (
            "is not a connection URL (postgresql://user:password@host:port/name), or has a parameter that libpq does "
            "not know"
        )
        raise secret.invalid(key, what) from None
    said |= {"user": connection.username} if connection.username else {}
    missing = [name for name in ("host", "user", "password") if not said.get(name)]
    missing = missing or list(_misread(said))
    if missing:
        raise secret.invalid(key, f"is not a connection URL (postgresql://…) with {', '.join(missing)}")
    return said | {"password_key": key, "user_key": key}


def _misread(said: dict[str, str]) -> Iterator[str]:
    """Yield what a URL should have; none of its own words, since any may be a part of a password."""
    hosts, ports = said["host"].split(","), said.get("port", "").split(",")
    # after an unescaped @ in the password, libpq takes the rest of it for the host: which messages would show
    if not all(map(connections.is_host, hosts)):
        yield (
            "a valid host, or several separated by commas (write an @ in the password as %40; a socket cannot be "
            "reached)"
        )
    if not all(port == "" or connections.is_port(port) for port in ports):
        yield "a port that is a number up to 65535"
    if len(ports) not in (1, len(hosts)):
        yield f"as many ports as hosts (it has {len(ports)} and {len(hosts)})"
    if said.get("target_session_attrs", "any") not in _SESSIONS:
        yield f"a target_session_attrs that is one of {', '.join(_SESSIONS)}"


def _ports(said: str) -> str:
    """Fill in the port where a URL leaves one out."""
    return ",".join(port or str(Engine.POSTGRESQL.default_port) for port in said.split(","))
