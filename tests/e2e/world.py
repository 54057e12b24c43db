"""What the e2e tests stand on: Holdfast in a cluster, a PostgreSQL server, an S3 store, and words to speak of them.

Tests say Given, When, Then with these words; what is compared is what is stored, not only what is claimed.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mypy_boto3_s3 import S3Client
from tests import stack
from tests.e2e.kubectl import Kubectl
from tests.stack.postgres import secret

Manifest = dict[str, Any]
KEYS = ("accessKeyID", "secretAccessKey")
# in full, since a test of the chart may serve other kinds of the same short names
BACKUPS, POLICIES = "databasebackups.holdfast.dev", "backuppolicies.holdfast.dev"
RESTORES = "databaserestores.holdfast.dev"
PASSWORD = "s3cret-$(HOME)-p&ss%w\\rd"


def a_store(namespace: str) -> dict[str, str]:
    """The S3 store of this namespace, as a policy or the chart's values describe it."""
    return {
        "bucket": "backups", "endpoint": f"http://s3.{namespace}.svc:8333", "addressingStyle": "path",
        "region": "us-east-1", "secretName": "s3-credentials",
    }  # fmt: skip


@dataclass(frozen=True)
class World:
    """One session's servers and namespaces."""

    kubectl: Kubectl
    operator: str  # namespace of Holdfast itself
    servers: str  # namespace of the database and the store
    backups: str  # namespaces that Holdfast watches
    faults: str
    races: str
    doomed: str  # one that a test deletes
    unwatched: str  # one that it does not watch: tests play the operator there
    s3: S3Client

    @property
    def host(self) -> str:
        return f"db.{self.servers}.svc"

    @property
    def endpoint(self) -> str:
        return a_store(self.servers)["endpoint"]

    def psql(self, sql: str, database: str = "orders") -> str:
        return stack.psql(self.servers, "db", sql, database)

    def fingerprint(self, database: str) -> dict[str, tuple[int, str]]:
        return stack.fingerprint(self.servers, "db", database)

    def get(self, kind: str, namespace: str, name: str) -> Manifest:
        return json.loads(self.kubectl("get", kind, "-n", namespace, name, "-o", "json"))

    def status(self, namespace: str, name: str) -> Manifest:
        return self.get(BACKUPS, namespace, name).get("status", {})

    def apply(self, *manifests: Manifest) -> None:
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=list(manifests))

    def finished(self, namespace: str, name: str, timeout: float = 200) -> Manifest:
        """The status once the backup has ended, either way."""
        self.kubectl(
            "wait", "-n", namespace, f"{BACKUPS}/{name}", "--for=condition=Finished", f"--timeout={timeout:.0f}s",
            timeout=timeout + 10,
        )  # fmt: skip
        return self.status(namespace, name)

    def restored(self, namespace: str, name: str, timeout: float = 120) -> Manifest:
        """The status once the restore has ended, either way."""
        self.kubectl(
            "wait", "-n", namespace, f"{RESTORES}/{name}", "--for=condition=Finished", f"--timeout={timeout:.0f}s",
            timeout=timeout + 10,
        )  # fmt: skip
        return dict(self.get(RESTORES, namespace, name)["status"])

    def reaches(self, namespace: str, name: str, what: Callable[[Manifest], bool], timeout: float = 60) -> Manifest:
        """The status once `what` holds of it."""
        return until(lambda: self.status(namespace, name), what, timeout)

    def verify(self, namespace: str, name: str, request: str) -> Manifest:
        """Ask for a verification as the how-to says, and wait as it says; return the status."""
        about = [f"{BACKUPS}/{name}", "-n", namespace]
        self.kubectl("annotate", *about, "--overwrite", f"holdfast.dev/verify={request}")
        self.kubectl("wait", *about, f"--for=jsonpath={{.status.verificationRun.request}}={request}", "--timeout=30s")
        self.kubectl("wait", *about, "--for=condition=Reconciling=False", "--timeout=90s", timeout=100)
        return self.status(namespace, name)

    def keys(self, location: str) -> dict[str, int]:
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        return stack.keys_in_bucket(self.s3, bucket, prefix)

    def uploads(self, location: str) -> list[str]:
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        return stack.uploads_in_bucket(self.s3, bucket, prefix)

    def manifest(self, location: str) -> Manifest:
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        return json.loads(self.s3.get_object(Bucket=bucket, Key=f"{prefix}manifest.json")["Body"].read())

    def pods(self, namespace: str, backup: str) -> list[Manifest]:
        found = self.kubectl("get", "pods", "-n", namespace, "-l", f"holdfast.dev/backup={backup}", "-o", "json")
        return json.loads(found)["items"]

    def jobs(self, namespace: str, backup: str) -> list[Manifest]:
        found = self.kubectl("get", "jobs", "-n", namespace, "-l", f"holdfast.dev/backup={backup}", "-o", "json")
        return json.loads(found)["items"]

    def events(self, namespace: str, name: str) -> list[Manifest]:
        selector = f"involvedObject.name={name},involvedObject.kind=DatabaseBackup"
        return json.loads(self.kubectl("get", "events", "-n", namespace, "--field-selector", selector, "-o", "json"))[
            "items"
        ]

    def credentials(self, namespace: str, name: str = "orders-db", **changes: str) -> list[Manifest]:
        """The Secrets that a policy names, in the namespace where its Jobs run."""
        database = {"username": "orders", "password": PASSWORD} | changes
        return [
            secret(namespace, name, database),
            secret(namespace, "s3-credentials", dict(zip(KEYS, ("holdfast", "holdfast-secret-key"), strict=True))),
        ]

    def policy(self, namespace: str, name: str, changes: Mapping[str, Any] | None = None) -> Manifest:
        """A BackupPolicy that works; `changes` are laid over its spec, object by object."""
        spec = {
            "environment": "dev",
            "database": {
                "engine": "postgresql",
                "name": "orders",
                "connection": {"host": self.host, "secretName": "orders-db"},
            },
            "storage": {"s3": a_store(self.servers)},
        }
        return _resource("BackupPolicy", namespace, name, _laid_over(spec, changes or {}))

    @contextmanager
    def locked(self, database: str, table: str = "customers") -> Iterator[None]:
        """Hold a lock that a dump waits for, so that it stays in its midst until the block ends."""
        sql = f"set application_name = 'test-lock'; begin; lock table {table}; select pg_sleep(600);"
        command = [
            *self.kubectl.argv, "exec", "-n", self.servers, "deploy/db", "--",
            "psql", "-X", "-q", "-U", "orders", "-d", database, "-c", sql,
        ]  # fmt: skip
        with subprocess.Popen(
            command, env=self.kubectl.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as held:
            locks = (
                f"select count(*) from pg_locks where relation = '{table}'::regclass "
                "and mode = 'AccessExclusiveLock' and granted"
            )
            try:
                until(lambda: self.psql(locks, database).strip(), lambda count: count == "1", 20)
                yield
            finally:
                self.psql(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    f"where application_name = 'test-lock' and datname = '{database}'"
                )
                held.wait(20)

    def a_database(self, name: str) -> str:
        """A database with a few rows, its own, so that tests do not get into each other's way."""
        self.psql(f'drop database if exists "{name}" with (force)')
        self.psql(f'create database "{name}"')
        self.psql("create table customers (id int primary key, name text); "
                  "insert into customers select n, 'Zoë ' || n from generate_series(1, 500) n", name)  # fmt: skip
        return name


def backup(namespace: str, name: str, policy: str | None = None, **spec: Any) -> Manifest:
    """A DatabaseBackup from a policy, by default the one of its own name."""
    return _resource("DatabaseBackup", namespace, name, {"policyRef": {"name": policy or name}} | spec)


def until(look: Callable[[], Any], good: Callable[[Any], bool], timeout: float) -> Any:
    """Look again and again until it is good; fail with what was seen last."""
    deadline = time.monotonic() + timeout
    while not good(seen := look()):
        assert time.monotonic() < deadline, (
            f"not within {timeout:.0f} s; last seen: {json.dumps(seen, default=str)[:3000]}"
        )
        time.sleep(0.25)
    return seen


def gone(world: World, kind: str, namespace: str, name: str) -> bool:
    """Whether the resource is not there any more."""
    return world.kubectl("get", kind, "-n", namespace, name, "--ignore-not-found").strip() == ""


def _resource(kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> Manifest:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "holdfast.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": dict(spec)}


def _laid_over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Objects are merged, everything else is taken from `changes`; None removes."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = _laid_over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return {key: value for key, value in merged.items() if value is not None}
