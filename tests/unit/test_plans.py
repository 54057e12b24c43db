"""What retention plans is worked out once for all who ask: a look at a policy must not cost its backups squared."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.builders import settings
from tests.unit.test_reconcile_sweep import DAY, NOW, Store, a_backup, a_cluster

from holdfast import clock
from holdfast.api.backup import DatabaseBackupStatus
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.plan import Verdict
from holdfast.kube.kinds import BACKUPS, POLICIES, RESTORES
from holdfast.reconcile import plans
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds import deletions

ENDED = {"a": NOW - (32 - 1 / 1440) * DAY, "e": NOW - DAY}
SAID = {
    name: {"keptBecause": ["left to the bucket"], "expiresAt": clock.to_text(ended + 30 * DAY)}
    for name, ended in ENDED.items()
}


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many backups were gone through, each time that they were."""
    seen: list[int] = []
    original: Callable[[Any, Any], Any] = plans._by_database

    def counted(backups: Any, read: Any) -> Any:
        seen.append(len(backups))
        return original(backups, read)

    monkeypatch.setattr(plans, "_by_database", counted)
    return seen


def a_cache() -> Cache:
    cluster, cache = a_cluster(Store(), {f"b{age:02d}": age for age in range(40)}), Cache()
    for kind in (POLICIES, BACKUPS):
        for body in cluster.all(kind):
            cache.put(kind, body)
    return cache


def test_all_backups_of_a_policy_are_gone_through_once_for_all_who_ask(gathered: list[int]):
    cache = a_cache()
    asked = plans.Plans(cache, settings(), lambda: NOW)
    first = asked.of("shop", "orders")
    assert [asked.differs(backup) for backup in cache.backups.all()] == [False] + [True] * 39  # too new to be looked at
    assert asked.of("shop", "orders") is first
    assert gathered == [40]


def test_what_changes_a_plan_is_planned_anew_and_what_does_not_is_only_looked_at(gathered: list[int]):
    cache = a_cache()
    asked = plans.Plans(cache, settings(), lambda: NOW)
    first = asked.of("shop", "orders")

    body = a_backup("b05", NOW - 5 * DAY)
    body["metadata"]["resourceVersion"] = "900"
    cache.put(BACKUPS, body | {"status": body["status"] | {"keptBecause": ["within 30 days"]}})
    assert asked.of("shop", "orders") is first
    assert asked.of("shop", "orders") is first
    assert gathered == [40, 40]

    body["metadata"]["resourceVersion"] = "901"
    cache.put(BACKUPS, body | {"spec": body["spec"] | {"pinned": True}})
    again = asked.of("shop", "orders")
    assert (again is first, again.verdicts["u-b05"].reasons) == (False, ("within 30 days", "pinned"))

    cache.remove(BACKUPS, body)
    assert "u-b05" not in asked.of("shop", "orders").verdicts
    assert gathered == [40, 40, 40, 39]


def test_when_a_day_comes_to_look_for_one_its_policy_wakes_it_though_a_minute_ago_there_was_none():
    cluster, cache = a_cluster(Store(), {"a": 32 - 1 / 1440, "e": 1}, mode="External"), Cache()
    for kind in (POLICIES, BACKUPS):
        for body in cluster.all(kind):
            body["status"] = body.get("status", {}) | SAID.get(body["metadata"]["name"], {})
            cache.put(kind, body)
    times = [NOW + timedelta(seconds=30), NOW + timedelta(seconds=61)]
    asked = plans.Plans(cache, settings(), lambda: times[0])
    sources: Any = SimpleNamespace(plans=asked)

    def woken() -> list[str]:
        return [key.name for key in deletions.wakes(sources, cache.backups.all(), None)]

    assert woken() == []
    times.pop(0)
    assert woken() == ["a"]


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        pytest.param({"phase": "Running"}, True, id="while the restore runs"),
        pytest.param({"phase": "Queued"}, True, id="while it waits"),
        pytest.param({"phase": "Succeeded"}, False, id="no longer when it has ended"),
    ],
)
def test_what_a_restore_reads_is_in_use(status: dict[str, Any], kept: bool):
    cluster, cache = a_cluster(Store(), {"old": 40, "new": 1}), Cache()
    for kind in (POLICIES, BACKUPS):
        for body in cluster.all(kind):
            cache.put(kind, body)
    asked = plans.Plans(cache, settings(), lambda: NOW)
    assert asked.of("shop", "orders").verdicts["u-old"].keep is False

    meta = {"namespace": "shop", "name": "back", "uid": "r", "resourceVersion": "1"}
    cache.put(RESTORES, {"metadata": meta, "spec": {}, "status": {**status, "source": {"uid": "u-old"}}})

    verdict = asked.of("shop", "orders").verdicts["u-old"]
    assert (verdict.keep, verdict.reasons == ("in use",)) == (kept, kept)


