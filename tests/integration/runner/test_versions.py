"""Each client against each server: the same version and older servers are backed up, newer ones refused."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.runner.containers import docker
from tests.integration.runner.replacing import came
from tests.integration.runner.world import World, assert_failed
from tests.stack.fingerprint import differences

from holdfast.runner.engines.safe_releases import warnings

MAJORS = (15, 17, 18)
FORMS = ("sql", "custom", "directory")
EVERYDAY = {(15, 15, "sql"), (15, 17, "custom")}  # 17 by 17 is everywhere else
OLDER = [(server, client) for server in MAJORS for client in MAJORS if client >= server]
NEWER = [(server, client) for server in MAJORS for client in MAJORS if client < server]
Servers = Callable[[int], World]


def image(client: int) -> str:
    return f"holdfast-runner-postgres:{client}"


def is_safe(client: int) -> bool:
    return not warnings("pg_dump", docker("run", "--rm", "--entrypoint", "pg_dump", image(client), "--version"))


def case(server: int, client: int, form: str) -> Any:
    marks = [] if (server, client, form) in EVERYDAY else [pytest.mark.matrix]
    return pytest.param(server, client, form, id=f"server {server}, client {client}, {form}", marks=marks)


@pytest.mark.parametrize(
    ("server", "client", "form"), [case(server, client, form) for server, client in OLDER for form in FORMS]
)
def test_a_server_is_backed_up_by_its_own_client_and_by_newer_ones_and_comes_back_on_a_server_of_the_clients_version(
    servers: Servers, server: int, client: int, form: str
) -> None:
    origin, target = servers(server), servers(client)
    task = origin.backup(form=form)
    result = origin.pod(task, image=image(client)).run()
    origin.assert_backed_up(task, result)
    assert result.report is not None
    assert result.report.backup is not None
    assert result.report.backup.server_major == server
    newer = [warning for warning in result.report.warnings if "is newer than the server" in warning]
    assert len(newer) == (client > server)

    name = f"back {server} {client} {form}"
    target.db.create(name)
    restored = target.pod(target.restore(task, name), image=image(client)).run()
    if any("known security faults" in warning for warning in result.report.warnings):
        assert_failed(restored, 4, "ToolTooOld", "known security faults")
        return
    assert restored.exit_code == 0, restored.log
    assert differences(origin.db.fingerprint("shop"), target.db.fingerprint(name)) == []


@pytest.mark.matrix
@pytest.mark.parametrize("form", FORMS)
def test_a_database_goes_up_from_major_to_major_each_dumped_by_its_own_client_and_is_the_same_in_the_end(
    servers: Servers, form: str
) -> None:
    before, name = servers(MAJORS[0]).db.fingerprint("shop"), "shop"
    for older, newer in itertools.pairwise(MAJORS):
        origin, target = servers(older), servers(newer)
        task = origin.backup(name, form)
        origin.assert_backed_up(task, origin.pod(task, image=image(older)).run())
        name = f"up to {newer} {form}"
        target.db.create(name)
        if not is_safe(newer):  # then it is refused, and the older one's client, which can, takes it there
            refused = target.pod(target.restore(task, name), image=image(newer)).run()
            assert_failed(refused, 4, "ToolTooOld", "known security faults")
        came(target.pod(target.restore(task, name), image=image(newer if is_safe(newer) else older)).run())
        assert differences(before, target.db.fingerprint(name)) == []


@pytest.mark.parametrize(
    ("server", "client"),
    [
        pytest.param(
            *pair, id="server {}, client {}".format(*pair), marks=[] if pair == (17, 15) else [pytest.mark.matrix]
        )
        for pair in NEWER
    ],
)
def test_a_newer_server_is_refused_before_the_dump_with_the_image_that_fits(
    servers: Servers, server: int, client: int
) -> None:
    world = servers(server)
    task = world.backup()
    result = world.pod(task, image=image(client)).run()
    assert_failed(result, 4, "ToolTooOld", f"pg_dump {client}.", f"PostgreSQL {server}.")
    assert result.failure.server_major == server
    assert f"postgres-{server}" in result.failure.remedy
    assert [line for line in result.lines if line.get("phase") == "dumping"] == []
    world.assert_nothing_left(task)


def test_an_older_server_is_left_to_the_image_of_its_own_version_before_the_dump(servers: Servers) -> None:
    world = servers(15)
    task = world.backup(other_majors=[15, 18])
    result = world.pod(task, image=image(17)).run()
    assert_failed(result, 4, "ToolTooNew", "pg_dump 17.", "PostgreSQL 15.")
    assert result.failure.server_major == 15
    assert [line for line in result.lines if line.get("phase") == "dumping"] == []
    world.assert_nothing_left(task)


# What goes back to the server that was dumped by a newer client, by which tools.
TOO_OLD = "written for PostgreSQL 17 or newer, and the server is PostgreSQL 15"
BACK = {
    (15, 17, "sql", 15): TOO_OLD,
    (15, 17, "sql", 17): TOO_OLD,
    (15, 17, "custom", 15): TOO_OLD,
    (15, 17, "custom", 17): TOO_OLD,
    (15, 17, "directory", 15): TOO_OLD,
    (15, 17, "directory", 17): TOO_OLD,
    (17, 18, "sql", 17): None,
    (17, 18, "sql", 18): None,
    (17, 18, "custom", 17): None,
    (17, 18, "custom", 18): None,
    (17, 18, "directory", 17): None,
    (17, 18, "directory", 18): None,
}


@pytest.mark.parametrize(
    ("server", "client", "form", "tools", "refusal"),
    [
        pytest.param(*key, refusal, id="server {}, client {}, {}, restored by {}".format(*key),
                     marks=[] if key == (15, 17, "custom", 17) else [pytest.mark.matrix])
        for key, refusal in BACK.items()
    ],
)  # fmt: skip
def test_what_a_newer_client_dumped_goes_back_to_its_server_or_is_refused_and_changes_nothing(
    servers: Servers, server: int, client: int, form: str, tools: int, refusal: str | None
) -> None:
    world = servers(server)
    task = world.backup(form=form)
    world.assert_backed_up(task, world.pod(task, image=image(client)).run())
    name = f"return {client} {form} {tools}"
    world.db.create(name)
    result = world.pod(world.restore(task, name), image=image(tools)).run()
    if refusal is None and not is_safe(tools):
        assert_failed(result, 4, "ToolTooOld", "known security faults")
    elif refusal is None:
        assert result.exit_code == 0, result.log
        assert differences(world.db.fingerprint("shop"), world.db.fingerprint(name)) == []
    else:
        assert_failed(result, 1, "TargetNotReady", refusal)
        assert "that version or newer" in result.failure.remedy
        assert world.db.sql(name, "select count(*) from pg_class where oid >= 16384") == "0\n"
