"""Everything an integration test needs in one place: the servers, Pods of any task, and what must hold afterwards."""

import hashlib
import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.runner.pod import Pod, Result
from tests.integration.runner.servers import BUCKET, PASSWORD, USER, Postgres, Store

from holdfast.api.database import Database
from holdfast.api.policy import Dump
from holdfast.api.storage import Age, Encryption, S3Storage
from holdfast.contract.manifest import Manifest
from holdfast.contract.task import BackupIdentity, BackupTask, CleanupTask, RestoreTask, Task

DATABASE_SECRET = {"username": f"{USER}\n", "password": f"{PASSWORD}\n"}  # as `echo` and editors leave them


@dataclass
class World:
    """The servers of a session."""

    folder: Path
    network: str
    db: Postgres
    store: Store
    pods: list[Pod] = field(default_factory=list)
    watched: bool = False  # whether each Pod's processes are looked at
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def pod(self, task: Task, store: Store | None = None, **changes: Any) -> Pod:
        """Prepare a Pod; `changes` are Pod's fields."""
        folder = self.folder / f"pod-{next(self._numbers)}"
        folder.mkdir()
        store = store or self.store
        fields: dict[str, Any] = {
            "watched": self.watched,
            "database_secret": DATABASE_SECRET,
            "storage_secret": {"accessKeyID": store.access_key, "secretAccessKey": f"{store.secret_key}\n"},
        }
        pod = Pod(folder, self.network, task, **(fields | changes))
        self.pods.append(pod)
        return pod

    def s3(self, store: Store | None = None, **changes: Any) -> S3Storage:
        fields: dict[str, Any] = {
            "bucket": BUCKET, "endpoint": (store or self.store).endpoint, "region": "us-east-1",
            "addressing_style": "path", "secret_name": "s3-credentials",
        }  # fmt: skip
        return S3Storage.model_validate(fields | changes)

    def database(self, name: str, **connection: Any) -> Database:
        fields = {"host": self.db.name, "port": 5432, "secretName": "orders-db", "tls": {"mode": "disable"}}
        return Database.model_validate({"engine": "postgresql", "name": name, "connection": fields | connection})

    def backup(
        self, database: str = "shop", form: str = "sql", algorithm: str = "gzip", store: Store | None = None,
        connection: dict[str, Any] | None = None, s3: dict[str, Any] | None = None, recipients: Sequence[str] = (),
        **changes: Any,
    ) -> BackupTask:  # fmt: skip
        """Make a backup's task, of a backup that is new unless `changes` say otherwise."""
        uid = str(uuid.uuid4())
        fields: dict[str, Any] = {
            "backup": BackupIdentity(
                uid=uid, namespace="shop", name="orders-1", policy="orders", backup_id="backup-20261122-084500",
                environment="production", label="it", reason="integration test", retention_days=90,
            ),
            "database": self.database(database, **(connection or {})),
            # each fault is one of the dump alone; what lies beside it has tests of its own (test_globals.py)
            "dump": Dump.model_validate(
                {"format": form, "compression": {"algorithm": algorithm}, "jobs": 4, "globals": False}
            ),
            "s3": self.s3(store, **(s3 or {})),
            "encryption": Encryption(age=Age(recipients=list(recipients))) if recipients else None,
            "key_prefix": f"it/shop/orders/backup-20261122-084500-{uid}/",
            "deadline_seconds": 120,
            "scratch_bytes": 512 << 20 if form == "directory" else None,
        }  # fmt: skip
        return BackupTask(**(fields | changes))

    def restore(self, of: BackupTask, database: str, **changes: Any) -> RestoreTask:
        fields: dict[str, Any] = {
            "backup_uid": of.backup.uid, "database": self.database(database), "s3": of.s3,
            "jobs": of.dump.jobs if of.dump.format == "directory" else 1,
            "key_prefix": of.key_prefix, "deadline_seconds": 120, "scratch_bytes": of.scratch_bytes,
        }  # fmt: skip
        return RestoreTask(**(fields | changes))

    def cleanup(self, of: BackupTask) -> CleanupTask:
        return CleanupTask(backup_uid=of.backup.uid, s3=of.s3, key_prefix=of.key_prefix, deadline_seconds=60)

    def manifest(self, task: BackupTask) -> Manifest:
        return Manifest.model_validate_json(self.store.read(f"{task.key_prefix}manifest.json"))

    def alter(self, task: BackupTask) -> None:
        """Flip a bit in the middle of the artifact."""
        key = self.manifest(task).artifact.key
        data = bytearray(self.store.read(key))
        data[len(data) // 2] ^= 1
        self.store.client.put_object(Bucket=BUCKET, Key=key, Body=bytes(data))

    def assert_backed_up(self, task: BackupTask, result: Result) -> None:
        """There is one manifest and the one artifact it names, as the report says, and nothing half-done."""
        assert result.exit_code == 0, result.log
        assert result.report is not None
        assert result.report.backup is not None
        manifest = self.manifest(task)
        assert sorted(self.store.keys(task.key_prefix)) == sorted(
            [*manifest.objects(), f"{task.key_prefix}manifest.json"]
        )
        assert self.store.uploads(task.key_prefix) == []
        assert manifest.backup == task.backup
        assert result.report.backup.artifact_key == manifest.artifact.key
        stored = self.store.read(manifest.artifact.key)
        assert len(stored) == manifest.artifact.size_bytes == result.report.backup.size_bytes
        assert hashlib.sha256(stored).hexdigest() == manifest.artifact.sha256 == result.report.backup.sha256
        assert_no_secret(result)

    def assert_nothing_left(self, task: BackupTask, store: Store | None = None) -> None:
        """The bucket knows nothing of this backup: no object, no upload."""
        store = store or self.store
        assert store.keys(task.key_prefix) == []
        assert store.uploads(task.key_prefix) == []


def secrets_in(text: str) -> list[str]:
    """Return which secrets stand in a text, also as JSON or a URL would write them."""
    pieces = [PASSWORD, Store.secret_key, PASSWORD.rsplit(" ", 1)[1], Store.secret_key.rsplit("-", 1)[1]]
    return [piece for piece in pieces if piece in text]


def assert_no_secret(result: Result) -> None:
    assert secrets_in(result.log) == []
    assert secrets_in(result.inspected) == []
    assert result.report is not None
    assert secrets_in(result.report.to_bytes().decode()) == []


def assert_failed(result: Result, exit_code: int, reason: str, *says: str) -> None:
    """It failed in just this way, told so everywhere, with a remedy, and no secret is anywhere."""
    failure = result.failure
    assert (result.exit_code, failure.exit_code, failure.reason) == (exit_code, exit_code, reason), result.log
    for words in says:
        assert words in failure.message
    assert len(failure.remedy) > 20
    last = result.lines[-1]
    assert last["event"] == "ended"
    assert last["failure"]["remedy"] == failure.remedy
    assert_no_secret(result)
