"""One bucket, one database and Pods that work with them: tools are scripts, the store is in memory."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from tests.builders import NOW, UID, a_policy
from tests.fake_s3 import FakeS3, sha256

from holdfast.api.database import Database
from holdfast.api.policy import Dump, VerificationLevel
from holdfast.api.storage import Encryption, S3Storage
from holdfast.contract.manifest import Manifest
from holdfast.contract.task import BackupIdentity, BackupTask, Pinned, RestoreTask, VerifyTask
from holdfast.errors import HoldfastError
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.stop import Stop
from holdfast.runner.tasks import backup, restore, verify
from holdfast.runner.tasks.dumps import Dumps

PREFIX = "eu-1/shop/orders/backup-20261122-084500/"
MANIFEST = f"{PREFIX}manifest.json"
SCRIPT = """\
--
-- PostgreSQL database dump
--

CREATE TABLE public.orders (
    id integer,
    note text
);

COPY public.orders (id, note) FROM stdin;
1\tone
2\ttwo
3\tthree
\\.

COPY public.empty (id) FROM stdin;
\\.

--
-- PostgreSQL database dump complete
--

"""
ALICE, EVE = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
TO_ALICE = Encryption.model_validate({"age": {"recipients": [str(ALICE.to_public())]}})
READBACK, CHECKSUM = VerificationLevel.READBACK, VerificationLevel.CHECKSUM


class Bench:
    """One bucket, one database, and Pods that work with them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.s3 = folder, FakeS3()
        self.places = Places(
            database_secret=folder / "database", age_identity=folder / "identity", run=folder,
            scratch=folder / "scratch", volume=folder / "claim",
        )  # fmt: skip
        for place in ("database", "identity", "scratch", "claim"):
            (folder / place).mkdir()
        (folder / "database/username").write_text("u")
        (folder / "database/password").write_text("p")
        (folder / "script.sql").write_text(SCRIPT)
        self.tool("pg_dump", 'cat "$FOLDER/script.sql"')
        # a custom archive is the script with a head, a directory one file of it
        self.tool("pg_restore", 'for last; do :; done; if [ -d "$last" ]; then cat "$last/toc.dat"; else cat; fi')

    def tool(self, name: str, does: str) -> None:
        version = f"case $1 in --version) echo '{name} (PostgreSQL) 17.12'; exit;; esac"
        (self.folder / name).write_text(f'#!/bin/sh\nFOLDER="{self.folder}"\n{version}\n{does}\n')
        (self.folder / name).chmod(0o755)

    def context(self) -> Context:
        return Context(self.places, Stop(), Log(io.StringIO()), "pod-1", NOW)

    def identity(self, whose: pyrage.x25519.Identity) -> None:
        (self.folder / "identity/key.txt").write_text(f"{whose}\n")

    def back_up(self, form: str = "sql", algorithm: str = "gzip", database: Database | None = None, **changes: Any):
        dump = {"format": form, "compression": {"algorithm": algorithm}} | ({"jobs": 2} if form == "directory" else {})
        identity = BackupIdentity(
            uid=UID, namespace="shop", name="orders-1", backup_id="backup-20261122-084500", environment="production",
            retention_days=90,
        )  # fmt: skip
        task = BackupTask(
            backup=identity, database=database or a_policy().database, dump=Dump.model_validate(dump),
            s3=S3Storage(bucket="backups"), key_prefix=PREFIX, deadline_seconds=60, **changes,
        )  # fmt: skip
        return backup.run(task, self.context()).backup

    def verify(self, level: VerificationLevel = READBACK, **changes: Any):
        fields = {"backup_uid": UID, "engine": "postgresql", "s3": S3Storage(bucket="backups"), "level": level}
        task = VerifyTask(**{**fields, "key_prefix": PREFIX, "deadline_seconds": 60, **changes})
        before = dict(self.s3.objects)
        try:
            return verify.run(task, self.context(), Dumps()).verification
        finally:
            assert self.s3.objects == before, "a verification changes nothing"
            assert list((self.folder / "scratch").iterdir()) == []

    def restore(self, pinned: Pinned | None = None, **changes: Any):
        fields = {"backup_uid": UID, "database": a_policy().database, "s3": S3Storage(bucket="backups")}
        fields |= {"key_prefix": PREFIX, "deadline_seconds": 60, "pinned": pinned}
        return restore.run(RestoreTask(**(fields | changes)), self.context())

    def fails(self, level: VerificationLevel = READBACK, **changes: Any) -> HoldfastError:
        with pytest.raises(HoldfastError) as caught:
            self.verify(level, **changes)
        return caught.value

    @property
    def manifest(self) -> Manifest:
        return Manifest.parse(self.s3.objects[MANIFEST])

    @property
    def key(self) -> str:
        return self.manifest.artifact.key

    def rewrite(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change what the manifest says."""
        said = json.loads(self.s3.objects[MANIFEST])
        change(said)
        self.s3.objects[MANIFEST] = json.dumps(said).encode()

    def replace(self, data: bytes) -> None:
        """Put another artifact in the place, as the manifest says in all but its content."""
        self.s3.objects[self.key] = data
        self.s3.checksum[self.key] = sha256(data)

        def adapt(said: dict[str, Any]) -> None:
            said["artifact"] |= {"sizeBytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            said["artifact"]["storeChecksum"] = sha256(data)

        self.rewrite(adapt)
