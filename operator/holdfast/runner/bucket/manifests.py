"""The manifest: finding one, writing one last of all, and checking that an artifact is what its manifest says."""

import time
from collections.abc import Callable
from contextlib import suppress

from holdfast.contract.manifest import Manifest
from holdfast.errors import HoldfastError, Reason
from holdfast.naming import MANIFEST_NAME
from holdfast.runner.bucket import manifest_forms
from holdfast.runner.bucket.manifest_forms import M
from holdfast.runner.bucket.store import Store, Stored, not_found
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.result import UncleanError
from holdfast.runner.pod.text import one_line

_SHARED = (
    "set another s3.prefix for each cluster, since two clusters may share this bucket and prefix; nothing was "
    "overwritten"
)
SETTLE = 10.0  # seconds in which another Pod that is alive has written its manifest, read it back and given way
PAUSE = 0.5  # seconds between two looks


def find(store: Store, key_prefix: str, uid: str | None) -> Manifest | None:
    """Return this dump's manifest (uid None: whichever's it is); None when there is none.

    Raises ManifestConflict for another's.
    """
    return read(store, key_prefix, uid, Manifest)


def read(store: Store, key_prefix: str, uid: str | None, model: type[M]) -> M | None:
    """Return this backup's manifest, of a dump or of a snapshot; with None for its uid, whichever's is there.

    Raises ManifestConflict for another's, and for what cannot be one that Holdfast wrote.
    """
    key = key_prefix + MANIFEST_NAME
    data = store.read(key, manifest_forms.MOST_BYTES + 1)
    if data is None:
        return None
    manifest = manifest_forms.parsed(data, key, model)
    if uid is not None and manifest.backup.uid != uid:
        whose = one_line(f"{manifest.backup.namespace}/{manifest.backup.name}", 200)
        raise manifest_forms.conflict(key, f"belongs to another backup ({whose})", _SHARED)
    if isinstance(manifest, Manifest):
        manifest_forms.require_forms(manifest, key_prefix)
    return manifest


def publish(store: Store, key_prefix: str, manifest: M) -> M:
    """Write the manifest unless one is there, and read it back; return the one that is in force.

    Raises ManifestConflict when another backup's is there. A Pod of the same backup may have been first: then its
    manifest is returned. (A repeated request after a lost answer finds our own: then ours is.)
    """
    store.create(key_prefix + MANIFEST_NAME, manifest.to_json(), manifest.expires_at)
    there = read(store, key_prefix, manifest.backup.uid, type(manifest))
    if there is None:
        raise not_found(store, key_prefix + MANIFEST_NAME)
    return there


def record(store: Store, key_prefix: str, manifest: M, context: Context, discard: Callable[[HoldfastError], None]) -> M:
    """Publish the manifest, or discard what it is of; return the one that is in force.

    Raises HoldfastError where all is discarded, else UncleanError: the manifest may be there in spite of an error, and
    then what it is of must be, too. Cleanup tells the two apart.
    """
    try:
        context.stop.check()
        return publish(store, key_prefix, manifest)
    except HoldfastError as error:
        if error.reason is Reason.MANIFEST_CONFLICT or error is context.stop.error:
            discard(error)
            raise
        raise UncleanError(error, error.message) from error


def settled(store: Store, key_prefix: str, ours: Manifest, context: Context) -> tuple[Manifest, list[str]]:
    """Return the manifest that stays in force once ours was read back, and the keys of others' artifacts beside it.

    A store without conditional writes lets another Pod's manifest replace ours even then. But that Pod's artifact was
    finished before it looked for a manifest: where none is beside ours, nobody will. Where one is, either Pod waits
    until the other has given way and removed its own: SETTLE seconds at most, since that Pod may be dead.
    """
    give_up = time.monotonic() + SETTLE
    kept = {key_prefix + MANIFEST_NAME, *ours.objects()}
    told = False
    while others := [key for key in store.keys(key_prefix) if key not in kept]:
        there = find(store, key_prefix, ours.backup.uid)
        if there is None:
            raise not_found(store, key_prefix + MANIFEST_NAME)
        if there.pod_uid != ours.pod_uid or context.stop.error or time.monotonic() > give_up:
            return there, others if there.pod_uid == ours.pod_uid else []
        if not told:
            context.log.line("settling", beside=others)
            told = True
        with suppress(HoldfastError):  # asked to end: then the next look is the last
            context.stop.wait(PAUSE)
    return ours, []


def check(store: Store, key: str, size: int, checksum: str | None, sha256: str) -> str | None:
    """Check an object: its size, and the store's own checksum or else its content; return the store's checksum.

    Raises SizeImplausible, ChecksumMismatch, BackupNotFound. A store that keeps no checksum is read back whole: then
    None is returned.
    """
    stored = require_size(store, key, size)
    if stored.checksum and checksum:
        if stored.checksum != checksum:
            raise mismatch(key, f"the store's checksum is {stored.checksum}, but should be {checksum}")
        return stored.checksum
    found, _ = store.sha256(key)
    if found != sha256:
        raise mismatch(key, f"the SHA-256 is {found}, but should be {sha256}")
    return None


def require_size(store: Store, key: str, size: int) -> Stored:
    """Return what the store says of an object. Raises BackupNotFound, SizeImplausible."""
    stored = store.head(key)
    if stored is None:
        raise not_found(store, key)
    if stored.size != size:
        raise HoldfastError(
            Reason.SIZE_IMPLAUSIBLE, f"{key} has {stored.size} bytes in the bucket, but should have {size}", _REMEDY
        )
    return stored


_REMEDY = "find out who else writes to this bucket, then create another backup: this artifact cannot be trusted"


def mismatch(key: str, what: str) -> HoldfastError:
    """Make the error for an object that is not what was stored."""
    return HoldfastError(Reason.CHECKSUM_MISMATCH, f"{key}: {what}", _REMEDY)
