"""Reads a manifest as what it is: a text that anybody who may write to the bucket can have changed.

It is bounded before it is parsed; what of it is used as a name, a key or a number is held to the form that we write.
"""

import re
from typing import TypeVar

import pydantic_core
from pydantic import ValidationError

from holdfast.contract.manifest import Manifest, ManifestArtifact
from holdfast.contract.needs import bounded
from holdfast.contract.snapshot import SnapshotManifest
from holdfast.contract.task import Pinned
from holdfast.errors import HoldfastError, Reason
from holdfast.naming import MANIFEST_NAME
from holdfast.runner.pod.text import one_line

M = TypeVar("M", Manifest, SnapshotManifest)

MOST_BYTES = 32 << 20  # a manifest of 200,000 tables with long names has 20 MB
MOST_MARKS = 650_000  # of `,`, `[` and `{`: three for each table. What a parser takes of memory goes by these
MOST_BESIDE = MOST_BYTES + (1 << 20)  # bytes of the object with roles and grants: what encryption adds is less
LARGEST = 1 << 64  # no size and no count of rows is larger
NOT_OURS = "find out who else writes to this bucket, and restore another backup"
_OTHER_METHOD = (
    "to restore a snapshot, set target.rds in another DatabaseRestore; to restore a dump, name a database there"
)
_TOO_MUCH = f"this is not what Holdfast wrote: {NOT_OURS}"

_HEX = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]{0,252}")
_UID = re.compile(r"[A-Za-z0-9-]{1,64}")
_RECIPIENT = re.compile(r"age1[a-z0-9]{1,128}")
_CHECKSUM = re.compile(r"[A-Za-z0-9+/=-]{1,128}")
_FILE = re.compile(r"[A-Za-z0-9-]{1,64}(\.[a-z0-9]{1,10}){0,4}")  # the Pod's uid, then what it is


def parsed(data: bytes, key: str, model: type[M]) -> M:
    """Parse a manifest. Raises ManifestConflict, and takes neither time nor memory beyond what an honest one does."""
    if not is_readable(data):
        raise conflict(key, f"is larger than the manifest of 200,000 tables ({len(data)} bytes or more)", _TOO_MUCH)
    document = None
    try:
        # not pydantic's own parser: on an error, it copies the whole document once for each field
        document = pydantic_core.from_json(data, cache_strings="none")
        return model.model_validate(document, extra="ignore")
    except (ValidationError, ValueError):
        if (other := _of_other_method(document, model)) is not None:
            wants = "a dump" if model is Manifest else "a snapshot of RDS"
            raise conflict(key, f"is the manifest of {other}, and not of {wants}", _OTHER_METHOD) from None
        remedy = f"if a newer release of Holdfast wrote it, use that release's runner image; if not, {NOT_OURS}"
        raise conflict(key, "is not a manifest that this release can read", remedy) from None


def _of_other_method(document: object, model: type[M]) -> str | None:
    """Say of what a document is the manifest, by its own word, where that is the other method's; else None."""
    if not isinstance(document, dict):
        return None
    if document.get("method") == "aws-rds":
        return "a snapshot of RDS" if model is Manifest else None
    return "a dump" if "artifact" in document and model is SnapshotManifest else None


def fitting(manifest: Manifest) -> tuple[Manifest, list[str]]:
    """Return the manifest in a size that can be read again, and warnings where of its lists something had to go."""
    needs, warnings = bounded(manifest.needs or [])
    manifest = manifest.model_copy(update={"needs": needs}) if manifest.needs else manifest
    for what, fields in (
        (f"the list of its {len(manifest.tables or [])} tables", ("tables", "migrations")),
        ("the list of what a restore needs", ("needs",)),
    ):
        data = manifest.to_json()
        if is_readable(data):
            break
        warnings.append(f"the manifest lacks {what}, since it would be too large to read")
        manifest = manifest.model_copy(update=dict.fromkeys(fields))
    return manifest, warnings


