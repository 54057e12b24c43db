"""A cleanup has the life of every Job: what keeps it from starting is told, and it is given up in the end."""

import pytest
from tests.builders import NOW, a_backup, a_begun_backup, a_job, a_pod, ago, observed, settings

from holdfast.api.backup import Cleanup, DatabaseBackupStatus, Phase
from holdfast.decide.backup import refusals
from holdfast.decide.backup.observation import CLEANUP, Observation
from holdfast.decide.backup.steps import decide
from holdfast.decide.decision import Create, Decision, Delete, Learn, Rest, What

NAME = "orders-1-cleanup-x"
REFUSED = 'Error creating: pods "x" is forbidden: exceeded quota: pods'
NO_NODE = a_pod(age=601, unschedulable="0/3 nodes are available")


def the_decision(o: Observation) -> Decision:
    return decide(o, settings(), NOW)


def failed(
    message: str = "a Job removes what an unfinished attempt left behind", **changes: object
) -> DatabaseBackupStatus:
    cleanup = Cleanup(job_name=NAME, state="Running", message=message)
    ended = {"phase": Phase.FAILED, "observed_generation": 1, "cleanup": cleanup, **changes}
    return a_begun_backup().status.model_copy(update=ended)


def cleaning(status: DatabaseBackupStatus | None = None, **seen: object) -> Observation:
    return observed(a_backup(status=status or failed()), **seen)


def test_a_pod_that_cannot_start_is_told_and_no_longer_waited_for_than_its_policy_says():
    pod = a_pod(age=30, unschedulable="0/3 nodes are available")
    told = the_decision(cleaning(cleanup_job=a_job(name=NAME, age=30), cleanup_pods=(pod,)))
    assert told.status.cleanup.state == "Running"
    assert told.status.cleanup.message.startswith(
        "waiting: no node can run the Pod: 0/3 nodes are available. What to do"
    )

    late = {"cleanup_job": a_job(name=NAME, age=700), "cleanup_pods": (NO_NODE,)}
    assert the_decision(cleaning(**late)).act == Learn(What.PODS), "the cache may be behind"
    given_up = the_decision(cleaning(**late, pods_listed=True))

    assert given_up.status.cleanup.state == "Failed"
    assert "0/3 nodes are available (given up after 600 s)" in given_up.status.cleanup.message
    assert (given_up.announcement.warning, given_up.announcement.reason) == (True, "CleanupFailed")
    assert isinstance(the_decision(cleaning(given_up.status, cleanup_job=late["cleanup_job"])).act, Delete)


def test_why_its_pod_is_refused_is_asked_and_told():
    job = a_job(name=NAME, age=30)
    assert refusals.look(cleaning(cleanup_job=job), NOW).act == Learn(What.EVENTS)
    assert refusals.look(cleaning(cleanup_job=a_job(name=NAME, age=2)), NOW) is None

    told = the_decision(cleaning(cleanup_job=job, refusal=REFUSED, refused_at=ago(5)))
    assert "exceeded quota" in told.status.cleanup.message
    assert told.status.pod_wanted.refused
    started = the_decision(cleaning(told.status, cleanup_job=job, cleanup_pods=(a_pod(phase="Running"),)))
    assert (started.status.cleanup.message, started.status.pod_wanted) == (
        "a Job removes what an unfinished attempt left behind", None,
    )  # fmt: skip


@pytest.mark.parametrize(("since", "state"), [(599, "Running"), (600, "Failed")])
def test_a_job_that_the_api_server_refuses_is_tried_again_until_its_time_is_over(since, state):
    first = the_decision(cleaning(refusal="exceeded quota: count/jobs.batch")).status
    assert "the API server refuses the Job: exceeded quota" in first.cleanup.message
    assert first.pod_wanted.since == NOW
    wanted = first.pod_wanted.model_copy(update={"since": ago(since)})
    waited = first.model_copy(update={"pod_wanted": wanted})

    assert the_decision(cleaning(waited)).act == Create(CLEANUP), "it is tried each time"
    assert the_decision(cleaning(waited, refusal="exceeded quota")).status.cleanup.state == state


def test_a_strangers_job_of_its_name_is_never_followed_or_given_a_time_to_live():
    stranger = a_job(name=NAME, owner="somebody", complete=True)
    said = the_decision(cleaning(cleanup_job=stranger)).status
    assert said.cleanup.state == "Failed"
    assert "does not belong to this resource" in said.cleanup.message
    assert the_decision(cleaning(said, cleanup_job=stranger)) == Rest()


def test_one_that_runs_as_expected_costs_no_write():
    for pods in ((), (a_pod(),), (a_pod(phase="Running"),)):
        status = failed()
        assert the_decision(cleaning(status, cleanup_job=a_job(name=NAME), cleanup_pods=pods)).status == status
