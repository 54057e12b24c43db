"""Where the database is and who asks: from the task and its Secret to what the client programs are given.

The password goes into the option file and nowhere else. No other option file is read.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from holdfast.api.database import Connection, Database, TLSMode
from holdfast.runner import connections, secrets
from holdfast.runner.context import Places
from holdfast.runner.mysql.flavour import FLAVOURS, Flavour
from holdfast.runner.mysql.options import option_file
from holdfast.runner.secrets import MountedSecret

_SCHEMES = ("mysql", "mariadb")
_MODES = {
    "DISABLED": TLSMode.DISABLE,
    "PREFERRED": TLSMode.PREFER,
    "REQUIRED": TLSMode.REQUIRE,
    "VERIFY_CA": TLSMode.VERIFY_CA,
    "VERIFY_IDENTITY": TLSMode.VERIFY_FULL,
}
_NOT_A_URL = "is not a connection URL (mysql://user:password@host:port/name)"


@dataclass(frozen=True)
class Target:
    """A database as the client programs are told of it; no secret in it."""

    flavour: Flavour
    host: str
    port: str
    user: str
    database: str
    tls: TLSMode
    option_file: Path
    authority: Path | None = None
    warnings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"database {self.database!r} at {self.host}:{self.port} as user {self.user!r}"

    def arguments(self) -> list[str]:
        """Return the arguments of a connection; `--defaults-file` must be the first."""
        return [
            f"--defaults-file={self.option_file}",
            "--protocol=TCP",  # `localhost` would mean a socket
            f"--host={self.host}",
            f"--port={self.port}",
            f"--user={self.user}",
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
    password: str
    password_key: str
    port: str = ""
    tls: TLSMode = TLSMode.DISABLE
    unused: list[str] = field(default_factory=list)


def resolve(database: Database, places: Places) -> Target:
    """Read the Secret and write the option file. Raises SecretMissing, SecretKeyMissing, SecretInvalid."""
    connection = database.reached()
    assert database.engine is not None
    assert database.name is not None
    secret = MountedSecret(connection.secret_name, places.database_secret)
    said = _from_keys(connection, secret) if connection.host else _from_url(connection, secret)
    path = places.run / "client.cnf"
    try:
        secrets.write_private(path, option_file(said.password))
    except ValueError as error:
        raise secret.invalid(said.password_key, str(error)) from None
    order = list(TLSMode)
    return Target(
        flavour=FLAVOURS[database.engine],
        host=said.host,
        port=str(connection.port or said.port or database.engine.default_port),
        user=said.user,
        database=database.name,
        tls=max(connection.tls.mode, said.tls, key=order.index),
        option_file=path,
        authority=connections.authority(connection, places),
        warnings=[f"the connection URL's {', '.join(said.unused)} is not used"] if said.unused else [],
    )


def _from_keys(connection: Connection, secret: MountedSecret) -> Said:
    keys = connection.secret_keys
    user = secret.read(keys.username)
    if "\0" in user:
        raise secret.invalid(keys.username, "has a NUL, which no user's name can have")
    return Said(connection.host or "", user, secret.read(keys.password), keys.password)


def _from_url(connection: Connection, secret: MountedSecret) -> Said:
    key = connections.url_key(connection, secret)
    try:
        return _parsed(secret.read(key), key)
    except ValueError as error:
        raise secret.invalid(key, str(error)) from None


def _parsed(text: str, key: str) -> Said:
    """Read a URL. Raises ValueError, whose words never have a part of it."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(_NOT_A_URL) from None
    if url.scheme not in _SCHEMES or re.search(r"%(?![0-9A-Fa-f]{2})|[\x00-\x20\x7f]|%00", text):
        raise ValueError(_NOT_A_URL)
    parts = {"host": url.hostname, "user": url.username, "password": url.password}
    missing = [name for name, value in parts.items() if not value]
    if missing:
        raise ValueError(f"{_NOT_A_URL} with {', '.join(missing)}")
    tls, unused = _parameters(url)
    return Said(
        host=unquote(parts["host"] or ""),
        user=unquote(parts["user"] or "", errors="strict"),
        password=unquote(parts["password"] or "", errors="strict"),
        password_key=key,
        port=str(port or ""),
        tls=tls,
        unused=unused,
    )


def _parameters(url: SplitResult) -> tuple[TLSMode, list[str]]:
    """Return the TLS mode that a URL asks for, and the names of what else it has."""
    given = {name.lower(): value for name, value in parse_qsl(url.query, keep_blank_values=True)}
    asked = given.pop("ssl-mode", "DISABLED").upper()
    if asked not in _MODES:
        raise ValueError(f"has an ssl-mode that is none of {', '.join(_MODES)}")
    return _MODES[asked], sorted(given)
