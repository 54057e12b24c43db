"""A MySQL or MariaDB server that breaks off in the middle of a dump: no success, and nothing is left.

A table that somebody holds locked has the dump stand still when its turn comes, so that nothing depends on speed.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.integration.runner.containers import docker, wait_for
from tests.integration.runner.mysql_server import SOCKET, MySQLServer
from tests.integration.runner.pod import Pod
from tests.integration.runner.servers import USER
from tests.integration.runner.world import World, assert_failed, secrets_in

DATABASE = "broken off"
CONNECTION = "select id from information_schema.processlist where user = '{}' and info like '{}'"


@contextmanager
def mid_dump(server: MySQLServer, pod: Pod) -> Iterator[str]:
    """Hold the dump at its second table; the block runs meanwhile, with the number of its connection."""
    if DATABASE not in server.sql("show databases").splitlines():
        server.create(DATABASE)
        server.let_dump(DATABASE)
        server.sql("create table a as select 1 as one; create table b as select 2 as two", DATABASE)
    docker(
        "exec", "--detach", server.name, server.family.client, "--no-defaults", f"--socket={SOCKET}", "--user=root",
        f"--database={DATABASE}", "--execute=lock tables b write; select sleep(300)",
    )  # fmt: skip
    holder = wait_for(lambda: server.sql(CONNECTION.format("root", "select sleep(300)%")).split(), "the lock")[0]
    pod.start()
    dumping = CONNECTION.format(USER, "%`b`%")
    yield wait_for(lambda: server.sql(dumping).split(), "a dump that waits")[0]
    if server.sql(CONNECTION.format("root", "select sleep(300)%")).split():
        server.sql(f"kill {holder}")


def test_a_connection_that_is_killed_in_the_middle_is_told(world: World, server: MySQLServer) -> None:
    task = server.backup(world, DATABASE)
    pod = world.pod(task, image=server.family.runner)
    with mid_dump(server, pod) as connection:
        seen = pod.processes()
        server.sql(f"kill connection {connection}")
        result = pod.result()
    assert server.family.dump in seen
    assert secrets_in(seen) == []
    assert_failed(result, 7, "DumpFailed", server.family.dump)
    assert "look in its log" in result.failure.remedy
    world.assert_nothing_left(task)


@pytest.mark.matrix
def test_a_dump_tool_that_is_killed_is_no_success(world: World, server: MySQLServer) -> None:
    task = server.backup(world, DATABASE)
    pod = world.pod(task, image=server.family.runner)
    with mid_dump(server, pod):
        tool = server.family.dump
        pod.exec(f"for p in /proc/[0-9]*; do grep -q {tool} $p/comm && kill -9 ${{p#/proc/}}; done; true")
        result = pod.result()
    assert_failed(result, 7, "DumpKilled", f"{tool} was killed by SIGKILL")
    world.assert_nothing_left(task)


@pytest.mark.matrix
def test_sigterm_in_the_middle_leaves_nothing(world: World, server: MySQLServer) -> None:
    task = server.backup(world, DATABASE)
    pod = world.pod(task, image=server.family.runner)
    with mid_dump(server, pod):
        pod.stop()
        result = pod.result()
    assert_failed(result, 9, "Interrupted", "SIGTERM")
    world.assert_nothing_left(task)


@pytest.mark.matrix
def test_the_deadline_ends_a_dump_that_waits_for_a_lock(world: World, server: MySQLServer) -> None:
    task = server.backup(world, DATABASE).model_copy(update={"deadline_seconds": 6})
    pod = world.pod(task, image=server.family.runner)
    with mid_dump(server, pod):
        result = pod.result()
    assert_failed(result, 8, "DeadlineExceeded", "6 seconds")
    world.assert_nothing_left(task)


@pytest.mark.matrix
def test_a_server_that_is_killed_in_the_middle_is_told(world: World, server: MySQLServer) -> None:
    task = server.backup(world, DATABASE)
    pod = world.pod(task, image=server.family.runner)
    with mid_dump(server, pod):
        docker("kill", server.name)
        try:
            result = pod.result()
        finally:
            docker("start", server.name)
            wait_for(server.answers, f"{server.name} to be back", 90)
    assert_failed(result, 7, "DumpFailed", server.family.dump)
    world.assert_nothing_left(task)
