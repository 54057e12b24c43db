"""A policy that deletes, with the API server: whatever dies between two calls, the same goes and nothing else."""

import copy
from collections import deque
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from tests.builders import a_failure, a_policy, a_success, policy_dict, settings
from tests.fake_cluster import FakeCluster
from tests.moody import ANSWERS, Moody
from tests.mortal import Killed, Mortal
from tests.reconciling import a_loop
from tests.unit.test_reconcile_verifying import FOUND

from holdfast import clock, naming
from holdfast.api.deletion import DeletionPage, Member
from holdfast.contract.report import DeleteReport, NotDeletedReport, Outcome, Report
from holdfast.contract.task import DeleteTask, Task, VerifyTask
from holdfast.decide.resolve import resolve
from holdfast.errors import Reason
from holdfast.handlers.watches import keys_of
from holdfast.kube.errors import KubeError
from holdfast.kube.kinds import BACKUPS, EVENTS, JOBS, PODS, POLICIES, Kind
from holdfast.reconcile.backups import Backup
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds import deletions
from holdfast.reconcile.plans import Plans
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource

NOW = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)  # when the API server in memory makes what it makes
DAY = timedelta(days=1)
ORDERS = Key(POLICIES.kind, "shop", "orders")
Run = Callable[[DeleteTask], DeleteReport]
C = TypeVar("C", bound=FakeCluster)


def all_of_it(task: DeleteTask) -> DeleteReport:
    return DeleteReport(deleted=list(range(len(task.items))))


class Store:
    """What the Jobs delete from."""

    def __init__(self, run: Run = all_of_it) -> None:
        self.asked: list[list[str]] = []
        self._run = run

    def __call__(self, _image: str, task: Task) -> Report:
        assert isinstance(task, DeleteTask)
        self.asked.append([item.name for item in task.items])
        report = self._run(task)
        return Report(
            kind=task.kind, outcome=Outcome.SUCCEEDED, started_at=NOW, completed_at=NOW, duration_seconds=1,
            deletion=report,
        )  # fmt: skip


