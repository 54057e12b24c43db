"""What is extreme comes back too: one value of 200 MB, and five thousand tables; what it takes is measured."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.integration.runner.containers import docker, wait_for
from tests.integration.runner.pod import Result
from tests.integration.runner.servers import USER, Postgres
from tests.integration.runner.world import World, assert_failed
from tests.stack.fingerprint import differences

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(1200)]
MINUTES = {"deadline_seconds": 600}
TABLES = 5000
# Each in a transaction of its own, so that making them needs no more locks than the backup.
MAKE_TABLES = f"""
do $$ begin
    for n in 1..{TABLES} loop
        execute format('create table t%s (id int primary key, note text)', n);
        execute format('insert into t%s values (%s, ''note'')', n, n);
        commit;
    end loop;
end $$
"""
Record = Callable[[str, object], None]


def took(result: Result) -> float:
    assert result.report is not None
    return round(result.report.duration_seconds, 1)


def peak(result: Result) -> str:
    return f"{result.lines[-1]['peakMemoryBytes'] >> 20} MiB"


@pytest.mark.parametrize("form", ["sql", "custom"])
def test_one_value_of_200_mb_comes_back(world: World, form: str, record_property: Record) -> None:
    if world.db.sql("postgres", "select count(*) from pg_database where datname = 'one value'") == "0\n":
        world.db.create("one value")
        value = "select string_agg(md5(n::text), '') as value from generate_series(1, 6553600) n"
        world.db.sql("one value", f"create table t as {value}", USER)
    task = world.backup("one value", form, **MINUTES)
    taken = world.pod(task, memory="1500m", patience=600).run()
    world.assert_backed_up(task, taken)
    world.db.create(f"back {form}")
    restored = world.pod(world.restore(task, f"back {form}", **MINUTES), memory="1500m", patience=600).run()
    assert restored.exit_code == 0, restored.log
    assert differences(world.db.fingerprint("one value"), world.db.fingerprint(f"back {form}")) == []
    record_property("backup: seconds", took(taken))
    record_property("peak memory", peak(taken))
    record_property("restore: seconds", took(restored))
    record_property("restore: peak memory", peak(restored))
    world.db.sql("postgres", f'drop database "back {form}"')


@pytest.fixture
def crowded(world: World) -> Iterator[World]:
    """The world of a server of its own, with as many locks as PostgreSQL has room for by default."""
    server = Postgres(world.network, f"{world.network}-crowded")
    yield replace(world, db=server)
    server.remove()


def test_5000_tables_come_back_where_the_target_has_room_for_their_locks(
    crowded: World, record_property: Record
) -> None:
    crowded.db.create("many")
    crowded.db.sql("many", MAKE_TABLES, USER)
    task = crowded.backup("many", "custom", **MINUTES)
    taken = crowded.pod(task, patience=600).run()
    crowded.assert_backed_up(task, taken)

    crowded.db.create("again")
    refused = crowded.pod(crowded.restore(task, "again", **MINUTES), patience=600).run()
    assert_failed(refused, 7, "RestoreFailed", "out of shared memory")
    assert "max_locks_per_transaction" in refused.failure.remedy
    assert crowded.db.sql("again", "select count(*) from pg_class where oid >= 16384") == "0\n"

    crowded.db.sql("postgres", "alter system set max_locks_per_transaction = 1024")
    docker("restart", crowded.db.name)
    wait_for(crowded.db.answers, "the server with more room")
    restored = crowded.pod(crowded.restore(task, "again", **MINUTES), patience=600).run()
    assert restored.exit_code == 0, restored.log
    assert differences(crowded.db.fingerprint("many"), crowded.db.fingerprint("again")) == []
    record_property("backup: seconds", took(taken))
    record_property("restore: seconds", took(restored))
