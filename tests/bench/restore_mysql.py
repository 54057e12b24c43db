"""Restores of MySQL and MariaDB beside the client itself, which reads a local, decompressed file."""

import shlex
from collections.abc import Callable, Sequence

from tests.bench.figures import Figure
from tests.bench.mysql import DATABASE, bare_dump, filled
from tests.bench.ours import DEADLINE, MIB, seconds_of
from tests.bench.restore import restored
from tests.bench.turns import in_turn, ratio, seconds
from tests.integration.runner.mysql_server import MARIADB, MYSQL, RESTORER, RESTORER_SECRET, Family, MySQLServer
from tests.integration.runner.servers import PASSWORD
from tests.integration.runner.world import World

from holdfast.api.database import Engine, TLSMode
from holdfast.contract.task import BackupTask, RestoreTask
from holdfast.runner.engines.mysql.flavour import FLAVOURS
from holdfast.runner.engines.mysql.options import option_file

OURS = "Holdfast, sql + gzip"


def mysql(only: Sequence[str]) -> list[Figure]:
    """Measure MySQL."""
    return _measure(MYSQL, only)


def mariadb(only: Sequence[str]) -> list[Figure]:
    """Measure MariaDB."""
    return _measure(MARIADB, only)


def _measure(family: Family, only: Sequence[str]) -> list[Figure]:
    what = f"restore of {family.engine}"
    with filled(family) as (world, server, shell):
        task = server.backup(world, DATABASE, tls={"mode": "disable"}).model_copy(update={"deadline_seconds": DEADLINE})
        world.assert_backed_up(task, world.pod(task, patience=DEADLINE, memory="512m", image=family.runner).run())
        shell(f"printf %s {shlex.quote(option_file(RESTORER, PASSWORD))} > /tmp/restorer.cnf")
        shell(f"{bare_dump(server)} > /tmp/one.sql")
        peaks: list[int] = []
        client = f"{family.client} < file"
        candidates = {
            client: _into_a_new_one(server, shell.timed(f"{_client(server)} again < /tmp/one.sql")),
            OURS: _into_a_new_one(server, lambda: _ours(world, server, task, peaks)),
        }
        times = in_turn(candidates, only)
    peak = [Figure(f"{what}: runner's peak memory", max(peaks) / MIB, "MiB", 150)] if peaks else []
    return [*seconds(what, times), *ratio(what, times, OURS, client, 1.2), *peak]


def _client(server: MySQLServer) -> str:
    flavour = FLAVOURS[Engine(server.family.engine)]
    command = [flavour.client, "--defaults-file=/tmp/restorer.cnf", f"--host={server.name}"]
    return shlex.join([*command, *flavour.tls[TLSMode.DISABLE], *flavour.connects, "--default-character-set=utf8mb4"])


def _ours(world: World, server: MySQLServer, of: BackupTask, peaks: list[int]) -> float:
    into = server.database("again", tls={"mode": "disable"})
    task: RestoreTask = world.restore(of, "again", deadline_seconds=DEADLINE).model_copy(update={"database": into})
    done = world.pod(
        task, patience=DEADLINE, memory="512m", image=server.family.runner, database_secret=RESTORER_SECRET
    ).run()
    peaks.append(restored(done))
    return seconds_of(done)


def _into_a_new_one(server: MySQLServer, restore: Callable[[], float]) -> Callable[[], float]:
    """Make the database before each turn, and remove it after; neither is timed."""

    def once() -> float:
        server.create("again")
        server.let_restore("again")
        try:
            return restore()
        finally:
            server.drop("again")

    return once
