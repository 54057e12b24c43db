"""A proxy in front of a real S3 store that makes it fail on request; the runner's image runs it, with Python alone.

Each rule is about one stage of a backup's requests:

    {"at": "part", "do": "status", "code": "SlowDown", "status": 503, "times": 2, "skip": 1}

`skip` lets so many requests pass by first; the first rule with something left wins. What `do` may be is in `Handler`.
With `having`, the rule is about requests with that header. `POST /_rules` takes a list of rules, and forgets the old
ones. With `hold`, a request waits first until `POST /_release` comes, for all of them or for those in whose body stands
a text of its list; `POST /_waiting` tells how many wait.
"""

import http.client
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Rule = dict[str, Any]
PORT = 8333
HANG = 32  # seconds; the runner waits 30 for an answer
ERROR = "<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>as the test asked</Message></Error>"
COMPLETED = "<CompleteMultipartUploadResult><ETag>&quot;x&quot;</ETag></CompleteMultipartUploadResult>"


def stage(method: str, target: str) -> str:
    """Say which of a backup's requests this is."""
    url = urlsplit(target)
    manifest, query = url.path.endswith("/manifest.json"), url.query
    if "uploadId=" in query:
        return {"POST": "complete", "PUT": "part", "DELETE": "abort"}.get(method, "other")
    if "uploads" in query:
        return {"POST": "begin", "GET": "uploads"}.get(method, "other")
    if manifest:
        return {"GET": "find", "PUT": "record"}.get(method, "other")
    return {"HEAD": "check", "DELETE": "delete", "GET": "other" if query else "fetch"}.get(method, "other")


