"""Where the database is and who asks: from the task and its Secret to what the client programs are given.

User and password go into the option file and nowhere else. No other option file is read.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from holdfast.api.database import Connection, Database, TLSMode
from holdfast.runner.engines import connections
from holdfast.runner.engines.mysql.flavour import FLAVOURS, Flavour
from holdfast.runner.engines.mysql.grants import quoted
from holdfast.runner.engines.mysql.options import option_file
from holdfast.runner.pod import secrets
from holdfast.runner.pod.context import Places
from holdfast.runner.pod.secrets import MountedSecret

_SCHEMES = ("mysql", "mariadb")
_MODES = {
    "DISABLED": TLSMode.DISABLE,
    "PREFERRED": TLSMode.PREFER,
    "REQUIRED": TLSMode.REQUIRE,
    "VERIFY_CA": TLSMode.VERIFY_CA,
    "VERIFY_IDENTITY": TLSMode.VERIFY_FULL,
}
_SEVERAL = (
    "names several hosts, but MySQL's client programs take only one: name one host, or a Service that always points "
    "to the right server"
)
_NOT_A_URL = "is not a connection URL (mysql://user:password@host:port/name)"


@dataclass(frozen=True)
class Target:
    """A database as the client programs are told of it. As text, it has nothing that is in a Secret but the address."""

    flavour: Flavour
    host: str
    port: str
    user: str = field(repr=False)
    database: str
    tls: TLSMode
    option_file: Path
    authority: Path | None = None
    warnings: list[str] = field(default_factory=list)
    asker: str = "its user"
    """The user, as people are told of him."""
    named: bool = False
    """Whether the policy gives the user's name, so that it may be shown."""

    def __str__(self) -> str:
        return f"database {self.database!r} at {self.host}:{self.port} as {self.asker}"

    def grantee(self, known_as: str) -> str:
        """Return whom a person grants rights to: `known_as` is the user as the server knows him, name@host."""
        name, _, host = known_as.rpartition("@")
        return f"{quoted(name) if self.named else 'the_user'}@{quoted(host)}"

    def arguments(self) -> list[str]:
        """Return the arguments of a connection; `--defaults-file` must be the first."""
        return [
            f"--defaults-file={self.option_file}",
            "--protocol=TCP",  # `localhost` would mean a socket
            f"--host={self.host}",
            f"--port={self.port}",
            "--default-character-set=utf8mb4",
            *self.flavour.tls[self.tls],
            *([f"--ssl-ca={self.authority}"] if self.authority else []),
            *self.flavour.connects,
        ]


@dataclass(frozen=True)
class Said:
    """What a Secret says."""

    host: str
    user: str
    password: str = field(repr=False)
    password_key: str
    user_key: str
    port: str = ""
    tls: TLSMode = TLSMode.DISABLE
    unused: bool = False  # whether a URL has parameters that are not used; their names may be a part of a password


def resolve(database: Database, places: Places) -> Target:
    """Read the Secret and write the option file. Raises SecretMissing, SecretKeyMissing, SecretInvalid."""
    connection, engine = database.reached(), database.dumped_engine()
    assert database.name is not None
    secret, said = _read(connection, places)
    path = places.run / "client.cnf"
    try:
        secrets.write_private(path, option_file(said.user, said.password))
    except ValueError as error:
        raise secret.invalid(said.password_key, str(error)) from None
    order = list(TLSMode)
    return Target(
        flavour=FLAVOURS[engine],
        host=said.host,
        port=str(connection.port or said.port or engine.default_port),
        user=said.user,
        database=database.name,
        tls=max(connection.tls.mode, said.tls, key=order.index),
        option_file=path,
        authority=connections.authority(connection, places),
        warnings=["only the parameter ssl-mode of the connection URL is used"] if said.unused else [],
        asker=connections.told(connection, said.user_key),
        named=connection.username is not None,
    )


def password(database: Database, places: Places) -> str:
    """Return the password, for what reads no option file. Raises as `resolve` does."""
    return _read(database.reached(), places)[1].password


def _read(connection: Connection, places: Places) -> tuple[MountedSecret, Said]:
    secret = MountedSecret(connection.secret_name, places.database_secret)
    return secret, _from_keys(connection, secret) if connection.host else _from_url(connection, secret)


def _from_keys(connection: Connection, secret: MountedSecret) -> Said:
    keys = connection.secret_keys
    user = connection.username or secret.read(keys.username)
    if "\0" in user or len(user.encode()) > secrets.MAX_USER:
        raise secret.invalid(
            keys.username, f"has a NUL or more than {secrets.MAX_USER} bytes, so it cannot be a user's name"
        )
    return Said(connection.host or "", user, secret.read(keys.password), keys.password, keys.username)


def _from_url(connection: Connection, secret: MountedSecret) -> Said:
    key = connections.url_key(connection, secret)
    try:
        return _parsed(secret.read(key), key, connection.username)
    except ValueError as error:
        raise secret.invalid(key, str(error)) from None


def _parsed(text: str, key: str, username: str | None) -> Said:
    """Read a URL; `username` wins over its own. Raises ValueError, whose words never have a part of it."""
    try:
        url = urlsplit(text)
        several = "," in url.netloc.rpartition("@")[2]
        port = None if several else url.port
    except ValueError:
        raise ValueError(_NOT_A_URL) from None
    if url.scheme not in _SCHEMES or re.search(r"%(?![0-9A-Fa-f]{2})|[\x00-\x20\x7f]|%00", text):
        raise ValueError(_NOT_A_URL)
    if several:
        raise ValueError(_SEVERAL)
    parts = {"host": url.hostname, "user": username or url.username, "password": url.password}
    missing = [name for name, value in parts.items() if not value]
    if missing:
        raise ValueError(f"{_NOT_A_URL} with {', '.join(missing)}")
    tls, unused = _parameters(url)
    host = unquote(parts["host"] or "")
    if not connections.is_host(host):
        raise ValueError(f"{_NOT_A_URL} with a valid host (write an @ in the password as %40)")
    return Said(
        host=host,
        user=username or unquote(parts["user"] or "", errors="strict"),
        password=unquote(parts["password"] or "", errors="strict"),
        password_key=key,
        user_key=key,
        port=str(port or ""),
        tls=tls,
        unused=unused,
    )


def _parameters(url: SplitResult) -> tuple[TLSMode, bool]:
    """Return the TLS mode that a URL asks for, and whether it has other parameters."""
    given = {name.lower(): value for name, value in parse_qsl(url.query, keep_blank_values=True)}
    asked = given.pop("ssl-mode", "DISABLED").upper()
    if asked not in _MODES:
        raise ValueError(f"has an ssl-mode that is not one of {', '.join(_MODES)}")
    return _MODES[asked], bool(given)
