"""The cleanup after a backup: followed to its end, its word taken only where it is a cleanup's, and tidied away."""

from datetime import timedelta

import pytest
from tests.builders import NOW, a_backup, a_begun_backup, a_failure, a_job, a_pod, a_success, observed, settings

from holdfast.api.backup import Cleanup, Phase
from holdfast.api.job import LOG_SECONDS
from holdfast.decide import failures, job_end
from holdfast.decide.backup import attempts
from holdfast.decide.backup.observation import BACKUP
from holdfast.decide.backup.steps import decide
from holdfast.decide.decision import Create, Decision, Delete, Expire, Rest
from holdfast.errors import Reason

CLEANED = a_success().model_copy(update={"kind": "cleanup", "backup": None, "message": "removed 1 upload"})
FAILED = a_failure(Reason.STORAGE_UNAVAILABLE).model_copy(update={"kind": "cleanup"})
BESIDE = {"phase": "Running"}  # a container beside the runner goes on


def a_cleaned_backup(state="Running"):
    failed = a_begun_backup(phase=Phase.FAILED).status
    return a_backup(status=failed.model_copy(update={"cleanup": Cleanup(job_name="c", state=state, message="")}))


def cleaning(job, *pods, state="Running", listed=True) -> Decision:
    o = observed(a_cleaned_backup(state), cleanup_job=job, cleanup_pods=pods, pods_listed=listed)
    return decide(o, settings(), NOW)


@pytest.mark.parametrize(
    ("job", "act"),
    [
        pytest.param(None, None, id="its Job has expired"),
        pytest.param(a_job(complete=True, ttl_set=True), None, id="its Job will expire"),
        pytest.param(a_job(complete=True), Expire, id="its Job may expire now"),
        pytest.param(a_job(), Delete, id="its Job goes on after its runner's end"),
        pytest.param(a_job(deleting=True), None, id="its Job is being deleted"),
        pytest.param(a_job(owner="s", complete=True), None, id="a stranger's Job of that name"),
    ],
)
@pytest.mark.parametrize("state", ["Done", "Failed"])
def test_what_is_done_is_tidied_away_and_not_done_again(job, act, state):
    decision = cleaning(job, state=state)
    assert (decision.status, decision.due) == (None, None)
    assert type(decision.act) is (act or type(None))
    assert act is not Expire or decision.act.seconds == LOG_SECONDS


def test_one_that_runs_is_waited_for_no_longer_than_it_may_work():
    job = a_job(age=20)
    assert cleaning(job, a_pod(phase="Running")).due == job.created + timedelta(seconds=22_200 + 600)
    late = cleaning(a_job(age=22_800, name="c"), a_pod(phase="Running"))
    assert late.status.cleanup.state == "Failed"
    assert "the deadline of Job c passed long ago" in late.status.cleanup.message


def test_what_keeps_it_from_starting_is_said_with_what_to_do_however_long_it_is():
    pod = a_pod(unschedulable="x" * 3000)
    decision = cleaning(a_job(), pod)
    assert decision.due == pod.created + timedelta(seconds=600)
    todo = ". What to do: compare job.resources, job.nodeSelector and job.tolerations with the nodes"
    assert decision.status.cleanup.message.endswith(todo)


def test_a_job_that_is_there_is_followed_though_the_chart_has_no_image_for_another_one():
    o = observed(
        a_cleaned_backup(), cleanup_job=a_job(complete=True), cleanup_pods=(a_pod(exit_code=0, report=CLEANED),)
    )
    assert decide(o, settings(images={}), NOW).status.cleanup.state == "Done"


def test_a_container_beside_it_has_a_minute_to_end_too():
    ended = cleaning(a_job(), a_pod(exit_code=0, report=CLEANED, **BESIDE, ended=10))
    assert ended == Rest(NOW + job_end.SIDECAR_GRACE - timedelta(seconds=10))


@pytest.mark.parametrize(
    ("job", "pod", "says"),
    [
        pytest.param({"complete": True}, {"job": "another"}, "is missing, or does not fit", id="its report is lost"),
        pytest.param({"failed": "DeadlineExceeded"}, {"exit_code": 0, "report": CLEANED}, (
            "is missing, or does not fit"
        ),
                     id="its Job says otherwise"),
        pytest.param({"complete": True}, {"exit_code": 0, "report": a_success()}, Reason.REPORT_MISSING,
                     id="a report of another task"),
        pytest.param({"failed": "PodFailurePolicy"}, {"exit_code": 6, "report": a_failure(Reason.STORAGE_UNAVAILABLE)},
                     "refused. What to do: mend it", id="it failed"),
        pytest.param({"failed": "PodFailurePolicy"}, {"exit_code": 6, "report": FAILED}, "What to do: mend it",
                     id="it says that it failed"),
        pytest.param({"failed": "BackoffLimitExceeded"}, {"exit_code": 137, "end_reason": "OOMKilled"},
                     ". What to do: raise job.resources", id="it was killed"),
        pytest.param({"failed": "PodFailurePolicy"}, {"exit_code": 6, "report": a_failure().model_copy(
                     update={"kind": "cleanup"})}, "refused. What to do: mend it", id="it says so of itself"),
    ],
)  # fmt: skip
def test_one_that_did_not_end_well_says_so(job, pod, says):
    decision = cleaning(a_job(**job), a_pod(**pod))
    assert decision.status.cleanup.state == "Failed"
    assert decision.status.phase is Phase.FAILED
    assert (decision.announcement.warning, decision.announcement.reason) == (True, "CleanupFailed")
    said = "neither a result nor a failure" if says == Reason.REPORT_MISSING else says
    assert said in decision.announcement.message
    assert decision.status.cleanup.message == decision.announcement.message


