"""A store in memory with S3's words, for what no real store does on request: lying, losing answers, failing once."""

# ruff: noqa: N803 - the names are S3's
import base64
import hashlib
import io
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from botocore.exceptions import ClientError

Answer = dict[str, Any]


def client_error(code: str, status: int, operation: str = "Operation") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "as asked"}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation
    )


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


class FakeS3:
    """The part of boto3's client that the runner uses. `faults` are called before an operation and may raise."""

    def __init__(self, checksums: bool = True, locking: bool = False, conditions: str = "kept") -> None:
        """`checksums`: it states SHA-256s; `locking`: the bucket has versions and Object Lock.

        `conditions`: If-None-Match is kept, ignored, or refused with this code of S3's.
        """
        self.objects: dict[str, bytes] = {}
        self.checksum: dict[str, str] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.keys: dict[str, str] = {}
        self.faults: dict[str, Callable[..., None]] = {}
        self.after: dict[str, Callable[[Answer], Answer]] = {}
        self.calls: list[str] = []
        self.page = 1000
        self.kept: dict[str, Answer] = {}  # how each object is to be kept, in the words of the request
        self.retained: dict[str, Answer] = {}  # what Object Lock retains, also when its key is hidden
        self._checksums = checksums
        self._locking = locking
        self._conditions = conditions

    def create_multipart_upload(self, Key: str, **wanted: Any) -> Answer:
        self._begin("create_multipart_upload")
        upload = f"upload-{len(self.keys)}"
        self.uploads[upload], self.keys[upload] = {}, Key
        self._keep(Key, wanted)
        return self._end("create_multipart_upload", {"UploadId": upload})

    def upload_part(self, UploadId: str, PartNumber: int, Body: Any, **sums: Any) -> Answer:
        self._begin("upload_part")
        data = Body.read() if hasattr(Body, "read") else bytes(Body)
        self._check(data, sums)
        self.uploads[UploadId][PartNumber] = data
        return self._end("upload_part", {"ETag": f"{PartNumber}"} | self._stated(sums.get("ChecksumSHA256")))

    def complete_multipart_upload(self, Key: str, UploadId: str, MultipartUpload: Answer, **_: Any) -> Answer:
        self._begin("complete_multipart_upload")
        if UploadId not in self.uploads:
            raise client_error("NoSuchUpload", 404)
        parts = self.uploads.pop(UploadId)
        order = [part["PartNumber"] for part in MultipartUpload["Parts"]]
        assert order == sorted(parts)
        self.objects[Key] = b"".join(parts[number] for number in order)
        self.checksum.pop(Key, None)
        if all("ChecksumSHA256" in part for part in MultipartUpload["Parts"]):
            digests = b"".join(hashlib.sha256(parts[number]).digest() for number in order)
            self.checksum[Key] = f"{sha256(digests)}-{len(order)}"
        return self._end("complete_multipart_upload", self._stated(self.checksum.get(Key)))

    def abort_multipart_upload(self, UploadId: str, **_: Any) -> Answer:
        self._begin("abort_multipart_upload")
        if self.uploads.pop(UploadId, None) is None:
            raise client_error("NoSuchUpload", 404)
        return {}

    def put_object(self, Key: str, Body: bytes, IfNoneMatch: str | None = None, **wanted: Any) -> Answer:
        self._begin("put_object")
        self._check(Body, wanted)
        if IfNoneMatch and self._conditions not in ("kept", "ignored"):
            raise client_error(self._conditions, 501 if self._conditions == "NotImplemented" else 400)
        if IfNoneMatch and self._conditions == "kept" and Key in self.objects:
            raise client_error("PreconditionFailed", 412)
        self._keep(Key, wanted)
        self.objects[Key] = bytes(Body)
        self.checksum[Key] = sha256(Body)
        return self._end("put_object", {})

    def put_object_retention(self, Key: str, Retention: Answer, **_: Any) -> Answer:
        self._begin("put_object_retention")
        if not self._locking:
            raise client_error("InvalidRequest", 400)
        self._retain(Key, Retention["Mode"], Retention["RetainUntilDate"])
        return self._end("put_object_retention", {})

    def get_object_tagging(self, Key: str, **_: Any) -> Answer:
        pairs = parse_qsl(self.kept[Key].get("Tagging", ""))
        return {"TagSet": [{"Key": key, "Value": value} for key, value in sorted(pairs)]}

    def head_object(self, Key: str, ChecksumMode: str | None = None, **_: Any) -> Answer:
        self._begin("head_object")
        if Key not in self.objects:
            raise client_error("404", 404)
        answer = {"ContentLength": len(self.objects[Key]), "ETag": "etag"} | self.kept.get(Key, {})
        answer |= {"VersionId": "1"} | self.retained.get(Key, {}) if self._locking else {}
        return self._end("head_object", answer | self._stated(self.checksum.get(Key) if ChecksumMode else None))

    def get_object(self, Key: str, Range: str = "bytes=0-", **_: Any) -> Answer:
        self._begin("get_object")
        if Key not in self.objects:
            raise client_error("NoSuchKey", 404)
        start = int(Range.removeprefix("bytes=").removesuffix("-"))
        return self._end("get_object", {"Body": io.BytesIO(self.objects[Key][start:])})

    def delete_object(self, Key: str, **_: Any) -> Answer:
        self._begin("delete_object")
        self.objects.pop(Key, None)  # where the bucket has versions, a marker hides it
        return {"DeleteMarker": True} if self._locking else {}

    def list_objects_v2(
        self, Prefix: str, Delimiter: str, StartAfter: str = "", ContinuationToken: str = "", **_: Any
    ) -> Answer:
        """One page of folders. It is asked beside everything else, so it is no call that a test counts."""
        if fault := self.faults.get("list_folders"):
            fault()
        below = (key.removeprefix(Prefix) for key in self.objects if key.startswith(Prefix))
        folders = sorted({Prefix + name.partition(Delimiter)[0] + Delimiter for name in below if Delimiter in name})
        after = [name for name in folders if name > max(StartAfter, ContinuationToken)]
        page = {"CommonPrefixes": [{"Prefix": name} for name in after[: self.page]]}
        return page | ({"NextContinuationToken": after[self.page - 1]} if len(after) > self.page else {})

    def get_paginator(self, operation: str) -> "FakeS3.Pages":
        return FakeS3.Pages(self, operation)

    class Pages:
        def __init__(self, store: "FakeS3", operation: str) -> None:
            self._store, self._operation = store, operation

        def paginate(self, Prefix: str, **_: Any) -> list[Answer]:
            self._store._begin(self._operation)
            if self._operation == "list_objects_v2":
                return [{"Contents": [{"Key": key} for key in self._store.objects if key.startswith(Prefix)]}]
            open_uploads = [(upload, self._store.keys[upload]) for upload in self._store.uploads]
            return [{"Uploads": [{"Key": key, "UploadId": u}]} for u, key in open_uploads if key.startswith(Prefix)]

    def _keep(self, key: str, wanted: Answer) -> None:
        names = ("ServerSideEncryption", "SSEKMSKeyId", "StorageClass", "Tagging")
        self.kept[key] = {name: wanted[name] for name in names if name in wanted}
        if "ObjectLockMode" in wanted:
            if not self._locking:
                raise client_error("InvalidRequest", 400)
            self._retain(key, wanted["ObjectLockMode"], wanted["ObjectLockRetainUntilDate"])

    def _retain(self, key: str, mode: str, until: datetime) -> None:
        seconds = until.replace(microsecond=0)  # as S3 keeps it
        self.retained[key] = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": seconds}

    def _check(self, body: bytes, sums: Answer) -> None:
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        if sums.get("ChecksumSHA256", sha256(body)) != sha256(body) or sums.get("ContentMD5", md5) != md5:
            raise client_error("BadDigest", 400)

    def _stated(self, checksum: str | None) -> Answer:
        return {"ChecksumSHA256": checksum} if self._checksums and checksum else {}

    def _begin(self, operation: str) -> None:
        self.calls.append(operation)
        if operation in self.faults:
            self.faults[operation]()

    def _end(self, operation: str, answer: Answer) -> Answer:
        return self.after.get(operation, lambda same: same)(answer)
