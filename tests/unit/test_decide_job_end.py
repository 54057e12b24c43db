"""Whose word is taken for a Job's end, and when: of its own Pods, of the runner alone, and where the Job agrees."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.builders import (
    BACKUP_REF,
    NOW,
    UID,
    a_backup,
    a_begun_backup,
    a_failure,
    a_job,
    a_pod,
    a_success,
    ago,
    an_rds_policy,
    observed,
    settings,
)
from tests.unit.test_decide_backup import IMAGES

from holdfast import naming
from holdfast.api.backup import Cleanup, Ending, Phase
from holdfast.api.job import PodWanted
from holdfast.contract.snapshot import Snapshot
from holdfast.decide import job_end, ownership
from holdfast.decide.backup import attempts, ending
from holdfast.decide.backup.observation import BACKUP, CLEANUP, Observation
from holdfast.decide.backup.steps import decide
from holdfast.decide.containers import InitContainer
from holdfast.decide.decision import Create, Decision, Delete, Learn, What
from holdfast.decide.resolve import resolve
from holdfast.decide.seen import Asked
from holdfast.decide.views import job_view, pod_view
from holdfast.errors import ExitCode, Reason

GOOD = {"exit_code": 0, "report": a_success()}
STRANGER = "job-of-somebody"


def the_decision(o: Observation, **config: object) -> Decision:
    return decide(o, settings(**config), NOW)


def running(pods=(), job=None, **seen) -> Decision:
    return the_decision(observed(a_begun_backup(phase=Phase.RUNNING), job=job or a_job(), pods=tuple(pods), **seen))


# whose


@pytest.mark.parametrize("controller", [None, STRANGER], ids=["nobody's", "another Job's"])
def test_a_pod_with_all_our_labels_that_our_job_does_not_control_is_not_believed(controller):
    forged = a_pod(**GOOD, job=controller, uid="forged")
    broken = a_job(failed="PodFailurePolicy", failed_pods=1)
    ours = a_pod(exit_code=3, report=a_failure())

    going_on = running([forged, a_pod(phase="Running", uid="ours")])
    failed = running([ours, forged], broken, pods_listed=True)
    lost = running([forged], a_job(complete=True, ttl_set=True), pods_listed=True)

    assert going_on.status.phase is Phase.RUNNING
    assert failed.status.failure.reason == Reason.AUTHENTICATION_FAILED
    assert (lost.status.phase, lost.status.attempt) == (Phase.PENDING, 2), "the bucket is asked"


def test_a_strangers_pod_that_runs_neither_starts_a_backup_nor_holds_up_its_failure_for_long():
    stranger = a_pod(phase="Running", job=None, uid="forged", age=9000)
    assert running([stranger], a_job(failed="BackoffLimitExceeded"), pods_listed=True).status.phase is Phase.FAILED
    waiting = the_decision(observed(a_begun_backup(), job=a_job(), pods=(stranger,)))
    assert waiting.status.phase is Phase.PENDING


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param({"controller": False}, id="not the controller"),
        pytest.param({"controller": None}, id="not said to be the controller"),
        pytest.param({"kind": "ConfigMap"}, id="another kind"),
        pytest.param({"apiVersion": "batch.example.com/v1"}, id="another group"),
        pytest.param({"uid": 7}, id="no uid"),
    ],
)
def test_an_owner_that_is_no_controller_of_the_right_kind_is_none(owner):
    meta = {"namespace": "shop", "name": "x", "uid": "u"}
    job = {"apiVersion": "batch/v1", "kind": "Job", "uid": "job-1", "controller": True}
    backup = {"apiVersion": naming.API_VERSION, "kind": "DatabaseBackup", "uid": UID, "controller": True}

    assert pod_view({"metadata": meta | {"ownerReferences": [job]}}).controller == "job-1"
    assert ownership.is_ours(job_view({"metadata": meta | {"ownerReferences": [backup]}}), BACKUP_REF)
    assert pod_view({"metadata": meta | {"ownerReferences": [job | owner]}}).controller is None
    assert not ownership.is_ours(job_view({"metadata": meta | {"ownerReferences": [backup | owner]}}), BACKUP_REF)


# which container


def test_the_runner_is_found_by_its_name_wherever_it_sorts():
    ended = {"exitCode": 0, "message": "said", "finishedAt": "2026-11-22T08:44:00Z"}
    status = {
        "phase": "Running",
        "containerStatuses": [
            {"name": "istio-proxy", "state": {"running": {}}},
            {"name": "runner", "state": {"terminated": ended}},
        ],
        "ephemeralContainerStatuses": [{"name": "runner", "state": {"terminated": {"exitCode": 7}}}],
    }

    view = pod_view({"metadata": {"namespace": "shop", "name": "x", "uid": "u"}, "status": status})

    assert (view.terminated.exit_code, view.terminated.message, view.terminated.at) == (0, "said", ago(60))
    assert (view.ended, view.over) == (True, False)


def init(spec: list, statuses: list):
    body = {"spec": {"initContainers": spec}, "status": {"initContainerStatuses": statuses}}
    return pod_view({"metadata": {"namespace": "shop", "name": "x", "uid": "u"}} | body).held_up_by


NATIVE = [{"name": "proxy", "restartPolicy": "Always"}]
ORDINARY = [{"name": "setup"}]


@pytest.mark.parametrize(
    ("spec", "state", "held"),
    [
        pytest.param(NATIVE, {"state": {"running": {}}, "started": True}, None, id="a sidecar that runs"),
        pytest.param(NATIVE, {"state": {"running": {}}, "started": False}, InitContainer("proxy"), id="it starts"),
        pytest.param(NATIVE, {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "m"}}},
                     InitContainer("proxy", "CrashLoopBackOff", "m"), id="one that crashes"),
        pytest.param(NATIVE, {"state": {"terminated": {"exitCode": 1}}}, None, id="one that will be run again"),
        pytest.param(ORDINARY, {"state": {"running": {}}, "started": True}, InitContainer("setup"), id="it runs"),
        pytest.param(ORDINARY, {"state": {"waiting": {"reason": "PodInitializing"}}}, None, id="its turn comes"),
        pytest.param(ORDINARY, {"state": {"waiting": {"reason": "ContainerCreating"}}}, None, id="it is made"),
        pytest.param(ORDINARY, {"state": {"waiting": {"reason": "x", "message": "m" * 3000}}},
                     InitContainer("setup", "x", "m" * 2047 + "…"), id="its word is cut"),
        pytest.param(ORDINARY, {"state": {"terminated": {"exitCode": 0}}}, None, id="it is done"),
        pytest.param(ORDINARY, {"state": {"terminated": {"exitCode": 3}}}, InitContainer("setup", exit_code=3),
                     id="it failed"),
    ],
)  # fmt: skip
def test_what_an_init_container_holds_up_is_seen(spec, state, held):
    assert init(spec, [{"name": spec[0]["name"]} | state]) == held


def test_what_an_injected_init_container_waits_for_is_said_as_not_ours():
    waits = InitContainer("istio-init", "ErrImagePull", "no such image")
    pod = a_pod(waiting="PodInitializing", held_up_by=waits)

    said = the_decision(observed(a_begun_backup(), job=a_job(), pods=(pod,))).status.message

    assert "init container istio-init does not run: ErrImagePull: no such image" in said
    assert "find the webhook" in said
    old = a_pod(waiting="PodInitializing", held_up_by=InitContainer("setup"), age=601)
    late = the_decision(observed(a_begun_backup(), job=a_job(age=700), pods=(old,), pods_listed=True))
    assert late.status.failure.reason == Reason.START_TIMEOUT
    assert "init container setup is still running" in late.status.failure.message


def test_an_init_container_that_failed_is_blamed_for_a_runner_that_never_ran():
    pod = a_pod(phase="Failed", held_up_by=InitContainer("setup", exit_code=3))
    job = a_job(failed="BackoffLimitExceeded", failed_pods=1)
    failure = running([pod], job, pods_listed=True).status.failure
    assert failure.reason == Reason.POD_REFUSED
    assert "setup ended with code 3, and the runner never ran" in failure.message


# which end


@pytest.mark.parametrize(
    ("pod", "phase"),
    [({"exit_code": 0, "report": a_success()}, "Succeeded"), ({"exit_code": 3, "report": a_failure()}, "Failed")],
    ids=["a success", "a failure"],
)
def test_the_word_is_said_when_the_job_has_ended_too(pod, phase):
    waiting = running([a_pod(**pod)])
    assert (waiting.status.phase, waiting.act) == (Phase.RUNNING, None)
    done = {"complete": True} if phase == "Succeeded" else {"failed": "PodFailurePolicy", "failed_pods": 1}
    assert running([a_pod(**pod)], a_job(**done)).status.phase == phase


def test_a_success_that_a_failed_job_contradicts_is_asked_of_the_bucket_and_then_not_believed():
    job, pods = a_job(failed="DeadlineExceeded", ttl_set=True), (a_pod(**GOOD),)

    asked = running(pods, job, pods_listed=True)
    last = the_decision(observed(a_begun_backup(attempt=attempts.MOST), job=job, pods=pods, pods_listed=True))

    assert (asked.status.phase, asked.status.attempt) == (Phase.PENDING, 2)
    assert asked.announcement.reason == Reason.REPORT_IMPLAUSIBLE
    assert (last.status.phase, last.status.failure.reason) == (Phase.FAILED, Reason.REPORT_IMPLAUSIBLE)


def test_a_pod_that_another_container_failed_after_the_runners_success_succeeded():
    job = a_job(failed="BackoffLimitExceeded", failed_pods=1)
    assert running([a_pod(**GOOD, phase="Failed")], job).status.phase is Phase.SUCCEEDED


def test_a_report_of_success_counts_only_with_exit_code_zero():
    pod = a_pod(exit_code=137, report=a_success())
    decision = running([pod], a_job(failed="BackoffLimitExceeded", failed_pods=1), pods_listed=True)
    assert decision.status.phase is Phase.FAILED


def test_the_failure_of_an_earlier_pod_is_not_the_end_of_a_job_that_is_complete():
    earlier = a_pod(exit_code=9, report=a_failure(Reason.INTERRUPTED))
    decision = running([earlier], a_job(complete=True, failed_pods=1, ttl_set=True), pods_listed=True)
    assert (decision.status.phase, decision.status.attempt) == (Phase.PENDING, 2), "the bucket is asked"


BESIDE = {"phase": "Running"}  # a container beside the runner goes on


def test_beside_a_container_that_does_not_end_a_success_is_recorded_after_a_minute_and_the_job_ended():
    early = running([a_pod(**GOOD, **BESIDE, ended=59)])
    due = running([a_pod(**GOOD, **BESIDE, ended=60)])

    assert (early.status.phase, early.due) == (Phase.RUNNING, NOW + timedelta(seconds=1))
    assert "the runner has ended" in early.status.message
    assert due.status.phase is Phase.SUCCEEDED
    after = observed(a_backup(status=due.status), job=a_job(), pods=(a_pod(**GOOD, **BESIDE),))
    assert isinstance(the_decision(after).act, Delete)


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        ({"exit_code": 3, "report": a_failure()}, Reason.AUTHENTICATION_FAILED),
        ({"exit_code": 9, "report": a_failure(Reason.INTERRUPTED)}, Reason.INTERRUPTED),
        ({"exit_code": 137, "end_reason": "OOMKilled"}, Reason.OUT_OF_MEMORY),
    ],
    ids=["final", "that might be tried again", "without a report"],
)
def test_beside_a_container_that_does_not_end_a_failure_is_recorded_and_the_job_ended_first(pod, reason):
    pods = (a_pod(**pod, **BESIDE, ended=60),)

    recorded = running(pods).status

    assert (recorded.phase, recorded.failure.reason) == (Phase.RUNNING, reason)
    assert recorded.ending == Ending(since=NOW, job_uid="job-1")
    o = observed(a_backup(status=recorded), job=a_job(), pods=pods)
    assert isinstance(the_decision(o).act, Delete)
    gone = the_decision(observed(a_backup(status=recorded), pods_listed=True)).status
    assert (gone.phase, gone.failure) == (Phase.FAILED, recorded.failure)


def test_a_pod_on_its_way_out_is_replaced_and_its_failure_is_no_end():
    pod = a_pod(exit_code=9, report=a_failure(Reason.INTERRUPTED), **BESIDE, ended=90, deleting=True)
    assert running([pod]).status.failure is None


def test_an_end_in_the_future_holds_up_nothing():
    assert running([a_pod(**GOOD, **BESIDE, ended=-300)]).status.phase is Phase.SUCCEEDED
    assert running([a_pod(**GOOD, **BESIDE, ended=-299)]).status.phase is Phase.RUNNING, "a clock may be ahead"
    assert running([a_pod(**GOOD, **BESIDE, ended=-9000)]).status.phase is Phase.SUCCEEDED
    assert running([a_pod(**GOOD, **BESIDE, ended=None)]).status.phase is Phase.SUCCEEDED


def test_with_a_sidecar_another_image_takes_over_when_the_first_job_is_ended():
    report = a_failure(Reason.TOOL_TOO_NEW, server_major=15)
    pod = a_pod(exit_code=ExitCode.TOOL, report=report, **BESIDE, ended=60)

    status = the_decision(observed(a_begun_backup(), job=a_job(), pods=(pod,)), images=IMAGES).status
    ends = observed(a_backup(status=status), former_job=a_job())
    follows = observed(a_backup(status=status), former_job=a_job(deleting=True))

    assert (status.attempt, status.server_major) == (2, 15)
    assert isinstance(the_decision(ends, images=IMAGES).act, Delete)
    assert the_decision(follows, images=IMAGES).act == Create(BACKUP)
    stranger = observed(a_backup(status=status), former_job=a_job(owner="somebody"))
    assert the_decision(stranger, images=IMAGES).act == Create(BACKUP)


def test_a_cleanup_beside_a_container_that_does_not_end_is_recorded_and_its_job_ended():
    done = running([a_pod(exit_code=137)], a_job(failed="BackoffLimitExceeded"), pods_listed=True).status
    assert done.cleanup.state == "Running"
    report = a_success().model_copy(update={"kind": "cleanup", "backup": None, "message": "removed 1 upload"})
    seen = {"cleanup_job": a_job(), "cleanup_pods": (a_pod(exit_code=0, report=report, **BESIDE, ended=60),)}

    ended = the_decision(observed(a_backup(status=done), **seen)).status

    assert (ended.cleanup.state, ended.cleanup.message) == ("Done", "removed 1 upload")
    assert isinstance(the_decision(observed(a_backup(status=ended), **seen)).act, Delete)


# how it fails


def failing(*pods, job=None, listed=False, age=10, **changes) -> Decision:
    """A backup whose failure was recorded `age` seconds ago, and whose Job is being ended."""
    recorded = running([a_pod(exit_code=3, report=a_failure(), **BESIDE, ended=60)]).status
    status = recorded.model_copy(update={"ending": Ending(since=ago(age), job_uid="job-1"), **changes})
    return the_decision(observed(a_backup(status=status), job=job, pods=pods, pods_listed=listed))


def test_it_is_called_failed_when_the_last_pod_is_gone_and_not_before():
    assert failing(a_pod(phase="Running"), job=a_job(deleting=True)).status is None
    assert failing(a_pod(phase="Running")).due == NOW + ending.LONGEST - timedelta(seconds=10)
    assert failing().act == Learn(What.PODS)
    assert failing(listed=True).status.phase is Phase.FAILED


def test_a_job_that_ended_by_itself_meanwhile_is_not_deleted():
    decision = failing(a_pod(exit_code=3), job=a_job(failed="PodFailurePolicy"), listed=True)
    assert (decision.act, decision.status.phase) == (None, Phase.FAILED)


def test_a_pod_that_was_faster_than_the_end_of_its_job_has_made_a_backup():
    decision = failing(a_pod(**GOOD), job=a_job(deleting=True))

    status = decision.status
    assert (status.phase, status.failure, status.ending) == (Phase.SUCCEEDED, None, None)
    assert decision.announcement.reason == "BackupSucceeded"
    assert failing(a_pod(**GOOD, job=None)).status is None, "not so a stranger's"
    wrong = a_pod(exit_code=0, report=a_success(backup_id="another"))
    assert failing(wrong, listed=True).status.phase is Phase.FAILED


def test_a_pod_that_does_not_end_holds_up_the_word_for_five_minutes_and_the_cleanup_for_as_long_as_it_may_work():
    stuck = a_pod(phase="Running", deleting=True, uid="stuck")
    cleanup = Cleanup(job_name="c", state="Running")

    said = failing(stuck, job=a_job(deleting=True), age=300, cleanup=cleanup).status
    seen = {"job": a_job(deleting=True), "pods": (stuck,)}
    waits = the_decision(observed(a_backup(status=said), **seen)).status

    assert said.phase is Phase.FAILED
    assert "its Pod orders-1-stuck may still run, 300 s after the operator ended" in said.failure.message
    assert (waits.cleanup.state, waits.cleanup.message) == (
        "Running", "waiting: Pod orders-1-stuck of the backup has not ended",
    )  # fmt: skip
    rests = the_decision(observed(a_backup(status=waits), **seen))
    assert (rests.status, rests.act) == (waits, None)
    assert rests.due == stuck.created + timedelta(seconds=600 + 21_600) + job_end.OVERDUE
    assert the_decision(observed(a_backup(status=waits))).act == Create(CLEANUP)


def test_a_complete_job_that_somebody_deletes_is_read_all_the_same():
    job, pods = a_job(complete=True, deleting=True), (a_pod(**GOOD),)
    assert the_decision(observed(a_begun_backup(), job=job, pods=pods)).status.phase is Phase.SUCCEEDED


def test_a_pod_of_a_job_that_is_gone_counts_no_longer_than_a_runner_may_work():
    """A stranger's cannot be told from it."""
    failed = the_decision(
        observed(a_begun_backup(), job=a_job(owner="s", uid="theirs"), pods_listed=True)
    ).status.model_copy(update={"cleanup": Cleanup(job_name="c", state="Running")})
    for age, act in ((10, None), (30_000, Create(CLEANUP))):
        stray = a_pod(phase="Running", job="gone", age=age)
        assert the_decision(observed(a_backup(status=failed), pods=(stray,))).act == act


