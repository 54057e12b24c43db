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
    return Removal(member, JOB, made, kept=False)


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


def said(status: DatabaseBackupStatus) -> dict[str, tuple[str, str, str]]:
    """What the conditions say, but for those that its beginning has written."""
    told = {each.type: (each.status, each.reason, each.message) for each in status.conditions}
    return {kind: words for kind, words in told.items() if words[1] != "Starting"}


WHY = "retention deletes the backup: older than 30 days"
DENIED = "the data could not be deleted: StorageAccessDenied: grant s3:DeleteObject"
AGAIN = "the data could not be deleted, and Holdfast tries again: StorageAccessDenied: grant s3:DeleteObject"
KEPT = "Object Lock keeps the backup's data until 2026-12-01T08:45:00Z"
PART = "Object Lock keeps the rest of the data until 2026-12-01T08:45:00Z; Holdfast deletes it then"
GONE = "the backup's data was deleted on 2026-11-22T08:45:00Z: older than 30 days"
LOCKED = {"result": Result.RETAINED, "until": UNTIL}
CAN, CANNOT = "the backup can be restored", "there is no backup"


@pytest.mark.parametrize(
    ("phase", "outcome", "conditions"),
    [
        pytest.param(Phase.SUCCEEDED, {}, {
            "Ready": ("False", "Deleting", "the backup's data is being deleted"),
            "Reconciling": ("True", "Deleting", WHY),
            "Stalled": ("False", "Deleting", "Holdfast goes on by itself"),
        }, id="marked"),
        pytest.param(Phase.DELETING, {"result": Result.DELETED}, {
            "Reconciling": ("False", "Expired", GONE),
            "Stalled": ("False", "Expired", "nothing is left to do"),
        }, id="deleted"),
        pytest.param(Phase.DELETING, {**FAILED, "untouched": True}, {
            "Ready": ("True", "DeletionFailed", CAN),
            "Reconciling": ("False", "DeletionFailed", DENIED),
            "Stalled": ("False", "DeletionFailed", DENIED),
        }, id="nothing of it was deleted"),
        pytest.param(Phase.DELETING, {**LOCKED, "untouched": True}, {
            "Ready": ("True", "Retained", CAN),
            "Reconciling": ("False", "Retained", KEPT),
            "Stalled": ("False", "Retained", KEPT),
        }, id="all of it is locked"),
        pytest.param(Phase.DELETING, FAILED, {
            "Reconciling": ("True", "DeletionFailed", AGAIN),
            "Stalled": ("True", "DeletionFailed", AGAIN),
        }, id="a part of it was deleted"),
        pytest.param(Phase.DELETING, LOCKED, {
            "Reconciling": ("True", "Deleting", PART),
            "Stalled": ("False", "Deleting", PART),
        }, id="the rest is locked"),
    ],
)  # fmt: skip
def test_its_conditions_say(phase, outcome, conditions):
    status = after(a_good_one(phase), removal(made=False, **outcome))
    assert said(status) == conditions
    assert status.message == conditions["Reconciling"][2]


def test_a_damaged_one_of_which_nothing_was_deleted_says_that_there_is_no_backup():
    failure = Failure(reason="ChecksumMismatch", message="m", remedy="r")
    status = after(a_good_one(Phase.DELETING, failure=failure), removal(**FAILED, untouched=True))
    assert said(status)["Ready"] == ("False", "DeletionFailed", CANNOT)
    assert said(status)["Stalled"][0] == "True"


@pytest.mark.parametrize("untouched", [True, False])
@pytest.mark.parametrize(
    "outcome", [{"result": Result.RETAINED}, {**FAILED, "until": UNTIL}], ids=["no time", "failed"]
)
def test_only_what_is_locked_until_a_time_is_said_to_be(outcome, untouched):
    status = after(a_good_one(Phase.DELETING), removal(**outcome, untouched=untouched))
    assert {reason for _, reason, _ in said(status).values()} == {"DeletionFailed"}
    assert "Object Lock" not in (status.message or "")


@pytest.mark.parametrize(
    ("outcome", "reason", "message"),
    [(FAILED, "DeletionFailed", "StorageAccessDenied: grant s3:DeleteObject"),
     ({**FAILED, "untouched": True}, "DeletionFailed", "StorageAccessDenied: grant s3:DeleteObject"),
     (LOCKED, None, None), ({**LOCKED, "untouched": True}, None, None),
     ({"result": Result.DELETED}, "Expired", GONE)],
    ids=["a part", "nothing", "the rest is locked", "all is locked", "deleted"],
)  # fmt: skip
def test_a_failure_is_a_warning_what_is_locked_is_none_and_what_is_gone_is_told(outcome, reason, message):
    found = step(a_good_one(Phase.DELETING), removal(made=False, **outcome))
    told = found.announcement
    assert (told and told.reason, told and told.message) == (reason, message)
    assert told is None or told.warning is (reason == "DeletionFailed")


@pytest.mark.parametrize(
    "outcome", [FAILED, {**FAILED, "untouched": True}, LOCKED, {"result": Result.DELETED}], ids=str
)
def test_what_became_of_it_stands_beside_since_when_and_why(outcome):
    begun = after(a_good_one(), removal())
    first = begun.deletion
    assert first is not None
    assert (first.reason_to_delete, first.since, first.job_name) == ("older than 30 days", NOW, JOB)

    earlier = first.model_copy(update={"since": ago(500)})
    marked = a_backup(status=begun.model_copy(update={"deletion": earlier}))
    told = after(marked, removal(made=False, **outcome)).deletion
    assert told is not None
    assert (told.reason_to_delete, told.since, told.job_name) == ("older than 30 days", ago(500), JOB)
    assert told.to_dict() | removal(**outcome).member.model_copy(
        update={"reason_to_delete": "older than 30 days"}
    ).to_dict() | {"name": None, "uid": None} == told.to_dict() | {"name": None, "uid": None}
    unmarked = after(a_good_one(Phase.DELETING), removal(made=False, **outcome)).deletion
    assert unmarked is not None
    assert unmarked.since == NOW


def test_what_is_being_deleted_is_kept_for_no_reason_and_what_is_stuck_is_locked_as_long_as_the_store_says():
    kept = a_good_one(kept_because=["within 30 days"], locked_until=ago(5))
    assert after(kept, removal()).kept_because in (None, [])
    stuck = a_good_one(Phase.DELETING, locked_until=ago(5))
    assert after(stuck, removal(**LOCKED)).locked_until == UNTIL
    assert after(stuck, removal(**FAILED)).locked_until is None


def test_one_that_the_rules_keep_by_now_or_whose_end_stands_in_the_page_is_not_marked():
    kept = replace(removal(), kept=True)
    for what in (kept, removal(result=Result.DELETED), removal(**FAILED)):
        found = step(a_good_one(), what)
        assert found.status is None or found.status.phase is Phase.SUCCEEDED
