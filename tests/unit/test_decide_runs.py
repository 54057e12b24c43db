"""What a policy tells of its backups: the last good one, the last failure, the last ten, and each of them once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW

from holdfast.api.policy_status import BackupPolicyStatus
from holdfast.api.runs import LastFailure, LastSuccess, Run, RunResult
from holdfast.decide.policy import runs
from holdfast.decide.policy.runs import Ended

MINUTE = timedelta(minutes=1)


def a_good(name: str = "good", ago: float = 5, **changes: Any) -> Ended:
    ended = Ended(name, NOW - ago * MINUTE, good=True, reason="", size_bytes=82_000_000, seconds=14.0)
    return replace(ended, **changes)


def a_failed(name: str = "bad", ago: float = 5, **changes: Any) -> Ended:
    return a_good(name, ago, **{"good": False, "reason": "DumpFailed", **changes})


def a_run(name: str, ago: float, result: RunResult = RunResult.SUCCEEDED) -> Run:
    return Run(name=name, result=result, completed_at=NOW - ago * MINUTE)


def a_status(**fields: Any) -> BackupPolicyStatus:
    return BackupPolicyStatus.model_validate(fields)


GOOD = LastSuccess(name="good", completed_at=NOW - 5 * MINUTE)
BAD = LastFailure(name="bad", completed_at=NOW - 5 * MINUTE, reason="DumpFailed")
TOLD = a_status(last_success=GOOD, last_failure=BAD)


def test_of_those_that_have_ended_the_one_that_ended_last_is_the_newest_of_its_kind():
    ended = [a_good("a", 9), a_good("b", 3), a_good("c", 6), a_failed("x", 8), a_failed("y", 1), a_failed("z", 4)]
    assert [each and each.name for each in (runs.newest(ended, True), runs.newest(ended, False))] == ["b", "y"]
    assert (runs.newest(ended[3:], True), runs.newest([], False)) == (None, None)
    assert [each.name for each in runs.last(ended)] == ["y", "b", "z", "c", "x", "a"]


def test_as_many_are_looked_at_as_are_remembered():
    many = [a_good(f"r{number}", number) for number in range(30)]
    assert [each.name for each in runs.last(many)] == [f"r{number}" for number in range(10)]
    status, _ = runs.told(a_status(), None, None, False, many)
    assert [each.name for each in status.recent] == [f"r{number}" for number in range(10)]


def test_a_run_that_is_cancelled_is_remembered_once_before_nine_of_the_others():
    former = a_status(recent=[a_run(f"r{number}", number) for number in range(10)])
    status = runs.replaced(former, "r3", NOW)
    assert status.recent[0] == Run(name="r3", result=RunResult.REPLACED, completed_at=NOW)
    assert [each.name for each in status.recent[1:]] == [f"r{number}" for number in range(10) if number != 3]
    more = runs.replaced(former, "new", NOW)
    assert [each.name for each in more.recent] == ["new", *(f"r{number}" for number in range(9))]


def test_only_the_run_itself_is_one_that_is_cancelled():
    status = a_status(recent=[a_run("a", 1, RunResult.REPLACED), a_run("b", 2)])
    assert [runs.is_replaced(status, name) for name in ("a", "b", "c")] == [True, False, False]


@pytest.mark.parametrize(
    ("good", "failed", "spoilt", "success", "failure", "news"),
    [
        pytest.param(a_good("new", 1), None, False, "new", "bad", "BackupSucceeded", id="a newer good one"),
        pytest.param(None, a_failed("new", 1), False, "good", "new", "BackupFailed", id="a newer failure"),
        pytest.param(a_good("n", 2), a_failed("m", 1), False, "n", "m", "BackupFailed", id="both: the failure is told"),
        pytest.param(a_good("n", 1), a_failed("m", 9), False, "n", "bad", "BackupSucceeded", id="an older failure"),
        pytest.param(a_good("older", 9), None, False, "good", "bad", None, id="an older good one"),
        pytest.param(a_good(), a_failed(), False, "good", "bad", None, id="the same ones"),
        pytest.param(None, None, True, None, "bad", None, id="the last good one is none any more"),
        pytest.param(a_good("older", 9), None, True, "older", "bad", None, id="and an older one becomes the last"),
        pytest.param(a_good("new", 1), None, True, "new", "bad", "BackupSucceeded", id="and a newer one is the last"),
        pytest.param(None, None, False, "good", "bad", None, id="nothing has ended since"),
    ],
)
def test_of_what_has_ended_is_told(good, failed, spoilt, success, failure, news):
    status, said = runs.told(TOLD, good, failed, spoilt)
    assert (status.last_success and status.last_success.name) == success
    assert (status.last_failure and status.last_failure.name) == failure
    assert (said and said.reason) == news
    assert said is None or said.warning is (news == "BackupFailed")
    again, nothing = runs.told(status, good, failed, False)
    assert (again, nothing) == (status, None), "what was told is told once"


@pytest.mark.parametrize(("good", "failed"), [(a_good(), None), (None, a_failed())], ids=["good", "failed"])
def test_the_first_that_ends_is_told_whole(good, failed):
    status, said = runs.told(a_status(), good, failed, False)
    assert (status.last_success, status.last_failure) == (GOOD if good else None, BAD if failed else None)
    assert said is not None
    sentence = "good: 82 MB in 14s" if good else "bad failed: DumpFailed. What to do: see its status.failure"
    assert said.message == sentence


def test_a_status_to_which_nothing_is_new_is_the_same_one():
    assert runs.told(TOLD, a_good(), a_failed(), False)[0] is TOLD


def test_a_run_is_remembered_by_what_it_says_now_and_beside_those_whose_resources_are_gone():
    former = a_status(recent=[a_run("now", 3), a_run("gone", 4, RunResult.REPLACED)])
    empty = a_good("empty", 6, seconds=0.0, size_bytes=0)
    ended = [a_failed("now", 3), a_good("new", 1), a_failed("unsaid", 5, reason=""), empty]
    recent = runs.told(former, None, None, False, ended)[0].recent
    assert [(each.name, each.result, each.reason) for each in recent] == [
        ("new", RunResult.SUCCEEDED, None),
        ("now", RunResult.FAILED, "DumpFailed"),
        ("gone", RunResult.REPLACED, None),
        ("unsaid", RunResult.FAILED, None),
        ("empty", RunResult.SUCCEEDED, None),
    ]
    first, *_, last = recent
    assert (first.completed_at, first.size_bytes, first.size, first.duration_seconds, first.duration) == (
        NOW - MINUTE, 82_000_000, "82 MB", 14.0, "14s",
    )  # fmt: skip
    assert (last.size_bytes, last.size, last.duration_seconds, last.duration) == (None, None, None, None)


def test_a_good_run_has_no_reason_whatever_it_said_before():
    (run,) = runs.told(a_status(), None, None, False, [a_good(reason="DumpFailed")])[0].recent
    assert run.reason is None
