"""What is done about one policy next: what is asked for, what its schedule asks for, and what is said of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.builders import policy_dict, settings
from tests.unit.test_decide_sweep import seen

from holdfast import clock, naming
from holdfast.api.begun import there
from holdfast.api.policy_status import BackupPolicyStatus
from holdfast.decide.decision import Decision, DeleteBackup, Do, MakeBackup, Rest, Write
from holdfast.decide.policy.runs import Ended
from holdfast.decide.policy.steps import Observation, decide

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TWO = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
SLOT = "orders-20261122-0200"
NIGHTLY = {"cron": "0 2 * * *"}
CONFLICT = "exceeded quota"


def a_policy(schedule: dict[str, Any] | None = None, **changes: Any) -> Observation:
    spec = policy_dict(**({"schedule": schedule} if schedule else {}))
    made = Observation("shop", "orders", "p-1", TWO - HOUR, spec, {}, 3, deleting=False)
    return replace(made, **changes)


def written(found: Decision[BackupPolicyStatus]) -> BackupPolicyStatus:
    assert isinstance(found, Write)
    return found.status


def after(o: Observation, now: datetime = TWO) -> Observation:
    """The policy with the status that was decided on."""
    return replace(o, status=written(decide(o, settings(), now)).to_dict())


def asked(request: str, number: int) -> str:
    return naming.asked_name("orders", "p-1", request, number)


def ours(*names: str, strange: bool = False) -> Any:
    return lambda name: not strange if name in names else None


def test_a_policy_that_is_being_deleted_is_left_alone():
    assert decide(a_policy(NIGHTLY, deleting=True, request="1"), settings(), TWO) == Rest()


def test_a_request_makes_one_backup_then_is_recorded_then_is_done():
    o = a_policy(request="1")
    assert decide(o, settings(), TWO) == Do(MakeBackup(asked("1", 1), request="1", number=1))

    made = replace(o, ours=ours(asked("1", 1)))
    found = decide(made, settings(), TWO)
    held = written(found).backup_now
    assert held is not None
    assert (held.request, held.number, held.name) == ("1", 1, asked("1", 1))
    assert found.due is None
    assert isinstance(found, Write)
    assert found.announcement is not None
    assert (found.announcement.warning, found.announcement.reason) == (False, "BackupRequested")

    done = replace(o, status=written(found).to_dict())
    later = decide(done, settings(), TWO + MINUTE)
    assert (written(later).backup_now, later.due) == (held, None)
    assert written(decide(replace(done, request=None), settings(), TWO)).backup_now == held


def test_another_request_has_the_next_number():
    o = a_policy(request="1", ours=ours(asked("1", 1)))
    second = replace(after(o), request="2")
    assert decide(second, settings(), TWO) == Do(MakeBackup(asked("2", 2), request="2", number=2))


def test_a_request_that_is_refused_keeps_its_number_is_said_once_and_is_asked_again_each_minute():
    o = a_policy(request="1", refused={asked("1", 1): CONFLICT})
    found = decide(o, settings(), TWO)
    held = written(found).backup_now
    assert held is not None
    assert (held.request, held.number, held.name) == ("1", 1, None)
    assert held.message == "the API server refuses the backup, and Holdfast tries again each minute: exceeded quota"
    assert isinstance(found, Write)
    assert found.announcement is not None
    assert (found.announcement.warning, found.announcement.reason) == (True, "BackupNotMade")
    assert found.due == TWO + MINUTE

    said = replace(o, status=written(found).to_dict())
    again = decide(said, settings(), TWO + MINUTE)
    assert isinstance(again, Write)
    assert (again.announcement, again.due) == (None, TWO + 2 * MINUTE)

    let = replace(said, refused={})
    assert decide(let, settings(), TWO + MINUTE) == Do(MakeBackup(asked("1", 1), request="1", number=1))


def test_a_strangers_backup_of_the_requests_name_is_said_and_left_alone():
    found = decide(a_policy(request="1", ours=ours(asked("1", 1), strange=True)), settings(), TWO)
    held = written(found).backup_now
    assert held is not None
    assert held.message == f"DatabaseBackup {asked('1', 1)} already exists, and this policy did not create it"
    assert held.name is None


def test_while_a_request_is_refused_the_schedule_goes_on_and_both_are_looked_at_again():
    o = a_policy(NIGHTLY, request="1", refused={asked("1", 1): CONFLICT})
    said = after(o, TWO - HOUR)
    assert decide(said, settings(), TWO - HOUR).due == TWO - HOUR + MINUTE
    assert decide(said, settings(), TWO - MINUTE / 2).due == TWO
    assert decide(said, settings(), TWO) == Do(MakeBackup(SLOT, slot=TWO))


def test_a_slot_that_is_due_is_made_then_recorded_with_the_next_three():
    o = a_policy(NIGHTLY)
    assert decide(o, settings(), TWO) == Do(MakeBackup(SLOT, slot=TWO))
    found = decide(replace(o, ours=ours(SLOT)), settings(), TWO)
    status = written(found)
    assert status.last_run is not None
    assert (status.last_run.name, status.last_run.slot) == (SLOT, TWO)
    assert (status.next_runs, found.due) == ([TWO + DAY, TWO + 2 * DAY, TWO + 3 * DAY], TWO + DAY)
    assert status.schedule is not None
    assert status.schedule.settled_until == TWO
    assert isinstance(found, Write)
    assert found.announcement is not None
    assert (found.announcement.warning, found.announcement.reason) == (False, "BackupScheduled")
    assert found.announcement.message == f"the schedule created DatabaseBackup {SLOT}"

    later = decide(replace(o, status=status.to_dict()), settings(), TWO + HOUR)
    assert written(later).last_run == status.last_run
    assert isinstance(later, Write)
    assert (later.announcement, later.due) == (None, TWO + DAY)


def test_before_a_new_schedule_has_run_what_it_owes_from_when_is_written():
    o = a_policy(NIGHTLY, refused={SLOT: CONFLICT})
    status = written(decide(o, settings(), TWO))
    assert status.schedule is not None
    assert status.schedule.settled_until == TWO - HOUR


def test_what_ended_is_told_before_a_slot_is_run_and_the_slot_is_owed_from_when_the_policy_was_made():
    good = Ended("first", TWO - MINUTE, good=True, reason="", size_bytes=5, seconds=1.0)
    found = decide(a_policy(NIGHTLY, good=good), settings(), TWO)
    status = written(found)
    assert isinstance(found, Write)
    assert found.announcement is not None
    assert found.announcement.reason == "BackupSucceeded"
    assert status.last_success is not None
    assert status.schedule is not None
    assert status.schedule.settled_until == TWO - HOUR


@pytest.mark.parametrize(("changes", "stays"), [({}, True), ({"spoilt": True}, False)], ids=["gone", "no good one"])
def test_the_last_good_one_is_remembered_though_its_resource_is_gone(changes, stays):
    told = {"lastSuccess": {"name": "first", "completedAt": clock.to_text(TWO - HOUR)}}
    status = written(decide(a_policy(status=told, **changes), settings(), TWO))
    assert (status.last_success is not None) is stays


def test_what_ended_is_told_and_what_is_owed_and_what_comes_next_stay_as_they_are():
    o = after(a_policy(NIGHTLY), TWO - HOUR)
    before = BackupPolicyStatus.model_validate(o.status)
    good = Ended("first", TWO - HOUR, good=True, reason="", size_bytes=5, seconds=1.0)
    status = written(decide(replace(o, good=good), settings(), TWO + MINUTE))
    assert status.last_success is not None
    assert (status.schedule, status.next_runs) == (before.schedule, before.next_runs)


def test_a_page_of_deletions_is_begun_before_a_slot_that_is_due_is_run():
    page = there(written(decide(a_policy(NIGHTLY, retention=seen()), settings(), TWO)).retention, "retention").page
    assert page is not None
    assert [each.name for each in page.members] == ["a", "b"]


@pytest.mark.parametrize(
    ("settled", "made", "warning", "says"),
    [
        pytest.param({"suspended": True}, False, False, "2 backups due up to", id="suspended: somebody wanted it so"),
        pytest.param(
            {}, True, True, "the backup due at 2026-11-21T02:00:00Z was not taken", id="missed, and the newest was run"
        ),
    ],
)
def test_what_was_missed_is_said(settled, made, warning, says):
    o = a_policy(NIGHTLY, ours=ours(SLOT) if made else ours(), created=TWO - 3 * DAY)
    schedule = written(decide(o, settings(), TWO - 3 * DAY)).schedule
    assert schedule is not None
    former = schedule.model_copy(update={"settled_until": TWO - 2 * DAY, **settled})
    found = decide(replace(o, status=BackupPolicyStatus(schedule=former).to_dict()), settings(), TWO + HOUR)
    assert isinstance(found, Write)
    assert found.announcement is not None
    assert (found.announcement.warning, found.announcement.reason) == (warning, "SlotsMissed")
    assert says in found.announcement.message
    assert (f"; the schedule created DatabaseBackup {SLOT}" in found.announcement.message) is made


def test_a_slot_that_is_refused_waits_is_said_and_is_asked_again_in_a_minute():
    o = after(a_policy(NIGHTLY), TWO - HOUR)
    found = decide(replace(o, refused={SLOT: CONFLICT}), settings(), TWO)
    status = written(found)
    assert status.schedule is not None
    assert status.schedule.message == (
        "the backup due at 2026-11-22T02:00:00Z waits: the API server refuses the backup, and Holdfast tries again "
        "each minute: exceeded quota"
    )
    assert (status.schedule.settled_until, status.next_runs) == (TWO - HOUR, [TWO + n * DAY for n in (1, 2, 3)])
    assert isinstance(found, Write)
    assert found.announcement is not None
    assert (found.announcement.warning, found.announcement.reason, found.due) == (True, "BackupNotMade", TWO + MINUTE)


def test_a_message_as_long_as_anybody_likes_is_cut():
    o = a_policy(NIGHTLY, request="1", refused={SLOT: "x" * 5000, asked("1", 1): "y" * 5000})
    asked_for = written(decide(o, settings(), TWO))
    assert asked_for.backup_now is not None
    assert len(asked_for.backup_now.message) <= 1024
    slot = written(decide(replace(o, request=None), settings(), TWO))
    assert slot.schedule is not None
    assert len(slot.schedule.message) <= 1024


REPLACING = {**NIGHTLY, "concurrencyPolicy": "Replace"}
RUNNING = DeleteBackup("orders-running", "u-running")


def test_a_run_that_is_to_be_replaced_is_written_down_then_cancelled_then_the_slots_own_is_made():
    o = after(a_policy(REPLACING, under_way=RUNNING), TWO - HOUR)
    found = decide(o, settings(), TWO)
    status = written(found)
    assert [(each.name, each.result, each.completed_at) for each in status.recent] == [(RUNNING.name, "Replaced", TWO)]
    assert status.schedule is not None
    assert (status.schedule.settled_until, status.next_runs) == (TWO - HOUR, [TWO + n * DAY for n in (1, 2, 3)])
    assert isinstance(found, Write)
    assert found.announcement is not None
    assert (found.announcement.warning, found.announcement.reason) == (True, "BackupReplaced")
    assert f"the next one is due at {clock.to_text(TWO)}" in found.announcement.message

    known = replace(o, status=status.to_dict())
    assert decide(known, settings(), TWO) == Do(RUNNING)
    refused = decide(replace(known, refused={RUNNING.name: "denied"}), settings(), TWO)
    said = written(refused).schedule
    assert said is not None
    assert f"refuses to delete {RUNNING.name}, and Holdfast tries again each minute: denied" in said.message
    assert decide(replace(known, under_way=None), settings(), TWO) == Do(MakeBackup(SLOT, slot=TWO))


def test_while_the_last_one_runs_a_slot_is_skipped_unless_they_may_run_beside_each_other():
    forbidden = written(decide(after(a_policy(NIGHTLY, under_way=RUNNING), TWO - HOUR), settings(), TWO)).schedule
    assert forbidden is not None
    assert [(each.reason, each.count) for each in forbidden.missed] == [("StillRunning", 1)]
    beside = after(a_policy({**NIGHTLY, "concurrencyPolicy": "Allow"}, under_way=RUNNING), TWO - HOUR)
    assert decide(beside, settings(), TWO) == Do(MakeBackup(SLOT, slot=TWO))


def test_a_schedule_that_makes_no_sense_stops_and_is_remembered_as_it_stands():
    broken = {"cron": "0 22-4 * * *", "timeZone": "Europe/Berlin", "suspend": True}
    assert written(decide(a_policy(broken), settings(), TWO)).schedule is None

    status = after(a_policy({**NIGHTLY, "suspend": True}), TWO - HOUR).status
    found = decide(a_policy(broken, status=status), settings(), TWO + HOUR)
    held = written(found).schedule
    assert held is not None
    assert (held.cron, held.time_zone, held.suspended) == ("0 22-4 * * *", "Europe/Berlin", False)
    assert held.message == "Holdfast takes no backups: the schedule is not valid"
    assert (found.due, written(found).next_runs) == (None, None)


@pytest.mark.parametrize("schedule", [None, {"cron": "0 22-4 * * *"}], ids=["none", "one that makes no sense"])
def test_without_a_schedule_a_request_that_is_refused_is_asked_again_each_minute(schedule):
    o = a_policy(schedule, request="1", refused={asked("1", 1): CONFLICT})
    assert decide(after(o), settings(), TWO).due == TWO + MINUTE
    assert decide(replace(after(o), request=None), settings(), TWO).due == TWO + MINUTE
    assert decide(a_policy(schedule), settings(), TWO).due is None


def test_a_spec_that_cannot_be_read_runs_nothing_and_keeps_what_is_remembered():
    o = after(a_policy(NIGHTLY), TWO - HOUR)
    found = decide(replace(o, spec={"environment": "moon"}), settings(), TWO)
    status = written(found)
    assert status.schedule is not None
    assert (status.schedule.settled_until, status.next_runs, found.due) == (TWO - HOUR, None, None)


def test_the_slot_that_was_run_last_is_not_run_again_though_its_backup_is_gone():
    done = after(a_policy(NIGHTLY, ours=ours(SLOT)))
    schedule = BackupPolicyStatus.model_validate(done.status).schedule
    assert schedule is not None
    back = {**done.status, "schedule": schedule.model_copy(update={"settled_until": TWO - HOUR}).to_dict()}
    found = decide(replace(done, status=back, ours=ours()), settings(), TWO + MINUTE)
    assert isinstance(found, Write)
    assert found.due == TWO + DAY