@pytest.mark.parametrize(("kind", "message"), [("cleanup", "removed 1 upload"), ("rds-cleanup", None)])
def test_one_that_ended_well_says_what_it_did(kind, message):
    report = CLEANED.model_copy(update={"kind": kind, "message": message})
    decision = cleaning(a_job(complete=True), a_pod(exit_code=0, report=report), listed=False)
    assert (decision.status.cleanup.state, decision.status.cleanup.job_name) == ("Done", "c")
    assert decision.status.cleanup.message == (message or "")
    said = decision.announcement
    assert (said.warning, said.reason, said.message) == (False, "CleanedUp", message or "")


FOUND = CLEANED.model_copy(update={"backup_there": True})
A_PART = {"failure": failures.report_lost(1), "completed_at": NOW, "duration": "3s", "duration_seconds": 3.0}


def a_failed_one(phase=Phase.FAILED, **changes):
    status = a_begun_backup(phase=phase).status
    cleanup = Cleanup(job_name="c", state="Running", message="")
    return a_backup(status=status.model_copy(update={**A_PART, "cleanup": cleanup, **changes}))


def test_a_backup_that_is_there_after_all_is_looked_for_by_another_job():
    pods = (a_pod(exit_code=0, report=FOUND),)
    first = observed(a_failed_one(), cleanup_job=a_job(complete=True, name="c"), cleanup_pods=pods)
    assert isinstance(decide(first, settings(), NOW).act, Expire), "its Job is not in the status any more then"

    let_go = observed(a_failed_one(), cleanup_job=a_job(complete=True, ttl_set=True, name="c"), cleanup_pods=pods)
    told = decide(let_go, settings(), NOW)
    status = told.status
    assert (status.phase, status.attempt) == (Phase.PENDING, 2)
    assert status.job_name != a_failed_one().status.job_name
    assert [status.failure, status.completed_at, status.duration, status.duration_seconds, status.cleanup] == [None] * 5
    assert (told.announcement.warning, told.announcement.reason) == (True, "BackupFound")
    assert "the backup is in the bucket, although no Pod reported it" in status.message

    made = decide(observed(a_backup(status=status)), settings(), NOW)
    assert made.act == Create(BACKUP)


@pytest.mark.parametrize(
    "failed",
    [
        pytest.param(a_failed_one(attempt=attempts.MOST), id="enough Jobs have looked"),
        pytest.param(a_failed_one(Phase.SUCCEEDED, failure=None), id="it is known to be good"),
    ],
)
def test_nobody_looks_again_where(failed):
    o = observed(failed, cleanup_job=a_job(complete=True), cleanup_pods=(a_pod(exit_code=0, report=FOUND),))
    decision = decide(o, settings(), NOW)
    assert (decision.status.phase, decision.status.cleanup.state) == (failed.status.phase, "Done")


def test_each_job_of_a_backup_has_a_cleanup_of_its_own():
    pods = (a_pod(exit_code=137, end_reason="OOMKilled"),)
    ended = {"job": a_job(failed="BackoffLimitExceeded"), "pods": pods, "pods_listed": True}
    names = {
        decide(observed(a_begun_backup(attempt=number), **ended), settings(), NOW).status.cleanup.job_name
        for number in (1, 2, 3)
    }
    assert len(names) == 3


def test_it_waits_for_the_last_pod_of_the_backup_and_looks_again_when_that_one_can_work_no_more():
    pod = a_pod(phase="Running")
    o = observed(a_cleaned_backup(), job=a_job(deleting=True), pods=(pod,))
    decision = decide(o, settings(), NOW)
    assert decision.act is None
    assert decision.due == pod.created + timedelta(seconds=22_200 + 600)
    assert f"waiting: Pod {pod.name} of the backup has not ended" in decision.status.cleanup.message
    again = decide(observed(a_backup(status=decision.status), job=o.job, pods=(pod,)), settings(), NOW)
    assert again.due == decision.due
