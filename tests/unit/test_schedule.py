"""What a policy's schedule asks for: what is due, what was missed and why, whatever became of the operator."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.budget import examples
from tests.builders import UID

from holdfast import naming
from holdfast.api.schedule import Missed, MissedSlots, Schedule, ScheduleStatus
from holdfast.decide.policy import schedule as rules
from holdfast.decide.policy.cron import Cron, Slots, read
from holdfast.decide.policy.schedule import Children, Gap, Owner, Plan, plan

MADE = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TWO = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OWNER = Owner("shop", "orders", UID, created=MADE, known=True)


def a_schedule(cron: str = "0 2 * * *", **fields: Any) -> Schedule:
    return Schedule.model_validate({"cron": cron, **fields})


def children(*names: str, ours: bool = True, busy: bool = False, last: datetime | None = None) -> Children:
    return Children(lambda name: ours if name in names else None, busy, last)


def settled(until: datetime, schedule: Schedule | None = None, **changes: Any) -> ScheduleStatus:
    """What stands in the status once everything up to then is settled."""
    schedule = schedule or a_schedule()
    base = {"cron": schedule.cron, "time_zone": schedule.time_zone, "policy_uid": UID, "message": "-"}
    return ScheduleStatus(**{**base, "settled_until": until, "suspended": schedule.suspend, **changes})


def planned(
    now: datetime, former: ScheduleStatus | None, schedule: Schedule | None = None, there: Children | None = None,
    owner: Owner = OWNER,
) -> Plan:  # fmt: skip
    schedule = schedule or a_schedule()
    cron = read(schedule.cron, schedule.time_zone)
    assert isinstance(cron, Cron)
    return plan(schedule, cron, former, owner, there or children(), now)


def gaps(found: Plan) -> list[tuple[str, int]]:
    return [(str(gap.reason), gap.count) for gap in found.missed]


def counts(found: Plan) -> dict[str, int]:
    return {each.reason: each.count for each in found.record.missed}


def test_before_its_time_nothing_is_due_and_the_next_three_are_shown():
    found = planned(TWO - MINUTE, settled(TWO - DAY))
    assert (found.make, found.instead, found.ran, found.missed) == (None, False, None, ())
    assert found.upcoming == (TWO, TWO + DAY, TWO + 2 * DAY)
    assert found.due == TWO
    assert found.record == settled(TWO - DAY, message="at 02:00 every day, UTC", interval_seconds=86400)


def test_at_its_time_the_backup_of_the_slot_is_made_and_is_recorded_once_it_is_there():
    assert (planned(TWO, settled(TWO - DAY)).make, planned(TWO, settled(TWO - DAY)).ran) == (TWO, None)
    there = children("orders-20261122-0200", busy=True)
    found = planned(TWO, settled(TWO - DAY), there=there)
    assert (found.make, found.ran, found.record.settled_until) == (None, TWO, TWO)
    assert planned(TWO + MINUTE, found.record, there=there).ran is None


@pytest.mark.parametrize(
    "late", [timedelta(seconds=1), HOUR, 5 * HOUR], ids=["a second", "an hour", "hours, without a deadline"]
)
def test_after_downtime_one_slot_is_caught_up(late):
    assert planned(TWO + late, settled(TWO - DAY)).make == TWO


def test_of_several_that_were_missed_the_newest_is_caught_up_and_the_others_are_counted():
    found = planned(TWO + HOUR, settled(TWO - 4 * DAY))
    assert (found.make, gaps(found)) == (TWO, [("Overtaken", 3)])
    recorded = planned(TWO + HOUR, settled(TWO - 4 * DAY), there=children("orders-20261122-0200"))
    assert (recorded.ran, counts(recorded)) == (TWO, {"Overtaken": 3})
    assert rules.says(recorded.missed[0]).startswith("3 backups due up to 2026-11-21T02:00:00Z were not taken")


RUN_YESTERDAY = "orders-20261121-0200"


@pytest.mark.parametrize(
    ("busy", "fields", "missed", "ran"),
    [
        (False, {}, {"Overtaken": 2}, None),
        (True, {}, {"Overtaken": 2, "StillRunning": 1}, TWO - DAY),
        (False, {"startingDeadlineSeconds": 600}, {"TooLate": 3}, TWO - DAY),
        (False, {"suspend": True}, {}, None),
    ],
    ids=["the next is made", "it still runs", "too late for the next", "suspended by now"],
)
def test_a_slot_that_was_run_by_an_operator_that_died_before_it_wrote_that_down_is_not_counted(
    busy, fields, missed, ran
):
    found = planned(TWO + HOUR, settled(TWO - 4 * DAY), a_schedule(**fields), children(RUN_YESTERDAY, busy=busy))
    assert (counts(found), found.ran) == (missed, ran)


def test_of_several_that_were_run_and_not_written_down_the_newest_is_the_last_run():
    there = children(RUN_YESTERDAY, "orders-20261120-0200", busy=True)
    found = planned(TWO + HOUR, settled(TWO - 4 * DAY), there=there)
    assert (counts(found), found.ran) == ({"Overtaken": 1, "StillRunning": 1}, TWO - DAY)


def test_one_that_was_run_in_time_is_recorded_however_late_anybody_looks():
    schedule = a_schedule(startingDeadlineSeconds=600)
    found = planned(TWO + HOUR, settled(TWO - DAY), schedule, children("orders-20261122-0200"))
    assert (found.ran, gaps(found)) == (TWO, [])


def test_what_was_run_before_a_schedule_was_changed_is_not_counted():
    found = planned(TWO + HOUR, settled(TWO - 2 * DAY), a_schedule("0 3 * * *"), children(RUN_YESTERDAY))
    assert counts(found) == {"ScheduleChanged": 1}


@pytest.mark.parametrize(("late", "made"), [(600, True), (601, False)])
def test_a_slot_is_caught_up_within_its_deadline_and_counted_beyond_it(late, made):
    schedule = a_schedule(startingDeadlineSeconds=600)
    found = planned(TWO + timedelta(seconds=late), settled(TWO - DAY), schedule)
    assert found.make == (TWO if made else None)
    assert gaps(found) == ([] if made else [("TooLate", 1)])
    assert found.record.settled_until == TWO


def test_while_the_last_one_runs_a_slot_is_skipped_and_counted():
    found = planned(TWO, settled(TWO - DAY), there=children(busy=True))
    assert (found.make, gaps(found), found.record.settled_until) == (None, [("StillRunning", 1)], TWO)
    assert "concurrencyPolicy is Forbid" in rules.says(found.missed[0])


def test_with_allow_a_slot_is_run_beside_the_last_one():
    assert planned(TWO, settled(TWO - DAY), a_schedule(concurrencyPolicy="Allow"), children(busy=True)).make == TWO


@pytest.mark.parametrize("busy", [True, False], ids=["one runs", "none runs"])
def test_with_replace_a_slot_is_run_instead_of_one_that_runs(busy):
    found = planned(TWO, settled(TWO - DAY), a_schedule(concurrencyPolicy="Replace"), children(busy=busy))
    assert (found.make, found.instead) == (TWO, busy)


def test_a_strangers_backup_of_the_slots_name_is_left_alone_and_said():
    found = planned(TWO, settled(TWO - DAY), there=children("orders-20261122-0200", ours=False))
    assert (found.make, found.ran, gaps(found)) == (None, None, [("NameTaken", 1)])


def test_a_new_policy_owes_what_came_since_it_was_made_and_nothing_from_before():
    new = replace(OWNER, known=False, created=TWO - MINUTE)
    assert planned(TWO + HOUR, None, owner=new).make == TWO
    assert planned(TWO + HOUR, None, owner=replace(new, created=TWO + MINUTE)).make is None


def test_a_schedule_that_is_added_to_an_old_policy_owes_nothing_from_before():
    found = planned(TWO + HOUR, None)
    assert (found.make, found.missed, found.due) == (None, (), TWO + DAY)


def test_a_policy_made_anew_under_its_name_begins_anew_whatever_its_status_says():
    former = settled(TWO - 30 * DAY, policy_uid="another", missed=[])
    found = planned(TWO + HOUR, former, owner=replace(OWNER, created=TWO + MINUTE))
    assert (found.make, found.missed, found.record.policy_uid) == (None, (), UID)
    owes = planned(TWO + HOUR, former, owner=replace(OWNER, created=TWO - MINUTE))
    assert (owes.make, owes.missed) == (TWO, ())


def test_a_changed_cron_begins_when_it_is_seen_and_starts_nothing_by_itself():
    changed = a_schedule("0 1 * * *")
    found = planned(TWO + HOUR, settled(TWO - DAY), changed)
    assert (found.make, gaps(found)) == (None, [("ScheduleChanged", 1)])  # the slot of the former, not yet run
    assert found.upcoming[0] == TWO + DAY - HOUR
    assert planned(TWO + 2 * HOUR, found.record, changed).make is None


def test_a_schedule_that_is_changed_and_suspended_at_once_still_says_what_was_not_run():
    found = planned(TWO + HOUR, settled(TWO - DAY), a_schedule("0 1 * * *", suspend=True))
    assert (found.make, gaps(found), counts(found)) == (None, [("ScheduleChanged", 1)], {"ScheduleChanged": 1})


def test_a_slot_that_had_not_begun_when_the_schedule_was_changed_was_not_missed():
    former, changed = a_schedule(jitterSeconds=600), a_schedule("0 3 * * *", jitterSeconds=600)
    begins = rules.jitter(changed, OWNER)
    now = TWO + begins / 2
    found = planned(now, settled(TWO - DAY, former), changed)
    assert (found.missed, found.record.settled_until) == ((), now - begins)
    assert found.upcoming[0] == TWO + HOUR + begins


def test_another_time_zone_is_another_schedule():
    found = planned(TWO + HOUR, settled(TWO), a_schedule(timeZone="Europe/Berlin"))
    assert (found.make, found.due, found.record.time_zone) == (None, TWO + DAY - HOUR, "Europe/Berlin")


def test_a_suspended_schedule_runs_nothing_shows_nothing_and_says_so():
    found = planned(TWO + HOUR, settled(TWO - DAY), a_schedule(suspend=True))
    assert (found.make, found.upcoming, found.due, found.missed) == (None, (), None, ())
    assert found.record.message == "suspended: at 02:00 every day, UTC"


def test_while_it_is_suspended_nothing_is_counted():
    resting = a_schedule(suspend=True)
    former = settled(TWO - 3 * DAY, resting)
    found = planned(TWO + HOUR, former, resting)
    said = {"message": "suspended: at 02:00 every day, UTC", "interval_seconds": 86400}
    assert (found.record, found.missed) == (former.model_copy(update=said), ())


def test_what_came_while_it_was_suspended_is_counted_and_not_caught_up():
    resting = settled(TWO - 3 * DAY, a_schedule(suspend=True))
    found = planned(TWO + HOUR, resting)
    assert (found.make, gaps(found), found.due) == (None, [("Suspended", 3)], TWO + DAY)


def test_a_clock_that_is_set_back_runs_no_slot_again_and_goes_on_at_once():
    ahead = planned(TWO + 3 * DAY, settled(TWO - DAY), there=children("orders-20261125-0200")).record
    back = planned(TWO + HOUR, ahead)
    assert (back.make, back.due) == (None, TWO + DAY)  # not only when the wrong time has come
    again = planned(TWO + 3 * DAY, replace_until(back.record, TWO + 2 * DAY), there=children("orders-20261125-0200"))
    assert (again.make, again.ran) == (None, TWO + 3 * DAY)


def test_the_slot_that_was_run_last_is_not_run_again_though_its_backup_was_deleted():
    back = planned(TWO - HOUR, settled(TWO), there=children(last=TWO)).record
    assert planned(TWO, back, there=children(last=TWO)).make is None


def test_a_clock_that_is_set_forward_runs_one_and_counts_the_others():
    found = planned(TWO + 10 * DAY, settled(TWO - DAY))
    assert (found.make, gaps(found)) == (TWO + 10 * DAY, [("Overtaken", 10)])


def replace_until(record: ScheduleStatus, until: datetime) -> ScheduleStatus:
    return record.model_copy(update={"settled_until": until})


def test_a_slot_is_named_in_utc_whatever_zone_it_is_given_in():
    berlin = TWO.astimezone(ZoneInfo("Europe/Berlin"))
    assert naming.slot_name("orders", berlin) == naming.slot_name("orders", TWO) == "orders-20261122-0200"


def test_jitter_is_the_same_for_one_policy_and_within_its_window_and_spreads_many():
    schedule = a_schedule(jitterSeconds=600)
    waits = [rules.jitter(schedule, replace(OWNER, name=f"db-{number}")).total_seconds() for number in range(500)]
    assert waits == [
        rules.jitter(schedule, replace(OWNER, name=f"db-{n}", uid="x")).total_seconds() for n in range(500)
    ]
    assert all(0 <= wait <= 600 for wait in waits)
    assert all(sum(low <= wait < low + 60 for wait in waits) > 20 for low in range(0, 600, 60))


@pytest.mark.parametrize("longest", [0, 1, 2])
def test_each_second_up_to_the_longest_is_some_policys_and_none_beyond_it(longest):
    waits = {
        rules.jitter(a_schedule(jitterSeconds=longest), replace(OWNER, name=f"db-{number}")) for number in range(200)
    }
    assert waits == {timedelta(seconds=second) for second in range(longest + 1)}


def test_a_policy_begins_that_much_later_with_each_release_of_holdfast():
    """Another way to spread them would move the backups of everybody who upgrades."""
    assert rules.jitter(a_schedule(jitterSeconds=600), OWNER) == timedelta(minutes=4, seconds=25)
    found = planned(TWO - MINUTE, settled(TWO - DAY), a_schedule(jitterSeconds=600))
    assert found.record.message == "at 02:00 every day, UTC, 4m25s later"


def test_a_deadline_begins_with_the_time_that_a_backup_is_due_and_not_with_its_slot():
    schedule = a_schedule(jitterSeconds=600, startingDeadlineSeconds=600)
    last = TWO + rules.jitter(schedule, OWNER) + timedelta(seconds=600)
    assert planned(last, settled(TWO - DAY), schedule).make == TWO
    assert gaps(planned(last + timedelta(seconds=1), settled(TWO - DAY), schedule)) == [("TooLate", 1)]


def test_a_slot_with_jitter_is_due_that_much_later_and_keeps_its_name():
    schedule = a_schedule(jitterSeconds=600)
    wait = rules.jitter(schedule, OWNER)
    assert wait > timedelta(0)
    before = planned(TWO + wait - timedelta(seconds=1), settled(TWO - DAY), schedule)
    assert (before.make, before.due) == (None, TWO + wait)
    assert planned(TWO + wait, settled(TWO - DAY), schedule).make == TWO


def test_what_a_new_policy_owes_is_counted_by_when_it_begins_not_by_its_slot():
    schedule = a_schedule(jitterSeconds=600)
    begins = TWO + rules.jitter(schedule, OWNER)
    second = timedelta(seconds=1)
    just, late = (replace(OWNER, known=False, created=begins + after) for after in (-second, second))
    assert planned(begins, None, schedule, owner=just).make == TWO
    assert planned(begins + HOUR, None, schedule, owner=late).make is None


def test_a_jitter_that_is_made_longer_does_not_bring_back_what_was_run():
    schedule = a_schedule("* * * * *", jitterSeconds=86400)
    found = planned(TWO + MINUTE / 2, settled(TWO, schedule), schedule)
    assert (found.make, found.missed, found.record.settled_until) == (None, (), TWO)
    wait = rules.jitter(schedule, OWNER)
    assert found.upcoming == tuple(TWO + count * MINUTE + wait for count in (1, 2, 3))


def test_counts_add_up_over_time_and_remember_the_newest_slot():
    first = planned(TWO, settled(TWO - DAY), there=children(busy=True))
    second = planned(TWO + DAY, first.record, there=children(busy=True))
    assert second.record.missed == [
        MissedSlots(reason=Missed.STILL_RUNNING, count=2, at_least=False, last_slot=TWO + DAY)
    ]


def test_years_of_downtime_are_said_to_be_more_than_were_counted():
    every = a_schedule("* * * * *")
    found = planned(TWO, settled(TWO - 3650 * DAY, every), every)
    assert (found.make, found.missed[0].slots.more) == (TWO, True)
    assert rules.says(found.missed[0]).startswith("more than 999 backups due")
    assert found.record.missed[0].at_least
    later = planned(TWO + 3 * MINUTE, found.record, every)
    assert later.record.missed == [
        MissedSlots(reason=Missed.OVERTAKEN, count=1001, at_least=True, last_slot=TWO + 2 * MINUTE)
    ]


@pytest.mark.parametrize("reason", Missed)
def test_why_a_slot_was_missed_is_said_of_each_reason(reason):
    sentence, _, why = rules.says(Gap(reason, Slots((TWO,)))).partition(": ")
    assert sentence == "the backup due at 2026-11-22T02:00:00Z was not taken"
    assert why


def test_one_of_which_there_may_be_more_is_not_said_to_be_the_only_one():
    said = rules.says(Gap(Missed.OVERTAKEN, Slots((TWO,), more=True)))
    assert said.startswith("more than 1 backups due up to 2026-11-22T02:00:00Z were not taken")


@pytest.mark.parametrize("cron", ["no cron", "0 0 30 2 *"])
def test_a_status_that_somebody_wrote_counts_nothing_and_stops_nothing(cron):
    found = planned(TWO + HOUR, settled(TWO - DAY, cron=cron))
    assert (found.missed, found.due) == ((), TWO + DAY)


# What may happen to an operator, in any order: time passes, or is set back or forward; it is killed before it has done
# anything, after it has made the backup, or after it has written that down; or it makes one and its write is lost.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["works", "killed before", "write lost", "older status"]),
        st.integers(-3 * 3600, 26 * 3600) | st.integers(-90, 90) | st.integers(0, 5),
    ),
    min_size=5,
    max_size=60,
)


@given(
    steps=STEPS,
    cron=st.sampled_from(["* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "0 2 * * 1-5"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    fields=st.fixed_dictionaries(
        {},
        optional={
            "jitterSeconds": st.integers(0, 900),
            "startingDeadlineSeconds": st.integers(10, 4000),
            "concurrencyPolicy": st.sampled_from(["Allow", "Forbid"]),
        },
    ),
    start=st.sampled_from([TWO, datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2027, 3, 27, 22, tzinfo=UTC)]),
)
@settings(max_examples=examples(80, times=10), deadline=None)
def test_no_slot_is_run_twice_and_none_is_made_up_whatever_happens(steps, cron, zone, fields, start):
    schedule = a_schedule(cron, timeZone=zone, **fields)
    made: list[str] = []
    now, status, last, known = start, None, None, False
    older: list[tuple[ScheduleStatus | None, datetime | None]] = [(None, None)]
    for what, seconds in steps:
        now += timedelta(seconds=seconds)
        for _ in range(3):
            whose: Callable[[str], bool | None] = lambda name: True if name in made else None  # noqa: E731
            owner = replace(OWNER, created=start, known=known)
            found = planned(now, status, schedule, Children(whose, False, last), owner)
            assert found.make is None or found.make <= now
            assert all(moment > now for moment in found.upcoming)
            if what == "killed before":
                break
            if found.make is not None:
                made.append(naming.slot_name("orders", found.make))
                continue
            if what != "write lost":
                older.append((status, last))
                status, last, known = found.record, found.ran or last, True
            break
        if what == "older status":
            status, last = older[len(older) // 2]
    assert len(made) == len(set(made))
