"""What a backup has fixed is there from then on; where another hand has taken it out, a sentence names the field."""

import pytest
from tests.builders import NOW, a_begun_backup, a_job, a_pod, a_policy, a_success, ago, observed, settings

from holdfast.api.backup import Cleanup, Ending, Failure, Phase, VerificationRun
from holdfast.api.database import Volume
from holdfast.decide.backup.statuses import CLEANUP_RUNNING
from holdfast.decide.backup.steps import decide
from holdfast.errors import HoldfastError, Reason

RESOLVED = a_begun_backup().status.resolved
ENDLESS = RESOLVED.model_copy(update={"job": RESOLVED.job.model_copy(update={"active_deadline_seconds": None})})
LOST = pytest.mark.parametrize(
    ("lost", "named"),
    [
        pytest.param({"resolved": None}, "resolved", id="the policy in force"),
        pytest.param({"location": None}, "location", id="the folder"),
        pytest.param({"job_name": None}, "jobName", id="the Job's name"),
        pytest.param({"resolved": ENDLESS}, "resolved.job.activeDeadlineSeconds", id="the deadline"),
    ],
)
RUN = VerificationRun(request="1", number=1, state="Running", job_name="orders-1-verify-x", started_at=NOW)


@LOST
def test_a_backup_that_has_lost_what_it_is_fails_and_says_what_is_missing(lost, named):
    status = decide(observed(a_begun_backup(**lost)), settings(), NOW).status
    assert (status.phase, status.failure.reason) == (Phase.FAILED, Reason.INVALID_SPEC)
    assert status.failure.message == f"status.{named} is missing"
    assert "create another backup" in status.failure.remedy


@LOST
def test_its_job_is_ended_first(lost, named):
    backup = a_begun_backup(phase=Phase.RUNNING, **lost)
    status = decide(observed(backup, job=a_job(), pods=(a_pod(phase="Running"),)), settings(), NOW).status
    assert (status.phase, status.ending.job_uid) == (Phase.RUNNING, "job-1")


def test_an_end_that_is_under_way_goes_on_and_no_success_is_believed_that_cannot_be_compared():
    failure = Failure(reason=Reason.INVALID_SPEC, message="m", remedy="r")
    backup = a_begun_backup(resolved=None, failure=failure, ending=Ending(since=ago(5), job_uid="job-1"))
    pods = (a_pod(exit_code=0, report=a_success()),)
    status = decide(observed(backup, pods=pods, pods_listed=True), settings(), NOW).status
    assert (status.phase, status.failure) == (Phase.FAILED, failure)


@LOST
def test_a_verification_is_not_done_and_says_why(lost, named):
    backup = a_begun_backup(phase=Phase.VERIFYING, verification_run=RUN, **lost)
    status = decide(observed(backup), settings(), NOW).status
    assert (status.verification_run.state, status.phase) == ("NotDone", Phase.SUCCEEDED)
    assert f"status.{named} is missing" in status.verification_run.message


@LOST
def test_a_cleanup_is_not_done_and_says_why(lost, named):
    cleanup = Cleanup(job_name="orders-1-cleanup-x", state=CLEANUP_RUNNING)
    backup = a_begun_backup(phase=Phase.FAILED, observed_generation=1, cleanup=cleanup, **lost)
    status = decide(observed(backup), settings(), NOW).status
    assert (status.cleanup.state, f"status.{named} is missing" in status.cleanup.message) == ("Failed", True)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"phase": Phase.VERIFYING}, "verificationRun", id="verifying nothing"),
        pytest.param({"ending": Ending(since=ago(5))}, "failure", id="ending for no reason"),
        pytest.param(
            {"inline": a_policy(), "phase": Phase.SUCCEEDED, "completed_at": NOW, "resolved": None},
            "resolved",
            id="succeeded",
        ),
    ],
)
def test_a_status_that_makes_no_sense_at_all_is_told_by_the_name_of_the_field(changes, named):
    with pytest.raises(HoldfastError, match=rf"^InvalidSpec: status\.{named} is missing$"):
        decide(observed(a_begun_backup(**changes)), settings(), NOW)


def test_without_a_number_it_is_the_first_job_and_without_a_start_it_began_when_it_was_made():
    backup = a_begun_backup(attempt=None, started_at=None)
    assert (backup.begun.attempt, backup.begun.started_at) == (1, backup.created)
    assert (a_begun_backup(attempt=2).begun.attempt, a_begun_backup().begun.started_at) == (2, ago(30))


def test_a_file_whose_policy_names_no_group_is_read_as_its_users():
    assert Volume(claim_name="c", path="a.db", run_as_user=7).group == 7
    assert Volume(claim_name="c", path="a.db", run_as_user=7, run_as_group=0).group == 0
