"""What a decision about a policy sees of its backups: its own, since it was made, and nobody else's."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.builders import NOW, policy_dict, settings
from tests.fake_cluster import FakeCluster
from tests.reconciling import a_loop
from tests.unit import test_kinds_deletions as kept

from holdfast import clock, naming
from holdfast.decide.decision import DeleteBackup, MakeBackup
from holdfast.decide.policy.runs import Ended
from holdfast.decide.policy.steps import Observation
from holdfast.decide.policy.sweep import SWEEP
from holdfast.decide.seen import Seen
from holdfast.kube.kinds import BACKUPS, JOBS, POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds import policy as policies
from holdfast.reconcile.kinds.works import work
from holdfast.reconcile.queue import Key
from holdfast.reconcile.refusals import PodRefusal
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known

MADE = NOW - timedelta(days=1)


def at(hours: float) -> str:
    return clock.to_text(MADE + timedelta(hours=hours))


def a_policy(**changes: Any) -> Resource:
    meta = {"namespace": "shop", "name": "orders", "uid": "p-1", "generation": 3, "creationTimestamp": at(0)}
    annotations = {naming.ANNOTATION_BACKUP_NOW: "now"}
    body = {"metadata": meta | {"annotations": annotations}, "spec": policy_dict(), "status": {}}
    body["metadata"] |= changes.pop("meta", {})
    return Resource.of(body | changes)


def a_backup(name: str, *, slot: bool = True, uid: str = "p-1", policy: str = "orders", created: float = 1,
             deleting: bool = False, **status: Any) -> dict[str, Any]:  # fmt: skip
    labels = {naming.uid_label(naming.POLICY_KIND): uid} | ({naming.LABEL_SLOT: "x"} if slot else {})
    meta = {"namespace": "shop", "name": name, "uid": f"u-{name}", "resourceVersion": "7", "labels": labels,
            "creationTimestamp": at(created)}  # fmt: skip
    meta |= {"deletionTimestamp": at(2)} if deleting else {}
    return {"metadata": meta, "spec": {"policyRef": {"name": policy}}, "status": status}


def good(name: str, hours: float, **changes: Any) -> dict[str, Any]:
    return a_backup(name, **{"phase": "Succeeded", "completedAt": at(hours), "sizeBytes": 5, "durationSeconds": 2.5}
                    | changes)  # fmt: skip


def failed(name: str, hours: float, **changes: Any) -> dict[str, Any]:
    return a_backup(name, **{"phase": "Failed", "completedAt": at(hours), "failure": {"reason": "DumpFailed"}}
                    | changes)  # fmt: skip


def observed(*backups: dict[str, Any], policy: Resource | None = None) -> Observation:
    cache, policy = Cache(), policy or a_policy()
    for body in backups:
        cache.put(BACKUPS, body)
    return policies.observe(cache, policy, cache.backups_of("shop", "orders"), Known(refused={"x": "a quota"}))


def test_it_is_seen_as_it_stands_there() -> None:
    policy = a_policy(status={"a": 1})
    o = observed(policy=policy)
    assert (o.namespace, o.name, o.uid, o.created, o.generation) == ("shop", "orders", "p-1", MADE, 3)
    assert (o.spec, o.status, o.request, o.refused) == (policy.spec, {"a": 1}, "now", {"x": "a quota"})
    assert (o.deleting, o.under_way, o.good, o.failed, list(o.recent), o.spoilt) == (False, None, None, None, [], False)
    assert observed(policy=a_policy(meta={"deletionTimestamp": at(5)})).deleting


def test_the_last_good_one_and_the_last_that_failed_are_told_with_all_that_is_told_of_them() -> None:
    o = observed(good("a", 2), good("c", 4), good("b", 3), failed("d", 5), failed("e", 6))
    assert o.good == Ended("c", MADE + timedelta(hours=4), good=True, reason="", size_bytes=5, seconds=2.5)
    assert o.failed == Ended("e", MADE + timedelta(hours=6), good=False, reason="DumpFailed", size_bytes=0, seconds=0)
    assert [each.name for each in o.recent] == ["e", "d", "c", "b", "a"]


@pytest.mark.parametrize(
    "backup",
    [
        good("x", 1, created=-0.01),
        good("x", 1, completedAt=None),
        good("x", 1, phase="Expired"),
        good("x", 1, phase="Deleting"),
        failed("x", 1, phase="Running"),
    ],
    ids=["from before the policy was made", "without an end", "gone", "being deleted", "under way again"],
)  # fmt: skip
def test_of_what_has_no_end_of_its_own_nothing_is_told(backup: dict[str, Any]) -> None:
    o = observed(backup)
    assert (o.good, o.failed, list(o.recent)) == (None, None, [])


def test_a_backup_that_was_applied_in_one_go_with_its_policy_is_told() -> None:
    assert observed(good("x", 1, created=0)).good is not None


@pytest.mark.parametrize(
    ("backup", "ours"),
    [
        (a_backup("x"), True),
        (a_backup("x", slot=False), True),
        (a_backup("x", uid="p-0"), False),
        (a_backup("x", policy="users"), False),
        (a_backup("y"), None),
    ],
    ids=["by its schedule", "asked for", "of a former policy of its name", "of another", "there is none"],
)
def test_a_backup_is_its_own_by_uid_and_by_name(backup: dict[str, Any], ours: bool | None) -> None:
    assert observed(backup).ours("x") is ours


@pytest.mark.parametrize(
    ("backup", "busy"),
    [
        (a_backup("x", phase="Running"), True),
        (a_backup("x"), True),
        (a_backup("x", slot=False, phase="Running"), False),
        (a_backup("x", uid="p-0", phase="Running"), False),
        (a_backup("x", deleting=True, phase="Running"), False),
        (a_backup("x", created=-1, phase="Running"), False),
        (failed("x", 1), False),
        (good("x", 1), False),
    ],
    ids=["it runs", "it waits", "of a person", "a stranger's", "it is going", "from before", "failed", "succeeded"],
)  # fmt: skip
def test_what_its_schedule_has_made_and_has_not_ended_is_under_way_and_can_be_cancelled_as_it_was_seen(
    backup: dict[str, Any], busy: bool
) -> None:
    assert observed(backup).under_way == (DeleteBackup("x", "u-x", "7") if busy else None)


@pytest.mark.parametrize(
    ("backups", "spoilt"),
    [
        ([good("last", 1)], False),
        ([failed("last", 1)], True),
        ([good("last", 1, phase="Expired")], True),
        ([good("last", 1, phase="Verifying")], False),
        ([failed("other", 1)], False),
    ],
    ids=["good", "found damaged", "its data is gone", "looked at again", "its resource is gone"],
)
def test_the_last_success_is_one_no_more_where_the_backup_itself_says_so(
    backups: list[dict[str, Any]], spoilt: bool
) -> None:
    assert observed(*backups, policy=a_policy(status={"lastSuccess": {"name": "last"}})).spoilt is spoilt


def test_the_backups_that_wait_for_the_policy_are_woken_and_no_others() -> None:
    cache = Cache()
    for body in (a_backup("a", phase="Pending"), a_backup("b", phase="Queued"), good("c", 1),
                 a_backup("d", phase="Running", backupID="backup-1")):  # fmt: skip
        cache.put(BACKUPS, body)
    assert policies._waiting(cache.backups_of("shop", "orders")) == [Key(BACKUPS.kind, "shop", "a")]


@pytest.mark.parametrize("going", [False, True], ids=["it is there", "it is going"])
async def test_a_policy_wakes_those_that_wait_for_it_while_it_is_not_going(going: bool) -> None:
    cluster, cache, woken = FakeCluster(lambda *_: None), Cache(), list[Key]()
    meta = {"namespace": "shop", "name": "orders", "creationTimestamp": at(0)}
    meta |= {"deletionTimestamp": at(1), "finalizers": ["theirs"]} if going else {}
    cache.put(POLICIES, cluster.put(POLICIES, {"metadata": meta, "spec": policy_dict()}))
    cache.put(BACKUPS, cluster.put(BACKUPS, a_backup("a", phase="Pending")))
    await a_loop(cache, cluster, settings(), wake=woken.append).reconcile(Key(POLICIES.kind, "shop", "orders"))
    assert woken == ([] if going else [Key(BACKUPS.kind, "shop", "a")])


def test_a_look_brings_the_job_of_its_page_and_wakes_whoever_is_deleted_by_it():
    waits = a_backup("w")
    cache = kept.a_cache(kept.a_body("a", **kept.DELETING), waits, status=kept.a_forged_page("u-a"))
    policy = cache.policy("shop", "orders")
    assert policy is not None
    sight = policies.look(kept.the_sources(cache), policy, Known(), NOW)
    assert sight.works == {SWEEP: Seen("orders-sweep-1", None, (), None, None)}
    assert sight.wakes == (Key(BACKUPS.kind, "shop", "w"), Key(BACKUPS.kind, "shop", "a"))


SLOT = datetime(2026, 11, 22, 2, 0, tzinfo=clock.EPOCH.tzinfo)


def test_the_backup_of_a_slot_and_the_one_that_is_asked_for_are_the_policys_own() -> None:
    slot = policies._child(a_policy(), MakeBackup("n", SLOT))
    asked = policies._child(a_policy(), MakeBackup("n", None, "please", 4))
    assert slot["metadata"]["name"] == naming.slot_name("orders", SLOT)
    assert asked["metadata"]["name"] == naming.asked_name("orders", "p-1", "please", 4)
    for body in (slot, asked):
        assert body["metadata"]["namespace"] == "shop"
        assert body["metadata"]["labels"][naming.uid_label(naming.POLICY_KIND)] == "p-1"


@pytest.mark.parametrize("told", [False, True], ids=["refused by the API server", "refused by the Job controller"])
@pytest.mark.parametrize("there", [False, True], ids=["no Job", "a Job"])
def test_why_a_job_has_no_pod_is_what_was_said_last(told: bool, there: bool) -> None:
    cache = Cache()
    if there:
        cache.put(JOBS, {"metadata": {"namespace": "shop", "name": "j", "uid": "uid-j"}, "spec": {}})
    refusal = PodRefusal("shop", "uid-j", "exceeded quota", MADE)
    cache.refusals = SimpleNamespace(of=lambda *_: [refusal] if told else [])  # type: ignore[assignment]
    seen = work(cache, "shop", "j", "denied", NOW)
    assert (seen.job is not None) is there
    assert seen.name == "j"
    assert (seen.refusal, seen.refused_at) == (("exceeded quota", MADE) if told and there else ("denied", None))
