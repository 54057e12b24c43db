"""Who may run now: never more than the limits, first come first served, by hand first, and nobody waits for ever."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdfast import clock, naming
from holdfast.decide.backup import queue
from holdfast.decide.backup.queue import Held, Ticket, Turn, next_up
from holdfast.decide.servers import database_of, server_of
from holdfast.kube.kinds import BACKUPS, POLICIES
from holdfast.reconcile.backups import Backup
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.line import Line
from holdfast.settings import Queue

BEGIN = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
SERVERS = ("a.example", "b.example", "c.example")
Name = tuple[str, str]


def a_body(
    name: str, *, version: int = 1, second: int = 0, slot: bool = False, host: str = "a.example"
) -> dict[str, Any]:
    labels = {naming.LABEL_SLOT: "20261122-0200"} if slot else {}
    meta = {"namespace": "shop", "name": name, "uid": name, "resourceVersion": str(version), "labels": labels,
            "creationTimestamp": clock.to_text(BEGIN + timedelta(seconds=second))}  # fmt: skip
    database = {"engine": "postgresql", "name": "orders", "connection": {"host": host, "secretName": "s"}}
    return {"metadata": meta, "spec": {"policy": {"environment": "dev", "database": database}}}


def begun(body: dict[str, Any], version: int) -> dict[str, Any]:
    status = {"phase": "Pending", "backupID": f"id-{body['metadata']['name']}", "startedAt": clock.to_text(BEGIN),
              "resolved": body["spec"]["policy"]}  # fmt: skip
    return {**body, "metadata": body["metadata"] | {"resourceVersion": str(version)}, "status": status}


def known(body: dict[str, Any]) -> Backup:
    return Backup.of(body)


def joined(line: Line, *bodies: dict[str, Any]) -> None:
    for body in bodies:
        line.follow(known(body), known(body).server)


def turn(line: Line, name: str) -> Turn:
    found = line.turn("shop", name)
    assert found is not None
    return found


def begin(line: Line, body: dict[str, Any]) -> None:
    assert turn(line, body["metadata"]["name"]).begins
    line.begins(known(body))
    joined(line, begun(body, int(body["metadata"]["resourceVersion"]) + 1))


class Histories(RuleBasedStateMachine):
    """Backups come, begin, end, are deleted, stumble, in any order; answers are lost. A plain model says what holds."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Queue()
        self.line = Line(self.limits)
        self.bodies: dict[str, dict[str, Any]] = {}
        self.waiting: set[str] = set()
        self.asked: set[str] = set()  # their ids are on their way
        self.running: set[str] = set()
        self.stumbling: set[str] = set()
        self.version = 1

    @initialize(most=st.integers(1, 4), each=st.integers(0, 2))
    def begins_with_limits(self, most: int, each: int) -> None:
        self.limits = Queue(max_running=most, max_running_per_server=each)
        self.line = Line(self.limits)

    def room_on(self, taken: int) -> bool:
        return not self.limits.max_running_per_server or taken < self.limits.max_running_per_server

    def pick(self, data: st.DataObject, among: set[str]) -> str:
        return data.draw(st.sampled_from(sorted(among)))

    @rule(second=st.integers(0, 5), slot=st.booleans(), host=st.sampled_from(SERVERS))
    def comes(self, second: int, slot: bool, host: str) -> None:
        self.version += 1
        name = f"b{len(self.bodies)}"
        self.bodies[name] = a_body(name, version=self.version, second=second, slot=slot, host=host)
        self.waiting.add(name)
        joined(self.line, self.bodies[name])

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def is_looked_at(self, data: st.DataObject) -> None:
        name = self.pick(data, self.waiting)
        was_passed_over = name in self.stumbling
        self.stumbling.discard(name)
        may = name in self.asked or name in self.expected()
        assert turn(self.line, name).begins is may, (name, was_passed_over)
        if may:
            self.asked.add(name)
            self.line.begins(known(self.bodies[name]))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def is_seen_to_have_begun(self, data: st.DataObject) -> None:
        name = self.pick(data, self.asked)
        self.version += 1
        joined(self.line, begun(self.bodies[name], self.version))
        for among in (self.asked, self.waiting, self.stumbling):
            among.discard(name)
        self.running.add(name)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), sure=st.booleans())
    def cannot_be_written(self, data: st.DataObject, sure: bool) -> None:
        name = self.pick(data, self.asked)
        self.line.stumbled("shop", name, sure=sure)
        self.stumbling.add(name)
        if sure:
            self.asked.discard(name)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def is_seen_again_as_it_was(self, data: st.DataObject) -> None:
        joined(self.line, self.bodies[self.pick(data, self.waiting)])

    @precondition(lambda self: self.running)
    @rule(data=st.data(), how=st.sampled_from(["Succeeded", "Failed", "deleting", "gone"]))
    def ends(self, data: st.DataObject, how: str) -> None:
        name = self.pick(data, self.running)
        self.running.discard(name)
        self.leave(name, how)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), how=st.sampled_from(["Failed", "deleting", "gone"]))
    def is_given_up(self, data: st.DataObject, how: str) -> None:
        name = self.pick(data, self.waiting)
        for among in (self.asked, self.waiting, self.stumbling):
            among.discard(name)
        self.leave(name, how)

    def leave(self, name: str, how: str) -> None:
        self.version += 1
        body = begun(self.bodies[name], self.version)
        if how == "gone":
            self.line.forget("shop", name)
        elif how == "deleting":
            body["metadata"]["deletionTimestamp"] = clock.to_text(BEGIN)
            joined(self.line, body)
        else:
            body["status"]["phase"] = how
            joined(self.line, body)

    def expected(self) -> list[str]:
        """Who may begin, worked out from nothing but who runs and who waits."""
        taken = Counter(self.host(name) for name in self.running | self.asked)
        found: list[str] = []
        for name in sorted(self.waiting - self.asked - self.stumbling, key=self.order):
            if len(self.running | self.asked) + len(found) < self.limits.max_running and self.room_on(
                taken[self.host(name)]
            ):
                taken[self.host(name)] += 1
                found.append(name)
        return found

    def host(self, name: str) -> str:
        host: str = self.bodies[name]["spec"]["policy"]["database"]["connection"]["host"]
        return host

    def order(self, name: str) -> tuple[bool, datetime, str]:
        one = known(self.bodies[name])
        return one.by_schedule, one.created, one.name

    @invariant()
    def no_more_run_than_the_limits_allow(self) -> None:
        places = self.running | self.asked
        assert len(places) <= self.limits.max_running
        assert all(self.room_on(count - 1) for count in Counter(map(self.host, places)).values())

    @invariant()
    def who_could_begin_is_next_in_the_order_of_the_line_and_nobody_else(self) -> None:
        assert [name for _, name in self.line.next_up()] == self.expected()


