"""An operator of the bench's own: the process as it is in the image, on this machine, before the cluster's API."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PORT = 18997


@contextmanager
def an_operator(
    kubeconfig: str, context: str, namespaces: Sequence[str], python: str = sys.executable, running: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run it while the context lasts, watching these namespaces, without a Lease; so many backups run at once."""
    settings = {"images": {"postgres-17": "holdfast-runner-postgres:17"}, "watchNamespaces": list(namespaces)}
    # said only where it counts: releases of before had no queue
    queue = {} if running is None else {"queue": {"maxRunning": running, "maxRunningPerServer": 0}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file, tempfile.TemporaryFile() as log:
        file.write(json.dumps(settings | queue))
        file.flush()
        command = [
            python, "-m", "holdfast.process", "--settings", file.name, "--port", str(PORT), "--no-leader-election",
            "--kubeconfig", kubeconfig, "--context", context,
        ]  # fmt: skip
        with subprocess.Popen(command, stderr=log) as process:
            try:
                yield process
            finally:
                process.terminate()


def memory(pid: int, what: str) -> float:
    """Return the process's `VmRSS` (now) or `VmHWM` (its peak), MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


def busy_seconds(pid: int) -> float:
    """Return the processor time that it has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(float, fields[11:13])) / os.sysconf("SC_CLK_TCK")
