"""How a verification that was asked for comes to its end: on time, by its own Job, and said in what fits."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.builders import NOW, UID, a_backup, a_job, a_pod, a_policy, a_success, ago, settings
from tests.unit.test_decide_verifying import (
    ALTERED,
    DONE,
    DOWN,
    EXTERNAL,
    FOUND,
    LEFT_NOTHING,
    PASSED,
    a_good_backup,
    asked,
    conditions,
    ended,
    looked_at,
    the_decision,
    verifying,
)

from holdfast.api.backup import Phase
from holdfast.api.deletion import Deletion, Member, Result
from holdfast.api.job import PodWanted
from holdfast.decide import job_end
from holdfast.decide.backup import verify_statuses as words
from holdfast.decide.backup.observation import Removal
from holdfast.decide.backup.steps import decide
from holdfast.decide.backup.verify import look
from holdfast.decide.decision import Decision, Learn, Rest, What
from holdfast.decide.failures import failure_of
from holdfast.errors import Reason

WORKS = timedelta(seconds=600 + 21_600) + job_end.OVERDUE  # from a Job's beginning
WANTED = PodWanted(since=ago(5), ran=True, failed_pods=1)


def following(job, *pods, listed=True, **changes) -> Decision:
    """The decision about one that is under way, with this Job and its Pods."""
    return the_decision(asked(status=verifying(**changes), verify_job=job, verify_pods=pods, pods_listed=listed))


# when it looks again


@pytest.mark.parametrize(
    ("job", "pods", "due"),
    [
        pytest.param(a_job(), [a_pod(phase="Running")], ago(20) + WORKS, id="it runs"),
        pytest.param(a_job(deleting=True), [a_pod(phase="Running")], ago(20) + WORKS, id="its Job goes"),
        pytest.param(a_job(), [], ago(20) + timedelta(seconds=600), id="it has no Pod yet"),
        pytest.param(a_job(), [a_pod()], ago(10) + timedelta(seconds=600), id="its Pod starts"),
        pytest.param(a_job(), [a_pod(exit_code=0, report=PASSED, phase="Running", ended=10)],
                     ago(10) + job_end.SIDECAR_GRACE, id="a container beside it goes on"),
    ],
)  # fmt: skip
def test_what_goes_as_it_should_is_looked_at_again_when_it_should_be_over(job, pods, due):
    decision = following(job, *pods)
    assert (decision.due, decision.status in (None, verifying())) == (due, True)


def test_one_that_the_cluster_does_not_end_in_time_is_not_done():
    run = following(a_job(age=22_800), a_pod(phase="Running")).status.verification_run
    assert (run.state, run.failure.reason) == ("NotDone", Reason.DEADLINE_EXCEEDED)
    done = a_job(age=99_999, complete=True)
    assert following(done, a_pod(exit_code=0, report=PASSED)).status.verification_run.state == "Passed"


def test_the_api_server_is_asked_for_a_pod_before_it_is_given_up():
    assert following(a_job(age=700), listed=False).act == Learn(What.PODS)
    assert following(a_job(age=700)).act == Learn(What.EVENTS)
    late = asked(status=verifying(), verify_job=a_job(age=700), pods_listed=True, refusals_read=NOW)
    assert the_decision(late).status.verification_run.failure.reason == Reason.START_TIMEOUT


# what is kept meanwhile


def test_since_when_the_next_pod_is_wanted_is_kept_and_forgotten_at_the_end():
    one = a_job(failed_pods=1)
    first = following(one, a_pod(exit_code=1, uid="first"))
    assert first.status.pod_wanted == PodWanted(since=NOW, ran=True, failed_pods=1)
    assert first.due == one.created + WORKS
    starts = following(one, a_pod(exit_code=1, uid="first"), a_pod(uid="second"))
    assert starts.status.pod_wanted == PodWanted(since=NOW, ran=True, failed_pods=1)
    stuck = following(one, a_pod(uid="second", waiting="ErrImagePull", waiting_message="no such image"))
    assert stuck.status.pod_wanted == PodWanted(since=NOW, ran=True, failed_pods=1)

    status = verifying().model_copy(update={"pod_wanted": WANTED})
    assert ended(PASSED, status).status.pod_wanted is None
    again = asked(status=status, verify_job=one, verify_pods=(a_pod(phase="Running"),))
    assert the_decision(again).status.pod_wanted is None


def test_what_no_longer_keeps_it_from_starting_is_no_longer_said():
    stuck = following(a_job(), a_pod(unschedulable="0/1 nodes")).status
    assert "0/1 nodes" in stuck.message
    starts = the_decision(asked(status=stuck, verify_job=a_job(), verify_pods=(a_pod(),))).status
    assert starts.message == starts.verification_run.message == "verifying by checksum"


# whose word is taken


@pytest.mark.parametrize(
    ("job", "pod", "reason"),
    [
        pytest.param(a_job(failed="DeadlineExceeded"), {"report": PASSED}, Reason.REPORT_MISSING, id="its Job denies"),
        pytest.param(a_job(complete=True), {"report": a_success()}, Reason.REPORT_MISSING, id="of another task"),
        pytest.param(
            a_job(complete=True), {"report": PASSED.model_copy(update={"kind": "backup"})}, Reason.REPORT_IMPLAUSIBLE,
            id="it says that it is of another task",
        ),
    ],
)  # fmt: skip
def test_a_word_that_does_not_fit_says_nothing_about_the_backup(job, pod, reason):
    status = following(job, a_pod(exit_code=0, **pod)).status
    assert (status.phase, status.verification_run.state) == (Phase.SUCCEEDED, "NotDone")
    assert status.verification_run.failure.reason == reason


# what is said


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("StoreChecksum", "by the store's checksums"),
        ("Readback", "by reading the artifact back"),
        ("RDS", "by asking RDS"),
        (None, "by its Job"),
    ],
)  # fmt: skip
def test_how_it_was_verified_is_said(by, said):
    found = type(FOUND).model_validate(FOUND.to_dict() | {"checkedBy": by})
    decision = ended(PASSED.model_copy(update={"verification": found}))
    assert f"verified again {said}: size" in decision.status.message
    assert decision.announcement.message == decision.status.message == decision.status.verification_run.message


@pytest.mark.parametrize("report", [ALTERED, DOWN], ids=["it is not what it was", "it could not be found out"])
def test_why_it_did_not_pass_is_said_in_the_message_of_both(report):
    status = ended(report).status
    assert f"{report.failure.message}. What to do: mend it" in status.message
    assert status.verification_run.message == status.message
    assert status.verification_run.completed_at == NOW


def test_that_a_job_was_given_up_is_said_with_the_time():
    old = verifying()
    run = old.verification_run.model_copy(update={"started_at": ago(601)})
    over = the_decision(asked(status=old.model_copy(update={"verification_run": run}), refusal="a quota")).status
    assert "a quota (given up after 600 s)" in over.message


def test_what_is_told_is_never_longer_than_the_api_server_takes():
    backup, run = a_backup(status=verifying()), verifying().verification_run
    long = failure_of(words.refused("x" * 4096, "y" * 4096))
    told = [
        words.passed(backup, run, FOUND.model_copy(update={"file_readable": "x" * 4096}), NOW),
        words.failed(backup, run, long, NOW),
        words.not_done(backup, run, long, NOW),
        words.expired(backup, run, "x" * 4096, NOW),
        the_decision(asked(status=verifying(), refusal="z" * 5000)).status,
    ]
    for status in told:
        assert 4090 < len(status.message) == len(status.verification_run.message) <= 4096


def test_the_generation_that_was_looked_at_is_told():
    o = asked(status=verifying(), verify_job=DONE, verify_pods=(a_pod(exit_code=0, report=PASSED),))
    assert the_decision(replace(o, backup=replace(o.backup, generation=7))).status.observed_generation == 7


# asking


def test_a_request_of_the_longest_allowed_is_taken_and_a_refused_one_has_ended():
    assert verifying("x" * 128).verification_run.state == "Running"
    refused = the_decision(asked("x" * 129)).status.verification_run
    assert (refused.state, refused.completed_at) == ("Refused", NOW)


def test_one_that_nothing_is_resolved_of_is_refused():
    """As somebody may write it into a status; only one that failed is asked for nothing else of what was resolved."""
    status = a_good_backup(phase=Phase.FAILED).model_copy(update={"resolved": None})
    assert the_decision(asked("1", status)).status.verification_run.state == "Refused"


def test_a_job_that_is_not_the_last_runs_or_is_on_its_way_out_is_left_alone():
    assert the_decision(asked(None, verify_job=a_job(owner=UID))) == Rest()
    assert the_decision(asked(None, ended(PASSED).status, verify_job=a_job(deleting=True))) == Rest()


def test_a_job_that_is_there_goes_on_though_the_chart_has_no_image_for_another_one():
    o = asked(status=verifying(), verify_job=a_job(), verify_pods=(a_pod(phase="Running"),))
    assert decide(o, settings(images={}), NOW).status.phase is Phase.VERIFYING


def test_what_to_do_is_said_of_a_pod_that_cannot_start_and_not_of_a_job_that_the_api_server_refuses():
    stuck = following(a_job(), a_pod(unschedulable="0/1 nodes")).status
    assert stuck.message.endswith(
        "0/1 nodes; compare job.resources, job.nodeSelector and job.tolerations with the nodes"
    )
    refused = the_decision(asked(status=verifying(), refusal="a quota")).status
    assert refused.message == "waiting: the API server refuses the Job: a quota"


# one whose deletion had begun, or was tried

BEGUN = Deletion(reason_to_delete="older than 30 days", since=ago(500), job_name="orders-sweep-1")
GONE = BEGUN.model_copy(update={"result": Result.DELETED, "completed_at": NOW})
TRIED = BEGUN.model_copy(update={"result": Result.FAILED, "untouched": True})


@pytest.mark.parametrize(
    ("deletion", "report", "phase", "known"),
    [
        pytest.param(BEGUN, PASSED, Phase.SUCCEEDED, None, id="half deleted, and all of it is there"),
        pytest.param(BEGUN, ALTERED, Phase.FAILED, None, id="half deleted, and damaged"),
        pytest.param(BEGUN, DOWN, Phase.DELETING, BEGUN, id="half deleted, and nobody knows"),
        pytest.param(BEGUN, LEFT_NOTHING, Phase.EXPIRED, GONE, id="half deleted, and gone"),
        pytest.param(TRIED, PASSED, Phase.SUCCEEDED, TRIED, id="not to be deleted, and all of it is there"),
        pytest.param(TRIED, ALTERED, Phase.FAILED, TRIED, id="not to be deleted, and damaged"),
        pytest.param(TRIED, DOWN, Phase.SUCCEEDED, TRIED, id="not to be deleted, and nobody knows"),
        pytest.param(TRIED, LEFT_NOTHING, Phase.FAILED, TRIED, id="not to be deleted, and gone"),
    ],
)
def test_what_is_found_decides_what_one_is_whose_deletion_nobody_saw_the_end_of(deletion, report, phase, known):
    status = ended(report, verifying().model_copy(update={"deletion": deletion})).status
    assert (status.phase, status.deletion) == (phase, known)
    again = {
        Phase.DELETING: "Holdfast asks again within an hour",
        Phase.SUCCEEDED: "; then set the annotation holdfast.dev/verify to a new value",
    }
    if report is DOWN:
        assert status.message.endswith(again[phase])


def test_one_whose_deletion_had_begun_and_that_is_whole_can_be_restored_again():
    member = Member(name="orders-1", uid=UID, reason_to_delete="older than 30 days")
    marked = the_decision(replace(asked(None), removal=Removal(member, "orders-sweep-1", made=True, kept=False))).status
    assert conditions(marked)["Ready"] == ("False", "Deleting")
    said = conditions(ended(PASSED, look(asked(None, marked), NOW).status).status)
    assert {kind: said[kind] for kind in ("Succeeded", "Ready", "Stalled")} == {
        "Succeeded": ("True", "VerificationPassed"),
        "Ready": ("True", "VerificationPassed"),
        "Stalled": ("False", "VerificationPassed"),
    }


def test_one_that_the_bucket_deleted_keeps_what_became_of_an_earlier_deletion():
    status = verifying().model_copy(update={"deletion": TRIED})
    assert looked_at(LEFT_NOTHING, a_policy(**EXTERNAL), status).status.deletion == TRIED


def test_one_that_has_expired_says_so_in_each_of_its_conditions_and_waits_for_nothing():
    failed = the_decision(asked("2", ended(ALTERED).status, verify_job=DONE)).status
    status = looked_at(LEFT_NOTHING, a_policy(**EXTERNAL), failed.model_copy(update={"pod_wanted": WANTED})).status
    said = {each.type: (each.status, each.reason, each.message) for each in status.conditions}
    assert {kind: words for kind, words in said.items() if kind not in ("Finished", "Suspicious")} == {
        "Verified": ("False", "Expired", status.message),
        "Succeeded": ("True", "Expired", "the backup was taken, but its data is gone now"),
        "Reconciling": ("False", "Expired", "nothing is in progress"),
        "Stalled": ("False", "Expired", "nothing is left to do"),
    }
    assert status.pod_wanted is None
