"""The figures of the backups, as Prometheus reads them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.builders import policy_dict

from holdfast.kube.kinds import BACKUPS, POLICIES
from holdfast.process.metrics import BackupCollector
from holdfast.process.policy_metrics import PolicyCollector
from holdfast.process.retention_metrics import RetentionCollector
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


def a_policy(name: str = "orders", *, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "resourceVersion": "1",
            "creationTimestamp": "2026-11-01T00:00:00Z"}  # fmt: skip
    return {"metadata": meta, "spec": policy_dict() if spec is None else spec, "status": status}


def read(*backups: dict[str, Any], policies: Sequence[dict[str, Any]] = (a_policy(),)) -> CollectorRegistry:
    return registered(a_cache(*backups, policies=policies))


def a_cache(*backups: dict[str, Any], policies: Sequence[dict[str, Any]] = (a_policy(),)) -> Cache:
    cache = Cache()
    for policy in policies:
        cache.put(POLICIES, policy)
    for backup in backups:
        cache.put(BACKUPS, backup)
    return cache


def registered(cache: Cache) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(BackupCollector(cache))
    registry.register(PolicyCollector(cache))
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


LAST = "holdfast_backup_last_success_timestamp_seconds"
OBSERVE = Path(__file__).parents[2] / "docs/how-to/observe.md"


def test_the_last_success_is_told_also_where_its_backup_is_gone() -> None:
    told = a_policy(lastSuccess={"name": "gone", "completedAt": "2026-11-22T09:00:00Z"})
    assert value(read(policies=[told]), LAST) == 1795338000
    newer = a_backup("a", phase="Succeeded", completedAt="2026-11-22T09:00:01Z")
    assert value(read(newer, policies=[told]), LAST) == 1795338001


def test_a_policys_series_vanish_with_it_also_where_its_backups_stay() -> None:
    cache = a_cache(a_backup("a", phase="Succeeded", completedAt="2026-11-22T09:00:00Z", sizeBytes=82),
                    a_backup("b", policy=None, phase="Succeeded", completedAt="2026-11-22T09:00:00Z"))  # fmt: skip
    registry = registered(cache)
    of_it = [line for line in generate_latest(registry).decode().splitlines() if 'policy="orders"' in line]
    assert len(of_it) == 6
    cache.remove(POLICIES, a_policy())
    of_it = [line for line in generate_latest(registry).decode().splitlines() if 'policy="orders"' in line]
    assert of_it == ['holdfast_backups{namespace="shop",phase="Succeeded",policy="orders"} 1.0']
    assert value(registry, LAST, policy="") == 1795338000


def test_policies_are_an_inventory_with_what_each_is_to_do() -> None:
    missed = [{"reason": "TooLate", "count": 3}, {"reason": "Overtaken", "count": 1}]
    schedule = {"intervalSeconds": 86400, "missed": missed}
    registry = read(policies=[a_policy(schedule=schedule, nextRuns=["2026-11-22T09:00:00Z", "2026-11-23T09:00:00Z"])])
    about = {"environment": "production", "method": "dump", "engine": "postgresql"}
    assert value(registry, "holdfast_policy_info", **about) == 1
    assert value(registry, "holdfast_policy_created_timestamp_seconds") == 1793491200
    assert value(registry, "holdfast_policy_expected_interval_seconds") == 86400
    assert value(registry, "holdfast_policy_next_run_timestamp_seconds") == 1795338000
    assert value(registry, "holdfast_policy_missed_runs_total", reason="TooLate") == 3
    assert value(registry, "holdfast_policy_missed_runs_total", reason="Overtaken") == 1


@pytest.mark.parametrize("status", [{}, {"schedule": {"intervalSeconds": 86400, "suspended": True}}],
                         ids=["without a schedule", "suspended"])  # fmt: skip
def test_where_no_backup_is_expected_no_interval_is_told(status: dict[str, Any]) -> None:
    assert value(read(policies=[a_policy(**status)]), "holdfast_policy_expected_interval_seconds") is None


def test_what_makes_no_sense_in_a_policy_costs_its_own_series_alone() -> None:
    missed = [7, {"reason": 'a"} 1', "count": 1}, {"reason": "TooLate"}]
    nonsense = {"schedule": {"intervalSeconds": "x", "missed": missed},
                "nextRuns": [{}], "lastSuccess": [], "conditions": 3}  # fmt: skip
    registry = read(policies=[a_policy(spec={"database": 7, "environment": ["x"]}, **nonsense), a_policy("users")])
    text = generate_latest(registry).decode()
    assert 'reason="a' not in text
    assert value(registry, "holdfast_policy_info", environment="", method="dump", engine="") == 1
    assert value(registry, "holdfast_policy_created_timestamp_seconds", policy="users") == 1793491200


def the_first_alert(now: float, registry: CollectorRegistry) -> bool:
    """Work out the expression as it stands in the docs: `or` takes the right where the left has no such series."""
    row = re.search(r"^\| No good backup for longer .* \| `(.*)` \|$", OBSERVE.read_text(), re.MULTILINE)
    assert row is not None
    parts = re.fullmatch(r"time\(\) - \((\w+) or (\w+)\) > ([\d.]+) \* (\w+) \+ (\d+)", row[1])
    assert parts is not None
    held, else_, factor, expected, grace = parts.groups()
    left, right = value(registry, held), value(registry, expected)
    left = value(registry, else_) if left is None else left
    return left is not None and right is not None and now - left > float(factor) * right + float(grace)


@pytest.mark.parametrize(
    ("backups", "hours", "fires"),
    [
        pytest.param([], 24, False, id="a new policy has its time"),
        pytest.param([], 38, True, id="one that never had a good backup"),
        pytest.param(
            [a_backup("a", phase="Failed", completedAt="2026-11-02T12:00:00Z")], 38, True, id="only failed ones"
        ),
        pytest.param(
            [a_backup("a", phase="Succeeded", completedAt="2026-11-02T12:00:00Z")], 38, False, id="a good one"
        ),
        pytest.param([a_backup("a", phase="Succeeded", completedAt="2026-11-01T01:00:00Z")], 48, True, id="an old one"),
    ],
)
def test_the_first_alert_of_the_docs_fires_for_what_has_no_good_backup_for_too_long(
    backups: list[dict[str, Any]], hours: int, fires: bool
) -> None:
    created = 1793491200
    registry = read(*backups, policies=[a_policy(schedule={"intervalSeconds": 86400})])
    assert the_first_alert(created + hours * 3600, registry) is fires


def test_what_retention_keeps_and_deletes_is_read_from_the_policies_statuses() -> None:
    cache, registry = Cache(), CollectorRegistry()
    registry.register(RetentionCollector(cache))
    meta = {"namespace": "shop", "name": "orders", "uid": "p", "resourceVersion": "1"}
    told = {"kept": 3, "keptBytes": 30, "deleted": 7, "retries": [{"uid": "a"}]}
    held = [{"type": "RetentionHeld", "status": "True"}]
    cache.put(POLICIES, {"metadata": meta, "spec": {}, "status": {"retention": told, "conditions": held}})
    assert value(registry, "holdfast_retention_kept_backups") == 3
    assert value(registry, "holdfast_retention_kept_bytes") == 30
    assert value(registry, "holdfast_retention_deleted_backups_total") == 7
    assert value(registry, "holdfast_retention_held") == 1
    assert value(registry, "holdfast_retention_not_deleted") == 1
    cache.remove(POLICIES, {"metadata": meta})
    assert value(registry, "holdfast_retention_kept_backups") is None