def test_another_policy_is_planned_anew_and_of_one_that_is_gone_nothing_is_held():
    cache = a_cache()
    asked = plans.Plans(cache, settings(), lambda: NOW)
    assert asked.of("shop", "orders").verdicts["u-b35"].keep is False
    (policy,) = a_cluster(Store(), {}, days=36).all(POLICIES)
    policy["metadata"]["resourceVersion"] = "900"
    cache.put(POLICIES, policy)
    assert asked.of("shop", "orders").verdicts["u-b35"].keep is True
    cache.remove(POLICIES, policy)
    assert (asked.of("shop", "orders"), asked._answers) == (plans.NOTHING, {})


def test_a_clock_that_is_set_back_has_all_planned_anew():
    times = [NOW, NOW - 10 * DAY]
    asked = plans.Plans(a_cache(), settings(), lambda: times[0])
    assert asked.of("shop", "orders").verdicts["u-b35"].keep is False
    times.pop(0)
    assert asked.of("shop", "orders").verdicts["u-b35"].keep is True


def test_as_many_reasons_are_said_as_a_status_takes():
    fact = Fact(name="a", uid="u-a", created=NOW)
    verdict = Verdict(fact, True, (), tuple(f"reason {number}" for number in range(20)), None)
    assert len(plans.kept_because(verdict)) == 16
    assert plans.kept_because(verdict._replace(keep=False)) == ()


def test_a_policy_that_is_going_or_gone_lets_nothing_go_and_says_nothing_of_its_backups():
    cache = a_cache()
    asked, (policy,) = plans.Plans(cache, settings(), lambda: NOW), a_cluster(Store(), {}).all(POLICIES)
    old = cache.backup("shop", "b35")
    assert old is not None
    assert (asked.keeps(old), asked.verdict(old) is not None) == (False, True)
    policy["metadata"] |= {"resourceVersion": "900", "deletionTimestamp": clock.to_text(NOW)}
    cache.put(POLICIES, policy)
    assert asked.of("shop", "orders") is plans.NOTHING
    assert (asked.keeps(old), asked.verdict(old), asked.looks_for(old)) == (True, None, False)


def a_plan(**changes: Any) -> plans.Planned:
    """What is planned where twenty of forty backups are to go and ten may; `changes` of the policy."""
    cluster, cache = (
        a_cluster(Store(), {f"b{age:02d}": age + 10 for age in range(40)}, maxDeletionsPerSweep=10),
        Cache(),
    )
    (policy,) = cluster.all(POLICIES)
    policy["spec"] |= changes.pop("spec", {})
    cache.put(POLICIES, policy | changes)
    for body in cluster.all(BACKUPS):
        cache.put(BACKUPS, body)
    return plans.Plans(cache, settings(), lambda: NOW).of("shop", "orders")


def test_what_is_left_of_an_approved_plan_is_approved_and_nothing_else_is():
    (held,) = a_plan().plans
    assert (held.held is not None, len(held.deletions), held.sweep) == (True, 20, ())
    (approved,) = a_plan(status={"retention": {"approvedRest": held.hash}}).plans
    assert approved.sweep == held.deletions
    (other,) = a_plan(status={"retention": {"approvedRest": "0" * 12}}).plans
    assert other.sweep == ()


def test_a_policy_that_names_no_time_zone_plans_nothing():
    nowhere = {"cron": "0 2 * * *", "timeZone": "Mars/Olympus"}
    assert a_plan(spec={"schedule": nowhere}) == plans.NOTHING
    assert a_plan(spec={"schedule": nowhere | {"timeZone": "Europe/Vienna"}}).plans


def test_what_is_no_good_backup_has_nothing_to_say_and_is_not_looked_for():
    cluster, cache = a_cluster(Store(), {"a": 33, "b": 5, "c": 3, "d": 2, "e": 1}, mode="External"), Cache()
    failed = {"phase": "Failed", "failure": {"reason": "DumpFailed", "message": "m", "remedy": "r"}}
    never = failed | {"completedAt": clock.to_text(NOW - 2 * DAY)}
    for kind in (POLICIES, BACKUPS):
        for body in cluster.all(kind):
            status = body.get("status", {})
            body["status"] = {"b": status | failed, "c": never, "d": never}.get(body["metadata"]["name"], status)
            cache.put(kind, body)
    asked = plans.Plans(cache, settings(), lambda: NOW)
    good, bad = cache.backup("shop", "a"), cache.backup("shop", "b")
    assert good is not None
    assert bad is not None
    assert (asked.looks_for(good), asked.looks_for(bad), asked.verdict(bad)) == (True, False, None)
    assert (asked.keeps(good), asked.concerns(bad)) == (True, False)
    assert [asked.verdict(backup) for backup in cache.backups.all() if not backup.good] == [None] * 3


def test_of_more_reasons_than_a_status_holds_as_many_are_written_as_it_does():
    reasons = tuple(f"reason {number}" for number in range(100))
    said = plans.kept_because(Verdict(Fact(name="a", uid="u", created=NOW), True, ("days",), reasons, NOW))
    most = DatabaseBackupStatus.model_json_schema()["properties"]["keptBecause"]["anyOf"][0]["maxItems"]
    assert said == reasons[:most]
    assert DatabaseBackupStatus.model_validate({"keptBecause": said}).kept_because == list(said)
