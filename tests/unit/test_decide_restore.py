"""What a restore does, and what it says, where its source, its turn or its Job is not as it should be."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.builders import NOW, a_begun_backup, a_pod, a_policy, ago, settings
from tests.restore_views import (
    FIRST,
    LISTED,
    POLICY,
    PRODUCTION,
    STRANGER,
    TAKEN,
    WORKS,
    a_begun_restore,
    a_fixed_restore,
    a_restore,
    a_success,
    found,
    its_job,
    the_decision,
    with_job,
)

from holdfast.api.backup import Phase as BackupPhase
from holdfast.api.guard import Confirmation, Impact, SafetyBackup, Unattended
from holdfast.api.job import PodWanted
from holdfast.api.release import ReleaseStatus
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import Phase
from holdfast.contract.report import Report, RestoreReport
from holdfast.decide import failures, outcome
from holdfast.decide.decision import Announcement, Do, Learn, Rest, What
from holdfast.decide.restore.observation import Observation, RestoreView
from holdfast.decide.restore.steps import decide, template
from holdfast.decide.views import JobView
from holdfast.errors import Reason

LOOKED = Impact(job_name="j", state="Done", message="the target exists")
LOOK = "look at the target, and read the Job's log if it still exists, before you create another DatabaseRestore"
REFUSAL = "pods is forbidden: exceeded quota: tight"


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


@pytest.mark.parametrize(
    ("there", "phase"),
    [({}, Phase.FAILED), ({"source_policy_there": False}, Phase.PENDING)],
    ids=["there", "not there"],
)
def test_a_policy_is_waited_for_only_where_it_is_not(there: dict[str, Any], phase: Phase):
    of_policy = DatabaseRestoreSpec.model_validate({"source": {"policyRef": {"name": "orders"}}})
    restore = replace(a_restore(), spec=of_policy, created=ago(5))
    assert the_decision(restore, **there).status.phase is phase


# its turn


def test_while_another_is_just_being_begun_its_turn_is_looked_for_again_in_a_second():
    restore = a_fixed_restore()
    assert the_decision(restore, others_begin=True) == Rest(NOW + timedelta(seconds=1))
    assert the_decision(restore).status.job_name is not None


# its confirmation, where it is of production


def a_confirmed_restore(confirmation: Confirmation | None, **changes: Any) -> RestoreView:
    """One into production that somebody has confirmed, and whose target has been looked at."""
    restore = a_fixed_restore(policy=PRODUCTION, impact=LOOKED, confirmation=confirmation, **changes)
    spec = restore.spec.model_copy(update={"confirm": "orders", "unattended": changes.pop("unattended", None)})
    return replace(restore, generation=2, spec=spec)


@pytest.mark.parametrize(
    ("confirmation", "phase"),
    [
        pytest.param(None, Phase.AWAITING_CONFIRMATION, id="none"),
        pytest.param(Confirmation(because="b"), Phase.PENDING, id="that one is missing"),
        pytest.param(
            Confirmation(because="b", confirmed_at=ago(99)), Phase.AWAITING_CONFIRMATION, id="a withdrawn one"
        ),
    ],
)
def test_a_confirmation_counts_from_when_it_was_seen_where_the_status_knows(confirmation: Any, phase: Phase):
    decision = the_decision(a_confirmed_restore(confirmation, phase=phase))
    said = "somebody has confirmed the restore into production"
    because = "the backup says that the target is of production"
    assert decision.status.confirmation == Confirmation(because=because, confirmed_at=NOW)
    assert decision.announcement == Announcement(False, "Confirmed", said)
    assert decision.due == NOW  # it goes on at once


def test_a_confirmation_that_is_written_down_is_not_asked_for_again():
    confirmed = Confirmation(because="b", confirmed_at=ago(99))
    decision = the_decision(a_confirmed_restore(confirmed, phase=Phase.PENDING))
    assert decision.status.confirmation == confirmed
    assert decision.status.safety_backup is not None


def test_a_restore_that_nobody_is_asked_about_warns_of_that_and_says_why():
    restore = a_confirmed_restore(None, phase=Phase.PENDING)
    alone = restore.spec.model_copy(update={"unattended": Unattended(reason="a rehearsal")})
    decision = the_decision(replace(restore, spec=alone))
    said = "nobody is asked to confirm this restore into production: a rehearsal"
    assert decision.announcement == Announcement(True, "Confirmed", said)
    assert decision.status.confirmation.unattended == "a rehearsal"


def test_where_no_resource_says_why_it_is_of_production_it_is_asked_about_all_the_same():
    restore = a_confirmed_restore(None, phase=Phase.PENDING)
    resolved = restore.status.resolved.model_copy(update={"environment_because": None})
    status = restore.status.model_copy(update={"resolved": resolved})
    decision = the_decision(replace(restore, status=status))
    assert decision.status.confirmation.because == "the target is a production database"


def test_a_safety_backup_that_is_taken_is_not_asked_how_it_is_stored():
    folder = {"bucket": {"s3": {"bucket": "backups"}, "folder": "eu-1/shop/orders/backup-1"}}
    restore = a_confirmed_restore(Confirmation(because="b", confirmed_at=ago(99)), phase=Phase.PENDING)
    resolved = restore.status.resolved.model_copy(update={"identity_secret": "mine"})
    source = restore.spec.source.model_validate(folder)
    told = {"resolved": resolved, "safety_backup": SafetyBackup(name="saved", completed_at=ago(9), message="done")}
    encrypted = replace(
        restore,
        spec=restore.spec.model_copy(update={"source": source}),
        status=restore.status.model_copy(update=told),
    )
    assert the_decision(encrypted).status.job_name is not None


# its Job


def test_what_is_fixed_is_looked_at_again_at_once():
    backup = a_begun_backup(inline=POLICY, phase=BackupPhase.SUCCEEDED)
    decision = the_decision(a_restore(), candidates=(FIRST,), found=found(backup.status))
    assert (decision.due, decision.announcement) == (NOW, None)


def test_going_back_to_before_a_release_is_told_and_is_no_warning():
    release = ReleaseStatus(job_name="migrate-7", job_uid="j", images=["shop:2"], revision="7")
    backup = a_begun_backup(inline=POLICY, phase=BackupPhase.SUCCEEDED, release=release)
    decision = the_decision(a_restore(), candidates=(FIRST,), found=found(backup.status))
    said = (
        "restores DatabaseBackup first into orders on orders-db:5432; then the database is as it was before release 7 "
        "(Job migrate-7)"
    )
    assert decision.announcement == Announcement(False, "RollsBack", said)


@pytest.mark.parametrize(("mode", "limit"), [("Refuse", 0), ("Into", 0), ("Replace", 3)])
def test_a_second_pod_is_made_only_where_it_can_tell_what_the_first_has_done(mode: str, limit: int):
    job = {"backoffLimit": 3}
    restore = a_fixed_restore(policy=a_policy(environment="staging", job=job), mode=mode)
    assert template(Observation(restore)).backoff_limit == limit


def test_an_image_that_the_chart_has_no_more_fails_it_before_its_job_is_made():
    decision = decide(Observation(a_begun_restore(job_uid=None)), settings(images={}), NOW)
    assert (decision.status.phase, decision.status.failure.reason) == (Phase.FAILED, Reason.IMAGE_NOT_SET)


@pytest.mark.parametrize("started", [ago(30), None], ids=["from its start", "from its creation where no start is told"])
def test_a_job_that_cannot_be_made_is_waited_for_until_its_start_is_too_late(started: datetime | None):
    restore = a_begun_restore(job_uid=None, started_at=started)
    since = started or restore.created
    last = since + timedelta(seconds=599)
    waits = with_job(restore, None, refusal=REFUSAL, now=last)
    assert (waits.status.phase, waits.status.message) == (Phase.PENDING, failures.job_refused(REFUSAL).message)
    assert waits.announcement.reason == failures.job_refused(REFUSAL).reason
    late = with_job(restore, None, refusal=REFUSAL, now=last + timedelta(seconds=1))
    assert late.status.phase is Phase.FAILED


def test_a_pod_that_is_refused_is_told_with_what_to_do():
    refusal = outcome.trouble_starting((), REFUSAL)
    waits = with_job(a_begun_restore(), its_job(age=20), refusal=REFUSAL, refused_at=ago(10))
    assert waits.status.message == f"{refusal.message}; {refusal.remedy}"
    assert waits.status.pod_wanted == PodWanted(since=ago(20), refused=True)


def test_a_pod_that_starts_is_no_news_and_since_when_it_was_wanted_is_kept():
    refused = PodWanted(since=ago(20), refused=True)
    restore = a_begun_restore()
    waited = with_job(restore, its_job(), refusal=REFUSAL, refused_at=ago(10)).status
    starts = with_job(replace(restore, status=waited.model_copy(update={"pod_wanted": refused})), its_job())
    assert (starts.announcement, starts.status.pod_wanted) == (None, refused)
    assert starts.status.message == "the Job's Pod is starting"


def test_a_running_job_is_looked_at_again_when_it_should_long_be_over():
    job = its_job()
    assert with_job(a_begun_restore(), job, a_pod(phase="Running")).due == job.created + WORKS


def test_a_restore_whose_pod_ran_does_not_wait_for_its_start_again():
    ran = a_begun_restore(mode="Replace", phase=Phase.RUNNING)
    replaced = with_job(ran, its_job(failed_pods=1))
    assert (replaced.status.phase, replaced.status.pod_wanted.ran) == (Phase.RUNNING, True)
    starting = with_job(a_begun_restore(mode="Replace"), its_job())
    assert starting.status.phase is Phase.PENDING


def test_a_job_that_is_gone_is_asked_after_by_its_pods_before_it_is_given_up():
    restore = a_begun_restore(phase=Phase.RUNNING)
    assert with_job(restore, None) == Do(Learn(What.PODS))
    assert with_job(restore, None, asked=LISTED).status.failure.reason == Reason.RESTORE_UNKNOWN


@pytest.mark.parametrize(
    ("job", "phase", "done"),
    [
        pytest.param(None, "Succeeded", True, id="its Job is gone"),
        pytest.param(its_job(), "Succeeded", True, id="its Job has not said so"),
        pytest.param(its_job(), "Running", False, id="a container beside the runner goes on"),
    ],
)
def test_a_success_of_its_pod_is_believed_where(job: JobView | None, phase: str, done: bool):
    restore = a_begun_restore(phase=Phase.RUNNING)
    pod = a_pod(phase=phase, exit_code=0, report=a_success(restore))
    decision = with_job(restore, job, pod, asked=LISTED)
    assert (decision.status.phase is Phase.SUCCEEDED) == done


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


# when it has ended


def an_ended_restore() -> RestoreView:
    return a_begun_restore(phase=Phase.SUCCEEDED, observed_generation=1)


TTL = 86_400


@pytest.mark.parametrize(
    ("job", "pods", "now", "act"),
    [
        pytest.param(
            its_job(complete=True), (a_pod(exit_code=0),), NOW, "Expire", id="its Job has finished: it may go"
        ),
        pytest.param(its_job(), (a_pod(exit_code=0),), NOW, None, id="its Job is about to end by itself"),
        pytest.param(its_job(), (), NOW, "Delete", id="its Job has no Pod: it is ended"),
        pytest.param(its_job(), (a_pod(phase="Running"),), NOW, "Delete", id="its Pod runs on: it is ended"),
        pytest.param(its_job(), (a_pod(exit_code=0),), NOW + WORKS, "Delete", id="its Job should long be over"),
    ],
)
def test_when_it_has_ended_and(job: JobView, pods: Any, now: datetime, act: str | None):
    decision = with_job(an_ended_restore(), job, *pods, now=now)
    assert (type(decision.act).__name__ if isinstance(decision, Do) else None) == act


# its report


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


@pytest.mark.parametrize(
    ("started", "believed"),
    [
        pytest.param(ago(30), False, id="by more than clocks may differ"),
        pytest.param(None, True, id="counted from its creation where no start is told"),
    ],
)
def test_a_success_from_before_it_began_is_not_believed(started: datetime | None, believed: bool):
    restore = a_begun_restore(phase=Phase.RUNNING, started_at=started)  # it was created 60 s ago
    report = a_success(restore).model_copy(update={"completed_at": ago(345)})
    status = with_job(restore, its_job(complete=True), a_pod(exit_code=0, report=report)).status
    assert (status.phase is Phase.SUCCEEDED) == believed


def test_a_success_is_told_in_the_words_of_the_status_and_warns_where_the_runner_does():
    restore = a_begun_restore(phase=Phase.RUNNING)
    for warnings in ([], ["a view is gone"]):
        report = a_success(restore).model_copy(update={"warnings": warnings})
        decision = with_job(restore, its_job(complete=True), a_pod(exit_code=0, report=report))
        assert decision.announcement == Announcement(bool(warnings), "RestoreSucceeded", decision.status.message)
        assert decision.announcement.message.startswith("restored backup-20261122-084430 into orders on orders-db:5432")
