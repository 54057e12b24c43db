"""What a policy's deletion is decided on: its page, each of its backups, and what must be in the store to begin."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.builders import settings
from tests.fake_cluster import FakeCluster
from tests.reconciling import a_writer
from tests.unit.test_reconcile_sweep import DAY, NOW, Store, a_backup, a_cluster, a_forged_page

from holdfast import clock
from holdfast.api.backup import Phase
from holdfast.api.deletion import DeletionPage
from holdfast.api.job import JobTemplate
from holdfast.contract.paths import TASK_VARIABLE
from holdfast.contract.task import DeleteTask, MustStay, parse
from holdfast.decide.backup.observation import Removal
from holdfast.decide.policy.sweep import SWEEP, Candidate, Retention
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.plan import Verdict
from holdfast.decide.seen import NOTHING, Asked
from holdfast.kube.kinds import BACKUPS, JOBS, POLICIES
from holdfast.reconcile.backups import Backup
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds import deletions
from holdfast.reconcile.kinds.works import work
from holdfast.reconcile.plans import Planned, Plans
from holdfast.reconcile.sight import Known, Sources
from holdfast.settings import Settings

PAGE = a_forged_page("u-a", "u-b")
DELETING = {"phase": "Deleting"}


def a_body(name: str, age: float = 90, *, made: bool = True, spec: Any = None, meta: Any = None, **status: Any) -> Any:
    body = a_backup(name, NOW - age * DAY, made=made)
    body["metadata"] |= {"resourceVersion": "1"} | (meta or {})
    status = {key: value for key, value in (body["status"] | status).items() if value is not None}
    return body | {"spec": body["spec"] | (spec or {}), "status": status}


def a_cache(*bodies: dict[str, Any], status: Any = None, policy: bool = True) -> Cache:
    cache, cluster = Cache(), a_cluster(Store(), {})
    if policy:
        cache.put(POLICIES, cluster.all(POLICIES)[0] | {"status": status or {}})
    for body in bodies:
        cache.put(BACKUPS, body)
    return cache


def the_sources(cache: Cache, chart: Settings | None = None, verdicts: Any = None) -> Sources:
    plans: Any = Plans(cache, settings(), lambda: NOW)
    if verdicts is not None:
        plans = SimpleNamespace(of=lambda *_: Planned(verdicts=verdicts))
    return Sources(cache, plans, a_writer(cache, FakeCluster(Store())), chart or settings())


def held(cache: Cache, name: str) -> Backup:
    backup = cache.backup("shop", name)
    assert backup is not None
    return backup


@pytest.mark.parametrize(
    "status",
    [{}, {"retention": "none"}, {"retention": {"page": None}}, {"retention": {"page": {"number": 0}}}],
    ids=["nothing", "no such thing", "none is under way", "nothing that can be read"],
)
def test_of_a_status_without_a_page_that_can_be_read_nothing_is_deleted(status: dict[str, Any]):
    cache = a_cache(a_body("a"), status=status)
    assert deletions.page_of(status) is None
    assert deletions.removal(cache, held(cache, "a")) is None


def test_a_backup_is_told_what_its_own_place_in_the_page_says():
    page = a_forged_page("u-a", "u-b")
    page["retention"]["page"]["members"][1] |= {"result": "Failed"}
    cache = a_cache(a_body("a"), a_body("b", made=False), a_body("c"), status=page)
    read = deletions.page_of(page)
    assert read is not None
    first, second = read.members
    assert (first.uid, second.uid) == ("u-a", "u-b")
    assert [deletions.removal(cache, held(cache, name)) for name in "abc"] == [
        Removal(first, "orders-sweep-1", made=True, kept=False),
        Removal(second, "orders-sweep-1", made=False, kept=False),
        None,
    ]


@pytest.mark.parametrize("spec", [{"policyRef": {"name": "gone"}}, {"policyRef": None}], ids=["gone", "none"])
def test_a_backup_whose_policy_is_not_there_is_in_no_page(spec: dict[str, Any]):
    cache = a_cache(a_body("a", spec=spec), status=PAGE)
    assert deletions.removal(cache, held(cache, "a")) is None


def observed(cache: Cache, known: Known | None = None, chart: Settings | None = None) -> Retention:
    policy = cache.policy("shop", "orders")
    assert policy is not None
    return deletions.observe(the_sources(cache, chart), policy, cache.backups.all(), known or Known(), NOW)


def a_candidate(cache: Cache, name: str, phase: Phase, **changes: Any) -> Candidate:
    seen = Candidate(
        name=name, uid=f"u-{name}", phase=phase, has_data=True, made=True, going=False, pinned=False,
        store=held(cache, name).store, told=None, lacks=False, held=False,
    )  # fmt: skip
    return replace(seen, **changes)


def test_each_backup_of_the_policy_is_seen_as_it_is():
    told = {"jobName": "orders-sweep-0", "since": clock.to_text(NOW), "reasonToDelete": "old", "result": "Failed"}
    cache = a_cache(
        a_body("kept"),
        a_body("by-hand", made=False),
        a_body("gone", phase="Expired"),
        a_body("pinned", spec={"pinned": True}),
        a_body("going", meta={"deletionTimestamp": clock.to_text(NOW), "finalizers": ["holdfast.dev/data"]}),
        a_body("marked", **DELETING),
        a_body("told", **DELETING, deletion=told),
        a_body("without-its-place", **DELETING, location=None),
        a_body("unreadable", **DELETING, resolved="gone"),
    )
    there = held(cache, "going")
    found = observed(cache)
    assert found.backups == {
        each.uid: each
        for each in (
            a_candidate(cache, "kept", Phase.SUCCEEDED),
            a_candidate(cache, "by-hand", Phase.SUCCEEDED, made=False),
            a_candidate(cache, "gone", Phase.EXPIRED, has_data=False),
            a_candidate(cache, "pinned", Phase.SUCCEEDED, pinned=True),
            a_candidate(cache, "going", Phase.SUCCEEDED, going=True, held=there.held),
            a_candidate(cache, "marked", Phase.DELETING),
            a_candidate(cache, "told", Phase.DELETING, told="orders-sweep-0"),
            a_candidate(cache, "without-its-place", Phase.DELETING, has_data=False, lacks=True),
            a_candidate(cache, "unreadable", Phase.DELETING, lacks=True),
        )
    }
    assert there.held


def test_while_no_page_is_under_way_nothing_is_seen_of_a_job():
    found = observed(a_cache(a_body("a", **DELETING)), Known(pods_listed=True, refused={"a": "no", SWEEP: "a quota"}))
    assert (found.work, found.template, found.hindrance) == (NOTHING, JobTemplate(), None)
    assert (found.asked, found.refused) == (Asked(pods=True), {"a": "no", SWEEP: "a quota"})


def a_job() -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": "orders-sweep-1", "uid": "j"}, "spec": {}}


def test_how_its_job_stands_is_seen_and_what_the_first_of_the_page_that_can_be_read_asks_of_it():
    lost = a_body("a", **DELETING, location=None)
    body = a_body("b", **DELETING)
    body["status"]["resolved"]["job"] |= {"serviceAccountName": "backup"}
    cache = a_cache(a_body("settled"), lost, body, status=a_forged_page("u-settled", "u-gone", "u-a", "u-b"))
    found = observed(cache, Known(refused={SWEEP: "a quota"}))
    assert found.work == work(cache, "shop", "orders-sweep-1", "a quota", NOW)
    assert (found.template.service_account_name, found.hindrance) == ("backup", None)
    assert {uid for uid, each in found.backups.items() if each.lacks} == {"u-a"}

    cache.put(JOBS, a_job())
    found = observed(cache)
    assert found.work.job is not None
    assert not any(each.lacks for each in found.backups.values())  # it is there: nothing is asked of them any more


def test_without_an_image_for_its_job_the_page_says_so():
    cache = a_cache(a_body("a", **DELETING), status=PAGE)
    hindrance = observed(cache, chart=settings(images={"mysql-9": "m"})).hindrance
    assert hindrance is not None
    assert hindrance.reason == "ImageNotSet"
    none_of_it = a_cache(a_body("c", **DELETING), status=PAGE)
    assert observed(none_of_it, chart=settings(images={"mysql-9": "m"})).hindrance is None


def a_verdict(name: str, *, keep: bool = True) -> Verdict:
    return Verdict(Fact(name=name, uid=f"u-{name}", created=NOW), keep, ("days",), ("within 30 days",), NOW)


def of_another(field: str, **changes: Any) -> dict[str, Any]:
    resolved = a_body("x")["status"]["resolved"]
    return {"resolved": resolved | {field: resolved[field] | changes}}


NEWEST = MustStay(uid="u-n", key_prefix=f"shop/orders/{NOW - DAY:backup-%Y%m%d-%H%M%S}/")
OLDER = MustStay(uid="u-o", key_prefix=f"shop/orders/{NOW - 2 * DAY:backup-%Y%m%d-%H%M%S}/")
STAYS: dict[str, tuple[dict[str, Any], bool | None, MustStay]] = {
    "the newest that is kept": ({}, True, NEWEST),
    "none that goes": ({}, False, OLDER),
    "none of which nothing is planned": ({}, None, OLDER),
    "none that is in the page": ({"phase": "Deleting"}, True, OLDER),
    "none that is looked at again": ({"phase": "Verifying"}, True, OLDER),
    "none that was found damaged": ({"failure": {"reason": "ChecksumMismatch", "message": "m"}}, True, OLDER),
    "none in another bucket": (
        of_another("storage", s3={"bucket": "another", "endpoint": "http://s3:8333"}), True, OLDER,
    ),
    "none of another database": (of_another("database", name="another"), True, OLDER),
    "none that does not say when it was completed": ({"completedAt": None}, True, OLDER),
}  # fmt: skip


@pytest.mark.parametrize(("newest", "keep", "stays"), STAYS.values(), ids=STAYS.keys())
def test_before_anything_of_a_database_is_deleted_must_be_there(newest: Any, keep: bool | None, stays: MustStay):
    # Given a page with one backup, of which another was listed before
    other = a_body("other", 91, **of_another("database", name="another"))
    cache = a_cache(
        other, a_body("o", 2), a_body("n", 1, **newest), a_body("a", **DELETING), status=a_forged_page("u-a")
    )
    verdicts = {f"u-{name}": a_verdict(name) for name in ("other", "o", "n")}
    if keep is None:
        del verdicts["u-n"]
    else:
        verdicts["u-n"] = a_verdict("n", keep=keep)

    # When its Job is made
    task = deletion(cache, verdicts)

    # Then it looks for the newest good one that stays
    assert [item.name for item in task.items] == ["a"]
    assert task.must_stay == [stays]


def test_where_nothing_good_of_the_database_stays_nothing_must_be_there():
    assert deletion(a_cache(a_body("a", **DELETING), status=a_forged_page("u-a")), {}).must_stay == []


def test_the_backups_of_a_page_look_again_and_those_that_are_to_say_something_else_of_why_they_are_kept():
    said = {"keptBecause": ["within 30 days"], "expiresAt": clock.to_text(NOW + 28 * DAY)}
    cache = a_cache(a_body("a", **DELETING), a_body("b", **DELETING), a_body("c", 2, **said), a_body("d", 1, **said))

    def woken(page: DeletionPage | None) -> list[str]:
        return [key.name for key in deletions.wakes(the_sources(cache), cache.backups_of("shop", "orders"), page)]

    assert woken(deletions.page_of(a_forged_page("u-a"))) == ["a", "d"]
    assert woken(None) == ["d"]


def deletion(cache: Cache, verdicts: Any) -> DeleteTask:
    policy = cache.policy("shop", "orders")
    assert policy is not None
    backups = cache.backups_of("shop", "orders")
    job = deletions.job(the_sources(cache, verdicts=verdicts), policy, backups, deletions.page_of(policy.status))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    task = parse(next(each["value"] for each in container["env"] if each["name"] == TASK_VARIABLE))
    assert isinstance(task, DeleteTask)
    return task
