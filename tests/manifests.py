"""Manifests for tests: what a finished backup has left beside its artifact."""

from datetime import timedelta

from tests.builders import NOW, UID
from tests.fake_s3 import sha256

from holdfast.contract.manifest import Manifest, ManifestArtifact, ManifestDatabase, ManifestTool, ManifestVerification
from holdfast.contract.task import BackupIdentity

PREFIX = "shop/orders/backup-1/"
DATA = b"a dump"
SHA256 = "4e9c0c0f2a4b5c7c0e6f0c0e4e5f4f0b4ee1f8d9b6a3c1d2e3f405162738495a"


def a_manifest(pod="pod-1", uid=UID, key=f"{PREFIX}pod-1.sql.gz", **artifact):
    fields = {
        "key": key, "format": "sql", "compression": "gzip", "size_bytes": len(DATA), "uncompressed_bytes": 100,
        "sha256": SHA256, "parts": 1, "store_checksum": sha256(DATA),
    }  # fmt: skip
    return Manifest(
        backup=BackupIdentity(
            uid=uid, namespace="shop", name="orders-1", backup_id="backup-1", environment="dev", retention_days=30
        ),
        database=ManifestDatabase(engine="postgresql", name="orders", host="db", server_version="PostgreSQL 17.5"),
        artifact=ManifestArtifact(**(fields | artifact)),
        tool=ManifestTool(name="pg_dump", version="pg_dump 17.5", arguments=[]),
        verification=ManifestVerification(integrity_check="passed", file_readable="seen", verified_at=NOW),
        started_at=NOW, completed_at=NOW, expires_at=NOW + timedelta(days=30), pod_uid=pod, holdfast_version="0",
    )  # fmt: skip
