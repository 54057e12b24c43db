"""What a database may hold comes back, dumped by a user with the rights that the docs name and no more."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.runner.servers import PASSWORD, USER, identifier, literal
from tests.integration.runner.test_versions import Servers, image
from tests.integration.runner.world import World, assert_failed
from tests.stack.fingerprint import differences

ROOT = Path(__file__).parents[3]
CONTENT = Path(__file__).with_name("content.sql")
PAGE = (ROOT / "docs/how-to/back-up-postgresql.md").read_text()
ROLE = "holdfast_backup"
SECRET = {"username": ROLE, "password": PASSWORD}
ON_17 = [17, *(pytest.param(major, marks=pytest.mark.matrix) for major in (15, 18))]


def documented(heading: str) -> str:
    """The SQL of a section of the page, with its placeholders filled in for this test's database."""
    section = PAGE.split(f"\n{heading}\n")[1]
    found = re.search(r"```sql\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1].replace("'…'", literal(PASSWORD))


def grant(world: World, database: str, *headings: str) -> None:
    """Make the backup's user anew, with the rights that the sections name."""
    world.db.sql("postgres", f"drop role if exists {ROLE}")
    for heading in headings:
        world.db.sql(database, documented(heading).replace("DATABASE orders", f"DATABASE {identifier(database)}"))


def forget(world: World, database: str) -> None:
    world.db.sql(database, f"drop owned by {ROLE}; drop role {ROLE}")


RIGHTS = "## A user with only the rights that it needs"
LARGE_OBJECTS, ROW_SECURITY = "### Large objects", "### Row-level security"


@pytest.fixture(scope="session")
def contents(servers: Servers) -> Callable[[int], World]:
    """The world of a server with the database `content`."""
    filled: set[int] = set()

    def of(major: int) -> World:
        world = servers(major)
        if major not in filled:
            world.db.create("content")
            world.db.load("content", CONTENT)
            filled.add(major)
        return world

    return of


@pytest.mark.parametrize("major", ON_17)
@pytest.mark.parametrize("form", ["sql", "custom", pytest.param("directory", marks=pytest.mark.matrix)])
def test_every_kind_of_object_comes_back_from_a_backup_by_a_user_with_the_least_rights(
    contents: Callable[[int], World], major: int, form: str
) -> None:
    world = contents(major)
    grant(world, "content", RIGHTS, LARGE_OBJECTS)
    task = world.backup("content", form)
    world.assert_backed_up(task, world.pod(task, image=image(major), database_secret=SECRET).run())
    target = f"content {form}"
    world.db.create(target)
    restored = world.pod(world.restore(task, target), image=image(major)).run()
    forget(world, "content")
    assert restored.exit_code == 0, restored.log
    assert differences(world.db.fingerprint("content"), world.db.fingerprint(target)) == []


@pytest.mark.parametrize("major", ON_17)
def test_large_objects_that_the_user_may_not_read_fail_the_backup_with_the_right_remedy(
    contents: Callable[[int], World], major: int
) -> None:
    world = contents(major)
    grant(world, "content", RIGHTS)
    task = world.backup("content")
    result = world.pod(task, image=image(major), database_secret=SECRET).run()
    forget(world, "content")
    assert_failed(result, 7, "DumpFailed", "permission denied for large object")
    assert "lo_compat_privileges" in result.failure.remedy
    world.assert_nothing_left(task)


@pytest.mark.matrix
@pytest.mark.parametrize("major", [15, 17, 18])
def test_a_grant_on_each_large_object_is_enough_too(contents: Callable[[int], World], major: int) -> None:
    world = contents(major)
    grant(world, "content", RIGHTS)
    each = f"select format('grant select on large object %s to {ROLE}', oid) from pg_largeobject_metadata"
    world.db.sql("content", f"{each} \\gexec")
    task = world.backup("content")
    result = world.pod(task, image=image(major), database_secret=SECRET).run()
    forget(world, "content")
    world.assert_backed_up(task, result)


@pytest.mark.matrix
def test_from_18_on_a_default_privilege_covers_the_large_objects_to_come(servers: Servers) -> None:
    world = servers(18)
    world.db.create("to come")
    grant(world, "to come", RIGHTS)
    world.db.sql("to come", f"alter default privileges for role {USER} grant select on large objects to {ROLE}")
    world.db.sql("to come", "select lo_from_bytea(0, 'later')", USER)
    task = world.backup("to come")
    result = world.pod(task, image=image(18), database_secret=SECRET).run()
    forget(world, "to come")
    world.assert_backed_up(task, result)


@pytest.mark.parametrize("major", ON_17)
def test_rows_that_the_user_may_not_see_fail_the_backup_until_it_may_bypass_row_security(
    servers: Servers, major: int
) -> None:
    world = servers(major)
    world.db.create("guarded rows")
    table = "create table t as select n as owner from generate_series(1, 10) n"
    rules = "alter table t enable row level security; create policy own on t using (owner < 3)"
    world.db.sql("guarded rows", f"{table}; {rules}", USER)
    task = world.backup("guarded rows")

    grant(world, "guarded rows", RIGHTS)
    refused = world.pod(task, image=image(major), database_secret=SECRET).run()
    world.db.sql("postgres", documented(ROW_SECURITY))
    taken = world.pod(task, image=image(major), database_secret=SECRET).run()
    forget(world, "guarded rows")

    assert_failed(refused, 7, "DumpFailed", "row-level security policy")
    assert "BYPASSRLS" in refused.failure.remedy
    world.assert_backed_up(task, taken)
    script = gzip.decompress(world.store.read(world.manifest(task).artifact.key))
    assert b" FROM stdin;\n" + b"".join(b"%d\n" % n for n in range(1, 11)) + b"\\.\n" in script
