"""Faults in the middle of a backup, beside those of test_fault_matrix.py: what is left, what a cleanup does, memory.

The database server is frozen where a test needs the dump to stand still, so that nothing depends on speed.
"""

from collections.abc import Iterator

import pytest
from tests.integration.runner.containers import docker, pause, unpause, wait_for
from tests.integration.runner.faults import mid_dump
from tests.integration.runner.servers import Store
from tests.integration.runner.world import World, assert_failed


def test_the_deadline_ends_a_backup_well(world: World, big: str) -> None:
    task = world.backup(big, deadline_seconds=15)  # a busy machine takes ten to begin
    pod = world.pod(task)
    with mid_dump(world, pod):
        result = pod.result()
    assert_failed(result, 8, "DeadlineExceeded", "15 s")
    world.assert_nothing_left(task)


def test_sigkill_of_the_whole_container_leaves_what_the_cleanup_removes(world: World, big: str) -> None:
    task = world.backup(big)
    pod = world.pod(task)
    with mid_dump(world, pod):
        pod.kill("KILL")
        result = pod.result()
    assert result.exit_code == 137
    assert result.report is None
    assert len(world.store.uploads(task.key_prefix)) == 1
    assert world.store.keys(task.key_prefix) == []
    cleaned = world.pod(world.cleanup(task), database_secret=None).run()
    assert cleaned.exit_code == 0, cleaned.log
    assert cleaned.report is not None
    assert "aborted 1 uploads and deleted 0 objects" in (cleaned.report.message or "")
    world.assert_nothing_left(task)


def test_out_of_memory_is_no_success_and_the_cleanup_removes_the_rest(world: World, big: str) -> None:
    task = world.backup(big)
    result = world.pod(task, memory="50m").run()
    assert result.exit_code != 0
    assert result.report is None or result.report.failure is not None
    cleaned = world.pod(world.cleanup(task), database_secret=None).run()
    assert cleaned.exit_code == 0, cleaned.log
    world.assert_nothing_left(task)


def test_150_mib_are_enough(world: World, big: str) -> None:
    task = world.backup(big)
    world.assert_backed_up(task, world.pod(task, memory="150m").run())


def test_a_cleanup_touches_no_finished_backup_and_nothing_outside_its_folder(world: World) -> None:
    task, neighbour = world.backup(), world.backup()
    world.assert_backed_up(task, world.pod(task).run())
    world.assert_backed_up(neighbour, world.pod(neighbour).run())
    stray = f"{task.key_prefix}of-a-killed-pod.sql.gz"
    world.store.client.put_object(Bucket="backups", Key=stray, Body=b"half of it")
    cleaned = world.pod(world.cleanup(task), database_secret=None).run()
    assert cleaned.exit_code == 0, cleaned.log
    assert cleaned.report is not None
    assert "deleted 1 objects" in (cleaned.report.message or "")
    assert "stays" in (cleaned.report.message or "")
    for kept in (task, neighbour):
        assert len(world.store.keys(kept.key_prefix)) == 2


def test_a_cleanup_refuses_anything_but_the_folder_of_one_backup(world: World) -> None:
    task = world.backup()
    world.assert_backed_up(task, world.pod(task).run())
    for prefix in ("", "it/shop/orders/"):
        cleanup = world.cleanup(task).model_copy(update={"key_prefix": prefix})
        assert_failed(world.pod(cleanup, database_secret=None).run(), 1, "InvalidTask", "folder")
    assert len(world.store.keys(task.key_prefix)) == 2


def test_a_cleanup_refuses_the_folder_of_another_backup(world: World) -> None:
    task = world.backup()
    world.assert_backed_up(task, world.pod(task).run())
    cleanup = world.cleanup(task).model_copy(update={"backup_uid": "another"})
    assert_failed(world.pod(cleanup, database_secret=None).run(), 5, "ManifestConflict", "another backup")
    assert len(world.store.keys(task.key_prefix)) == 2


@pytest.fixture
def second_store(world: World) -> Iterator[Store]:
    store = Store(world.network, f"{world.network}-store-2")
    yield store
    store.remove()


def test_a_store_that_goes_away_in_the_middle_is_told_and_the_pod_says_that_it_could_not_clean_up(
    world: World, big: str, second_store: Store
) -> None:
    task = world.backup(big, store=second_store)
    pod = world.pod(task, second_store).start()
    wait_for(lambda: second_store.parts_in_flight(task.key_prefix), "the first part in the store")
    docker("kill", second_store.name)
    result = pod.result()
    assert_failed(result, 6, "StorageUnavailable", second_store.endpoint)
    assert result.report is not None
    assert not result.report.clean


def test_a_store_that_hangs_for_a_while_only_slows_the_backup(world: World, big: str, second_store: Store) -> None:
    task = world.backup(big, store=second_store)
    pod = world.pod(task, second_store, memory="150m").start()
    wait_for(lambda: second_store.parts_in_flight(task.key_prefix), "the first part in the store")
    pause(second_store.name)
    stalled = pod.wait_for_line(lambda line: line["event"] == "progress" and line["rate"] == 0, "a dump that waits")
    unpause(second_store.name)
    result = pod.result()
    assert result.exit_code == 0, result.log
    assert result.report is not None
    assert result.report.backup is not None
    assert result.report.backup.uncompressed_bytes > stalled["uncompressedBytes"]


def test_a_manifest_of_another_backup_is_never_overwritten(world: World) -> None:
    task = world.backup()
    world.assert_backed_up(task, world.pod(task).run())
    before = world.store.read(f"{task.key_prefix}manifest.json")
    other = world.backup(key_prefix=task.key_prefix)
    assert_failed(world.pod(other).run(), 5, "ManifestConflict", "shop/orders-1")
    assert world.store.read(f"{task.key_prefix}manifest.json") == before
    assert len(world.store.keys(task.key_prefix)) == 2
