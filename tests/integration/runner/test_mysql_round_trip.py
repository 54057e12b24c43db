"""A dump of MySQL and of MariaDB comes back whole: by Holdfast's restore, and by the engine's own client alone."""

import gzip
import itertools
from collections.abc import Iterator
from typing import Any

import pyrage
import pytest
from tests.integration.runner.mysql_server import RESTORER_SECRET, MySQLServer, identifier
from tests.integration.runner.pod import Result
from tests.integration.runner.world import World, assert_failed
from tests.stack.fingerprint import differences

from holdfast.contract.task import BackupTask

IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENTS = [str(IDENTITY.to_public())]
IDENTITY_FILE = {"key.txt": str(IDENTITY)}


def backed_up(world: World, server: MySQLServer, task: BackupTask) -> Result:
    result = world.pod(task, image=server.family.runner).run()
    world.assert_backed_up(task, result)
    return result


def restored(world: World, server: MySQLServer, task: BackupTask, target: str, **pod: Any) -> Result:
    """Restore with no more rights than the docs name."""
    server.create(target)
    server.let_restore(target)
    work = world.restore(task, target).model_copy(update={"database": task.database})
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


def product() -> Iterator[Any]:
    """Give every compression, plain and encrypted; what a run has time for is encrypted zstd."""
    for algorithm, encrypted in itertools.product(("gzip", "zstd", "none"), (False, True)):
        if (algorithm, encrypted) != ("gzip", False):  # which all other tests are
            everyday = (algorithm, encrypted) == ("zstd", True)
            yield pytest.param(
                algorithm, encrypted, id=f"{algorithm}, {'age' if encrypted else 'plain'}",
                marks=[] if everyday else [pytest.mark.matrix],
            )  # fmt: skip


@pytest.mark.parametrize(("algorithm", "encrypted"), list(product()))
def test_each_compression_plain_and_encrypted_comes_back(
    world: World, server: MySQLServer, algorithm: str, encrypted: bool
) -> None:
    task = world.backup(algorithm=algorithm, recipients=RECIPIENTS if encrypted else ())
    task = task.model_copy(update={"database": server.database("shop")})
    backed_up(world, server, task)
    target = f"back {algorithm} {encrypted}"
    result = restored(world, server, task, target, age_identity=IDENTITY_FILE if encrypted else None)
    assert result.exit_code == 0, result.log
    assert differences(server.fingerprint("shop"), server.fingerprint(target)) == []


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
