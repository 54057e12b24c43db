"""kubectl against the cluster under test: the tests speak to it as a person does, and read what a person would."""

import json
import subprocess
from typing import Any

from tests.cluster.api import Cluster


class KubectlError(Exception):
    """kubectl refused; the text is what it said."""


class Kubectl:
    """Bound to one context of one kubeconfig, whatever the user's own current context is."""

    def __init__(self, cluster: Cluster) -> None:
        self.argv = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", f"--context={cluster.context}"]
        self.environment = cluster.environment
        self.context = cluster.context

    def __call__(self, *arguments: str, stdin: str | list[dict[str, Any]] | None = None, timeout: float = 60) -> str:
        """Run it and return what it prints; `stdin` is text, or objects for `-f -`. Raises KubectlError."""
        if isinstance(stdin, list):
            # YAML: of a List, kubectl judges the items itself, and a stream that begins as JSON it reads so to the end
            stdin = "".join(f"---\n{json.dumps(each)}\n" for each in stdin)
        done = subprocess.run(
            [*self.argv, *arguments],
            input=stdin, capture_output=True, text=True, timeout=timeout, check=False, env=self.environment,
        )  # fmt: skip
        if done.returncode:
            raise KubectlError(done.stderr.strip())
        return done.stdout