class Proxy(ThreadingHTTPServer):
    """Listens, applies the rules, passes the rest on to `upstream`, host:port."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("", PORT), Handler)
        self.upstream = upstream
        self.rules: list[Rule] = []
        self.gone = False
        self.waiting = 0
        self.released = threading.Event()
        self.let_go: list[str] = []
        self._lock = threading.Lock()

    def behave(self, rules: list[Rule]) -> None:
        with self._lock:
            self.rules = [{"times": 10**6, "skip": 0, **rule} for rule in rules]
            self.gone = False
            self.released.set()  # nobody waits for an older rule
            self.released = threading.Event()
            self.let_go = []

    def hold(self, body: bytes) -> None:
        """Wait until this request is released, or HANG seconds."""
        released, until = self.released, time.monotonic() + HANG
        with self._lock:
            self.waiting += 1
        while time.monotonic() < until and not any(text.encode() in body for text in self.let_go):
            if released.wait(0.02):
                break
        with self._lock:
            self.waiting -= 1

    def asked(self, at: str, headers: Message) -> Rule:
        """Return the rule that is about a request, used up by one; none: an empty one."""
        with self._lock:
            for rule in self.rules:
                if rule["at"] == at and rule["times"] > 0 and rule.get("having", "Host") in headers:
                    which = "skip" if rule["skip"] > 0 else "times"
                    rule[which] -= 1
                    if which == "times":
                        return rule
            return {}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Proxy
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/_rules":
            self.server.behave(json.loads(body))
            self._answer(200, "{}")
        elif self.path == "/_waiting":
            self._answer(200, json.dumps({"waiting": self.server.waiting}))
        elif self.path == "/_release":
            self.server.let_go += (texts := json.loads(body))
            if not texts:
                self.server.released.set()
            self._answer(200, "{}")
        elif self.server.gone:
            self._reset()
        else:
            rule = self.server.asked(stage(self.command, self.path), self.headers)
            if rule.get("hold"):
                self.server.hold(body)
            getattr(self, f"_{rule.get('do', 'pass')}")(body, rule)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST  # noqa: N815 - the base's names

    def _pass(self, body: bytes, _rule: Rule) -> None:
        self._give(*self._upstream(body))

    def _status(self, _body: bytes, rule: Rule) -> None:
        """Answer with an error of S3's."""
        self._answer(rule["status"], ERROR.format(code=rule["code"]))

    def _reset(self, _body: bytes = b"", _rule: Rule | None = None) -> None:
        """Reset the connection instead of an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.wfile = self.rfile = open(os.devnull, "r+b")  # type: ignore[assignment]  # noqa: PTH123, SIM115
        self.connection.close()

    def _lose(self, body: bytes, _rule: Rule) -> None:
        """Have it done, and reset the connection instead of the answer."""
        self._upstream(body)
        self._reset()

    def _hang(self, _body: bytes, _rule: Rule) -> None:
        """Say nothing for longer than anybody waits."""
        time.sleep(HANG)
        self._reset()

    def _break(self, body: bytes, rule: Rule) -> None:
        """Break off `after` so many bytes of the answer (below zero: so many before its end), else in its middle."""
        status, headers, data = self._upstream(body)
        self.send_response(status)
        for key, value in headers:
            if key.lower() in ("content-length", "content-type", "etag", "content-range"):
                self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data[: rule.get("after", len(data) // 2)])
        self.wfile.flush()
        self.close_connection = True

    def _overwrite(self, body: bytes, _rule: Rule) -> None:
        """Do it as a store does that passes over If-None-Match: signed anew, since the condition was signed, too."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        dropped = ("if-none-match", "authorization", "expect", "host", "content-length")
        headers = {key: value for key, value in self.headers.items() if key.lower() not in dropped}
        request = AWSRequest(self.command, f"http://{self.server.upstream}{self.path}", headers, body)
        S3SigV4Auth(Credentials(os.environ["ACCESS_KEY"], os.environ["SECRET_KEY"]), "s3", "us-east-1").add_auth(
            request
        )
        self._give(*self._upstream(body, dict(request.headers.items())))

    def _gone(self, _body: bytes, _rule: Rule) -> None:
        """Be gone from now on."""
        self.server.gone = True
        self._reset()

    def _then_gone(self, body: bytes, _rule: Rule) -> None:
        """Do it and answer well, and then be gone."""
        answer = self._upstream(body)
        self.server.gone = True
        self._give(*answer)

    def _pretend(self, _body: bytes, _rule: Rule) -> None:
        """Say that it is done, and do nothing."""
        self._answer(200, COMPLETED if self.command == "POST" else "", ETag='"x"')

    def _inside(self, _body: bytes, _rule: Rule) -> None:
        """Say 200, with an error inside, as S3 does when completing fails late."""
        self._answer(200, ERROR.format(code="InternalError"))

    def _corrupt(self, body: bytes, _rule: Rule) -> None:
        """Change a byte on the way to the store."""
        self._give(*self._upstream(body[:-1] + bytes([body[-1] ^ 1])))

    def _misstate(self, body: bytes, _rule: Rule) -> None:
        """Do it, and state the checksum of something else."""
        status, headers, data = self._upstream(body)
        other = "A" * 43 + "="
        data = re.sub(rb"<ChecksumSHA256>[^-<]*", b"<ChecksumSHA256>" + other.encode(), data)
        kept = [(key, value) for key, value in headers if key.lower() != "x-amz-checksum-sha256"]
        stated = dict(headers).get("x-amz-checksum-sha256", "")
        self._give(status, [*kept, ("x-amz-checksum-sha256", other + stated[44:])], data)

    def _truncate(self, body: bytes, _rule: Rule) -> None:
        """Say of an object that it is smaller than it is."""
        status, headers, data = self._upstream(body)
        self._give(status, [(key, "7" if key.lower() == "content-length" else value) for key, value in headers], data)

    def _upstream(self, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=30)
        try:
            headers = headers or {key: value for key, value in self.headers.items() if key.lower() != "expect"}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _give(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response(status)
        for key, value in headers:
            if key.lower() not in ("connection", "transfer-encoding", "date", "server", "content-length"):
                self.send_header(key, value)
        length = next((value for key, value in headers if key.lower() == "content-length"), str(len(data)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _answer(self, status: int, text: str, **headers: str) -> None:
        self._give(status, list(headers.items()), b"" if self.command == "HEAD" else text.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


if __name__ == "__main__":
    proxy = Proxy(sys.argv[1])
    sys.stderr.write("listening\n")
    proxy.serve_forever()
