"""A migration that has failed, with the API server: whatever dies, it is rolled back once."""

import contextlib
from typing import Any

import pytest
from tests.builders import policy_dict
from tests.fake_cluster import FakeCluster
from tests.mortal import Killed, Mortal
from tests.unit.test_gate import a_body
from tests.unit.test_reconcile_gate import (
    BEFORE,
    JOB,
    NAME,
    Stubborn,
    a_cluster,
    backups,
    ends,
    filled,
    finished,
    job,
    looked_at,
    looks,
    reasons,
    release,
)

from holdfast.handlers.watches import take
from holdfast.kube.kinds import BACKUPS, JOBS, MIGRATION_JOBS, RESTORES
from holdfast.reconcile.queue import Key, WorkQueue

ASKS = {"on-failure": "rollback", "revision": "v2"}


def asking(**annotations: str) -> dict[str, Any]:
    body = a_body()
    body["metadata"]["annotations"] = {f"holdfast.dev/{key}": value for key, value in (ASKS | annotations).items()}
    return body


async def migrated(how: str = "Failed", **annotations: str) -> FakeCluster:
    """A Job that was held, released and has ended."""
    cluster = a_cluster(Stubborn, asking(**annotations))
    await looked_at(cluster)
    ends(cluster)
    await looked_at(cluster)
    finished(cluster, how)
    return cluster


def rollbacks(cluster: FakeCluster) -> list[dict[str, Any]]:
    return cluster.all(RESTORES)


def becomes(cluster: FakeCluster, **status: Any) -> None:
    cluster.put(RESTORES, rollbacks(cluster)[0] | {"status": status})


async def test_a_migration_that_fails_has_its_own_backup_restored_and_an_event_names_the_restore():
    cluster = await migrated()
    await looked_at(cluster)
    (body,) = rollbacks(cluster)
    assert body["spec"] == {"source": {"backupRef": {"name": NAME}}, "mode": "Replace"}
    assert body["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "holdfast",
        "holdfast.dev/policy": "orders",
        "holdfast.dev/migration": "migrate",
        "holdfast.dev/migration-uid": "j-1",
    }
    assert "ownerReferences" not in body["metadata"]
    assert reasons(cluster)[-1] == "MigrationRollsBack"
    await looked_at(cluster, BEFORE)
    assert release(cluster)["rollback"] == body["metadata"]["name"]


async def test_for_production_the_job_itself_names_the_database():
    cluster = await migrated(confirm="orders")
    await looked_at(cluster)
    (body,) = rollbacks(cluster)
    assert body["spec"]["confirm"] == "orders"
    assert "Job migrate has failed" in body["spec"]["unattended"]["reason"]


@pytest.mark.parametrize("how", ["Complete", "Failed"])
async def test_one_that_succeeded_or_did_not_ask_is_not_rolled_back(how: str):
    cluster = await migrated(how, **({} if how == "Complete" else {"on-failure": ""}))
    await looked_at(cluster)
    assert rollbacks(cluster) == []


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, 7))
async def test_an_operator_that_dies_at_any_call_rolls_back_once(call: int, answered: bool):
    cluster = await migrated()
    mortal = Mortal(cluster, call, answered)
    for step in range(6):
        with contextlib.suppress(Killed):
            await looked_at(cluster, JOB if step % 2 == 0 else BEFORE, mortal)
    assert mortal.died
    assert [body["metadata"]["name"] for body in rollbacks(cluster)] == [release(cluster)["rollback"]]
    assert reasons(cluster).count("MigrationRollsBack") == 1


async def test_one_that_a_person_has_deleted_is_not_made_again_by_whoever_leads_next():
    cluster = await migrated()
    await looked_at(cluster)
    await looked_at(cluster, BEFORE)
    await cluster.delete(RESTORES, "shop", release(cluster)["rollback"], uid=None)
    await looked_at(cluster, BEFORE)
    await looked_at(cluster)
    assert rollbacks(cluster) == []


async def test_a_second_leader_with_an_old_cache_makes_no_second_one():
    cluster = await migrated()
    stale = filled(cluster)
    await looked_at(cluster)
    uid = rollbacks(cluster)[0]["metadata"]["uid"]
    await looks(stale, cluster, JOB)
    assert [body["metadata"]["uid"] for body in rollbacks(cluster)] == [uid]


async def test_another_backup_that_somebody_asked_for_later_is_not_what_it_goes_back_to():
    cluster = await migrated()
    spec = cluster.all(BACKUPS)[0]["spec"]
    cluster.put(BACKUPS, {"metadata": {"namespace": "shop", "name": "later"}, "spec": spec})
    ends(cluster, name="later", completedAt="2026-11-23T00:00:00Z")
    await looked_at(cluster)
    assert rollbacks(cluster)[0]["spec"]["source"] == {"backupRef": {"name": NAME}}


