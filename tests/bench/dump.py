"""PostgreSQL: our runner beside the bare tool and beside what people write in shell scripts; and the runner's memory.

All run in containers on the same machine, against the same server and store, in turn, several rounds; what counts is
the ratio of the medians. Everything is local: nothing here is about a network.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from tests.bench.figures import Figure
from tests.bench.ours import DEADLINE, MIB, Ours, a_world, run
from tests.bench.tools import Shell, a_shell
from tests.bench.turns import GIGABYTES, in_turn, ratio, seconds
from tests.integration.runner.servers import BUCKET, PASSWORD, USER
from tests.integration.runner.world import World

from holdfast.contract.task import BackupTask

ENGINE = "postgresql"
IMAGE = "holdfast-bench:latest"
SCRATCH = 8 if GIGABYTES <= 2 else 12  # GiB
SCALE_PER_GB = 4.0  # the sample is some 250 MB on its server at scale 1
RECIPIENT = "age1zd5883cj64l8849f66m3724fpavwzaq3pau92lr5fvsgwauxt9lq4px9ek"
VARIABLES = {"PGUSER": USER, "PGPASSWORD": PASSWORD}
BARE, BARE_CUSTOM = "pg_dump > /dev/null", "pg_dump -Fc -Z0 > /dev/null"
GZIP = "Holdfast sql + gzip"
# Holdfast's candidate, against which other, the most that it should be.
RATIOS = (
    (GZIP, BARE, 1.3),
    ("Holdfast sql + zstd", BARE, 1.25),
    ("Holdfast sql + gzip + age", BARE, None),
    ("Holdfast custom + gzip", BARE_CUSTOM, 1.2),
    ("Holdfast custom + zstd", BARE_CUSTOM, 1.2),
    ("Holdfast directory + gzip, 4 jobs", GZIP, 1),
    (GZIP, "pg_dump | gzip | aws s3 cp -", 1),
    (GZIP, "pg_dump | pigz | aws s3 cp -", 1),
    (GZIP, "pg_dump | restic backup --stdin", 1),
    (GZIP, "pg_dump > file; gzip file; aws s3 cp file", 1),
    ("readback of Holdfast sql + gzip", GZIP, None),
)


def measure(only: Sequence[str]) -> list[Figure]:
    """Measure dumps of one database beside each other, the start, and what verifying costs."""
    with a_world() as world:
        world.db.create_sample("one", GIGABYTES * SCALE_PER_GB)
        with a_shell(world, IMAGE, {"PGHOST": world.db.name, **VARIABLES}) as shell:
            ours = Ours(world, "pg_dump")
            times = in_turn(_candidates(ours, shell), only)
    ratios = [figure for pair in RATIOS for figure in ratio(ENGINE, times, *pair)]
    return [*seconds(ENGINE, times), *ratios, *ours.start()]


def own(_only: Sequence[str]) -> list[Figure]:
    """Measure the processor time of Holdfast's own process, by step, beside what others take for the same bytes."""
    with a_world() as world:
        world.db.create_sample("one", GIGABYTES * SCALE_PER_GB)
        with a_shell(world, IMAGE, {"PGHOST": world.db.name, **VARIABLES}) as shell:
            return shell.own(ENGINE, "pg_dump one")


def memory(_only: Sequence[str]) -> list[Figure]:
    """Measure the peak of the runner's memory at 0.3 and 3 GB."""
    with a_world() as world:
        return [
            Figure(f"runner's peak memory, {gigabytes:g} GB", _memory(world, gigabytes), "MiB", 150)
            for gigabytes in (0.3, 3.0)
        ]


def _candidates(ours: Ours, shell: Shell) -> dict[str, Callable[[], float]]:
    aws, target = shell.aws, shell.target

    def holdfast(*arguments: Any) -> Callable[[], float]:
        # a directory dump is staged on a memory volume here, which counts towards the container's limit
        limit = f"{SCRATCH + 4}g" if "directory" in arguments else "512m"
        return ours.backup(lambda: _task(ours.world, "one", *arguments), scratch=f"{SCRATCH}g", memory=limit)

    def restic() -> float:
        repository = f"-r s3:{ours.world.store.endpoint}/{BUCKET}/restic-{uuid.uuid4()}"
        shell(f"restic {repository} init --quiet")
        return shell(f"pg_dump one | restic {repository} backup --quiet --stdin --stdin-filename one.sql")

    return {
        BARE: shell.timed("pg_dump one > /dev/null"),
        GZIP: holdfast(),
        "readback of Holdfast sql + gzip": ours.read_back,
        "Holdfast sql + zstd": holdfast("sql", "zstd"),
        "Holdfast sql + gzip + age": holdfast("sql", "gzip", [RECIPIENT]),
        "pg_dump | gzip | aws s3 cp -": shell.timed(f"pg_dump one | gzip | {aws} - {target}"),
        "pg_dump | pigz | aws s3 cp -": shell.timed(f"pg_dump one | pigz | {aws} - {target}"),
        "pg_dump | restic backup --stdin": restic,
        "pg_dump > file; gzip file; aws s3 cp file": shell.timed(
            f"pg_dump one > /tmp/one && gzip -f /tmp/one && {aws} /tmp/one.gz {target} && rm /tmp/one.gz"
        ),
        BARE_CUSTOM: shell.timed("pg_dump -Fc -Z0 one > /dev/null"),
        "Holdfast custom + gzip": holdfast("custom"),
        "Holdfast custom + zstd": holdfast("custom", "zstd"),
        "Holdfast directory + gzip, 4 jobs": holdfast("directory"),
    }


def _task(
    world: World, database: str, form: str = "sql", algorithm: str = "gzip", recipients: Sequence[str] = ()
) -> BackupTask:
    return world.backup(
        database, form, algorithm, recipients=recipients, deadline_seconds=DEADLINE, scratch_bytes=SCRATCH << 30
    )


def _memory(world: World, gigabytes: float) -> float:
    name = f"size{str(gigabytes).replace('.', '')}"
    world.db.create_sample(name, gigabytes * SCALE_PER_GB)
    return run(world, _task(world, name), "pg_dump").memory / MIB
