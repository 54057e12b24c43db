"""What answers in a store's stead: a redirect is never followed and says where it points; a web page is no store."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from holdfast.api.storage import S3Storage
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket import store as stores
from holdfast.runner.bucket.answers import redirected
from holdfast.runner.bucket.part import Spool
from holdfast.runner.bucket.upload import Upload
from holdfast.runner.pod.context import Places
from holdfast.runner.pod.stop import Stop

SECRET = "hunter2-the-secret"


@contextmanager
def a_server(status, headers=None, body=b""):
    """Something that gives every request the same answer, and notes the request."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            """Say nothing."""

        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append(f"{self.command} {self.path}")
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the names are http.server's

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


@pytest.fixture
def a_store(tmp_path):
    secret = tmp_path / "storage"
    secret.mkdir()
    (secret / "accessKeyID").write_text("key")
    (secret / "secretAccessKey").write_text(SECRET)
    made = []

    def make(endpoint):
        s3 = S3Storage(bucket="backups", endpoint=endpoint, addressing_style="path", secret_name="s3")
        made.append(stores.connect(s3, Places(storage_secret=secret)))
        return made[-1]

    yield make
    for store in made:
        store.client.close()


REQUESTS = {
    "reading": lambda store, _: store.read("k"),
    "looking": lambda store, _: store.head("k"),
    "writing": lambda store, _: store.create("k", b"x"),
    "listing": lambda store, _: store.keys("p/"),
    "listing uploads": lambda store, _: store.uploads("p/"),
    "streaming": lambda store, _: list(store.chunks("k")),
    "deleting": lambda store, _: store.delete("k"),
    "beginning": lambda store, path: Upload(store, "k", Stop(), Spool(path, None)).begin(),
}


def refusal(store, request, tmp_path):
    with pytest.raises(HoldfastError) as caught:
        REQUESTS[request](store, tmp_path)
    assert SECRET not in f"{caught.value.message} {caught.value.remedy}"
    return caught.value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_says_where_it_points_and_what_to_write(status, a_store, tmp_path):
    with a_server(200) as (there, asked_there):
        away = {"Location": f"{there}/backups/k?token={SECRET}"}
        with a_server(status, away) as (here, asked):
            store = a_store(here)
            for request in REQUESTS:
                asked.clear()
                error = refusal(store, request, tmp_path)
                assert error.reason is Reason.STORAGE_FAILED
                assert f"HTTP {status}: a redirect to {there}, which the Job does not follow" in error.message
                assert error.remedy.endswith(f"set s3.endpoint to {there}")
                assert (len(asked), asked_there) == (1, []), request


@pytest.mark.parametrize(
    ("status", "headers", "body", "sentence"),
    [
        (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>please log in</html>", "HTTP 200 with a web page"),
        (301, {}, b"", "HTTP 301: a redirect without a target"),
        (302, {"Location": "/login?next=/"}, b"<html/>", "a redirect to another page of http://127.0.0.1:"),
        (307, {"Location": "javascript:alert(1)"}, b"", "HTTP 307: a redirect without a target"),
    ],
    ids=["a page", "to nowhere", "to a login page", "to no URL"],
)
def test_what_is_no_store_is_said_to_be_none(status, headers, body, sentence, a_store, tmp_path):
    with a_server(status, headers, body) as (endpoint, _):
        store = a_store(endpoint)
        for request in REQUESTS:
            error = refusal(store, request, tmp_path)
            assert error.reason is Reason.STORAGE_FAILED
            assert sentence in error.message, request
            assert "check that s3.endpoint" in error.remedy


def test_an_answer_without_what_every_answer_has_is_none_of_a_store(a_store, tmp_path):
    with a_server(200) as (endpoint, _):
        store = a_store(endpoint)
        said = [refusal(store, each, tmp_path).message for each in ("looking", "beginning")]
    assert [sentence.rsplit("failed: ")[-1] for sentence in said] == [
        "the answer has no 'ETag'",
        "the answer has no 'UploadId'",
    ]


def test_a_refusal_by_a_web_page_says_so(a_store, tmp_path):
    with a_server(403, {"Content-Type": "text/html"}, b"<html>no</html>") as (endpoint, _):
        error = refusal(a_store(endpoint), "reading", tmp_path)
    assert error.reason is Reason.STORAGE_ACCESS_DENIED
    assert "a web page instead of an S3 answer" in error.message
    assert "a proxy or a login page may have answered" in error.remedy


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        (301, {"x-amz-bucket-region": "eu-central-1"}, "PermanentRedirect"),
        (400, {"x-amz-bucket-region": "eu-central-1"}, "AuthorizationHeaderMalformed"),
        (400, {}, "AuthorizationHeaderMalformed"),
    ],
)
def test_a_bucket_in_another_region_is_said_to_be_there(status, headers, code, a_store, tmp_path):
    region = "<Region>eu-central-1</Region>" if not headers else ""
    body = f"<Error><Code>{code}</Code><Message>elsewhere</Message>{region}</Error>".encode()
    with a_server(status, headers, body) as (endpoint, asked):
        store = a_store(endpoint)
        for request in ("reading", "listing", "beginning"):
            asked.clear()
            error = refusal(store, request, tmp_path)
            assert "region eu-central-1" in error.message + error.remedy
            assert "set s3.region to" in error.remedy
            assert len(asked) <= 2, request


@pytest.mark.parametrize(
    ("endpoint", "location", "shown"),
    [
        ("http://s3:8333", "https://s3:8443/backups/k", "https://s3:8443"),
        ("http://s3", "https://s3.example.com/x?X-Amz-Signature=1", "https://s3.example.com"),
        ("http://s3", "https://backups.s3.example.com/k", "https://s3.example.com"),
        ("http://s3", "https://user:password@s3.example.com/", "https://s3.example.com"),
        ("http://s3", "//other/k", "http://other"),
        ("http://s3", "https://[2001:db8::1]:9000/", "https://[2001:db8::1]:9000"),
        ("https://s3", "http://s3/k", "http://s3, without TLS"),
        ("http://s3", "https://s3\x1b[31m/", None),
        ("http://s3", "https://s3;rm -rf/", None),
        ("http://s3", "https://s3:99999/", None),
        ("http://s3", "https://" + "a" * 300, None),
        ("http://s3", "ftp://s3/", None),
        (None, "https://elsewhere.example/", "https://elsewhere.example"),
    ],
)
def test_where_a_redirect_points_is_shown_without_anything_else_of_it(endpoint, location, shown):
    error = redirected(301, location, None, S3Storage(bucket="backups", endpoint=endpoint))
    if shown is None:
        assert "without a target" in str(error)
    else:
        assert f"redirect to {shown}" in str(error)
    assert not set("\x1b?@;") & set(str(error) + error.remedy)
