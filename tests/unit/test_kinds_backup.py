"""What a decision about a backup sees, and with what it is done: of its own namespace, database and Jobs alone."""

from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.builders import NOW, a_begun_backup, ago, observed, policy_dict, settings

from holdfast import clock, naming
from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.decide.backup.observation import BACKUP, CLEANUP, DELETION, FORMER, VERIFY
from holdfast.kube.errors import Refused, Unavailable
from holdfast.kube.kinds import BACKUPS, JOBS, PODS, POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds import backup as backups
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known
from holdfast.settings import Queue, Settings

BEGUN = a_begun_backup().status.to_dict()
ENDED = {"completedAt": "2026-11-22T08:00:00Z", "sizeBytes": 5, "sha256": "a" * 64}


def a_body(name: str = "orders-1", *, namespace: str = "shop", policy: str = "orders", created: datetime = NOW,
           version: str = "1", **status: Any) -> dict[str, Any]:  # fmt: skip
    meta = {"namespace": namespace, "name": name, "uid": f"u-{name}", "resourceVersion": version,
            "creationTimestamp": clock.to_text(created)}  # fmt: skip
    return {"metadata": meta, "spec": {"policyRef": {"name": policy}}, "status": status}


def good(name: str, **changes: Any) -> dict[str, Any]:
    return a_body(name, **BEGUN | ENDED | {"phase": "Succeeded", "backupID": f"id-{name}", "serverMajor": 17} | changes)


def a_cache(*bodies: dict[str, Any], limits: Queue | None = None) -> Cache:
    cache = Cache(limits=limits)
    for body in bodies:
        cache.put(BACKUPS, body)
    return cache


def a_policy(**meta: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": "orders", "uid": "p-1"} | meta, "spec": policy_dict()}


def read(**status: Any) -> DatabaseBackupStatus:
    return DatabaseBackupStatus.model_validate(BEGUN | status)


RUN = {"request": "r", "number": 1, "state": "Running", "jobName": "v", "startedAt": "2026-11-22T08:45:00Z",
       "level": "checksum"}  # fmt: skip
GOING = {"since": "2026-11-22T08:45:00Z"}
FIRST = {BACKUP: BEGUN["jobName"], FORMER: None, CLEANUP: None, VERIFY: None, DELETION: None}


@pytest.mark.parametrize(
    ("status", "others"),
    [
        ({}, {}),
        ({"attempt": None}, {}),
        ({"attempt": 2}, {FORMER: naming.child_name("orders-1", "u-orders-1", "backup", 1)}),
        ({"attempt": 3}, {FORMER: naming.child_name("orders-1", "u-orders-1", "backup", 2)}),
        ({"cleanup": {"jobName": "c", "state": "Running"}}, {CLEANUP: "c"}),
        ({"verificationRun": RUN}, {VERIFY: "v"}),
        ({"deletion": GOING | {"jobName": "d", "attempt": 1}}, {DELETION: "d"}),
        ({"deletion": GOING | {"jobName": "of-a-policy"}}, {}),
    ],
    ids=["the first", "before it has one", "the second", "the third", "a cleanup", "a verification", "a deletion",
         "its policy's"],
)  # fmt: skip
def test_its_jobs_are_those_that_its_status_has_fixed(status: dict[str, Any], others: dict[str, str]) -> None:
    assert backups.job_names(Resource.of(a_body()), read(**status)) == FIRST | others


def test_an_id_is_taken_by_a_backup_of_its_namespace_or_by_one_that_is_on_its_way() -> None:
    cache = a_cache(good("a"), good("b", namespace="crm"))
    taken = backups._TakenIDs(cache, "shop", {"claimed"})
    assert [name in taken for name in ("id-a", "claimed", "id-b", "id-c", "")] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("phase", "job", "pod", "swept"),
    [
        ("Deleting", True, False, True),
        ("Deleting", False, True, True),
        ("Deleting", False, False, False),
        ("Succeeded", True, True, False),
    ],
    ids=["its Job is there", "a Pod of it is there", "all has gone", "it is not being deleted"],
)
def test_the_job_that_its_policy_deletes_it_by_is_seen(phase: str, job: bool, pod: bool, swept: bool) -> None:
    cache, meta = Cache(), {"namespace": "shop", "name": "sweep", "uid": "j"}
    if job:
        cache.put(JOBS, {"metadata": meta, "spec": {}})
    if pod:
        cache.put(PODS, {"metadata": meta | {"labels": {"batch.kubernetes.io/job-name": "sweep"}}})
    backup = a_begun_backup(phase=Phase(phase))
    status = backup.status.model_copy(update={"deletion": read(deletion=GOING | {"jobName": "sweep"}).deletion})
    assert backups._swept(cache, observed(replace(backup, status=status))) is swept
    assert not backups._swept(cache, observed(backup))


