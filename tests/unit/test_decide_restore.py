"""What a restore does, and what it says, where its source, its turn or its Job is not as it should be."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.builders import (
    NOW,
    UID,
    a_begun_backup,
    a_failure,
    a_job,
    a_pod,
    a_policy,
    a_sqlite_policy,
    ago,
    settings,
)

from holdfast.api.backup import DatabaseBackupStatus, Ending, Failure
from holdfast.api.backup import Phase as BackupPhase
from holdfast.api.job import PodWanted
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import DatabaseRestoreStatus, Phase, Replaced
from holdfast.contract.report import Report, RestoreReport
from holdfast.decide import failures, job_end, job_life
from holdfast.decide.decision import Create, Delete, Do, Learn, Rest, What, Write
from holdfast.decide.restore.observation import (
    CHECK,
    REMOVAL,
    RESTORE,
    Candidate,
    Found,
    Observation,
    RestoreView,
)
from holdfast.decide.restore.steps import decide
from holdfast.decide.seen import Asked, Seen
from holdfast.decide.views import ClaimView, JobView, PodView
from holdfast.errors import Reason
from holdfast.sentences import explain

WORKS = timedelta(seconds=600 + 21_600) + job_end.OVERDUE  # from a Job's beginning
POLICY = a_policy(environment="staging")
FIRST = Candidate("first", True, True, False, False, ago(3600), "backup-20261122-084430")
LOOK = "look at the target, and read the Job's log if it still exists, before you create another DatabaseRestore"
REFUSAL = "pods is forbidden: exceeded quota: tight"


def the_decision(restore: RestoreView, now: datetime = NOW, **seen: Any) -> Any:
    return decide(Observation(restore, **seen), settings(), now)


def a_restore(status: DatabaseRestoreStatus | None = None, *, mode: str = "Replace") -> RestoreView:
    spec = DatabaseRestoreSpec.model_validate({"source": {"backupRef": {"name": "first"}}, "mode": mode})
    return RestoreView("shop", "again", UID, 1, ago(60), False, spec, status or DatabaseRestoreStatus())


def found(status: DatabaseBackupStatus | None = None, **changes: Any) -> Found:
    return replace(Found("backup-1", ago(3600), status), **changes)


def a_fixed_restore(*, policy: Any = POLICY, mode: str = "Replace", **changes: Any) -> RestoreView:
    """One that is fixed, as the decision itself fixes it."""
    restore, backup = a_restore(mode=mode), a_begun_backup(inline=policy, phase=BackupPhase.SUCCEEDED)
    written = the_decision(restore, ago(40), candidates=(FIRST,), found=found(backup.status))
    return replace(restore, status=written.status.model_copy(update=changes))


def a_begun_restore(*, policy: Any = POLICY, mode: str = "Replace", **changes: Any) -> RestoreView:
    """One whose turn has come, 30 s ago, and whose Job was seen."""
    restore = a_fixed_restore(policy=policy, mode=mode)
    status = the_decision(restore, ago(30)).status
    return replace(restore, status=status.model_copy(update={"job_uid": "job-1", **changes}))


def with_job(restore: RestoreView, job: JobView | None, *pods: PodView, role: str = RESTORE, **seen: Any) -> Any:
    """What is decided when its Job is seen like this."""
    told = {key: seen.pop(key) for key in ("refusal", "refused_at") if key in seen}
    return the_decision(restore, works={role: Seen("its-job", job, pods, **told)}, **seen)


def its_job(**changes: Any) -> JobView:
    return a_job(kind="DatabaseRestore", **changes)


LISTED = Asked(pods=True)
STRANGER = a_job(owner="somebody-else", name="again-restore-x")
TAKEN = failures.job_name_taken(STRANGER.name)


# its source


def test_one_that_is_being_deleted_begins_nothing():
    assert the_decision(replace(a_restore(), deleting=True), candidates=(FIRST,)) == Rest()
    assert the_decision(replace(a_fixed_restore(), deleting=True)) == Rest()


def test_a_backup_that_is_being_deleted_is_not_restored():
    status = the_decision(a_restore(), candidates=(replace(FIRST, deleting=True),)).status
    assert (status.phase, status.failure.reason) == (Phase.FAILED, Reason.SOURCE_NOT_GOOD)
    assert status.failure.message == "DatabaseBackup first is being deleted"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({}, "DatabaseBackup first is gone", id="gone"),
        pytest.param({"wrong": "its status is odd"}, "its status is odd", id="unreadable"),
    ],
)
def test_a_backup_that_cannot_be_read_any_more_when_it_is_asked_for_fails_the_restore(wrong: Any, said: str):
    status = the_decision(a_restore(), candidates=(FIRST,), found=found(**wrong)).status
    assert (status.phase, status.failure.reason) == (Phase.FAILED, Reason.SOURCE_NOT_GOOD)
    assert status.failure.message == said
    assert status.resolved is None


# its turn


def test_while_another_is_just_being_begun_its_turn_is_looked_for_again_in_a_second():
    restore = a_fixed_restore()
    assert the_decision(restore, others_begin=True) == Rest(NOW + timedelta(seconds=1))
    assert the_decision(restore).status.job_name is not None


# its Job


@pytest.mark.parametrize("mode", ["Refuse", "Replace"])
def test_a_job_of_somebody_else_by_its_name_fails_it(mode: str):
    status = with_job(a_begun_restore(mode=mode, job_uid=None), STRANGER).status
    assert (status.phase, status.failure.reason) == (Phase.FAILED, Reason.JOB_NAME_TAKEN)
    assert status.failure.message == TAKEN.message
    assert status.failure.remedy.endswith(
        "find out who created that Job, delete it, then create another DatabaseRestore"
    )


@pytest.mark.parametrize(
    ("job", "pod", "why"),
    [
        pytest.param(its_job(complete=True), (), "its report is gone", id="its Pod is gone"),
        pytest.param(
            its_job(failed="PodFailurePolicy"),
            (a_pod(exit_code=0, report=Report(kind="restore", outcome="Succeeded", started_at=ago(5), completed_at=NOW,
                                              duration_seconds=5, restore=RestoreReport())),),
            "the Job failed although its Pod reports a success", id="they contradict each other",
        ),
    ],
)  # fmt: skip
def test_a_job_that_ended_and_whose_end_is_not_known_is_not_begun_again(job: JobView, pod: Any, why: str):
    status = with_job(a_begun_restore(mode="Refuse", phase=Phase.RUNNING), job, *pod, asked=LISTED).status
    assert (status.phase, status.failure.reason) == (Phase.FAILED, Reason.RESTORE_UNKNOWN)
    assert status.failure.message == f"Holdfast does not know how the restore ended: {why}"
    assert status.failure.remedy.endswith(LOOK)


def test_while_its_job_is_being_deleted_it_rests_until_that_should_long_be_over():
    job = its_job(deleting=True)
    assert with_job(a_begun_restore(), job, a_pod(phase="Running")) == Rest(job.created + WORKS)


# the end of one that has failed

LOST = Failure(reason=Reason.START_TIMEOUT, message="the Job's Pod did not start", remedy="wait")
UNTIL = ago(10) + timedelta(seconds=300)


def a_failing_restore(seconds: float = 10) -> RestoreView:
    return a_begun_restore(failure=LOST, ending=Ending(since=ago(seconds), job_uid="job-1"))


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


# its report


def a_success(restore: RestoreView, kind: str = "restore", **result: Any) -> Report:
    known = {"backup_id": restore.status.source.backup_id, "replaced": restore.status.resolved.old}
    told = RestoreReport(**{**known, **result})
    return Report(
        kind=kind, outcome="Succeeded", started_at=ago(5), completed_at=NOW, duration_seconds=5, restore=told
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        pytest.param({}, None, id="of what was asked for"),
        pytest.param({"kind": "swap-back"}, "it is about another task, swap-back", id="of another task"),
        pytest.param({"replaced": "payroll"}, "it gives the replaced database another name, payroll",
                     id="of another replaced database"),
        pytest.param({"replaced": None}, None, id="of none that was replaced"),
    ],
)  # fmt: skip
def test_a_success_is_believed_where_it_is_of_the_very_task_and_name(told: dict[str, Any], wrong: str | None):
    restore = a_begun_restore(phase=Phase.RUNNING)
    pod = a_pod(exit_code=0, report=a_success(restore, **told))
    status = with_job(restore, its_job(complete=True), pod).status
    assert status.phase == (Phase.FAILED if wrong else Phase.SUCCEEDED)
    assert status.failure is None or status.failure.message == f"the Job's report is not plausible: {wrong}"


# the removal of what it replaced


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
