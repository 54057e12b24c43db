"""What the operator decides when a backup is asked to be verified again: each row a situation, and what follows."""

from datetime import timedelta
from typing import Any

import pytest
from tests.builders import (
    NOW,
    UID,
    a_backup,
    a_begun_backup,
    a_failure,
    a_job,
    a_pod,
    a_policy,
    a_success,
    an_rds_policy,
    observed,
    settings,
)

from holdfast.api.backup import (
    Cleanup,
    DatabaseBackupStatus,
    Failure,
    Phase,
    Snapshot,
    VerificationRun,
    is_good,
)
from holdfast.api.policy import BackupPolicySpec
from holdfast.contract.report import Verification
from holdfast.decide.backup import reported
from holdfast.decide.backup.observation import CLEANUP, VERIFY, Observation
from holdfast.decide.backup.steps import decide
from holdfast.decide.backup.verify import is_about_the_backup, look
from holdfast.decide.decision import Announcement, Create, Decision, Delete, Expire, Learn, Rest, What
from holdfast.decide.resolve import resolve
from holdfast.errors import EXIT_CODES, ExitCode, Reason
from holdfast.naming import child_name

FOUND = Verification.model_validate(
    {"level": "readback", "checkedBy": "Readback", "compared": ["size", "sha256", "rows"], "integrityCheck": "passed",
     "fileReadable": "read back: end of dump seen", "verifiedAt": NOW}
)  # fmt: skip
PASSED = a_success().model_copy(update={"kind": "verify", "backup": None, "verification": FOUND})
ALTERED = a_failure(Reason.CHECKSUM_MISMATCH, message="its SHA-256 is another")
DOWN = a_failure(Reason.STORAGE_UNAVAILABLE, message="the store does not answer")
DONE = a_job(complete=True, ttl_set=True)


def the_decision(o: Observation, **_: Any) -> Decision:
    return decide(o, settings(), NOW)


def a_good_backup(**changes: Any) -> DatabaseBackupStatus:
    """One that has just succeeded."""
    begun = a_begun_backup(**{key: changes.pop(key) for key in ("resolved",) if key in changes})
    pods = (a_pod(exit_code=0, report=a_success()),)
    status = the_decision(observed(begun, job=a_job(complete=True), pods=pods)).status
    assert status is not None
    return status.model_copy(update=changes)


def asked(request: str | None = "2026-11-22", status: DatabaseBackupStatus | None = None, **seen: Any) -> Observation:
    return observed(
        a_backup(status=status or a_good_backup()), policy=a_policy(), job=DONE, verify_request=request, **seen
    )


def verifying(request: str = "2026-11-22", **changes: Any) -> DatabaseBackupStatus:
    """The status of one whose verification has begun."""
    status = the_decision(asked(request, a_good_backup(**changes))).status
    assert status is not None
    return status


def ended(report: Any, status: DatabaseBackupStatus | None = None, code: int | None = None) -> Decision:
    """What is decided when the verification's Job ends with this report."""
    code = code if code is not None else (report.failure.exit_code if report.failure else 0)
    job = a_job(complete=code == 0, failed="PodFailurePolicy" if code else None)
    seen = {"verify_job": job, "verify_pods": (a_pod(exit_code=code, report=report),), "pods_listed": True}
    return the_decision(asked(status=status or verifying(), **seen))


def conditions(status: DatabaseBackupStatus | None) -> dict[str, tuple[str, str]]:
    assert status is not None
    return {condition.type: (condition.status, condition.reason) for condition in status.conditions}


def test_a_request_begins_a_run_that_is_written_before_its_job_is_made():
    decision = the_decision(asked())

    assert decision.act is None
    run = decision.status.verification_run
    assert (run.request, run.number, run.state, run.level) == ("2026-11-22", 1, "Running", "checksum")
    assert run.job_name.startswith("orders-1-verify-")
    assert decision.status.phase is Phase.VERIFYING
    assert conditions(decision.status) | {"Verified": ("Unknown", "Verifying")} == conditions(decision.status)
    assert conditions(decision.status)["Reconciling"] == ("True", "Verifying")
    assert conditions(decision.status)["Finished"][0] == "True", "the backup itself has ended"


