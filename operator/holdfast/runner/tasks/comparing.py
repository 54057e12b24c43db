"""Compares an artifact in the bucket with its manifest: by checksums, or by reading all of it back.

What is read back is hashed as it passes, decrypted where there is an identity, decompressed, and parsed to its end by
the engine's own reading: nothing but a buffer is held, whatever the size. A hash that differs explains whatever else
was found wrong, so it is told first.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holdfast import clock
from holdfast.api.database import Engine
from holdfast.api.policy import Algorithm, Format, VerificationLevel
from holdfast.contract.manifest import Manifest, ManifestArtifact, ManifestTable
from holdfast.contract.report import CheckedBy, Verification
from holdfast.errors import ExitCode, HoldfastError, Reason
from holdfast.runner.artifact import encryption
from holdfast.runner.artifact.compress import decompressed
from holdfast.runner.bucket import manifests
from holdfast.runner.bucket.store import Store
from holdfast.runner.engines import choose
from holdfast.runner.engines.protocol import Contents
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.text import one_line
from holdfast.runner.tasks import companions

PASSED = "passed"
RESUMES = 5
PAUSE = 2.0  # seconds, longer each time
TO_CIPHERTEXT = "read back, but only the encrypted bytes, since there is no identity"
_REMEDY = (
    "find out who else writes to this bucket, then create another backup: this artifact or its manifest was changed"
)

Chunks = Iterator[bytes]


@dataclass(frozen=True)
class Wanted:
    """How to verify."""

    level: VerificationLevel
    engine: Engine
    identity_secret: str | None  # None: what is mounted is used, if anything is
    scratch_bytes: int | None


class Hashed:
    """The chunks of an object, hashed as they pass."""

    def __init__(self, chunks: Chunks, context: Context, progress: Progress) -> None:
        self._chunks, self._stop, self._progress = chunks, context.stop, progress
        self._digest = hashlib.sha256()

    def __iter__(self) -> Chunks:
        return self

    def __next__(self) -> bytes:
        self._stop.check()
        chunk = next(self._chunks)
        self._digest.update(chunk)
        self._progress.stored += len(chunk)
        return chunk

    def require(self, artifact: ManifestArtifact) -> None:
        """Read what is left; raise ChecksumMismatch unless all of it has the manifest's SHA-256."""
        for _ in self:
            pass
        if self._digest.hexdigest() != artifact.sha256:
            raise manifests.mismatch(
                artifact.key, f"its SHA-256 is {self._digest.hexdigest()}, but its manifest says {artifact.sha256}"
            )


def verified(opened: Store, manifest: Manifest, wanted: Wanted, context: Context) -> Verification:
    """Verify an artifact that should be there.

    Raises BackupNotFound, SizeImplausible, ChecksumMismatch, ContentMismatch, what the engine's reading says of a dump
    that is not whole, and what is wrong with an identity.
    """
    if wanted.level is VerificationLevel.READBACK:
        return _read_back(opened, manifest, wanted, context)
    artifact = manifest.artifact
    stated = manifests.check(opened, artifact.key, artifact.size_bytes, artifact.store_checksum, artifact.sha256)
    if manifest.globals is not None:
        companions.check(opened, manifest.globals)
    return Verification(
        level=wanted.level,
        checked_by=CheckedBy.STORE_CHECKSUM if stated else CheckedBy.READBACK,
        compared=["size", "storeChecksum" if stated else "sha256", *_beside(manifest)],
        integrity_check=PASSED,
        file_readable=manifest.verification.file_readable,
        verified_at=clock.now(),
    )


def resumed(opened: Store, artifact: ManifestArtifact, context: Context) -> Chunks:
    """Stream an artifact; where the store breaks off, go on from there, so that hours of reading are not lost.

    Raises StorageUnavailable when it has broken off RESUMES times without a byte between.
    """
    at = failures = 0
    while at < artifact.size_bytes or not at:
        try:
            for chunk in opened.chunks(artifact.key, start=at):
                at, failures = at + len(chunk), 0
                yield chunk
        except HoldfastError as error:
            failures += 1
            if error.reason is not Reason.STORAGE_UNAVAILABLE or failures > RESUMES:
                raise
            context.log.line("resuming", at=at, reason=error.reason, message=error.message)
            context.stop.wait(PAUSE * failures)
        else:
            return


