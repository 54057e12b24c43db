"""A bucket in memory that keeps versions, retains them, or keeps none: what a deletion has to do with."""

# ruff: noqa: N803 - the names are S3's
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.builders import NOW
from tests.fake_s3 import Answer, FakeS3, client_error

NULL = "null"


@dataclass
class Row:
    """One version, or a marker."""

    key: str
    version: str
    modified: datetime
    body: bytes | None  # None: a marker
    until: datetime | None = None
    hold: bool = False


class VersionedS3(FakeS3):
    """`keeps`: whether the bucket keeps versions now; one that begins to has its older objects as version "null"."""

    def __init__(self, *, keeps: bool = True) -> None:
        super().__init__()
        self.keeps = keeps
        self.rows: list[Row] = []  # oldest first
        self.now = NOW
        self.lists_versions = True  # the right to
        self.deletes_versions = True
        self.deleted: list[str] = []  # keys, in order
        self._made = 0

    def put(self, key: str, body: bytes = b"x", **facts: Any) -> Row:
        """Have an object there."""
        if not self.keeps:
            self.rows = [row for row in self.rows if (row.key, row.version) != (key, NULL)]
        row = Row(key, self._version(), self.now, body, **facts)
        self.rows.append(row)
        return row

    def keys_there(self) -> list[str]:
        """Return the keys that whoever lists the objects sees."""
        return sorted({row.key for row in self.rows if self._current(row.key) is row and row.body is not None})

    def _version(self) -> str:
        self._made += 1
        return f"v{self._made}" if self.keeps else NULL

    def _current(self, key: str) -> Row | None:
        return next((row for row in reversed(self.rows) if row.key == key), None)

    def _named(self, key: str, version: str | None) -> Row | None:
        if version is None:
            row = self._current(key)
            return row if row and row.body is not None else None
        return next((row for row in self.rows if (row.key, row.version) == (key, version)), None)

    def put_object(self, Key: str, Body: bytes, **_: Any) -> Answer:
        self._begin("put_object")
        self.put(Key, bytes(Body))
        return {}

    def get_object(self, Key: str, **_: Any) -> Answer:
        self._begin("get_object")
        row = self._named(Key, None)
        if row is None:
            raise client_error("NoSuchKey", 404)
        return {"Body": io.BytesIO(row.body or b"")}

    def head_object(self, Key: str, VersionId: str | None = None, **_: Any) -> Answer:
        self._begin("head_object")
        row = self._named(Key, VersionId)
        if row is None or row.body is None:
            raise client_error("404", 404)
        answer: Answer = {"ContentLength": len(row.body), "ETag": "etag"}
        answer |= {"VersionId": row.version} if self.keeps else {}
        answer |= {"ObjectLockRetainUntilDate": row.until} if row.until else {}
        return answer | ({"ObjectLockLegalHoldStatus": "ON"} if row.hold else {})

    def delete_object(self, Key: str, VersionId: str | None = None, **_: Any) -> Answer:
        self._begin("delete_object")
        if VersionId is None and self.keeps:
            row = Row(Key, self._version(), self.now, None)
            self.rows.append(row)
            return {"DeleteMarker": True, "VersionId": row.version}
        if VersionId is not None and not self.deletes_versions:
            raise client_error("AccessDenied", 403)
        named = self._named(Key, VersionId)
        if named and (named.hold or (named.until and named.until > self.now)):
            raise client_error("AccessDenied", 403)
        self.rows = [row for row in self.rows if row is not named]
        self.deleted.append(Key)
        return {"DeleteMarker": True} if named and named.body is None else {}

    def get_paginator(self, operation: str) -> Any:
        return _Pages(self, operation)


class _Pages:
    def __init__(self, store: VersionedS3, operation: str) -> None:
        self._store, self._operation = store, operation

    def paginate(self, Prefix: str, **_: Any) -> list[Answer]:
        store = self._store
        store._begin(self._operation)
        if self._operation == "list_multipart_uploads":
            found = [(store.keys[upload], upload) for upload in store.uploads]
            return [{"Uploads": [{"Key": key, "UploadId": u} for key, u in found if key.startswith(Prefix)]}]
        rows = [row for row in reversed(store.rows) if row.key.startswith(Prefix)]  # the newest first, as S3 does
        if self._operation == "list_objects_v2":
            there = store.keys_there()
            current = [row for row in rows if row.key in there and store._current(row.key) is row]
            return [{"Contents": [{"Key": row.key, "LastModified": row.modified} for row in current]}]
        if not store.lists_versions:
            raise client_error("AccessDenied", 403)
        listed = {row.key + row.version: {"Key": row.key, "VersionId": row.version, "LastModified": row.modified}
                  for row in rows}  # fmt: skip
        return [{
            "Versions": [listed[row.key + row.version] for row in rows if row.body is not None],
            "DeleteMarkers": [listed[row.key + row.version] for row in rows if row.body is None],
        }]  # fmt: skip
