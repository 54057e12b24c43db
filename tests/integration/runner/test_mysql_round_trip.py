"""A dump of MySQL and of MariaDB comes back whole: by Holdfast's restore, and by the engine's own client alone."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.runner.mysql_server import RESTORER_SECRET, MySQLServer, identifier
from tests.integration.runner.pod import Result
from tests.integration.runner.replacing import came
from tests.integration.runner.ways_back import (
    BESIDE,
    ELSEWHERE,
    REPLACED,
    TARGETS,
    Way,
    cases,
    each_value,
    product,
)
from tests.integration.runner.world import World, assert_failed
from tests.stack.fingerprint import differences

from holdfast.api.restoring import RestoreMode
from holdfast.contract.task import BackupTask, Beside

FORM = "sql"


def backed_up(world: World, server: MySQLServer, task: BackupTask) -> Result:
    result = world.pod(task, image=server.family.runner).run()
    world.assert_backed_up(task, result)
    return result


def restored(world: World, server: MySQLServer, task: BackupTask, target: str, **pod: Any) -> Result:
    """Restore with no more rights than the docs name."""
    server.create(target)
    server.let_restore(target)
    work = world.restore(task, target).model_copy(update={"database": server.database("shop")})
    arguments = [f"--target-database={target}"]
    fields = {"image": server.family.runner, "arguments": arguments, "database_secret": RESTORER_SECRET}
    return world.pod(work, **(fields | pod)).run()


def test_a_backup_restores_with_equal_content(world: World, server: MySQLServer) -> None:
    task = server.backup(world)
    result = backed_up(world, server, task)
    manifest = world.manifest(task)
    assert manifest.verification.file_readable == "end of dump seen"
    assert manifest.tool.name == server.family.dump
    assert result.report is not None
    assert [warning for warning in result.report.warnings if "logs (MyISAM)" in warning]

    by_us = restored(world, server, task, "by us")
    assert by_us.exit_code == 0, by_us.log
    assert differences(server.fingerprint("shop"), server.fingerprint("by us")) == []

    server.create("by its own client")
    server.let_restore("by its own client")
    server.sql(gzip.decompress(world.store.read(manifest.artifact.key)).decode(), "by its own client")
    assert differences(server.fingerprint("shop"), server.fingerprint("by its own client")) == []


@pytest.fixture
def elsewhere(server: MySQLServer, request: pytest.FixtureRequest) -> MySQLServer:
    """Another server of that engine."""
    found: MySQLServer = request.getfixturevalue(f"{server.family.engine}_elsewhere")
    return found


@pytest.fixture(scope="module")
def stored(world: World) -> Callable[[MySQLServer, Way], BackupTask]:
    """Back the sample up, once for all targets."""
    there: dict[tuple[str, str, bool], BackupTask] = {}

    def of(server: MySQLServer, way: Way) -> BackupTask:
        key = (server.name, way.algorithm, way.encrypted)
        if key not in there:
            task = world.backup(algorithm=way.algorithm, recipients=way.recipients)
            there[key] = task.model_copy(update={"database": server.database("shop")})
            backed_up(world, server, there[key])
        return there[key]

    return of


PLAINEST = Way(FORM, "gzip", False, BESIDE)  # which the test above is, and most others


@pytest.mark.parametrize("way", cases([way for way in product([FORM]) if way != PLAINEST], each_value(FORM)))
def test_each_compression_plain_and_encrypted_comes_back_to_each_target(
    world: World, server: MySQLServer, elsewhere: MySQLServer, stored: Callable[[MySQLServer, Way], BackupTask],
    way: Way,
) -> None:  # fmt: skip
    task, before = stored(server, way), server.fingerprint("shop")
    there = elsewhere if way.target == ELSEWHERE else server
    name = f"back_{way.algorithm}_{way.encrypted}_{TARGETS.index(way.target)}"
    if way.target == REPLACED:
        there.create(name)
        there.sql("create table live as select 1 as one", name)
        live = there.fingerprint(name)
        names = Beside(fresh=f"{name}_fresh", old=f"{name}_old")
        there.let_replace(name)
        fields = {"database": there.database(name), "mode": RestoreMode.REPLACE, "beside": names}
        work = world.restore(task, name).model_copy(update=fields)
        pod = world.pod(work, image=there.family.runner, database_secret=RESTORER_SECRET, age_identity=way.identity)
        result = pod.run()
    else:
        result = restored(world, there, task, name, age_identity=way.identity)
    report = came(result)
    assert differences(before, there.fingerprint(name)) == []
    if way.target == REPLACED:
        assert report.replaced == names.old
        assert live.items() <= there.fingerprint(names.old).items()  # which has a table of Holdfast's own, too
    for database in there.schemas(name):
        there.drop(database)


@pytest.mark.matrix
def test_an_empty_database_is_backed_up(world: World, server: MySQLServer) -> None:
    server.create("empty")
    server.let_dump("empty")
    task = server.backup(world, "empty")
    backed_up(world, server, task)
    assert restored(world, server, task, "empty again").exit_code == 0


def test_what_the_dump_tool_cannot_write_as_it_is_is_named(world: World, server: MySQLServer) -> None:
    server.create("inexact")
    server.let_dump("inexact")
    server.sql(
        "create table t (f float, e enum('a', '🎉'), s set('b', '?')); insert into t values (1, 'a', 'b')", "inexact"
    )
    result = backed_up(world, server, server.backup(world, "inexact"))
    assert result.report is not None
    floats, values = result.report.warnings
    assert floats.startswith("not exact: t.f: ")
    assert "writes only six digits of a FLOAT" in floats
    assert "not exact: t.e, t.s: a '?' in a value may replace a character" in values


def test_a_restore_refuses_a_database_that_is_not_empty(world: World, server: MySQLServer) -> None:
    task = server.backup(world)
    backed_up(world, server, task)
    before = server.fingerprint("shop")
    server.let_restore("shop")
    work = world.restore(task, "shop").model_copy(update={"database": task.database})
    result = world.pod(work, image=server.family.runner, database_secret=RESTORER_SECRET).run()
    assert_failed(result, 1, "TargetNotEmpty", "'shop'", "a_view_that_is_needed_later")
    assert server.fingerprint("shop") == before


NAMES = [
    "with space",
    'it\'s "quoted" `back`',
    "$HOME $$ ${HOME}",
    r"back\sla\\sh",
    "a%b_c",
    "ünïcödé 桜",
    "-dash",
    "a/b.c",
]


@pytest.mark.parametrize(
    "name", [NAMES[1], *(pytest.param(name, marks=pytest.mark.matrix) for name in NAMES if name != NAMES[1])]
)
def test_a_database_is_backed_up_and_restored_by_its_very_name(world: World, server: MySQLServer, name: str) -> None:
    server.create(name)
    server.let_dump(name)
    server.sql("create table who as select database() as am_i", name)
    task = server.backup(world, name)
    backed_up(world, server, task)
    assert world.manifest(task).database.name == name
    server.drop(name)
    result = restored(world, server, task, name)
    assert result.exit_code == 0, result.log
    assert server.sql(f"select am_i = database() from {identifier(name)}.who", name) == "1\n"
