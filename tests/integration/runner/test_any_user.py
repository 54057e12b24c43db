"""A user without a name, of the group root, backs up and restores as our own does: OpenShift gives such ones."""

import pytest
from tests.integration.runner.mysql_server import RESTORER_SECRET, MySQLServer
from tests.integration.runner.world import World, assert_failed
from tests.stack.fingerprint import differences

ANYONE = "1000710000:0"


@pytest.mark.parametrize("form", ["sql", "directory"])
def test_a_database_of_postgresql_goes_there_and_back(world: World, form: str) -> None:
    task = world.backup(form=form)
    world.assert_backed_up(task, world.pod(task, user=ANYONE).run())

    target = f"by anyone {form}"
    world.db.create(target)
    work = world.restore(task, "shop")
    restored = world.pod(work, user=ANYONE, arguments=[f"--target-database={target}"]).run()

    assert restored.exit_code == 0, restored.log
    assert differences(world.db.fingerprint("shop"), world.db.fingerprint(target)) == []


def test_what_fails_still_reads_plainly(world: World) -> None:
    """And not: local user with ID 1000710000 does not exist."""
    result = world.pod(world.backup(database="nowhere"), user=ANYONE).run()

    assert_failed(result, 3, "DatabaseNotFound", "nowhere")


def test_a_database_of_mysql_or_mariadb_goes_there_and_back(world: World, server: MySQLServer) -> None:
    task = server.backup(world)
    world.assert_backed_up(task, world.pod(task, image=server.family.runner, user=ANYONE).run())

    target = "by anyone"
    server.create(target)
    server.let_restore(target)
    work = world.restore(task, target).model_copy(update={"database": task.database})
    restored = world.pod(
        work, image=server.family.runner, user=ANYONE, arguments=[f"--target-database={target}"],
        database_secret=RESTORER_SECRET,
    ).run()  # fmt: skip

    assert restored.exit_code == 0, restored.log
    assert differences(server.fingerprint("shop"), server.fingerprint(target)) == []
