"""What is alike in reaching any engine's server: which key of a Secret is the URL, and where the authority lies."""

import re
from pathlib import Path

from holdfast.api.database import Connection
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.pod.context import Places
from holdfast.runner.pod.secrets import MountedSecret

_HOST = re.compile(r"[\w.-]{1,253}|[0-9A-Fa-f]*(:[0-9A-Fa-f.]*){2,8}(%\w{1,15})?")


def is_host(text: str) -> bool:
    """Whether a text is the name or the address of one host: no list, no socket's folder, no rest of a password."""
    return _HOST.fullmatch(text) is not None


def is_port(text: str) -> bool:
    """Whether a text is the number of a port."""
    return re.fullmatch("[0-9]{1,5}", text) is not None and 0 < int(text) < 1 << 16


def url_key(connection: Connection, secret: MountedSecret) -> str:
    """Return the key of the connection URL: the one that the spec names, else `uri`. Raises SecretKeyMissing."""
    wanted = connection.secret_keys.url
    keys = secret.keys()
    key = next((name for name in (wanted, "uri") if name in keys), None)
    if key is None:
        raise HoldfastError(
            Reason.SECRET_KEY_MISSING,
            f"connection.host is not set, and Secret {secret.name} has neither the key {wanted} nor uri; it has "
            f"{', '.join(keys)}",
            "set connection.host, or add a connection URL to the Secret",
        )
    return key


def told(connection: Connection, key: str) -> str:
    """Name the user for people: a Secret's values are not shown, since any key of it may hold the password."""
    if connection.username is not None:
        return f"user {connection.username!r}"
    return f"the user in Secret {connection.secret_name}, key {key}"


def authority(connection: Connection, places: Places) -> Path | None:
    """Return the file of the certificate authority, where one is named. Raises SecretMissing, SecretKeyMissing."""
    named = connection.tls.authority()
    return MountedSecret(named.name, places.database_ca, named.kind).path(named.key) if named else None
