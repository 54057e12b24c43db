"""Which backups are kept, for which reasons, and which go: the tables are the documentation, the rest holds for all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.budget import examples
from tests.builders import NOW, a_policy

from holdfast.api.policy import Environment
from holdfast.api.retention import Retention
from holdfast.api.schedule import Schedule
from holdfast.decide.retention import telling, words
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.pace import Pace
from holdfast.decide.retention.plan import Plan, Rules, hash_of, plan
from holdfast.decide.retention.telling import summary
from holdfast.errors import HoldfastError

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def a_fact(name: str, ended: datetime, **fields: Any) -> Fact:
    base = {"uid": f"uid-{name}", "created": ended - timedelta(minutes=5), "completed": ended, "good": True}
    return Fact(name=name, **{**base, **fields})


def a_failure(name: str, ended: datetime, **fields: Any) -> Fact:
    return a_fact(name, ended, good=False, failed=True, **fields)


def days_ago(days: float, name: str = "", **fields: Any) -> Fact:
    return a_fact(name or f"d{days:g}", NOW - days * DAY, **fields)


def rules(zone: str = "UTC", environment: str = "dev", **fields: Any) -> Rules:
    return Rules(Retention.model_validate(fields), Environment(environment), ZoneInfo(zone))


def planned(*facts: Fact, now: datetime = NOW, approved: str | None = None, **fields: Any) -> Plan:
    return plan(facts, rules(**fields), now, approved)


def reasons(found: Plan) -> dict[str, tuple[str, ...]]:
    return {each.name: each.reasons for each in found.verdicts}


def kept(found: Plan) -> set[str]:
    return {each.name for each in found.verdicts if each.keep}


def gone(found: Plan) -> list[str]:
    return [each.name for each in found.deletions]


@pytest.mark.parametrize(("environment", "days"), [("dev", 30), ("staging", 60), ("production", 90)])
def test_by_default_a_backup_is_kept_for_as_long_as_its_environment_says_to_the_second(environment, days):
    before, at, newest = a_fact("before", NOW - days * DAY + timedelta(seconds=1)), days_ago(days), days_ago(1)
    found = planned(before, at, newest, environment=environment)
    assert gone(found) == [at.name]
    assert found.deletions[0].reason == f"older than {days} days"
    assert reasons(found)[before.name] == (f"within {days} days",)


def test_a_policys_days_go_before_the_environments_and_a_backups_own_before_both():
    facts = (days_ago(1), days_ago(8), days_ago(8.5, retention_days=200), days_ago(5, retention_days=4))
    found = planned(*facts, days=7, environment="production", maxDeletionsPerSweep=5)
    assert gone(found) == ["d8", "d5"]
    assert [each.reason for each in found.deletions] == ["older than 7 days", "older than its own 4 days"]
    assert reasons(found)["d8.5"] == ("within 200 days",)


def test_what_was_production_when_it_was_taken_is_kept_as_production_though_the_policy_is_dev_by_now():
    assert gone(planned(days_ago(1), days_ago(40, environment=Environment.PRODUCTION), days_ago(41))) == ["d41"]


# A clock in Berlin; backups at 02:00 and 14:00, for three weeks around the end of a year.
TWICE_A_DAY = [
    a_fact(f"{day:%m%d}-{hour:02}", datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo("Europe/Berlin")))
    for day in (datetime(2026, 12, 20, tzinfo=UTC) + count * DAY for count in range(21))
    for hour in (2, 14)
]
JANUARY = datetime(2027, 1, 9, 20, tzinfo=UTC)
TABLE = [
    pytest.param({"keepLast": 3}, {"0109-14": "last 3", "0109-02": "last 3", "0108-14": "last 3"}, id="the last three"),
    pytest.param(
        {"keepHourly": 2}, {"0109-14": "hourly 2027-01-09 14:00", "0109-02": "hourly 2027-01-09 02:00"}, id="hours"
    ),
    pytest.param(
        {"keepDaily": 3},
        {"0109-14": "daily 2027-01-09", "0108-14": "daily 2027-01-08", "0107-14": "daily 2027-01-07"},
        id="days: the newest of each",
    ),
    pytest.param(
        {"keepWeekly": 3},
        {"0109-14": "weekly 2027-W01", "0103-14": "weekly 2026-W53", "1227-14": "weekly 2026-W52"},
        id="weeks end on Sunday, and belong to ISO's years",
    ),
    pytest.param(
        {"keepMonthly": 12}, {"0109-14": "monthly 2027-01", "1231-14": "monthly 2026-12"}, id="months, as far as any"
    ),
    pytest.param({"keepYearly": 2}, {"0109-14": "yearly 2027", "1231-14": "yearly 2026"}, id="years"),
    pytest.param({"minimum": 2}, {"0109-14": "minimum 2", "0109-02": "minimum 2"}, id="a floor of two"),
]


@pytest.mark.parametrize(("given", "expected"), TABLE)
def test_beyond_its_age_a_backup_is_kept_for(given, expected):
    found = plan(TWICE_A_DAY, rules("Europe/Berlin", days=1, **given), JANUARY)
    why = {name: [reason for reason in given if not reason.startswith(("within", "newest"))]
           for name, given in reasons(found).items() if name in kept(found)}  # fmt: skip
    floor = {} if "minimum" in given else {"0109-14": ["minimum 1"]}
    assert {name: [each for each in said if each not in floor.get(name, [])] for name, said in why.items() if said} == {
        name: [reason] for name, reason in expected.items()
    } | {name: [] for name in floor if name not in expected}


def test_rules_pick_for_themselves_and_one_backup_is_kept_for_several():
    found = plan(TWICE_A_DAY, rules("Europe/Berlin", days=1, keepDaily=2, keepWeekly=2, keepMonthly=2), JANUARY)
    assert {name: said for name, said in reasons(found).items() if name in kept(found)} == {
        "0109-14": (
            "within 1 day", "daily 2027-01-09", "weekly 2027-W01", "monthly 2027-01", "newest good", "minimum 1",
        ),
        "0109-02": ("within 1 day",),
        "0108-14": ("daily 2027-01-08",),
        "0103-14": ("weekly 2026-W53",),
        "1231-14": ("monthly 2026-12",),
    }  # fmt: skip
    assert found.counts == {
        "within": 2, "daily": 2, "weekly": 2, "monthly": 2, "newest good": 1, "minimum": 1,
    }  # fmt: skip
    assert found.deletions[0].reason == "older than 1 day, and no other rule keeps it"


def test_the_calendar_is_the_policys_time_zones():
    late = [a_fact(name, datetime(2026, 11, 20, hour, tzinfo=UTC)) for name, hour in (("22", 22), ("23", 23))]
    assert kept(planned(*late, zone="UTC", days=1, keepDaily=2, now=NOW)) == {"23"}
    assert kept(planned(*late, zone="Europe/Berlin", days=1, keepDaily=2, now=NOW)) == {"22", "23"}


def test_in_autumn_the_hour_that_comes_twice_is_one():
    twice = [a_fact(f"{minute}", datetime(2026, 10, 25, 0, 30, tzinfo=UTC) + minute * timedelta(minutes=1))
             for minute in (0, 60)]  # fmt: skip
    assert kept(planned(*twice, zone="Europe/Berlin", days=1, keepHourly=5)) == {"60"}


def test_days_without_a_backup_count_for_nothing():
    facts = [days_ago(days) for days in (2, 9, 16, 100)]
    assert kept(planned(*facts, days=1, keepDaily=3)) == {"d2", "d9", "d16"}


def test_what_any_rule_keeps_is_kept_and_a_rule_that_is_added_never_deletes():
    facts = [days_ago(days) for days in (1, 20, 40, 70, 100)]
    assert kept(planned(*facts, keepMonthly=3)) == {"d1", "d20", "d40", "d70"}  # dev's 30 days stay in force


def test_with_no_days_the_other_rules_alone_decide():
    facts = [days_ago(days) for days in (0.1, 0.2, 1, 2)]
    assert kept(planned(*facts, days=0, keepLast=2)) == {"d0.1", "d0.2"}


def test_a_grace_that_is_set_shorter_looks_at_them_sooner():
    facts = [days_ago(0.001), days_ago(0.002)]
    held = Rules(Retention(days=0, keep_last=1), Environment.DEV, ZoneInfo("UTC"), grace=timedelta(0))
    assert gone(plan(facts, held, NOW)) == ["d0.002"]


@pytest.mark.parametrize("fields", [{"days": 1}, {"days": 1, "keepDaily": 1}], ids=["age", "age and counts"])
def test_the_last_good_one_is_never_deleted_however_old(fields):
    found = planned(days_ago(4000), days_ago(4001), **fields)
    assert (kept(found), gone(found)) == ({"d4000"}, ["d4001"])
    assert "newest good" in reasons(found)["d4000"]


def test_a_pinned_one_is_never_deleted_and_never_expires():
    found = planned(days_ago(1), days_ago(4000, pinned=True))
    assert (reasons(found)["d4000"], found.verdicts[-1].expires, gone(found)) == (("pinned",), None, [])
    assert planned(days_ago(1, pinned=True)).verdicts[0].expires is None


def test_a_pinned_one_that_is_exactly_its_age_is_kept_by_that_alone():
    assert reasons(planned(days_ago(1), days_ago(30, pinned=True)))["d30"] == ("pinned",)


@pytest.mark.parametrize(("days", "also"), [(40, ()), (20, ("within 30 days",))], ids=["past its age", "within it"])
def test_one_before_a_migration_that_has_not_succeeded_is_never_deleted_and_never_expires(days, also):
    found = planned(days_ago(days, "before", migrating=True), days_ago(1, "new"), days=30)
    assert reasons(found)["before"] == (*also, "before a migration that has not succeeded")
    assert {each.name: each.expires for each in found.verdicts}["before"] is None


def test_one_before_a_migration_that_has_succeeded_is_kept_until_its_time():
    until = NOW + timedelta(hours=1)
    facts = (days_ago(40, "before", migrated_until=until), days_ago(1, "new"))
    found = planned(*facts, days=30)
    assert reasons(found)["before"] == ("before a migration, until 2026-11-22T09:45:00Z",)
    assert {each.name: each.expires for each in found.verdicts}["before"] == until
    assert found.look_again == until
    assert gone(planned(*facts, now=until - timedelta(seconds=1), days=30)) == []
    assert gone(planned(*facts, now=until, days=30)) == ["before"]


def test_fewer_than_the_minimum_are_never_left():
    assert gone(planned(*(days_ago(100 + days) for days in range(5)), minimum=4)) == ["d104"]


def test_what_the_store_has_locked_is_kept_until_then_and_is_no_failure():
    until = NOW + 5 * DAY
    locked = planned(days_ago(1), days_ago(50, locked_until=until))
    assert reasons(locked)["d50"] == ("locked until 2026-11-27T08:45:00Z",)
    assert (locked.next and locked.next.due, locked.look_again) == (until, until)
    assert gone(planned(days_ago(1), days_ago(50, locked_until=NOW))) == ["d50"]


@pytest.mark.parametrize(
    ("newest", "why"),
    [
        pytest.param(a_failure("bad", NOW - 3 * HOUR), "newest failed", id="failed"),
        pytest.param(a_failure("bad", NOW), "newest failed", id="failed just now"),
        pytest.param(days_ago(0.5, suspicious=True), "newest suspicious", id="suspicious"),
        pytest.param(days_ago(0.5, good=False, damaged=True), "newest damaged", id="found damaged"),
    ],
)
def test_while_the_newest_is_bad_nothing_goes_because_of_numbers_and_age_alone_goes_on_down_to_the_floor(newest, why):
    facts = (newest, days_ago(1), days_ago(50), days_ago(60))
    held = planned(*facts, keepDaily=2)
    assert (gone(held), reasons(held)["d60"]) == ([], (why,))
    assert reasons(held)["d1"][:2] == ("within 30 days", "daily 2026-11-21"), "what else keeps it is said"
    assert gone(planned(*facts)) == ["d60", "d50"]
    assert gone(planned(newest, days_ago(50), days_ago(60))) == ["d60"]
    healed = a_fact("healed", NOW + HOUR / 2)
    assert gone(planned(healed, *facts, keepDaily=1, now=NOW + 2 * HOUR)) == ["d60", "d50"]


def test_a_bad_one_whose_data_is_gone_holds_nothing():
    facts = (days_ago(0.5, suspicious=True, expired=True), days_ago(1), days_ago(50))
    assert gone(planned(*facts, keepDaily=1)) == ["d50"]


@pytest.mark.parametrize(
    "newest",
    [
        pytest.param(days_ago(0.01), id="good, a short time ago"),
        pytest.param(days_ago(0.2, good=False, busy=True, completed=None), id="it runs"),
        pytest.param(days_ago(0.2, good=False), id="nobody knows that it has ended"),
    ],
)
def test_one_of_which_nothing_bad_is_known_holds_nothing(newest):
    assert gone(planned(newest, days_ago(1), days_ago(50), keepDaily=1)) == ["d50"]


def test_a_suspicious_one_takes_nobodys_place():
    facts = (days_ago(2), days_ago(2.1, suspicious=True), days_ago(2.2), days_ago(3.1, suspicious=True), days_ago(3.2))
    found = planned(*facts, days=1, keepDaily=2, keepLast=2)
    assert kept(found) == {"d2", "d2.1", "d2.2", "d3.1", "d3.2"}
    alone = planned(days_ago(5, suspicious=True), days_ago(6, suspicious=True), days_ago(9), days_ago(10), days=1)
    assert reasons(alone)["d5"] == ("newest good", "minimum 1")
    assert reasons(alone)["d9"] == ("newest not suspicious", "minimum 1")
    assert gone(alone) == ["d10", "d6"]


@pytest.mark.parametrize(
    ("left", "why"),
    [
        pytest.param(days_ago(400, busy=True), "in use", id="running, verified, restored or deleted"),
        pytest.param(days_ago(400, created=NOW - HOUR / 2), "created a short time ago", id="new, or made again"),
        pytest.param(
            a_fact("ahead", NOW + HOUR, created=NOW - 2 * HOUR), "completed in the future", id="a wrong clock"
        ),
        pytest.param(days_ago(400, good=False), "not known to have ended", id="neither good nor failed"),
        pytest.param(days_ago(400, completed=None), "not known to have ended", id="good, nobody knows since when"),
        pytest.param(days_ago(400, good=False, expired=True), "data is gone", id="expired"),
        pytest.param(days_ago(400, good=False, damaged=True), "damaged", id="damaged"),
    ],
)
def test_left_alone_and_counted_for_nothing_is_what_is(left, why):
    found = planned(left, days_ago(500), days_ago(600))
    assert (reasons(found)[left.name], gone(found)) == ((why,), ["d600"])
    (again,) = (each.again for each in found.verdicts if each.name == left.name)
    assert (again is not None) is (why in ("created a short time ago", "completed in the future"))


def test_order_is_by_completion_and_never_by_name():
    facts = [a_fact("a", NOW - 50 * DAY), a_fact("z", NOW - 60 * DAY), a_fact("m", NOW - 55 * DAY)]
    assert gone(planned(*facts)) == ["z", "m"]


def test_failed_ones_count_for_nothing_and_go_after_seven_days_but_for_the_newest_of_them():
    facts = [a_failure(f"f{days}", NOW - days * DAY) for days in (10, 12, 6)] + [days_ago(400), days_ago(401)]
    found = planned(*facts, minimum=1, keepLast=1, days=1)
    assert ([each.name for each in found.removals], gone(found)) == (["f12", "f10"], [])  # the newest has failed
    assert [each.name for each in planned(*facts[:2]).removals] == ["f12"]
    assert reasons(planned(*facts[:2]))["f10"] == ("newest failure",)
    pinned = planned(a_failure("f9", NOW - 9 * DAY, pinned=True), *facts)
    assert ([each.name for each in pinned.removals], reasons(pinned)["f9"]) == (["f12", "f10"], ("pinned",))
    edge = [a_failure("f7", NOW - 7 * DAY), a_failure("f1", NOW - DAY)]
    assert [each.name for each in planned(*edge).removals] == ["f7"]
    assert planned(*edge, now=NOW - timedelta(seconds=1)).removals == ()


def test_where_the_bucket_deletes_nothing_is_deleted_and_the_age_is_what_is_expected():
    found = planned(days_ago(1), days_ago(2), days_ago(400), mode="External", days=10)
    assert (gone(found), found.sweep, found.external) == ([], (), True)
    assert [each.expires for each in found.verdicts] == [NOW + 9 * DAY, NOW + 8 * DAY, NOW - 390 * DAY]
    assert found.overdue == 1
    assert "1 have expired, and Holdfast looks for them one after the other" in summary(found)


def test_where_holdfast_deletes_nothing_is_past_its_days_unseen():
    assert planned(days_ago(1), days_ago(400, pinned=True), minimum=2).overdue == 0


def looked(days: float | None) -> dict[str, Any]:
    return {} if days is None else {"looked": NOW - days * DAY}


@pytest.mark.parametrize(
    ("age", "last", "due"),
    [
        pytest.param(11, None, 1, id="past its days: two days later"),
        pytest.param(12, None, 0, id="two days past its days"),
        pytest.param(400, None, 0, id="long ago"),
        pytest.param(11, 5, 1, id="looked at before its days were over: that says nothing"),
        pytest.param(12.5, 0.5, 1.5, id="there two days later: after two days more"),
        pytest.param(30, 10, 0, id="there ten days later: after ten days more"),
        pytest.param(30, 9, 2, id="there eleven days later: after eleven days more"),
        pytest.param(400, 1, 63, id="there for ever: each 64 days"),
        pytest.param(400, -1_000_000, None, id="a time that is none"),
    ],
)
def test_where_the_bucket_deletes_what_is_past_its_days_is_looked_for_ever_more_rarely(age, last, due):
    far = {"looked": datetime(9999, 12, 31, 23, tzinfo=UTC)} if due is None else looked(last)
    found = planned(days_ago(age, **far), mode="External", days=10)

    assert found.look == ("uid-d" + f"{age:g}" if due == 0 else None)
    if due:
        assert found.look_again in (NOW + due * DAY, found.verdicts[0].expires)


def test_one_is_looked_for_after_the_other_the_one_that_has_waited_longest_first():
    late, later, good = days_ago(20), days_ago(30), days_ago(1)
    assert planned(late, later, good, mode="External", days=10).look == later.uid
    seen = days_ago(30, busy=True, good=False)
    assert planned(late, seen, good, mode="External", days=10).look is None
    seen = days_ago(30, looked=NOW)
    assert planned(late, seen, good, mode="External", days=10).look == late.uid


def test_one_that_is_being_taken_keeps_none_from_being_looked_for_and_one_in_use_is_not_looked_for():
    old, good = days_ago(30), days_ago(1)
    running = days_ago(0, busy=True, good=False, completed=None)
    assert planned(old, running, good, mode="External", days=10).look == old.uid
    used = days_ago(30, busy=True, completed=None, name="used")
    assert planned(used, good, mode="External", days=10).look is None


@pytest.mark.parametrize("state", [{"expired": True}, {"damaged": True}, {"failed": True}])
def test_what_is_no_good_backup_is_not_looked_for(state):
    assert planned(days_ago(30, good=False, **state), mode="External", days=10).look is None


def test_where_holdfast_deletes_nobody_is_looked_for():
    assert planned(days_ago(1), days_ago(400), minimum=2).look is None


@pytest.mark.parametrize(
    ("fact", "removed"),
    [
        pytest.param(days_ago(50, expired=True, good=False, looked=NOW - 8 * DAY), True, id="found gone 8 days ago"),
        pytest.param(days_ago(50, expired=True, good=False, looked=NOW - 6 * DAY), False, id="6 days ago"),
        pytest.param(days_ago(50, expired=True, good=False, looked=NOW - 8 * DAY, pinned=True), False, id="pinned"),
        pytest.param(days_ago(50, expired=True, good=False), False, id="deleted by retention, whose resource stays"),
    ],
)
@pytest.mark.parametrize("mode", ["External", "Managed"])
def test_the_resource_of_one_that_was_found_gone_goes_as_that_of_a_failed_one_and_is_no_deletion(fact, removed, mode):
    found = planned(days_ago(1), fact, mode=mode)
    assert ([each.uid for each in found.removals], found.deletions) == ([fact.uid] if removed else [], ())


def test_a_dry_run_says_what_would_go_and_lets_nothing_go():
    facts = (days_ago(1), days_ago(2), days_ago(40), a_failure("f", NOW - 9 * DAY), a_failure("g", NOW - 8 * DAY))
    found = planned(*facts, dryRun=True)
    assert (gone(found), found.sweep, len(found.failures), found.removals) == (["d40"], (), 1, ())
    assert gone(planned(*facts)) == [each.name for each in planned(*facts).sweep] == ["d40"]


@pytest.mark.parametrize(
    ("good", "old", "why"),
    [
        pytest.param(60, 20, None, id="twenty"),
        pytest.param(60, 21, "21 are more than maxDeletionsPerSweep, 20", id="twenty-one"),
        pytest.param(2, 2, None, id="two of four"),
        pytest.param(2, 3, "3 are more than half of the 5 good backups", id="three of five"),
    ],
)
def test_a_sweep_that_would_delete_much_waits(good, old, why):
    facts = [days_ago(1 + n / 100) for n in range(good)] + [days_ago(40 + n) for n in range(old)]
    found = planned(*facts)
    assert ((found.held and found.held.why), len(found.sweep), len(found.deletions)) == (why, 0 if why else old, old)


def test_what_is_on_its_way_out_or_in_use_is_no_part_of_what_half_is_taken_of():
    busy = [days_ago(1 + n, busy=True, name=f"b{n}", uid=f"b{n}") for n in range(9)]
    found = planned(days_ago(1), *(days_ago(40 + n) for n in range(2)), *busy)
    assert (found.held and found.held.why) == "2 are more than half of the 3 good backups"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param([a_failure(f"f{n}", NOW - n * DAY) for n in range(2, 11)], id="failed"),
        pytest.param([days_ago(2 + n / 10, expired=True) for n in range(9)], id="gone, whatever else is said of them"),
        pytest.param([days_ago(2 + n / 10, good=False, damaged=True) for n in range(9)], id="damaged"),
    ],
)
def test_only_good_backups_that_are_there_are_counted_and_are_what_half_is_taken_of(more):
    found = planned(days_ago(1), *(days_ago(40 + n) for n in range(2)), *more)
    assert (found.held and found.held.why) == "2 are more than half of the 3 good backups"
    assert (found.kept, found.good, found.counts) == (1, 3, {"within": 1, "newest good": 1, "minimum": 1})
    assert found.next is not None
    assert found.next.name == "d1"


def test_of_failed_ones_the_newest_that_is_there_stays():
    facts = (a_failure("gone", NOW - DAY, expired=True), a_failure("f9", NOW - 9 * DAY), a_failure("f8", NOW - 8 * DAY))
    assert [each.name for each in planned(*facts).removals] == ["f9"]


def test_what_is_no_good_backup_is_no_sound_one():
    facts = (days_ago(1), days_ago(1, suspicious=True), a_failure("f", NOW), days_ago(1, good=False, damaged=True))
    assert [fact.sound for fact in facts] == [True, False, False, False]


def test_an_approval_lets_exactly_its_plan_go_on_and_no_other():
    facts = [days_ago(1), *(days_ago(40 + n) for n in range(5))]
    found = planned(*facts)
    assert (found.held and found.held.deletions, found.sweep) == (5, ())
    assert len(found.hash) == 8
    assert [each.name for each in planned(*facts, approved=found.hash).sweep] == gone(found)
    assert planned(*facts, days_ago(50), approved=found.hash).sweep == ()
    assert planned(*facts[:-1], approved=found.hash).sweep == ()
    assert planned(*facts, approved="").sweep == ()
    assert hash_of(reversed([each.uid for each in found.deletions])) == found.hash
    assert planned(days_ago(1)).hash == hash_of([]) == ""


def test_the_next_to_go_is_named_with_its_time_and_when_to_look_again():
    found = planned(days_ago(1), days_ago(28), days_ago(29.5))
    assert found.next is not None
    assert (found.next.name, found.next.due, found.look_again) == ("d29.5", NOW + DAY / 2, NOW + DAY / 2)
    fresh = days_ago(0, created=NOW - HOUR / 4)
    assert planned(fresh).look_again == NOW + 3 * HOUR / 4
    ahead = a_fact("ahead", NOW + 5 * HOUR, created=NOW - 2 * HOUR)
    assert planned(ahead).look_again == NOW + 5 * HOUR
    assert planned().look_again is None


MB = 1_000_000
FOUR = [days_ago(1, size_bytes=5 * MB), *(days_ago(days, size_bytes=3 * MB) for days in (2, 3, 40))]
HELD = [days_ago(1, size_bytes=5 * MB), days_ago(40, size_bytes=3 * MB), days_ago(41, size_bytes=3 * MB)]
LIFECYCLE = "a lifecycle rule of the bucket deletes them"


@pytest.mark.parametrize(
    ("facts", "fields", "sentence"),
    [
        pytest.param(FOUR[:1], {}, "1 backup kept, 5.0 MB", id="one"),
        pytest.param(FOUR, {"days": 50}, "4 backups kept, 14 MB", id="all"),
        pytest.param(FOUR, {}, "3 backups kept, 11 MB; 1 backup, 3.0 MB to be deleted", id="one goes"),
        pytest.param(
            FOUR, {"dryRun": True},
            "3 backups kept, 11 MB; 1 backup, 3.0 MB would be deleted without dryRun", id="a dry run",
        ),
        pytest.param(
            HELD, {}, "1 backup kept, 5.0 MB; 2 backups, 6.0 MB would be deleted, but the plan waits for approval",
            id="held",
        ),
        pytest.param(FOUR, {"mode": "External", "days": 50}, f"4 backups kept, 14 MB; {LIFECYCLE}", id="the bucket's"),
        pytest.param(
            FOUR, {"mode": "External", "days": 30},
            f"4 backups kept, 14 MB; {LIFECYCLE}; 1 have expired, and Holdfast looks for them one after the other",
            id="overdue",
        ),
    ],
)  # fmt: skip
def test_a_plan_is_said_in_a_sentence(facts, fields, sentence):
    assert summary(planned(*facts, **fields)) == sentence


def test_a_plan_that_is_held_says_why_and_how_it_is_approved():
    found = planned(*HELD)
    assert telling.held(found) == (
        "2 backups of 3 good ones would be deleted, and 2 are more than half of the 3 good backups: Holdfast deletes "
        "nothing until you approve exactly this plan with the annotation "
        f"holdfast.dev/approve-deletions={found.hash} on the policy, or change the policy"
    )


def test_an_age_is_said_in_days_and_where_others_count_that_none_keeps_it():
    words.within.cache_clear()
    words.older.cache_clear()
    assert [words.within(days) for days in (1, 2)] == ["within 1 day", "within 2 days"]
    assert words.older(2, own=False, counted=False) == "older than 2 days"
    assert words.older(2, own=True, counted=True) == "older than its own 2 days, and no other rule keeps it"


def test_sizes_are_added_up_of_what_stays_and_of_what_goes():
    found = planned(days_ago(1, size_bytes=5), days_ago(2, size_bytes=7), days_ago(40, size_bytes=11))
    assert (found.kept, found.kept_bytes, found.going_bytes, found.good) == (2, 12, 11, 3)


DAILY = [days_ago(n + 0.25) for n in range(60)]  # at 02:45 each day


@pytest.mark.parametrize(
    ("fields", "which", "expires"),
    [
        pytest.param({"days": 10}, "d0.25", "2026-12-02T02:45", id="its age, while others are to come"),
        pytest.param({"days": 1, "keepLast": 3}, "d0.25", "2026-11-25T00:00", id="three others, at the pace of late"),
        pytest.param({"days": 1, "keepLast": 3}, "d1.25", "2026-11-24T00:00", id="two others, where one is newer"),
        pytest.param({"days": 1, "keepDaily": 7}, "d0.25", "2026-11-29T00:00", id="seven other days"),
        pytest.param({"days": 1, "keepDaily": 7}, "d6.25", "2026-11-23T00:00", id="one other day"),
        # the 22nd of November is a Sunday: the newest of its week until its end
        pytest.param({"days": 1, "keepWeekly": 2}, "d0.25", "2026-11-30T00:00", id="the week's last: two other weeks"),
        pytest.param(
            {"days": 1, "keepMonthly": 12}, "d0.25", "2026-11-23T02:45", id="the month's newest till the next"
        ),
        pytest.param(
            {"days": 1, "keepMonthly": 12}, "d22.25", "2027-10-01T00:00", id="the month's last: eleven others"
        ),
    ],
)
def test_a_backup_is_expected_to_go(fields, which, expires):
    found = {each.name: each.expires for each in planned(*DAILY, **fields, maxDeletionsPerSweep=99).verdicts}
    assert found[which] == datetime.fromisoformat(expires).replace(tzinfo=UTC)


def test_the_weeks_newest_is_expected_to_go_with_the_next_of_its_week_whatever_comes_after_that():
    (newest, *_) = planned(*DAILY[1:], days=1, keepWeekly=2, maxDeletionsPerSweep=99, now=NOW - DAY).verdicts
    assert newest.expires == NOW - 6 * HOUR  # on Sunday another one comes, and the day after that a week begins


def test_the_years_last_is_expected_to_go_on_new_years_day_when_as_many_others_are_there():
    january = datetime(2027, 1, 6, 8, 45, tzinfo=UTC)
    daily = [a_fact(f"d{n}", january - (n + 0.25) * DAY) for n in range(60)]
    found = planned(*daily, days=1, keepYearly=2, maxDeletionsPerSweep=99, now=january).verdicts
    assert {each.name: (each.reasons, each.expires) for each in found if "yearly 2026" in each.reasons} == {
        "d6": (("yearly 2026",), datetime(2028, 1, 1, tzinfo=UTC))
    }


def test_a_week_begins_at_midnight_of_the_policys_time_zone():
    (newest, *_) = planned(*DAILY, zone="Europe/Berlin", days=1, keepWeekly=2, maxDeletionsPerSweep=99).verdicts
    assert newest.expires == datetime(2026, 11, 29, 23, tzinfo=UTC)


MINUTE, AT = timedelta(minutes=1), datetime(2026, 11, 22, 2, 45, 30, 500, tzinfo=UTC)


@pytest.mark.parametrize(
    ("apart", "every", "expected"),
    [
        pytest.param([], DAY, "2026-11-23T00:00", id="one alone: daily"),
        pytest.param([10 * MINUTE], 10 * MINUTE, "2026-11-22T02:55", id="two: minutes"),
        pytest.param([54 * MINUTE], 54 * MINUTE, "2026-11-22T03:39", id="less than about an hour"),
        pytest.param([55 * MINUTE], HOUR, "2026-11-22T03:00", id="about an hour"),
        pytest.param([61 * MINUTE] * 3, HOUR, "2026-11-22T03:00", id="hourly, each a little late"),
        pytest.param([1439 * MINUTE] * 3, DAY, "2026-11-23T00:00", id="daily, each a little early"),
        pytest.param([2 * HOUR] * 10 + [DAY] * 30, 2 * HOUR, "2026-11-22T04:00", id="more often of late"),
    ],
)
def test_others_are_expected_as_often_as_they_came_of_late(apart, every, expected):
    found = Pace.of([AT - sum(apart[:count], timedelta()) for count in range(len(apart) + 1)][: Pace.LOOKED_AT])
    assert (found.every, found.after(1)) == (every, datetime.fromisoformat(expected).replace(tzinfo=UTC))


def test_how_often_they_came_long_ago_says_nothing():
    ended = [NOW - n * 2 * HOUR for n in range(1, 12)] + [NOW - n * DAY for n in range(2, 40)]
    facts = [a_fact(f"n{number}", at) for number, at in enumerate(ended)]
    (newest, *_) = planned(*facts, days=0, keepLast=3, maxDeletionsPerSweep=99).verdicts
    assert newest.expires == datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_where_no_others_come_nobody_knows_when_it_goes():
    found = planned(*DAILY, days=1, keepLast=3, now=NOW + 300 * DAY)
    assert [each.expires for each in found.verdicts if each.keep] == [None, None, None]


def test_times_at_the_ends_of_the_calendar_stop_nothing():
    first = datetime(1, 1, 1, tzinfo=UTC)
    facts = [Fact(name="first", uid="first", created=first, completed=first, good=True), days_ago(1)]
    last = datetime(9999, 12, 31, 23, tzinfo=UTC)
    every = {"keepHourly": 10_000, "keepWeekly": 10_000, "keepMonthly": 10_000, "keepYearly": 1000, "keepLast": 10_000}
    assert kept(planned(*facts, zone="America/New_York", days=1, **every)) == {"first", "d1"}
    assert kept(planned(a_fact("late", last - DAY), zone="Asia/Tokyo", now=last, **every)) == {"late"}


def test_rules_are_read_from_a_policy_with_its_schedules_time_zone():
    policy = a_policy(schedule={"cron": "@daily", "timeZone": "Europe/Berlin"}, retention={"days": 5})
    assert Rules.of(policy) == Rules(policy.retention, Environment.PRODUCTION, ZoneInfo("Europe/Berlin"))
    assert Rules.of(a_policy()).zone == ZoneInfo("UTC")


@pytest.mark.parametrize("zone", ["Europe/Berlln", "Europe", "../../etc/passwd"], ids=["none", "a folder", "a path"])
def test_where_the_time_zone_is_none_no_backup_of_the_policy_is_deleted(zone):
    schedule = Schedule.model_construct(cron="@daily", time_zone=zone)
    policy = a_policy().model_copy(update={"schedule": schedule})
    with pytest.raises(HoldfastError, match=rf"spec.schedule.timeZone: '{zone}' is no") as raised:
        Rules.of(policy)
    assert "Holdfast deletes no backup of this policy" in raised.value.remedy


# Any history: of any age, good, suspicious, failed, damaged, pinned, in use, gone, locked; in any order of names.
def histories(clean: bool = False) -> st.SearchStrategy[list[Fact]]:
    states = ["good"] * 6 + ([] if clean else ["suspicious", "failed", "damaged", "busy", "expired", "unclear"])
    one = st.tuples(
        st.integers(0, 400 * 24 * 60) | st.integers(0, 3 * 24 * 60),
        st.sampled_from(states),
        st.booleans() if not clean else st.just(False),
        st.none() | st.integers(1, 500) if not clean else st.none(),
        st.integers(0, 120),
    )
    return st.lists(one, max_size=40).map(_as_facts)


def _as_facts(rows: list[tuple[int, str, bool, int | None, int]]) -> list[Fact]:
    facts = []
    for number, (minutes, state, odd, own, took) in enumerate(rows):
        ended = NOW - timedelta(minutes=minutes)
        flags = {"good": {"good": True}, "suspicious": {"good": True, "suspicious": True}, "unclear": {}}.get(
            state, {state: True, "good": state == "busy"}
        )
        facts.append(
            Fact(
                name=f"n{number * 7 % 41}",
                uid=f"u{number}",
                created=ended - timedelta(minutes=took),
                completed=ended,
                pinned=odd and number % 3 == 0,
                retention_days=own if odd else None,
                locked_until=ended + timedelta(days=100) if odd and number % 3 == 1 else None,
                **flags,
            )
        )
    return facts


COUNTS = ("keepLast", "keepHourly", "keepDaily", "keepWeekly", "keepMonthly", "keepYearly")
RULES = st.fixed_dictionaries(
    {"minimum": st.integers(1, 6), "maxDeletionsPerSweep": st.just(100_000)},
    optional={"days": st.integers(1, 60), **{name: st.integers(1, 12) for name in COUNTS}},
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Chatham", "America/Havana"])
CLOCKS = st.integers(0, 500 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes))
MANY = settings(max_examples=examples(60, times=10), deadline=None)


def going(found: Plan) -> set[str]:
    return {each.uid for each in (*found.deletions, *found.failures)}


@MANY
@given(facts=histories(), fields=RULES, zone=ZONES, now=CLOCKS, later=st.integers(0, 60 * 24 * 60))
def test_time_only_ever_lets_more_go(facts, fields, zone, now, later):
    held = rules(zone, **fields)
    assert going(plan(facts, held, now)) <= going(plan(facts, held, now + timedelta(minutes=later)))


@MANY
@given(facts=histories(), fields=RULES, zone=ZONES, now=CLOCKS, looser=st.sampled_from([*COUNTS, "days", "minimum"]))
def test_a_stricter_rule_never_keeps_more_and_a_rule_more_never_deletes(facts, fields, zone, now, looser):
    more = {**fields, looser: fields.get(looser, 30 if looser == "days" else 0) + 3}
    assert going(plan(facts, rules(zone, **more), now)) <= going(plan(facts, rules(zone, **fields), now))


@MANY
@given(facts=histories(), fields=RULES, zone=ZONES, now=CLOCKS)
def test_applied_twice_or_in_parts_nothing_more_goes(facts, fields, zone, now):
    held = rules(zone, **fields)
    first = plan(facts, held, now)
    left = [fact for fact in facts if fact.uid not in going(first)]
    assert going(plan(left, held, now)) == set()
    some = {each.uid for each in first.deletions[:3]}
    rest = plan([fact for fact in facts if fact.uid not in some], held, now)
    assert [each.uid for each in rest.deletions] == [each.uid for each in first.deletions[3:]]


@MANY
@given(facts=histories(), fields=RULES, zone=ZONES, now=CLOCKS)
def test_whatever_happened_what_must_never_go_stays(facts, fields, zone, now):
    found = plan(facts, rules(zone, **fields), now)
    by_uid = {fact.uid: fact for fact in facts}
    gone_now = [by_uid[each.uid] for each in found.deletions]
    good = [fact for fact in facts if fact.good and not (fact.busy or fact.expired)]
    left = [fact for fact in good if fact not in gone_now]
    assert all(fact.good and not (fact.pinned or fact.busy or fact.expired) for fact in gone_now)
    assert all(fact.created <= now - HOUR and not (fact.locked_until and fact.locked_until > now) for fact in gone_now)
    assert all(now - fact.ended >= (fact.retention_days or fields.get("days", 30)) * DAY for fact in gone_now)
    assert len(left) >= min(len(good), fields["minimum"])
    assert not any(fact.sound for fact in gone_now) or any(fact.sound for fact in left)
    newest = max(good, key=lambda fact: (fact.ended, fact.created, fact.uid), default=None)
    assert newest not in gone_now
    ended = [fact for fact in facts if (fact.good or fact.failed or fact.damaged) and not fact.expired]
    last = max(ended, key=lambda fact: fact.ended, default=None)
    if last and not last.sound and any(name in fields for name in COUNTS):
        ties = [fact for fact in ended if fact.ended == last.ended]
        assert not gone_now or any(fact.sound for fact in ties)
    failures = [by_uid[each.uid] for each in found.failures]
    assert all(fact.failed and not fact.pinned and now - fact.ended >= 7 * DAY for fact in failures)
    assert not failures or any(fact.failed and fact not in failures for fact in facts)


@MANY
@given(facts=histories(), fields=RULES, zone=ZONES, now=CLOCKS)
def test_each_has_one_verdict_with_its_reasons_and_the_plan_does_not_depend_on_their_order(facts, fields, zone, now):
    held = rules(zone, **fields)
    found = plan(facts, held, now)
    assert sorted(each.uid for each in found.verdicts) == sorted(fact.uid for fact in facts)
    assert all(each.reasons and len(set(each.reasons)) == len(each.reasons) for each in found.verdicts)
    assert {each.uid for each in found.verdicts if not each.keep} == going(found)
    assert plan(facts[::-1], held, now) == found
    renamed = [replace(fact, name=f"x{number}") for number, fact in enumerate(facts)]
    assert going(plan(renamed, held, now)) == going(found)
    assert list(found.deletions) == sorted(found.deletions, key=lambda each: each.fact.ended)


@MANY
@given(facts=histories(), fields=RULES, zone=ZONES, now=CLOCKS)
def test_until_it_is_to_be_looked_at_again_nothing_of_a_plan_changes(facts, fields, zone, now):
    held = rules(zone, **fields)
    found = plan(facts, held, now)
    again = found.look_again or now + 1000 * DAY
    assert again > now
    assert plan(facts, held, again - timedelta(seconds=1)).verdicts == found.verdicts


@MANY
@given(facts=histories(clean=True), now=CLOCKS, days=st.integers(1, 60))
def test_by_age_alone_a_backup_goes_at_the_very_time_that_was_said(facts, now, days):
    held = rules(days=days, maxDeletionsPerSweep=100_000)
    for verdict in plan(facts, held, now).verdicts:
        if verdict.expires and len(verdict.reasons) == 1 and verdict.reasons[0].startswith("within"):
            at = {each.uid for each in plan(facts, held, verdict.expires).deletions}
            before = {each.uid for each in plan(facts, held, verdict.expires - timedelta(seconds=1)).deletions}
            assert verdict.uid in at - before
