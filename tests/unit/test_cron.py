"""Which moments a cron means, by daylight saving too, and what is refused, by which field."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.budget import examples

from holdfast.api.schedule import Schedule
from holdfast.decide.policy.cron import Cron, read
from holdfast.errors import HoldfastError, Reason

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)
PATTERN = Schedule.model_json_schema()["properties"]["cron"]["pattern"]
# Clocks change at other hours, by half an hour, by two, at midnight, in the other half of the year, or never.
ZONES = [
    "UTC", "Europe/Berlin", "America/New_York",
    "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Cairo", "Asia/Beirut",
    "America/Santiago", "Africa/Casablanca", "Asia/Kolkata", "Pacific/Chatham", "America/Havana",
]  # fmt: skip


def a_cron(cron: str, zone: str = "Europe/Berlin") -> Cron:
    found = read(cron, zone)
    assert isinstance(found, Cron), found
    return found


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def runs(cron: str, after: str, count: int, zone: str = "Europe/Berlin") -> list[str]:
    """The next runs as a clock on the wall shows them, with its offset."""
    moments = islice(a_cron(cron, zone).after(berlin(after)), count)
    return [f"{moment.astimezone(ZoneInfo(zone)):%m-%d %H:%M%z}"[:-2] for moment in moments]


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        pytest.param("30 2 * * *", "2027-03-27T12:00", ["03-28 03:00+02", "03-29 02:30+02"], id="gap: right after it"),
        pytest.param("0,30 2 * * *", "2027-03-27T12:00", ["03-28 03:00+02", "03-29 02:00+02"], id="gap: two are one"),
        pytest.param(
            "0 2,3 * * *", "2027-03-27T12:00", ["03-28 03:00+02", "03-29 02:00+02"], id="gap: not beside 3:00"
        ),
        pytest.param("30 2 * * *", "2026-10-24T12:00", ["10-25 02:30+02", "10-26 02:30+01"], id="overlap: the first"),
        pytest.param(
            "@hourly", "2026-10-25T01:10", ["10-25 02:00+02", "10-25 02:00+01"], id="overlap: each hour is one"
        ),
        pytest.param("@hourly", "2027-03-28T01:10", ["03-28 03:00+02", "03-28 04:00+02"], id="gap: each hour is one"),
        pytest.param("*/30 2 * * *", "2027-03-27T12:00", ["03-29 02:00+02", "03-29 02:30+02"], id="gap: none to pass"),
        pytest.param("0 0 L * *", "2026-11-22T09:00", ["11-30 00:00+01", "12-31 00:00+01"], id="last day of the month"),
        pytest.param("0 0 13 * FRI", "2026-11-22T09:00", ["11-27 00:00+01", "12-04 00:00+01"], id="either day will do"),
        pytest.param("@daily", "2026-11-22T09:00", ["11-23 00:00+01", "11-24 00:00+01"], id="daily"),
        pytest.param("@weekly", "2026-11-22T09:00", ["11-29 00:00+01", "12-06 00:00+01"], id="weekly: Sundays"),
        pytest.param("@monthly", "2026-11-22T09:00", ["12-01 00:00+01", "01-01 00:00+01"], id="monthly"),
        pytest.param("@yearly", "2026-11-22T09:00", ["01-01 00:00+01", "01-01 00:00+01"], id="yearly"),
        pytest.param("@annually", "2026-11-22T09:00", ["01-01 00:00+01", "01-01 00:00+01"], id="annually"),
        pytest.param("@midnight", "2026-11-22T09:00", ["11-23 00:00+01", "11-24 00:00+01"], id="at midnight"),
    ],
)
def test_a_schedule_runs(cron, after, expected):
    assert runs(cron, after, 2) == expected


def change(zone: str, year: int, month: int) -> datetime:
    """The first minute of a month at which the clock of a zone has another offset."""
    at = datetime(year, month, 1, tzinfo=UTC)
    while at.astimezone(ZoneInfo(zone)).utcoffset() == (at + MINUTE).astimezone(ZoneInfo(zone)).utcoffset():
        at += MINUTE
    return at + MINUTE


@pytest.mark.parametrize(
    ("zone", "year", "month"),
    [
        ("Pacific/Chatham", 2026, 4), ("Pacific/Chatham", 2026, 9), ("Australia/Lord_Howe", 2026, 4),
        ("Australia/Lord_Howe", 2026, 10), ("Antarctica/Troll", 2026, 10), ("America/Havana", 2026, 11),
        ("Europe/Berlin", 2026, 10), ("Europe/Berlin", 2027, 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("cron", ["* 3 * * *", "*/15 * * * *", "0,15 */2 * * *", "7 * * * *", "* 1-3 * * *"])
def test_the_passing_time_is_each_minute_at_which_the_wall_shows_it_wherever_clocks_change(cron, zone, year, month):
    middle = change(zone, year, month)
    begin, end = middle - timedelta(hours=30), middle + timedelta(hours=30)
    every = (begin + count * MINUTE for count in range(1, 3601))
    wanted = [at for at in every if shows(cron, at.astimezone(ZoneInfo(zone)).replace(tzinfo=None))]
    assert list(takewhile(lambda slot: slot <= end, a_cron(cron, zone).after(begin))) == wanted
    assert a_cron(cron, zone).between(begin, end, 50).newest == tuple(wanted[-50:])


def shows(cron: str, wall: datetime) -> bool:
    return next(CronSim(cron, wall - MINUTE)) == wall


@pytest.mark.parametrize("second", [0, 30, 59])
@pytest.mark.parametrize("when", ["2026-10-25T00:58", "2027-03-28T00:58"], ids=["back", "forward"])
def test_the_seconds_of_the_time_that_is_looked_from_change_nothing_right_before_a_clock_changes(when, second):
    moment = datetime.fromisoformat(when).replace(second=second, tzinfo=UTC)
    found = list(islice(a_cron("*/5 * * * *").after(moment), 2))
    assert found == [moment.replace(second=0) + count * MINUTE for count in (2, 7)]


def test_looked_at_in_the_second_of_two_equal_hours_what_ran_in_the_first_does_not_run_again():
    second = berlin("2026-10-25T02:10").replace(fold=1)
    assert next(a_cron("30 2 * * *").after(second)) == berlin("2026-10-26T02:30").astimezone(UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "says"),
    [
        pytest.param("0 0 2 * * *", "UTC", "spec.schedule.cron: '0 0 2 * * *' has 6 fields", id="six fields"),
        pytest.param("0 2 * *", "UTC", "has 4 fields instead of five", id="four fields"),
        pytest.param("0 22-4 * * *", "UTC", "the field hour is not valid", id="a range backwards"),
        pytest.param("0 0 30 2 *", "UTC", "the field day of month is not valid", id="the 30th of February"),
        pytest.param("0 0 LW * */7", "UTC", "is never due", id="a Sunday that is a weekday"),
        pytest.param("@reboot", "UTC", "has 1 fields", id="a word of no time"),
        pytest.param("0 2 * * *", "Europe/Berlln", "spec.schedule.timeZone: 'Europe/Berlln' is no", id="no such zone"),
        pytest.param("0 2 * * *", "Europe", "'Europe' is not a time zone", id="a folder of zones"),
        pytest.param("0 2 * * *", "../../etc/passwd", "is not a time zone", id="a path"),
        pytest.param("0 2 * * *", "Local", "is not a time zone", id="the host's own"),
    ],
)
def test_what_is_no_schedule_is_refused_by_its_field(cron, zone, says):
    found = read(cron, zone)
    assert isinstance(found, HoldfastError)
    assert (found.reason, says in found.message) == (Reason.SCHEDULE_INVALID, True), found.message
    assert "the schedule takes no backups" in found.remedy


@pytest.mark.parametrize(
    ("cron", "sentence"),
    [
        ("0 2 * * *", "at 02:00 every day, Europe/Berlin"),
        ("@weekly", "at 00:00 on Sunday, Europe/Berlin"),
        ("*/15 9-17 * * MON-FRI", "every 15th minute from 09:00 through 17:59 on Monday through Friday, Europe/Berlin"),
    ],
)
def test_a_schedule_is_said_in_a_sentence(cron, sentence):
    assert a_cron(cron).sentence == sentence


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Chatham"])
def test_of_a_long_time_only_the_newest_slots_are_looked_at_and_it_is_said_that_there_were_more(zone):
    until = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)
    found = a_cron("* * * * *", zone).between(until - timedelta(days=3650), until, most=3)
    assert (found.newest, found.more) == (tuple(until - timedelta(minutes=ago) for ago in (2, 1, 0)), True)


def test_that_there_were_more_is_said_where_there_were():
    until = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)
    whole = a_cron("0 8 * * *", "UTC").between(until - timedelta(days=2), until, most=3)
    assert (len(whole.newest), whole.more) == (2, False)
    full = a_cron("0 8 * * *", "UTC").between(until - timedelta(days=3), until, most=3)
    assert (len(full.newest), full.more) == (3, False)
    one_more = a_cron("0 8 * * *", "UTC").between(until - timedelta(days=4), until, most=3)
    assert (len(one_more.newest), one_more.more) == (3, True)


@pytest.mark.parametrize("cron", ["0 0 29 2 *", "0 0 29 2 */7", "0 0 1 1 *", "* * * * *"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_from_the_first_day_of_the_calendar_on_the_slots_of_a_hundred_years_are_looked_at(cron, zone):
    until = datetime(2026, 11, 22, tzinfo=UTC)
    found = a_cron(cron, zone).between(datetime(1, 1, 1, tzinfo=UTC), until)
    assert found.more
    assert found.newest[0] > until - timedelta(days=36525)


@pytest.mark.parametrize(("cron", "many"), [("* * * * *", 600), ("@daily", 61), ("@monthly", 14)])
def test_for_the_longest_time_between_two_slots_some_hundred_are_looked_at_or_a_year(cron, many, monkeypatch):
    seen = []
    real = Cron.after
    monkeypatch.setattr(Cron, "after", lambda self, moment: (seen.append(slot) or slot for slot in real(self, moment)))
    found = Cron.read(cron, "UTC")
    seen.clear()
    assert found.longest
    assert len(seen) == many


def test_when_the_clocks_change_is_found_by_halving_and_not_minute_by_minute():
    class Watched(ZoneInfo):
        looks = 0

        def fromutc(self, moment: datetime) -> datetime:
            Watched.looks += 1
            return super().fromutc(moment)

    watched = replace(a_cron("* 3 * * *"), zone=Watched.no_cache("Europe/Berlin"))
    assert next(watched.after(berlin("2026-10-24T03:59"))) == berlin("2026-10-25T03:00")
    assert Watched.looks < 40  # of a day there are eleven halves; minute by minute, some 4,000


@pytest.mark.parametrize("until", ["2026-10-25T01:30", "2026-10-25T05:00", "2027-03-28T01:30", "2027-03-28T04:00"])
@pytest.mark.parametrize(
    "cron",
    ["30 2 * * *", "*/20 * * * *", "15,45 1-3 * * *", "0,10,20,30,40,50 2 * * *", "* * * * *", "0-59 * * * *"],
)
def test_looked_at_backwards_from_a_day_whose_clock_changes_no_slot_is_left_out(cron, until):
    end = datetime.fromisoformat(until).replace(tzinfo=UTC)
    every = list(takewhile(lambda slot: slot <= end, a_cron(cron).after(end - timedelta(days=9))))
    for most in range(1, 9):
        assert a_cron(cron).between(end - timedelta(days=8), end, most).newest == tuple(every[-most:])


@pytest.mark.parametrize("cron", ["* * * * *", "* * * 1-6 *", "0 0 29 2 */7", "0 0 LW * */7", "0 0 1 1 *"])
def test_no_cron_and_no_downtime_takes_long(cron):
    began = time.process_time()
    found = Cron.read(cron, "Europe/Berlin") if cron != "0 0 LW * */7" else read(cron, "Europe/Berlin")
    if isinstance(found, Cron):
        found.between(datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC))
    assert time.process_time() - began < 5  # a tenth of a second on a quiet processor; one by one, minutes


@given(
    cron=st.from_regex(PATTERN, fullmatch=True).filter(lambda text: len(text) <= 128),
    zone=st.sampled_from(ZONES),
    at=st.integers(0, 14 * 366 * 86400).map(
        lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    hours=st.integers(0, 2000),
)
@settings(max_examples=examples(60, times=15), deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_the_api_server_takes_is_a_schedule_or_is_refused_and_its_slots_are_the_same_from_wherever_one_looks(
    cron, zone, at, hours
):
    found = read(cron, zone)
    if isinstance(found, HoldfastError):
        return
    until, most = at + timedelta(hours=hours), 20
    slots = list(islice(takewhile(lambda slot: slot <= until, found.after(at)), 5000))
    assert slots == sorted(set(slots))
    assert all(slot > at and (slot.second, slot.microsecond) == (0, 0) for slot in slots)
    newest = found.between(at, until, most)
    if len(slots) < 5000:
        assert list(newest.newest) == slots[-most:]
        assert newest.more or len(slots) <= most
    assert found.sentence


@pytest.mark.parametrize(
    ("cron", "taken"),
    [
        *((cron, True) for cron in ("0 2 * * *", "*/15 9-17 * * MON-FRI", "0 0 L * *", "0 3 * * 7L", "0 0 * * 1#2")),
        *((cron, True) for cron in ("@daily", "@midnight", "5,10-20/2 0 1,LW jan-Mar sun", "0 22-4 * * *")),
        *((cron, False) for cron in ("0 0 2 * * *", "0 2 * *", "60 2 * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *")),
        *((cron, False) for cron in ("0 0 * * 8", "*/0 * * * *", "0 2 * * ?", "H 2 * * *", "@reboot", "@every 1h")),
        *((cron, False) for cron in ("TZ=UTC 0 2 * * *", "0  2 * * *", " 0 2 * * *", "0 2 * * *\n", "0 2 ** *")),
    ],
)
def test_what_a_rule_can_see_is_refused_before_it_is_stored(cron, taken):
    assert bool(re.fullmatch(PATTERN, cron)) == taken


@pytest.mark.parametrize(
    ("cron", "longest"),
    [
        pytest.param("0 2 * * *", timedelta(days=1), id="daily"),
        pytest.param("0 2 * * 1-5", timedelta(days=3), id="over the weekend"),
        pytest.param("*/5 9-17 * * 1-5", timedelta(days=2, hours=15, minutes=5), id="over the weekend, in the daytime"),
        pytest.param("@hourly", timedelta(hours=1), id="hourly"),
        pytest.param("@monthly", timedelta(days=31), id="long months"),
        pytest.param("0 0 29 2 *", timedelta(days=1461), id="leap years"),
    ],
)
def test_the_longest_time_between_two_slots_is_that_of_nights_weekends_and_long_months(cron: str, longest: timedelta):
    assert Cron.read(cron, "UTC").longest == longest
