"""The upload: what the store answers is checked, memory is bounded, and on any doubt nothing is left of it."""

import hashlib
import random
import threading
import time

import pytest
from botocore.exceptions import ReadTimeoutError
from tests.fake_s3 import FakeS3, client_error, sha256

from holdfast.api.storage import S3Storage
from holdfast.errors import HoldfastError, Reason
from holdfast.runner import upload as uploads
from holdfast.runner.parts import FIRST, MAX_PARTS, MIB, size_of_part
from holdfast.runner.stop import Stop
from holdfast.runner.store import Store
from holdfast.runner.upload import Upload, composite

KEY = "shop/orders/backup-1/pod.sql.gz"
DATA = bytes(range(256)) * (11 * MIB // 256)
INTERRUPTED = HoldfastError(Reason.INTERRUPTED, "told to end", "apply a new one")


@pytest.fixture
def s3():
    return FakeS3()


def an_upload(s3, stop=None):
    upload = Upload(Store(S3Storage(bucket="backups"), s3), KEY, stop or Stop())
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


def test_a_stream_becomes_one_object_with_the_sum_of_its_parts(s3):
    upload = an_upload(s3)
    send(upload)
    checksum = upload.complete()
    assert s3.objects == {KEY: DATA}
    assert s3.uploads == {}
    assert (upload.size, upload.parts, upload.sha256) == (len(DATA), 2, hashlib.sha256(DATA).hexdigest())
    assert checksum == s3.checksum[KEY] == composite([hashlib.sha256(p).digest() for p in (DATA[:FIRST], DATA[FIRST:])])


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


def test_the_largest_object_that_s3_knows_fits_into_its_ten_thousand_parts(s3, monkeypatch):
    """The plan of parts as it is, all sizes a millionth (2^20): 5 TiB become 5 MiB."""
    monkeypatch.setattr("holdfast.runner.upload.size_of_part", lambda number: size_of_part(number) >> 20)
    upload = an_upload(s3)
    data = random.Random(1).randbytes(5 * MIB)
    for start in range(0, len(data), 8):
        upload.write(data[start : start + 8])
    upload.complete()
    assert 9_000 < upload.parts <= MAX_PARTS
    assert s3.objects[KEY] == data


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
    upload = Upload(Store(S3Storage(bucket="backups"), s3), KEY, Stop())
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
    until = time.monotonic() + 20
    while not upload._room._waiters:
        assert thread.is_alive()
        assert time.monotonic() < until
    assert sum(taken) <= uploads.MEMORY + 2 * FIRST
    stop.request(INTERRUPTED)
    thread.join(timeout=5)
    assert not thread.is_alive()
    moving.set()
    upload.discard()
    assert (s3.objects, s3.uploads) == ({}, {})


def test_parts_that_are_still_on_their_way_when_the_upload_is_aborted_are_told(s3, moving, monkeypatch):
    monkeypatch.setattr(uploads, "SETTLE", 0.05)
    upload = an_upload(s3)
    send(upload)
    with pytest.raises(HoldfastError, match=r"1 parts of .* were still on their way"):
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