def test_a_former_jobs_pods_are_waited_for_where_a_stranger_has_taken_its_name():
    o = observed(a_begun_backup(), job=a_job(owner="s", uid="theirs"), pods=(a_pod(phase="Running", job="gone"),))
    assert the_decision(o).act == Learn(What.PODS), "the cache may not have seen them"
    recorded = the_decision(replace(o, asked=Asked(pods=True))).status
    assert (recorded.phase, recorded.failure.reason) == (Phase.PENDING, Reason.JOB_NAME_TAKEN)
    after = observed(a_backup(status=recorded), job=a_job(owner="s", uid="theirs"), pods_listed=True)
    assert the_decision(after).status.phase is Phase.FAILED
    assert the_decision(observed(a_backup(status=recorded), job=a_job(owner="s"), pods=o.of(BACKUP).pods)).act is None


@pytest.mark.parametrize("job", [a_job(age=9e5), a_job(age=9e5, deleting=True)], ids=["running", "being deleted"])
def test_a_job_that_the_cluster_does_not_end_in_time_is_failed(job):
    status = running([a_pod(phase="Running", age=9e5)], job).status
    assert (status.ending.job_uid, status.failure.reason) == ("job-1", Reason.DEADLINE_EXCEEDED)


# what it says


def judged(**changes) -> Decision:
    return running([a_pod(exit_code=0, report=a_success(**changes))], a_job(complete=True))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"backup_id": "backup-20261122-084431"}, "another backup"),
        ({"artifact_key": "eu-1/shop/orders/another/y.sql.gz"}, "not in the backup's folder"),
        ({"artifact_key": "eu-1/shop/orders/backup-20261122-084430/"}, "not in the backup's folder"),
        ({"artifact_key": "eu-1/shop/orders/backup-20261122-084430/../x"}, "not in the backup's folder"),
        ({"artifact_key": None}, "not in the backup's folder"),
        ({"sha256": None}, "lacks the artifact's size or checksum"),
        ({"size_bytes": None}, "lacks the artifact's size or checksum"),
        ({"size_bytes": 0}, "lacks the artifact's size or checksum"),
        ({"verified_at": NOW + timedelta(hours=2)}, "in the future"),
    ],
)  # fmt: skip
def test_a_report_that_does_not_fit_what_was_asked_is_not_believed(changes, says):
    status = judged(**changes).status
    assert (status.phase, status.failure.reason) == (Phase.FAILED, Reason.REPORT_IMPLAUSIBLE)
    assert says in status.failure.message
    assert status.sha256 is None