LISTED, EVERYWHERE = settings(watchNamespaces=["shop"]), settings()


@pytest.mark.parametrize(
    ("known", "chart", "closed"),
    [
        (Known(terminating=True), EVERYWHERE, True),
        (Known(unauthorized=True), LISTED, True),
        (Known(unauthorized=True), EVERYWHERE, False),
        (Known(), LISTED, False),
    ],
    ids=["it is going", "its RoleBinding is gone", "a right is missing everywhere", "nothing is known"],
)
def test_a_namespace_that_takes_no_job_any_more_is_seen(known: Known, chart: Settings, closed: bool) -> None:
    sources: Any = SimpleNamespace(settings=chart, cache=Cache())
    assert backups._with_room(sources, observed(a_begun_backup()), known).closed is closed


@pytest.mark.parametrize(("running", "crowded"), [(-1, False), (0, True), (1, True)])
def test_as_many_deletions_as_may_run_are_enough(running: int, crowded: bool) -> None:
    most = EVERYWHERE.deletion.max_running
    cache: Any = SimpleNamespace(outliving=lambda: most + running)
    sources: Any = SimpleNamespace(settings=EVERYWHERE, cache=cache)
    assert backups._with_room(sources, observed(a_begun_backup()), Known()).crowded is crowded


def test_a_policy_that_is_gone_or_going_is_none() -> None:
    cache, resource = Cache(), Resource.of(a_body())
    assert backups._policy(cache, resource) is None
    cache.put(POLICIES, a_policy(resourceVersion="1"))
    assert backups._policy(cache, resource) is not None
    cache.put(POLICIES, a_policy(resourceVersion="2", deletionTimestamp="2026-11-22T08:00:00Z"))
    assert backups._policy(cache, resource) is None
    assert backups._policy(cache, Resource.of(a_body() | {"spec": {"policy": policy_dict()}})) is None


def moved() -> dict[str, Any]:
    """Of another database of the same policy."""
    return {"resolved": BEGUN["resolved"] | {"database": BEGUN["resolved"]["database"] | {"name": "moved"}}}


def test_since_when_backups_of_its_policy_and_database_are_known_is_asked_of_those_alone() -> None:
    cache = a_cache(
        good("a", created=ago(900)),
        good("b", created=ago(800)),
        good("c", created=ago(1000), **moved()),
        good("d", created=ago(1100), policy="users"),
    )
    resource = Resource.of(a_body(**BEGUN))
    assert backups._first_known(cache, resource) == ago(900)
    assert backups._first_known(Cache(), resource) == NOW


def test_the_servers_version_is_that_of_the_last_good_backup_of_the_same_database() -> None:
    policy = a_begun_backup().status.resolved
    assert policy is not None
    newer = {"completedAt": "2026-11-22T08:30:00Z", "serverMajor": 18}
    without = {key: value for key, value in good("d").items() if key != "status"}
    without["status"] = {key: value for key, value in good("d")["status"].items() if key != "completedAt"}
    cache = a_cache(good("a"), good("b", **newer), without, good("c", completedAt="2026-11-22T08:40:00Z", **moved()))
    resource = Resource.of(a_body())
    assert backups._known_major(cache, resource, policy) == 18
    assert backups._known_major(cache, resource, None) is None
    assert backups._known_major(Cache(), resource, policy) is None


@pytest.mark.parametrize(
    ("error", "begins"), [(Refused("no"), ["b"]), (Unavailable("answer lost"), [])], ids=["refused", "answer lost"]
)
def test_a_place_is_given_back_where_nothing_was_written_and_kept_where_it_may_have_been(
    error: Exception, begins: list[str]
) -> None:
    spec = {"spec": {"policy": policy_dict()}}
    cache = a_cache(a_body("a") | spec, a_body("b", created=NOW + timedelta(seconds=1)) | spec, limits=Queue())
    first = cache.backup("shop", "a")
    assert first is not None
    cache.line.begins(first)
    sources: Any = SimpleNamespace(cache=cache)
    assert backups.stumbled(sources, "shop", "a", error) == [Key(BACKUPS.kind, "shop", name) for name in begins]


def test_one_that_is_not_known_any_more_is_not_wanted_and_nothing_is_planned_for_it() -> None:
    sources: Any = SimpleNamespace(cache=Cache(), plans=None)
    o = observed(a_begun_backup())
    assert not backups.is_wanted(sources, "shop", "gone")
    assert backups._with_plan(sources, o) is o
    assert backups._verdict(sources, Resource.of(a_body())) is None
