"""Which server a database is on, and which database it is, by words that two resources agree in. Pure."""

import sys
from collections.abc import Mapping
from typing import Any

from holdfast.api.database import Engine
from holdfast.untrusted import mapping, number, word

_PORTS = {engine.value: engine.default_port for engine in Engine if engine is not Engine.SQLITE}
_LOCAL = ".cluster.local"
_MAX_PATH = 512  # characters of a file's path, as the API server takes one


def server_of(namespace: str, policy: Mapping[str, Any]) -> str:
    """Return what a backup burdens, by a name for people: a server, an instance of RDS, or a claim."""
    database = mapping(policy.get("database"))
    connection, volume, instance = (mapping(database.get(key)) for key in ("connection", "volume", "instance"))
    if instance:
        region, identifier = word(instance.get("region")), word(instance.get("identifier")).lower()
        return sys.intern(f"RDS {word(instance.get('kind')) or 'instance'} {identifier} in {region}")
    if volume:
        return sys.intern(f"claim {namespace}/{word(volume.get('claimName'))}")
    host = word(connection.get("host")).lower().rstrip(".")
    if not host:  # only the Secret's URL says it, which the operator does not read
        return sys.intern(f"the server in Secret {namespace}/{word(connection.get('secretName'))}")
    port = number(connection.get("port")) or _PORTS.get(word(database.get("engine")), 0)
    return sys.intern(f"server {_host(namespace, host)}:{port}")


def _host(namespace: str, host: str) -> str:
    """Return the name of a server as it reads from anywhere in the cluster."""
    if ":" in host:
        return f"[{host}]"
    if "." not in host:
        return f"{host}.{namespace}.svc"
    return host.removesuffix(_LOCAL) if host.endswith(f".svc{_LOCAL}") else host


def database_of(namespace: str, policy: Mapping[str, Any]) -> tuple[str, str]:
    """Return the server and the database on it; of a file, its claim and its path."""
    database = mapping(policy.get("database"))
    path = word(mapping(database.get("volume")).get("path"), _MAX_PATH)
    return server_of(namespace, policy), path or word(database.get("name"))