def test_a_report_of_another_task_is_not_believed():
    report = a_success().model_copy(update={"kind": "cleanup"})
    status = running([a_pod(exit_code=0, report=report)], a_job(complete=True)).status
    assert status.failure.reason == Reason.REPORT_IMPLAUSIBLE


NAME = naming.snapshot_name("backup-20261122-084430", UID)


def a_snapshot(**changes) -> Snapshot:
    fields = {
        "arn": f"arn:aws:rds:eu-central-1:123456789012:snapshot:{NAME}", "region": "eu-central-1", "kind": "instance",
        "source": "orders", "engine": "postgres", "engineVersion": "17.2", "encrypted": True,
    }  # fmt: skip
    return Snapshot.model_validate(fields | changes)


@pytest.mark.parametrize(
    ("snapshot", "says"),
    [
        (a_snapshot(), None),
        (a_snapshot(source="ORDERS"), None),
        (None, "names no snapshot"),
        (a_snapshot(source="another"), "another instance"),
        (a_snapshot(region="eu-west-1"), "another instance"),
        (a_snapshot(kind="cluster"), "another instance"),
        (a_snapshot(arn="arn:aws:rds:eu-central-1:123456789012:snapshot:theirs"), "is not named"),
        (a_snapshot(copy={"arn": f"arn:aws:rds:eu-west-1:123456789012:snapshot:{NAME}", "region": "eu-west-1"}),
         "not the requested copy"),
    ],
)  # fmt: skip
def test_a_snapshot_is_believed_where_it_is_the_one_that_was_asked_for(snapshot, says):
    backup = a_begun_backup(resolved=resolve(an_rds_policy(), settings()))
    report = a_success(snapshot=snapshot, artifact_key=None, sha256=None)
    report = report.model_copy(update={"kind": "rds-snapshot"})
    pods = (a_pod(exit_code=0, report=report),)
    status = the_decision(observed(backup, job=a_job(complete=True), pods=pods)).status
    assert (status.phase is Phase.SUCCEEDED) == (says is None)
    assert says is None or says in status.failure.message


