"""Two Pods of one Job at once, on stores that know conditional writes, pass over them, or refuse them.

Both are held before they write the manifest: each has looked and found none. Then one after the other is let go.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from tests.integration.runner.containers import wait_for
from tests.integration.runner.fault_servers import FaultyStore
from tests.integration.runner.pod import Pod, Result
from tests.integration.runner.world import World

from holdfast.contract.task import BackupTask

HELD = {"at": "record", "do": "pass", "hold": True}
KINDS: dict[str, list[dict[str, Any]]] = {
    "keeps If-None-Match": [HELD],
    "passes over If-None-Match": [HELD | {"do": "overwrite"}],
    **{
        f"refuses If-None-Match ({status} {code})": [
            {"at": "record", "having": "If-None-Match", "do": "status", "status": status, "code": code},
            HELD,
        ]
        for status, code in ((501, "NotImplemented"), (400, "InvalidArgument"), (400, "InvalidRequest"))
    },
}
PASSES_OVER, REFUSES = list(KINDS)[1:3]
CUT = {(PASSES_OVER, "the first first"), (REFUSES, "the second first")}


@pytest.fixture(scope="module")
def faulty(world: World) -> Iterator[FaultyStore]:
    with FaultyStore(world, f"{world.network}-held").running() as store:
        yield store


@contextmanager
def two_held(world: World, faulty: FaultyStore, kind: str) -> Iterator[tuple[BackupTask, Pod, Pod]]:
    """Start two Pods of one backup; the block runs when both are about to write the manifest."""
    task = world.backup(store=faulty)
    with ExitStack() as stack:
        stack.enter_context(faulty.behaving(*KINDS[kind]))
        first, second = (world.pod(task, faulty).start() for _ in range(2))
        wait_for(lambda: faulty.waits() == 2, "both Pods before their manifest")
        assert len(world.store.keys(task.key_prefix)) == 2
        yield task, first, second


def assert_one_won(world: World, task: BackupTask, winner: Pod, loser: Pod) -> None:
    """One manifest, the winner's, with its whole artifact; the loser says that it found it, and its own is removed."""
    results: dict[str, Result] = {pod.uid: pod.result() for pod in (winner, loser)}
    key = f"{task.key_prefix}{winner.uid}.sql.gz"
    assert (world.manifest(task).pod_uid, world.manifest(task).artifact.key) == (winner.uid, key)
    for pod, found in ((winner, False), (loser, True)):
        result = results[pod.uid]
        world.assert_backed_up(task, result)
        assert result.report is not None
        assert result.report.backup is not None
        assert (result.report.backup.found, result.report.clean, result.report.warnings) == (found, True, [])
        assert [line["artifact"] for line in result.lines if line["event"] == "found"] == [key] * found
    world.db.create(database := f"read back {winner.uid}")
    restored = world.pod(world.restore(task, database).model_copy(update={"s3": world.s3()})).run()
    assert restored.exit_code == 0, restored.log
    assert world.db.fingerprint(database) == world.db.fingerprint("shop")


def cases() -> Iterator[Any]:
    for kind in KINDS:
        for order in ("the first first", "the second first"):
            yield pytest.param(
                kind, order, id=f"{kind}, {order}", marks=[] if (kind, order) in CUT else [pytest.mark.matrix]
            )


@pytest.mark.parametrize(("kind", "order"), list(cases()))
def test_of_two_pods_one_manifest_wins_and_the_loser_removes_only_its_own(
    world: World, faulty: FaultyStore, kind: str, order: str
) -> None:
    with two_held(world, faulty, kind) as (task, *pods):
        early, late = pods if order == "the first first" else reversed(pods)
        faulty.release(early.uid)
        early.wait_for_line(
            lambda line: line["event"] == "settling", "its manifest read back, and the other's artifact"
        )
        assert world.manifest(task).pod_uid == early.uid
        faulty.release(late.uid)
        kept = kind == "keeps If-None-Match"
        assert_one_won(world, task, *((early, late) if kept else (late, early)))


@pytest.mark.matrix
@pytest.mark.parametrize("kind", list(KINDS))
def test_of_two_pods_that_write_at_the_same_moment_one_wins(world: World, faulty: FaultyStore, kind: str) -> None:
    with two_held(world, faulty, kind) as (task, first, second):
        faulty.release()
        wait_for(lambda: f"{task.key_prefix}manifest.json" in world.store.keys(task.key_prefix), "a manifest")
        wait_for(lambda: len(world.store.keys(task.key_prefix)) == 2, "the loser's artifact to be removed")
        won = world.manifest(task).pod_uid
        assert_one_won(world, task, *((first, second) if won == first.uid else (second, first)))


@pytest.mark.matrix
@pytest.mark.parametrize("kind", [PASSES_OVER, REFUSES])
def test_a_pod_that_stands_still_before_its_manifest_replaces_the_others_and_the_cleanup_removes_what_is_over(
    world: World, faulty: FaultyStore, kind: str
) -> None:
    """What no runner can prevent on such a store: the report of either says that something is beside the backup."""
    with two_held(world, faulty, kind) as (task, early, late):
        faulty.release(early.uid)
        ended = early.result()
        faulty.release(late.uid)
        replaced = late.result()
    for result, other in ((ended, late), (replaced, early)):
        assert result.exit_code == 0, result.log
        assert result.report is not None
        assert not result.report.clean
        assert [
            f"{other.uid}.sql.gz is from another Pod, and no manifest names it" in warning
            for warning in result.report.warnings
        ] == [True]
    assert world.manifest(task).pod_uid == late.uid
    cleaned = world.pod(world.cleanup(task), database_secret=None).run()
    assert cleaned.exit_code == 0, cleaned.log
    assert "deleted 1 objects" in str(cleaned.report and cleaned.report.message)
    world.assert_backed_up(task, replaced)
