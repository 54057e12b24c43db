"""Before a restore into production its target is looked at: what the server has is told, and nothing changes."""

from datetime import timedelta
from typing import Any

import pytest
from tests.integration.runner.mysql_server import RESTORER_SECRET, MySQLServer
from tests.integration.runner.pod import Result
from tests.integration.runner.test_mysql_round_trip import backed_up as mysql_backed_up
from tests.integration.runner.test_replace import clients
from tests.integration.runner.world import World, assert_failed, assert_no_secret

from holdfast import clock
from holdfast.contract.report import ImpactReport
from holdfast.contract.task import BackupTask, CheckTask, RestoreIdentity

FLYWAY = """
create table flyway_schema_history (installed_rank integer primary key, version varchar(50),
  description varchar(200) not null, type varchar(20) not null, success boolean not null);
insert into flyway_schema_history values (1, '1', 'init', 'SQL', true);
"""
LATER = """
insert into flyway_schema_history values (2, '2', 'prices', 'SQL', true), (3, '3', 'taxes', 'SQL', true);
"""
IDENTITY = RestoreIdentity(uid="1", namespace="shop", name="again")


def check(of: BackupTask, **changes: Any) -> CheckTask:
    fields = {
        "database": of.database, "restore": IDENTITY, "mode": "Replace", "s3": of.s3, "key_prefix": of.key_prefix,
        "backup_uid": of.backup.uid, "deadline_seconds": 60,
    }  # fmt: skip
    return CheckTask(**(fields | changes))


def seen(result: Result) -> ImpactReport:
    assert result.exit_code == 0, result.log
    assert result.report is not None
    assert result.report.impact is not None
    assert_no_secret(result)
    return result.report.impact


def test_of_postgresql_size_rows_clients_clock_and_undone_migrations_are_told(world: World) -> None:
    # Given a database that has gone on after its backup: two migrations, and rows
    name = "looked at"
    world.db.create(name)
    world.db.sql(name, FLYWAY + "create table orders (id int primary key)", "holdfast")
    task = world.backup(name)
    world.assert_backed_up(task, world.pod(task).run())
    world.db.sql(name, LATER + "insert into orders select generate_series(1, 2000)", "holdfast")
    world.db.sql(name, "analyze", "holdfast")  # in a session of its own: one's own changes are told when it ends
    before, begun = world.db.fingerprint(name), clock.now()

    # When it is looked at while an application is connected
    with clients(world, name):
        found = seen(world.pod(check(task)).run())

    # Then all of it is told, and nothing has changed
    assert (found.present, found.tables, found.rows, found.estimated) == (True, 2, 2003, True)
    assert (found.undone, found.undone_count) == (["Flyway: 2 prices", "Flyway: 3 taxes"], 2)
    assert found.clients is not None
    assert found.clients >= 1
    assert found.size_bytes is not None
    assert found.size_bytes > 1_000_000
    assert found.server_time is not None
    assert begun - timedelta(seconds=5) <= found.server_time <= clock.now() + timedelta(seconds=5)
    assert (found.backup_tables, found.backup_rows) == (2, 1)
    assert found.backup_completed_at is not None
    assert world.db.fingerprint(name) == before


@pytest.mark.matrix
def test_a_target_that_is_not_there_and_a_backup_that_is_not_are_told_apart(world: World) -> None:
    world.db.create("looked for")
    task = world.backup("looked for")
    world.assert_backed_up(task, world.pod(task).run())
    absent = check(task, database=world.database("nowhere to be seen"))
    found = seen(world.pod(absent).run())
    assert (found.present, found.size_bytes, found.undone_count) == (False, None, 0)
    lost = check(task, key_prefix="shop/orders/backup-20200101-000000/")
    assert_failed(world.pod(lost).run(), 6, "BackupNotFound")


def test_of_mysql_and_mariadb_too(world: World, server: MySQLServer) -> None:
    name = f"looked_at_{server.family.engine}"
    server.create_sample(name)
    server.sql(FLYWAY, name)
    task = server.backup(world, name)
    mysql_backed_up(world, server, task)
    server.sql(LATER, name)
    server.let_restore(name)
    before = server.fingerprint(name)

    found = seen(world.pod(check(task), image=server.family.runner, database_secret=RESTORER_SECRET).run())

    assert (found.present, found.estimated) == (True, True)
    assert found.tables == found.backup_tables
    assert found.undone == ["Flyway: 2 prices", "Flyway: 3 taxes"]
    assert found.clients is not None
    assert found.server_time is not None
    assert abs(clock.now() - found.server_time) < timedelta(minutes=1)
    assert found.newest_change is None or found.newest_change <= found.server_time
    assert server.fingerprint(name) == before
