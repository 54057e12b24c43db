"""One backup by Holdfast, and its verification: run to the end as a Pod would, seen to be one, and timed."""

import json
import math
import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.figures import Figure
from tests.integration.runner.containers import docker, remove
from tests.integration.runner.pod import Pod, Result
from tests.integration.runner.servers import Postgres, Store
from tests.integration.runner.world import World

from holdfast.api.policy import VerificationLevel
from holdfast.contract.task import BackupTask, VerifyTask

DEADLINE = 3600  # seconds
MIB = 1 << 20
# The container's first process is made before its file systems and limits are: the runner as a child of a shell's is
# as old as the runner.
RUNNER = "holdfast-runner"
IN_A_SHELL: dict[str, Any] = {"options": ["--entrypoint", "sh"], "arguments": ["-c", f"{RUNNER}; exit $?"]}


@contextmanager
def a_world() -> Iterator[World]:
    """A server and a store in containers, gone afterwards."""
    network = f"holdfast-it-{os.getpid()}"
    names = [f"{network}-db", f"{network}-store"]
    docker("network", "create", network)
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        try:
            yield World(Path(folder), network, Postgres(network, names[0]), Store(network, names[1]))
        finally:
            remove(*names)
            docker("network", "rm", network, check=False)


@dataclass(frozen=True)
class Run:
    """One backup by Holdfast."""

    seconds: float  # from its container's start to its end
    memory: int  # peak, bytes
    start: float  # seconds from its process's start to the dump tool's; NaN where that was gone before it was seen


@dataclass
class Ours:
    """The backups of one bench, each as a candidate; and what was learnt of their starts."""

    world: World
    tool: str
    starts: list[float] = field(default_factory=list)

    def backup(self, make: Callable[[], BackupTask], **pod: Any) -> Callable[[], float]:
        """Make a candidate: another backup each time."""

        def once() -> float:
            self.last = make()
            done = run(self.world, self.last, self.tool, **pod)
            self.starts.append(done.start)
            return done.seconds

        return once

    def read_back(self, **pod: Any) -> float:
        """Verify the last backup by reading all of it back; return the seconds of the Pod's container."""
        of = self.last
        task = VerifyTask(
            backup_uid=of.backup.uid, engine=of.database.engine, level=VerificationLevel.READBACK, s3=of.s3,
            key_prefix=of.key_prefix, deadline_seconds=DEADLINE,
        )  # fmt: skip
        result = self.world.pod(task, patience=DEADLINE, database_secret=None, **pod).run()
        assert result.exit_code == 0, result.log
        assert result.report is not None
        assert result.report.verification is not None
        assert "rows" in (result.report.verification.compared or []), result.log
        return seconds_of(result)

    def start(self) -> list[Figure]:
        """Return the median of all starts that were seen."""
        seen = [start for start in self.starts if not math.isnan(start)]
        name = f"from the runner's start to {self.tool}'s, median of {len(seen)}"
        return [Figure(name, statistics.median(seen), "s", 0.5)] if seen else []


def run(world: World, task: BackupTask, tool: str, **pod: Any) -> Run:
    """Run one backup to its end, and see that it is one."""
    fields: dict[str, Any] = {"memory": "512m", "patience": DEADLINE}
    there = world.pod(task, **(fields | IN_A_SHELL | pod)).start()
    there.wait_for_phase("dumping")
    start = _start_of(there, tool)
    result = there.result()
    world.assert_backed_up(task, result)
    ended = next(line for line in result.lines if line["event"] == "ended")
    return Run(seconds_of(result), int(ended["peakMemoryBytes"]), start)


def seconds_of(result: Result) -> float:
    """Return the seconds from its container's start to its end, as the daemon knows them."""
    state = json.loads(result.inspected)["State"]
    return (_moment(state["FinishedAt"]) - _moment(state["StartedAt"])).total_seconds()


def _start_of(pod: Pod, tool: str) -> float:
    """Return the seconds from the start of the runner's process to the tool's, as the kernel knows them."""
    begun: dict[str, float] = {}
    for line in pod.exec("cat /proc/[0-9]*/stat 2>/dev/null || true").splitlines():
        name, _, rest = line.partition("(")[2].rpartition(")")
        begun.setdefault(name, int(rest.split()[19]) / os.sysconf("SC_CLK_TCK"))
    return begun.get(tool, float("nan")) - begun[RUNNER]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:26].rstrip("Z")).replace(
        tzinfo=UTC
    )  # Docker writes nanoseconds, Python reads micro
