"""A connection URL that names several servers: the one that it means is dumped, recorded, and restored into."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.integration.runner.pod import Pod
from tests.integration.runner.servers import PASSWORD, USER, Postgres
from tests.integration.runner.world import World, assert_failed

from holdfast.contract.task import Task

FROM_URL = {"host": None, "port": None}


@pytest.fixture(scope="module")
def replica(world: World) -> Iterator[Postgres]:
    """A server that cannot be written to, with a database of the same name and one row less."""
    server = Postgres(world.network, f"{world.network}-replica")
    for there, rows in ((server, 1), (world.db, 2)):
        there.create("several")
        there.sql("several", f"create table t as select generate_series(1, {rows}) as one", USER)
    server.sql("postgres", "alter system set default_transaction_read_only = on")
    server.sql("postgres", "select pg_reload_conf()")
    yield server
    server.remove()


def a_pod(world: World, task: Task, *hosts: str, kind: str) -> Pod:
    user = f"{USER}:{quote(PASSWORD, safe='')}"
    wanted = f"?target_session_attrs={kind}" if kind else ""
    url = f"postgresql://{user}@{','.join(f'{host}:5432' for host in hosts)}/x{wanted}"
    return world.pod(task, database_secret={"url": url})


@pytest.mark.parametrize(
    ("kind", "rows", "form"),
    [
        pytest.param("read-write", 2, "sql", id="rw-sql"),
        pytest.param("read-write", 2, "directory", id="rw-directory", marks=pytest.mark.matrix),
        pytest.param("read-only", 1, "sql", id="ro-sql", marks=pytest.mark.matrix),
        pytest.param("read-only", 1, "directory", id="ro-directory"),
        pytest.param("", 1, "sql", id="any-sql"),
        pytest.param("", 1, "directory", id="any-directory", marks=pytest.mark.matrix),
    ],
)
def test_the_first_of_the_kind_that_is_asked_for_is_dumped_and_recorded(
    world: World, replica: Postgres, kind: str, rows: int, form: str
) -> None:
    task = world.backup("several", form, connection=FROM_URL)
    result = a_pod(world, task, replica.name, world.db.name, kind=kind).run()
    world.assert_backed_up(task, result)
    assert result.report is not None
    assert result.report.backup is not None
    assert result.report.backup.rows == rows
    assert world.manifest(task).database.host == (world.db.name if rows == 2 else replica.name)


def test_one_that_is_gone_is_passed_over(world: World, replica: Postgres) -> None:
    task = world.backup("several", connection=FROM_URL)
    result = a_pod(world, task, "nobody.invalid", world.db.name, kind="").run()
    world.assert_backed_up(task, result)
    assert world.manifest(task).database.host == world.db.name


def test_none_of_the_kind_is_a_failure_that_says_so(world: World, replica: Postgres) -> None:
    task = world.backup("several", connection=FROM_URL)
    result = a_pod(world, task, replica.name, kind="read-write").run()
    assert_failed(result, 3, "ConnectionFailed", "session is read-only")
    assert "target_session_attrs" in result.failure.remedy
    world.assert_nothing_left(task)


@pytest.mark.parametrize("target", ["another host", "where it came from"])
def test_a_restore_takes_another_host_instead_of_all_or_the_one_that_can_be_written_to(
    world: World, replica: Postgres, target: str
) -> None:
    task = world.backup("several", connection=FROM_URL)
    hosts = (replica.name, world.db.name)
    world.assert_backed_up(task, a_pod(world, task, *hosts, kind="read-only").run())
    name = f"several-{target}"
    world.db.create(name)
    restore = world.restore(task, name).model_copy(update={"database": task.database})
    pod = a_pod(world, restore, *hosts, kind="read-only")
    pod.arguments = [f"--target-database={name}"] + [f"--target-host={world.db.name}"] * (target == "another host")
    result = pod.run()
    assert result.exit_code == 0, result.log
    assert world.db.sql(name, "select count(*) from t").strip() == "1"
