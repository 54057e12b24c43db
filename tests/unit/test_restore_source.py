"""Which backup a restore takes: the last one that is good and whole, never a newer one that is not, and why."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, ago

from holdfast.api.backup import Failure
from holdfast.api.restore_source import RestoreSource
from holdfast.decide.restore.observation import Candidate
from holdfast.decide.restore.source import PATIENCE, Choice, Waits, choose
from holdfast.errors import Reason

GOOD = "the last backup of BackupPolicy orders"


def a_backup(name: str, hours: float | None, **changes: Any) -> Candidate:
    """A good one that was completed so many hours ago."""
    completed = None if hours is None else ago(hours * 3600)
    return replace(Candidate(name, True, True, False, False, completed, f"backup-{name}"), **changes)


def chosen(*candidates: Candidate, there: bool = True, created: float = 0, **source: Any) -> Any:
    """What is chosen among them for a restore from a policy, created so many seconds ago."""
    named = {"backupRef": {"name": source.pop("named")}} if "named" in source else {"policyRef": {"name": "orders"}}
    return choose(RestoreSource.model_validate(named | source), candidates, there, ago(created), NOW)


ODD = (a_backup("a", 1, suspicious=True), a_backup("b", 2, suspicious=True))
OLD, NEW = a_backup("old", 48), a_backup("new", 24)


# of a policy


@pytest.mark.parametrize(
    ("rival", "asked", "passed"),
    [
        pytest.param({"good": False}, {}, "", id="failed"),
        pytest.param({"deleting": True}, {}, "", id="is being deleted"),
        pytest.param({"completed": None}, {}, "", id="says not when it was completed"),
        pytest.param({"suspicious": True}, {}, "; 1 newer ones are suspicious or were completed later",
                     id="is suspicious"),
        pytest.param({}, {"before": "2026-11-22T07:45:00Z"}, "; 1 newer ones are suspicious or were completed later",
                     id="was completed too late"),
        pytest.param({"purpose": "safety"}, {}, "", id="is of what another restore was to change"),
    ],
)  # fmt: skip
def test_a_newer_one_is_passed_over_that(rival: dict[str, Any], asked: dict[str, Any], passed: str):
    until = ", completed before 2026-11-22T07:45:00Z" if asked else ""
    found = chosen(OLD, NEW, a_backup("newest", 0.5, **rival), **asked)
    assert found == Choice("new", f"{GOOD} that is good and not suspicious{until}{passed}")


def test_a_suspicious_one_is_taken_where_the_restore_says_so():
    rival = a_backup("newest", 0.5, suspicious=True)
    assert chosen(OLD, rival, NEW, includeSuspicious=True) == Choice("newest", f"{GOOD} that is good")


def test_before_a_time_is_before_it_and_not_at_it():
    at = a_backup("at", 1)
    assert chosen(at, OLD, before="2026-11-22T07:45:01Z").name == "at"
    assert chosen(at, OLD, before="2026-11-22T07:45:00Z").name == "old"


def test_of_two_of_one_moment_always_the_same_is_taken():
    a, b = a_backup("a", 1), a_backup("b", 1)
    assert chosen(a, b) == chosen(b, a) == Choice("b", f"{GOOD} that is good and not suspicious")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
def test_the_order_in_which_they_are_found_makes_no_difference(order: tuple[int, ...]):
    three = (OLD, NEW, a_backup("oldest", 99))
    assert chosen(*(three[n] for n in order)).name == "new"


@pytest.mark.parametrize(
    ("candidates", "asked", "name", "because"),
    [
        pytest.param((a_backup("before", 3, purpose="pre-migration"), NEW, a_backup("newest", 1)),
                     {"purpose": "pre-migration"}, "before",
                     " with purpose pre-migration that is good and not suspicious", id="it, though others are newer"),
        pytest.param((OLD, a_backup("wrong", 1, purpose="safety")), {"purpose": "pre-migration"}, "old",
                     " that is good and not suspicious; it has none with purpose pre-migration",
                     id="the last other one where it has none"),
        pytest.param((NEW, a_backup("saved", 30, purpose="safety")), {"purpose": "safety"}, "saved",
                     " with purpose safety that is good and not suspicious", id="a safety backup where that is meant"),
        pytest.param((a_backup("before", 3, purpose="pre-migration"),
                      a_backup("odd", 2, purpose="pre-migration", suspicious=True), a_backup("newest", 1)),
                     {"purpose": "pre-migration"}, "before",
                     " with purpose pre-migration that is good and not suspicious; 1 newer ones are suspicious or were "
                     "completed later", id="and says of how many of its kind were passed over"),
        pytest.param((OLD, a_backup("before", 3, purpose="pre-migration")), {}, "before",
                     " that is good and not suspicious", id="whatever was taken last where none is meant"),
    ],
)  # fmt: skip
def test_with_a_purpose_it_takes(candidates: Any, asked: dict[str, Any], name: str, because: str):
    assert chosen(*candidates, **asked) == Choice(name, GOOD + because)


@pytest.mark.parametrize(
    ("candidates", "asked", "message"),
    [
        pytest.param((), {}, "that is good and not suspicious", id="is none"),
        pytest.param((a_backup("a", 1, good=False),), {}, "that is good and not suspicious", id="is none but failed"),
        pytest.param((a_backup("a", 1),), {"includeSuspicious": True, "before": "2026-11-21T00:00:00Z"},
                     "that is good, completed before 2026-11-21T00:00:00Z", id="is none so old"),
        pytest.param((*ODD, a_backup("c", 3, good=False)), {},
                     "that is good and not suspicious; 2 are suspicious: set source.includeSuspicious to restore one "
                     "of these", id="are none but suspicious ones"),
        pytest.param((a_backup("a", None),), {}, "that is good and not suspicious",
                     id="is none that says when it was completed"),
    ],
)  # fmt: skip
def test_it_fails_where_there(candidates: Any, asked: dict[str, Any], message: str):
    found = chosen(*candidates, **asked)
    assert isinstance(found, Failure)
    assert found.reason == Reason.SOURCE_NOT_GOOD
    assert found.message == f"BackupPolicy orders has no backup {message}"
    assert "create another DatabaseRestore" in found.remedy


def test_a_day_that_the_calendar_does_not_have_is_refused():
    found = chosen(OLD, before="2026-02-30T00:00:00Z")
    assert (found.reason, "2026-02-30T00:00:00Z" in found.message) == (Reason.INVALID_SPEC, True)


def test_a_policy_that_is_gone_is_restored_from_what_it_has_left():
    assert chosen(OLD, there=False).name == "old"


# one that is named


def test_the_one_that_is_named_is_taken_and_no_other():
    assert chosen(NEW, OLD, named="old") == Choice("old", "the resource names this backup")
    assert chosen(a_backup("old", 48, suspicious=True), NEW, named="old").name == "old"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"deleting": True}, "DatabaseBackup old is being deleted", id="is being deleted"),
        pytest.param({"good": False},
                     "DatabaseBackup old has no data that can be restored: it failed, or its data is gone",
                     id="has no data"),
    ],
)  # fmt: skip
def test_one_that_is_named_is_refused_where_it(changes: dict[str, Any], message: str):
    found = chosen(replace(OLD, **changes), NEW, named="old")
    assert (found.reason, found.message) == (Reason.SOURCE_NOT_GOOD, message)


def test_one_that_is_named_and_under_way_is_waited_for():
    found = chosen(replace(OLD, ended=False, good=False), named="old")
    assert found == Waits("BackupInProgress", "DatabaseBackup old is in progress; the restore waits for it")


@pytest.mark.parametrize(
    ("source", "what"),
    [
        pytest.param({"named": "old"}, "DatabaseBackup old does not exist", id="a backup"),
        pytest.param({"there": False}, "BackupPolicy orders does not exist", id="a policy"),
    ],
)
def test_what_is_not_there_yet_is_waited_for_a_minute_and_then_it_fails(source: dict[str, Any], what: str):
    due = ago(59) + PATIENCE
    waits = Waits("SourceNotFound", f"{what}; the restore waits for it, 60 s at most", due)
    others = () if "there" in source else (NEW,)
    assert chosen(*others, created=59, **source) == waits
    failed = chosen(*others, created=60, **source)
    assert (failed.reason, failed.message) == (Reason.SOURCE_NOT_FOUND, f"{what} in this namespace")
    assert due - NOW == timedelta(seconds=1)
