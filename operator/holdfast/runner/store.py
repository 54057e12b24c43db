"""The store: the few acts on a bucket that tasks need, with errors mapped. It knows nothing of databases.

Our own SHA-256 goes with each part and is compared on the way; botocore's automatic checksums are left off, since
they break compatible stores (and once ended up inside the objects).
"""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from holdfast.api.storage import S3SecretKeys, S3Storage
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.context import Places
from holdfast.runner.secrets import MountedSecret
from holdfast.runner.store_errors import code_of, storage_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK = 1 << 20  # bytes read at a time
_DEFAULT_CA_KEY = "ca.crt"


@dataclass(frozen=True)
class Stored:
    """An object as the store states it."""

    size: int
    checksum: str | None  # SHA-256 as S3 writes it: base64, and -N for a composite of N parts
    etag: str


@dataclass(frozen=True)
class Credentials:
    """The mounted credentials; all None means the default chain."""

    identifier: str | None = None
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


class Store:
    """One bucket."""

    def __init__(self, s3: S3Storage, client: "S3Client") -> None:
        self.s3 = s3
        self.client = client
        self.bucket = s3.bucket or ""

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Map what botocore raises in this block; `what` completes 'bucket b at e: … failed'."""
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise storage_error(error, what, self.s3) from error

    def read(self, key: str) -> bytes | None:
        """Return a small object whole; None when it is not there."""
        with self.doing(f"reading {key}"):
            try:
                return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except ClientError as error:
                if code_of(error) != "NoSuchKey":
                    raise
                return None

    def create(self, key: str, data: bytes) -> bool:
        """Write a small object unless one is there already; return whether it was written."""
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        with self.doing(f"writing {key}"):
            try:
                self.client.put_object(
                    Bucket=self.bucket, Key=key, Body=data, IfNoneMatch="*", ChecksumSHA256=digest,
                    ContentType="application/json",
                )  # fmt: skip
            except ClientError as error:
                if code_of(error) not in ("PreconditionFailed", "412"):
                    raise
                return False
            return True

    def head(self, key: str) -> Stored | None:
        """Return what the store says of an object; None when it is not there."""
        with self.doing(f"looking at {key}"):
            try:
                answer = self.client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
            except ClientError as error:
                if code_of(error) not in ("404", "NoSuchKey"):
                    raise
                return None
        return Stored(answer["ContentLength"], answer.get("ChecksumSHA256"), answer["ETag"])

    def chunks(self, key: str, etag: str | None = None) -> Iterator[bytes]:
        """Stream an object; with `etag`, only that very one. Raises BackupNotFound when it is not there."""
        with self.doing(f"reading {key}"):
            try:
                wanted = {"IfMatch": etag} if etag else {}
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

    def uploads(self, prefix: str) -> list[tuple[str, str]]:
        """Return key and id of each multipart upload under a prefix that was neither completed nor aborted."""
        with self.doing(f"listing uploads under {prefix}"):
            pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix)
            return [(item["Key"], item["UploadId"]) for page in pages for item in page.get("Uploads", [])]

    def delete(self, key: str) -> None:
        """Delete one object; it is no error when it is gone already."""
        with self.doing(f"deleting {key}"):
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def abort(self, key: str, upload_id: str) -> None:
        """Abort a multipart upload; it is no error when it is gone already."""
        with self.doing(f"aborting the upload of {key}"):
            try:
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
            except ClientError as error:
                if code_of(error) != "NoSuchUpload":
                    raise


def not_found(store: Store, key: str) -> HoldfastError:
    """Make the error for an object that should be there."""
    return HoldfastError(
        Reason.BACKUP_NOT_FOUND,
        f"bucket {store.bucket} has no {key}",
        "check that the bucket and the backup's location are right, and that no lifecycle rule deleted it",
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
    return Store(s3, cast("S3Client", client))


def credentials(secret_name: str | None, secret_keys: S3SecretKeys | None, folder: Path) -> Credentials:
    """Return the mounted credentials; none without a Secret, so that the Pod's own identity is used.

    Raises SecretMissing or SecretKeyMissing.
    """
    if secret_name is None:
        return Credentials()
    keys = secret_keys or S3SecretKeys()
    secret = MountedSecret(secret_name, folder)
    there = secret.keys()
    return Credentials(
        identifier=secret.read(keys.access_key_id),
        secret=secret.read(keys.secret_access_key),
        token=secret.read(keys.session_token) if keys.session_token in there else None,
    )


def _authority(s3: S3Storage, places: Places) -> str | None:
    if s3.ca_secret_name is None:
        return None
    return str(MountedSecret(s3.ca_secret_name, places.storage_ca).path(s3.ca_secret_key or _DEFAULT_CA_KEY))
