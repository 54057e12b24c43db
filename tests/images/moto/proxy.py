#!/usr/bin/env python3
"""A proxy in front of moto's server that makes RDS behave as AWS can: slow, throttled, refusing, losing an answer.

moto's snapshots are available at once and nothing fails in it. Each rule is about one action of the API:

    {"action": "DescribeDBSnapshots", "times": 2, "set": {"Status": "creating", "PercentProgress": "40"}}
    {"action": "CreateDBSnapshot", "times": 1, "code": "Throttling", "status": 400}
    {"action": "CreateDBSnapshot", "times": 1, "lose": true}

`skip` lets so many requests pass it by first, `region` narrows a rule to one; the first rule with something left wins.
`POST /_rules` takes a list of them, `GET /_calls` lists what was asked for. Standard library only: it runs in an image.
"""

import http.client
import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Rule = dict[str, Any]
ERROR = """<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{code}, as the test asked</Message>
</Error><RequestId>test</RequestId></ErrorResponse>"""


class Proxy(ThreadingHTTPServer):
    """Listens, applies the rules, passes the rest on to `upstream`."""

    daemon_threads = True

    def __init__(self, upstream: str, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        super().__init__(address, Handler)
        self.upstream = upstream
        self.rules: list[Rule] = []
        self.calls: list[str] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]}:{self.server_address[1]}"

    def behave(self, *rules: Rule) -> None:
        with self._lock:
            self.rules = [{"times": 10**6, "skip": 0, **rule} for rule in rules]

    def asked(self, action: str, region: str) -> Rule | None:
        """Note the call; return the rule that is about it, used up by one."""
        with self._lock:
            self.calls.append(action)
            for rule in self.rules:
                if rule["action"] == action and rule.get("region", region) == region and rule["times"] > 0:
                    which = "skip" if rule["skip"] > 0 else "times"
                    rule[which] -= 1
                    if which == "times":
                        return rule
            return None


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Proxy
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/_rules":
            self.server.behave(*json.loads(body))
            self._answer(200, b"{}", "application/json")
            return
        form = parse_qs(body.decode(errors="replace"))
        if "Action" not in form:
            self._pass_on(body)
            return
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/", self.headers.get("Authorization", ""))
        rule = self.server.asked(form["Action"][0], scope[1] if scope else "")
        if rule is not None and "code" in rule:
            self._answer(rule.get("status", 400), ERROR.format(code=rule["code"]).encode(), "text/xml")
        else:
            self._pass_on(body, rule or {})

    def do_GET(self) -> None:
        if self.path == "/_calls":
            self._answer(200, json.dumps(self.server.calls).encode(), "application/json")
        else:
            self._pass_on(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the base's names

    def _pass_on(self, body: bytes, rule: Rule | None = None) -> None:
        target = urlsplit(self.server.upstream)
        connection = http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=30)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            data, kind = answer.read(), answer.headers
        finally:
            connection.close()
        if rule and rule.get("lose"):
            self.close_connection = True
            return
        text = data
        for name, value in (rule or {}).get("set", {}).items():
            text = _set(text.decode(), name, value).encode()
        self.send_response(answer.status)
        for key, value in kind.items():
            if key.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(key, value)
        length = kind["Content-Length"] if self.command == "HEAD" and kind["Content-Length"] else str(len(text))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(text)

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


def _set(text: str, name: str, value: str) -> str:
    """Give an element of every resource in the answer another value; where it has none, beside its ARN."""
    element = f"<{name}>{value}</{name}>"
    changed, count = re.subn(rf"<{name}>[^<]*</{name}>|<{name} ?/>", element, text)
    return changed if count else re.sub(r"(<DB\w+Arn>[^<]*</DB\w+Arn>)", rf"\1{element}", text)


if __name__ == "__main__":
    sys.stderr.write(f"proxy on :{os.environ['PORT']} in front of {os.environ['UPSTREAM']}\n")
    Proxy(os.environ["UPSTREAM"], ("", int(os.environ["PORT"]))).serve_forever()