class Timed(FakeCluster):
    """An API server whose clock goes."""

    now = NOW

    def at(self, now: datetime) -> datetime:
        """Have it be so late."""
        self.now = now
        return now

    def put(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        body["metadata"].setdefault("creationTimestamp", clock.to_text(self.now))
        return super().put(kind, body)


def a_cluster(
    store: Store, ages: dict[str, float], by_hand: Collection[str] = (), like: type[C] = FakeCluster, **retention: Any
) -> C:
    """A policy and its good backups, by age in days."""
    cluster = like(store)
    rules = {"days": 30, "maxDeletionsPerSweep": 1000} | retention
    spec = policy_dict(retention=rules)
    made = clock.to_text(NOW - 400 * DAY)
    names = {"namespace": "shop", "name": "orders", "uid": "p-1", "creationTimestamp": made}
    cluster.put(POLICIES, {"metadata": names, "spec": spec})
    for name, age in ages.items():
        cluster.put(BACKUPS, a_backup(name, NOW - age * DAY, made=name not in by_hand))
    return cluster


def a_backup(name: str, ended: datetime, made: bool = True) -> dict[str, Any]:
    labels = {naming.uid_label(naming.POLICY_KIND): "p-1", naming.LABEL_SLOT: "x"} if made else {}
    identifier = f"backup-{ended:%Y%m%d-%H%M%S}"
    status = {
        "observedGeneration": 1,
        "phase": "Succeeded",
        "backupID": identifier,
        "location": f"s3://backups/shop/orders/{identifier}/",
        "jobName": f"{name}-backup",
        "startedAt": clock.to_text(ended),
        "completedAt": clock.to_text(ended),
        "sizeBytes": 1000,
        "sha256": "a" * 64,
        "restore": "kubectl ...",
        "resolved": resolve(a_policy(), settings()).to_dict(),
        "conditions": [],
    }
    meta = {
        "namespace": "shop", "name": name, "uid": f"u-{name}", "labels": labels, "generation": 1,
        "creationTimestamp": clock.to_text(ended),
    }  # fmt: skip
    return {"metadata": meta, "spec": {"policyRef": {"name": "orders"}}, "status": status}


class Operator:
    """One that has just begun: it looks at everything, and at what its own looks wake, until all rests."""

    def __init__(self, cluster: FakeCluster, client: Any = None, now: datetime = NOW) -> None:
        self._cluster, self._cache, self._keys = cluster, Cache(), deque[Key]()
        self._heard: dict[tuple[str, str, str], str] = {}
        self._loop = a_loop(self._cache, client or cluster, settings(), wake=self._add, now=lambda: now)

    async def lives(self) -> None:
        for _ in range(5000):
            self._hear()
            if not self._keys:
                return
            key = self._keys.popleft()
            try:
                await self._loop.reconcile(key)
            except KubeError:
                self._add(key)  # as the queue does, after a while
        pytest.fail(f"no rest; next is {self._keys[0]}")

    def _add(self, key: Key) -> None:
        if key not in self._keys:
            self._keys.append(key)

    def _hear(self) -> None:
        """Bring what has changed, as the watches do."""
        there = dict(self._cluster.objects)
        for kind in (POLICIES, BACKUPS, JOBS, PODS):
            for held in list(self._cache.store(kind).all()):
                if (kind.kind, held.namespace, held.name) not in there:
                    self._cache.store(kind).leave_out(held.namespace, held.name, held.resource_version)
                    self._add(ORDERS)
            for name, body in there.items():
                if name[0] == kind.kind and self._heard.get(name) != body["metadata"]["resourceVersion"]:
                    self._heard[name] = body["metadata"]["resourceVersion"]
                    self._cache.put(kind, copy.deepcopy(body))
                    for key in keys_of(kind, body, self._cache):
                        self._add(key)


async def days_pass(cluster: FakeCluster, client: Any = None, now: datetime = NOW, rounds: int = 4) -> None:
    """An operator after the other, and the kubelet between them."""
    for _ in range(rounds):
        try:
            await Operator(cluster, client, now).lives()
        except Killed:
            continue
        cluster.kubelet()


def backups(cluster: FakeCluster) -> dict[str, str]:
    return {body["metadata"]["name"]: body["status"]["phase"] for body in cluster.all(BACKUPS)}


def retention(cluster: FakeCluster) -> dict[str, Any]:
    return cluster.all(POLICIES)[0]["status"]["retention"]


def events(cluster: FakeCluster) -> list[str]:
    return [each["reason"] for each in cluster.all(EVENTS)]


AGES = {"a": 90, "b": 60, "c": 20, "d": 5, "e": 1}


async def test_what_is_too_old_goes_with_its_data_and_what_a_person_made_stays_without():
    store = Store()
    cluster = a_cluster(store, AGES, by_hand=["b", "e"])
    await days_pass(cluster)
    assert store.asked == [["a", "b"]]
    assert backups(cluster) == {"b": "Expired", "c": "Succeeded", "d": "Succeeded", "e": "Succeeded"}
    told = retention(cluster)
    assert (told["deleted"], told["kept"], told["lastSweep"]["deleted"], "page" in told) == (2, 3, 2, False)
    assert {"BackupsDeleted", "Expired"} <= set(events(cluster))
    kept = {body["metadata"]["name"]: body["status"] for body in cluster.all(BACKUPS)}
    assert kept["c"]["keptBecause"] == ["within 30 days"]
    assert kept["e"]["keptBecause"][0] == "within 30 days"
    assert kept["c"]["expiresAt"] == clock.to_text(NOW + 10 * DAY)


async def test_an_operator_that_is_started_again_over_what_has_settled_writes_nothing():
    cluster = a_cluster(Store(), AGES)
    await days_pass(cluster)
    before = {kind.kind: cluster.all(kind) for kind in (POLICIES, BACKUPS, JOBS, EVENTS)}
    await days_pass(cluster)
    assert {kind.kind: cluster.all(kind) for kind in (POLICIES, BACKUPS, JOBS, EVENTS)} == before


CALLS = 13


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, CALLS + 2))
async def test_an_operator_that_dies_at_any_call_deletes_the_same_and_never_calls_good_what_is_gone(call, answered):
    store = Store()
    cluster = a_cluster(store, AGES, by_hand=["b"])
    mortal = Mortal(cluster, call, answered)
    await days_pass(cluster, mortal, rounds=7)
    assert mortal.died
    assert backups(cluster) == {"b": "Expired", "c": "Succeeded", "d": "Succeeded", "e": "Succeeded"}
    assert {name for page in store.asked for name in page} == {"a", "b"}
    assert "page" not in retention(cluster)


