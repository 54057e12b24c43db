"""The end of a restore that has failed: its Job is ended first, and what its Pod has told meanwhile counts."""

from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, a_pod, ago
from tests.restore_views import LISTED, LOST, a_begun_restore, a_failing_restore, a_success, its_job, with_job

from holdfast.api.backup import Ending
from holdfast.api.restore_status import Phase
from holdfast.decide.decision import Delete, Do, Learn, Rest, What
from holdfast.decide.restore import ending
from holdfast.decide.restore.observation import RESTORE, Observation
from holdfast.decide.seen import Seen
from holdfast.errors import Reason

UNTIL = ago(10) + timedelta(seconds=300)


def test_the_job_of_a_restore_that_has_failed_is_deleted_once():
    job, going = its_job(), its_job(deleting=True)
    assert with_job(a_failing_restore(), job) == Do(Delete(job), UNTIL)
    assert with_job(a_failing_restore(), going) == Rest(UNTIL)


def test_it_is_failed_when_its_deleted_job_is_gone_and_the_pods_were_asked_for():
    assert with_job(a_failing_restore(), None, a_pod(phase="Running")) == Rest(UNTIL)
    assert with_job(a_failing_restore(), None) == Do(Learn(What.PODS), UNTIL)
    status = with_job(a_failing_restore(), None, asked=LISTED).status
    assert (status.phase, status.failure.message) == (Phase.FAILED, LOST.message)


def test_a_job_that_does_not_end_is_waited_for_five_minutes_and_then_it_is_said():
    job, pod = its_job(deleting=True), a_pod(phase="Running")
    assert with_job(a_failing_restore(299), job, pod) == Rest(NOW + timedelta(seconds=1))

    decision = with_job(a_failing_restore(300), job, pod)

    said = "the Job's Pod did not start; its Job may still run, 300 s after the operator ended it"
    assert (decision.status.phase, decision.status.failure.reason) == (Phase.FAILED, Reason.START_TIMEOUT)
    assert decision.status.failure.message == said
    assert said in decision.announcement.message


def test_what_fails_before_a_pod_is_there_ends_its_job_first():
    restore = a_begun_restore(job_uid=None)
    o = Observation(restore, works={RESTORE: Seen("its-job", its_job(uid="job-9"))})
    decision = ending.fail(o, LOST, None, NOW)
    assert (decision.status.phase, decision.status.ending) == (Phase.PENDING, Ending(since=NOW, job_uid="job-9"))


def test_what_fails_when_its_job_has_finished_is_failed_at_once():
    o = Observation(a_begun_restore(), works={RESTORE: Seen("its-job", its_job(complete=True))})
    assert ending.fail(o, LOST, None, NOW).status.phase is Phase.FAILED


def test_a_job_that_finished_by_itself_is_not_deleted():
    decision = with_job(a_failing_restore(), its_job(failed="BackoffLimitExceeded"), asked=LISTED)
    assert decision.status.phase is Phase.FAILED


def test_the_pods_of_a_job_are_its_own_also_before_the_status_names_it():
    other, own = a_pod(uid="p-1"), a_pod(uid="p-2", job="job-9")
    works = {RESTORE: Seen("its-job", its_job(uid="job-9"), (other, own))}
    assert ending.own_pods(Observation(a_begun_restore(job_uid=None), works=works)) == (own,)


@pytest.mark.parametrize(
    ("told", "failed"),
    [
        pytest.param({}, None, id="a success is what it is"),
        pytest.param({"kind": "swap-back"}, LOST.message, id="a success of another task is none"),
    ],
)
def test_of_a_pod_that_was_faster_than_the_end_of_its_job(told: dict[str, Any], failed: str | None):
    restore = a_failing_restore()
    pod = a_pod(exit_code=0, report=a_success(restore, **told))
    failure = with_job(restore, None, pod, asked=LISTED).status.failure
    assert (failure and failure.message) == failed


def test_a_report_without_a_word_of_the_restore_ends_nothing_well():
    restore = a_failing_restore()
    pod = a_pod(exit_code=0, report=a_success(restore).model_copy(update={"restore": None}))
    assert with_job(restore, None, pod, asked=LISTED).status.failure.message == LOST.message
