"""What is wrong about a MySQL or MariaDB database has its exit code, a reason and a remedy; and leaves nothing."""

from typing import Any
from urllib.parse import quote

import pytest
from tests.integration.runner.mysql_server import MySQLServer
from tests.integration.runner.servers import PASSWORD, USER
from tests.integration.runner.world import DATABASE_SECRET, World, assert_failed

from holdfast.api.policy import Format

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], int, str, list[str]]] = {
    "the password is wrong": (
        {}, {"database_secret": {"username": USER, "password": "wrong"}}, 3, "AuthenticationFailed",
        ["the user in Secret orders-db, key username", "database 'shop'", ":3306"],
    ),
    "the user is unknown": (
        {}, {"database_secret": DATABASE_SECRET | {"username": "nobody"}}, 3, "AuthenticationFailed",
        ["the user in Secret orders-db, key username"],
    ),
    "the user has no right on the database": (
        {"name": "mysql"}, {}, 3, "AuthenticationFailed", ["database 'mysql'", "Access denied"],
    ),
    "the URL is none": (
        {"host": None}, {"database_secret": {"url": f"mysql://u:%zz{PASSWORD}@h/d"}}, 1, "SecretInvalid", ["key url"],
    ),
    "the password is too long for an option file": (
        {}, {"database_secret": {"username": USER, "password": "x" * 4000}}, 1, "SecretInvalid", ["key password"],
    ),
    "the format is PostgreSQL's": ({"dump": {"format": Format.CUSTOM}}, {}, 1, "InvalidTask", ["format custom"]),
}  # fmt: skip
QUICK = ("the password is wrong", "the user has no right on the database")


def marked(name: str) -> Any:
    return pytest.param(*CASES[name], id=name, marks=[] if name in QUICK else [pytest.mark.matrix])


@pytest.mark.parametrize(("changes", "pod_changes", "code", "reason", "says"), [marked(name) for name in CASES])
def test_bad_input_is_told_with_its_remedy(
    world: World, server: MySQLServer, changes: dict[str, Any], pod_changes: dict[str, Any], code: int, reason: str,
    says: list[str],
) -> None:  # fmt: skip
    said = dict(changes)
    dump = said.pop("dump", None)
    task = server.backup(world, said.pop("name", "shop"), **said)
    if dump:
        task = task.model_copy(update={"dump": task.dump.model_copy(update=dump)})
    result = world.pod(task, image=server.family.runner, **pod_changes).run()
    assert_failed(result, code, reason, *says)
    assert "wrong" not in result.log.replace("wrong password", "")
    world.assert_nothing_left(task)


@pytest.mark.matrix
def test_a_database_that_is_not_there_is_told_to_a_user_who_may_know(world: World, server: MySQLServer) -> None:
    server.create_user("sees_all")
    server.grant("SELECT ON *.*", "sees_all")
    task = server.backup(world, "Nowhere")
    secret = DATABASE_SECRET | {"username": "sees_all"}
    result = world.pod(task, image=server.family.runner, database_secret=secret).run()
    assert_failed(result, 3, "DatabaseNotFound", "'Nowhere'")
    world.assert_nothing_left(task)


@pytest.mark.matrix
def test_nobody_who_answers_is_told_after_some_tries(world: World, server: MySQLServer) -> None:
    """The two wait for 15 seconds: they do so at the same time."""
    cases = {
        "HostNotFound": (server.backup(world, host="no-such-host.invalid"), "no-such-host.invalid"),
        "ConnectionRefused": (server.backup(world, port=3307), ":3307"),
    }
    pods = {reason: world.pod(task, image=server.family.runner).start() for reason, (task, _) in cases.items()}
    for reason, (task, says) in cases.items():
        assert_failed(pods[reason].result(), 3, reason, says)
        world.assert_nothing_left(task)


ON_DATABASE = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")


@pytest.mark.parametrize(
    "right", ["EVENT", *(pytest.param(right, marks=pytest.mark.matrix) for right in (*ON_DATABASE[:3], "routines"))]
)
def test_each_right_that_is_missing_is_named_and_is_enough_when_it_is_granted(
    world: World, server: MySQLServer, right: str
) -> None:
    user = f"lacks {right}"
    server.create_user(user)
    of_all = f"{', '.join(given for given in ON_DATABASE if given != right)} ON `shop`.*"
    routines = server.family.routines[0].format("`shop`")
    server.grant(of_all, user)
    if right != "routines":
        server.grant(routines, user)

    task = server.backup(world)
    secret = DATABASE_SECRET | {"username": user}
    result = world.pod(task, image=server.family.runner, database_secret=secret).run()
    assert_failed(result, 7, "DumpFailed", "has no right to see the whole database")
    wanted = routines if right == "routines" else f"{right} ON `shop`.*"
    assert result.failure.remedy == f"GRANT {wanted} TO the_user@`%`;"
    world.assert_nothing_left(task)

    server.sql(result.failure.remedy.replace("the_user", f"`{user}`"))
    again = server.backup(world)
    world.assert_backed_up(again, world.pod(again, image=server.family.runner, database_secret=secret).run())


PASSWORDS = [
    "a:b\\:c\\",
    "$$ $(HOME) $HOME ${HOME}", " sp ace ", "'\"`;", "100%25#?/@&=", "# no comment", "!include /etc/passwd",
    "ünï🦊桜", "two\nlines\tand\ra tab", "[client]",
]  # fmt: skip


@pytest.mark.parametrize(
    "password",
    [PASSWORDS[8], *(pytest.param(each, marks=pytest.mark.matrix) for each in PASSWORDS if each != PASSWORDS[8])],
)
def test_a_password_opens_the_database_whatever_is_in_it(world: World, server: MySQLServer, password: str) -> None:
    user = f"user {PASSWORDS.index(password)}"
    server.create_user(user, password)
    server.let_dump("shop", user)
    task = server.backup(world)
    secret = {"username": user, "password": password}
    world.assert_backed_up(task, world.pod(task, image=server.family.runner, database_secret=secret).run())


@pytest.mark.parametrize("key", ["url", pytest.param("uri", marks=pytest.mark.matrix)])
def test_a_connection_url_is_decoded_and_the_policys_database_wins(world: World, server: MySQLServer, key: str) -> None:
    url = f"{server.family.engine}://{USER}:{quote(PASSWORD, safe='')}@{server.name}:3306/mysql?ssl-mode=PREFERRED"
    task = server.backup(world, host=None)
    result = world.pod(task, image=server.family.runner, database_secret={key: url}).run()
    world.assert_backed_up(task, result)
    assert world.manifest(task).database.host == server.name
    assert world.manifest(task).database.name == "shop"
    assert quote(PASSWORD, safe="") not in result.log
