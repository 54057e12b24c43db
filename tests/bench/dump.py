"""The dump's speed and memory: our runner beside the bare tool and beside what people write in shell scripts.

All run in containers on the same machine, against the same server and store, in turn, several rounds; what counts is
the ratio of the medians. Everything is local: nothing here is about a network.
"""

import json
import math
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure
from tests.integration.runner.containers import docker, remove
from tests.integration.runner.pod import Pod
from tests.integration.runner.servers import BUCKET, PASSWORD, USER, Postgres, Store
from tests.integration.runner.world import World

from holdfast.contract.task import BackupTask

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
GIGABYTES = float(os.environ.get("BENCH_GB", "1"))
SCRATCH = 8 if GIGABYTES <= 2 else 12  # GiB
OTHERS = ("aws s3 cp -", "--stdin", "s3 cp file")  # how the ways of others end
RECIPIENT = "age1zd5883cj64l8849f66m3724fpavwzaq3pau92lr5fvsgwauxt9lq4px9ek"
IMAGE = "holdfast-bench:latest"
SCALE_PER_GB = 4.0  # the sample is some 250 MB on its server at scale 1
MIB = 1 << 20


@contextmanager
def a_world() -> Iterator[World]:
    """A server and a store in containers, gone afterwards."""
    network = f"holdfast-it-{os.getpid()}"
    names = [f"{network}-db", f"{network}-store"]
    docker("network", "create", network)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        try:
            yield World(Path(folder), network, Postgres(network, names[0]), Store(network, names[1]))
        finally:
            remove(*names)
            docker("network", "rm", network, check=False)


@contextmanager
def a_shell(world: World) -> Iterator[Callable[[str], float]]:
    """A container with the tools of others; gives a function that runs a pipeline in it and returns its seconds."""
    name = f"{world.network}-tools"
    variables = {
        "PGHOST": world.db.name, "PGUSER": USER, "PGPASSWORD": PASSWORD, "AWS_ACCESS_KEY_ID": world.store.access_key,
        "AWS_SECRET_ACCESS_KEY": world.store.secret_key, "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/tmp/aws", "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": "/tmp/restic",
    }  # fmt: skip
    environment = [item for key, value in variables.items() for item in ("--env", f"{key}={value}")]
    docker("run", "--detach", "--name", name, "--network", world.network, *environment, IMAGE)
    docker("exec", name, "sh", "-c", "printf '[default]\\ns3 =\\n  addressing_style = path\\n' > /tmp/aws")

    def seconds(pipeline: str) -> float:
        began = time.monotonic()
        docker("exec", name, "bash", "-o", "pipefail", "-c", pipeline)
        return time.monotonic() - began

    try:
        yield seconds
    finally:
        remove(name)


@dataclass(frozen=True)
class Run:
    """One backup by Holdfast."""

    seconds: float  # from its container's start to its end
    memory: int  # peak, bytes
    start: float  # seconds from its process's start to the dump tool's


def ours(
    world: World, database: str, form: str = "sql", algorithm: str = "gzip", recipients: Sequence[str] = ()
) -> Run:
    """Run one backup to its end, and see that it is one."""
    task = world.backup(
        database, form, algorithm, recipients=recipients, deadline_seconds=3600, scratch_bytes=SCRATCH << 30
    )
    # a directory dump is staged on a memory volume here, which counts towards the container's limit
    staged = form == "directory"
    pod = world.pod(task, scratch=f"{SCRATCH}g", memory=f"{SCRATCH + 4}g" if staged else "512m", patience=3600)
    return run(world, task, pod, "pg_dump")


def run(world: World, task: BackupTask, pod: Pod, tool: str) -> Run:
    """Run a prepared Pod to its end."""
    pod.start()
    pod.wait_for_phase("dumping")
    start = _start_of(pod, tool)
    result = pod.result()
    world.assert_backed_up(task, result)
    ended = next(line for line in result.lines if line["event"] == "ended")
    state = json.loads(result.inspected)["State"]
    took = (_moment(state["FinishedAt"]) - _moment(state["StartedAt"])).total_seconds()
    return Run(took, int(ended["peakMemoryBytes"]), start)


def _start_of(pod: Pod, tool: str) -> float:
    """Return the seconds from the start of the container's first process to the tool's, as the kernel knows them."""
    begun = {}
    for line in pod.exec("cat /proc/[0-9]*/stat 2>/dev/null || true").splitlines():
        name, _, rest = line.partition("(")[2].rpartition(")")
        number = "first" if line.startswith("1 ") else name
        begun.setdefault(number, int(rest.split()[19]) / os.sysconf("SC_CLK_TCK"))
    return begun.get(tool, float("nan")) - begun["first"]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:26].rstrip("Z")).replace(
        tzinfo=UTC
    )  # Docker writes nanoseconds, Python reads micro