Histories.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestHistories = Histories.TestCase

ARRIVALS = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from(SERVERS)), min_size=1, max_size=30)


@given(ARRIVALS, st.integers(1, 4), st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_whoever_waits_begins_in_the_end_and_of_one_server_in_the_order_of_the_line(
    arrivals: list[tuple[int, bool, str]], most: int, each: int
) -> None:
    limits = Queue(max_running=most, max_running_per_server=each)
    line = Line(limits)
    bodies = {f"b{number:02}": a_body(f"b{number:02}", second=second, slot=slot, host=host)
              for number, (second, slot, host) in enumerate(arrivals)}  # fmt: skip
    joined(line, *bodies.values())
    order: list[str] = []
    while line.next_up():
        round_ = [name for _, name in line.next_up()]
        assert len(round_) <= most
        for name in round_:
            begin(line, bodies[name])
        order += round_
        for name in round_:
            line.forget("shop", name)
    assert sorted(order) == sorted(bodies)
    for host in SERVERS:
        tickets = [(one.by_schedule, one.created, one.name) for name in order
                   if (one := known(bodies[name])).server == f"server {host}:5432"]  # fmt: skip
        assert tickets == sorted(tickets)


def test_of_one_server_one_runs_at_a_time_and_the_next_is_told_what_it_waits_for() -> None:
    line, first, second = Line(Queue()), a_body("first"), a_body("second", second=1)
    joined(line, first, second)
    begin(line, first)
    waits = turn(line, "second")
    assert not waits.begins
    assert queue.says(waits) == (
        "1st in the queue: at most 1 backup of server a.example:5432 runs at a time; "
        "waits for shop/first, which runs since 2026-11-22T02:00:00Z"
    )
    assert line.next_up() == []
    line.forget("shop", "first")
    assert line.next_up() == [("shop", "second")]


def test_who_waits_for_another_server_passes_and_a_person_goes_before_a_schedule() -> None:
    line = Line(Queue(max_running=2))
    running, blocked, other = a_body("running"), a_body("blocked", second=1), a_body("z", second=2, slot=True, host="b")
    by_hand = a_body("by-hand", second=9, host="b")
    joined(line, running, blocked, other, by_hand)
    begin(line, running)
    assert line.next_up() == [("shop", "by-hand")]
    assert not turn(line, "z").begins


def test_where_all_places_are_taken_the_one_that_has_its_own_for_longest_is_named() -> None:
    line = Line(Queue(max_running=2))
    one, two, three = a_body("one", host="a"), a_body("two", host="b"), a_body("three", host="c", second=1)
    joined(line, one, two, three)
    begin(line, one)
    begin(line, two)
    late = begun(two, 9)
    late["status"]["startedAt"] = clock.to_text(BEGIN - timedelta(hours=9))
    joined(line, late)
    assert queue.says(turn(line, "three")) == (
        "1st in the queue: at most 2 backups run at a time; waits for shop/two, which runs since 2026-11-21T17:00:00Z"
    )


def test_who_waits_for_a_server_is_told_of_the_one_that_runs_there_and_of_no_other() -> None:
    line, here, waits = Line(Queue()), a_body("here"), a_body("waits", second=1)
    elsewhere = begun(a_body("elsewhere", host="b"), 7)
    elsewhere["status"]["startedAt"] = clock.to_text(BEGIN - timedelta(hours=9))
    joined(line, elsewhere, here, waits)
    begin(line, here)
    assert "waits for shop/here, " in queue.says(turn(line, "waits"))


def test_without_a_limit_for_a_server_only_the_one_for_all_counts() -> None:
    line = Line(Queue(max_running=3, max_running_per_server=0))
    bodies = [a_body(f"b{number}") for number in range(5)]
    joined(line, *bodies)
    assert line.next_up() == [("shop", "b0"), ("shop", "b1"), ("shop", "b2")]


def test_what_was_more_than_the_limits_before_a_restart_goes_on_and_nothing_begins_beside_it() -> None:
    line = Line(Queue(max_running=2))
    waits = a_body("waits", host="free")
    joined(line, waits, *(begun(a_body(f"b{number}", host="a"), 7) for number in range(5)))
    assert line.next_up() == []
    for number in range(4):
        line.forget("shop", f"b{number}")
    assert line.next_up() == [("shop", "waits")]


def test_a_write_whose_answer_is_lost_keeps_its_place_until_something_newer_is_seen() -> None:
    line, first, second = Line(Queue()), a_body("first"), a_body("second", second=1)
    joined(line, first, second)
    assert turn(line, "first").begins
    line.begins(known(first))
    line.stumbled("shop", "first", sure=False)
    joined(line, first)  # its watch brings what was known already
    assert not turn(line, "second").begins
    assert turn(line, "first").begins
    newer = a_body("first", version=2)  # it was not written, and somebody has changed it
    joined(line, newer)
    assert line.next_up() == [("shop", "first")]


def test_who_cannot_be_got_on_with_is_passed_until_it_is_looked_at_again() -> None:
    line, first, second = Line(Queue()), a_body("first"), a_body("second", second=1)
    joined(line, first, second)
    assert turn(line, "first").begins
    line.begins(known(first))
    line.stumbled("shop", "first", sure=True)
    assert line.next_up() == [("shop", "second")]
    assert turn(line, "first").begins
    assert line.next_up() == [("shop", "first")]


def test_ten_thousand_that_wait_make_it_no_longer_to_find_who_is_next(monkeypatch: pytest.MonkeyPatch) -> None:
    line, running = Line(Queue(max_running=10)), a_body("running")
    joined(line, running)
    begin(line, running)
    for number in range(10_000):
        joined(line, a_body(f"b{number:05}", second=number))
    joined(line, a_body("z", second=20_000, host="free"))
    walked: list[Ticket] = []
    monkeypatch.setattr(
        queue, "next_up", lambda heads, *of: next_up((walked.append(head[0]) or head for head in heads), *of)
    )
    assert line.next_up() == [("shop", "z")]
    assert turn(line, "b05000").position == 5001
    assert len(walked) < 5


def test_one_that_runs_keeps_its_place_though_it_cannot_be_got_on_with() -> None:
    line, first, second = Line(Queue()), a_body("first"), a_body("second", second=1)
    joined(line, first, second)
    begin(line, first)
    line.stumbled("shop", "first", sure=True)
    assert line.next_up() == []
    assert not turn(line, "second").begins


def test_each_is_told_its_place_among_those_that_wait_for_the_same_and_whether_it_is_one_of_the_first() -> None:
    bodies = [a_body(f"b{number:02}", second=number, host=("a", "b")[number % 2]) for number in range(14)]
    line = Line(Queue(max_running=2))
    joined(line, *bodies)
    begin(line, bodies[0])
    begin(line, bodies[1])
    told = [line.turn("shop", body["metadata"]["name"]) for body in bodies[2:]]
    assert [each.position for each in told if each] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert [each.near for each in told if each] == [True] * 10 + [False] * 2
    limits = Queue(max_running=1, max_running_per_server=0)
    line = Line(limits)
    joined(line, *bodies)
    told = [line.turn("shop", body["metadata"]["name"]) for body in bodies[1:]]
    assert told == [Turn(False, n, queue.of_all(limits), None, near=n <= 10) for n in range(2, 15)]


def test_what_is_gone_leaves_nothing_behind() -> None:
    line, bodies = Line(Queue(max_running=1)), [a_body(f"b{number}", host="ab"[number % 2]) for number in range(6)]
    joined(line, *bodies)
    begin(line, bodies[0])
    line.stumbled("shop", "b2", sure=True)
    assert len(line) == 4
    for body in bodies:
        line.forget("shop", body["metadata"]["name"])
    assert len(line) == 0
    left = [value for name, value in vars(line).items() if isinstance(value, dict | list)]
    assert [each for each in left if each] == []


def test_of_those_that_are_about_to_begin_or_began_at_once_the_first_by_name_is_named() -> None:
    line = Line(Queue(max_running=3, max_running_per_server=0))
    bodies = [a_body(f"b{number}", second=number) for number in range(4)]
    joined(line, *bodies)
    line.begins(known(bodies[2]))
    line.begins(known(bodies[1]))
    assert line.turn("shop", "b3") is not None
    begin(line, bodies[0])
    named = turn(line, "b3").holder
    assert named is not None
    assert (named.name, named.since) == ("b0", BEGIN)
    line.forget("shop", "b0")
    line.begins(known(a_body("z")))
    named = turn(line, "b3").holder
    assert named is not None
    assert named.name == "b1"


@pytest.mark.parametrize(
    ("policy", "server"),
    [
        pytest.param({"engine": "postgresql", "connection": {"host": "db"}}, "server db.shop.svc:5432", id="short"),
        pytest.param({"engine": "mysql", "connection": {"host": "DB.shop.svc.cluster.local."}},
                     "server db.shop.svc:3306", id="the same, in full"),
        pytest.param({"engine": "mariadb", "connection": {"host": "db.example.com", "port": 3307}},
                     "server db.example.com:3307", id="elsewhere"),
        pytest.param({"engine": "postgresql", "connection": {"host": "fd00::1"}}, "server [fd00::1]:5432", id="IPv6"),
        pytest.param({"engine": "postgresql", "connection": {"secretName": "url"}},
                     "the server in Secret shop/url", id="known to the Secret alone"),
        pytest.param({"engine": "sqlite", "volume": {"claimName": "data"}}, "claim shop/data", id="a claim"),
        pytest.param({"instance": {"identifier": "Orders", "region": "eu-central-1"}},
                     "RDS instance orders in eu-central-1", id="RDS"),
        pytest.param({"instance": {"identifier": "a", "region": "r", "kind": "cluster"}},
                     "RDS cluster a in r", id="a cluster of RDS"),
        pytest.param({"engine": "postgresql", "connection": {"host": "db.cluster.local"}},
                     "server db.cluster.local:5432", id="no Service of the cluster"),
        pytest.param({"engine": 7, "connection": {"host": "db.example.com"}},
                     "server db.example.com:0", id="an engine that makes no sense"),
        pytest.param({"engine": 7, "connection": {"host": ["x"], "port": "y"}},
                     "the server in Secret shop/", id="what makes no sense"),
    ],
)  # fmt: skip
def test_a_server_is_the_same_however_it_is_written(policy: dict[str, Any], server: str) -> None:
    assert server_of("shop", {"database": policy}) == server


@pytest.mark.parametrize(
    ("position", "text", "told"),
    [(1, "1st", 1), (2, "2nd", 2), (3, "3rd", 3), (10, "10th", 10), (11, "more than 10", 11), (12, "more than 10", 11),
     (101, "more than 100", 101), (100, "more than 10", 11), (5432, "more than 1000", 1001)],
)  # fmt: skip
def test_the_first_are_told_their_place_and_the_others_one_that_seldom_changes(
    position: int, text: str, told: int
) -> None:
    turn = Turn(False, position, "at most 10 backups run at a time", Held("shop", "x", "s", BEGIN))
    assert text in queue.says(turn)
    assert queue.told(position) == told
    assert ("shop/x" in queue.says(turn)) is (position <= 10)


def test_ordinals_are_those_that_people_say() -> None:
    assert [queue.ordinal(number) for number in (1, 11, 12, 13, 21, 22, 111)] == [
        "1st", "11th", "12th", "13th", "21st", "22nd", "111th"
    ]  # fmt: skip


def test_the_order_is_by_hand_first_then_who_came_first_then_the_name() -> None:
    def ticket(by_schedule: bool, second: int, name: str) -> Ticket:
        return Ticket(by_schedule, BEGIN + timedelta(seconds=second), name, "shop")

    line = sorted([ticket(True, 0, "a"), ticket(False, 9, "b"), ticket(False, 1, "d"), ticket(False, 1, "c")])
    assert [each.name for each in line] == ["c", "d", "b", "a"]
    heads = ((each, each.name) for each in line)
    assert [each.name for each in next_up(heads, {}, 0, Queue(max_running=3))] == ["c", "d", "b"]


def test_it_is_said_who_has_the_place_where_anybody_has_it() -> None:
    turn = Turn(False, 1, queue.of_all(Queue(max_running=1)), Held("shop", "x", "s", None))
    waits = "waits for shop/x, which is about to begin"
    assert queue.says(turn) == f"1st in the queue: at most 1 backup runs at a time; {waits}"
    alone = Turn(False, 2, queue.of_server("server a", Queue(max_running_per_server=2)))
    assert queue.says(alone) == "2nd in the queue: at most 2 backups of server a run at a time"


def test_who_has_begun_is_passed_over_and_counted_once() -> None:
    tickets = [Ticket(False, BEGIN, name, "shop") for name in "abc"]
    heads = [(each, each.name) for each in tickets]
    limits = Queue(max_running=3, max_running_per_server=2)
    assert [each.name for each in next_up(heads, {"a": 1}, 1, limits, {tickets[0]})] == ["b", "c"]
    assert [each.name for each in next_up(heads, {"b": 2}, 2, limits)] == ["a"]


def test_a_file_is_known_by_its_claim_and_its_path_where_that_is_one() -> None:
    def at(path: str) -> tuple[str, str]:
        return database_of("shop", {"database": {"engine": "sqlite", "volume": {"claimName": "data", "path": path}}})

    assert at("a" * 512) == ("claim shop/data", "a" * 512)  # as long as the API server takes one
    assert at("a" * 513) == ("claim shop/data", "")


@pytest.mark.parametrize(("most", "begin"), [(1, ["a"]), (2, ["a", "b"]), (3, ["a", "b", "c"])])
def test_of_several_of_one_server_as_many_begin_as_may(most: int, begin: list[str]) -> None:
    heads = [(Ticket(False, BEGIN, name, "shop"), "db") for name in ("a", "b", "c")]
    found = next_up(heads, {}, 0, Queue(max_running=9, max_running_per_server=most))
    assert [ticket.name for ticket in found] == begin


def test_one_that_has_begun_burdens_the_server_that_it_was_fixed_to_wherever_its_policy_is_now() -> None:
    cache = Cache()
    database = {"engine": "postgresql", "name": "orders", "connection": {"host": "moved", "secretName": "s"}}
    meta = {"namespace": "shop", "name": "orders", "uid": "p-1", "resourceVersion": "1"}
    cache.put(POLICIES, {"metadata": meta, "spec": {"environment": "dev", "database": database}})
    runs, waits = begun(a_body("runs", host="former"), 2), a_body("waits", second=1)
    cache.put(BACKUPS, runs | {"spec": {"policyRef": {"name": "orders"}}})
    cache.put(BACKUPS, waits | {"spec": {"policyRef": {"name": "orders"}}})
    assert cache.line.next_up() == [("shop", "waits")]
