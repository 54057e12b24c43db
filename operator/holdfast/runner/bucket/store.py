"""The store: the few acts on a bucket that tasks need, with errors mapped. It knows nothing of databases.

Our own SHA-256 goes with each part and is compared on the way, or a Content-MD5 where the store refuses such;
botocore's automatic checksums are left off, since they break compatible stores (and once ended up inside the objects).
"""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict, cast
from urllib.parse import quote, urlencode

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from holdfast.api.storage import Checksums, LockMode, ObjectLock, S3Storage
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket.answers import refuse_strange_answers
from holdfast.runner.bucket.credentials import credentials
from holdfast.runner.bucket.errors import code_of, no_s3, storage_error
from holdfast.runner.bucket.signing import sign_with_known_digests
from holdfast.runner.pod.context import Places
from holdfast.runner.pod.secrets import MountedSecret

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import ObjectLockRetentionModeType

CHUNK = 1 << 20  # bytes read at a time
_NO_CONDITIONS = {"NotImplemented", "501", "InvalidArgument", "InvalidRequest"}  # what stores say to If-None-Match
# What AWS says of another request for the same key that is on its way: to be asked again
# (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
_CONFLICT = "ConditionalRequestConflict"
CONFLICTS = 10  # times that it may say so of one object
PAUSE = 0.5  # seconds until it is asked again
LOCKED = {"AccessDenied", "ObjectLocked", "InvalidRequest", "MethodNotAllowed"}  # what stores say to deleting such


class Sums(TypedDict, total=False):
    """A body's checksum, as an argument of a request."""

    ChecksumSHA256: str
    ContentMD5: str


@dataclass(frozen=True)
class Stored:
    """An object as the store states it."""

    size: int
    checksum: str | None  # SHA-256 as S3 writes it: base64, and -N for a composite of N parts
    etag: str
    version: str | None = None
    retained_until: datetime | None = None  # by Object Lock, as far as the store says


