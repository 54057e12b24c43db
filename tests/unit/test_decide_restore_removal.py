"""The removal of what a restore replaced, and the look at its target, as the restore itself takes them."""

from dataclasses import replace
from typing import Any

import pytest
from tests.builders import NOW, a_failure, a_pod, a_policy, a_sqlite_policy, ago
from tests.restore_views import (
    LISTED,
    POLICY,
    STRANGER,
    TAKEN,
    WORKS,
    a_begun_restore,
    a_fixed_restore,
    its_job,
    the_decision,
    with_job,
)

from holdfast.api.job import PodWanted
from holdfast.api.restore_status import Phase, Replaced
from holdfast.contract.report import Report
from holdfast.decide import failures, job_life
from holdfast.decide.decision import Create, Do, Learn, Rest, What, Write
from holdfast.decide.restore.observation import CHECK, REMOVAL, RestoreView
from holdfast.decide.views import ClaimView, JobView, PodView
from holdfast.sentences import explain

REFUSAL = "pods is forbidden: exceeded quota: tight"


def a_removing_restore(policy: Any = POLICY) -> RestoreView:
    """One that has succeeded, and whose replaced database is to go by now, as the decision itself says."""
    begun = a_begun_restore(policy=policy)
    replaced = Replaced(name=begun.status.resolved.old, until=ago(20))
    over = replace(begun, status=begun.status.model_copy(update={"phase": Phase.SUCCEEDED, "replaced": replaced}))
    return replace(over, status=the_decision(over, ago(20)).status)


def removal(job: JobView | None, *pods: PodView, **seen: Any) -> Any:
    return with_job(a_removing_restore(), job, *pods, role=REMOVAL, **seen)


def a_drop(**changes: Any) -> Report:
    told = {"kind": "drop", "outcome": "Succeeded", "started_at": ago(5), "completed_at": NOW, "duration_seconds": 5}
    return Report(**{**told, **changes})


def test_a_file_s_claim_is_looked_at_before_the_job_that_removes_the_old_one_is_made():
    restore = a_removing_restore(a_sqlite_policy(environment="staging"))
    assert with_job(restore, None, role=REMOVAL) == Do(Learn(What.CLAIM))
    assert with_job(restore, None, role=REMOVAL, claim=ClaimView(("ReadWriteOnce",))).act == Create(REMOVAL)
    assert with_job(restore, its_job(), role=REMOVAL).act is None  # it is made
    assert removal(None).act == Create(REMOVAL)  # a server's database lies on no claim


FAILED = a_failure(message="refused").failure.model_copy(update={"remedy": "wait, then create another backup"})
BY_HAND = "remove it by hand"


@pytest.mark.parametrize(
    ("job", "pods", "said"),
    [
        pytest.param(STRANGER, (), f"{TAKEN.message}. What to do: find out who created that Job, delete it, "
                     f"then {BY_HAND}", id="its Job's name is taken"),
        pytest.param(its_job(complete=True), (), "the Job's report is missing, or does not fit it",
                     id="it left no report"),
        pytest.param(its_job(failed="PodFailurePolicy"), (a_pod(exit_code=0, report=a_drop()),),
                     "the Job's report is missing, or does not fit it", id="its Job contradicts it"),
        pytest.param(its_job(failed="PodFailurePolicy"),
                     (a_pod(exit_code=3, report=a_drop(outcome="Failed", failure=FAILED)),),
                     f"refused. What to do: wait, then {BY_HAND}", id="its report says why"),
        pytest.param(its_job(failed="BackoffLimitExceeded"), (a_pod(exit_code=137),),
                     "the container was killed (SIGKILL) before it could report, and the node does not say why. "
                     "What to do: raise job.resources.limits.memory, since memory is the most frequent cause, "
                     f"then {BY_HAND}; if that does not help, read the node's log", id="it was killed"),
        pytest.param(its_job(complete=True), (a_pod(exit_code=0, report=a_drop(kind="restore")),),
                     explain(failures.failure_in(None)), id="its report is about another task"),
    ],
)  # fmt: skip
def test_a_removal_that_did_not_come_to_a_good_end_says_why_and_stays_failed(job: JobView, pods: Any, said: str):
    decision = removal(job, *pods, asked=LISTED)
    assert (decision.status.removal.state, decision.status.removal.message) == ("Failed", said)
    assert decision.status.phase is Phase.SUCCEEDED  # the restore itself has
    assert (decision.announcement.warning, decision.announcement.reason) == (True, "RemovalFailed")
    assert decision.announcement.message == said


def test_a_removal_is_done_where_its_own_report_says_so():
    pod = a_pod(exit_code=0, report=a_drop(message="removed: old"))
    decision = removal(its_job(complete=True), pod)
    assert (decision.status.removal.state, decision.status.removal.message) == ("Done", "removed: old")
    assert (decision.announcement.warning, decision.announcement.reason) == (False, "ReplacedRemoved")


def test_a_removal_that_cannot_be_begun_waits_and_says_for_what():
    decision = removal(None, refusal=REFUSAL)
    assert isinstance(decision, Write)
    assert decision.status.removal.state == "Running"
    assert decision.status.removal.message == explain(failures.job_refused(REFUSAL))
    assert decision.status.pod_wanted == PodWanted(since=NOW)
    assert decision.due == NOW + job_life.LOOK_AGAIN


def test_a_removal_whose_job_is_being_deleted_rests_until_that_should_long_be_over():
    job = its_job(deleting=True)
    assert removal(job, a_pod(phase="Running")) == Rest(job.created + WORKS)


@pytest.mark.parametrize(
    ("job", "pods", "said"),
    [
        pytest.param(STRANGER, (), TAKEN.message, id="its Job's name is taken"),
        pytest.param(its_job(failed="PodFailurePolicy"),
                     (a_pod(exit_code=3, report=a_drop(kind="restore-check", outcome="Failed", failure=FAILED)),),
                     "refused. What to do: wait", id="its report says why"),
    ],
)  # fmt: skip
def test_a_look_at_the_target_that_failed_says_what_to_do_in_the_words_of_a_restore(job: JobView, pods: Any, said: str):
    production = a_policy(environment="production")
    looks = replace(a_fixed_restore(policy=production))
    looks = replace(looks, status=the_decision(looks).status)
    decision = with_job(looks, job, *pods, role=CHECK, asked=LISTED)
    told = decision.status.impact
    assert (told.state, said in told.message) == ("Failed", True)
    assert told.message.endswith("create another DatabaseRestore")