def test_then_the_job_is_made_and_what_is_known_of_the_backup_stays():
    status = verifying()
    assert the_decision(asked(status=status)).act == Create(VERIFY)
    assert (status.verification, status.sha256, status.restore) == (
        a_good_backup().verification, a_good_backup().sha256, a_good_backup().restore,
    )  # fmt: skip
    assert is_good(status.to_dict())


@pytest.mark.parametrize("request_", [None, ""])
def test_without_a_request_nothing_is_done(request_):
    assert the_decision(asked(request_)) == Rest()


def test_the_same_request_is_not_run_twice_and_another_one_is():
    done = ended(PASSED).status

    assert the_decision(asked("2026-11-22", done, verify_job=DONE)) == Rest()
    again = the_decision(asked("2026-11-23", done, verify_job=DONE)).status
    assert again.verification_run.number == 2
    assert again.verification_run.job_name != done.verification_run.job_name


def test_an_earlier_request_that_comes_back_is_a_new_one_with_a_job_of_its_own():
    first = ended(PASSED).status
    second = ended(PASSED, the_decision(asked("b", first, verify_job=DONE)).status).status
    third = the_decision(asked("2026-11-22", second, verify_job=DONE)).status
    jobs = {status.verification_run.job_name for status in (first, second, third)}
    assert len(jobs) == 3


def test_taking_the_request_away_changes_nothing():
    assert the_decision(asked(None, ended(PASSED).status, verify_job=DONE)) == Rest()


@pytest.mark.parametrize(
    ("request_", "level"),
    [("readback/1", "readback"), ("checksum/1", "checksum"), ("1", "readback"), ("readback", "readback")],
)
def test_the_level_is_the_requests_or_else_the_policys(request_, level):
    resolved = resolve(a_policy(verification={"level": "readback"}), settings())
    assert verifying(request_, resolved=resolved).verification_run.level == level


