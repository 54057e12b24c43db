"""A backup that retention deletes: Deleting before its data goes, and then what it is by the Job's word alone."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, a_backup, a_begun_backup, a_policy, ago, observed, settings

from holdfast.api.backup import DatabaseBackupStatus, Failure, Phase
from holdfast.api.conditions import ConditionType
from holdfast.api.deletion import Member, Result
from holdfast.decide.backup.observation import BackupView, Observation, Removal
from holdfast.decide.backup.steps import decide
from holdfast.decide.decision import Rest, Write

JOB = "orders-sweep-1"
UNTIL = NOW + timedelta(days=9)


def removal(made: bool = True, **outcome: Any) -> Removal:
    member = Member(name="orders-1", uid="u", reason_to_delete="older than 30 days", **outcome)
    return Removal(member, JOB, made)


def a_good_one(phase: Phase = Phase.SUCCEEDED, **changes: Any) -> BackupView:
    known = {"completed_at": ago(60), "sha256": "a" * 64, "restore": "kubectl ...", "observed_generation": 1}
    return a_begun_backup(phase=phase, **{**known, **changes})


def asked(backup: BackupView, what: Removal | None) -> Observation:
    return Observation(**{**observed(backup).__dict__, "removal": what})


def step(backup: BackupView, what: Removal | None) -> Any:
    return decide(asked(backup, what), settings(), NOW)


def after(backup: BackupView, what: Removal) -> DatabaseBackupStatus:
    found = step(backup, what)
    assert isinstance(found, Write)
    return found.status


def condition(status: DatabaseBackupStatus, kind: ConditionType) -> str | None:
    return next((each.status for each in status.conditions if each.type == kind), None)


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED])
def test_a_backup_that_the_page_names_is_called_deleting_and_can_no_longer_be_restored(phase):
    status = after(a_good_one(phase), removal())
    assert (status.phase, condition(status, ConditionType.READY)) == (Phase.DELETING, "False")
    assert condition(status, ConditionType.RECONCILING) == "True"
    assert status.message == "retention deletes the backup: older than 30 days"
    assert status.deletion is not None
    assert (status.deletion.job_name, status.deletion.since, status.deletion.result) == (JOB, NOW, None)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.RUNNING, Phase.VERIFYING, Phase.EXPIRED])
def test_a_backup_that_has_not_ended_or_is_in_use_is_never_marked(phase):
    found = step(a_good_one(phase), removal()) if phase is not Phase.VERIFYING else None
    assert found is None or found.status is None or found.status.phase is not Phase.DELETING


def test_a_backup_that_was_pinned_since_the_plan_is_not_marked():
    backup = a_good_one()
    spec = backup.spec.model_copy(update={"pinned": True})
    found = step(BackupView(**{**backup.__dict__, "spec": spec}), removal())
    assert found.status is None or found.status.phase is Phase.SUCCEEDED


@pytest.mark.parametrize("what", [None, removal()], ids=["no page names it", "its Job has not ended"])
def test_what_is_being_deleted_waits_for_the_jobs_word(what):
    assert decide(replace(asked(a_good_one(Phase.DELETING), what), policy=a_policy()), settings(), NOW) == Rest()


def test_what_holdfast_made_waits_for_its_policy_to_remove_it():
    assert step(a_good_one(Phase.DELETING), removal(result=Result.DELETED)) == Rest()


def test_what_a_person_made_stays_as_expired_without_data_and_git_takes_it_for_settled():
    status = after(a_good_one(Phase.DELETING), removal(made=False, result=Result.DELETED))
    assert (status.phase, status.restore) == (Phase.EXPIRED, None)
    assert "older than 30 days" in (status.message or "")
    assert condition(status, ConditionType.READY) is None
    assert [condition(status, kind) for kind in (ConditionType.RECONCILING, ConditionType.STALLED)] == ["False"] * 2
    assert status.deletion is not None
    assert (status.deletion.completed_at, status.deletion.result) == (NOW, Result.DELETED)
    expired = a_backup(status=status)
    assert step(expired, None) == Rest()


FAILED = {"result": Result.FAILED, "reason": "StorageAccessDenied", "message": "grant s3:DeleteObject"}


@pytest.mark.parametrize(
    ("outcome", "said"),
    [({**FAILED, "untouched": True}, "grant s3:DeleteObject"),
     ({"result": Result.RETAINED, "until": UNTIL, "untouched": True}, "Object Lock keeps the backup's data until")],
    ids=["failed", "retained"],
)  # fmt: skip
def test_a_backup_of_which_nothing_was_deleted_is_good_again(outcome, said):
    status = after(a_good_one(Phase.DELETING), removal(**outcome))
    assert (status.phase, condition(status, ConditionType.READY)) == (Phase.SUCCEEDED, "True")
    assert said in (status.message or "")
    assert status.deletion is not None
    assert status.deletion.job_name == JOB
    assert status.locked_until == outcome.get("until")


def test_a_damaged_backup_of_which_nothing_was_deleted_is_failed_again():
    failure = Failure(reason="ChecksumMismatch", message="m", remedy="r")
    status = after(a_good_one(Phase.DELETING, failure=failure), removal(**FAILED, untouched=True))
    assert (status.phase, condition(status, ConditionType.READY)) == (Phase.FAILED, "False")


@pytest.mark.parametrize(
    ("outcome", "stalled"), [(FAILED, "True"), ({"result": Result.RETAINED, "until": UNTIL}, "False")], ids=str
)
def test_a_backup_of_which_a_part_is_gone_is_no_backup_any_more(outcome, stalled):
    status = after(a_good_one(Phase.DELETING), removal(**outcome))
    assert (status.phase, condition(status, ConditionType.STALLED)) == (Phase.DELETING, stalled)
    assert step(a_backup(status=status), removal()) == Rest()


def test_a_request_to_verify_what_is_being_deleted_does_nothing():
    o = asked(a_good_one(Phase.DELETING), None)
    assert decide(replace(o, verify_request="1", policy=a_policy()), settings(), NOW) == Rest()
