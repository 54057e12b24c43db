"""What a policy deletes, step by step: pages that survive any kill, and no backup that is called good while it goes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, a_job, a_pod, ago

from holdfast import naming
from holdfast.api.backup import Phase
from holdfast.api.conditions import ConditionType
from holdfast.api.deletion import MAX_RETRIES, DeletionPage, Member, Result, RetentionStatus, Retry
from holdfast.api.job import JobTemplate, PodWanted
from holdfast.api.limits import MAX_PAGE
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.policy_status import BackupPolicyStatus
from holdfast.contract.report import Report
from holdfast.decide.decision import Create, DeleteBackup, DeleteBackups, Do, Expire, Write
from holdfast.decide.policy import sweep, swept
from holdfast.decide.policy.sweep import MARKING, RECORDING, SWEEP, Candidate, Look, Retention, Whose
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.plan import hash_of, plan
from holdfast.decide.retention.rules import Rules
from holdfast.decide.seen import Seen
from holdfast.decide.views import OwnerRef

ORDERS = Whose("orders", "p-1")
SPEC = {
    "environment": "production",
    "database": {"engine": "postgresql", "name": "orders", "connection": {"host": "db", "secretName": "s"}},
}
TEMPLATE = JobTemplate(start_timeout_seconds=600, active_deadline_seconds=3600)
DAY = timedelta(days=1)


def rules(**retention: Any) -> Rules:
    return Rules.of(BackupPolicySpec.model_validate({**SPEC, "retention": {"days": 30, **retention}}))


def a_fact(name: str, days: float, **changes: Any) -> Fact:
    ended = NOW - days * DAY
    return Fact(name=name, uid=f"u-{name}", created=ended, completed=ended, good=True, size_bytes=10, **changes)


def a_candidate(name: str, **changes: Any) -> Candidate:
    known: dict[str, Any] = {
        "name": name, "uid": f"u-{name}", "phase": Phase.SUCCEEDED, "has_data": True, "made": True, "going": False,
        "pinned": False, "store": "eu", "told": None, "lacks": False, "held": False,
    }  # fmt: skip
    return Candidate(**{**known, **changes})


OLD = {"a": 40, "b": 35, "c": 2, "d": 1}


def seen(ages: dict[str, float] | None = None, approved: str | None = None, **retention: Any) -> Retention:
    """A policy whose backups have these ages, days."""
    facts = [a_fact(name, days) for name, days in (ages or OLD).items()]
    candidates = {f"u-{name}": a_candidate(name) for name in (ages or OLD)}
    return Retention((plan(facts, rules(**retention), NOW, approved),), candidates, template=TEMPLATE)


def changed(held: Retention, **candidates: dict[str, Any]) -> Retention:
    backups = {**held.backups}
    for name, changes in candidates.items():
        backups[f"u-{name}"] = replace(backups[f"u-{name}"], **changes)
    return replace(held, backups=backups)


def without(held: Retention, *names: str) -> Retention:
    return replace(held, backups={uid: it for uid, it in held.backups.items() if it.name not in names})


def a_page(*names: str, number: int = 1, since: float = 1, **changes: Any) -> DeletionPage:
    members = [Member(name=name, uid=f"u-{name}", reason_to_delete="older than 30 days") for name in names]
    job = naming.child_name("orders", "p-1", SWEEP, number)
    page = DeletionPage(number=number, since=ago(since), job_name=job, members=members)
    return page.model_copy(update=changes)


def ended(page: DeletionPage, at: float = 1, **results: dict[str, Any]) -> DeletionPage:
    members = [each.model_copy(update=results.get(each.name, {"result": Result.DELETED})) for each in page.members]
    return page.model_copy(update={"members": members, "completed_at": ago(at)})


def look(held: Retention, page: DeletionPage | None = None, **retention: Any) -> Look:
    status = BackupPolicyStatus(retention=RetentionStatus(page=page, pages=page.number if page else 0, **retention))
    return sweep.look(ORDERS, held, status, 1, NOW)


def written(found: Look) -> RetentionStatus:
    assert isinstance(found.decision, Write)
    assert found.decision.status.retention is not None
    return found.decision.status.retention


def our_job(**changes: Any) -> Any:
    return replace(a_job(**changes), controller=OwnerRef(naming.POLICY_KIND, "p-1"))


def test_what_no_rule_keeps_is_written_down_as_a_page_before_anything_else():
    page = written(look(seen())).page
    assert page is not None
    assert [(each.name, each.result) for each in page.members] == [("a", None), ("b", None)]
    assert all("older than 30 days" in each.reason_to_delete for each in page.members)
    assert (page.number, page.job_name) == (1, naming.child_name("orders", "p-1", SWEEP, 1))


def test_nothing_is_begun_where_every_backup_is_kept_and_the_next_look_is_when_one_expires():
    found = look(seen({"a": 29, "b": 1}))
    assert (found.decision, found.due) == (None, NOW + DAY)


@pytest.mark.parametrize("stopped", [{"dryRun": True}, {"maxDeletionsPerSweep": 1}], ids=["dry run", "held"])
def test_a_plan_that_is_not_to_be_carried_out_is_told_and_deletes_nothing(stopped):
    found = look(seen(**stopped))
    assert found.decision is None
    told = found.status.retention
    assert told is not None
    assert told.plan is not None
    assert (told.plan.total, [each.name for each in told.plan.deletions]) == (2, ["a", "b"])
    assert told.plan.hash == hash_of(["u-a", "u-b"])


def test_a_held_plan_is_a_condition_that_names_its_hash_and_approved_it_goes_on():
    held = look(seen(maxDeletionsPerSweep=1)).status
    condition = next(each for each in held.conditions if each.type == ConditionType.RETENTION_HELD)
    assert condition.status == "True"
    assert hash_of(["u-a", "u-b"]) in condition.message

    freed = sweep.look(ORDERS, seen(maxDeletionsPerSweep=1, approved=hash_of(["u-a", "u-b"])), held, 1, NOW)
    assert written(freed).page is not None
    assert [each.status for each in freed.status.conditions if each.type == ConditionType.RETENTION_HELD] == ["False"]


def test_what_is_left_of_an_approved_plan_is_approved_with_its_first_page():
    ages = {f"b{i:02d}": 100 - i for i in range(60)} | {"new": 1.0}
    uids = [f"u-b{i:02d}" for i in range(60)]
    begun = written(look(seen(ages, approved=hash_of(uids))))
    assert begun.page is not None
    assert len(begun.page.members) == 50
    assert begun.approved_rest == hash_of(uids[50:])


def test_a_page_has_one_store_and_what_lies_elsewhere_waits_for_the_next():
    page = written(look(changed(seen(), b={"store": "us"}))).page
    assert page is not None
    assert [each.name for each in page.members] == ["a"]


def test_a_backup_whose_deletion_had_begun_is_finished_whatever_the_plan_says_by_then():
    page = written(look(changed(seen({"a": 5, "b": 1}), a={"phase": Phase.DELETING}))).page
    assert page is not None
    assert [each.name for each in page.members] == ["a"]


def test_what_failed_and_has_no_data_goes_without_a_job_and_what_git_made_stays():
    facts = [replace(a_fact(name, days), good=False, failed=True) for name, days in {"x": 9, "y": 9, "z": 1}.items()]
    held = Retention(
        (plan(facts, rules(), NOW),),
        {f"u-{name}": a_candidate(name, phase=Phase.FAILED, has_data=False, made=name == "x") for name in "xyz"},
    )
    assert look(held).decision == Do(DeleteBackups((DeleteBackup("x", "u-x"),)))
    assert look(without(held, "x")).decision is None


def test_what_a_page_waits_for_is_told_in_what_its_status_has_room_for():
    both = changed(seen(), a={"phase": Phase.DELETING}, b={"phase": Phase.DELETING})
    page = written(look(replace(both, work=Seen("j", refusal="x" * 5000)), a_page("a", "b"))).page
    assert 1000 < len(page.message) <= 1024


def test_no_job_is_made_before_each_backup_of_the_page_is_called_deleting():
    half = changed(seen(), a={"phase": Phase.DELETING})
    found = look(half, a_page("a", "b"))
    assert (found.decision, found.due) == (None, ago(1) + timedelta(minutes=2))

    both = changed(half, b={"phase": Phase.DELETING})
    assert look(both, a_page("a", "b")).decision == Do(Create(SWEEP))


@pytest.mark.parametrize(
    ("since", "changes"),
    [
        (1, {"pinned": True}),
        (MARKING.total_seconds() + 1, {}),
        (MARKING.total_seconds() + 1, {"phase": Phase.DELETING, "lacks": True}),
    ],
    ids=["pinned meanwhile", "not marked in time", "its data cannot be found"],
)
def test_a_backup_that_is_not_marked_is_left_out_and_the_others_go_on(since, changes):
    half = changed(seen(), a={"phase": Phase.DELETING}, b=changes)
    left = written(look(half, a_page("a", "b", since=since)))
    assert left.page is not None
    assert [each.name for each in left.page.members] == ["a"]
    assert [each.name for each in left.retries] == ["b"]


def test_a_page_of_which_nothing_is_left_is_dropped():
    assert written(look(without(seen(), "a", "b"), a_page("a", "b"))).page is None


def test_a_job_that_cannot_be_made_says_why_in_the_page():
    both = changed(seen(), a={"phase": Phase.DELETING}, b={"phase": Phase.DELETING})
    page = written(look(replace(both, work=Seen("j", refusal="exceeded quota")), a_page("a", "b"))).page
    assert page is not None
    assert "exceeded quota" in page.message


def test_a_strangers_job_of_that_name_is_neither_followed_nor_deleted():
    both = changed(seen(), a={"phase": Phase.DELETING}, b={"phase": Phase.DELETING})
    page = written(look(replace(both, work=Seen("j", a_job(complete=True))), a_page("a", "b"))).page
    assert page is not None
    assert {(each.result, each.reason) for each in page.members} == {(Result.FAILED, "JobNameTaken")}


def test_a_job_whose_report_is_lost_has_failed_for_all_and_nothing_is_called_deleted():
    both = changed(seen(), a={"phase": Phase.DELETING}, b={"phase": Phase.DELETING})
    work = Seen("j", our_job(complete=True), (a_pod(exit_code=0),))
    found = look(replace(both, work=work, asked=replace(both.asked, pods=True)), a_page("a", "b"))
    page = written(found).page
    assert page is not None
    assert {each.result for each in page.members} == {Result.FAILED}


def test_once_the_results_stand_in_the_page_the_job_may_go_then_the_resources_then_the_page():
    marked = changed(seen(), a={"phase": Phase.DELETING}, b={"phase": Phase.DELETING, "made": False})
    page = ended(a_page("a", "b"))
    with_job = replace(marked, work=Seen("j", our_job(complete=True)))
    act = look(with_job, page).decision
    assert isinstance(act, Do)
    assert isinstance(act.act, Expire)

    assert look(marked, page).decision == Do(DeleteBackups((DeleteBackup("a", "u-a"),)))

    by_hand = without(marked, "a")
    assert look(by_hand, page).due == ago(1) + timedelta(minutes=2)

    recorded = changed(by_hand, b={"phase": Phase.EXPIRED, "told": page.job_name, "has_data": False})
    closed = look(recorded, page)
    assert written(closed).page is None
    assert (written(closed).deleted, written(closed).retries) == (2, [])
    assert isinstance(closed.decision, Write)
    assert closed.decision.announcement is not None
    assert closed.decision.announcement.reason == "BackupsDeleted"
    assert "2 backups deleted (a, b)" in closed.decision.announcement.message


def test_a_backup_that_does_not_record_its_end_holds_up_the_page_for_two_minutes_and_no_longer():
    stuck = changed(without(seen(), "a"), b={"phase": Phase.DELETING, "made": False})
    page = ended(a_page("a", "b"), at=RECORDING.total_seconds() + 1)
    assert written(look(stuck, page)).page is None


@pytest.mark.parametrize(("held", "told", "closed"), [(True, False, False), (True, True, True), (False, False, True)])
def test_one_that_is_removed_but_held_keeps_the_page_until_it_has_recorded_its_end(held, told, closed):
    page = ended(a_page("b"))
    said = page.job_name if told else None
    going = changed(without(seen(), "a"), b={"phase": Phase.DELETING, "going": True, "held": held, "told": said})
    found = look(going, page)
    assert (found.decision is not None and written(found).page is None) is closed


FAILED = {"result": Result.FAILED, "reason": "StorageAccessDenied", "message": "grant s3:DeleteObject"}


def test_what_could_not_be_deleted_is_told_and_tried_again_later_each_time():
    stuck = changed(without(seen(), "a"), b={"phase": Phase.DELETING, "told": a_page().job_name})
    page = ended(a_page("a", "b"), b=FAILED)
    pauses = []
    for tries in range(9):
        former = [Retry(name="b", uid="u-b", tries=tries, at=ago(1))] if tries else []
        closed = look(stuck, page, retries=former)
        (retry,) = written(closed).retries
        pauses.append(retry.at - NOW)
    assert pauses[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert pauses[-1] == swept.LONGEST_PAUSE
    assert isinstance(closed.decision, Write)
    assert closed.decision.announcement is not None
    said = closed.decision.announcement
    assert (said.warning, said.reason) == (True, "DeletionFailed")
    assert "1 not deleted (b): StorageAccessDenied: grant s3:DeleteObject" in said.message


def test_what_waits_to_be_tried_again_is_in_no_page_before_and_is_looked_at_then():
    later = NOW + timedelta(minutes=5)
    both = [Retry(name=name, uid=f"u-{name}", tries=1, at=later) for name in "ab"]
    found = look(seen(), retries=both)
    assert (found.decision, found.due) == (None, later)
    page = written(look(seen(), retries=both[:1])).page
    assert page is not None
    assert [each.name for each in page.members] == ["b"]


def test_what_object_lock_retains_is_no_failure_and_is_tried_when_the_lock_ends():
    until = NOW + 9 * DAY
    stuck = changed(without(seen(), "a"), b={"phase": Phase.SUCCEEDED, "told": a_page().job_name})
    closed = look(stuck, ended(a_page("a", "b"), b={"result": Result.RETAINED, "until": until}))
    assert [each.at for each in written(closed).retries] == [until]
    assert isinstance(closed.decision, Write)
    assert closed.decision.announcement is not None
    assert closed.decision.announcement.reason == "BackupsDeleted"
    assert "1 kept by Object Lock" in closed.decision.announcement.message


def test_what_is_locked_as_a_whole_is_the_plans_to_keep_and_holds_up_no_other_deletion():
    stuck = changed(without(seen(), "a"), b={"phase": Phase.SUCCEEDED, "told": a_page().job_name})
    locked = {"result": Result.RETAINED, "until": NOW + 9 * DAY, "untouched": True}
    assert written(look(stuck, ended(a_page("a", "b"), b=locked))).retries == []


def test_what_the_rules_keep_by_now_and_was_not_marked_is_left_out_at_once():
    half = changed(seen(), a={"phase": Phase.DELETING})
    left = written(look(half, a_page("a", "b", "c")))
    assert left.page is not None
    assert [each.name for each in left.page.members] == ["a", "b"]
    assert [each.name for each in left.retries] == ["c"]


@pytest.mark.parametrize("changes", [{"going": True}, {"made": False}], ids=["it goes already", "a person made it"])
def test_a_resource_without_data_that_is_not_holdfasts_to_remove_is_in_no_page(changes):
    held = changed(seen({"a": 40, "c": 2, "d": 1}), a={"has_data": False, **changes})
    assert look(held).decision is None


def test_a_resource_that_the_api_server_does_not_let_go_holds_up_nothing():
    held = replace(changed(seen(), a={"has_data": False}), refused={"a"})
    page = written(look(held)).page
    assert page is not None
    assert [each.name for each in page.members] == ["b"]


def test_what_somebody_removes_with_its_data_is_in_no_page_and_what_is_gone_is_in_none():
    page = written(look(changed(seen({"a": 50, **OLD, "e": 0.5, "f": 0.4}), a={"going": True}))).page
    assert page is not None
    assert [each.name for each in page.members] == ["b"]
    gone = written(look(without(seen(), "a"))).page
    assert gone is not None
    assert [each.name for each in gone.members] == ["b"]


def test_resources_without_data_go_fifty_at_a_time():
    facts = [replace(a_fact(f"x{number}", 9), good=False, failed=True) for number in range(MAX_PAGE + 2)]
    candidates = {each.uid: a_candidate(each.name, phase=Phase.FAILED, has_data=False) for each in facts}
    decision = look(Retention((plan(facts, rules(), NOW),), candidates)).decision
    assert isinstance(decision, Do)
    assert isinstance(decision.act, DeleteBackups)
    assert len(decision.act.backups) == MAX_PAGE


def test_a_page_has_the_next_number_and_begins_now():
    status = BackupPolicyStatus(retention=RetentionStatus(pages=6))
    page = written(sweep.look(ORDERS, seen(), status, 1, NOW)).page
    assert page is not None
    assert (page.number, page.since, page.job_name) == (7, NOW, naming.child_name("orders", "p-1", SWEEP, 7))


@pytest.mark.parametrize(("many", "begins"), [(MAX_RETRIES - 1, True), (MAX_RETRIES, False)])
def test_while_as_many_wait_to_be_tried_again_as_are_remembered_no_page_is_begun(many, begins):
    retries = [Retry(name=f"r{n}", uid=f"u-r{n}", tries=1, at=NOW + (n + 1) * DAY) for n in range(many)]
    found = look(seen(), retries=retries)
    assert (found.decision is not None) is begins
    if not begins:
        assert found.due == NOW + DAY


def test_the_next_look_is_when_the_first_is_tried_again_or_the_first_expires():
    retries = [Retry(name="a", uid="u-a", tries=1, at=NOW + 3 * DAY)]
    assert look(seen({"a": 40, "b": 28, "c": 1}), retries=retries).due == NOW + 2 * DAY
    assert look(seen({"a": 40, "b": 20, "c": 1}), retries=retries).due == NOW + 3 * DAY
    assert look(Retention()).due is None
    kept = seen({"a": 29, "b": 1})
    assert look(replace(kept, plans=(plan([], rules(), NOW), *kept.plans))).due == NOW + DAY


def test_a_retry_whose_time_has_come_is_tried():
    retries = [Retry(name="a", uid="u-a", tries=1, at=NOW)]
    page = written(look(seen(), retries=retries)).page
    assert page is not None
    assert [each.name for each in page.members] == ["a", "b"]


def test_an_approval_is_carried_on_for_one_plan_alone():
    one, other = seen(), seen({"x": 50, "y": 45, "z": 2, "w": 1})
    both = replace(one, plans=(*one.plans, *other.plans), backups={**one.backups, **other.backups})
    begun = written(look(changed(both, x={"store": "us"}, y={"store": "us"})))
    assert begun.page is not None
    assert ([each.name for each in begun.page.members], begun.approved_rest) == (["a", "b"], "")
    alone = changed(replace(one, plans=(*one.plans, plan([], rules(), NOW))), b={"store": "us"})
    assert written(look(alone)).approved_rest == hash_of(["u-b"])


BOTH = changed(seen(), a={"phase": Phase.DELETING}, b={"phase": Phase.DELETING})


def a_report(**fields: Any) -> Report:
    base = {"kind": "delete", "startedAt": ago(5), "completedAt": NOW, "durationSeconds": 5, "outcome": "Succeeded"}
    return Report.model_validate(base | fields)


def worked(page: DeletionPage, job: Any, *pods: Any) -> Look:
    asked = replace(BOTH.asked, pods=True)
    return look(replace(BOTH, work=Seen(page.job_name, job, pods), asked=asked), page)


TOLD = {"reason": "StorageAccessDenied", "message": "no", "remedy": "grant it", "exitCode": 20}


@pytest.mark.parametrize(
    ("job", "report", "expected"),
    [
        pytest.param({"complete": True}, a_report(deletion={"deleted": [0], "failed": [
            {"items": [1], "reason": "StorageAccessDenied", "message": "grant it"}]}),
            [("Deleted", ""), ("Failed", "StorageAccessDenied")], id="one is deleted, one is not"),
        pytest.param({"failed": "BackoffLimitExceeded"}, a_report(outcome="Failed", failure=TOLD),
                     [("Failed", "StorageAccessDenied")] * 2, id="its report tells a failure"),
        pytest.param({"complete": True}, a_report(), [("Failed", "ReportMissing")] * 2, id="its report tells nothing"),
        pytest.param({"failed": "DeadlineExceeded"}, None, [("Failed", "DeadlineExceeded")] * 2, id="it took too long"),
    ],
)  # fmt: skip
def test_what_the_job_has_made_of_each_stands_in_the_page_which_has_ended_then(job, report, expected):
    page = a_page("a", "b", message="waits", pod_wanted=PodWanted(since=ago(9)))
    pods = (a_pod(exit_code=0 if "complete" in job else 20, report=report),) if report else ()
    told = written(worked(page, our_job(**job), *pods)).page
    assert told is not None
    assert [(str(each.result), each.reason) for each in told.members] == expected
    assert (told.completed_at, told.message, told.pod_wanted) == (NOW, "", None)


def test_a_lost_report_is_told_of_one_job():
    told = written(worked(a_page("a", "b"), our_job(complete=True), a_pod(exit_code=0))).page
    assert told is not None
    assert told.members[0].message.startswith("1 Jobs ended")


def test_while_the_job_runs_the_page_says_nothing_and_is_looked_at_again():
    pod = a_pod(phase="Running")
    found = worked(a_page("a", "b", message="waits"), our_job(), pod)
    assert isinstance(found.decision, Write)
    page = written(found).page
    assert page is not None
    assert page.message == ""
    assert found.due is not None
    assert found.decision.due == found.due
    again = worked(page, our_job(), pod)
    assert (again.decision, again.due) == (None, found.due)


@pytest.mark.parametrize(("mine", "its"), [(5, 9), (9, 5), (5, None), (None, 5), (None, None)])
def test_of_what_is_due_the_earlier_is_looked_at_first(mine, its):
    def due(minutes: int | None) -> Any:
        return None if minutes is None else NOW + timedelta(minutes=minutes)

    status = BackupPolicyStatus()
    found = sweep.merged(Write(status, due=due(mine)), Look(status, due=due(its)))
    assert found == Write(status, due=due(min((each for each in (mine, its) if each), default=None)))


def test_once_its_job_is_there_a_page_stays_as_it_is():
    page = a_page("a", "b", since=MARKING.total_seconds() + 1)
    half = changed(seen(), a={"phase": Phase.DELETING})
    found = look(replace(half, work=Seen(page.job_name, our_job(), (a_pod(phase="Running"),))), page)
    assert (found.decision, found.due is not None) == (None, True)


def test_since_when_another_pod_is_wanted_stands_in_the_page():
    job, pod = our_job(failed_pods=1), a_pod(exit_code=1)
    page = written(worked(a_page("a", "b"), job, pod)).page
    assert page is not None
    assert page.pod_wanted is not None
    assert (page.pod_wanted.since, page.pod_wanted.ran) == (NOW, True)
    earlier = page.model_copy(update={"pod_wanted": page.pod_wanted.model_copy(update={"since": ago(9)})})
    assert worked(earlier, job, pod).decision is None
