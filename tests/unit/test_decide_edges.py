"""The edges of a decision: when it looks again, what it says only once, and what it does where something is absent."""

from dataclasses import replace
from datetime import timedelta

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
    a_sqlite_policy,
    a_success,
    ago,
    an_rds_policy,
    observed,
    settings,
)

from holdfast.api.backup import DatabaseBackupSpec, Ending, Failure, Phase
from holdfast.api.conditions import Condition
from holdfast.api.job import JobTemplate, PodWanted
from holdfast.decide import failures, job_end
from holdfast.decide.backup import ending
from holdfast.decide.backup.observation import BACKUP
from holdfast.decide.backup.steps import decide
from holdfast.decide.decision import Announcement, Create, Decision, Delete, Do, Learn, Rest, What
from holdfast.decide.resolve import resolve
from holdfast.decide.views import ClaimView
from holdfast.errors import ExitCode, Reason
from holdfast.naming import child_name
from holdfast.sentences import EVENT_BYTES

WORKS = timedelta(seconds=600 + 21_600) + job_end.OVERDUE  # from a Job's beginning
BESIDE = {"phase": "Running", "ended": 60}  # a container beside the runner goes on
GOOD = {"exit_code": 0, "report": a_success()}
STRANGER = a_job(owner="somebody-else", uid="theirs")


def the_decision(backup, **seen) -> Decision:
    return decide(observed(backup, **seen), settings(), NOW)


# looking again


@pytest.mark.parametrize(
    "pods",
    [
        pytest.param((a_pod(phase="Running"),), id="it runs"),
        pytest.param((a_pod(exit_code=1),), id="a Pod is being replaced"),
        pytest.param((a_pod(**GOOD),), id="its runner has ended"),
    ],
)
def test_a_job_is_looked_at_again_when_it_should_be_over(pods):
    job = a_job(failed_pods=sum(pod.phase == "Failed" for pod in pods))
    decision = the_decision(a_begun_backup(), job=job, pods=pods)
    assert (decision.act, decision.due, decision.status.phase) == (None, job.created + WORKS, Phase.RUNNING)


def test_a_job_that_is_being_deleted_is_waited_for_and_nothing_is_said():
    job = a_job(deleting=True)
    assert the_decision(a_begun_backup(), job=job, pods=(a_pod(phase="Running"),)) == Rest(job.created + WORKS)


def test_the_last_word_of_a_runner_is_told_from_one_that_will_be_tried_again():
    assert (
        "the Job is about to end" in the_decision(a_begun_backup(), job=a_job(), pods=(a_pod(**GOOD),)).status.message
    )
    again = the_decision(a_begun_backup(), job=a_job(failed_pods=1), pods=(a_pod(exit_code=1_000),))
    assert "the Job replaces it" in again.status.message


def test_what_was_seen_to_run_and_is_gone_is_being_replaced_before_anybody_has_counted_it():
    status = the_decision(a_begun_backup(phase=Phase.RUNNING), job=a_job()).status
    assert "the Job replaces it" in status.message
    assert status.pod_wanted == PodWanted(since=NOW, ran=True)


def test_a_job_that_is_there_goes_on_though_the_chart_has_no_image_for_another_one():
    o = observed(a_begun_backup(), job=a_job(), pods=(a_pod(phase="Running"),))
    assert decide(o, settings(images={}), NOW).status.phase is Phase.RUNNING


def test_why_no_job_can_be_made_is_said_without_what_is_to_be_done_about_a_pod():
    refused = the_decision(a_begun_backup(), refusal="a quota").status
    assert refused.message == "the API server refuses the Job: a quota"
    assert refused.pod_wanted is None, "its time counts from the backup's beginning, which is known"


# what is kept, and what is said once


@pytest.mark.parametrize("trouble", [{}, {"unschedulable": "0/1 nodes"}], ids=["it starts", "it cannot start"])
def test_the_pod_that_follows_another_one_shows_as_a_retry_and_keeps_its_own_time(trouble):
    known = PodWanted(since=ago(5), ran=True, failed_pods=1)
    pods = (a_pod(exit_code=1, uid="first"), a_pod(uid="second", **trouble))
    status = the_decision(a_begun_backup(pod_wanted=known), job=a_job(failed_pods=1), pods=pods).status
    assert (status.phase, status.retries, status.pod_wanted) == (Phase.PENDING, 1, known)


