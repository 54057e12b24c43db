"""Requests to the API server one after the other over one connection: hundreds take seconds, as kubectl's take minutes.

`kubectl proxy` logs in, whatever way the kubeconfig says; here, one only says as whom.
"""

import contextlib
import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.e2e.kubectl import Kubectl


@dataclass
class Direct:
    """The API server, asked as one account."""

    connection: http.client.HTTPConnection
    account: str

    def get(self, path: str) -> Any:
        return self._asked("GET", path, None)[1]

    def create(self, job: dict[str, Any]) -> dict[str, Any] | str:
        """Ask what would be created; return it, or what the API server says against it."""
        path = f"/apis/batch/v1/namespaces/{job['metadata']['namespace']}/jobs?dryRun=All"
        status, answer = self._asked("POST", path, job)
        return answer if status == 201 else str(answer["message"])

    def refusal(self, job: dict[str, Any]) -> str:
        """Return what the API server says against such a Job; nothing where it would be created."""
        answer = self.create(job)
        return answer if isinstance(answer, str) else ""

    def _asked(self, verb: str, path: str, body: Any) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "Impersonate-User": self.account}
        self.connection.request(verb, path, json.dumps(body) if body else None, headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


@contextlib.contextmanager
def directly(kubectl: Kubectl, account: str) -> Iterator[Direct]:
    command = [*kubectl.argv, "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=kubectl.environment) as proxy:
        try:
            assert proxy.stdout is not None
            said = proxy.stdout.readline()
            port = re.search(r"127\.0\.0\.1:(\d+)", said)
            assert port, f"kubectl proxy: {said}"
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=30)) as connection:
                yield Direct(connection, account)
        finally:
            proxy.terminate()