@pytest.mark.parametrize("call", [None, *range(2, CALLS + 8, 3)], ids=str)
async def test_what_is_held_until_its_data_is_gone_goes_by_its_page_alone_whenever_an_operator_dies(call: int | None):
    store = Store()
    cluster = a_cluster(store, AGES, by_hand=["b"])
    for body in cluster.all(BACKUPS):
        body["status"]["resolved"]["deletionPolicy"] = "Delete"
        body["metadata"]["finalizers"] = [naming.FINALIZER]
        cluster.put(BACKUPS, body)
    await days_pass(cluster, Mortal(cluster, call, answered=True) if call else None, rounds=7)
    assert backups(cluster) == {"b": "Expired", "c": "Succeeded", "d": "Succeeded", "e": "Succeeded"}
    assert {name for page in store.asked for name in page} == {"a", "b"}
    assert len(store.asked) == 1
    held = [body["metadata"]["name"] for body in cluster.all(BACKUPS) if body["metadata"].get("finalizers")]
    assert held == ["c", "d", "e"]
    assert "page" not in retention(cluster)


@pytest.mark.parametrize(("answer", "late", "call", "times"), [
    *(pytest.param("409", False, n, 1, id=f"409 at call {n}") for n in range(1, CALLS + 2)),
    *(pytest.param("500", True, n, 1, id=f"500 at call {n}, which was done") for n in range(1, CALLS + 2)),
    *(pytest.param(code, False, 2, 30, id=f"{code} thirty times") for code in ("409", "429", "500")),
])  # fmt: skip
async def test_whatever_the_api_server_answers_instead_the_same_is_deleted_in_the_end(answer, late, call, times):
    store = Store()
    cluster = a_cluster(store, AGES, by_hand=["b"])
    moody = Moody(cluster, ANSWERS[answer], call, times, late=late)
    await days_pass(cluster, moody, rounds=3)
    assert moody.failed == times
    assert backups(cluster) == {"b": "Expired", "c": "Succeeded", "d": "Succeeded", "e": "Succeeded"}
    assert store.asked == [["a", "b"]]
    assert retention(cluster)["deleted"] == 2


def by_hand(cluster: FakeCluster, kind: Kind, name: str, status: dict[str, Any]) -> None:
    """Somebody edits a status."""
    body = next(each for each in cluster.all(kind) if each["metadata"]["name"] == name)
    cluster.put(kind, body | {"status": body.get("status", {}) | status})


def a_forged_page(*uids: str) -> dict[str, Any]:
    members = [{"name": uid.removeprefix("u-"), "uid": uid, "reasonToDelete": "old"} for uid in uids]
    page = {"number": 1, "since": clock.to_text(NOW), "jobName": "orders-sweep-1", "members": members}
    return {"retention": {"page": page, "pages": 1}}


async def test_a_page_that_somebody_wrote_into_the_status_deletes_nothing_that_is_kept_or_anothers():
    # Given a policy of which all is kept, beside another one
    store = Store()
    cluster = a_cluster(store, {"c": 20, "d": 5, "pinned": 3, "e": 1})
    cluster.put(BACKUPS, a_backup("theirs", NOW - 5 * DAY) | {"spec": {"policyRef": {"name": "users"}}})
    pinned = next(each for each in cluster.all(BACKUPS) if each["metadata"]["name"] == "pinned")
    cluster.put(BACKUPS, pinned | {"spec": pinned["spec"] | {"pinned": True}})

    # When somebody names them in its status as what is being deleted
    by_hand(cluster, POLICIES, "orders", a_forged_page("u-theirs", "u-pinned", "u-c", "u-d", "u-e"))
    await days_pass(cluster)
    await days_pass(cluster, now=NOW + timedelta(minutes=3))

    # Then nothing is deleted, and the page goes
    assert store.asked == []
    assert set(backups(cluster).values()) == {"Succeeded"}
    assert "page" not in retention(cluster)


