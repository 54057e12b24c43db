"""Which backup takes a database back to before a migration, and which restore counts as the one that does it."""

from typing import Any

import pytest
from tests.builders import ago
from tests.unit.test_gate import a_migration

from holdfast import clock
from holdfast.api.restore_status import Phase
from holdfast.decide.rollback import Rollback, WayBack
from holdfast.kube.kinds import BACKUPS, RESTORES
from holdfast.reconcile import rollbacks
from holdfast.reconcile.cache import Cache

JOB = a_migration()


def a_meta(name: str, **more: Any) -> dict[str, Any]:
    when = "2026-11-22T08:00:00Z"
    return {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1", "creationTimestamp": when} | more


def a_backup(name: str, completed: float | None, *, uid: str = JOB.uid, policy: str = "orders", **status: Any) -> Any:
    spec = {"policyRef": {"name": policy}, "release": {"jobName": "migrate", "jobUID": uid}}
    ended = {"completedAt": clock.to_text(ago(completed))} if completed is not None else {}
    meta = a_meta(name, **({"deletionTimestamp": clock.to_text(ago(0))} if status.pop("deleting", False) else {}))
    return {"metadata": meta, "spec": spec, "status": {"phase": "Succeeded"} | ended | status}


FIRST = WayBack("first", released=False, made=False)
BACK: dict[str, tuple[list[Any], WayBack | None]] = {
    "nothing where there is none": ([], None),
    "its own": ([a_backup("first", 60)], FIRST),
    "the first of two": ([a_backup("another", 30), a_backup("first", 60)], FIRST),
    "the first by name of two of one moment": ([a_backup("second", 60), a_backup("first", 60)], FIRST),
    "the other one where the first has failed": ([a_backup("a", 90, phase="Failed"), a_backup("first", 60)], FIRST),
    "none that is being deleted": ([a_backup("a", 90, deleting=True), a_backup("first", 60)], FIRST),
    "none that does not say when it was completed": ([a_backup("a", None), a_backup("first", 60)], FIRST),
    "none of another policy": ([a_backup("a", 90, policy="more"), a_backup("first", 60)], FIRST),
    "none of another Job": ([a_backup("a", 90, uid="j-9"), a_backup("first", 60)], FIRST),
    "one that says that the Job was released": (
        [a_backup("first", 60, release={"releasedAt": clock.to_text(ago(50))})], WayBack("first", True, False),
    ),
    "one beside another that says that it was rolled back": (
        [a_backup("first", 60), a_backup("b", 30, release={"rollback": "r"})], WayBack("first", False, True),
    ),
    "one beside another policy's that says so of its own": (
        [a_backup("first", 60), a_backup("b", 30, policy="more", release={"rollback": "r"})], FIRST,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("there", "back"), BACK.values(), ids=BACK.keys())
def test_what_takes_a_migration_back_is(there: list[Any], back: WayBack | None):
    cache = Cache()
    for body in there:
        cache.put(BACKUPS, body)
    assert rollbacks.way_back(cache, JOB) == back


def with_a_restore(mode: str | None = "Replace", backup: str = "first", phase: str = "") -> Cache:
    cache = Cache()
    spec = {"source": {"backupRef": {"name": backup}}} | ({"mode": mode} if mode else {})
    cache.put(RESTORES, {"metadata": a_meta(JOB.rollback_name), "spec": spec, "status": {"phase": phase}})
    return cache


def test_without_a_restore_of_that_name_there_is_no_rollback():
    assert rollbacks.rollback(Cache(), JOB, FIRST) is None
    assert rollbacks.made(Cache(), JOB, "first") is None
    assert rollbacks.made(with_a_restore(), None, "first") is None


@pytest.mark.parametrize(
    ("cache", "back", "ours"),
    [
        pytest.param(with_a_restore(), FIRST, True, id="of the backup that takes it back"),
        pytest.param(with_a_restore(), None, True, id="of a backup that is gone by now"),
        pytest.param(with_a_restore(backup="another"), FIRST, False, id="of another backup"),
        pytest.param(with_a_restore(mode=None), FIRST, False, id="in another mode"),
        pytest.param(with_a_restore(mode="Into"), None, False, id="in another mode, of a backup that is gone by now"),
    ],
)
def test_a_restore_of_that_name_is_the_rollback_where_it_is(cache: Cache, back: WayBack | None, ours: bool):
    assert rollbacks.rollback(cache, JOB, back) == Rollback(ours, None)


def test_how_far_it_is_stands_in_its_status_and_what_is_no_phase_is_none():
    assert rollbacks.rollback(with_a_restore(phase="Running"), JOB, FIRST) == Rollback(True, Phase.RUNNING)
    assert rollbacks.rollback(with_a_restore(phase="Brewing"), JOB, FIRST) == Rollback(True, None)


def test_a_backup_names_the_restore_that_is_of_it():
    assert rollbacks.made(with_a_restore(), JOB, "first") == JOB.rollback_name
    assert rollbacks.made(with_a_restore(), JOB, "another") is None
