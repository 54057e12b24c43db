"""What came of a Job, from what its Pods show: each end with its own reason, each retry counted once."""

import pytest
from tests.builders import a_failure, a_job, a_pod, a_success

from holdfast.decide import outcome
from holdfast.decide.containers import InitContainer
from holdfast.errors import FINAL_EXIT_CODES, ExitCode, Reason

FAILED, RUNNING = a_pod(exit_code=1, uid="failed"), a_pod(phase="Running", uid="running")
SUCCEEDED = a_pod(exit_code=0, report=a_success(), uid="succeeded")
CLEAN, UNCLEAN = (a_pod(exit_code=3, report=a_failure(clean=clean), uid=f"{clean}") for clean in (True, False))
NEVER_RAN = a_pod(phase="Failed", uid="never-ran")
STARTING = InitContainer("setup")  # it runs, and the runner waits for it
CRASHES = InitContainer("proxy", "CrashLoopBackOff", "back-off 5m0s")


@pytest.mark.parametrize(
    ("counted", "pods", "retries"),
    [
        pytest.param(None, [], 0, id="no Job and no Pod"),
        pytest.param(0, [], 0, id="no Pod yet"),
        pytest.param(None, [RUNNING], 0, id="the first one runs, and the Job is gone"),
        pytest.param(0, [RUNNING], 0, id="the first one runs"),
        pytest.param(0, [FAILED, RUNNING], 1, id="seen before the Job has counted it"),
        pytest.param(2, [RUNNING], 2, id="counted by the Job, and gone"),
        pytest.param(2, [FAILED], 1, id="the last one failed, and none has followed"),
        pytest.param(1, [FAILED], 0, id="the only one failed"),
        pytest.param(0, [FAILED], 0, id="the only one failed, and the Job has not counted it"),
        pytest.param(1, [FAILED, SUCCEEDED], 1, id="the second one made it"),
        pytest.param(2, [SUCCEEDED], 2, id="the third one made it"),
    ],
)
def test_a_retry_is_a_pod_that_failed_and_was_replaced(counted, pods, retries):
    job = None if counted is None else a_job(failed_pods=counted)
    assert outcome.retries(job, pods) == retries


@pytest.mark.parametrize(
    ("pods", "final"),
    [
        pytest.param([], False, id="no Pod"),
        pytest.param([RUNNING], False, id="one that runs"),
        pytest.param([SUCCEEDED], True, id="a success"),
        pytest.param([FAILED, SUCCEEDED], True, id="a success after a failure"),
        pytest.param([SUCCEEDED, RUNNING], False, id="one that runs after all"),
        pytest.param([NEVER_RAN], False, id="one that never ran"),
        *(pytest.param([a_pod(exit_code=code)], True, id=f"{code.name}") for code in FINAL_EXIT_CODES),
        *(
            pytest.param([a_pod(exit_code=code)], False, id=f"{code.name}")
            for code in ExitCode
            if code not in {0, *FINAL_EXIT_CODES}
        ),
        pytest.param([a_pod(exit_code=137)], False, id="killed"),
    ],
)
def test_after_some_ends_no_other_pod_follows(pods, final):
    assert outcome.is_final(pods) is final


@pytest.mark.parametrize(
    ("counted", "pods", "left"),
    [
        pytest.param(None, [], False, id="nothing ever ran"),
        pytest.param(0, [], False, id="the Job has no Pod yet"),
        pytest.param(0, [a_pod()], False, id="its Pod has not started"),
        pytest.param(1, [NEVER_RAN], False, id="its Pod never started"),
        pytest.param(1, [CLEAN], False, id="it removed what it had written"),
        pytest.param(1, [UNCLEAN], True, id="it could not remove it"),
        pytest.param(1, [FAILED], True, id="it said nothing"),
        pytest.param(0, [SUCCEEDED], False, id="it made the backup"),
        pytest.param(1, [SUCCEEDED], True, id="it followed one that is gone"),
        pytest.param(1, [], True, id="it is gone"),
        pytest.param(None, [FAILED, SUCCEEDED], True, id="it followed one that said nothing"),
    ],
)
def test_what_a_pod_may_have_left_is_known_from_its_report_alone(counted, pods, left):
    job = None if counted is None else a_job(failed_pods=counted)
    assert outcome.left_behind(job, pods) is left


