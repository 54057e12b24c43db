"""The companion of a dump, which holds roles, owners and grants: stored beside it, verified and read as it is.

It goes the same way as the dump: compressed, encrypted, hashed, checked by the store; and on its way back it is as
untrusted. What of it is done, the engine decides (engines/*/giving.py): nothing in it is a statement.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pydantic_core
from pydantic import ValidationError

from holdfast.api.policy import Algorithm
from holdfast.contract.globals import Globals
from holdfast.contract.manifest import Manifest, ManifestGlobals
from holdfast.contract.task import BackupTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact import encryption
from holdfast.runner.artifact.compress import SUFFIX, compressor, decompressed
from holdfast.runner.artifact.stream import BUFFER, Sink
from holdfast.runner.bucket import manifest_forms
from holdfast.runner.bucket.manifest_forms import NOT_OURS
from holdfast.runner.bucket.part import Spool
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress

if TYPE_CHECKING:  # botocore is slow to import: see backup.py
    from holdfast.runner.bucket.store import Store
    from holdfast.runner.bucket.upload import Upload

NAME = ".globals.json"
_REMEDY = "find out who else writes to this bucket, then create another backup: what it says of roles was changed"

Clear = Callable[[Iterator[bytes]], Iterator[bytes]]


def fitting(found: Globals | None) -> tuple[bytes | None, list[str]]:
    """Return what is stored of it, in a size that can be read again; else nothing, and a warning."""
    data = found.to_json() if found is not None else None
    if data is None or manifest_forms.is_readable(data):
        return data, []
    return None, [
        f"roles, owners and grants are not backed up: {len(data)} bytes of them are more than a restore reads"
    ]


def upload(task: BackupTask, context: Context, store: "Store", spool: Spool) -> "Upload":
    """Return the upload that it takes; nothing is sent yet."""
    from holdfast.runner.bucket.upload import Upload  # late: see backup.py

    ending = f"{SUFFIX[task.dump.compression.algorithm]}{encryption.SUFFIX if task.encryption else ''}"
    return Upload(store, f"{task.key_prefix}{context.pod_uid}{NAME}{ending}", context.stop, spool)


def store(
    task: BackupTask, context: Context, opened: "Store", data: bytes, roles: int, upload: "Upload"
) -> ManifestGlobals:
    """Store it; return what the manifest says of it. Raises HoldfastError, and then the upload is to be discarded."""
    from holdfast.runner.bucket import manifests

    upload.begin()
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(context.log, "storing roles and grants", len(data)))
        encrypting = stack.enter_context(encryption.encrypting(task.encryption)) if task.encryption else None
        sink = Sink(compressor(task.dump.compression), upload, progress, encrypting)
        sink.write(data)
        sink.close()
    checksum = upload.complete()
    stated = manifests.check(opened, upload.key, upload.size, checksum, upload.sha256)
    return ManifestGlobals(
        key=upload.key, size_bytes=upload.size, uncompressed_bytes=len(data), sha256=upload.sha256,
        store_checksum=stated, roles=roles,
    )  # fmt: skip


def check(opened: "Store", beside: ManifestGlobals) -> None:
    """Compare what the store says of it with the manifest. Raises HoldfastError (exit 5, 6)."""
    from holdfast.runner.bucket import manifests

    manifests.check(opened, beside.key, beside.size_bytes, beside.store_checksum, beside.sha256)


def read_back(opened: "Store", manifest: Manifest, beside: ManifestGlobals, clear: Clear | None) -> None:
    """Read it whole, and parse it where it can be decrypted. Raises HoldfastError (exit 5, 6)."""
    data = _stored(opened, beside)
    if clear is not None:
        _parsed(data, manifest, beside, clear)


def fetch(opened: "Store", manifest: Manifest, clear: Clear) -> Globals:
    """Return what the backup has of roles, owners and grants. Raises HoldfastError of one that has none."""
    if manifest.globals is None:
        raise HoldfastError(
            Reason.INVALID_TASK,
            f"{manifest.backup.backup_id} has no roles, owners and grants: it was taken without them (dump.globals)",
            "leave options.globals out; nothing was changed",
        )
    return _parsed(_stored(opened, manifest.globals), manifest, manifest.globals, clear)


def _stored(opened: "Store", beside: ManifestGlobals) -> bytes:
    from holdfast.runner.bucket import manifests

    manifests.require_size(opened, beside.key, beside.size_bytes)
    data = opened.read(beside.key, beside.size_bytes + 1) or b""
    found = hashlib.sha256(data).hexdigest()
    if found != beside.sha256:
        raise manifests.mismatch(beside.key, f"its SHA-256 is {found}, but its manifest says {beside.sha256}")
    return data


def _parsed(data: bytes, manifest: Manifest, beside: ManifestGlobals, clear: Clear) -> Globals:
    text = bytearray()
    for chunk in decompressed(Algorithm(manifest.artifact.compression), clear(_sliced(data))):
        text += chunk
        if len(text) > beside.uncompressed_bytes:
            break
    if len(text) != beside.uncompressed_bytes or not manifest_forms.is_readable(bytes(text)):
        raise _differs(beside, f"it does not have the {beside.uncompressed_bytes} bytes that its manifest names")
    try:
        # not pydantic's own parser: see manifest_forms.parsed
        found = Globals.model_validate(pydantic_core.from_json(bytes(text), cache_strings="none"), extra="ignore")
    except (ValidationError, ValueError):
        raise _differs(beside, "it is not a list of roles, owners and grants that this release can read") from None
    if (found.engine, found.database) != (manifest.database.engine, manifest.database.name):
        raise HoldfastError(
            Reason.MANIFEST_CONFLICT,
            f"{beside.key} is of the database {found.database!r} of engine {found.engine!r}, and the backup is not",
            f"this is not what was backed up: {NOT_OURS}",
        )
    return found


def _sliced(data: bytes) -> Iterator[bytes]:
    return (data[start : start + BUFFER] for start in range(0, len(data), BUFFER))


def _differs(beside: ManifestGlobals, what: str) -> HoldfastError:
    return HoldfastError(Reason.CONTENT_MISMATCH, f"{beside.key}: {what}", _REMEDY)
