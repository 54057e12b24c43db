"""How a DatabaseRestore ends where Job, Pod and report are not seen together, and what its failure tells to do."""

from typing import Any

import pytest
from tests.builders import a_failure, policy_dict
from tests.restoring import World

from holdfast.contract.task import DropTask, RestoreTask
from holdfast.errors import Reason
from holdfast.kube.kinds import JOBS, PODS, POLICIES, RESTORES

FIRST: dict[str, Any] = {"source": {"backupRef": {"name": "first"}}}
REFUSE, INTO, REPLACE = FIRST, {**FIRST, "mode": "Into"}, {**FIRST, "mode": "Replace"}


async def a_world_whose_pod_has_ended(**spec: Any) -> World:
    world = World(**(spec or REPLACE))
    await world.backed_up()
    await world.reconcile()
    world.cluster.kubelet()
    return world


def its_job(world: World) -> dict[str, Any]:
    (job,) = (job for job in world.cluster.all(JOBS) if job["metadata"]["name"].startswith("again-restore"))
    return dict(job)


def a_job_that_goes_on(world: World, **status: Any) -> None:
    world.cluster.put(JOBS, {**its_job(world), "status": status})


async def without_its_pods(world: World) -> None:
    for pod in world.cluster.all(PODS):
        if pod["metadata"]["name"].startswith("again-restore"):
            await world.cluster.delete(PODS, "shop", pod["metadata"]["name"], uid=None)


def change_its_pod(world: World, **status: Any) -> None:
    (pod,) = (pod for pod in world.cluster.all(PODS) if pod["metadata"]["name"].startswith("again-restore"))
    world.cluster.put(PODS, {**pod, "status": {**pod["status"], **status}})


async def test_a_success_is_recorded_before_its_job_is_seen_to_end():
    world = await a_world_whose_pod_has_ended()
    a_job_that_goes_on(world)

    await world.reconcile()

    assert (await world.status())["phase"] == "Succeeded"
    assert "deletionTimestamp" not in its_job(world)["metadata"]  # it is about to end, and its Pod has the log
    assert "ttlSecondsAfterFinished" not in its_job(world)["spec"]
    await without_its_pods(world)
    a_job_that_goes_on(world, conditions=[{"type": "Complete", "status": "True"}])
    await world.reconcile()
    assert (await world.status())["phase"] == "Succeeded"
    assert its_job(world)["spec"]["ttlSecondsAfterFinished"] > 0


async def test_a_success_is_believed_when_its_job_is_gone():
    world = await a_world_whose_pod_has_ended()
    await world.cluster.delete(JOBS, "shop", its_job(world)["metadata"]["name"], uid=None)

    await world.reconcile()

    status = await world.status()
    assert (status["phase"], status["rows"]) == ("Succeeded", 3_000_000)
    assert status["replaced"]["name"].startswith("orders_before_again_")


async def test_a_success_of_another_s_pod_is_not_believed_when_the_job_is_gone():
    world = await a_world_whose_pod_has_ended()
    await world.cluster.delete(JOBS, "shop", its_job(world)["metadata"]["name"], uid=None)
    (pod,) = (pod for pod in world.cluster.all(PODS) if pod["metadata"]["name"].startswith("again-restore"))
    owner = {**pod["metadata"]["ownerReferences"][0], "uid": "another"}
    world.cluster.put(PODS, {**pod, "metadata": {**pod["metadata"], "ownerReferences": [owner]}})

    await world.reconcile()

    assert (await world.status())["failure"]["reason"] == Reason.RESTORE_UNKNOWN
    assert len(world.tasks(RestoreTask)) == 1


async def test_a_pod_that_was_faster_than_the_end_of_its_job_is_believed():
    world = await a_world_whose_pod_has_ended()
    a_job_that_goes_on(world)
    body = await world.cluster.get(RESTORES, "shop", "again")
    ending = {"since": "2026-11-22T08:45:00Z", "jobUID": its_job(world)["metadata"]["uid"]}
    failure = {"reason": "StartTimeout", "message": "the Job's Pod did not start", "remedy": "wait"}
    world.cluster.put(RESTORES, {**body, "status": {**body["status"], "ending": ending, "failure": failure}})

    await world.reconcile()

    status = await world.status()
    assert (status["phase"], status.get("failure"), status.get("ending")) == ("Succeeded", None, None)


