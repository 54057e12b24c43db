"""The upload: what the store answers is checked, memory is bounded, and on any doubt nothing is left of it."""

import hashlib
import os
import random
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ReadTimeoutError
from tests.fake_s3 import FakeS3, client_error, sha256
from tests.patience import ENOUGH

from holdfast.api.storage import S3Storage
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket import part_plan
from holdfast.runner.bucket import upload as uploads
from holdfast.runner.bucket.part import Held, Spool
from holdfast.runner.bucket.part_plan import DISK, MAX_PARTS, MIB, Size
from holdfast.runner.bucket.store import Store
from holdfast.runner.bucket.upload import Upload, composite
from holdfast.runner.pod.stop import Stop

FIRST = part_plan.PLAN[0].size
NO_SPOOL = Spool(Path("/nowhere"), None)
KEY = "shop/orders/backup-1/pod.sql.gz"
DATA = bytes(range(256)) * (11 * MIB // 256)
INTERRUPTED = HoldfastError(Reason.INTERRUPTED, "told to end", "apply a new one")


@pytest.fixture
def s3():
    return FakeS3()


def an_upload(s3, stop=None, spool=NO_SPOOL):
    upload = Upload(Store(S3Storage(bucket="backups"), s3), KEY, stop or Stop(), spool)
    upload.begin()
    return upload


def send(upload, data=DATA):
    for start in range(0, len(data), MIB):
        upload.write(data[start : start + MIB])


def send_all(upload, data=DATA):
    send(upload, data)
    upload.complete()


def fail(code, status):
    def fault():
        raise client_error(code, status)

    return fault


def test_the_first_parts_digest_is_that_of_all_so_far_and_no_byte_of_it_is_hashed_twice(s3, monkeypatch):
    again, sha256 = [], Held.sha256
    monkeypatch.setattr(Held, "sha256", lambda part: again.append(len(part)) or sha256(part))
    send_all(an_upload(s3), DATA[:FIRST])
    assert again == []
    send_all(an_upload(s3))
    assert again == [len(DATA) - FIRST]


def test_a_stream_becomes_one_object_with_the_sum_of_its_parts(s3):
    upload = an_upload(s3)
    send(upload)
    checksum = upload.complete()
    assert s3.objects == {KEY: DATA}
    assert s3.uploads == {}
    assert (upload.size, upload.parts, upload.sha256) == (len(DATA), 2, hashlib.sha256(DATA).hexdigest())
    assert checksum == s3.checksum[KEY] == composite([hashlib.sha256(p).digest() for p in (DATA[:FIRST], DATA[FIRST:])])


def test_an_upload_whose_first_beginning_lost_its_answer_leaves_no_second_one_open(s3):
    s3.create_multipart_upload(Key=KEY)
    s3.create_multipart_upload(Key="shop/orders/backup-1/another-pod.sql.gz")
    s3.after["create_multipart_upload"] = lambda answer: answer | {"ResponseMetadata": {"RetryAttempts": 1}}
    send_all(an_upload(s3))
    assert s3.objects == {KEY: DATA}
    assert [s3.keys[upload] for upload in s3.uploads] == ["shop/orders/backup-1/another-pod.sql.gz"]


def test_nothing_is_an_object_before_it_is_completed(s3):
    upload = an_upload(s3)
    send(upload)
    assert s3.objects == {}
    upload.discard()
    assert (s3.objects, s3.uploads) == ({}, {})


@pytest.mark.parametrize("operation", ["upload_part", "complete_multipart_upload"])
def test_a_checksum_that_the_store_answers_otherwise_is_a_mismatch(s3, operation):
    s3.after[operation] = lambda answer: answer | {"ChecksumSHA256": sha256(b"something else")}
    upload = an_upload(s3)
    with pytest.raises(HoldfastError, match=r"the SHA-256 of what was sent is") as caught:
        send_all(upload)
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH
    upload.discard()
    assert (s3.objects, s3.uploads) == ({}, {})


def shrink(monkeypatch, *plan):
    """Have parts of other sizes: (number of the last one, bytes, whether on the disk)."""
    monkeypatch.setattr(part_plan, "PLAN", tuple(Size(*size) for size in plan))


def test_the_largest_object_that_s3_knows_fits_into_its_ten_thousand_parts(s3, monkeypatch, tmp_path):
    """The plan of parts as it is, all sizes a millionth (2^20): 5 TiB become 5 MiB."""
    shrink(monkeypatch, *((last, size >> 20, on_disk) for last, size, on_disk in part_plan.PLAN))
    upload = an_upload(s3, spool=Spool(tmp_path, DISK))
    data = random.Random(1).randbytes(5 * MIB)
    for start in range(0, len(data), 3001):
        upload.write(data[start : start + 3001])
    upload.complete()
    assert 9_000 < upload.parts <= MAX_PARTS
    assert s3.objects[KEY] == data


def test_what_no_object_can_hold_is_told(s3, monkeypatch):
    shrink(monkeypatch, (2, MIB, False))
    upload = an_upload(s3)
    with pytest.raises(HoldfastError, match="larger than 5 TiB") as caught:
        send(upload)
    assert caught.value.reason is Reason.STORAGE_FAILED


@pytest.mark.parametrize(
    ("limit", "free", "reason", "words"),
    [
        (None, DISK, Reason.INVALID_TASK, "no volume for its parts"),
        (DISK - 1, DISK, Reason.DISK_FULL, r"needs 2.1 GB .*\(2147483647 bytes\) are free"),
        (DISK, 4096, Reason.DISK_FULL, r"needs 2.1 GB .*\(4096 bytes\) are free"),
    ],
    ids=["no volume", "the Pod's limit of ephemeral storage", "the disk"],
)  # fmt: skip
def test_a_disk_that_is_too_small_is_told_and_leaves_nothing(s3, monkeypatch, tmp_path, limit, free, reason, words):
    shrink(monkeypatch, (2, MIB, False), (9, MIB, True))
    monkeypatch.setattr("os.statvfs", lambda _: SimpleNamespace(f_bavail=free // 4096, f_frsize=4096))
    upload = an_upload(s3, spool=Spool(tmp_path, limit))
    with pytest.raises(HoldfastError, match=words) as caught:
        send(upload)
    assert caught.value.reason is reason
    assert upload.size == 3 * MIB, "the first two parts need no disk"
    upload.discard()
    assert (s3.objects, s3.uploads) == ({}, {})


def test_a_disk_that_fills_up_meanwhile_is_told(s3, monkeypatch, tmp_path):
    shrink(monkeypatch, (9, MIB, True))
    upload = an_upload(s3, spool=Spool(tmp_path, DISK))
    upload.write(b"begun")
    os.dup2(os.open("/dev/full", os.O_WRONLY), upload._filling._file.fileno())
    with pytest.raises(HoldfastError, match="no space left for parts") as caught:
        upload.write(b"continued")
    assert caught.value.reason is Reason.DISK_FULL


def test_a_part_that_waits_on_the_disk_has_no_name_there(s3, monkeypatch, tmp_path):
    shrink(monkeypatch, (9, MIB, True))
    upload = an_upload(s3, spool=Spool(tmp_path, DISK))
    upload.write(DATA[: MIB // 2])
    assert upload._filling.tell() == MIB // 2
    assert list(tmp_path.iterdir()) == []


def test_a_big_part_that_is_on_its_way_is_given_up_at_once(s3, monkeypatch, tmp_path):
    """The client reads on, as over a slow line, until the part says that nobody wants it any more."""
    shrink(monkeypatch, (9, MIB, True))
    reading = threading.Event()

    def slow(UploadId, PartNumber, Body, **_):  # noqa: N803
        while True:
            Body.seek(0)
            Body.read(16)
            reading.set()

    s3.upload_part = slow
    upload = an_upload(s3, spool=Spool(tmp_path, DISK))
    upload.write(DATA[:MIB])
    assert reading.wait(timeout=ENOUGH)
    upload.discard()  # raises StorageUnavailable where the part is still on its way
    assert s3.uploads == {}


def test_a_store_without_checksums_is_taken_at_its_content_later(s3):
    plain = FakeS3(checksums=False)
    upload = an_upload(plain)
    send(upload)
    assert upload.complete().endswith("-2")
    assert plain.objects == {KEY: DATA}


@pytest.mark.parametrize("operation", ["upload_part", "complete_multipart_upload"])
def test_an_error_of_the_store_is_told_and_leaves_nothing(s3, operation):
    s3.faults[operation] = fail("SlowDown", 503)
    upload = an_upload(s3)
    with pytest.raises(HoldfastError, match="503 SlowDown") as caught:
        send_all(upload)
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    upload.discard()
    assert (s3.objects, s3.uploads) == ({}, {})


def test_a_part_that_failed_long_ago_is_not_forgotten(s3):
    """The first part fails; all later ones succeed."""
    first = threading.Event()

    def once():
        if not first.is_set():
            first.set()
            raise client_error("InternalError", 500)

    s3.faults["upload_part"] = once
    upload = an_upload(s3)
    with pytest.raises(HoldfastError, match="InternalError"):
        send_all(upload, DATA * 10)
    upload.discard()
    assert (s3.objects, s3.uploads) == ({}, {})


def test_a_lost_answer_to_complete_is_no_failure_when_the_retry_finds_the_upload_gone(s3):
    def completed_already():
        s3.faults.clear()
        s3.complete_multipart_upload(Key=KEY, UploadId="upload-0", MultipartUpload={"Parts": parts})

    upload = an_upload(s3)
    send(upload)
    parts = [{"PartNumber": number, "ChecksumSHA256": "as it was"} for number in (1, 2)]
    s3.faults["complete_multipart_upload"] = completed_already
    assert upload.complete() == s3.checksum[KEY]


def test_an_object_that_may_have_been_made_is_deleted_again(s3):
    def lost(_):
        raise ReadTimeoutError(endpoint_url="http://s3")

    s3.after["complete_multipart_upload"] = lost
    upload = an_upload(s3)
    send(upload)
    with pytest.raises(HoldfastError, match="Read timeout"):
        upload.complete()
    assert KEY in s3.objects
    upload.discard()
    assert (s3.objects, s3.uploads) == ({}, {})


def test_a_lost_answer_to_begin_leaves_no_upload(s3):
    def lost(_):
        raise ReadTimeoutError(endpoint_url="http://s3")

    s3.after["create_multipart_upload"] = lost
    upload = Upload(Store(S3Storage(bucket="backups"), s3), KEY, Stop(), NO_SPOOL)
    with pytest.raises(HoldfastError, match="Read timeout"):
        upload.begin()
    assert len(s3.uploads) == 1
    upload.discard()
    assert s3.uploads == {}


def test_an_abort_that_fails_is_told(s3):
    s3.faults["abort_multipart_upload"] = fail("ServiceUnavailable", 503)
    upload = an_upload(s3)
    send(upload)
    with pytest.raises(HoldfastError, match="aborting the upload"):
        upload.discard()


@pytest.fixture
def moving(s3):
    """The store stands still until this is set."""
    event = threading.Event()
    s3.faults["upload_part"] = event.wait
    yield event
    event.set()


def test_a_slow_store_slows_the_stream_and_memory_stays_bounded(s3, moving):
    """With the store standing still, no more is taken than fits; with the stop asked for, the wait ends."""
    stop, taken = Stop(), []
    upload = an_upload(s3, stop)

    def write():
        for _ in range(200):
            upload.write(bytes(MIB))
            taken.append(MIB)

    def work():
        with pytest.raises(HoldfastError, match="told to end"):
            write()

    thread = threading.Thread(target=work)
    thread.start()
    until = time.monotonic() + ENOUGH
    while not upload._room._waiters:
        assert thread.is_alive()
        assert time.monotonic() < until
    assert sum(taken) <= uploads.MEMORY + 2 * FIRST
    stop.request(INTERRUPTED)
    thread.join(timeout=ENOUGH)
    assert not thread.is_alive()
    moving.set()
    upload.discard()
    assert (s3.objects, s3.uploads) == ({}, {})


def test_parts_that_are_still_on_their_way_when_the_upload_is_aborted_are_told(s3, moving, monkeypatch):
    monkeypatch.setattr(uploads, "SETTLE", 0.05)
    upload = an_upload(s3)
    send(upload)
    with pytest.raises(HoldfastError, match=r"1 parts of .* were still being sent"):
        upload.discard()
    assert s3.uploads == {}


def test_parts_that_had_not_begun_are_not_waited_for(s3, monkeypatch):
    monkeypatch.setattr(uploads, "WORKERS", 1)
    monkeypatch.setattr(uploads, "SETTLE", 5.0)
    release = threading.Event()
    s3.faults["upload_part"] = release.wait
    upload = an_upload(s3)
    send(upload, bytes(2 * FIRST))
    threading.Timer(0.1, release.set).start()
    upload.discard()  # raises StorageUnavailable where a part seems to be on its way still
    assert s3.uploads == {}


@pytest.mark.parametrize("checksums", [True, False], ids=["a store with checksums", "a store without"])
def test_an_upload_is_begun_for_its_own_key_with_the_checksum_that_is_compared_later(s3, monkeypatch, checksums):
    asked = []
    real = s3.create_multipart_upload
    monkeypatch.setattr(s3, "create_multipart_upload", lambda **given: asked.append(given) or real(**given))
    store = Store(S3Storage(bucket="backups"), s3)
    monkeypatch.setattr(store, "checksums", checksums)
    Upload(store, KEY, Stop(), NO_SPOOL).begin()
    algorithm = {"ChecksumAlgorithm": "SHA256"} if checksums else {}
    assert asked == [{"Bucket": "backups", "Key": KEY, "ContentType": "application/octet-stream"} | algorithm]
