"""Mode Replace: what was there makes way in one step, keeps its name until then, and can be put back."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.integration.runner.containers import docker
from tests.integration.runner.replacing import (
    MADE,
    assert_untouched,
    backed_up,
    came,
    databases,
    properties,
    replacing,
)
from tests.integration.runner.servers import PASSWORD, USER, identifier, literal
from tests.integration.runner.world import World, assert_failed
from tests.stack.fingerprint import differences

from holdfast.contract.task import DropTask, SwapBackTask

FORMS = ["sql", "custom", "directory"]
CHANGED = 'drop table "Odd ""one"" (2)"; delete from orders where id > 10; create table later (i int);'
LIKENESS = """
alter database {name} connection limit 17;
revoke all on database {name} from public;
grant connect on database {name} to {reader} with grant option;
alter database {name} set search_path = public, "Odd one";
alter database {name} set default_statistics_target = 50;
alter role {user} in database {name} set work_mem = '9MB';
comment on database {name} is 'the shop''s';
"""


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=[] if form == "sql" else pytest.mark.matrix) for form in FORMS]
)
def test_what_was_there_makes_way_stays_can_be_put_back_and_is_removed(world: World, form: str) -> None:
    name, reader = f"replaced {form}", f"Reader {form}"
    task = backed_up(world, name, form)
    before = world.db.fingerprint(name)
    world.db.sql(name, CHANGED, USER)
    changed = world.db.fingerprint(name)
    world.db.sql("postgres", f"create role {identifier(reader)}")
    world.db.sql("postgres", LIKENESS.format(name=identifier(name), reader=identifier(reader), user=USER))
    world.db.sql(name, f"grant select on orders to {identifier(reader)}", USER)
    likeness = properties(world, name)
    restore = replacing(world, task, name)
    assert restore.beside is not None
    fresh, old = restore.beside.fresh, restore.beside.old

    with clients(world, name):
        report = came(world.pod(restore).run())

    assert (report.replaced, report.found, report.tables, report.rows) == (old, False, 2, 1001)
    assert report.compared == ["rows", "statistics", "sequences", "indexes", "constraints"]
    assert report.switch_seconds is not None
    assert report.switch_seconds < 5
    assert databases(world, name) == {name, old}
    assert differences(before, world.db.fingerprint(name)) == []
    assert differences(changed, world.db.fingerprint(old)) == []
    assert properties(world, name) == likeness
    assert world.db.sql(name, f"select has_table_privilege({literal(reader)}, 'orders', 'select')") == "t\n"
    assert world.db.sql(name, "select reltuples from pg_class where relname = 'orders'") == "1000\n"

    again = came(world.pod(restore).run())
    assert (again.found, again.replaced) == (True, old)
    assert databases(world, name) == {name, old}

    undone = f"{name} undone"
    back = SwapBackTask(
        database=world.database(name), restore=restore.restore, kept=old, old=undone, deadline_seconds=60
    )
    with clients(world, name):
        assert came(world.pod(back).run()).replaced == undone
    assert differences(changed, world.db.fingerprint(name)) == []
    assert properties(world, name) == likeness
    assert came(world.pod(back).run()).found

    drop = DropTask(database=world.database(name), restore=restore.restore, names=[undone, fresh], deadline_seconds=60)
    for says in (undone, "there was nothing left to remove"):
        dropped = world.pod(drop).run()
        assert dropped.exit_code == 0, dropped.log
        assert dropped.report is not None
        assert says in (dropped.report.message or "")
    assert databases(world, name) == {name}


@contextmanager
def clients(world: World, database: str) -> Iterator[None]:
    """An application that connects again as soon as it is cut off, and one session that holds a lock for ever."""
    psql = f'psql -X -q -U {USER} -d "$0"'
    script = f"""
    touch /tmp/clients
    {psql} -c 'begin; lock table orders; select pg_sleep(600)' &
    while [ -e /tmp/clients ]; do {psql} -c "select pg_sleep(0.3)"; done
    wait
    """
    command = ["docker", "exec", world.db.name, "sh", "-c", script, database]
    application = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        docker("exec", world.db.name, "rm", "-f", "/tmp/clients")
        world.db.sql(
            "postgres", "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'psql' "
            f"and usename = {literal(USER)}",
        )  # fmt: skip
        application.wait(timeout=30)


@pytest.mark.parametrize("mode", ["Refuse", "Replace"])
def test_a_target_that_is_not_there_is_made_as_the_dump_needs_it(world: World, mode: str) -> None:
    name = f"made {mode}"
    made = f"owner {USER} template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'"
    world.db.sql("postgres", f"create database {identifier(name)} {made}")
    world.db.sql(name, "create table \"caf\u00e9\" as select E'\\xe9'::text as v", USER)
    task = world.backup(name, "sql")
    world.assert_backed_up(task, world.pod(task).run())
    before = world.db.fingerprint(name)
    world.db.sql("postgres", f"drop database {identifier(name)}")
    restore = replacing(world, task, name) if mode == "Replace" else world.restore(task, name, create=True)
    report = came(world.pod(restore).run())
    assert (report.replaced, report.found, report.rows) == (None, False, 1)
    assert databases(world, name) == {name}
    assert differences(before, world.db.fingerprint(name)) == []
    assert properties(world, name).startswith(f"{USER}|LATIN1|C|C|")
    if mode == "Replace":
        assert came(world.pod(restore).run()).found


def test_an_artifact_that_was_changed_leaves_the_target_as_it_was(world: World) -> None:
    task = backed_up(world, "flipped", "custom")
    world.db.sql("flipped", CHANGED, USER)
    before = properties(world, "flipped"), world.db.fingerprint("flipped")
    world.alter(task)
    assert_failed(world.pod(replacing(world, task, "flipped")).run(), 5, "ChecksumMismatch")
    assert_untouched(world, "flipped", before)


def test_a_restore_that_differs_switches_nothing(world: World) -> None:
    """A trigger of the dump's own doubles a row on its way: no error, and yet not what was dumped."""
    task = backed_up(world, "differing", "sql")
    before = properties(world, "differing"), world.db.fingerprint("differing")
    manifest = world.manifest(task)
    assert manifest.tables is not None
    more = [table.model_copy(update={"rows": table.rows + 1}) for table in manifest.tables]
    other = manifest.model_copy(update={"tables": more})
    world.store.client.put_object(Bucket="backups", Key=f"{task.key_prefix}manifest.json", Body=other.to_json())
    failed = world.pod(replacing(world, task, "differing")).run()
    assert_failed(failed, 5, "RestoreDiffers", "table public.orders has 1000 rows instead of 1001")
    assert 'table public."Odd ""one"" (2)" has 1 rows instead of 2' in failed.failure.differences
    assert "nothing was switched" in failed.failure.remedy
    assert_untouched(world, "differing", before)