@pytest.mark.parametrize(
    ("request_", "changes", "says"),
    [
        ("full/1", {}, "'full' is not a level"),
        ("Readback/1", {}, "'Readback' is not a level"),
        ("2026/11/22", {}, "'2026' is not a level"),
        ("x" * 129, {}, "more than 128 characters"),
        ("1", {"verification": None, "phase": Phase.FAILED}, "there is nothing to verify"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_once_and_changes_nothing_else(request_, changes, says):
    before = a_good_backup(**changes)
    decision = the_decision(asked(request_, before))

    assert decision.status == before.model_copy(update={"verification_run": decision.status.verification_run})
    run = decision.status.verification_run
    assert (run.state, run.failure.reason, run.job_name) == ("Refused", "VerificationRefused", None)
    assert says in run.message
    assert (decision.announcement.warning, decision.announcement.reason) == (True, "VerificationRefused")
    assert the_decision(asked(request_, decision.status)) == Rest()


def test_a_request_that_is_refused_counts_as_one():
    first = the_decision(asked("full/1")).status
    second = the_decision(asked("full/2", first)).status
    third = the_decision(asked("3", second)).status
    assert [each.verification_run.number for each in (first, second, third)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("request_", "state"), [("1", "Running"), ("readback/1", "Refused"), ("checksum/1", "Refused")]
)
def test_a_snapshot_is_verified_without_a_level(request_, state):
    snapshot = Snapshot.model_validate(
        {"arn": "arn:aws:rds:x", "region": "eu-central-1", "kind": "instance", "source": "orders",
         "engine": "postgres", "engineVersion": "17", "encrypted": True}
    )  # fmt: skip
    status = a_good_backup(snapshot=snapshot).model_copy(update={"resolved": resolve(an_rds_policy(), settings())})
    run = the_decision(asked(request_, status)).status.verification_run
    assert (run.state, run.level) == (state, None)


@pytest.mark.parametrize(
    ("policy", "level"),
    [(a_policy(verification={"level": "readback"}), "checksum"), (an_rds_policy(), None), (None, None)],
    ids=["a dump", "a snapshot", "of which nobody knows any more what it was of"],
)
@pytest.mark.parametrize(
    ("former", "request_", "number"), [(None, "", 1), ("by hand", "by hand", 2)], ids=["never verified", "verified"]
)
def test_one_that_may_be_gone_is_looked_for_by_what_costs_least_and_no_request_is_answered_by_that(
    policy, level, former, request_, number
):
    run = VerificationRun(request=former, number=1, state="Passed", started_at=NOW) if former else None
    resolved = resolve(policy, settings()) if policy else None
    status = a_good_backup().model_copy(update={"verification_run": run, "resolved": resolved})
    looks = look(asked("another", status), NOW).status
    assert looks.phase is Phase.VERIFYING
    assert looks.verification_run == VerificationRun(
        request=request_,
        number=number,
        state="Running",
        level=level,
        job_name=child_name("orders-1", UID, "verify", number),
        started_at=NOW,
        message="verifying by checksum" if level else "verifying",
    )


def test_a_request_made_while_the_backup_runs_is_taken_up_when_it_has_ended():
    running = observed(a_begun_backup(), job=a_job(), pods=(a_pod(phase="Running"),), verify_request="1")
    assert the_decision(running).status.verification_run is None


def test_tidying_up_after_the_backup_comes_first():
    status = a_good_backup(cleanup=Cleanup(job_name="x", state="Running"))
    assert the_decision(asked(status=status)).act == Create(CLEANUP)
    o = asked()
    assert isinstance(the_decision(observed(o.backup, job=a_job(complete=True), verify_request="1")).act, Expire)


def test_what_passed_is_recorded_with_what_was_compared():
    decision = ended(PASSED)
    status = decision.status

    assert (status.phase, status.verification, status.failure) == (Phase.SUCCEEDED, reported.verification(FOUND), None)
    assert status.verification_run.state == "Passed"
    assert status.verification_run.completed_at == NOW
    assert status.message == (
        "verified again by reading the artifact back: size, sha256, rows as recorded; read back: end of dump seen"
    )
    assert conditions(status)["Verified"] == ("True", "VerificationPassed")
    assert conditions(status)["Reconciling"][0] == "False"
    assert conditions(status)["Succeeded"] == ("True", "BackupSucceeded")
    assert (decision.announcement.warning, decision.announcement.reason) == (False, "VerificationPassed")


def test_what_is_not_what_was_backed_up_is_failed_with_the_reason_and_nothing_is_removed():
    decision = ended(ALTERED)
    status = decision.status

    assert status.phase is Phase.FAILED
    assert (status.failure.reason, status.failure.exit_code) == ("ChecksumMismatch", 5)
    assert status.verification_run.state == "Failed"
    assert status.verification == a_good_backup().verification, "when it was last good stays known"
    assert {kind: word for kind, (word, _) in conditions(status).items() if kind != "Suspicious"} == {
        "Finished": "True", "Verified": "False", "Succeeded": "False", "Ready": "False", "Stalled": "True",
        "Reconciling": "False",
    }  # fmt: skip
    assert conditions(status)["Verified"][1] == "ChecksumMismatch"
    assert decision.announcement.reason == "VerificationFailed"
    assert (decision.act, status.cleanup) == (None, None)
    assert not is_good(status.to_dict())
    assert the_decision(asked(status=status, verify_job=DONE)) == Rest()


def test_what_is_mended_reads_as_before_when_it_is_verified_again():
    failed = ended(ALTERED).status
    again = the_decision(asked("2", failed, verify_job=DONE)).status
    assert (again.phase, again.failure) == (Phase.VERIFYING, failed.failure)
    assert not is_good(again.to_dict())

    mended = ended(PASSED, again).status

    assert (mended.phase, mended.failure) == (Phase.SUCCEEDED, None)
    assert {kind: conditions(mended)[kind][0] for kind in ("Verified", "Succeeded", "Ready", "Stalled")} == {
        "Verified": "True", "Succeeded": "True", "Ready": "True", "Stalled": "False",
    }  # fmt: skip


def test_what_could_not_be_found_out_leaves_a_good_backup_good_and_verified_unknown():
    decision = ended(DOWN)
    status = decision.status

    assert (status.phase, status.failure) == (Phase.SUCCEEDED, None)
    assert (status.verification_run.state, status.verification_run.failure.exit_code) == ("NotDone", 6)
    assert conditions(status)["Verified"] == ("Unknown", "StorageUnavailable")
    assert conditions(status)["Ready"][0] == "True"
    assert conditions(status)["Reconciling"][0] == "False"
    assert decision.announcement.reason == "VerificationNotDone"


def test_what_could_not_be_found_out_leaves_a_bad_backup_bad():
    again = the_decision(asked("2", ended(ALTERED).status, verify_job=DONE)).status
    status = ended(DOWN, again).status

    assert (status.phase, status.failure.reason) == (Phase.FAILED, "ChecksumMismatch")
    assert conditions(status)["Verified"] == ("False", "ChecksumMismatch")


@pytest.mark.parametrize("reason", Reason, ids=str)
def test_only_a_failed_comparison_or_an_absence_is_about_the_backup(reason):
    about = EXIT_CODES.get(reason) is ExitCode.VERIFICATION or reason in (
        Reason.BACKUP_NOT_FOUND, Reason.BACKUP_GONE, Reason.BUCKET_NOT_FOUND,
    )  # fmt: skip
    assert is_about_the_backup(str(reason)) == about


EXTERNAL = {"retention": {"mode": "External"}}
LEFT_NOTHING = a_failure(Reason.BACKUP_GONE, message="nothing is left of the backup")


def looked_at(report: Any, policy: BackupPolicySpec | None, status: DatabaseBackupStatus | None = None) -> Decision:
    """What is decided when a verification ends so, of a backup of this policy."""
    seen = {"verify_job": a_job(failed="PodFailurePolicy"), "pods_listed": True}
    pods = (a_pod(exit_code=report.failure.exit_code, report=report),)
    o = observed(a_backup(status=status or verifying()), policy=policy, job=DONE, verify_request="2026-11-22",
                 verify_pods=pods, **seen)  # fmt: skip
    return the_decision(o)


def test_where_the_bucket_deletes_a_backup_of_which_nothing_is_left_has_expired_and_not_failed():
    decision = looked_at(LEFT_NOTHING, a_policy(**EXTERNAL))

    status = decision.status
    assert (status.phase, status.failure, status.restore, status.kept_because) == (Phase.EXPIRED, None, None, None)
    assert status.verification_run.state == "Expired"
    assert "a lifecycle rule, or somebody, removed it" in status.message
    assert "nothing is left of the backup" in status.message
    said = conditions(status)
    assert "Ready" not in said
    assert [said[kind][0] for kind in ("Verified", "Succeeded", "Stalled", "Finished")] == [
        "False", "True", "False", "True",
    ]  # fmt: skip
    assert decision.announcement == Announcement(False, "Expired", status.message)
    assert not is_good(status.to_dict())


@pytest.mark.parametrize(
    ("report", "policy"),
    [
        (LEFT_NOTHING, a_policy()),
        (a_failure(Reason.BACKUP_NOT_FOUND), a_policy(**EXTERNAL)),
        (a_failure(Reason.BUCKET_NOT_FOUND), a_policy(**EXTERNAL)),
        (ALTERED, a_policy(**EXTERNAL)),
        (LEFT_NOTHING, None),
    ],
    ids=["Holdfast deletes", "a part is left", "no bucket", "another one is there", "no policy: as it was taken by"],
)
def test_what_is_not_as_the_policy_expects_is_a_failure(report, policy):
    status = looked_at(report, policy).status

    assert (status.phase, status.verification_run.state) == (Phase.FAILED, "Failed")
    assert status.failure.reason == report.failure.reason


def test_where_the_policy_is_gone_it_is_the_buckets_as_it_was_when_the_backup_was_taken():
    resolved = resolve(a_policy(**EXTERNAL), settings())

    assert looked_at(LEFT_NOTHING, None, verifying(resolved=resolved)).status.phase is Phase.EXPIRED


def test_one_that_was_found_damaged_and_is_gone_now_has_expired_without_the_failure():
    again = the_decision(asked("2", ended(ALTERED).status, verify_job=DONE)).status
    status = looked_at(LEFT_NOTHING, a_policy(**EXTERNAL), again).status

    assert (status.phase, status.failure) == (Phase.EXPIRED, None)
    assert conditions(status)["Succeeded"] == ("True", "Expired")


def test_one_that_has_expired_is_not_looked_at_again():
    expired = looked_at(LEFT_NOTHING, a_policy(**EXTERNAL)).status
    decision = the_decision(asked("3", expired, verify_job=DONE))

    assert (decision.status.phase, decision.status.verification_run.state) == (Phase.EXPIRED, "Refused")
    assert "has expired" in decision.status.verification_run.message
    assert the_decision(asked("3", decision.status, verify_job=DONE)) == Rest()


def test_a_reason_of_a_newer_version_is_not_about_the_backup():
    assert not is_about_the_backup("SomethingNew")


@pytest.mark.parametrize(
    ("pod", "job", "reason"),
    [
        ({"exit_code": 137, "end_reason": "OOMKilled"}, {"failed": "BackoffLimitExceeded"}, "OutOfMemory"),
        ({"exit_code": 0, "message": "no report"}, {"complete": True}, "ReportMissing"),
        ({"phase": "Pending", "waiting": "ErrImagePull", "age": 700}, {"age": 700}, "ImagePull"),
        ({"phase": "Pending", "age": 601}, {"age": 601}, "StartTimeout"),
    ],
    ids=["out of memory", "no report", "no image", "never started"],
)
def test_a_job_that_could_not_tell_is_not_done_with_the_reason(pod, job, reason):
    seen = {"verify_job": a_job(**job), "verify_pods": (a_pod(**pod),), "pods_listed": True}
    status = the_decision(asked(status=verifying(), **seen)).status
    assert (status.phase, status.verification_run.state) == (Phase.SUCCEEDED, "NotDone")
    assert status.verification_run.failure.reason == reason


def test_a_report_is_looked_for_at_the_api_server_before_it_is_called_lost():
    assert the_decision(asked(status=verifying(), verify_job=a_job(complete=True))).act == Learn(What.PODS)


def test_a_job_that_runs_or_starts_as_expected_costs_no_write():
    status = verifying()
    for pods in ((), (a_pod(),), (a_pod(phase="Running"),)):
        assert the_decision(asked(status=status, verify_job=a_job(), verify_pods=pods)).status == status


def test_what_keeps_it_from_starting_is_said_and_looked_at_again_in_time():
    seen = {"verify_job": a_job(), "verify_pods": (a_pod(waiting="ErrImagePull", waiting_message="not found"),)}
    decision = the_decision(asked(status=verifying(), **seen))
    assert "cannot be pulled" in decision.status.message
    assert decision.due == NOW - timedelta(seconds=10) + timedelta(seconds=600)
    assert decision.status.phase is Phase.VERIFYING


def test_a_refused_job_is_tried_again_until_the_start_timeout():
    status = verifying()
    waiting = the_decision(asked(status=status, refusal="quota of Jobs"))
    assert waiting.due > NOW
    assert "quota of Jobs" in waiting.status.message
    old = status.verification_run.model_copy(update={"started_at": NOW - timedelta(seconds=601)})
    over = the_decision(asked(status=status.model_copy(update={"verification_run": old}), refusal="quota of Jobs"))
    assert over.status.verification_run.failure.reason == "JobRefused"


def test_an_image_that_the_chart_no_longer_has_is_not_done_with_the_reason():
    decision = decide(asked(status=verifying()), settings(images={"mysql-9": "x"}), NOW)
    assert (decision.status.phase, decision.act) == (Phase.SUCCEEDED, None)
    assert decision.status.verification_run.failure.reason == "ImageNotSet"


def test_a_strangers_job_of_our_name_is_never_touched():
    stranger = a_job(owner="somebody-else", complete=True)
    status = the_decision(asked(status=verifying(), verify_job=stranger)).status
    assert status.verification_run.failure.reason == "JobNameTaken"
    assert the_decision(asked(status=status, verify_job=stranger)) == Rest()


def test_a_job_that_vanished_is_made_again_and_one_that_goes_is_waited_for():
    assert the_decision(asked(status=verifying())).act == Create(VERIFY)
    assert the_decision(asked(status=verifying(), verify_job=a_job(deleting=True))).act is None


def test_after_the_end_the_job_may_expire_or_goes_where_it_never_started():
    status = ended(PASSED).status
    assert isinstance(the_decision(asked(status=status, verify_job=a_job(complete=True))).act, Expire)
    assert isinstance(the_decision(asked(status=status, verify_job=a_job())).act, Delete)


def test_a_deleted_backup_is_left_to_garbage_collection():
    o = observed(a_backup(status=a_good_backup(), deleting=True), verify_request="1")
    assert the_decision(o) == Rest()


def test_a_failed_backup_without_any_backup_is_not_verified_though_it_once_ran():
    failure = Failure(reason="DumpFailed", message="m", remedy="r")
    status = a_begun_backup(phase=Phase.FAILED, failure=failure).status
    assert the_decision(asked("1", status)).status.verification_run.state == "Refused"