async def test_what_still_runs_when_its_job_is_gone_is_waited_for():
    world = await a_world_whose_pod_has_ended()
    change_its_pod(world, phase="Running", containerStatuses=[{"name": "runner", "state": {"running": {}}}])
    await world.cluster.delete(JOBS, "shop", its_job(world)["metadata"]["name"], uid=None)

    await world.reconcile()

    status = await world.status()
    assert (status["phase"] != "Failed", status["failure"]["reason"]) == (True, Reason.RESTORE_UNKNOWN)
    await without_its_pods(world)
    status = await world.until_the_end()
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.RESTORE_UNKNOWN)
    assert [task.names[0].startswith("orders_restoring") for task in world.tasks(DropTask)] in ([], [True])


HALF = "look into the target first: it may be half filled, so empty it; "
PART = "look into the target first: it may have a part of the backup, so take that out; "


@pytest.mark.parametrize(
    ("spec", "first"), [(REFUSE, HALF), (INTO, PART), (REPLACE, "")], ids=["Refuse", "Into", "Replace"]
)
async def test_where_the_pod_was_lost_the_target_is_looked_into_before_another_restore(spec: Any, first: str):
    world = await a_world_whose_pod_has_ended(**spec)
    a_job_that_goes_on(world)
    change_its_pod(world, phase="Running", containerStatuses=[{"name": "runner", "state": {"running": {}}}])
    await world.reconcile()
    assert (await world.status())["phase"] == "Running"
    await without_its_pods(world)
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too many"}
    a_job_that_goes_on(world, failed=1, conditions=[failed])

    status = await world.until_the_end()

    assert (status["phase"], status["failure"]["reason"]) == ("Failed", Reason.POD_LOST)
    which = "find out who deletes Pods in this namespace, or which node was lost; then create another DatabaseRestore"
    assert status["failure"]["remedy"] == first + which


@pytest.mark.parametrize(
    ("reason", "looks"),
    [(Reason.INTERRUPTED, True), (Reason.DEADLINE_EXCEEDED, True), (Reason.RESTORE_DIFFERS, False)],
)
async def test_a_runner_that_was_stopped_in_its_work_has_the_target_looked_into(reason: Reason, looks: bool):
    world = World(**REFUSE)
    await world.backed_up()
    world.runner.fails = reason
    status = await world.until_the_end()
    assert status["failure"]["remedy"].startswith(HALF) is looks


async def test_no_restore_tells_to_create_another_backup():
    world = World(**REFUSE)
    await world.backed_up()
    told = a_failure(Reason.CONNECTION_REFUSED)
    assert told.failure is not None
    remedy = "wait until the server is ready, then create another backup: the server is starting"
    failed = told.failure.model_copy(update={"remedy": remedy})
    world.runner.tells = told.model_copy(update={"kind": "restore", "failure": failed})
    status = await world.until_the_end()
    said = "wait until the server is ready, then create another DatabaseRestore: the server is starting"
    assert status["failure"]["remedy"] == said


@pytest.mark.parametrize(
    ("spec", "says", "remedy"),
    [
        pytest.param({"mode": "Sideways"}, "spec.mode: ", "create another DatabaseRestore with an allowed value",
                     id="its own"),
        pytest.param({"target": {"policyRef": {"name": "odd"}}}, "the target's BackupPolicy: spec.environment: ",
                     "correct the policy, then create another DatabaseRestore", id="the target's policy"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_fails_it_with_a_remedy_for_just_that(spec: dict[str, Any], says: str, remedy: str):
    world = World(source={"backupRef": {"name": "first"}}, **spec)
    odd = policy_dict() | {"environment": "moon"}
    world.cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "odd"}, "spec": odd})
    await world.reconcile()
    status = await world.status()
    assert status["failure"]["reason"] == Reason.INVALID_SPEC
    assert status["failure"]["message"].startswith(says)
    assert status["failure"]["remedy"].startswith(remedy)


async def test_what_a_restore_warns_of_is_told_of_one_that_failed_too():
    failed = a_failure(Reason.RESTORE_FAILED).model_copy(update={"kind": "restore", "warnings": ["still a member"]})
    world = World(**REPLACE)
    await world.backed_up()
    world.runner.tells = failed
    status = await world.until_the_end()
    assert (status["phase"], status["warnings"]) == ("Failed", ["still a member"])