# since when

QUOTA = "exceeded quota: pods"


def starting(*pods, refused=None, known=None, job=None, phase=Phase.RUNNING, listed=True, read=NOW) -> Decision:
    backup = a_begun_backup(phase=phase, pod_wanted=known)
    at = None if refused is None else ago(refused)
    seen = {"refusal": None if refused is None else QUOTA, "refused_at": at, "refusals_read": read}
    return the_decision(observed(backup, job=job or a_job(age=3000), pods=pods, pods_listed=listed, **seen))


def test_a_pod_that_ran_and_was_killed_has_its_next_one_wait_for_a_quota_as_long_as_the_first():
    killed = a_job(age=3000, failed_pods=1)

    lost = starting(job=killed)
    refused = starting(refused=1, job=killed, known=lost.status.pod_wanted)
    over = starting(refused=1, job=killed, known=PodWanted(since=ago(600), ran=True, refused=True, failed_pods=1))

    assert lost.status.phase is Phase.RUNNING
    assert "the Job replaces it" in lost.status.message
    assert (refused.status.phase, refused.due) == (Phase.PENDING, NOW + timedelta(seconds=600))
    assert QUOTA in refused.status.message
    assert over.status.failure.reason == Reason.QUOTA_EXCEEDED


def test_a_refusal_older_than_the_last_pod_is_history():
    ended = a_pod(exit_code=137, age=100, ended=50)
    one = a_job(age=3000, failed_pods=1)
    assert "the Job replaces it" in starting(ended, refused=60, job=one).status.message, "older than its end"
    assert "the Job replaces it" in starting(refused=60, job=one).status.message, "that Pod is gone"
    assert QUOTA in starting(ended, refused=40, job=one).status.message


