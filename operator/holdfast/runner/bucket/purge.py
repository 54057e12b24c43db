"""Deleting for good: every version of an object, and the markers that hide them, where a bucket keeps versions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from holdfast import clock
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket.errors import code_of
from holdfast.runner.bucket.store import LOCKED, Store
from holdfast.runner.pod.context import Context

MOST = 10_000  # objects in one folder: a backup has three
_NO_VERSIONS = {"NotImplemented", "501", "MethodNotAllowed", "405"}  # what stores say that keep none
_NULL = "null"  # the version of what was stored while a bucket kept none
_NONE = (None, "", _NULL)


@dataclass(frozen=True)
class Version:
    """One version of an object, or a marker that hides the others; `identifier` is None where the bucket keeps none."""

    key: str
    identifier: str | None
    modified: datetime
    marker: bool = False


def versions(store: Store, prefix: str) -> list[Version]:
    """Return all that is under a prefix, hidden versions and markers too. Raises HoldfastError.

    Without the right to list versions, that is only asked of the objects themselves: a bucket that keeps versions says
    so there, and then the right is needed.
    """
    with store.doing(f"listing the versions under {prefix}"):
        try:
            found = list(islice(_versions(store, prefix), MOST + 1))
        except ClientError as error:
            code = code_of(error)
            if code not in _NO_VERSIONS and (code != "AccessDenied" or _is_versioned(store, prefix)):
                raise
            found = list(islice(_objects(store, prefix), MOST + 1))
    if len(found) > MOST:
        raise HoldfastError(
            Reason.STORAGE_FAILED,
            f"the folder {prefix} has more than {MOST} objects, but a backup has three at most; nothing was deleted",
            "find out who else writes to this folder, and delete what does not belong to the backup",
        )
    # what was stored before a bucket kept versions is its version "null", and has to be named where others are
    keeps = any(version.identifier not in _NONE for version in found)
    return found if keeps else [replace(version, identifier=None) for version in found]


def _versions(store: Store, prefix: str) -> Iterator[Version]:
    for page in store.client.get_paginator("list_object_versions").paginate(Bucket=store.bucket, Prefix=prefix):
        yield from (_version(it) for it in page.get("Versions", []))
        yield from (_version(it, marker=True) for it in page.get("DeleteMarkers", []))


def _objects(store: Store, prefix: str) -> Iterator[Version]:
    for page in store.client.get_paginator("list_objects_v2").paginate(Bucket=store.bucket, Prefix=prefix):
        yield from (_version(it) for it in page.get("Contents", []))


def _version(it: Mapping[str, Any], *, marker: bool = False) -> Version:
    return Version(it["Key"], it.get("VersionId"), it["LastModified"].astimezone(UTC), marker)


def _is_versioned(store: Store, prefix: str) -> bool:
    """Whether any object there says that it is one of several versions."""
    heads = (store.head(version.key) for version in islice(_objects(store, prefix), MOST))
    return any(head is not None and head.version not in _NONE for head in heads)


def until(found: Iterable[Version], moment: datetime) -> list[Version]:
    """Leave out each object that has a version of after that moment, with all its versions and markers."""
    known = list(found)
    newer = {version.key for version in known if not version.marker and version.modified > moment}
    return [version for version in known if version.key not in newer]


def purge(store: Store, found: Iterable[Version], context: Context) -> datetime | None:
    """Delete these; return until when Object Lock keeps one of them, the latest of all. Raises HoldfastError.

    The oldest version goes first and the one in force last, then the markers: without a marker, an older version would
    be in force again.
    """
    kept: dict[str, datetime] = {}
    for version in sorted(found, key=lambda version: (version.marker, version.modified)):
        context.stop.check()
        if version.marker and version.key in kept:
            continue
        if locked := _delete(store, version):
            kept[version.key] = max(locked, kept.get(version.key, locked))
    return max(kept.values(), default=None)


def _delete(store: Store, version: Version) -> datetime | None:
    which: dict[str, Any] = {"Bucket": store.bucket, "Key": version.key}
    which |= {"VersionId": version.identifier} if version.identifier else {}
    with store.doing(f"deleting {version.key}"):
        try:
            answer = store.client.delete_object(**which)
        except ClientError as error:
            locked = _retained_until(store, which) if code_of(error) in LOCKED else None
            if locked is None:
                raise
            return locked
    if version.identifier or not answer.get("DeleteMarker"):
        return None
    # it was stored before the bucket kept versions, and is only hidden now
    return _delete_hidden(store, version, answer.get("VersionId"))


def _delete_hidden(store: Store, version: Version, marker: str | None) -> datetime | None:
    """Delete what a new marker hides, then the marker."""
    locked = _delete(store, replace(version, identifier=_NULL))
    if locked is None and marker not in _NONE:
        _delete(store, replace(version, identifier=marker))
    return locked


def _retained_until(store: Store, which: dict[str, Any]) -> datetime | None:
    """Return until when a version is retained; None where it is not, or the store does not say.

    Raises HoldfastError for a legal hold, which has no end.
    """
    try:
        said = store.client.head_object(**which)
    except ClientError:
        return None  # a marker cannot be looked at; the refusal itself is what is told
    if said.get("ObjectLockLegalHoldStatus") == "ON":
        raise HoldfastError(
            Reason.STORAGE_ACCESS_DENIED,
            f"bucket {store.bucket}: {which['Key']} is under a legal hold",
            "remove the hold, if the backup may be deleted: only a person may decide that",
        )
    locked = said.get("ObjectLockRetainUntilDate")
    return locked.astimezone(UTC) if locked and locked > clock.now() else None
