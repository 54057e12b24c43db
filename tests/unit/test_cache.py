"""The cache: never older than what was seen, never bigger than what is needed, always found by its indexes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import naming
from holdfast.api.backup import Phase
from holdfast.decide.views import OwnerRef
from holdfast.kube.kinds import BACKUPS, JOBS, PODS, POLICIES
from holdfast.reconcile.cache import Cache, is_older


def meta(name: str, version: int, *, uid: str | None = None, namespace: str = "shop", **labels: str) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "name": name,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-22T08:45:00Z",
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
    [("9", "10", True), ("10", "9", False), ("10", "10", False), ("a", "b", False), ("9", "b", False)],
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
