"""The dump's speed and memory: our runner beside the bare tool and beside what people write in shell scripts.

All run in containers on the same machine, against the same server and store, in turn, several rounds; what counts is
the ratio of the medians. Everything is local: nothing here is about a network.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.figures import Figure
from tests.integration.runner.containers import docker, remove
from tests.integration.runner.servers import BUCKET, PASSWORD, USER, Postgres, Store
from tests.integration.runner.world import World

ROUNDS = 3
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
        "AWS_CONFIG_FILE": "/tmp/aws",
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


def ours(world: World, database: str, form: str = "sql", algorithm: str = "gzip") -> tuple[float, int]:
    """Run one backup; return the seconds from its container's start to its end, and its peak memory, bytes."""
    task = world.backup(database, form, algorithm, deadline_seconds=3600, scratch_bytes=8 << 30)
    # a directory dump is staged on a memory volume here, which counts towards the container's limit
    pod = world.pod(task, scratch="8g", memory="12g" if form == "directory" else "512m")
    result = pod.run()
    world.assert_backed_up(task, result)
    ended = next(line for line in result.lines if line["event"] == "ended")
    state = json.loads(result.inspected)["State"]
    took = (_moment(state["FinishedAt"]) - _moment(state["StartedAt"])).total_seconds()
    return took, int(ended["peakMemoryBytes"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:26].rstrip("Z")).replace(
        tzinfo=UTC
    )  # Docker writes nanoseconds, Python reads micro


def measure() -> list[Figure]:
    """Measure dumps of 1 GB beside each other, and the memory at 0.3 and 3 GB."""
    with a_world() as world:
        world.db.create_sample("one", SCALE_PER_GB)
        with a_shell(world) as shell:
            times = _in_turn(world, shell)
        memory = [_memory(world, gigabytes) for gigabytes in (0.3, 3.0)]
    bare, bare_custom = times.pop("pg_dump > /dev/null"), times.pop("pg_dump -Fc -Z0 > /dev/null")
    script = times["pg_dump | gzip | aws s3 cp -"]
    return [
        Figure("pg_dump > /dev/null, 1 GB", bare, "s"),
        Figure("pg_dump -Fc -Z0 > /dev/null, 1 GB", bare_custom, "s"),
        *(Figure(f"{name}, 1 GB", value, "s") for name, value in times.items()),
        Figure("sql + gzip against the bare dump", times["Holdfast sql + gzip"] / bare, "x", 1.5),
        Figure("sql + gzip against pg_dump | gzip | aws s3 cp -", times["Holdfast sql + gzip"] / script, "x", 0.5),
        Figure("sql + gzip against pg_dump | pigz | aws s3 cp -",
               times["Holdfast sql + gzip"] / times["pg_dump | pigz | aws s3 cp -"], "x"),
        Figure("custom + gzip against the bare custom dump", times["Holdfast custom + gzip"] / bare_custom, "x"),
        Figure("runner's peak memory, 0.3 GB", memory[0], "MiB", 150),
        Figure("runner's peak memory, 3 GB", memory[1], "MiB", 150),
    ]  # fmt: skip


def _in_turn(world: World, shell: Callable[[str], float]) -> dict[str, float]:
    upload = f"aws --endpoint-url {world.store.endpoint} s3 cp --quiet - s3://{BUCKET}/bench"
    candidates: dict[str, Callable[[], float]] = {
        "pg_dump > /dev/null": lambda: shell("pg_dump one > /dev/null"),
        "Holdfast sql + gzip": lambda: ours(world, "one")[0],
        "pg_dump | gzip | aws s3 cp -": lambda: shell(f"pg_dump one | gzip | /opt/aws/bin/{upload}"),
        "pg_dump | pigz | aws s3 cp -": lambda: shell(f"pg_dump one | pigz | /opt/aws/bin/{upload}"),
        "pg_dump -Fc -Z0 > /dev/null": lambda: shell("pg_dump -Fc -Z0 one > /dev/null"),
        "Holdfast custom + gzip": lambda: ours(world, "one", "custom")[0],
        "Holdfast directory + gzip, 4 jobs": lambda: ours(world, "one", "directory")[0],
    }
    rounds = [{name: run() for name, run in candidates.items()} for _ in range(ROUNDS)]
    return {name: statistics.median(one[name] for one in rounds) for name in candidates}


def _memory(world: World, gigabytes: float) -> float:
    name = f"size{str(gigabytes).replace('.', '')}"
    world.db.create_sample(name, gigabytes * SCALE_PER_GB)
    return ours(world, name)[1] / MIB
