"""kubectl as functions: argument lists, standard output back, and an error that holds kubectl's own words.

Which cluster: KUBECONFIG, and HOLDFAST_CONTEXT where a cluster of the user's own is named by it.
"""

import json
import os
import re
import selectors
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

Manifest = dict[str, Any]

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


class KubectlError(Exception):
    """kubectl ended badly: the command and its own last words. What went in by standard input is not shown."""


def command(*args: str) -> list[str]:
    """The whole command line, with the context where one is named."""
    context = os.environ.get("HOLDFAST_CONTEXT")
    return ["kubectl", *([f"--context={context}"] if context else []), *args]


def kubectl(*args: str, stdin: str | None = None, timeout: float = 120) -> str:
    """Standard output of kubectl. Raises KubectlError where it fails or takes longer than `timeout` seconds."""
    try:
        done = subprocess.run(command(*args), input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise KubectlError(f"kubectl {' '.join(args)[:200]}: no end after {timeout:.0f} s") from error
    if done.returncode:
        words = done.stderr.strip() or done.stdout.strip()[-1500:]
        raise KubectlError(f"kubectl {' '.join(args)[:200]} ended with {done.returncode}: {words[-3000:]}")
    return done.stdout


def apply(manifests: Iterable[Manifest], timeout: float = 120) -> None:
    """Apply them in one go, server-side, so that applying them again changes nothing."""
    items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    kubectl(
        *("apply", "--server-side", "--force-conflicts", "--field-manager=holdfast-tests", "-f", "-"),
        stdin=json.dumps(items),
        timeout=timeout,
    )


def wait_ready(namespace: str, *deployments: str, timeout: float = 180) -> None:
    """Wait until the newest Pods of each Deployment are Ready; where they are not in time, say what their state is."""
    deadline = time.monotonic() + timeout
    for name in deployments:
        left = max(1, int(deadline - time.monotonic()))
        try:
            kubectl(
                *("rollout", "status", "-n", namespace, f"deployment/{name}", f"--timeout={left}s"), timeout=left + 10
            )
        except KubectlError as error:
            raise KubectlError(f"{error}\n{_state(namespace, name)}") from error


def _state(namespace: str, name: str) -> str:
    selector = f"-lapp.kubernetes.io/name={name}"
    pods = kubectl("get", "pods", "-n", namespace, selector, "-o", "wide")
    events = kubectl("get", "events", "-n", namespace, "--sort-by=.lastTimestamp", "--field-selector=type=Warning")
    return f"{pods}{''.join(events.splitlines(keepends=True)[-8:])}"


@contextmanager
def port_forward(namespace: str, target: str, port: int, timeout: float = 30) -> Iterator[int]:
    """A port of this machine that leads to a Pod's; `target` is like `service/s3`. Ends with the block."""
    argv = command("port-forward", "-n", namespace, "--address=127.0.0.1", target, f":{port}")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        try:
            yield _forwarded_port(process.stdout, target, timeout)
        finally:
            process.terminate()


def _forwarded_port(output: IO[bytes], target: str, timeout: float) -> int:
    """Read the port that kubectl chose from its first line; the pipe is read raw, so that a silent one times out."""
    said, deadline = b"", time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            chunk = os.read(output.fileno(), 4096)
            said += chunk
            if found := _FORWARDING.search(said.decode(errors="replace")):
                return int(found[1])
            if not chunk:
                raise KubectlError(f"kubectl port-forward {target} ended: {said.decode(errors='replace').strip()}")
    raise KubectlError(f"kubectl port-forward {target}: no port after {timeout:.0f} s: {said.decode(errors='replace')}")