async def test_a_backup_whose_data_is_gone_by_then_is_told_of():
    cluster = await migrated()
    ends(cluster, "Expired")
    await looked_at(cluster)
    assert (rollbacks(cluster), reasons(cluster)[-1]) == ([], "MigrationNotRolledBack")


async def test_what_a_quota_refuses_is_told_and_tried_again():
    cluster = await migrated()
    cluster.refuses = ("create", "DatabaseRestore")
    await looked_at(cluster)
    assert (rollbacks(cluster), reasons(cluster)[-1]) == ([], "MigrationNotRolledBack")
    cluster.refuses = None
    await looked_at(cluster)
    assert len(rollbacks(cluster)) == 1


@pytest.mark.parametrize(
    ("phase", "reason"),
    [("AwaitingConfirmation", "RollbackAwaitsConfirmation"), ("Succeeded", "MigrationRolledBack"),
     ("Failed", "RollbackFailed"), ("no such phase", "MigrationRollsBack")],
)  # fmt: skip
async def test_what_becomes_of_it_wakes_the_job_and_is_told_on_it(phase: str, reason: str):
    cluster = await migrated()
    await looked_at(cluster)
    cache, queue = filled(cluster), WorkQueue()
    becomes(cluster, phase=phase)
    take(RESTORES, {"type": "MODIFIED", "object": rollbacks(cluster)[0]}, cache, queue)
    assert queue.depth() == 3  # itself, the backup that names it, and the Job
    await looks(cache, cluster, JOB)
    assert reasons(cluster)[-1] == reason


async def test_the_next_migration_begins_when_the_rollback_has_ended():
    second = a_body()
    second["metadata"] |= {"name": "second", "uid": "j-2", "creationTimestamp": "2026-11-22T03:00:00Z"}
    later = Key("Job", "shop", "second")
    cluster = await migrated()
    cluster.put(JOBS, second)
    await looked_at(cluster, later)  # before the rollback is made
    await looked_at(cluster)
    await looked_at(cluster, later)  # made, and not looked at
    into = {"database": policy_dict()["database"]}
    for phase in ("Pending", "Running"):
        becomes(cluster, phase=phase, resolved=into)
        await looked_at(cluster, later)
    assert backups(cluster) == [NAME]
    assert set(reasons(cluster)) >= {"MigrationWaits"}

    cache, queue = filled(cluster), WorkQueue()
    becomes(cluster, phase="Succeeded", resolved=into)
    take(RESTORES, {"type": "MODIFIED", "object": rollbacks(cluster)[0]}, cache, queue)
    assert queue.depth() == 4  # and the one that waits
    await looks(cache, cluster, later)
    assert len(backups(cluster)) == 2


async def test_a_restore_that_nobody_has_confirmed_or_that_goes_elsewhere_holds_up_no_migration():
    for name, spec, status in (
        ("unconfirmed", {}, {"phase": "AwaitingConfirmation", "resolved": {"database": policy_dict()["database"]}}),
        ("elsewhere", {"target": {"databaseName": "other"}}, {}),
        ("stranger", {"source": {"backupRef": {"name": "of-nobody"}}}, {}),
        ("other", {}, {"phase": "Running", "resolved": {"database": policy_dict()["database"] | {"name": "other"}}}),
    ):
        cluster = a_cluster()
        meta = {"namespace": "shop", "name": name, "uid": name, "creationTimestamp": "2026-11-22T00:00:00Z"}
        cluster.put(
            RESTORES, {"metadata": meta, "spec": {"source": {"policyRef": {"name": "orders"}}} | spec, "status": status}
        )
        await looked_at(cluster)
        assert backups(cluster) == [NAME], name


async def test_a_strangers_restore_of_that_name_is_told_of_and_not_taken_for_the_rollback():
    cluster = await migrated()
    await looked_at(cluster)
    (body,) = rollbacks(cluster)
    cluster.put(RESTORES, body | {"spec": body["spec"] | {"source": {"backupRef": {"name": "other"}}}})
    await looked_at(cluster)
    await looked_at(cluster, BEFORE)
    assert reasons(cluster)[-1] == "MigrationNotRolledBack"
    assert "rollback" not in release(cluster)


async def test_a_job_that_is_gone_leaves_its_rollback_to_go_on():
    cluster = await migrated()
    await looked_at(cluster)
    cache, queue = filled(cluster), WorkQueue()
    gone = job(cluster)
    await cluster.delete(JOBS, "shop", "migrate", uid=None)
    take(MIGRATION_JOBS, {"type": "DELETED", "object": gone}, cache, queue)
    await looks(cache, cluster, BEFORE)
    assert len(rollbacks(cluster)) == 1
    assert "keptUntil" in release(cluster)
