"""An operator of the bench's own: the process as it is in the image, on this machine, before the cluster's API."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

PORT = 18997


@contextmanager
def an_operator(
    kubeconfig: str,
    context: str,
    namespaces: Sequence[str],
    python: str = sys.executable,
    running: int | None = None,
    log: Path | None = None,
    **more: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run it while the context lasts, watching these namespaces, without a Lease; so many backups run at once.

    `log`: where its lines go; `more`: of its settings.
    """
    settings = {"images": {"postgres-17": "holdfast-runner-postgres:17"}, "watchNamespaces": list(namespaces)}
    # said only where it counts: releases of before had no queue
    queue = {} if running is None else {"queue": {"maxRunning": running, "maxRunningPerServer": 0}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file, _opened(log) as lines:
        file.write(json.dumps(settings | queue | more))
        file.flush()
        command = [
            python, "-m", "holdfast.process", "--settings", file.name, "--port", str(PORT), "--no-leader-election",
            "--kubeconfig", kubeconfig, "--context", context,
        ]  # fmt: skip
        with subprocess.Popen(command, stderr=lines) as process:
            try:
                yield process
            finally:
                process.terminate()


def _opened(log: Path | None) -> IO[bytes]:
    return tempfile.TemporaryFile() if log is None else log.open("wb")


def memory(pid: int, what: str) -> float:
    """Return the process's `VmRSS` (now) or `VmHWM` (its peak), MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


def busy_seconds(pid: int) -> float:
    """Return the processor time that it has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(float, fields[11:13])) / os.sysconf("SC_CLK_TCK")