def require_forms(manifest: Manifest, key_prefix: str) -> None:
    """Hold names, keys, sums and numbers to the form that we write. Raises ManifestConflict that names the field."""
    artifact, backup = manifest.artifact, manifest.backup
    if not all(key.startswith(key_prefix) for key in manifest.objects()):
        raise conflict(key_prefix + MANIFEST_NAME, "names an artifact outside its own folder", _TOO_MUCH)
    words = {
        "backup.namespace": backup.namespace, "backup.name": backup.name, "backup.backupID": backup.backup_id,
        "artifact.format": artifact.format, "artifact.compression": artifact.compression,
        "database.engine": manifest.database.engine,
    }  # fmt: skip
    forms = [(name, text, _WORD) for name, text in words.items()]
    forms += [("podUid", manifest.pod_uid, _UID), ("artifact.sha256", artifact.sha256, _HEX)]
    forms += [("schemaSha256", manifest.schema_sha256 or "0" * 64, _HEX)]
    forms += [("artifact.storeChecksum", artifact.store_checksum or "-", _CHECKSUM)]
    if artifact.encryption is not None:
        forms += [("artifact.encryption.method", artifact.encryption.method, _WORD)]
        forms += [("artifact.encryption.recipients", text, _RECIPIENT) for text in artifact.encryption.recipients]
    forms += [("artifact.key", artifact.key.removeprefix(key_prefix), _FILE)]
    if (beside := manifest.globals) is not None:
        forms += [("globals.key", beside.key.removeprefix(key_prefix), _FILE), ("globals.sha256", beside.sha256, _HEX)]
        forms += [("globals.storeChecksum", beside.store_checksum or "-", _CHECKSUM)]
    for name, text, form in forms:
        if not form.fullmatch(text):
            raise _malformed(key_prefix, name, repr(one_line(text, 80)))
    _require_numbers(manifest, artifact, key_prefix)


def _require_numbers(manifest: Manifest, artifact: ManifestArtifact, key_prefix: str) -> None:
    numbers = {
        "artifact.sizeBytes": artifact.size_bytes, "artifact.uncompressedBytes": artifact.uncompressed_bytes,
        "artifact.parts": artifact.parts, "rows": manifest.rows, "database.sizeBytes": manifest.database.size_bytes,
        "database.serverMajor": manifest.database.server_major,
    }  # fmt: skip
    for name, number in numbers.items():
        if number is not None and not 0 <= number < LARGEST:
            raise _malformed(key_prefix, name, "a number of that size")
    sizes = (manifest.globals.size_bytes, manifest.globals.uncompressed_bytes) if manifest.globals else ()
    if any(not 0 <= size <= MOST_BESIDE for size in sizes):
        raise _malformed(key_prefix, "globals", "a number of that size")


def require_pinned(manifest: Manifest, pinned: Pinned, key_prefix: str) -> None:
    """Hold a manifest to what the cluster remembers, which wins.

    Raises ManifestConflict, ChecksumMismatch, SizeImplausible.
    """
    artifact, beside = manifest.artifact, manifest.globals
    encryption = artifact.encryption.method if artifact.encryption else "none"
    said = {
        "encryption": (pinned.encryption, encryption, Reason.MANIFEST_CONFLICT),
        "format": (pinned.format, artifact.format, Reason.MANIFEST_CONFLICT),
        "compression": (pinned.compression, artifact.compression, Reason.MANIFEST_CONFLICT),
        "engine": (pinned.engine, manifest.database.engine, Reason.MANIFEST_CONFLICT),
        "SHA-256": (pinned.sha256, artifact.sha256, Reason.CHECKSUM_MISMATCH),
        "size in bytes": (pinned.size_bytes, artifact.size_bytes, Reason.SIZE_IMPLAUSIBLE),
        "roles' and grants' SHA-256": (pinned.globals_sha256, beside and beside.sha256, Reason.CHECKSUM_MISMATCH),
        "uncompressed size": (pinned.uncompressed_bytes, artifact.uncompressed_bytes, Reason.SIZE_IMPLAUSIBLE),
    }
    for what, (remembered, there, reason) in said.items():
        if remembered is not None and remembered != there:
            raise HoldfastError(
                reason,
                f"{key_prefix}{MANIFEST_NAME}: the manifest says that the artifact's {what} is {there}, but the "
                f"DatabaseBackup's status says {remembered}",
                f"this is not what was backed up, and nothing of it was used: {NOT_OURS}",
            )


def conflict(key: str, what: str, remedy: str) -> HoldfastError:
    """Make the error for a manifest that cannot be this backup's own."""
    return HoldfastError(Reason.MANIFEST_CONFLICT, f"{key} {what}", remedy)


def _malformed(key_prefix: str, field: str, text: str) -> HoldfastError:
    return conflict(
        key_prefix + MANIFEST_NAME, f"has in the field {field} a value that Holdfast never writes: {text}", _TOO_MUCH
    )


def is_readable(data: bytes) -> bool:
    """Whether a document is of a size that is parsed again."""
    return len(data) <= MOST_BYTES and sum(data.count(mark) for mark in (b",", b"[", b"{")) <= MOST_MARKS