class Store:
    """One bucket."""

    def __init__(self, s3: S3Storage, client: "S3Client") -> None:
        self.s3 = s3
        self.client = client
        self.bucket = s3.bucket or ""
        self.wanted = wanted(s3)
        self.checksums = s3.checksums is not Checksums.READBACK

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Map what botocore raises in this block; `what` completes 'bucket b at e: … failed'."""
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise storage_error(error, what, self.s3) from error
        except KeyError as error:  # what every answer of S3's has
            raise no_s3(str(error), what, self.s3) from error

    def read(self, key: str, most: int = CHUNK) -> bytes | None:
        """Return a small object, its first `most` bytes; None when it is not there."""
        with self.doing(f"reading {key}"):
            try:
                return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read(most)
            except ClientError as error:
                if code_of(error) != "NoSuchKey":
                    raise
                return None

    def sums(self, sha256: bytes, md5: Callable[[], bytes]) -> "Sums":
        """Return the checksum that goes with a body, in a form that this store knows."""
        if self.checksums:
            return {"ChecksumSHA256": base64.b64encode(sha256).decode()}
        return {"ContentMD5": base64.b64encode(md5()).decode()}

    def create(self, key: str, data: bytes, retain_until: datetime | None = None) -> bool:
        """Write a small object unless one is there already; return whether it was written.

        With Object Lock in the settings it is retained until then. It is looked for before, since some stores pass over
        the condition, and others refuse a request that has one: these are asked again without.
        """
        if self.head(key) is not None:
            return False
        lock = self._lock(retain_until)
        sums = self.sums(hashlib.sha256(data).digest(), hashlib.md5(data, usedforsecurity=False).digest)

        def put(**condition: str) -> None:
            self.client.put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType="application/json",
                **condition, **sums, **self.wanted, **lock,  # type: ignore[arg-type]
            )  # fmt: skip

        with self.doing(f"writing {key}"):
            return _written(put)

    def head(self, key: str) -> Stored | None:
        """Return what the store says of an object; None when it is not there."""
        with self.doing(f"looking at {key}"):
            try:
                mode = {"ChecksumMode": "ENABLED"} if self.checksums else {}
                answer = self.client.head_object(Bucket=self.bucket, Key=key, **mode)  # type: ignore[arg-type]
            except ClientError as error:
                if code_of(error) not in ("404", "NoSuchKey"):
                    raise
                return None
            return Stored(
                answer["ContentLength"], answer.get("ChecksumSHA256"), answer["ETag"], answer.get("VersionId"),
                answer.get("ObjectLockRetainUntilDate"),
            )  # fmt: skip

    def lock(self, key: str, retain_until: datetime) -> None:
        """Have the store retain the object that is there until then, where the settings ask for that."""
        if self.s3.object_lock is None:
            return
        stored = self.head(key)
        if stored is None:
            raise not_found(self, key)
        version: dict[str, Any] = {"VersionId": stored.version} if stored.version else {}
        with self.doing(f"setting the Object Lock retention of {key}"):
            self.client.put_object_retention(
                Bucket=self.bucket, Key=key, **version,
                Retention={"Mode": _mode(self.s3.object_lock), "RetainUntilDate": retain_until},
            )  # fmt: skip

    def _lock(self, retain_until: datetime | None) -> dict[str, Any]:
        if self.s3.object_lock is None or retain_until is None:
            return {}
        return {"ObjectLockMode": _mode(self.s3.object_lock), "ObjectLockRetainUntilDate": retain_until}

    def chunks(self, key: str, etag: str | None = None, start: int = 0) -> Iterator[bytes]:
        """Stream an object from `start`, bytes; with `etag`, only that very one. Raises BackupNotFound without one."""
        with self.doing(f"reading {key}"):
            try:
                wanted = {"IfMatch": etag} if etag else {}
                wanted |= {"Range": f"bytes={start}-"} if start else {}
                body = self.client.get_object(Bucket=self.bucket, Key=key, **wanted)["Body"]  # type: ignore[arg-type]
            except ClientError as error:
                if code_of(error) != "NoSuchKey":
                    raise
                raise not_found(self, key) from None
            while chunk := body.read(CHUNK):
                yield chunk

    def sha256(self, key: str) -> tuple[str, int]:
        """Read an object through; return its SHA-256, hexadecimal, and its size, bytes."""
        digest, size = hashlib.sha256(), 0
        for chunk in self.chunks(key):
            digest.update(chunk)
            size += len(chunk)
        return digest.hexdigest(), size

    def keys(self, prefix: str) -> list[str]:
        """Return the keys under a prefix."""
        with self.doing(f"listing {prefix}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def folders(self, prefix: str, start: str, pages: int) -> list[str]:
        """Return the folders directly below a prefix, from `start` on; at most so many pages of them."""
        found: list[str] = []
        more: dict[str, Any] = {"StartAfter": start}
        with self.doing(f"listing {prefix}"):
            for _ in range(pages):
                page = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, Delimiter="/", **more)
                found += [each["Prefix"] for each in page.get("CommonPrefixes", [])]
                if not page.get("NextContinuationToken"):
                    break
                more = {"ContinuationToken": page["NextContinuationToken"]}
        return found

    def uploads(self, prefix: str) -> list[tuple[str, str]]:
        """Return key and id of each multipart upload under a prefix that was neither completed nor aborted."""
        with self.doing(f"listing uploads under {prefix}"):
            pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix)
            return [(item["Key"], item["UploadId"]) for page in pages for item in page.get("Uploads", [])]

    def delete(self, key: str) -> datetime | None:
        """Delete one object; it is no error when it is gone already.

        Returns until when Object Lock retains it, where it does: no error either, and nobody can hurry it. A bucket
        with Object Lock has versions, so the key is hidden, and what it named stays behind a delete marker; a store
        without markers refuses.
        """
        until = self._retained_until(key) if self.s3.object_lock else None
        with self.doing(f"deleting {key}"):
            try:
                self.client.delete_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                until = until or (self._retained_until(key) if code_of(error) in LOCKED else None)
                if until is None:
                    raise
        return until

    def _retained_until(self, key: str) -> datetime | None:
        stored = self.head(key)
        return stored.retained_until.astimezone(UTC) if stored and stored.retained_until else None

    def abort(self, key: str, upload_id: str) -> None:
        """Abort a multipart upload; it is no error when it is gone already."""
        with self.doing(f"aborting the upload of {key}"):
            try:
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
            except ClientError as error:
                if code_of(error) != "NoSuchUpload":
                    raise


def wanted(s3: S3Storage) -> dict[str, Any]:
    """Return how every object of ours is to be kept, as arguments of a request."""
    encryption = s3.server_side_encryption
    arguments = {
        "ServerSideEncryption": encryption and encryption.algorithm.value,
        "SSEKMSKeyId": encryption and encryption.kms_key_id,
        "StorageClass": s3.storage_class,
        "Tagging": urlencode(s3.tags, quote_via=quote) if s3.tags else None,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _written(put: Callable[..., None]) -> bool:
    """Write unless something is there already, or would be written at this very moment; return whether it was."""
    for left in reversed(range(CONFLICTS + 1)):
        try:
            put(IfNoneMatch="*")
        except ClientError as error:
            code = code_of(error)
            if code in ("PreconditionFailed", "412"):
                return False
            if code in _NO_CONDITIONS:
                break
            if code != _CONFLICT or not left:
                raise
            time.sleep(PAUSE)
        else:
            return True
    put()
    return True


def _mode(lock: ObjectLock) -> "ObjectLockRetentionModeType":
    return "COMPLIANCE" if lock.mode is LockMode.COMPLIANCE else "GOVERNANCE"


def retained_until(moment: datetime) -> str:
    """Say how long Object Lock retains something; completes 'KEY is …'."""
    return f"retained by Object Lock until {moment:%Y-%m-%d %H:%M} UTC"


def not_found(store: Store, key: str) -> HoldfastError:
    """Make the error for an object that should be there."""
    return HoldfastError(
        Reason.BACKUP_NOT_FOUND,
        f"bucket {store.bucket} has no {key}",
        "check the bucket and the backup's location, and whether a lifecycle rule deleted the object",
    )


def connect(s3: S3Storage, places: Places) -> Store:
    """Make the client; nothing is sent yet. Raises SecretMissing, SecretKeyMissing, StorageFailed."""
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=8,
        tcp_keepalive=True,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": s3.addressing_style.value if s3.addressing_style else "auto"},
    )
    sign_with_known_digests()
    keys = credentials(s3.secret_name, s3.secret_keys, places.storage_secret)
    try:
        # botocore itself: boto3 above it is a quarter of the time to start, for nothing that is used here
        client = botocore.session.Session().create_client(
            "s3", region_name=s3.region or (s3.endpoint and "us-east-1") or None, endpoint_url=s3.endpoint,
            verify=_authority(s3, places), config=config,
            aws_access_key_id=keys.identifier, aws_secret_access_key=keys.secret, aws_session_token=keys.token,
        )  # fmt: skip
    except (BotoCoreError, ValueError) as error:
        raise HoldfastError(
            Reason.STORAGE_FAILED, f"the s3 settings cannot be used: {error}", "check s3.endpoint and s3.region"
        ) from error
    client = cast("S3Client", client)
    refuse_strange_answers(client, s3)
    return Store(s3, client)


def _authority(s3: S3Storage, places: Places) -> str | None:
    named = s3.authority()
    return str(MountedSecret(named.name, places.storage_ca, named.kind).path(named.key)) if named else None
