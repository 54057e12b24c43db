"""A migration Job that is held, with the API server: whatever dies, it has one backup and is released once."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, policy_dict, settings
from tests.fake_cluster import FakeCluster
from tests.moody import ANSWERS, Moody
from tests.mortal import Killed, Mortal
from tests.reconciling import a_loop, some_faults
from tests.unit.test_gate import a_body

from holdfast import clock
from holdfast.api.release import ReleaseStatus
from holdfast.decide.migrations import migration_job
from holdfast.handlers.watches import take
from holdfast.kube.errors import KubeError, Refused
from holdfast.kube.kinds import BACKUPS, EVENTS, JOBS, MIGRATION_JOBS, POLICIES, RESTORES, Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.faults import PATIENCE
from holdfast.reconcile.queue import Key, WorkQueue
from holdfast.settings import Settings

JOB = Key("Job", "shop", "migrate")
NAME = migration_job(a_body()).backup_name
BEFORE = Key(BACKUPS.kind, "shop", NAME)
DAY = timedelta(days=1)


class Stubborn(FakeCluster):
    """An API server whose admission refuses something."""

    refuses: tuple[str, str] | None = None

    async def create(self, kind: Kind, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        self._see("create", kind)
        return await super().create(kind, namespace, body)

    async def patch(self, kind: Kind, *args: Any, **options: Any) -> dict[str, Any]:
        self._see("patch", kind)
        return await super().patch(kind, *args, **options)

    def _see(self, verb: str, kind: Kind) -> None:
        if self.refuses == (verb, kind.kind):
            raise Refused("not here", 403)


def a_cluster(like: type[FakeCluster] = Stubborn, *jobs: dict[str, Any], policy: bool = True) -> Any:
    cluster = like(lambda *_: pytest.fail("nothing runs here"))
    names = {"namespace": "shop", "name": "orders", "uid": "p-1", "creationTimestamp": "2026-11-01T00:00:00Z"}
    if policy:
        cluster.put(POLICIES, {"metadata": names, "spec": policy_dict()})
    for body in jobs or (a_body(),):
        cluster.put(JOBS, body)
    return cluster


def filled(cluster: FakeCluster, *, gate: bool = True) -> Cache:
    """What the watches of an operator that has just begun have brought."""
    cache, queue = Cache(), WorkQueue()
    for kind in (POLICIES, BACKUPS, RESTORES, *([MIGRATION_JOBS] if gate else [])):
        for body in cluster.all(kind):
            labels = body["metadata"].get("labels") or {}
            if kind != MIGRATION_JOBS or "holdfast.dev/backup-first" in labels:
                take(kind, {"type": None, "object": body}, cache, queue)
    return cache


async def looked_at(cluster: FakeCluster, key: Key = JOB, client: Any = None, **how: Any) -> None:
    """An operator that has just begun looks, until nothing is left to do."""
    gate, given, at = how.get("gate", True), how.get("given", settings()), how.get("at", NOW)
    await looks(filled(cluster, gate=gate), client or cluster, key, given, at)


async def looks(cache: Cache, client: Any, key: Key, given: Settings | None = None, at: Any = NOW) -> None:
    woken = [key]
    loop = a_loop(cache, client, given or settings(), wake=woken.append, now=lambda: at)
    while key in woken:
        woken.clear()
        await loop.reconcile(key)


def job(cluster: FakeCluster, name: str = "migrate") -> dict[str, Any]:
    return next(each for each in cluster.all(JOBS) if each["metadata"]["name"] == name)


def suspended(cluster: FakeCluster, name: str = "migrate") -> Any:
    return job(cluster, name)["spec"]["suspend"]


def backups(cluster: FakeCluster) -> list[str]:
    return sorted(body["metadata"]["name"] for body in cluster.all(BACKUPS))


def reasons(cluster: FakeCluster) -> list[str]:
    return [each["reason"] for each in cluster.all(EVENTS)]


def ends(cluster: FakeCluster, phase: str = "Succeeded", name: str = NAME, **more: Any) -> None:
    body = next(each for each in cluster.all(BACKUPS) if each["metadata"]["name"] == name)
    status = {"phase": phase, "completedAt": clock.to_text(NOW), "observedGeneration": 1, "restore": "x"} | more
    status["resolved"] = policy_dict()
    status["release"] = ReleaseStatus.model_validate(body["spec"]["release"]).to_dict()
    cluster.put(BACKUPS, body | {"status": status})


def release(cluster: FakeCluster) -> dict[str, Any]:
    return cluster.all(BACKUPS)[0]["status"]["release"]


def changed(cluster: FakeCluster, **status: Any) -> None:
    """What the Job controller makes of the Job."""
    cluster.put(JOBS, job(cluster) | {"status": status})


def finished(cluster: FakeCluster, how: str) -> None:
    changed(cluster, conditions=[{"type": how, "status": "True"}])


async def test_a_held_job_gets_a_backup_that_says_what_it_is_for():
    cluster = a_cluster()
    await looked_at(cluster)

    (body,) = cluster.all(BACKUPS)
    assert body["metadata"]["name"] == NAME
    assert body["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "holdfast",
        "holdfast.dev/policy": "orders",
        "holdfast.dev/policy-uid": "p-1",
        "holdfast.dev/purpose": "pre-migration",
        "holdfast.dev/migration": "migrate",
        "holdfast.dev/migration-uid": "j-1",
    }
    assert "ownerReferences" not in body["metadata"]
    assert body["spec"] == {
        "policyRef": {"name": "orders"},
        "reason": "before the migration by Job migrate",
        "purpose": "pre-migration",
        "release": {
            "jobName": "migrate",
            "jobUID": "j-1",
            "images": ["shop/migrate:2", "shop/sidecar:1", "busybox"],
            "revision": "v2",
        },
    }
    assert suspended(cluster) is True
    assert reasons(cluster) == ["MigrationHeld"]


async def test_it_is_released_when_the_backup_has_succeeded_and_nothing_else_of_it_is_changed():
    cluster = a_cluster()
    await looked_at(cluster)
    ends(cluster)
    before = job(cluster)
    await looked_at(cluster)

    after = job(cluster)
    assert after["spec"] == before["spec"] | {"suspend": False}
    assert after["metadata"] == before["metadata"] | {"resourceVersion": after["metadata"]["resourceVersion"]}
    assert reasons(cluster) == ["MigrationHeld", "MigrationReleased"]


async def test_one_whose_backup_fails_stays_suspended_and_another_backup_is_had_by_annotation():
    cluster = a_cluster()
    await looked_at(cluster)
    ends(cluster, "Failed", failure={"reason": "ConnectionRefused", "message": "m", "remedy": "r"})
    await looked_at(cluster)
    assert (suspended(cluster), reasons(cluster)[-1], backups(cluster)) == (True, "BackupBeforeFailed", [NAME])

    await cluster.patch(JOBS, "shop", "migrate", {"metadata": {"annotations": {"holdfast.dev/backup-now": "2"}}})
    await looked_at(cluster)
    (second,) = set(backups(cluster)) - {NAME}
    assert suspended(cluster) is True
    ends(cluster, name=second)
    await looked_at(cluster)
    assert suspended(cluster) is False


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, 8))
async def test_an_operator_that_dies_at_any_call_takes_one_backup_and_releases_once(call: int, answered: bool):
    cluster = a_cluster()
    mortal = Mortal(cluster, call, answered)
    for step in range(8):
        with contextlib.suppress(Killed):
            await looked_at(cluster, client=mortal)
            if backups(cluster) and "phase" not in cluster.all(BACKUPS)[0]["status"]:
                ends(cluster)
            elif step > 4:
                await looked_at(cluster, BEFORE, mortal)
    assert mortal.died == (call <= 6)
    assert (backups(cluster), suspended(cluster)) == ([NAME], False)
    assert release(cluster)["releasedAt"] == clock.to_text(NOW)


@pytest.mark.parametrize("answer", ["409", "429", "500"])
@pytest.mark.parametrize("call", range(1, 5))
async def test_whatever_the_api_server_answers_instead_it_has_one_backup_and_is_released(call: int, answer: str):
    cluster = a_cluster()
    moody = Moody(cluster, ANSWERS[answer], call)
    for _ in range(5):
        with contextlib.suppress(KubeError):  # the queue asks again
            await looked_at(cluster, client=moody)
            if backups(cluster) and "phase" not in cluster.all(BACKUPS)[0]["status"]:
                ends(cluster)
    assert (backups(cluster), suspended(cluster)) == ([NAME], False)


async def test_a_second_leader_with_an_old_cache_takes_no_second_backup_and_releases_nothing_twice():
    cluster = a_cluster()
    stale = filled(cluster)
    await looked_at(cluster)
    first = cluster.all(BACKUPS)[0]["metadata"]["uid"]
    await looks(stale, cluster, JOB)
    assert [body["metadata"]["uid"] for body in cluster.all(BACKUPS)] == [first]

    ends(cluster)
    stale = filled(cluster)
    await looked_at(cluster)
    finished(cluster, "Complete")
    version = job(cluster)["metadata"]["resourceVersion"]
    await looks(stale, cluster, JOB)
    assert job(cluster)["metadata"]["resourceVersion"] == version


async def test_a_job_that_was_made_again_under_the_name_is_not_released_by_the_former_ones_backup():
    cluster = a_cluster()
    await looked_at(cluster)
    ends(cluster)
    stale, body = filled(cluster), a_body()
    body["metadata"]["uid"] = "j-9"
    await cluster.delete(JOBS, "shop", "migrate", uid=None)
    del body["metadata"]["resourceVersion"]
    cluster.put(JOBS, body)
    await looks(stale, cluster, JOB)
    assert suspended(cluster) is True
    assert len(backups(cluster)) == 2


@pytest.mark.parametrize(
    "spec",
    [{"suspend": False}, {"suspend": None}, {"suspend": "yes"}],
    ids=["not suspended", "unsaid", "no such value"],
)
async def test_a_job_that_is_not_suspended_is_told_of_and_not_touched(spec: dict[str, Any]):
    cluster = a_cluster(Stubborn, a_body(**spec))
    before = job(cluster)
    await looked_at(cluster)
    assert (job(cluster), backups(cluster), reasons(cluster)) == (before, [], ["MigrationNotHeld"])


async def test_one_that_runs_and_is_asked_another_backup_of_is_not_told_of_as_if_it_had_not_been_held():
    cluster = a_cluster()
    await looked_at(cluster)
    ends(cluster)
    await looked_at(cluster)
    await cluster.patch(JOBS, "shop", "migrate", {"metadata": {"annotations": {"holdfast.dev/backup-now": "2"}}})
    await looked_at(cluster)
    assert (backups(cluster), reasons(cluster)[-1]) == ([NAME], "MigrationReleased")


async def test_what_somebody_suspends_again_after_its_release_stays_so():
    cluster = a_cluster()
    await looked_at(cluster)
    ends(cluster)
    await looked_at(cluster)
    await looked_at(cluster, BEFORE)
    assert release(cluster)["releasedAt"] == clock.to_text(NOW)

    await cluster.patch(JOBS, "shop", "migrate", {"spec": {"suspend": True}})
    await looked_at(cluster)
    assert (suspended(cluster), reasons(cluster)[-1]) == (True, "MigrationSuspended")


async def test_without_the_policy_no_backup_is_made_and_with_it_the_job_goes_on():
    cluster = a_cluster(policy=False)
    await looked_at(cluster)
    assert (backups(cluster), reasons(cluster)) == ([], ["PolicyNotFound"])

    cache, queue = filled(cluster), WorkQueue()
    policy = {"metadata": {"namespace": "shop", "name": "orders", "uid": "p-1"}, "spec": policy_dict()}
    cluster.put(POLICIES, policy)
    take(POLICIES, {"type": "ADDED", "object": cluster.all(POLICIES)[0]}, cache, queue)
    assert queue.depth() == 2  # the policy, and the Job that it wakes
    await looks(cache, cluster, JOB)
    assert backups(cluster) == [NAME]


@pytest.mark.parametrize("refuses", [("create", "DatabaseBackup"), ("patch", "Job")], ids=["the backup", "the release"])
async def test_what_the_api_server_refuses_is_told_and_tried_again(refuses: tuple[str, str]):
    cluster = a_cluster()
    if refuses[0] == "patch":
        await looked_at(cluster)
        ends(cluster)
    cluster.refuses = refuses
    cache = filled(cluster)
    loop = a_loop(cache, cluster, settings())
    assert await loop.reconcile(JOB) == NOW + timedelta(minutes=1)
    assert await loop.reconcile(JOB) == NOW + timedelta(minutes=1)
    assert (suspended(cluster), reasons(cluster)[-1]) == (True, "MigrationNotReleased")
    assert cluster.all(EVENTS)[-1]["count"] == 1  # told once, however often it is tried

    cluster.refuses = None
    await looks(cache, cluster, JOB)
    assert (backups(cluster), suspended(cluster)) == ([NAME], refuses[0] == "create")


async def test_a_strangers_backup_of_that_name_releases_nothing():
    cluster = a_cluster()
    spec = {"policyRef": {"name": "orders"}, "purpose": "pre-migration"}
    body = {"metadata": {"namespace": "shop", "name": NAME}, "spec": spec, "status": {"phase": "Succeeded"}}
    cluster.put(BACKUPS, body)
    await looked_at(cluster)
    assert (suspended(cluster), reasons(cluster)) == (True, ["BackupBeforeFailed"])


async def test_two_at_once_migrate_one_after_the_other():
    second = a_body()
    second["metadata"] |= {"name": "second", "uid": "j-2", "creationTimestamp": "2026-11-22T01:00:01Z"}
    cluster = a_cluster(Stubborn, a_body(), second)
    later = Key("Job", "shop", "second")

    async def both() -> None:
        for key in (later, JOB):
            await looked_at(cluster, key)

    await both()
    await both()
    assert (backups(cluster), sorted(reasons(cluster))) == ([NAME], ["MigrationHeld", "MigrationWaits"])
    ends(cluster)
    await both()
    assert (suspended(cluster), suspended(cluster, "second"), backups(cluster)) == (False, True, [NAME])

    cache, queue = filled(cluster), WorkQueue()
    finished(cluster, "Failed")
    take(MIGRATION_JOBS, {"type": "MODIFIED", "object": job(cluster)}, cache, queue)
    assert queue.depth() == 3  # itself, its backup, and the one that waited
    await looks(cache, cluster, later)
    assert len(backups(cluster)) == 2


async def test_a_job_that_is_deleted_while_held_leaves_its_backup_kept_for_a_day():
    cluster = a_cluster()
    await looked_at(cluster)
    ends(cluster)
    await cluster.delete(JOBS, "shop", "migrate", uid=None)
    await looked_at(cluster, BEFORE)
    assert "releasedAt" not in release(cluster)
    assert release(cluster)["keptUntil"] == clock.to_text(NOW + DAY)


@pytest.mark.parametrize(
    ("how", "kept"), [("Complete", True), ("Failed", False), (None, False)], ids=["succeeded", "failed", "runs"]
)
async def test_until_the_job_has_succeeded_and_for_a_day_after_its_backup_is_kept(how: str | None, kept: bool):
    cluster = a_cluster()
    await looked_at(cluster)
    ends(cluster)
    await looked_at(cluster)
    if how:
        finished(cluster, how)
    for later in (timedelta(), timedelta(hours=5)):  # which is written once
        await looked_at(cluster, BEFORE, at=NOW + later)
    assert release(cluster).get("keptUntil") == (clock.to_text(NOW + DAY) if kept else None)
    assert release(cluster)["releasedAt"] == clock.to_text(NOW)


async def test_where_the_gate_is_off_by_now_a_backup_is_kept_for_a_day_and_not_for_ever():
    cluster = a_cluster()
    await looked_at(cluster)
    ends(cluster)
    given = settings(migration_gate={"enabled": False, "keepSeconds": 60})
    await looked_at(cluster, BEFORE, gate=False, given=given)
    assert release(cluster)["keptUntil"] == clock.to_text(NOW + timedelta(minutes=1))


async def test_a_fault_of_ours_over_it_is_counted_and_not_written_into_it(monkeypatch: pytest.MonkeyPatch):
    cluster = a_cluster()
    cache, before = filled(cluster), job(cluster)
    loop, faults = a_loop(cache, cluster, settings()), some_faults(cache, cluster)
    monkeypatch.setattr("holdfast.decide.gate.decide", lambda *_: 1 / 0)
    for _ in range(PATIENCE):
        with pytest.raises(ZeroDivisionError):
            await faults.guard(JOB, loop.reconcile)
    monkeypatch.undo()
    await faults.guard(JOB, loop.reconcile)
    assert job(cluster) == before
    assert backups(cluster) == [NAME]
