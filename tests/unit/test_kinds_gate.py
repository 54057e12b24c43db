"""What a decision about a migration Job sees: its own backup as it stands, and only what its next step rests on."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.builders import NOW, ago, policy_dict, settings
from tests.fake_cluster import FakeCluster
from tests.reconciling import a_writer
from tests.unit.test_gate import a_body
from tests.unit.test_rollbacks import a_meta

from holdfast import clock
from holdfast.api.restore_status import Phase
from holdfast.decide.decision import MakeBackup
from holdfast.decide.gate import BackupBefore, Observation, Other
from holdfast.decide.migrations import MigrationJob, migration_job
from holdfast.decide.rollback import Rollback, WayBack
from holdfast.kube.kinds import BACKUPS, MIGRATION_JOBS, POLICIES, RESTORES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds import gate
from holdfast.reconcile.plans import Plans
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known, Sources

GOING = {"deletionTimestamp": clock.to_text(NOW)}
FAILED = {"conditions": [{"type": "Failed", "status": "True"}]}
REFUSED = "admission webhook denied the request"


def a_job(name: str = "migrate", *, asks: str = "", status: Any = None, **spec: Any) -> dict[str, Any]:
    body = a_body(**spec)
    annotations = {"holdfast.dev/on-failure": "rollback"} | ({"holdfast.dev/backup-now": asks} if asks else {})
    body["metadata"] |= {"name": name, "uid": f"uid-{name}", "annotations": annotations}
    return body | {"status": status or {}}


def before(body: dict[str, Any], *, meta: Any = None, of: str = "", policy: str = "orders", **status: Any) -> Any:
    """The backup of a Job."""
    job = migration_job(body)
    spec = {"policyRef": {"name": policy}, "release": {"jobName": job.name, "jobUID": of or job.uid}}
    return {"metadata": a_meta(job.backup_name, **(meta or {})), "spec": spec, "status": status}


def a_policy(**meta: Any) -> dict[str, Any]:
    return {"metadata": a_meta("orders", **meta), "spec": policy_dict()}


def a_restore(name: str, **status: Any) -> dict[str, Any]:
    spec = {"source": {"backupRef": {"name": migration_job(a_job()).backup_name}}, "mode": "Replace"}
    return {"metadata": a_meta(name), "spec": spec, "status": status}


INTO = a_restore("again", phase="Running", resolved={"database": policy_dict()["database"]})
DONE = {"phase": "Succeeded", "completedAt": clock.to_text(ago(60)), "backupID": "backup-1"}


def cached(*bodies: tuple[Any, dict[str, Any]]) -> Cache:
    cache = Cache()
    for kind, body in bodies:
        cache.put(kind, body)
    return cache


def seen(body: dict[str, Any], *others: tuple[Any, dict[str, Any]], **known: Any) -> Observation:
    job = migration_job(body)
    return gate.observe(cached((MIGRATION_JOBS, body), *others), job, Known(**known))


def itself(job: MigrationJob, *, begun: bool = False, stuck: bool = False) -> Other:
    return Other(job.name, job.uid, job.created, begun, stuck)


HELD = migration_job(a_job())
SECOND = migration_job(a_job("second"))
ALONE = Observation(HELD, policy=False, others=(itself(HELD),))
RUNS = migration_job(a_job(suspend=False))
LOST = migration_job(a_job(suspend=False, status=FAILED))
ASKED = migration_job(a_job(asks="2"))

SEEN: dict[str, tuple[Callable[[], Observation], Observation]] = {
    "alone, without its policy": (lambda: seen(a_job()), ALONE),
    "its policy": (lambda: seen(a_job(), (POLICIES, a_policy())), replace(ALONE, policy=True)),
    "no policy that is being deleted": (lambda: seen(a_job(), (POLICIES, a_policy(**GOING))), ALONE),
    "the other Job of its policy": (
        lambda: seen(a_job(), (MIGRATION_JOBS, a_job("second"))), replace(ALONE, others=(itself(HELD), itself(SECOND))),
    ),
    "another one that has begun": (
        lambda: seen(a_job(), (MIGRATION_JOBS, a_job("second")), (BACKUPS, before(a_job("second")))),
        replace(ALONE, others=(itself(HELD), itself(SECOND, begun=True))),
    ),
    "another one that is to be rolled back": (
        lambda: seen(a_job(), (MIGRATION_JOBS, a_job("second", suspend=False, status=FAILED)),
                     (BACKUPS, before(a_job("second"), **DONE))),
        replace(ALONE, others=(itself(HELD), itself(SECOND, begun=True))),
    ),
    "none that has been rolled back": (
        lambda: seen(a_job(), (MIGRATION_JOBS, a_job("second", suspend=False, status=FAILED)),
                     (BACKUPS, before(a_job("second"), **DONE)), (RESTORES, a_restore(SECOND.rollback_name))),
        ALONE,
    ),
    "a restore into the database of its policy": (
        lambda: seen(a_job(), (POLICIES, a_policy()), (RESTORES, INTO)), replace(ALONE, policy=True, restoring="again"),
    ),
    "nothing of others once it has its backup": (
        lambda: seen(a_job(), (POLICIES, a_policy()), (RESTORES, INTO), (BACKUPS, before(a_job()))),
        Observation(HELD, policy=True, backup=BackupBefore(ours=True, waits=True)),
    ),
    "nothing of others where it was not held": (
        lambda: seen(a_job(suspend=False), (POLICIES, a_policy()), (RESTORES, INTO)), Observation(RUNS, policy=True),
    ),
    "that it was held before another backup was asked for": (
        lambda: seen(a_job(asks="2"), (BACKUPS, before(a_job()))),
        Observation(ASKED, policy=False, others=(itself(ASKED),), held_before=True),
    ),
    "why its backup cannot be made": (
        lambda: seen(a_job(), refused={HELD.backup_name: REFUSED, HELD.rollback_name: "another"}),
        replace(ALONE, refused=REFUSED),
    ),
    "what takes it back where it has failed": (
        lambda: seen(a_job(suspend=False, status=FAILED), (BACKUPS, before(a_job(), **DONE)),
                     (RESTORES, a_restore(LOST.rollback_name, phase="Running")),
                     refused={LOST.rollback_name: REFUSED, LOST.backup_name: "another"}),
        Observation(
            LOST, policy=False, backup=BackupBefore(ours=True, good=True, over=True),
            back=WayBack(LOST.backup_name, released=False, made=False), rollback=Rollback(True, Phase.RUNNING),
            refused=REFUSED,
        ),
    ),
    "nothing of that where it has not failed": (
        lambda: seen(a_job(suspend=False), (BACKUPS, before(a_job(), **DONE)),
                     (RESTORES, a_restore(LOST.rollback_name))),
        Observation(RUNS, policy=False, backup=BackupBefore(ours=True, good=True, over=True)),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("found", "told"), SEEN.values(), ids=SEEN.keys())
def test_a_migration_job_is_seen_with(found: Callable[[], Observation], told: Observation):
    assert found() == told


BACKUP: dict[str, tuple[dict[str, Any], BackupBefore]] = {
    "one that waits": (before(a_job()), BackupBefore(ours=True, waits=True)),
    "one that runs": (before(a_job(), phase="Running", backupID="b"), BackupBefore(ours=True)),
    "a good one": (before(a_job(), **DONE), BackupBefore(ours=True, good=True, over=True)),
    "one that is being deleted, which is good for nothing": (
        before(a_job(), meta=GOING, **DONE), BackupBefore(ours=True, over=True),
    ),
    "one that is deleted before it began": (before(a_job(), meta=GOING), BackupBefore(ours=True, over=True)),
    "one that has failed": (
        before(a_job(), phase="Failed", backupID="b", failure={"reason": "DumpFailed"}),
        BackupBefore(ours=True, over=True, failed_for="DumpFailed"),
    ),
    "one that says that the Job was released": (
        before(a_job(), **DONE, release={"releasedAt": clock.to_text(NOW)}),
        BackupBefore(ours=True, good=True, over=True, released=True),
    ),
    "another Job's": (before(a_job(), of="j-9"), BackupBefore(ours=False, waits=True)),
    "another policy's": (before(a_job(), policy="more"), BackupBefore(ours=False, waits=True)),
}  # fmt: skip


@pytest.mark.parametrize(("body", "told"), BACKUP.values(), ids=BACKUP.keys())
def test_the_backup_that_bears_the_name_of_its_own_is_seen_as(body: dict[str, Any], told: BackupBefore):
    assert seen(a_job(), (BACKUPS, body)).backup == told


def test_that_the_cache_has_lost_its_job_or_its_policy_meanwhile_is_said_with_the_name():
    cache = Cache()
    sources = Sources(cache, Plans(cache, settings(), lambda: NOW), a_writer(cache, FakeCluster(lambda *_: None)),
                      settings())  # fmt: skip
    with pytest.raises(LookupError, match=r"^Job shop/migrate is not in the cache$"):
        gate.look(sources, Resource.of(a_job()), Known(), NOW)
    sight = gate.look(replace(sources, cache=cached((MIGRATION_JOBS, a_job()))), Resource.of(a_job()), Known(), NOW)
    with pytest.raises(LookupError, match=r"^BackupPolicy shop/orders is not in the cache$"):
        sight.child_of(MakeBackup(HELD.backup_name))
