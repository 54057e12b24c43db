"""A restore whose download breaks off goes on from there, and what it restores is the whole."""

from collections.abc import Iterator

import pytest
from tests.integration.runner.fault_servers import FaultyStore
from tests.integration.runner.servers import USER
from tests.integration.runner.world import World

from holdfast.contract.task import BackupTask

BREAKS = {"at": "fetch", "do": "break", "times": 1}


@pytest.fixture(scope="module")
def breaking(world: World) -> Iterator[FaultyStore]:
    with FaultyStore(world, f"{world.network}-breaking").running() as store:
        yield store


@pytest.fixture(scope="module")
def stored(world: World, breaking: FaultyStore) -> BackupTask:
    """A backup of some megabytes, so that a half of it is more than what is read at a time."""
    world.db.create("lines")
    world.db.sql("lines", "create table lines as select i, md5(i::text) from generate_series(1, 200000) i", USER)
    task = world.backup("lines", algorithm="none", store=breaking)
    world.assert_backed_up(task, world.pod(task, breaking).run())
    return task


@pytest.mark.matrix
def test_a_restore_goes_on_where_the_download_broke_off_while_checking_and_while_restoring(
    world: World, breaking: FaultyStore, stored: BackupTask
) -> None:
    world.db.create("lines again")
    with breaking.behaving(BREAKS, {"at": "fetch", "do": "pass", "times": 1}, BREAKS):
        result = world.pod(world.restore(stored, "lines again"), breaking).run()
    assert result.exit_code == 0, result.log
    resumed = [line for line in result.lines if line["event"] == "resuming"]
    assert [line["reason"] for line in resumed] == ["StorageUnavailable"] * 2, result.log
    assert all(0 < line["at"] < world.manifest(stored).artifact.size_bytes for line in resumed)
    assert world.db.fingerprint("lines again") == world.db.fingerprint("lines")


@pytest.mark.matrix
def test_a_restore_whose_store_breaks_off_before_any_byte_again_and_again_fails_and_leaves_the_database_empty(
    world: World, breaking: FaultyStore, stored: BackupTask
) -> None:
    world.db.create("lines in vain")
    with breaking.behaving({"at": "fetch", "do": "reset"}):
        result = world.pod(world.restore(stored, "lines in vain"), breaking).run()
    assert (result.exit_code, result.failure.reason) == (6, "StorageUnavailable"), result.log
    assert world.db.sql("lines in vain", "select count(*) from pg_class where relname = 'lines'").strip() == "0"
