"""Deleting for good: every version of an object, and the markers that hide them, where a bucket keeps versions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from holdfast.runner.bucket.errors import code_of
from holdfast.runner.bucket.store import LOCKED, Store
from holdfast.runner.pod.context import Context

_NO_VERSIONS = {"NotImplemented", "501", "MethodNotAllowed", "405"}  # what stores say that keep none
_NONE = (None, "", "null")  # the version of an object in a bucket that keeps none


@dataclass(frozen=True)
class Version:
    """One version of an object; `identifier` is None where the bucket keeps none."""

    key: str
    identifier: str | None
    modified: datetime


def versions(store: Store, prefix: str) -> list[Version]:
    """Return all that is under a prefix, hidden versions and markers too. Raises HoldfastError.

    Without the right to list versions, that is only asked of the objects themselves: a bucket that keeps versions says
    so there, and then the right is needed.
    """
    with store.doing(f"listing the versions under {prefix}"):
        try:
            return _versions(store, prefix)
        except ClientError as error:
            code = code_of(error)
            if code not in _NO_VERSIONS and (code != "AccessDenied" or _is_versioned(store, prefix)):
                raise
            return _objects(store, prefix)


def _versions(store: Store, prefix: str) -> list[Version]:
    pages = store.client.get_paginator("list_object_versions").paginate(Bucket=store.bucket, Prefix=prefix)
    listed = [it for page in pages for it in (*page.get("Versions", []), *page.get("DeleteMarkers", []))]
    # what was stored before a bucket kept versions is its version "null", and has to be named where others are
    keeps = any(it.get("VersionId") not in _NONE for it in listed)
    return [
        Version(it["Key"], it.get("VersionId") if keeps else None, it["LastModified"].astimezone(UTC)) for it in listed
    ]


def _objects(store: Store, prefix: str) -> list[Version]:
    pages = store.client.get_paginator("list_objects_v2").paginate(Bucket=store.bucket, Prefix=prefix)
    found = [item for page in pages for item in page.get("Contents", [])]
    return [Version(item["Key"], None, item["LastModified"].astimezone(UTC)) for item in found]


def _is_versioned(store: Store, prefix: str) -> bool:
    """Whether any object there says that it is one of several versions."""
    heads = (store.head(version.key) for version in _objects(store, prefix))
    return any(head is not None and head.version not in _NONE for head in heads)


def purge(store: Store, found: Iterable[Version], context: Context) -> datetime | None:
    """Delete these; return until when Object Lock keeps one of them, the latest of all. Raises HoldfastError."""
    kept: list[datetime] = []
    for version in found:
        context.stop.check()
        if until := _delete(store, version):
            kept.append(until)
    return max(kept, default=None)


def _delete(store: Store, version: Version) -> datetime | None:
    which: dict[str, Any] = {"Bucket": store.bucket, "Key": version.key}
    which |= {"VersionId": version.identifier} if version.identifier else {}
    with store.doing(f"deleting {version.key}"):
        try:
            store.client.delete_object(**which)
        except ClientError as error:
            until = _retained_until(store, which) if code_of(error) in LOCKED else None
            if until is None:
                raise
            return until
    return None


def _retained_until(store: Store, which: dict[str, Any]) -> datetime | None:
    """Return until when a version is retained; None where it is not, or the store does not say."""
    try:
        until = store.client.head_object(**which).get("ObjectLockRetainUntilDate")
    except ClientError:
        return None  # a marker cannot be looked at; the refusal itself is what is told
    return until.astimezone(UTC) if until else None