async def test_fields_that_a_newer_release_has_written_are_no_hindrance():
    store = Store()
    cluster = a_cluster(store, AGES, by_hand=["b"])
    condition = {"type": "Replicated", "status": "True", "reason": "Done", "message": "m", "observedGeneration": 1,
                 "lastTransitionTime": clock.to_text(NOW), "since": 3}  # fmt: skip
    newer = {"tier": "cold", "history": [{"at": 1}], "conditions": [condition]}
    for name in AGES:
        by_hand(cluster, BACKUPS, name, newer)
    by_hand(cluster, POLICIES, "orders", newer | {"retention": {"budget": {"bytes": 7}}})
    await days_pass(cluster)
    assert store.asked == [["a", "b"]]
    assert backups(cluster) == {"b": "Expired", "c": "Succeeded", "d": "Succeeded", "e": "Succeeded"}


async def test_a_deletion_job_that_somebody_deletes_is_made_again_and_all_of_its_page_goes():
    store = Store()
    cluster = a_cluster(store, AGES)
    await Operator(cluster).lives()
    (job,) = cluster.all(JOBS)
    await cluster.delete(JOBS, "shop", job["metadata"]["name"], uid=None)
    await days_pass(cluster)
    assert store.asked == [["a", "b"]]
    assert backups(cluster) == dict.fromkeys("cde", "Succeeded")


async def test_a_store_that_is_down_for_an_hour_costs_a_few_jobs_and_then_all_that_expired_goes_and_no_more():
    down = True

    def unreachable(task: DeleteTask) -> DeleteReport:
        if not down:
            return all_of_it(task)
        items = list(range(len(task.items)))
        failed = NotDeletedReport(items=items, reason="StorageUnreachable", message="refused", untouched=True)
        return DeleteReport(failed=[failed], whole=[])

    # Given two that are due, and one that becomes so within the hour
    store = Store(unreachable)
    cluster = a_cluster(store, AGES | {"c": 30 - 0.5 / 24}, like=Timed)

    # When the store is down for it, and each minute an operator begins anew
    for minute in range(60):
        await days_pass(cluster, now=cluster.at(NOW + timedelta(minutes=minute)), rounds=2)
    told = retention(cluster)
    tries = len(store.asked)

    # Then it was tried seldom, said, and nothing is called deleted or lost
    assert 3 <= tries <= 8
    assert {each["name"] for each in told["retries"]} == {"a", "b", "c"}
    assert all(each["reason"] == "StorageUnreachable" for each in told["retries"])
    assert set(backups(cluster)) == set(AGES)
    assert told["deleted"] == 0

    # and once it is back, all of them go, at their next try
    down = False
    for minute in range(60, 180, 5):
        await days_pass(cluster, now=cluster.at(NOW + timedelta(minutes=minute)), rounds=2)
    assert backups(cluster) == dict.fromkeys("de", "Succeeded")
    assert retention(cluster)["deleted"] == 3
    assert "retries" not in retention(cluster) or retention(cluster)["retries"] == []


