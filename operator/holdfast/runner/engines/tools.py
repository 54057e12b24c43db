"""Starts the database's own tools and sees them through: every exit code is read, every tool ends with the task.

A tool runs in its own process group (its workers too), so that a stop ends all of it. It sees no
Secret and nothing of the runner (confinement.py); of the environment it gets what a program needs to run, and what its
caller names. What it says on stderr is kept, bounded.
"""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fcntl import F_SETPIPE_SZ, fcntl
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.pod import confinement
from holdfast.runner.pod.text import one_line

PIPE_BYTES = 1 << 20  # a pipe of the default 64 KiB makes four times as many switches between the processes
NEEDED = ("PATH", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")  # the last for SQLite's, which is Python
STDERR_LINES = 40
STDERR_LINE = 1000  # characters


class Tool:
    """One run of a tool. Leaving the block kills whatever of it still runs."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: bool = False,
        stdout: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it; `stdin` and `stdout` say whether there is a pipe (else nothing is read, or kept).

        `environment` is what it needs besides what every program does.
        """
        self.name = command[0]
        program = find(command[0])

        def start() -> "subprocess.Popen[bytes]":
            return subprocess.Popen(
                [program, *command[1:]],
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=minimal() | dict(environment or {}),
                start_new_session=True,
            )

        self._process = confinement.within(start, Path(program))
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                enlarge(pipe.fileno())
        self._lines: deque[str] = deque(maxlen=STDERR_LINES)
        self._reader = threading.Thread(target=self._drain, name=f"{self.name}-stderr", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe into the tool."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe out of the tool."""
        assert self._process.stdout is not None
        return self._process.stdout

    def kill(self) -> None:
        """Kill the tool with its workers, if it still runs."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; return its exit code, or minus the signal that killed it."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        code = self._process.wait()
        self._reader.join(timeout=5)
        return code

    def warnings(self, among: str = " warning: ") -> list[str]:
        """Return the lines among the end of its stderr in which this is."""
        return [one_line(line, 300) for line in self._lines if among in line]

    def said(self) -> str:
        """Return the end of its stderr as one line."""
        return one_line("".join(self._lines), 1000)

    def _drain(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as pipe:
            for line in iter(lambda: pipe.readline(STDERR_LINE), b""):
                self._lines.append(line.decode(errors="replace"))


def minimal() -> dict[str, str]:
    """Return what any program needs of the environment: no task, no proxy, nothing that others put there."""
    return {key: value for key, value in os.environ.items() if key in NEEDED or key.startswith("LC_")}


def find(name: str) -> str:
    """Return a tool's path. Raises ToolNotFound."""
    path = shutil.which(name)
    if path is None:
        raise HoldfastError(
            Reason.TOOL_NOT_FOUND,
            f"{name} is not in this image",
            "use Holdfast's runner image for this engine, for instance with the key postgres-17",
        )
    return path


def version(name: str) -> tuple[str, int]:
    """Return what `NAME --version` says, e.g. `pg_dump (PostgreSQL) 17.5`, and its major version."""
    said = asked_version(name)
    found = re.search(r"\(PostgreSQL\) ((\d+)\S*)", said)
    if found is None:
        raise HoldfastError(Reason.TOOL_NOT_FOUND, f"{name} --version says {said!r}", "use Holdfast's runner images")
    return f"{name} {found[1]}", int(found[2])


def asked_version(name: str) -> str:
    """Return what `NAME --version` says."""
    command = [find(name), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=minimal()).stdout.strip()


def enlarge(descriptor: int) -> None:
    """Make a pipe hold 1 MiB; where the kernel's limit for users forbids it, it stays as it is, only slower."""
    with suppress(PermissionError):
        fcntl(descriptor, F_SETPIPE_SZ, PIPE_BYTES)
