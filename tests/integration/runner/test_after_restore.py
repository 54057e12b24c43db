"""SQL that masks a restored database runs before anybody sees it; where it fails, nothing is switched."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests import yaml_text
from tests.integration.runner.mysql_server import MySQLServer
from tests.integration.runner.pod import Result
from tests.integration.runner.replacing import assert_untouched, backed_up, came, properties, replacing
from tests.integration.runner.servers import USER
from tests.integration.runner.test_mysql_replace import Target
from tests.integration.runner.test_sqlite import NAMES, Claim, claim  # noqa: F401 - the fixture
from tests.integration.runner.world import World, assert_failed

from holdfast.contract.task import BackupTask, Script

MADE = """
create table customers (id int generated always as identity primary key, name text, email text unique);
insert into customers (name, email) select 'Ada ' || n, 'ada' || n || '@shop.example' from generate_series(1, 50) n;
create table sessions (id int);
insert into sessions values (1);
"""
SCRIPT = Script(config_map="mask-orders", key="after-restore.sql")


def of_the_docs() -> str:
    """Return the SQL that docs/how-to/refresh-masked.md shows."""
    page = (Path(__file__).parents[3] / "docs/how-to/refresh-masked.md").read_text()
    shown = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]
    data = next(iter(yaml_text.load_all(shown)))["data"]
    return str(data[SCRIPT.key])


@pytest.fixture(scope="module")
def task(world: World) -> BackupTask:
    """A backup of production, and staging of its own content in its place."""
    made = backed_up(world, "masked", "sql", MADE)
    world.db.sql("masked", "update customers set email = id || '@staging'; create table staging ()", USER)
    return made


def masking(world: World, task: BackupTask, sql: str | None, **changes: Any) -> Any:
    restore = replacing(world, task, "masked", after_restore=SCRIPT, **changes)
    return world.pod(restore, after_restore={} if sql is None else {SCRIPT.key: sql}).run()


@pytest.mark.parametrize(
    ("sql", "code", "reason", "says"),
    [
        pytest.param(None, 1, "AfterRestoreInvalid", "ConfigMap mask-orders does not exist", id="no ConfigMap"),
        pytest.param(
            "update customers set email = 'x';", 7, "AfterRestoreFailed",
            'statement 1: duplicate key value violates unique constraint "customers_email_key"', id="it breaks a rule",
        ),
        pytest.param(
            "delete from sessions;\n\\! touch /tmp/x\n", 7, "AfterRestoreFailed",
            'no statement was run, line 2: syntax error at or near "\\"', id="a command of psql's",
        ),
        pytest.param(
            "delete from sessions; COPY sessions FROM STDIN;", 7, "AfterRestoreFailed",
            "statement 2: COPY from or to the client", id="data from a client",
        ),
        pytest.param(
            "COPY sessions FROM PROGRAM 'id';", 7, "AfterRestoreFailed", "statement 1: permission denied",
            id="a program of the server",
        ),
        pytest.param(
            "delete from sessions; COMMIT; BEGIN; delete from customers;", 7, "AfterRestoreFailed",
            "the SQL itself has ended the transaction", id="a transaction of its own",
        ),
    ],
)  # fmt: skip
def test_sql_that_fails_switches_nothing(
    world: World, task: BackupTask, sql: str | None, code: int, reason: str, says: str
) -> None:
    before = (properties(world, "masked"), world.db.fingerprint("masked"))
    result = masking(world, task, sql)
    assert_failed(result, code, reason, says)
    if code == 7:
        assert "nothing was switched" in result.failure.message
    assert_untouched(world, "masked", before)


def test_data_of_production_that_nothing_masks_are_refused_before_anything_is_made(
    world: World, task: BackupTask
) -> None:
    before = (properties(world, "masked"), world.db.fingerprint("masked"))
    restore = replacing(world, task, "masked", never_unmasked_of=["production"])
    assert_failed(world.pod(restore).run(), 1, "MaskingMissing", "data of production")
    assert_untouched(world, "masked", before)


def test_a_database_is_masked_before_it_takes_its_place_by_the_sql_of_the_docs(world: World, task: BackupTask) -> None:
    report = came(masking(world, task, of_the_docs()))
    assert report.script is not None
    assert report.script.statements == 2
    assert report.rows == 51  # as they were compared, before the SQL
    masked = "select count(*) from customers where email = 'customer-' || id || '@example.invalid'"
    assert world.db.sql("masked", masked, USER) == "50\n"
    assert world.db.sql("masked", "select count(*) from sessions", USER) == "0\n"
    assert world.db.sql("masked", "select count(*) from customers where email like '%shop.example'", USER) == "0\n"


@pytest.fixture(params=["mysql", pytest.param("mariadb", marks=pytest.mark.matrix)])
def target(world: World, request: pytest.FixtureRequest) -> Iterator[Target]:
    server: MySQLServer = request.getfixturevalue(request.param)
    made = Target(world, server, "create table masked_users (id int primary key, email varchar(99)); "
                  "insert into masked_users values (1, 'ada@shop.example'), (2, 'bob@shop.example');")  # fmt: skip
    made.let_replace()
    yield made
    for name in made.schemas():
        server.drop(name)


def run(target: Target, sql: str) -> Any:
    restore = target.restore()
    restore.task = restore.task.model_copy(update={"after_restore": SCRIPT})
    restore.after_restore = {SCRIPT.key: sql}
    return restore.run()


def test_mysql_and_mariadb_mask_before_the_switch_and_switch_nothing_after_a_clients_command(target: Target) -> None:
    result = run(target, "delete from masked_users;\n\\! id\n")
    assert_failed(result, 7, "AfterRestoreFailed", "statement 2: 1064", "nothing was switched")
    target.assert_as_before()
    other = f"{target.name}_other"
    target.server.sql(f"create database {other}; create table {other}.noted (i int)")

    result = run(
        target,
        "update masked_users set email = concat('c', id, '@example.invalid'); select * from masked_users; "
        f"insert into {other}.noted values (1)",
    )

    assert result.exit_code == 0, result.log
    assert result.report.restore.script.statements == 3
    assert [warning for warning in result.report.warnings if f"names other databases, which it may have changed, and "
            f"nothing puts these back: {other}; " in warning]  # fmt: skip
    assert target.server.sql("select email from masked_users order by id", target.name) == (
        "c1@example.invalid\nc2@example.invalid\n"
    )


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("sql", "says"),
    [
        pytest.param("SOURCE /etc/passwd", "statement 1: 1064", id="another file"),
        pytest.param(
            "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE masked_users", "statement 1: ", id="a local file",
        ),
        pytest.param(
            "delete from masked_users; alter table masked_users add x int; update nowhere set a = 1",
            "statement 3: 1146", id="an error after a definition, which has committed",
        ),
        pytest.param("update {}.masked_users set email = ''", "the SQL names the database", id="the live database"),
        pytest.param("USE `{}`", "the SQL has chosen another database with USE", id="another database"),
    ],
)  # fmt: skip
def test_mysql_and_mariadb_switch_nothing_after_an_error(target: Target, sql: str, says: str) -> None:
    assert_failed(run(target, sql.format(target.name)), 7, "AfterRestoreFailed", says, "nothing was switched")
    target.assert_as_before()


@pytest.mark.parametrize("journal", ["delete", pytest.param("wal", marks=pytest.mark.matrix)])
def test_an_sqlite_file_is_masked_before_it_takes_its_place(world: World, claim: Claim, journal: str) -> None:  # noqa: F811
    claim.make(journal)
    claim.sql("insert into orders values (1, 'ada@shop.example')")
    task = claim.backup()
    assert claim.pod(task).run().exit_code == 0
    claim.sql("update orders set words = 'of staging'")

    failed = masked(claim, task, "delete from orders; COMMIT; .shell id")
    assert_failed(
        failed, 7, "AfterRestoreFailed", "statement 2: the SQL runs in one transaction", "nothing was switched"
    )
    assert words(claim.file) == [("of staging",)]

    sql = "update orders set words = n || '@example.invalid'; select * from orders;"
    report = came(masked(claim, task, sql))
    assert report.script is not None
    assert report.script.statements == 2
    assert words(claim.file) == [("1@example.invalid",)]
    assert words(claim.folder / NAMES.old) == [("of staging",)]


def masked(of: Claim, task: BackupTask, sql: str) -> Result:
    """Replace the file with the backup, masked by that."""
    restore = of.task_to_replace(task).model_copy(update={"after_restore": SCRIPT})
    return of.pod(restore, after_restore={SCRIPT.key: sql}).run()


def words(file: Path) -> list[Any]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute("select words from orders").fetchall()
