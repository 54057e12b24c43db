"""How retention reads in a policy's status: what is kept and goes, what was done, and what is tried again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, ago
from tests.unit.test_decide_sweep import a_fact, a_page, rules

from holdfast.api.conditions import Condition, ConditionType
from holdfast.api.deletion import MAX_RETRIES, MAX_TOLD, DeletionPage, Member, Result, RetentionStatus, Retry
from holdfast.api.policy_status import BackupPolicyStatus
from holdfast.decide.policy import swept
from holdfast.decide.retention.plan import Plan, plan

DAY = timedelta(days=1)
EMPTY = BackupPolicyStatus()


def a_plan(ages: dict[str, float], approved: str | None = None, **retention: Any) -> Plan:
    return plan([a_fact(name, days) for name, days in ages.items()], rules(**retention), NOW, approved)


def summary(*plans: Plan, status: BackupPolicyStatus = EMPTY) -> RetentionStatus:
    told = swept.summarised(status, plans, 3, NOW).retention
    assert told is not None
    return told


def held(status: BackupPolicyStatus) -> list[tuple[str, str]]:
    return [(each.status, each.reason) for each in status.conditions if each.type == ConditionType.RETENTION_HELD]


ORDERS = a_plan({"a": 2, "b": 1})
USERS = a_plan({"x": 20, "y": 3})


def test_what_is_kept_is_added_up_over_all_databases_and_the_first_to_go_is_named():
    told = summary(ORDERS, USERS)
    assert (told.kept, told.kept_bytes, told.kept_size) == (4, 40, "40 B")
    assert {each.rule: each.count for each in told.because} == {"within": 4, "newest good": 2, "minimum": 2}
    assert told.next is not None
    assert (told.next.name, told.next.at) == ("x", NOW + 10 * DAY)
    assert told.message == "2 backups kept, 20 B; 2 backups kept, 20 B"
    assert (told.plan, held(swept.summarised(EMPTY, (ORDERS, USERS), 3, NOW))) == (None, [])


def test_of_no_backups_at_all_nothing_is_told():
    told = summary()
    assert (told.kept, told.kept_bytes, told.because, told.next, told.plan, told.message) == (0, 0, [], None, None, "")


def test_what_is_told_is_bounded_whoever_has_made_it_long():
    many = [replace(ORDERS, counts={f"rule {number}-{each}": 1 for each in range(6)}) for number in range(60)]
    told = summary(*many)
    assert len(told.because) == 16
    assert len(told.message) <= 1024


def test_a_plan_that_is_not_carried_out_is_told_by_its_first_deletions_and_its_hash():
    ages = {f"b{number:02d}": 100.0 - number for number in range(MAX_TOLD + 5)} | {"new": 1.0}
    stopped = a_plan(ages)
    told = summary(ORDERS, stopped).plan
    assert told is not None
    assert (told.hash, told.total, len(told.deletions)) == (stopped.hash, MAX_TOLD + 5, MAX_TOLD)
    assert (told.deletions[0].name, told.deletions[0].reason) == ("b00", "older than 30 days")
    assert summary(a_plan({"a": 40, "b": 2, "c": 1})).plan is None, "one that is carried out"


def test_a_long_reason_is_cut():
    stopped = a_plan({"a": 40, "b": 39, "c": 1})
    (first, *others) = stopped.deletions
    long = replace(stopped, deletions=(first._replace(reasons=("x" * 500,)), *others))
    told = summary(long).plan
    assert told is not None
    assert len(told.deletions[0].reason or "") <= 256


def test_a_plan_that_is_held_is_a_condition_until_it_is_not_and_other_conditions_stay():
    ready = Condition(
        type=ConditionType.READY, status="True", reason="Ready", message="m", observed_generation=2,
        last_transition_time=ago(9),
    )  # fmt: skip
    before = BackupPolicyStatus(conditions=[ready])
    assert swept.summarised(before, [ORDERS], 3, NOW).conditions == [ready], "nothing is held, and nothing ever was"

    status = swept.summarised(before, [ORDERS, a_plan({"a": 40, "b": 39, "c": 1})], 3, NOW)
    assert held(status) == [("True", "PlanHeld")]
    assert ready in status.conditions
    freed = swept.summarised(status, [ORDERS], 4, NOW)
    assert held(freed) == [("False", "NothingHeld")]
    told = next(each for each in freed.conditions if each.type == ConditionType.RETENTION_HELD)
    assert (told.message, told.observed_generation) == ("no plan is held", 4)


def a_status(**fields: Any) -> BackupPolicyStatus:
    return BackupPolicyStatus(retention=RetentionStatus(**fields))


def retention(status: BackupPolicyStatus) -> RetentionStatus:
    assert status.retention is not None
    return status.retention


def a_retry(name: str, at: float = 1, tries: int = 1) -> Retry:
    return Retry(name=name, uid=f"u-{name}", tries=tries, at=ago(at))


def test_a_page_is_begun_with_what_the_plan_has_beside_it_and_what_was_done_before_stays():
    page = a_page("a", number=7)
    told = retention(swept.begun(a_status(deleted=5, pages=6, retries=[a_retry("z")]), page, "abc"))
    assert (told.page, told.pages, told.approved_rest) == (page, 7, "abc")
    assert (told.deleted, [each.name for each in told.retries]) == (5, ["z"])
    assert retention(swept.begun(EMPTY, page, "")).page == page
    assert retention(swept.with_page(swept.begun(EMPTY, page, ""), None)).page is None


def test_what_is_left_out_of_a_page_is_tried_later():
    page = a_page("a", "b", "c")
    told = retention(swept.reduced(a_status(page=page), page, page.members[:1], NOW))
    assert told.page is not None
    assert [each.name for each in told.page.members] == ["a"]
    assert [each.name for each in told.retries] == ["b", "c"]
    assert retention(swept.reduced(a_status(page=page), page, [], NOW)).page is None


LOCKED = NOW + 9 * DAY
RESULTS: dict[str, dict[str, Any]] = {
    "a": {"result": Result.DELETED},
    "b": {"result": Result.DELETED},
    "c": {"result": Result.RETAINED, "until": LOCKED},
    "d": {"result": Result.RETAINED, "until": LOCKED + DAY, "untouched": True},
    "e": {"result": Result.FAILED, "reason": "StorageAccessDenied", "message": "grant it", "untouched": True},
    "f": {"result": Result.RETAINED},
    "g": {"result": Result.DELETED},
}


def a_done_page(**results: dict[str, Any]) -> DeletionPage:
    page = a_page(*results)
    members = [each.model_copy(update=results[each.name]) for each in page.members]
    return page.model_copy(update={"members": members, "completed_at": ago(30)})


def test_a_page_that_is_closed_is_counted_and_what_is_left_is_tried_again_each_at_its_time():
    page = a_done_page(**RESULTS)
    former = a_status(page=page, deleted=10, retries=[a_retry("e", tries=2), a_retry("z"), a_retry("old", at=9 * 3600)])
    told = retention(swept.closed(former, page, NOW))
    assert (told.page, told.deleted) == (None, 13)
    last = told.last_sweep
    assert last is not None
    assert (last.completed_at, last.deleted, last.retained, last.failed) == (ago(30), 3, 3, 1)
    assert last.message == swept.told(page)[1]
    assert [(each.name, each.uid, each.tries, each.at, each.reason) for each in told.retries] == [
        ("z", "u-z", 1, ago(1), ""),
        ("c", "u-c", 1, LOCKED, ""),
        ("e", "u-e", 3, NOW + timedelta(minutes=20), "StorageAccessDenied"),
        ("f", "u-f", 1, NOW + timedelta(minutes=5), ""),
    ]


def test_a_page_without_the_time_of_its_end_ended_now():
    page = a_done_page(a=RESULTS["a"]).model_copy(update={"completed_at": None})
    last = retention(swept.closed(a_status(page=page), page, NOW)).last_sweep
    assert last is not None
    assert last.completed_at == NOW


def test_as_many_are_tried_again_as_are_remembered_and_the_last_ones_stay():
    retries = [a_retry(f"r{number}") for number in range(MAX_RETRIES)]
    page = a_done_page(e=RESULTS["e"])
    told = retention(swept.closed(a_status(page=page, retries=retries), page, NOW)).retries
    assert len(told) == MAX_RETRIES
    assert (told[0].name, told[-1].name) == ("r1", "e")


@pytest.mark.parametrize(("at", "stays"), [(6 * 3600, False), (6 * 3600 - 1, True)], ids=["six hours ago", "later"])
def test_a_retry_whose_time_is_long_past_is_forgotten(at, stays):
    page = a_done_page(a=RESULTS["a"])
    told = retention(swept.closed(a_status(page=page, retries=[a_retry("z", at=at)]), page, NOW)).retries
    assert [each.name for each in told] == (["z"] if stays else [])


@pytest.mark.parametrize(
    ("members", "reason", "sentence"),
    [
        ("a", "BackupsDeleted", "1 backup deleted (a)"),
        ("ab", "BackupsDeleted", "2 backups deleted (a, b)"),
        ("dc", "BackupsDeleted", "0 backups deleted; 2 kept by Object Lock, the first until 2026-12-01T08:45:00Z"),
        ("f", "BackupsDeleted", "0 backups deleted; 1 kept by Object Lock"),
        ("fc", "BackupsDeleted", "0 backups deleted; 2 kept by Object Lock, the first until 2026-12-01T08:45:00Z"),
        ("ae", "DeletionFailed", "1 backup deleted (a); 1 not deleted (e): StorageAccessDenied: grant it"),
    ],
)
def test_what_was_done_is_said_in_a_sentence(members, reason, sentence):
    page = a_done_page(**{name: RESULTS[name] for name in members})
    assert swept.told(page) == (reason, sentence)
    assert swept.has_failed(page) is (reason == "DeletionFailed")


def test_of_several_that_failed_the_first_is_told():
    page = a_done_page(**{name: {**RESULTS["e"], "message": name} for name in "xy"})
    assert swept.told(page)[1] == "0 backups deleted; 2 not deleted (x, y): StorageAccessDenied: x"


@pytest.mark.parametrize(
    ("count", "says"), [(3, "(m0, m1, m2)"), (4, "(m0, m1, m2 and 1 more)"), (6, "(m0, m1, m2 and 3 more)")]
)
def test_three_are_named_and_the_others_are_counted(count, says):
    members = {f"m{number}": {"result": Result.DELETED} for number in range(count)}
    assert swept.told(a_done_page(**members))[1] == f"{count} backups deleted {says}"


def test_a_member_that_nobody_has_looked_at_is_tried_again():
    page = a_page("a")
    member = Member(name="a", uid="u-a", reason_to_delete="older")
    told = retention(swept.closed(EMPTY, page.model_copy(update={"members": [member]}), NOW)).retries
    assert [each.name for each in told] == ["a"]


def test_only_what_is_locked_waits_for_its_time():
    page = a_done_page(e=RESULTS["e"] | {"until": LOCKED})
    (retry,) = retention(swept.closed(EMPTY, page, NOW)).retries
    assert retry.at == NOW + timedelta(minutes=5)
