"""Restores beside the engine's own tool, which reads a local, decompressed file; and the switch of a database."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.bench.dump import IMAGE, SCALE_PER_GB
from tests.bench.figures import Figure
from tests.bench.mysql import SERVER
from tests.bench.ours import DEADLINE, MIB, a_world, seconds_of
from tests.bench.tools import Shell, a_shell
from tests.bench.turns import GIGABYTES, in_turn, ratio, seconds
from tests.integration.runner.containers import remove
from tests.integration.runner.mysql_server import MARIADB, MYSQL, RESTORER_SECRET, Family, MySQLServer
from tests.integration.runner.pod import Result
from tests.integration.runner.servers import PASSWORD, USER
from tests.integration.runner.world import World

from holdfast.contract.report import RestoreReport
from holdfast.contract.task import BackupTask, Beside, RestoreIdentity, RestoreTask, Task

PSQL = "psql -Xq -v ON_ERROR_STOP=1 -1 -f /tmp/one.sql again"
PG_RESTORE = "pg_restore -e -1 -d again /tmp/one.dump"
PG_RESTORE_2 = "pg_restore -e -j 2 -d again /tmp/one.dump"
RATIOS = (
    ("Holdfast, sql + gzip", "psql < file", 1.2),
    ("Holdfast, custom + gzip", "pg_restore, one session", 1.2),
    ("Holdfast, custom + gzip, 2 jobs", "pg_restore, 2 jobs", 1.2),
)
FORMS = ("sql", "custom")
TABLES = 1000
SWITCH = 2.0  # seconds in which the application cannot write
_SCRATCH = max(3, int(GIGABYTES * 3))  # GiB
_NAMES = Beside(fresh="many_fresh", old="many_before")


def measure(only: Sequence[str]) -> list[Figure]:
    """Measure restores of PostgreSQL into an empty database, each compared with its manifest afterwards."""
    with a_world() as world:
        world.db.create_sample("one", GIGABYTES * SCALE_PER_GB)
        backups = {form: _backed_up(world, world.backup("one", form, deadline_seconds=DEADLINE)) for form in FORMS}
        with a_shell(world, IMAGE, {"PGHOST": world.db.name, "PGUSER": USER, "PGPASSWORD": PASSWORD}) as shell:
            shell("pg_dump one > /tmp/one.sql && pg_dump -Fc -Z0 one > /tmp/one.dump")
            peaks: list[int] = []
            times = in_turn(_candidates(world, shell, backups, peaks), only)
    ratios = [figure for pair in RATIOS for figure in ratio("restore of postgresql", times, *pair)]
    peak = [Figure("restore of postgresql: runner's peak memory", max(peaks) / MIB, "MiB", 150)] if peaks else []
    return [*seconds("restore of postgresql", times), *ratios, *peak]


def _candidates(
    world: World, shell: Shell, backups: Mapping[str, BackupTask], peaks: list[int]
) -> dict[str, Callable[[], float]]:
    def bare(command: str) -> Callable[[], float]:
        return _into_a_new_one(world, shell.timed(command))

    def ours(form: str, jobs: int) -> Callable[[], float]:
        def once() -> float:
            task = world.restore(
                backups[form], "again", jobs=jobs, deadline_seconds=DEADLINE, scratch_bytes=_SCRATCH << 30
            )
            # what is staged lies in memory here, which counts towards the container's limit
            done = world.pod(task, patience=DEADLINE, memory=f"{_SCRATCH + 1}g", scratch=f"{_SCRATCH}g").run()
            peaks.append(restored(done))
            return seconds_of(done)

        return _into_a_new_one(world, once)

    return {
        "psql < file": bare(PSQL),
        "Holdfast, sql + gzip": ours("sql", 1),
        "pg_restore, one session": bare(PG_RESTORE),
        "Holdfast, custom + gzip": ours("custom", 1),
        "pg_restore, 2 jobs": bare(PG_RESTORE_2),
        "Holdfast, custom + gzip, 2 jobs": ours("custom", 2),
    }


def _into_a_new_one(world: World, restore: Callable[[], float]) -> Callable[[], float]:
    """Make the database before each turn, and remove it after; neither is timed."""

    def once() -> float:
        world.db.create("again")
        try:
            return restore()
        finally:
            world.db.sql("postgres", "drop database again")

    return once


def switch(_only: Sequence[str]) -> list[Figure]:
    """Measure how long an application cannot write while a database of a thousand tables is replaced."""
    with a_world() as world:
        world.db.create("many")
        world.db.sql("many", _tables("id int primary key, what text"), USER)
        of_postgres = _switched(world, "postgresql", world.backup("many"))
        return [of_postgres, *(_of_family(world, family) for family in (MYSQL, MARIADB))]


def _of_family(world: World, family: Family) -> Figure:
    name = f"{world.network}-{family.engine}"
    try:
        server = MySQLServer(world.network, name, family, *SERVER)
        server.create("many")
        server.sql(_tables("id int primary key, what varchar(80)"), "many")
        server.let_dump("many")
        server.let_restore("many")
        server.grant("ALL ON `many\\_%`.*", "restorer")
        if family is MYSQL:
            server.grant("SHOW_ROUTINE ON *.*", "restorer")
        task = server.backup(world, "many")
        return _switched(world, family.engine, task, image=family.runner)
    finally:
        remove(name)


def _tables(columns: str) -> str:
    return "".join(f"create table t{number} ({columns});\n" for number in range(TABLES))


def _switched(world: World, engine: str, backup: BackupTask, **pod: Any) -> Figure:
    _backed_up(world, backup, **pod)
    identity = RestoreIdentity(uid="1", namespace="shop", name="many")
    fields: dict[str, Any] = {"mode": "Replace", "beside": _NAMES, "restore": identity, "deadline_seconds": DEADLINE}
    task = RestoreTask.model_validate(
        world.restore(backup, "many").model_dump() | {"database": backup.database.model_dump()} | fields
    )
    secret = {} if engine == "postgresql" else {"database_secret": RESTORER_SECRET}
    took = _came(_run(world, task, **secret, **pod)).switch_seconds
    assert took is not None
    return Figure(f"{engine}: the switch, {TABLES} tables", took, "s", SWITCH)


def _backed_up(world: World, task: BackupTask, **pod: Any) -> BackupTask:
    world.assert_backed_up(task, _run(world, task, **pod))
    return task


def _run(world: World, task: Task, **pod: Any) -> Result:
    return world.pod(task, patience=DEADLINE, memory="512m", **pod).run()


def restored(result: Result) -> int:
    """See that a restore has succeeded; return the peak of its memory, bytes."""
    _came(result)
    return next(int(line["peakMemoryBytes"]) for line in result.lines if line["event"] == "ended")


def _came(result: Result) -> RestoreReport:
    assert result.exit_code == 0, result.log
    assert result.report is not None
    assert result.report.restore is not None
    return result.report.restore