def measure() -> list[Figure]:
    """Measure dumps of one database beside each other, the start, and the memory at 0.3 and 3 GB."""
    with a_world() as world:
        world.db.create_sample("one", GIGABYTES * SCALE_PER_GB)
        with a_shell(world) as shell:
            times, start = _in_turn(world, shell)
        memory = [_memory(world, gigabytes) for gigabytes in (0.3, 3.0)]
    bare, bare_custom = times["pg_dump > /dev/null"], times["pg_dump -Fc -Z0 > /dev/null"]
    plain = times["Holdfast sql + gzip"]
    others = [name for name in times if name.endswith(OTHERS)]
    return [
        *(Figure(f"{name}, {GIGABYTES:g} GB", value, "s") for name, value in times.items()),
        Figure("sql + gzip against the bare dump", plain / bare, "x", 1.3),
        Figure("sql + zstd against the bare dump", times["Holdfast sql + zstd"] / bare, "x", 1.25),
        Figure("sql + gzip + age against the bare dump", times["Holdfast sql + gzip + age"] / bare, "x"),
        Figure("custom + gzip against the bare custom dump", times["Holdfast custom + gzip"] / bare_custom, "x", 1.2),
        Figure("custom + zstd against the bare custom dump", times["Holdfast custom + zstd"] / bare_custom, "x", 1.2),
        Figure("directory + gzip against sql + gzip", times["Holdfast directory + gzip, 4 jobs"] / plain, "x", 1),
        *(Figure(f"sql + gzip against {name}", plain / times[name], "x", 1) for name in others),
        Figure("from the runner's start to the dump tool's, median", start, "s", 0.5),
        Figure("runner's peak memory, 0.3 GB", memory[0], "MiB", 150),
        Figure("runner's peak memory, 3 GB", memory[1], "MiB", 150),
    ]


def _in_turn(world: World, shell: Callable[[str], float]) -> tuple[dict[str, float], float]:
    """Return the medians of each candidate's seconds, and of all starts."""
    aws = f"/opt/aws/bin/aws --endpoint-url {world.store.endpoint} s3 cp --quiet"
    target = f"s3://{BUCKET}/bench"
    starts: list[float] = []

    def holdfast(*arguments: Any) -> Callable[[], float]:
        def once() -> float:
            done = ours(world, "one", *arguments)
            starts.append(done.start)
            return done.seconds

        return once

    def restic() -> float:
        repository = f"-r s3:{world.store.endpoint}/{BUCKET}/restic-{uuid.uuid4()}"
        shell(f"restic {repository} init --quiet")
        return shell(f"pg_dump one | restic {repository} backup --quiet --stdin --stdin-filename one.sql")

    candidates: dict[str, Callable[[], float]] = {
        "pg_dump > /dev/null": lambda: shell("pg_dump one > /dev/null"),
        "Holdfast sql + gzip": holdfast(),
        "Holdfast sql + zstd": holdfast("sql", "zstd"),
        "Holdfast sql + gzip + age": holdfast("sql", "gzip", [RECIPIENT]),
        "pg_dump | gzip | aws s3 cp -": lambda: shell(f"pg_dump one | gzip | {aws} - {target}"),
        "pg_dump | pigz | aws s3 cp -": lambda: shell(f"pg_dump one | pigz | {aws} - {target}"),
        "pg_dump | restic backup --stdin": restic,
        "pg_dump > file; gzip file; aws s3 cp file": lambda: shell(
            f"pg_dump one > /tmp/one && gzip -f /tmp/one && {aws} /tmp/one.gz {target} && rm /tmp/one.gz"
        ),
        "pg_dump -Fc -Z0 > /dev/null": lambda: shell("pg_dump -Fc -Z0 one > /dev/null"),
        "Holdfast custom + gzip": holdfast("custom"),
        "Holdfast custom + zstd": holdfast("custom", "zstd"),
        "Holdfast directory + gzip, 4 jobs": holdfast("directory"),
    }
    rounds = [{name: run() for name, run in candidates.items()} for _ in range(ROUNDS)]
    medians = {name: statistics.median(one[name] for one in rounds) for name in candidates}
    return medians, statistics.median(start for start in starts if not math.isnan(start))


def _memory(world: World, gigabytes: float) -> float:
    name = f"size{str(gigabytes).replace('.', '')}"
    world.db.create_sample(name, gigabytes * SCALE_PER_GB)
    return ours(world, name).memory / MIB
