"""A PostgreSQL server in a namespace that admits only `restricted` Pods: manifests, and SQL by kubectl exec."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.stack.kubectl import Manifest, kubectl

IMAGE = "holdfast-test-postgres:17"
USER_ID = 999
# Nothing here outlives its Pod, so nothing needs to reach a disk.
QUICK = ("-c", "fsync=off", "-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "max_wal_size=4GB")
RESTRICTED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def namespace(name: str, labels: Mapping[str, str] | None = None) -> Manifest:
    """A namespace where PodSecurity enforces `restricted`."""
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {**levels, **(labels or {})}}}


def postgres(
    namespace: str,
    name: str = "orders-db",
    *,
    database: str = "orders",
    username: str = "orders",
    password: str = "orders",
    image: str = IMAGE,
    tls_secret: str | None = None,
    arguments: Sequence[str] = (),
) -> list[Manifest]:
    """Secret (username, password), Deployment and Service, all called `name`; `username` is the superuser.

    Ready means that the database answers SQL. `tls_secret` (tls.crt, tls.key) switches TLS on; `arguments` go to the
    server. The data goes with the Pod.
    """
    credentials = secret(namespace, name, {"username": username, "password": password})
    container = _container(name, database, image, tls_secret, arguments)
    return [
        credentials,
        service(namespace, name, 5432),
        deployment(namespace, name, container, _volumes(tls_secret), credentials),
    ]


def psql(namespace: str, deployment: str, sql: str, database: str = "orders", timeout: float = 300) -> str:
    """What psql prints for these statements (unaligned, tuples only), as superuser, in one session; errors end it."""
    # The shell in the Pod knows its superuser, the way in is the socket; the database's name comes as an argument.
    script = 'exec psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$0" -f -'
    pod = ("exec", "-i", "-n", namespace, f"deployment/{deployment}", "--")
    # a name like `a=b` would be read as a connection string, so it always comes as one
    return kubectl(*pod, "sh", "-c", script, conninfo(database), stdin=sql, timeout=timeout)


def conninfo(database: str) -> str:
    """A database's name as libpq's connection string."""
    quoted = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{quoted}'"


def deployment(
    namespace: str,
    name: str,
    container: Manifest,
    volumes: list[Manifest],
    credentials: Manifest,
    user_id: int = USER_ID,
) -> Manifest:
    """One Pod of one container, `restricted`, replaced (never doubled) when its template or its Secret changes."""
    digest = hashlib.sha256(json.dumps(credentials["stringData"]).encode()).hexdigest()
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "holdfast-stand-ins"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {
                "metadata": {"labels": labels, "annotations": {"checksum/secret": digest}},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 5,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": user_id,
                        "runAsGroup": user_id,
                        "fsGroup": user_id,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [{"securityContext": RESTRICTED, "imagePullPolicy": "IfNotPresent", **container}],
                    "volumes": volumes,
                },
            },
        },
    }


def service(namespace: str, name: str, port: int) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app.kubernetes.io/name": name}, "ports": [{"name": "main", "port": port}]},
    }


def secret(namespace: str, name: str, values: Mapping[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": dict(values),
    }


def _container(name: str, database: str, image: str, tls_secret: str | None, arguments: Sequence[str]) -> Manifest:
    def from_secret(key: str) -> Manifest:
        return {"secretKeyRef": {"name": name, "key": key}}

    # TCP opens when everything is initialised; a query over it, not a port that answers, is what Ready means.
    ready = 'psql -X -h 127.0.0.1 -U "$POSTGRES_USER" -d "$0" -c "select 1"'
    return {
        "name": "postgres",
        "image": image,
        "args": [*QUICK, *arguments],
        "env": [
            {"name": "POSTGRES_USER", "valueFrom": from_secret("username")},
            {"name": "POSTGRES_PASSWORD", "valueFrom": from_secret("password")},
            {"name": "PGPASSWORD", "valueFrom": from_secret("password")},
            # Kubernetes would rewrite $$ and $(NAME) in it
            {"name": "POSTGRES_DB", "value": database.replace("$", "$$")},
        ],
        "ports": [{"name": "main", "containerPort": 5432}],
        "readinessProbe": {
            "exec": {"command": ["sh", "-c", ready, conninfo(database).replace("$", "$$")]},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 120,
        },
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "run", "mountPath": "/run/postgresql"},
            {"name": "tmp", "mountPath": "/tmp"},
            *([{"name": "tls", "mountPath": "/tls", "readOnly": True}] if tls_secret else []),
        ],
    }


def _volumes(tls_secret: str | None) -> list[Manifest]:
    return [
        {"name": "data", "emptyDir": {}},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        {"name": "tmp", "emptyDir": {}},
        *([{"name": "tls", "secret": {"secretName": tls_secret}}] if tls_secret else []),
    ]