def refused(sentence):
    return {"pods": [], "refusal": sentence}


def waits(reason, **changes):
    return {"pods": [a_pod(waiting=reason, **changes)]}


IMAGE_REASONS = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"]


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        pytest.param(refused("exceeded quota: pods"), Reason.QUOTA_EXCEEDED, id="a quota"),
        pytest.param(
            refused("failed quota: q: must specify limits.cpu"), Reason.QUOTA_EXCEEDED, id="a quota that wants limits"
        ),
        pytest.param(refused("a webhook said no"), Reason.POD_REFUSED, id="admission"),
        pytest.param({"pods": [FAILED], "refusal": "exceeded quota"}, Reason.QUOTA_EXCEEDED, id="after a Pod"),
        *(pytest.param(waits(reason), Reason.IMAGE_PULL, id=reason) for reason in IMAGE_REASONS),
        *(
            pytest.param({"pods": [a_pod(held_up_by=InitContainer("x", reason))]}, Reason.IMAGE_PULL, id=f"x: {reason}")
            for reason in IMAGE_REASONS
        ),
        pytest.param({"pods": [a_pod(held_up_by=CRASHES)]}, Reason.POD_REFUSED, id="a sidecar crashes before it"),
        pytest.param(waits("CreateContainerConfigError"), Reason.POD_REFUSED, id="a Secret is not there"),
        pytest.param({"pods": [FAILED, a_pod(unschedulable="0/1 nodes")]}, Reason.UNSCHEDULABLE, id="the next one"),
    ],
)
def test_what_keeps_a_pod_from_starting_has_its_reason(seen, reason):
    assert outcome.trouble_starting(**{"refusal": None} | seen).reason == reason


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param({"pods": []}, id="no Pod yet"),
        pytest.param({"pods": [a_pod()]}, id="one without a word"),
        pytest.param(waits("ContainerCreating"), id="its volumes are mounted"),
        pytest.param(waits("PodInitializing"), id="what is before it runs"),
        pytest.param({"pods": [a_pod(waiting="PodInitializing", held_up_by=STARTING)]}, id="an init container runs"),
        pytest.param({"pods": [a_pod(phase="Running", held_up_by=CRASHES)]}, id="a sidecar crashes beside the runner"),
        pytest.param(waits("ErrImagePull", phase="Failed"), id="one that has ended"),
        pytest.param({"pods": [a_pod()], "refusal": "exceeded quota"}, id="refused before, and made by now"),
        pytest.param({"pods": [FAILED, a_pod()], "refusal": "exceeded quota"}, id="made by now, after another"),
    ],
)
def test_what_starts_as_pods_do_is_no_trouble(seen):
    assert outcome.trouble_starting(**{"refusal": None} | seen) is None


def test_what_a_pod_that_is_gone_waited_for_is_not_what_the_next_one_waits_for():
    gone = a_pod(phase="Failed", held_up_by=InitContainer("old", exit_code=1))
    said = outcome.never_started([gone, a_pod()], None, 600).message
    assert said == "the Job's Pod did not start within 600 s"
    assert "setup is still running" in outcome.never_started([gone, a_pod(held_up_by=STARTING)], None, 600).message


@pytest.mark.parametrize(
    ("pod", "reason", "code"),
    [
        pytest.param(a_pod(exit_code=137, end_reason="OOMKilled"), Reason.OUT_OF_MEMORY, 137, id="memory"),
        pytest.param(a_pod(exit_code=137), Reason.CONTAINER_KILLED, 137, id="SIGKILL"),
        pytest.param(a_pod(exit_code=1), Reason.REPORT_MISSING, 1, id="without a word"),
        pytest.param(a_pod(exit_code=1, held_up_by=CRASHES), Reason.REPORT_MISSING, 1, id="beside a broken sidecar"),
        pytest.param(NEVER_RAN, Reason.REPORT_MISSING, None, id="no word from its node either"),
        pytest.param(
            a_pod(phase="Failed", held_up_by=InitContainer("x", exit_code=3)), Reason.POD_REFUSED, None, id="never ran"
        ),
    ],
)
def test_a_container_that_left_no_report_is_explained_with_its_exit_code(pod, reason, code):
    failure = outcome.killed(pod)
    assert (failure.reason, failure.exit_code) == (reason, code)