def _read_back(opened: Store, manifest: Manifest, wanted: Wanted, context: Context) -> Verification:
    artifact = manifest.artifact
    require_known(artifact)
    manifests.require_size(opened, artifact.key, artifact.size_bytes)
    clear = encryption.decryption(artifact, wanted.identity_secret, context.places)
    with Progress(context.log, "reading back", artifact.uncompressed_bytes) as progress:
        stored = Hashed(resumed(opened, artifact, context), context, progress)
        try:
            readable, compared = TO_CIPHERTEXT, list[str]()
            if clear is not None:
                readable, compared = _parsed(clear(stored), manifest, wanted, context, progress)
        except HoldfastError as error:
            if error is not context.stop.error and error.exit_code is ExitCode.VERIFICATION:
                stored.require(artifact)
            raise
        stored.require(artifact)
    if manifest.globals is not None:
        companions.read_back(opened, manifest, manifest.globals, clear)
    return Verification(
        level=wanted.level,
        checked_by=CheckedBy.READBACK,
        compared=["size", "sha256", *compared, *_beside(manifest)],
        integrity_check=PASSED,
        file_readable=readable,
        verified_at=clock.now(),
    )


def _beside(manifest: Manifest) -> list[str]:
    return ["globals"] if manifest.globals is not None else []


def _parsed(
    chunks: Chunks, manifest: Manifest, wanted: Wanted, context: Context, progress: Progress
) -> tuple[str, list[str]]:
    """Read the dump to its end; return how it was seen to be whole, and what was compared."""
    artifact, size = manifest.artifact, 0

    def counted() -> Chunks:
        nonlocal size
        for chunk in decompressed(Algorithm(artifact.compression), chunks):
            size += len(chunk)
            yield chunk

    reading = choose.reading(wanted.engine, manifest, context, wanted.scratch_bytes)
    readable = reading.read(counted(), progress)
    if size != artifact.uncompressed_bytes:
        raise _differs(
            artifact, f"it has {size} bytes when decompressed, but its manifest says {artifact.uncompressed_bytes}"
        )
    compared = _compared(manifest, reading.contents, reading.schema_comparable)
    return f"read back: {readable}", ["uncompressedBytes", *compared]


def _compared(manifest: Manifest, contents: Contents | None, schema_comparable: bool) -> list[str]:
    """Compare what the dump holds with its manifest; return what could be compared. Raises ContentMismatch."""
    compared = []
    if contents is not None and manifest.tables is not None:
        if difference := first_difference(manifest.tables, contents.tables):
            raise _differs(manifest.artifact, difference)
        compared.append("rows")
    if contents is not None and manifest.schema_sha256 is not None and schema_comparable:
        if contents.schema_sha256 != manifest.schema_sha256:
            raise _differs(
                manifest.artifact,
                f"the hash of its schema is {contents.schema_sha256}, but its manifest says {manifest.schema_sha256}",
            )
        compared.append("schema")
    return compared


def first_difference(said: Sequence[ManifestTable], found: Sequence[ManifestTable]) -> str | None:
    """Say where the tables of a dump are not those of its manifest; None where they are the same."""
    there, wanted = {table.name: table.rows for table in found}, {table.name: table.rows for table in said}
    for name in [*wanted, *there]:
        if there.get(name) != wanted.get(name):
            has = f"has {there[name]} rows of table {name}" if name in there else f"does not have table {name}"
            says = f"says {wanted[name]}" if name in wanted else "does not name it"
            return f"it {one_line(has, 300)}, but its manifest {says}"
    return None


def require_known(artifact: ManifestArtifact) -> None:
    """Raise ManifestConflict where the manifest names what this version cannot read."""
    if artifact.format not in list(Format) or artifact.compression not in list(Algorithm):
        raise HoldfastError(
            Reason.MANIFEST_CONFLICT,
            f"the manifest of {artifact.key} names format {artifact.format!r} and compression "
            f"{artifact.compression!r}, which this release does not know",
            "use the runner image of the newer release that may have written the backup",
        )


def _differs(artifact: ManifestArtifact, what: str) -> HoldfastError:
    return HoldfastError(Reason.CONTENT_MISMATCH, f"{artifact.key}: {what}", _REMEDY)
