"""The figures of the backups, as Prometheus reads them."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from holdfast.kube.kinds import BACKUPS
from holdfast.process.metrics import BackupCollector
from holdfast.reconcile.cache import Cache


def a_backup(name: str, policy: str | None = "orders", **status: Any) -> dict[str, Any]:
    meta = {
        "namespace": "shop",
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "creationTimestamp": "2026-11-22T08:45:00Z",
    }
    return {"metadata": meta, "spec": {"policyRef": {"name": policy}} if policy else {"policy": {}}, "status": status}


def read(*backups: dict[str, Any]) -> CollectorRegistry:
    cache, registry = Cache(), CollectorRegistry()
    registry.register(BackupCollector(cache))
    for backup in backups:
        cache.put(BACKUPS, backup)
    return registry


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, {"namespace": "shop", "policy": "orders", **labels})


def test_backups_are_counted_by_policy_and_phase() -> None:
    registry = read(
        a_backup("a", phase="Succeeded", completedAt="2026-11-22T08:45:00Z"),
        a_backup("b", phase="Failed"),
        a_backup("c", phase="Failed"),
        a_backup("d"),
        a_backup("e", policy=None, phase="Running"),
    )
    assert value(registry, "holdfast_backups", phase="Succeeded") == 1
    assert value(registry, "holdfast_backups", phase="Failed") == 2
    assert value(registry, "holdfast_backups", phase="Pending") == 1
    assert value(registry, "holdfast_backups", policy="", phase="Running") == 1


@pytest.mark.parametrize(("failure", "good"), [({}, True), ({"failure": {"reason": "ChecksumMismatch"}}, False)])
def test_a_good_backup_stays_the_last_good_one_while_it_is_verified_again(failure: dict[str, Any], good: bool) -> None:
    registry = read(a_backup("a", phase="Verifying", completedAt="2026-11-22T08:45:00Z", **failure))
    assert (value(registry, "holdfast_backup_last_success_timestamp_seconds") is not None) == good


def test_the_last_good_backup_gives_time_size_and_duration() -> None:
    registry = read(
        a_backup("b", phase="Succeeded", completedAt="2026-11-22T09:00:00Z", sizeBytes=82, durationSeconds=4.5),
        a_backup("a", phase="Succeeded", completedAt="2026-11-22T08:00:00Z", sizeBytes=70, durationSeconds=9),
        a_backup("c", phase="Failed", completedAt="2026-11-22T10:00:00Z"),
    )
    assert value(registry, "holdfast_backup_last_success_timestamp_seconds") == 1795338000
    assert value(registry, "holdfast_backup_last_size_bytes") == 82
    assert value(registry, "holdfast_backup_last_duration_seconds") == 4.5


def test_a_policy_that_never_succeeded_has_no_last_success() -> None:
    assert value(read(a_backup("a", phase="Failed")), "holdfast_backup_last_success_timestamp_seconds") is None


@pytest.mark.parametrize("backups", [(), (a_backup("a", phase="Failed"),)], ids=["no backup", "one"])
def test_the_text_can_be_scraped(backups: tuple[dict[str, Any], ...]) -> None:
    assert b"# TYPE holdfast_backups gauge" in generate_latest(read(*backups))
