"""Runs the runner's image the way its Pod would: read-only, without privileges, Secrets as files, a report file."""

import contextlib
import json
import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.runner.containers import docker, inspect, remove

from holdfast.contract import report as reports
from holdfast.contract import task as tasks
from holdfast.contract.paths import (
    AFTER_RESTORE,
    AGE_IDENTITY,
    DATABASE_CA,
    DATABASE_SECRET,
    POD_UID_VARIABLE,
    RUN,
    SCRATCH,
    STORAGE_SECRET,
    TASK_VARIABLE,
    TERMINATION_LOG,
    VOLUME,
)
from holdfast.contract.report import Report

Line = dict[str, Any]
ALL_PROCESSES = "for f in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do tr '\\0' '\\n' < $f; done 2>/dev/null || true"


@dataclass(frozen=True)
class Result:
    """How a Pod ended."""

    exit_code: int
    report: Report | None
    lines: list[Line]
    log: str
    inspected: str
    processes: str = ""  # arguments and environment of those that were there when a phase began, where it was watched

    @property
    def failure(self) -> reports.FailureReport:
        assert self.report is not None, f"no report; the log: {self.log}"
        assert self.report.failure is not None, f"it succeeded: {self.report}"
        return self.report.failure


@dataclass
class Pod:
    """One Pod of a task."""

    folder: Path
    network: str
    task: tasks.Task
    database_secret: dict[str, str] | None
    storage_secret: dict[str, str] | None
    database_ca: dict[str, str] | None = None
    claim: Path | None = None  # the folder that stands for the claim of an SQLite file
    claim_options: str = "rw"
    user: str = "65532:65532"
    age_identity: dict[str, str] | None = None
    after_restore: dict[str, str] | None = None
    image: str = "holdfast-runner-postgres:17"
    memory: str = "256m"
    scratch: str = "512m"
    patience: float = 150  # seconds until its end is not waited for any more
    arguments: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)  # further ones of `docker run`
    watched: bool = False  # look at all processes whenever a phase begins
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = f"{self.network}-pod-{self.uid[:13]}"
        self._process: subprocess.Popen[str] | None = None
        self._removed = False
        self._text: list[str] = []
        self._news: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        self._phases: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._seen: list[str] = []

    def run(self) -> Result:
        """Run it to its end."""
        self.start()
        return self.result()

    def start(self) -> "Pod":
        log = self.folder / "termination-log"
        log.touch()
        log.chmod(0o666)  # as the kubelet makes it
        mounts = [
            *self._mount(DATABASE_SECRET, self.database_secret),
            *self._mount(STORAGE_SECRET, self.storage_secret),
            *(self._mount(DATABASE_CA, self.database_ca) if self.database_ca is not None else []),
            *(["--volume", f"{self.claim}:{VOLUME}:{self.claim_options}"] if self.claim else []),
            *(self._mount(AGE_IDENTITY, self.age_identity) if self.age_identity is not None else []),
            *(self._mount(AFTER_RESTORE, self.after_restore) if self.after_restore is not None else []),
            "--volume", f"{log}:{TERMINATION_LOG}",
            "--tmpfs", f"{RUN}:size=16m,mode=1777", "--tmpfs", f"{SCRATCH}:size={self.scratch},mode=1777",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            ["docker", "run", "--name", self.name, "--network", self.network, "--read-only", "--user", self.user,
             "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", self.memory,
             "--memory-swap", self.memory, *mounts, "--env", f"{TASK_VARIABLE}={tasks.to_environment(self.task)}",
             "--env", f"{POD_UID_VARIABLE}={self.uid}", *self.options, self.image, *self.arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def wait_for_line(self, matches: Callable[[Line], bool], what: str, seconds: float = 60) -> Line:
        """Wait for a line of the log. Raises AssertionError when it does not come."""
        until = time.monotonic() + seconds
        while True:
            try:
                line = self._news.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line about {what} after {seconds} s; the log: {self.log}") from None
            assert line is not None, f"it ended without a line about {what}; the log: {self.log}"
            if matches(line):
                return line

    def wait_for_phase(self, phase: str) -> Line:
        return self.wait_for_line(lambda line: line.get("phase") == phase, f"phase {phase}")

    @property
    def log(self) -> str:
        return "".join(self._text)

    def exec(self, script: str) -> str:
        """Run a shell script in the container, as its user."""
        return docker("exec", self.name, "sh", "-c", script)

    def processes(self) -> str:
        """Return arguments and environment of every process in the container, as its user sees them."""
        return self.exec(ALL_PROCESSES)

    def kill(self, signal: str = "KILL") -> None:
        docker("kill", "--signal", signal, self.name)

    def stop(self) -> None:
        """End it as the kubelet does: SIGTERM, then SIGKILL after the grace period."""
        docker("stop", "--time", "30", self.name)

    def result(self) -> Result:
        """Wait for its end."""
        assert self._process is not None
        self._process.wait(timeout=self.patience)
        self._reader.join(timeout=10)
        self._watcher.join(timeout=10)
        state = inspect(self.name)
        self.remove()
        text = (self.folder / "termination-log").read_text()
        seen = "".join(self._seen)
        return Result(state["State"]["ExitCode"], reports.parse(text), self.lines, self.log, json.dumps(state), seen)

    @property
    def running(self) -> bool:
        return self._process is not None and not self._removed

    def remove(self) -> None:
        assert self._process is not None
        self._removed = True
        remove(self.name)
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for text in self._process.stdout:
            self._text.append(text)
            line = json.loads(text) if text.startswith("{") else {"event": "other", "text": text}
            self.lines.append(line)
            self._news.put(line)
            if self.watched and "phase" in line:
                self._phases.put(line["phase"])
        self._news.put(None)
        self._phases.put(None)

    def _watch(self) -> None:
        """From beside it, so that it is not held up: what ends at once may be missed."""
        while self._phases.get() is not None:
            with contextlib.suppress(AssertionError):  # it has ended meanwhile
                self._seen.append(self.processes())

    def _mount(self, place: str, secret: dict[str, str] | None) -> list[str]:
        """Mount a Secret; a missing one is an empty folder, as the kubelet makes it for `optional`."""
        folder = self.folder / place.strip("/").replace("/", "-")
        folder.mkdir()
        for key, value in (secret or {}).items():
            (folder / key).write_text(value)
        return ["--volume", f"{folder}:{place}:ro"]