def test_what_no_longer_keeps_it_from_starting_is_no_longer_said_and_nobody_is_told_twice():
    held_up = the_decision(a_begun_backup(), job=a_job(), pods=(a_pod(unschedulable="0/1 nodes"),))
    same = the_decision(a_backup(status=held_up.status), job=a_job(), pods=(a_pod(unschedulable="0/2 nodes"),))
    starts = the_decision(a_backup(status=held_up.status), job=a_job(), pods=(a_pod(),))

    assert (held_up.announcement.warning, held_up.announcement.reason) == (True, Reason.UNSCHEDULABLE)
    assert "0/2 nodes" in same.status.message
    assert same.announcement is None
    assert (starts.status.message, starts.announcement) == ("the Job's Pod is starting", None)


def test_a_condition_of_somebody_elses_makes_no_news():
    theirs = Condition(type="Theirs", status="True", reason="Other", message="", last_transition_time=NOW)
    waits = the_decision(a_backup()).status
    waits = waits.model_copy(update={"conditions": [theirs, *waits.conditions]})
    assert the_decision(a_backup(status=waits)).announcement is None


def test_a_success_is_told_with_its_size():
    said = the_decision(a_begun_backup(), job=a_job(complete=True), pods=(a_pod(**GOOD),)).announcement
    assert (said.reason, said.message) == ("BackupSucceeded", "backed up 82 MB in 12s")


@pytest.mark.parametrize(
    "job", [a_job(complete=True, ttl_set=True), a_job(failed="DeadlineExceeded", ttl_set=True)], ids=["lost", "denied"]
)
def test_that_a_report_is_looked_for_in_the_bucket_is_a_warning(job):
    pods = () if job.complete else (a_pod(**GOOD),)
    assert the_decision(a_begun_backup(), job=job, pods=pods, pods_listed=True).announcement.warning


@pytest.mark.parametrize(("attempt", "following"), [(None, 2), (1, 2), (2, 3)])
def test_there_are_as_many_jobs_as_are_allowed_and_no_more(attempt, following):
    lost = {"job": a_job(complete=True, ttl_set=True), "pods_listed": True}
    assert the_decision(a_begun_backup(attempt=attempt), **lost).status.attempt == following
    assert the_decision(a_begun_backup(attempt=3), **lost).status.phase is Phase.FAILED


def test_an_event_is_told_in_what_the_api_server_takes_with_its_remedy_whole():
    failure = Failure(reason=Reason.DUMP_FAILED, message="x" * 5000, remedy="mend it")
    said = Announcement.of(failure, "BackupFailed").message
    assert said.startswith("DumpFailed: xxx")
    assert said.endswith("…. What to do: mend it")
    assert len(said.encode()) == EVENT_BYTES
    assert Announcement.of(failure, Reason.DUMP_FAILED).message.startswith("xxx")


# what may be left in the bucket


@pytest.mark.parametrize(
    "changes",
    [{"phase": Phase.RUNNING}, {"pod_wanted": PodWanted(since=ago(5), ran=True)}],
    ids=["it was seen to run", "it is known to have run"],
)
def test_what_a_pod_left_that_nobody_sees_any_more_is_cleaned_up_after(changes):
    backup = a_begun_backup(**changes)
    assert the_decision(backup, job=STRANGER).act == Learn(What.PODS)
    assert the_decision(backup, job=STRANGER, pods_listed=True).status.cleanup.state == "Running"
    never_ran = a_begun_backup(pod_wanted=PodWanted(since=ago(5)))
    assert the_decision(never_ran, job=STRANGER, pods_listed=True).status.cleanup is None


@pytest.mark.parametrize(("attempt", "counts_as"), [(None, 1), (1, 1), (3, 3)])
def test_each_job_of_a_backup_has_a_cleanup_of_its_own_and_one_without_a_number_is_the_first(attempt, counts_as):
    backup = a_begun_backup(phase=Phase.RUNNING, attempt=attempt)
    ended = the_decision(backup, job=STRANGER, pods_listed=True).status
    assert ended.cleanup.job_name == child_name("orders-1", UID, "cleanup", counts_as)


# before the Job


def test_a_former_job_that_has_ended_is_not_ended_again():
    assert the_decision(a_begun_backup(), former_job=a_job(complete=True)).act == Create(BACKUP)
    assert the_decision(a_begun_backup(), former_job=a_job()).act == Delete(a_job())


def test_a_claim_that_is_not_there_is_told_before_what_the_api_server_says_of_the_job():
    backup = a_begun_backup(inline=a_sqlite_policy())
    status = the_decision(backup, claim=ClaimView(None), refusal="a quota").status
    assert "PersistentVolumeClaim app-data does not exist" in status.message


