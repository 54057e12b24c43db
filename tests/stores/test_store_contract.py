"""What our store relies on, on the fake and on a real server: so the fake cannot drift from what servers do."""

import hashlib
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.stores.conftest import Kind

from holdfast import clock
from holdfast.api.storage import S3Storage
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket import manifests, part_plan
from holdfast.runner.bucket.part import Spool
from holdfast.runner.bucket.part_plan import MIB, Size
from holdfast.runner.bucket.store import Store
from holdfast.runner.bucket.upload import Upload
from holdfast.runner.pod.stop import Stop

DATA = bytes(range(256)) * (10 * MIB // 256)
NO_SPOOL = Spool(Path("/nowhere"), None)


@pytest.fixture
def prefix() -> str:
    return f"contract/{uuid.uuid4()}/"


def a_store(kind: Kind, **fields: object) -> Store:
    locking = "objectLock" in fields
    s3 = S3Storage.model_validate({"bucket": kind.locked if locking else kind.bucket} | fields)
    return Store(s3, kind.locking if locking else kind.client)


def an_upload(store: Store, key: str, data: bytes = DATA, spool: Spool = NO_SPOOL) -> Upload:
    upload = Upload(store, key, Stop(), spool)
    upload.begin()
    for start in range(0, len(data), MIB):
        upload.write(memoryview(data)[start : start + MIB])
    return upload


def test_what_is_uploaded_is_there_whole_with_the_checksum_of_its_parts(kind: Kind, prefix: str) -> None:
    store = a_store(kind)
    upload = an_upload(store, f"{prefix}a")
    assert store.head(f"{prefix}a") is None
    expected = upload.complete()
    stored = store.head(f"{prefix}a")
    assert stored is not None
    assert (stored.size, stored.checksum, upload.parts) == (len(DATA), expected, 2)
    assert b"".join(store.chunks(f"{prefix}a")) == DATA
    assert manifests.check(store, f"{prefix}a", len(DATA), expected, upload.sha256) == expected
    assert store.keys(prefix) == [f"{prefix}a"]
    assert store.uploads(prefix) == []


@pytest.mark.parametrize("checksums", ["sha256", "readback"])
def test_parts_from_memory_and_from_the_disk_come_back_in_order(
    kind: Kind, prefix: str, checksums: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Parts as small as S3 allows."""
    monkeypatch.setattr(part_plan, "PLAN", (Size(3, 5 * MIB, on_disk=False), Size(9, 6 * MIB, on_disk=True)))
    store = a_store(kind, checksums=checksums)
    upload = an_upload(store, f"{prefix}a", DATA * 4, Spool(tmp_path, part_plan.DISK))
    checksum = upload.complete()
    assert upload.parts == 3 + 5
    manifests.check(store, f"{prefix}a", len(DATA) * 4, checksum, upload.sha256)
    assert list(tmp_path.iterdir()) == []
    assert store.sha256(f"{prefix}a") == (hashlib.sha256(DATA * 4).hexdigest(), len(DATA) * 4)


def test_an_upload_that_is_discarded_leaves_nothing(kind: Kind, prefix: str) -> None:
    store = a_store(kind)
    upload = an_upload(store, f"{prefix}a")
    assert [key for key, _ in store.uploads(prefix)] == [f"{prefix}a"]
    assert upload.discard() is None
    assert (store.uploads(prefix), store.keys(prefix)) == ([], [])
    store.abort(f"{prefix}a", str(upload._upload_id))


@pytest.mark.parametrize("checksums", ["sha256", "readback"])
def test_a_part_that_is_not_what_its_checksum_says_is_refused(kind: Kind, prefix: str, checksums: str) -> None:
    store = a_store(kind, checksums=checksums)
    upload = Upload(store, f"{prefix}a", Stop(), NO_SPOOL)
    upload.begin()
    wrong = store.sums(hashlib.sha256(b"sent").digest(), hashlib.md5(b"sent").digest)
    with pytest.raises(ClientError, match=r"BadDigest|InvalidDigest|XAmzContentChecksumMismatch"):
        store.client.upload_part(
            Bucket=store.bucket, Key=f"{prefix}a", UploadId=str(upload._upload_id), PartNumber=1, Body=b"came", **wrong
        )
    upload.discard()


def test_without_checksums_the_store_states_none_and_what_it_holds_is_read_back(kind: Kind, prefix: str) -> None:
    store = a_store(kind, checksums="readback")
    upload = an_upload(store, f"{prefix}a")
    assert upload.complete() is None
    assert manifests.check(store, f"{prefix}a", len(DATA), None, upload.sha256) is None
    store.client.put_object(Bucket=store.bucket, Key=f"{prefix}a", Body=DATA[:-1] + b"x")
    with pytest.raises(HoldfastError) as caught:
        manifests.check(store, f"{prefix}a", len(DATA), None, upload.sha256)
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH


@pytest.mark.parametrize("checksums", ["sha256", "readback"])
def test_a_manifest_is_written_once_and_never_over_another(kind: Kind, prefix: str, checksums: str) -> None:
    store = a_store(kind, checksums=checksums)
    assert store.read(f"{prefix}m") is None
    assert store.create(f"{prefix}m", b"first")
    assert not store.create(f"{prefix}m", b"second")
    assert store.read(f"{prefix}m") == b"first"


def test_deleting_what_is_not_there_is_no_error(kind: Kind, prefix: str) -> None:
    store = a_store(kind)
    store.create(f"{prefix}m", b"x")
    assert store.delete(f"{prefix}m") is None
    assert store.delete(f"{prefix}m") is None
    assert store.keys(prefix) == []


WANTED = {
    "serverSideEncryption": {"algorithm": "AES256"},
    "storageClass": "STANDARD_IA",
    "tags": {"team": "shop", "cost centre": "a+b=c/d:e@f"},
}


@pytest.mark.parametrize("what", ["artifact", "manifest"])
def test_an_object_is_encrypted_classed_and_tagged_as_it_was_asked_for(kind: Kind, prefix: str, what: str) -> None:
    store, key = a_store(kind, **WANTED), f"{prefix}{what}"
    if what == "artifact":
        upload = an_upload(store, key)
        manifests.check(store, key, len(DATA), upload.complete(), upload.sha256)
    else:
        store.create(key, b"{}")
    answer = store.client.head_object(Bucket=store.bucket, Key=key)
    assert (answer["ServerSideEncryption"], answer["StorageClass"]) == ("AES256", "STANDARD_IA")
    tags = store.client.get_object_tagging(Bucket=store.bucket, Key=key)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == WANTED["tags"]
    assert store.read(key, len(DATA)) == (DATA if what == "artifact" else b"{}")


def soon() -> datetime:
    """A time that is still to come when the store is asked, however late in a run that is."""
    return clock.now().replace(microsecond=0) + timedelta(minutes=30)


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_artifact_and_manifest_are_retained_and_deleting_them_says_until_when(
    kind: Kind, prefix: str, mode: str
) -> None:
    store, until = a_store(kind, objectLock={"mode": mode}), soon()
    upload = an_upload(store, f"{prefix}a")
    upload.complete()
    store.lock(f"{prefix}a", until)
    store.create(f"{prefix}m", b"{}", until)
    for key in (f"{prefix}a", f"{prefix}m"):
        answer = store.client.head_object(Bucket=store.bucket, Key=key)
        assert (answer["ObjectLockMode"], answer["ObjectLockRetainUntilDate"]) == (mode.upper(), until)
    assert upload.discard() == until
    assert store.delete(f"{prefix}m") == until
    assert store.keys(prefix) == []


def test_a_bucket_without_object_lock_cannot_retain_and_says_so(kind: Kind, prefix: str) -> None:
    s3 = S3Storage.model_validate({"bucket": kind.bucket, "objectLock": {"mode": "governance"}})
    store = Store(s3, kind.client)
    an_upload(store, f"{prefix}a").complete()
    with pytest.raises(HoldfastError, match="setting the Object Lock retention") as caught:
        store.lock(f"{prefix}a", soon())
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert store.delete(f"{prefix}a") is None
