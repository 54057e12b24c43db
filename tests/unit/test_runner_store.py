"""The store over HTTP: what a real client makes of answers that a real server gives only on bad days."""

import hashlib
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.auth
import pytest

from holdfast.api.storage import S3Storage
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket import store as stores
from holdfast.runner.bucket.part import Spool
from holdfast.runner.bucket.upload import Upload
from holdfast.runner.pod.context import Places
from holdfast.runner.pod.stop import Stop

BEGUN = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
FAILED_IN_THE_END = b"<?xml version='1.0'?>\n<Error><Code>InternalError</Code><Message>try again</Message></Error>"
COMPLETED = b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"


class BadDay:
    """An S3 server that answers as it is told, and counts."""

    def __init__(self, completions):
        self.seen = Counter()
        self.headers = []
        day = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                """Say nothing."""

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                day.headers.append(dict(self.headers))
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if "uploads" in self.path:
                    return self.answer(200, BEGUN)
                day.seen["complete"] += 1
                return self.answer(200, completions[min(day.seen["complete"], len(completions)) - 1])

            def do_PUT(self):
                day.headers.append(dict(self.headers))
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.answer(200, ETag="x")

            def do_DELETE(self):
                day.seen["delete" if "uploadId" not in self.path else "abort"] += 1
                self.answer(204)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def upload(self, tmp_path, **fields):
        secret = tmp_path / "storage"
        secret.mkdir()
        (secret / "accessKeyID").write_text("key\n")
        (secret / "secretAccessKey").write_text("secret\n")
        s3 = S3Storage(
            bucket="backups", endpoint=f"http://127.0.0.1:{self.server.server_port}", addressing_style="path",
            secret_name="s3", **fields,
        )  # fmt: skip
        store = stores.connect(s3, Places(storage_secret=secret))
        upload = Upload(store, "k", Stop(), Spool(tmp_path, None))
        upload.begin()
        upload.write(b"x")
        return upload


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


def test_an_error_in_the_body_of_a_200_is_no_completion(tmp_path):
    with BadDay([FAILED_IN_THE_END]) as day:
        upload = day.upload(tmp_path)
        with pytest.raises(HoldfastError, match="InternalError") as caught:
            upload.complete()
        assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
        assert day.seen["complete"] == 4
        upload.discard()
        assert (day.seen["abort"], day.seen["delete"]) == (1, 1)


def test_such_an_error_that_passes_is_tried_again(tmp_path):
    with BadDay([FAILED_IN_THE_END, COMPLETED]) as day:
        day.upload(tmp_path).complete()
        assert day.seen["complete"] == 2


def test_each_part_carries_our_own_sha256_and_no_checksum_of_botocores(tmp_path):
    with BadDay([COMPLETED]) as day:
        day.upload(tmp_path).complete()
        _, headers, _ = day.headers
        assert headers["x-amz-checksum-sha256"] == "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE="
        assert not any("crc" in name.lower() or name.lower() == "x-amz-trailer" for name in headers)


@pytest.mark.parametrize("checksums", ["sha256", "readback"])
def test_what_is_signed_is_the_bodys_digest_which_is_not_computed_again_where_it_is_known(
    tmp_path, monkeypatch, checksums
):
    hashed, sha256 = [], botocore.auth.sha256
    monkeypatch.setattr(botocore.auth, "sha256", lambda data=b"": hashed.append(bytes(data)) or sha256(data))
    with BadDay([COMPLETED]) as day:
        day.upload(tmp_path, **({} if checksums == "sha256" else {"checksums": checksums})).complete()
        signed = [headers["X-Amz-Content-SHA256"] for headers in day.headers]
    assert signed[1] == hashlib.sha256(b"x").hexdigest()
    assert signed[0] == hashlib.sha256().hexdigest()
    assert (b"x" in hashed) == (checksums == "readback")


def test_a_store_that_refuses_such_checksums_is_sent_a_content_md5_and_nothing_of_the_new_kind(tmp_path):
    with BadDay([COMPLETED]) as day:
        assert day.upload(tmp_path, checksums="readback").complete() is None
        assert day.headers[1]["Content-MD5"] == "ndTkYSaMgDT1yFZOFVxnpg=="
        assert not any("checksum" in name.lower() for headers in day.headers for name in headers)


def test_how_the_artifact_is_to_be_kept_is_asked_for_as_it_is_begun(tmp_path):
    """SSE-KMS on a real store was not at hand: what is asked for is seen here."""
    fields = {
        "server_side_encryption": {"algorithm": "aws:kms", "kmsKeyID": "alias/backups"}, "storage_class": "GLACIER_IR",
        "tags": {"cost centre": "a b/c"},
    }  # fmt: skip
    with BadDay([COMPLETED]) as day:
        day.upload(tmp_path, **fields).complete()
        begun = day.headers[0]
        assert begun["x-amz-server-side-encryption"] == "aws:kms"
        assert begun["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/backups"
        assert begun["x-amz-storage-class"] == "GLACIER_IR"
        assert begun["x-amz-tagging"] == "cost%20centre=a%20b%2Fc"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"endpoint": "http://"}, Reason.STORAGE_FAILED), ({"secret_name": "absent"}, Reason.SECRET_MISSING)],
)
def test_settings_that_cannot_be_used_are_told(tmp_path, fields, reason):
    s3 = S3Storage.model_construct(**({"bucket": "backups", "region": "eu-central-1"} | fields))
    with pytest.raises(HoldfastError) as caught:
        stores.connect(s3, Places(storage_secret=tmp_path / "absent"))
    assert caught.value.reason is reason
