"""What is taken from a Job, a Pod or a claim: each fact from its own field, and nothing where it makes no sense."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.builders import UID

from holdfast import clock, naming
from holdfast.decide.containers import InitContainer
from holdfast.decide.views import (
    ClaimView,
    JobView,
    OwnerRef,
    PodView,
    Terminated,
    claim_view,
    holders,
    job_view,
    pod_view,
)

WHEN, CREATED = "2026-11-22T08:44:00Z", datetime(2026, 11, 22, 8, 44, tzinfo=UTC)
OURS = OwnerRef("DatabaseBackup", UID)
BARE = {"namespace": "shop", "name": "x", "uid": "u"}


def owner(kind: str, api_version: str, uid: str) -> list[dict[str, Any]]:
    return [{"kind": "Other", "uid": "no"}, {"kind": kind, "apiVersion": api_version, "uid": uid, "controller": True}]


def condition(kind: str, status: str = "True", **said: str) -> dict[str, str]:
    return {"type": kind, "status": status} | said


def meta(**more: Any) -> dict[str, Any]:
    labels = {naming.LABEL_BACKUP_UID: UID, "batch.kubernetes.io/job-name": "orders-backup"}
    return BARE | {"resourceVersion": "7", "labels": labels, "creationTimestamp": WHEN} | more


def test_every_fact_of_a_job_is_read():
    body = {
        "metadata": meta(ownerReferences=owner("DatabaseBackup", naming.API_VERSION, UID), deletionTimestamp=WHEN),
        "spec": {"ttlSecondsAfterFinished": 60},
        "status": {"failed": 2, "conditions": [condition("Failed", reason="DeadlineExceeded", message="too long")]},
    }
    assert job_view(body) == JobView(
        namespace="shop", name="x", uid="u", resource_version="7", labelled=OURS, controller=OURS, created=CREATED,
        deleting=True, failed_pods=2, complete=False, failed_reason="DeadlineExceeded", failed_message="too long",
        ttl_set=True,
    )  # fmt: skip


def test_a_job_of_which_nothing_is_known_yet_goes_on():
    assert job_view({"metadata": BARE}) == JobView(
        namespace="shop", name="x", uid="u", resource_version="0", labelled=None, controller=None,
        created=clock.EPOCH, deleting=False, failed_pods=0, complete=False, failed_reason=None, failed_message="",
        ttl_set=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "complete", "failed", "finished"),
    [
        ([condition("Complete")], True, None, True),
        ([condition("Complete", "False")], False, None, False),
        ([condition("Failed", reason="BackoffLimitExceeded")], False, "BackoffLimitExceeded", True),
        ([condition("Failed")], False, "Failed", True),
        ([condition("Failed", "False", reason="no")], False, None, False),
        ([condition("FailureTarget", reason="soon"), condition("SuccessCriteriaMet")], False, None, False),
    ],
)
def test_a_job_has_ended_by_its_conditions_alone(conditions, complete, failed, finished):
    view = job_view({"metadata": BARE, "status": {"conditions": conditions}})
    assert (view.complete, view.failed_reason, view.finished) == (complete, failed, finished)


def a_pod_body(state: Any = None, **status: Any) -> dict[str, Any]:
    statuses = [{"name": "proxy", "state": {"running": {}}}, {"name": "runner", "state": state}]
    return {"metadata": BARE, "status": {"containerStatuses": statuses} | status}


def test_every_fact_of_a_pod_is_read():
    init = {"name": "proxy", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "again"}}}
    body = {
        "metadata": meta(ownerReferences=owner("Job", "batch/v1", "job-1"), deletionTimestamp=WHEN),
        "spec": {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}]},
        "status": {
            "phase": "Failed", "reason": "Evicted", "message": "disk",
            "conditions": [condition("DisruptionTarget", message="drained"),
                           condition("PodScheduled", "False", message="0/1 nodes")],
            "initContainerStatuses": [init],
            "containerStatuses": [{"name": "runner", "state": {"terminated": {
                "exitCode": 137, "reason": "OOMKilled", "message": "said", "finishedAt": WHEN}}}],
        },
    }  # fmt: skip
    assert pod_view(body) == PodView(
        namespace="shop", name="x", uid="u", resource_version="7", labelled=OURS, job_name="orders-backup",
        controller="job-1", created=CREATED, deleting=True, phase="Failed", reason="Evicted", message="disk",
        disrupted="drained", unschedulable="0/1 nodes", waiting_reason="", waiting_message="", started=True,
        terminated=Terminated(137, "OOMKilled", "said", CREATED),
        held_up_by=InitContainer("proxy", "CrashLoopBackOff", "again"),
    )  # fmt: skip


def test_a_pod_of_which_nothing_is_known_yet_waits():
    assert pod_view({"metadata": BARE}) == PodView(
        namespace="shop", name="x", uid="u", resource_version="0", labelled=None, job_name="", controller=None,
        created=clock.EPOCH, deleting=False, phase="Pending", reason="", message="", disrupted=None,
        unschedulable=None, waiting_reason="", waiting_message="", started=False, terminated=None, held_up_by=None,
    )  # fmt: skip


def test_what_a_container_waits_for_is_read():
    view = pod_view(a_pod_body({"waiting": {"reason": "ErrImagePull", "message": "no such image"}}))
    assert (view.waiting_reason, view.waiting_message, view.started) == ("ErrImagePull", "no such image", False)


@pytest.mark.parametrize(
    ("body", "started", "over", "ended"),
    [
        (a_pod_body({"running": {}}, phase="Running"), True, False, False),
        (a_pod_body({"terminated": {"exitCode": 0}}, phase="Running"), True, False, True),
        (a_pod_body({"terminated": {"exitCode": 0}}, phase="Succeeded"), True, True, True),
        (a_pod_body({}, phase="Failed"), False, True, True),
        (a_pod_body({}, phase="Unknown"), False, False, False),
    ],
    ids=["it runs", "it has ended beside another", "all have ended", "it never ran", "its node does not answer"],
)
def test_whether_the_runner_may_still_work_is_known(body, started, over, ended):
    view = pod_view(body)
    assert (view.started, view.over, view.ended) == (started, over, ended)


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        ({}, Terminated(-1, "", "", None)),
        ({"exitCode": True, "reason": 1, "message": 2, "finishedAt": 3}, Terminated(-1, "", "", None)),
        ({"exitCode": "0", "message": "x" * 4097}, Terminated(-1, "", "", None)),
        ({"exitCode": 0, "message": "x" * 4096}, Terminated(0, "", "x" * 4096, None)),
    ],
    ids=["nothing", "other types", "a text, and a report that is too long", "the longest report"],
)
def test_an_end_that_makes_no_sense_is_no_success(state, seen):
    assert pod_view(a_pod_body({"terminated": state})).terminated == seen


@pytest.mark.parametrize(
    ("said", "read"),
    [({"message": "m", "reason": "r"}, "m"), ({"reason": "r"}, "r"), ({}, "PodScheduled")],
    ids=["its message", "its reason, where it has none", "its type, where it has neither"],
)
def test_a_condition_says_as_much_as_it_can(said, read):
    view = pod_view(a_pod_body({}, conditions=[condition("PodScheduled", "False", **said)]))
    assert view.unschedulable == read
    assert pod_view(a_pod_body({}, conditions=[condition("PodScheduled", **said)])).unschedulable is None
    assert pod_view(a_pod_body({}, conditions=[condition("DisruptionTarget", "False", **said)])).disrupted is None


@pytest.mark.parametrize("field", ["message", "waiting", "condition", "job"])
def test_what_a_person_is_told_is_kept_short(field):
    long = "x" * 5000
    waiting = pod_view(a_pod_body({"waiting": {"reason": "r", "message": long}}, message=long,
                                  conditions=[condition("PodScheduled", "False", message=long)]))  # fmt: skip
    job = job_view({"metadata": BARE, "status": {"conditions": [condition("Failed", message=long)]}})
    kept = {"message": waiting.message, "waiting": waiting.waiting_message, "condition": waiting.unschedulable,
            "job": job.failed_message}  # fmt: skip
    assert len(kept[field]) == 2048


def test_a_claim_that_is_not_there_has_no_modes_and_one_that_makes_no_sense_none_either():
    assert claim_view(None, [("a", "n")]) == ClaimView(None)
    assert claim_view({"spec": {"accessModes": "ReadWriteOnce"}}, ()) == ClaimView(())
    assert claim_view({"spec": {"accessModes": ["ReadWriteOnce", 7, ""]}}, ()) == ClaimView(("ReadWriteOnce",))


@pytest.mark.parametrize(
    ("phase", "volumes", "holds"),
    [
        ("Running", 1, True), ("Pending", 1, True), ("Failed", 1, False), ("Succeeded", 1, False),
        ("Running", 1024, True), ("Running", 1025, False),
    ],
)  # fmt: skip
def test_a_pod_holds_a_claim_from_its_node_to_its_end(phase, volumes, holds):
    mounted = [{"name": "v"}] * (volumes - 1) + [{"persistentVolumeClaim": {"claimName": "data"}}]
    pod = {"metadata": BARE, "spec": {"nodeName": "n", "volumes": mounted}, "status": {"phase": phase}}
    assert list(holders("data", [pod])) == ([("x", "n")] if holds else [])
    assert list(holders("data", [pod | {"spec": pod["spec"] | {"nodeName": ""}}])) == []


@pytest.mark.parametrize("wrong", [{"kind": 7}, {"kind": ""}, {"uid": None}], ids=str)
def test_an_owner_without_a_kind_or_a_uid_is_none(wrong):
    owners = owner("DatabaseBackup", naming.API_VERSION, UID)
    owners[1] |= wrong
    assert job_view({"metadata": meta(ownerReferences=owners)}).controller is None
