"""A backup that was being deleted when its policy went: what is done about it, and when it is looked at again."""

from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, a_begun_backup, a_job, a_policy, ago, observed

from holdfast.api.backup import Phase, VerificationRun
from holdfast.decide.backup import abandoned, verify
from holdfast.decide.backup.observation import BackupView
from holdfast.decide.decision import Do, Expire, Rest

HOUR = timedelta(hours=1)


def a_left_one(**changes: Any) -> BackupView:
    return a_begun_backup(phase=Phase.DELETING, completed_at=ago(60), sha256="a" * 64, **changes)


def looked(seconds: float | None) -> VerificationRun:
    ended = None if seconds is None else ago(seconds)
    return VerificationRun(request="", number=1, state="NotDone", started_at=ago(9000), completed_at=ended)


def test_while_its_policy_is_there_that_takes_it_into_its_next_page():
    assert abandoned.step(observed(a_left_one(), policy=a_policy(), swept=True), NOW) == Rest()


def test_while_the_policys_job_works_it_is_waited_for_and_looked_for_again_in_half_a_minute():
    assert abandoned.step(observed(a_left_one(), swept=True), NOW) == Rest(NOW + timedelta(seconds=30))


def test_a_job_of_its_own_that_has_ended_is_let_go_first():
    found = abandoned.step(observed(a_left_one(), verify_job=a_job(complete=True)), NOW)
    assert isinstance(found, Do)
    assert isinstance(found.act, Expire)


@pytest.mark.parametrize("seconds", [0, 3599], ids=["just now", "almost an hour ago"])
def test_what_could_not_be_found_out_is_asked_again_an_hour_later(seconds):
    o = observed(a_left_one(verification_run=looked(seconds)))
    assert abandoned.step(o, NOW) == Rest(ago(seconds) + HOUR)


@pytest.mark.parametrize("run", [None, looked(3600), looked(None)], ids=["never", "an hour ago", "not ended"])
def test_else_it_is_looked_for_by_a_verification(run):
    o = observed(a_left_one(verification_run=run))
    found = abandoned.step(o, NOW)
    assert found == verify.look(o, NOW)
    assert found != Rest()
