"""The store's certificate is checked: by the authority that is given, and by no other; nothing is sent before that."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.integration.runner.certificates import certificate

from holdfast.api.storage import S3Storage
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket import store
from holdfast.runner.pod.context import Places

KEY = "shop/orders/backup-1/manifest.json"


class Bucket(BaseHTTPRequestHandler):
    """Answers every request with the same small object."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self):
        type(self).asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """Two of them, each with a certificate for localhost."""
    folders = [tmp_path_factory.mktemp(name) for name in ("ours", "another")]
    for folder in folders:
        certificate(folder, "localhost")
    return folders


@pytest.fixture
def bucket(authorities):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authorities[0] / "tls.crt", authorities[0] / "tls.key")
    handler = type("Handler", (Bucket,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # a client that does not trust us hangs up
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def opened(bucket, tmp_path, authority=None, host="localhost"):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/accessKeyID").write_text("id")
    (tmp_path / "keys/secretAccessKey").write_text("hush-hush")
    fields = {
        "bucket": "backups", "endpoint": f"https://{host}:{bucket.server_port}", "region": "us-east-1",
        "addressingStyle": "path", "secretName": "s3",
    }  # fmt: skip
    if authority is not None:
        fields["caSecretName"] = "s3-ca"
    places = Places(storage_secret=tmp_path / "keys", storage_ca=authority or tmp_path / "absent")
    return store.connect(S3Storage.model_validate(fields), places)


def test_a_store_is_trusted_by_the_authority_that_is_given(bucket, authorities, tmp_path):
    assert opened(bucket, tmp_path, authorities[0]).read(KEY, 100) == b"{}"


@pytest.mark.parametrize("which", ["none", "another"])
def test_a_store_whose_certificate_nobody_vouches_for_is_asked_for_nothing(bucket, authorities, tmp_path, which):
    authority = authorities[1] if which == "another" else None
    with pytest.raises(HoldfastError, match="certificate verify failed") as caught:
        opened(bucket, tmp_path, authority).read(KEY, 100)
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert "caSecretName" in caught.value.remedy
    assert bucket.RequestHandlerClass.asked == []


def test_a_certificate_of_another_name_is_refused(bucket, authorities, tmp_path):
    with pytest.raises(HoldfastError, match="SSL validation failed"):
        opened(bucket, tmp_path, authorities[0], host="127.0.0.1").read(KEY, 100)
    assert bucket.RequestHandlerClass.asked == []
