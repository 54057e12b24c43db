"""What is said of a backup once it is stored: its manifest in the bucket, and the report to the operator."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import holdfast
from holdfast.api.policy import VerificationLevel
from holdfast.api.storage import Encryption
from holdfast.contract.manifest import (
    Manifest,
    ManifestArtifact,
    ManifestDatabase,
    ManifestEncryption,
    ManifestGlobals,
    ManifestTool,
    ManifestVerification,
)
from holdfast.contract.needs import told
from holdfast.contract.report import BackupReport, CheckedBy, GlobalsReport, MigrationsReport, Verification
from holdfast.contract.task import BackupTask
from holdfast.runner.artifact import encryption
from holdfast.runner.engines.protocol import Contents, Ready
from holdfast.runner.pod.context import Context

if TYPE_CHECKING:
    from holdfast.runner.bucket.upload import Upload

INTEGRITY = "passed"


@dataclass(frozen=True)
class Dumped:
    """What was stored, before it is recorded."""

    readable: str
    uncompressed: int
    arguments: list[str]
    contents: Contents | None
    store_checksum: str | None
    globals: ManifestGlobals | None = None


def encrypted(wanted: Encryption) -> ManifestEncryption:
    """Return what a manifest says of the encryption that was asked for."""
    return ManifestEncryption(method=encryption.AGE, recipients=wanted.age.recipients)


def manifest(
    task: BackupTask, context: Context, ready: Ready, upload: "Upload", dumped: Dumped, now: datetime
) -> Manifest:
    """Return the manifest of what was stored and found to be right at `now`, UTC."""
    contents, hide = dumped.contents, context.log.mask.hide
    return Manifest(
        backup=task.backup,
        database=ManifestDatabase(
            engine=task.database.dumped_engine().value, name=ready.database, host=hide(ready.host),
            server_version=hide(ready.server_version), server_major=ready.server_major, size_bytes=ready.database_size,
        ),
        artifact=ManifestArtifact(
            key=upload.key, format=task.dump.format.value, compression=task.dump.compression.algorithm.value,
            encryption=task.encryption and encrypted(task.encryption),
            size_bytes=upload.size, uncompressed_bytes=dumped.uncompressed, sha256=upload.sha256, parts=upload.parts,
            store_checksum=dumped.store_checksum,
        ),
        globals=dumped.globals,
        tool=ManifestTool(name=ready.tool, version=hide(ready.tool_version), arguments=dumped.arguments),
        verification=ManifestVerification(
            integrity_check=INTEGRITY, file_readable=hide(dumped.readable), verified_at=now,
            level=VerificationLevel.CHECKSUM,
            checked_by=CheckedBy.STORE_CHECKSUM if dumped.store_checksum else CheckedBy.READBACK,
            compared=[
                "size", "storeChecksum" if dumped.store_checksum else "sha256",
                *(["globals"] if dumped.globals else []),
            ],
        ),
        tables=contents and contents.tables,
        rows=contents and contents.rows,
        schema_sha256=contents and contents.schema_sha256,
        migrations=ready.migrations or (contents and contents.migrations) or None,
        needs=[*ready.needs, *(contents.needs if contents else [])],
        started_at=context.started,
        completed_at=now,
        expires_at=now + timedelta(days=task.backup.retention_days),
        pod_uid=context.pod_uid,
        holdfast_version=holdfast.__version__,
    )  # fmt: skip


def report(published: Manifest, again: Verification | None = None) -> BackupReport:
    """Say what the backup is, and how it was verified: `again` now, where an earlier Pod has published it."""
    artifact, verification = published.artifact, again or published.verification
    beside = published.globals
    return BackupReport(
        backup_id=published.backup.backup_id,
        artifact_key=artifact.key,
        size_bytes=artifact.size_bytes,
        uncompressed_bytes=artifact.uncompressed_bytes,
        database_size_bytes=published.database.size_bytes,
        sha256=artifact.sha256,
        tool_version=published.tool.version,
        server_version=published.database.server_version,
        server_major=published.database.server_major,
        integrity_check=verification.integrity_check,
        file_readable=verification.file_readable,
        verified_at=verification.verified_at,
        level=verification.level and VerificationLevel(verification.level),
        checked_by=verification.checked_by and CheckedBy(verification.checked_by),
        compared=verification.compared,
        tables=None if published.tables is None else len(published.tables),
        rows=published.rows,
        schema_sha256=published.schema_sha256,
        migrations=MigrationsReport.of(published.migrations[0]) if published.migrations else None,
        globals=beside and GlobalsReport(sha256=beside.sha256, size_bytes=beside.size_bytes, roles=beside.roles),
        needs=told(published.needs or []),
        found=again is not None,
        completed_at=published.completed_at,
    )