def test_a_status_without_its_beginning_counts_from_the_resources_own():
    refused = the_decision(a_begun_backup(started_at=None), refusal="a quota")
    assert refused.due == NOW + timedelta(seconds=5)
    assert (refused.status.phase, "a quota" in refused.status.message) == (Phase.PENDING, True)
    old = replace(a_begun_backup(started_at=None), created=ago(600))
    assert the_decision(old, refusal="a quota").status.failure.reason == Reason.JOB_REFUSED


def test_a_backup_that_names_no_policy_at_all_waits():
    neither = replace(a_backup(), spec=DatabaseBackupSpec.model_construct())
    assert the_decision(neither, policy=None).status.phase is Phase.PENDING


# reports that make no sense


def test_a_snapshot_has_no_other_image_that_could_fit():
    report = a_failure(Reason.TOOL_TOO_OLD, server_major=15)
    backup = a_begun_backup(resolved=resolve(an_rds_policy(), settings()))
    job = a_job(failed="PodFailurePolicy", failed_pods=1)
    status = the_decision(backup, job=job, pods=(a_pod(exit_code=ExitCode.TOOL, report=report),)).status
    assert (status.phase, status.failure.reason) == (Phase.FAILED, Reason.TOOL_TOO_OLD)


@pytest.mark.parametrize("told", [None, a_success().model_copy(update={"failure": None})], ids=["none", "no failure"])
def test_a_report_that_says_nothing_is_a_failure_with_a_reason(told):
    assert failures.failure_in(told).reason == Reason.REPORT_MISSING


def test_a_runner_that_reports_a_failure_and_ends_well_is_not_believed_to_have_succeeded():
    pods = (a_pod(exit_code=0, report=a_failure()),)
    decision = the_decision(a_begun_backup(), job=a_job(complete=True, ttl_set=True), pods=pods, pods_listed=True)
    assert (decision.status.attempt, decision.announcement.reason) == (2, Reason.REPORT_MISSING)


def test_beside_a_container_that_goes_on_a_killed_runner_is_not_believed_either():
    pods = (a_pod(exit_code=137, report=a_success(), **BESIDE),)
    status = the_decision(a_begun_backup(), job=a_job(), pods=pods).status
    assert status.failure.reason == Reason.CONTAINER_KILLED


def test_a_success_counts_though_its_pod_is_on_its_way_out():
    pods = (a_pod(**GOOD, **BESIDE, deleting=True),)
    assert the_decision(a_begun_backup(), job=a_job(), pods=pods).status.phase is Phase.SUCCEEDED


# a Job that is ended


def being_ended(*pods, age=10, **seen) -> Decision:
    failed = Failure(reason=Reason.DUMP_FAILED, message="m", remedy="r")
    changes = {"phase": Phase.RUNNING, "failure": failed, "ending": Ending(since=ago(age), job_uid="job-1")}
    return the_decision(a_begun_backup(**changes), pods=pods, **seen)


AT_LAST = ago(10) + ending.LONGEST


@pytest.mark.parametrize(
    ("seen", "decision"),
    [
        pytest.param({"job": a_job()}, Do(Delete(a_job()), AT_LAST), id="its Job is there"),
        pytest.param({"job": a_job(deleting=True)}, Rest(AT_LAST), id="its Job goes"),
        pytest.param({}, Do(Learn(What.PODS), AT_LAST), id="its Job is gone"),
    ],
)
def test_the_end_of_a_job_is_waited_for_until_a_moment_that_is_known(seen, decision):
    assert being_ended(**seen) == decision
    assert being_ended(a_pod(phase="Running")) == Rest(AT_LAST)


def test_a_job_that_is_still_there_after_five_minutes_is_told_to_be():
    failure = being_ended(age=300, job=a_job(deleting=True)).status.failure
    assert failure.message == "m; its Job still exists, 300 s after the operator ended the Job: look at its node"


def test_the_success_of_a_pod_whose_job_is_gone_is_taken_and_another_tasks_is_not():
    assert being_ended(a_pod(**GOOD)).status.phase is Phase.SUCCEEDED
    for kind in ("verify", "backup"):
        says_nothing = a_success().model_copy(update={"kind": kind, "backup": None})
        assert being_ended(a_pod(exit_code=0, report=says_nothing), pods_listed=True).status.phase is Phase.FAILED


def test_where_nothing_has_begun_no_pod_is_waited_for():
    assert ending.unended(observed(a_backup(), pods=(a_pod(phase="Running", job="gone"),)), NOW) == ()


def test_a_job_without_limits_may_work_for_as_long_as_the_shortest():
    bare = JobTemplate()
    assert job_end.overdue(a_job(age=0), bare) == NOW + timedelta(seconds=600) + timedelta(minutes=10)
    assert a_policy().job.start_timeout_seconds is None, "so a policy has them from where it is resolved"
