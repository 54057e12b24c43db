"""Follows one backup to its end, for a person: what the resource says, and what the Job's Pod logs each second."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from tests.demo.errors import DemoError
from tests.demo.narrator import Narrator
from tests.demo.scene import Scene
from tests.stack.kubectl import command

from holdfast.units import size_for_people

DEADLINE = 900.0  # seconds
PAUSE = 0.3  # seconds between two looks at the resource


def to_the_end(
    scene: Scene, name: str, narrator: Narrator, look: Callable[[str], dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return the status once the backup, or what `look` returns, has Finished.

    Raises DemoError where it does not, or Failed.
    """
    deadline = time.monotonic() + DEADLINE
    teller, told = Teller(narrator), set[str]()
    while True:
        status = (look or scene.backup)(name).get("status") or {}
        teller.resource(status)
        if finished(status):
            return _good(status, name)
        if status.get("phase") == "Running":
            # a log that has ended is read again until the report is in the status; each line has its time in it
            for line in log_lines(scene.namespace, status["jobName"]):
                if line not in told:
                    told.add(line)
                    teller.log(json.loads(line))
        if time.monotonic() > deadline:
            raise DemoError(f"{name} has not finished within {DEADLINE:.0f} s; it says: {status.get('message')}")
        time.sleep(PAUSE)


def finished(status: dict[str, Any]) -> bool:
    """Whether the condition Finished is True: the end, either way."""
    conditions = status.get("conditions", [])
    return any(found["type"] == "Finished" and found["status"] == "True" for found in conditions)


def _good(status: dict[str, Any], name: str) -> dict[str, Any]:
    if status["phase"] == "Succeeded":
        return status
    failure = status.get("failure") or {}
    raise DemoError(f"{name} Failed ({failure.get('reason')}): {failure.get('message')}\n{failure.get('remedy')}")


def log_lines(namespace: str, job: str) -> Iterator[str]:
    """The runner's log lines as they come, until the Pod ends; none where it has no log yet."""
    argv = command("logs", "--follow", "-n", namespace, f"job/{job}")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield from (line for line in process.stdout if line.startswith("{"))
        finally:
            process.terminate()


class Teller:
    """Says each thing once, and shows the figures that move: a bar on a terminal, a line a second elsewhere."""

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator
        self._said = ""
        self._bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=narrator.console,
            transient=True,
        )
        self._task: TaskID | None = None

    def resource(self, status: dict[str, Any]) -> None:
        if self._task is not None:
            self._bar.stop()
        if status.get("phase") not in (None, "Failed"):  # a failure is the error that ends the demo
            self._say(f"{status['phase']}: {status.get('message', '')}")

    def log(self, line: dict[str, Any]) -> None:
        match line.get("event"):
            case "validated":
                size = size_for_people(line["databaseSizeBytes"])
                self._say(f"the Job's Pod: {line['server']}, a database of {size}; {line['tool']}")
            case "progress" if self._narrator.console.is_terminal:
                self._move(line)
            case "progress":
                self._narrator.say(figures(line))
            case "step":
                self._say(f"the Job's Pod: {line['phase']}")

    def _move(self, line: dict[str, Any]) -> None:
        """The database's size on its server is only a measure of what is to come: indexes are not dumped."""
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("", total=line.get("estimatedTotal"))
        self._bar.update(self._task, description=figures(line), completed=line["uncompressedBytes"])

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._narrator.say(text)


def figures(line: dict[str, Any]) -> str:
    """One progress line in words."""
    read, stored = size_for_people(line["uncompressedBytes"]), size_for_people(line["bytes"])
    return f"{line['phase']}: {read} read at {size_for_people(line['rate'])}/s, {stored} stored"