def test_no_job_is_made_for_a_page_of_which_one_cannot_be_read_since_a_report_tells_of_each_by_its_place():
    cache = Cache()
    for name in "ab":
        body = a_backup(name, NOW - 90 * DAY)
        status = body["status"] | {"phase": "Deleting"} | ({"resolved": "gone"} if name == "b" else {})
        cache.put(BACKUPS, body | {"status": status})
    members = [Member(name=name, uid=f"u-{name}", reason_to_delete="old") for name in "ab"]
    page = DeletionPage(number=1, since=NOW, job_name="orders-sweep-1", members=members)
    policy = Resource.of({"metadata": {"namespace": "shop", "name": "orders", "uid": "p-1"}, "spec": {}})
    sources: Any = SimpleNamespace(settings=settings(), plans=Plans(cache, settings(), lambda: NOW))
    with pytest.raises(RuntimeError, match="1 backups of the page cannot be read"):
        deletions.job(sources, policy, list(cache.backups.all()), page)


async def test_a_hundred_expired_backups_take_two_jobs():
    store = Store()
    cluster = a_cluster(store, {f"b{i:03d}": 200 - i for i in range(100)} | {f"n{i:03d}": i / 9 for i in range(120)})
    await days_pass(cluster, rounds=5)
    assert [len(page) for page in store.asked] == [50, 50]
    assert len(backups(cluster)) == 120


async def test_the_last_good_one_is_never_deleted_however_old():
    cluster = a_cluster(Store(), {"a": 900, "b": 800})
    await days_pass(cluster)
    assert backups(cluster) == {"b": "Succeeded"}


async def test_a_policy_that_is_gone_deletes_nothing():
    store = Store()
    cluster = a_cluster(store, AGES)
    await cluster.delete(POLICIES, "shop", "orders", uid="p-1")
    for body in cluster.all(BACKUPS):
        assert body["status"]["phase"] == "Succeeded"
    await Operator(cluster).lives()
    assert (store.asked, set(backups(cluster))) == ([], set(AGES))


async def test_more_than_half_is_held_until_the_plans_hash_is_repeated_and_another_hash_lets_nothing_go():
    store = Store()
    cluster = a_cluster(store, {"a": 90, "b": 60, "c": 1})
    await days_pass(cluster)
    assert store.asked == []
    plan = retention(cluster)["plan"]
    assert plan["total"] == 2
    for value, asked in (("00000000", []), (plan["hash"], [["a", "b"]])):
        await cluster.patch(
            POLICIES, "shop", "orders", {"metadata": {"annotations": {naming.ANNOTATION_APPROVE: value}}}
        )
        await days_pass(cluster)
        assert store.asked == asked
    assert backups(cluster) == {"c": "Succeeded"}


async def test_what_the_store_does_not_let_go_is_good_as_before_told_and_tried_again_later():
    def denied(task: DeleteTask) -> DeleteReport:
        failed = NotDeletedReport(
            items=list(range(len(task.items))),
            reason="StorageAccessDenied",
            message="grant it",
            untouched=True,
            whole=True,
        )
        return DeleteReport(failed=[failed], whole=failed.items)

    store = Store(denied)
    cluster = a_cluster(store, AGES)
    await days_pass(cluster)
    assert backups(cluster) == dict.fromkeys(AGES, "Succeeded")
    assert {each["name"] for each in retention(cluster)["retries"]} == {"a", "b"}
    assert "DeletionFailed" in events(cluster)
    assert len(store.asked) == 1
    await days_pass(cluster, now=NOW + timedelta(minutes=6))
    assert len(store.asked) == 2


async def test_a_backup_that_nobody_has_seen_to_be_whole_is_not_called_good_again():
    def blind(task: DeleteTask) -> DeleteReport:
        items = list(range(len(task.items)))
        return DeleteReport(
            failed=[NotDeletedReport(items=items, reason="StorageAccessDenied", message="m", untouched=True)]
        )

    cluster = a_cluster(Store(blind), AGES)
    await days_pass(cluster)
    assert backups(cluster) == {"a": "Deleting", "b": "Deleting", "c": "Succeeded", "d": "Succeeded", "e": "Succeeded"}


async def test_what_no_rule_keeps_and_a_held_plan_does_not_delete_yet_says_of_none_that_it_keeps_it():
    cluster = a_cluster(Store(), {"a": 90, "b": 60, "c": 1})
    await days_pass(cluster)
    said = {body["metadata"]["name"]: body["status"].get("keptBecause") for body in cluster.all(BACKUPS)}
    assert said == {"a": None, "b": None, "c": ["within 30 days", "newest good", "minimum 1"]}


