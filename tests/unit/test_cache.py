"""The cache: never older than what was seen, never bigger than what is needed, always found by its indexes."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import naming
from holdfast.api.backup import Phase
from holdfast.decide.views import OwnerRef
from holdfast.kube.kinds import BACKUPS, JOBS, MIGRATION_JOBS, PODS, POLICIES, RESTORES
from holdfast.reconcile import cache as caches
from holdfast.reconcile.cache import Cache, is_older

WHEN = "2026-11-22T08:45:00Z"


def meta(name: str, version: int, *, uid: str | None = None, namespace: str = "shop", **labels: str) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "name": name,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": WHEN,
        "managedFields": [{"manager": "somebody"}],
        "annotations": {"big": "x" * 1000},
        "labels": labels,
    }


def a_backup(name: str, version: int = 1, *, policy: str | None = "orders", **kw: Any) -> dict[str, Any]:
    spec = {"policyRef": {"name": policy}} if policy else {"policy": {}}
    return {"metadata": meta(name, version, **kw), "spec": spec, "status": {"phase": "Pending"}}


def a_job(name: str, version: int = 1, *, backup_uid: str = "uid-b", **kw: Any) -> dict[str, Any]:
    return {"metadata": meta(name, version, **kw) | {"labels": {naming.LABEL_BACKUP_UID: backup_uid}}, "spec": {}}


def a_pod(name: str, version: int = 1, *, job: str = "j", **kw: Any) -> dict[str, Any]:
    return {"metadata": meta(name, version, **kw) | {"labels": {"batch.kubernetes.io/job-name": job}}}


def test_an_older_version_does_not_replace_a_newer_one() -> None:
    cache = Cache()
    assert cache.put(BACKUPS, a_backup("b", 10))
    assert not cache.put(BACKUPS, a_backup("b", 9) | {"status": {"phase": "Running"}})
    assert cache.backup("shop", "b").phase is Phase.PENDING
    assert cache.put(BACKUPS, a_backup("b", 11) | {"status": {"phase": "Running"}})
    assert cache.backup("shop", "b").phase is Phase.RUNNING


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("9", "10", True),
        ("10", "9", False),
        ("10", "10", False),
        ("a", "b", False),
        ("9", "b", False),
        ("b", "9", False),
        ("²", "3", False),
        ("3", "⁴", False),
    ],
)
def test_versions_are_compared_as_numbers_where_they_are(version: str, than: str, older: bool) -> None:
    assert is_older(version, than) is older


def test_the_answer_to_an_earlier_write_does_not_bring_back_what_is_gone() -> None:
    cache = Cache()
    cache.put(JOBS, a_job("j", 10))
    cache.remove(JOBS, a_job("j", 12))
    assert not cache.put(JOBS, a_job("j", 11))
    assert cache.job("shop", "j") is None
    assert cache.put(JOBS, a_job("j", 13, uid="another"))
    assert cache.job("shop", "j").uid == "another"


def test_the_end_of_a_former_object_does_not_remove_its_successor() -> None:
    cache = Cache()
    cache.put(JOBS, a_job("j", 20, uid="successor"))
    cache.remove(JOBS, a_job("j", 10))
    assert cache.job("shop", "j").uid == "successor"


def test_the_end_of_what_was_never_seen_is_no_fault() -> None:
    cache = Cache()
    cache.remove(PODS, a_pod("p", 5))
    assert cache.store(PODS).knows("shop", "p", "4")
    assert not cache.store(PODS).knows("shop", "p", "6")


def test_children_are_found_by_what_they_belong_to_in_their_namespace_alone() -> None:
    cache = Cache()
    cache.put(BACKUPS, a_backup("b"))
    cache.put(JOBS, a_job("j"))
    cache.put(JOBS, a_job("other", backup_uid="uid-x"))
    cache.put(JOBS, a_job("foreign", namespace="elsewhere"))
    cache.put(PODS, a_pod("p"))
    cache.put(PODS, a_pod("other", job="other"))
    job = cache.job("shop", "j")
    assert [it.name for it in cache.jobs_of("shop", OwnerRef("DatabaseBackup", "uid-b"))] == ["j"]
    assert [it.name for it in cache.pods_named("shop", "j")] == ["p"]
    assert cache.owner_of(job) == ("DatabaseBackup", "b")
    assert cache.owner_of(cache.job("elsewhere", "foreign")) is None
    cache.put(PODS, a_pod("unlabelled"))
    assert cache.owner_of(cache.store(PODS).get("shop", "unlabelled")) is None


def of_another_kind(label: str, uid: str) -> dict[str, Any]:
    return {"metadata": meta("j", 1, **{label: uid}), "spec": {}}


def test_a_job_of_a_policy_is_found_by_the_policys_kind_and_uid() -> None:
    cache = Cache()
    cache.put(BACKUPS, a_backup("b", uid="same"))
    cache.put(POLICIES, {"metadata": meta("orders", 1, uid="same"), "spec": {}})
    cache.put(JOBS, of_another_kind("holdfast.dev/policy-uid", "same"))
    assert [it.name for it in cache.jobs_of("shop", OwnerRef("BackupPolicy", "same"))] == ["j"]
    assert cache.jobs_of("shop", OwnerRef("DatabaseBackup", "same")) == []
    assert cache.owner_of(cache.job("shop", "j")) == ("BackupPolicy", "orders")


def test_a_job_of_a_kind_that_is_not_watched_has_no_owner_that_is_known() -> None:
    cache = Cache()
    cache.put(BACKUPS, a_backup("b", uid="same"))
    cache.put(JOBS, of_another_kind("holdfast.dev/restore-uid", "same"))
    assert cache.job("shop", "j").labelled == OwnerRef("DatabaseRestore", "same")
    assert cache.owner_of(cache.job("shop", "j")) is None


def before_a_migration(phase: str, **release: str) -> dict[str, Any]:
    spec = {"policyRef": {"name": "orders"}, "purpose": "pre-migration", "release": {"jobName": "m", "jobUID": "j-1"}}
    return a_backup("b") | {"spec": spec, "status": {"phase": phase, "release": release}}


@pytest.mark.parametrize(
    ("backup", "restores", "news"),
    [
        pytest.param(before_a_migration("Succeeded"), None, True, id="its Job runs"),
        pytest.param(before_a_migration("Failed"), None, False, id="its Job runs, but the backup is not good"),
        pytest.param(before_a_migration("Succeeded", releasedAt=WHEN), None, False, id="as its status says"),
        pytest.param(before_a_migration("Succeeded", releasedAt=WHEN), "b", True, id="it is restored"),
        pytest.param(before_a_migration("Succeeded", releasedAt=WHEN), "another", False, id="another one is restored"),
        pytest.param(a_backup("b") | {"status": {"phase": "Succeeded"}}, None, False, id="it is of no migration"),
    ],
)
def test_news_of_a_migration_are_what_the_status_of_its_good_backup_does_not_say(
    backup: dict[str, Any], restores: str | None, news: bool
) -> None:
    cache = Cache()
    job = meta("m", 1, uid="j-1") | {"labels": {"holdfast.dev/backup-first": "orders"}}
    cache.put(MIGRATION_JOBS, {"metadata": job, "spec": {"suspend": False}})
    cache.put(BACKUPS, backup)
    if restores:
        name = naming.rollback_name("m", "j-1")
        cache.put(RESTORES, {"metadata": meta(name, 1), "spec": {"source": {"backupRef": {"name": restores}}}})
    [known] = cache.backups.all()
    assert cache.has_news_of_its_migration(known) is news


def test_backups_are_found_by_their_policy() -> None:
    cache = Cache()
    for name, policy in (("a", "orders"), ("b", "orders"), ("c", "users"), ("d", None)):
        cache.put(BACKUPS, a_backup(name, policy=policy))
    assert [it.name for it in cache.backups_of("shop", "orders")] == ["a", "b"]
    cache.remove(BACKUPS, a_backup("a", 2))
    assert [it.name for it in cache.backups_of("shop", "orders")] == ["b"]


def test_what_nobody_decides_by_is_not_kept() -> None:
    cache = Cache()
    cache.put(POLICIES, {"metadata": meta("p", 1), "spec": {"environment": "dev"}})
    assert "x" * 100 not in repr(cache.policy("shop", "p"))
    assert "somebody" not in repr(cache.policy("shop", "p"))


names = st.sampled_from(["a", "b", "c"])
steps = st.lists(st.tuples(st.booleans(), names, st.sampled_from(["orders", "users", None])), max_size=40)


@given(steps)
def test_indexes_never_differ_from_the_objects(history: list[tuple[bool, str, str | None]]) -> None:
    cache = Cache()
    for version, (is_put, name, policy) in enumerate(history, start=1):
        body = a_backup(name, version, policy=policy, uid=f"uid-{name}-{policy}")
        cache.put(BACKUPS, body) if is_put else cache.remove(BACKUPS, body)
    for policy in ("orders", "users"):
        expected = {it.name for it in cache.backups.all() if it.policy_name == policy}
        assert {it.name for it in cache.backups_of("shop", policy)} == expected


def test_what_is_gone_is_remembered_for_so_many_and_the_latest_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "_MAX_GRAVES", 2)
    cache = Cache()
    for name, version in (("a", 10), ("b", 11), ("a", 12), ("c", 13)):
        cache.remove(PODS, a_pod(name, version))
    assert [cache.put(PODS, a_pod(name, 5)) for name in "abc"] == [False, True, False]


def test_of_a_kind_it_is_known_how_often_what_is_held_has_changed() -> None:
    store, changes = Cache().pods, []
    for act in (
        lambda: store.put(a_pod("a", 2)),
        lambda: store.put(a_pod("a", 1)),  # older
        lambda: store.put(a_pod("a", 2)),
        lambda: store.leave_out("shop", "a", "3"),
        lambda: store.leave_out("shop", "a", "3"),  # nothing is held
    ):
        act()
        changes.append(store.changes)
    assert changes == [1, 1, 2, 3, 3]


def test_a_version_that_was_seen_is_known_and_one_after_it_is_not() -> None:
    store = Cache().pods
    assert not store.knows("shop", "a", "0")
    store.put(a_pod("a", 5))
    assert [store.knows("shop", "a", version) for version in ("4", "5", "6")] == [True, True, False]
    store.leave_out("shop", "a", "7")
    assert [store.knows("shop", "a", version) for version in ("6", "7", "8")] == [True, True, False]


def test_an_object_that_says_no_version_is_removed_where_none_is_known() -> None:
    cache = Cache()
    body = a_pod("a", 1)
    body["metadata"]["resourceVersion"] = ""
    cache.put(PODS, body)
    cache.remove(PODS, body)
    assert list(cache.pods.all()) == []
    cache.put(PODS, a_pod("a", 1))
    cache.remove(PODS, body)
    assert len(cache.pods.all()) == 1


def test_what_is_found_is_in_the_order_of_its_age_and_then_of_its_name() -> None:
    cache = Cache()
    for name, created in (("c", "2026-11-22T08:45:00Z"), ("b", "2026-11-22T08:45:00Z"), ("z", "2026-11-22T08:00:00Z")):
        body = a_pod(name)
        body["metadata"]["creationTimestamp"] = created
        cache.put(PODS, body)
    assert [pod.name for pod in cache.pods_named("shop", "j")] == ["z", "b", "c"]


def test_what_is_gone_leaves_no_index_behind() -> None:
    cache = Cache()
    for body in (a_backup("a"), a_backup("b")):
        cache.put(BACKUPS, body)
    for body in (a_backup("a", 2), a_backup("b", 2)):
        cache.remove(BACKUPS, body)
    assert (cache.backups._indexed, len(cache.line)) == ({}, 0)


def test_when_a_watch_last_brought_something_is_known_by_namespace_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, now = Cache(), iter([1.0, 2.0])
    monkeypatch.setattr(caches, "time", SimpleNamespace(monotonic=lambda: next(now)))
    assert cache.heard(PODS, None) == -math.inf
    cache.hear(PODS, "shop")
    cache.hear(PODS, "crm")
    heard = [cache.heard(kind, where) for kind, where in ((PODS, "shop"), (PODS, "crm"), (PODS, None), (JOBS, None))]
    assert heard == [1.0, 2.0, 2.0, -math.inf]


def test_nothing_of_another_namespace_is_found() -> None:
    cache = Cache()
    for namespace in ("shop", "crm"):
        body = a_backup("b", namespace=namespace)
        body["status"] |= {"backupID": "id-1"} if namespace == "crm" else {}
        cache.put(BACKUPS, body)
        cache.put(PODS, a_pod("p", namespace=namespace))
        cache.put(JOBS, a_job("j", namespace=namespace))
    owner = OwnerRef("DatabaseBackup", "uid-b")
    found = (cache.backups_of("shop", "orders"), cache.waiting_for("shop", "orders"), cache.pods_named("shop", "j"),
             cache.jobs_of("shop", owner))  # fmt: skip
    assert [[each.namespace for each in some] for some in found] == [["shop"]] * 4
    assert cache.waiting_for("crm", "orders") == []  # it has begun


def test_those_whose_data_a_policy_deletes_are_half_deleted() -> None:
    cache = Cache()
    for name, phase in (("a", "Deleting"), ("b", "Succeeded"), ("c", "Deleting")):
        cache.put(BACKUPS, a_backup(name, policy="users" if name == "c" else "orders") | {"status": {"phase": phase}})
    assert [it.name for it in cache.half_deleted("shop", "orders")] == ["a"]


def an_orphan(name: str, made_by: str, **changes: Any) -> dict[str, Any]:
    body = a_job(name)
    body["metadata"]["annotations"] = {naming.ANNOTATION_MADE_BY: made_by}
    body["metadata"] |= changes.pop("meta", {})
    return body | changes


def test_the_jobs_that_outlive_their_backup_are_counted_while_they_run_and_only_our_own() -> None:
    cache = Cache()
    owner = {
        "apiVersion": naming.API_VERSION,
        "kind": "DatabaseBackup",
        "uid": "uid-b",
        "name": "b",
        "controller": True,
    }
    ended = {"conditions": [{"type": "Complete", "status": "True"}]}
    for body in (an_orphan("a", "us"), an_orphan("b", "us"), an_orphan("c", "somebody"),
                 an_orphan("d", "us", meta={"ownerReferences": [owner]}), an_orphan("e", "us", status=ended),
                 a_job("f")):  # fmt: skip
        cache.put(JOBS, body)
    assert cache.outliving() == 0  # as whom we make Jobs has not been asked yet
    cache.maker = "us"
    assert cache.outliving() == 2


def a_policy(version: int, host: str = "db", **more: Any) -> dict[str, Any]:
    database = {"engine": "postgresql", "name": "orders", "connection": {"host": host, "secretName": "s"}}
    return {"metadata": meta("orders", version) | more, "spec": {"environment": "dev", "database": database}}


def test_backups_stand_in_the_line_of_the_server_that_their_policy_names_now_or_in_none() -> None:
    cache = Cache()
    cache.put(BACKUPS, a_backup("b"))
    assert cache.line.turn("shop", "b") is None
    cache.put(POLICIES, a_policy(1))
    cache.put(BACKUPS, a_backup("a"))
    assert cache.line.next_up() == [("shop", "a")]  # the next one of that server waits for it
    cache.put(BACKUPS, a_backup("other", policy="users"))
    assert cache.line.turn("shop", "other") is None
    cache.put(POLICIES, a_policy(2, deletionTimestamp="2026-11-22T08:45:00Z"))
    assert (cache.line.next_up(), len(cache.line)) == ([], 0)
    cache.put(POLICIES, a_policy(3, host="elsewhere"))
    assert cache.line.next_up() == [("shop", "a")]
    cache.remove(POLICIES, a_policy(4))
    assert cache._servers == {}
    assert len(cache.line) == 0
    own = a_backup("own") | {"spec": {"policy": a_policy(1)["spec"]}}
    cache.put(BACKUPS, own)
    assert cache.line.next_up() == [("shop", "own")]
    cache.remove(BACKUPS, own)
    assert len(cache.line) == 0