@pytest.mark.parametrize("signal", ["KILL", pytest.param("TERM", marks=pytest.mark.matrix)])
def test_killed_in_the_midst_the_target_is_as_it_was_and_the_next_pod_begins_anew(
    world: World, big: str, signal: str
) -> None:
    name = f"killed {signal}"
    task = world.backup(big, "custom")
    world.assert_backed_up(task, world.pod(task).run())
    world.db.create(name)
    world.db.sql(name, MADE, USER)
    before = properties(world, name), world.db.fingerprint(name)
    restore = replacing(world, task, name)
    assert restore.beside is not None
    pod = world.pod(restore).start()
    pod.wait_for_line(lambda line: line.get("phase") == "restoring", "restoring")
    pod.kill(signal)
    ended = pod.result()
    assert (properties(world, name), world.db.fingerprint(name)) == before
    left = {restore.beside.fresh} if signal == "KILL" else set()
    assert databases(world, name) == {name} | left
    if signal == "TERM":
        assert_failed(ended, 9, "Interrupted")
        return
    report = came(world.pod(restore).run())
    assert (report.found, report.replaced) == (False, restore.beside.old)
    assert databases(world, name) == {name, restore.beside.old}


NOT_READY = {
    "no right to make databases": ("alter role {role} nocreatedb", "ALTER ROLE the_restoring_user CREATEDB"),
    "not the owner": ("alter database {name} owner to postgres", 'GRANT "postgres" TO the_restoring_user'),
    "a subscription": (
        "\\connect {name}\ncreate subscription news connection 'dbname=x' publication p with (connect = false)",
        'DROP SUBSCRIPTION "news"',
    ),
    "a setting that only a superuser may make": (
        "alter database {name} set log_statement = 'all'", "give the_restoring_user the right",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_READY)
def test_what_would_fail_after_hours_is_refused_before_anything_is_done(world: World, case: str) -> None:
    number = list(NOT_READY).index(case)
    make, says = NOT_READY[case]
    name, role = f"unready {number}", f"unready_{number}"
    task = backed_up(world, name, "sql")
    world.db.sql("postgres", f"create role {role} login createdb password {literal(PASSWORD)}")
    world.db.sql("postgres", f"alter database {identifier(name)} owner to {role}")
    restore = replacing(world, task, name)
    names = {"name": identifier(name), "role": role}
    world.db.sql("postgres", make.format(**names))
    before = databases(world, name), properties(world, name)
    refused = world.pod(restore, database_secret={"username": role, "password": PASSWORD}).run()
    if number == 2:
        world.db.sql(name, "alter subscription news set (slot_name = none); drop subscription news")
    assert_failed(refused, 1, "TargetNotReady")
    assert says in refused.failure.remedy
    assert (databases(world, name), properties(world, name)) == before


CHOSEN = 'public."Odd ""one"" (2)"'


@pytest.mark.parametrize("form", ["custom", "directory"])
def test_a_part_of_an_archive_is_restored(world: World, form: str) -> None:
    task = backed_up(world, f"parts {form}", form)
    counts = 'select (select count(*) from orders), (select count(*) from "Odd ""one"" (2)")'
    name = f"parts {form} schema"
    world.db.create(name)
    came(world.pod(world.restore(task, name, content="Schema")).run())
    assert world.db.sql(name, counts) == "0|0\n"
    data = came(world.pod(world.restore(task, name, content="Data", mode="Into", tables=[CHOSEN], jobs=1)).run())
    assert (data.tables, world.db.sql(name, counts)) == (1, "0|1\n")
    conflict = world.pod(world.restore(task, name, mode="Into", jobs=1)).run()
    assert_failed(conflict, 7, "RestoreFailed", "already exists")
    assert world.db.sql(name, counts) == "0|1\n"

    name = f"parts {form} chosen"
    world.db.create(name)
    chosen = came(world.pod(world.restore(task, name, tables=[CHOSEN])).run())
    assert (chosen.tables, chosen.rows) == (1, 1)
    assert world.db.sql(name, "select relname from pg_class where relkind in ('r', 'v')"
                              " and relnamespace = 'public'::regnamespace") == 'Odd "one" (2)\n'  # fmt: skip


def test_a_custom_archive_is_restored_by_several_sessions_at_once(world: World) -> None:
    task = backed_up(world, "several sessions", "custom")
    before = world.db.fingerprint("several sessions")
    world.db.create("by several sessions")
    restore = world.restore(task, "by several sessions", jobs=3, scratch_bytes=64 << 20)
    report = came(world.pod(restore).run())
    assert (report.tables, report.rows) == (2, 1001)
    assert differences(before, world.db.fingerprint("by several sessions")) == []

    world.db.create("no room for several")
    refused = world.pod(world.restore(task, "no room for several", jobs=3, scratch_bytes=64)).run()
    assert_failed(refused, 2, "ScratchTooSmall", "scratch volume")


def test_what_a_script_cannot_serve_is_refused_by_name(world: World) -> None:
    task = backed_up(world, "whole script", "sql")
    for changes, says in (({"content": "Schema"}, "content Schema"), ({"tables": [CHOSEN]}, "with tables"),
                          ({"jobs": 2}, "jobs: 2")):  # fmt: skip
        assert_failed(world.pod(world.restore(task, "whole script", **changes)).run(), 1, "InvalidTask", says)