class Bucket(Store):
    """One with a lifecycle rule; what it has removed is not found any more."""

    def __init__(self, *removed: str) -> None:
        super().__init__()
        self.removed, self.looked_for = {f"u-{name}" for name in removed}, list[str]()

    def __call__(self, image: str, task: Task) -> Report:
        if not isinstance(task, VerifyTask):
            return super().__call__(image, task)
        self.looked_for.append(task.backup_uid.removeprefix("u-"))
        if task.backup_uid in self.removed:
            return a_failure(Reason.BACKUP_GONE)
        return a_success().model_copy(update={"kind": "verify", "backup": None, "verification": FOUND})


async def test_where_the_bucket_deletes_what_is_past_its_days_is_looked_for_and_nothing_is_deleted():
    bucket = Bucket("a", "b")
    cluster = a_cluster(bucket, AGES | {"x": 80}, by_hand=["b"], mode="External")
    await days_pass(cluster, rounds=12)

    assert (bucket.looked_for, bucket.asked) == (["a", "x", "b"], [])
    phases = dict.fromkeys("abcdex", "Succeeded") | {"a": "Expired", "b": "Expired"}
    assert backups(cluster) == phases
    assert retention(cluster)["kept"] == 4

    before = {kind.kind: cluster.all(kind) for kind in (POLICIES, BACKUPS, JOBS, EVENTS)}
    await days_pass(cluster)
    assert {kind.kind: cluster.all(kind) for kind in (POLICIES, BACKUPS, JOBS, EVENTS)} == before

    await days_pass(cluster, now=NOW + 8 * DAY)
    assert set(backups(cluster)) == set("bcdex"), "what Holdfast made has said it for a week"
    assert bucket.asked == []


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, 9))
async def test_an_operator_that_dies_at_any_call_looks_once_and_calls_expired_what_is_gone(call, answered):
    bucket = Bucket("a")
    cluster = a_cluster(bucket, {"a": 90, "e": 1}, mode="External")
    mortal = Mortal(cluster, call, answered)
    await days_pass(cluster, mortal, rounds=6)
    assert bucket.looked_for == ["a"]
    assert backups(cluster) == {"a": "Expired", "e": "Succeeded"}


@pytest.mark.parametrize("mode", ["Managed", "External"])
async def test_a_backup_that_was_found_damaged_stays_until_somebody_deletes_it(mode):
    store = Store()
    cluster = a_cluster(store, {"a": 90, "d": 5, "e": 1}, mode=mode)
    for body in cluster.all(BACKUPS):
        if body["metadata"]["name"] in ("a", "d"):
            reason = {"reason": "ChecksumMismatch", "message": "m", "remedy": "r"}
            cluster.put(BACKUPS, body | {"status": body["status"] | {"phase": "Failed", "failure": reason}})
    await days_pass(cluster)
    assert (store.asked, set(backups(cluster))) == ([], {"a", "d", "e"})
    facts = [Backup.of(body).fact for body in cluster.all(BACKUPS) if body["status"]["phase"] == "Failed"]
    assert [(fact.failed, fact.damaged) for fact in facts] == [(False, True)] * 2


async def test_what_lies_in_a_store_that_is_gone_from_the_charts_values_expires_as_ever():
    store = Store()
    cluster = a_cluster(store, AGES)
    for body in cluster.all(BACKUPS):
        body["status"]["resolved"]["storage"]["store"] = "gone"
        cluster.put(BACKUPS, body)
    await cluster.patch(POLICIES, "shop", "orders", {"spec": {"storage": {"store": "gone", "s3": None}}})
    await days_pass(cluster)
    assert store.asked == [["a", "b"]]
    ready = {each["type"]: each["reason"] for each in cluster.all(POLICIES)[0]["status"]["conditions"]}["Ready"]
    assert (ready, set(backups(cluster))) == ("StoreNotFound", {"c", "d", "e"})