def test_while_a_refused_pod_is_there_after_all_the_time_counts_from_its_creation():
    decision = starting(a_pod(age=20), refused=1, known=PodWanted(since=ago(900), refused=True))
    assert decision.due == NOW + timedelta(seconds=580)
    assert decision.status.pod_wanted is None or not decision.status.pod_wanted.refused


def test_another_pod_that_came_and_went_unseen_begins_the_time_anew():
    known = PodWanted(since=ago(900), ran=True, refused=True, failed_pods=1)
    decision = starting(refused=1, known=known, job=a_job(age=3000, failed_pods=2))
    assert decision.status.failure is None


def test_between_two_tries_of_a_job_no_time_counts():
    known = PodWanted(since=ago(5000), ran=True, failed_pods=1)
    decision = starting(known=known, job=a_job(age=6000, failed_pods=1))
    assert (decision.status.phase, decision.status.failure) == (Phase.RUNNING, None)


def test_a_job_without_any_pod_and_any_word_is_given_up_when_the_api_server_knows_none_either():
    assert starting(phase=Phase.PENDING, listed=False).act == Learn(What.PODS)
    for read in (None, ago(2401)):  # 600 s after the Job was made, it should have had a Pod
        assert starting(phase=Phase.PENDING, read=read).act == Learn(What.EVENTS), "why there is none is asked at last"
    assert starting(phase=Phase.PENDING, refused=1).status.failure.reason == Reason.QUOTA_EXCEEDED
    status = starting(phase=Phase.PENDING).status
    assert status.failure.reason == Reason.START_TIMEOUT


def test_what_runs_again_is_no_longer_wanted():
    known = PodWanted(since=ago(5), ran=True, failed_pods=1)
    decision = starting(a_pod(phase="Running"), known=known, job=a_job(failed_pods=1))
    assert (decision.status.phase, decision.status.pod_wanted) == (Phase.RUNNING, None)
