"""What happens to a running backup when something happens to it: nothing is lost, nothing is done twice."""

import json
import subprocess

import pytest
from tests.e2e.installation import RUNNER
from tests.e2e.world import BACKUPS, POLICIES, World, backup, gone, until

pytestmark = pytest.mark.timeout(240)


def running(world: World, name: str, changes: dict | None = None, namespace: str | None = None) -> dict:
    """Start a backup of a database that somebody holds a lock in; returns its status once the dump waits there."""
    namespace = namespace or world.races
    merged = {"database": {"name": name.replace("-", "_")}} | (changes or {})
    world.apply(world.policy(namespace, name, merged), backup(namespace, name))
    status = world.reaches(namespace, name, lambda status: status.get("phase") == "Running")
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'holdfast'"
    until(lambda: world.psql(f"{waits} and datname = '{name.replace('-', '_')}'").strip(), lambda it: it != "0", 30)
    return status


def the_pod(world: World, name: str) -> str:
    return next(pod["metadata"]["name"] for pod in world.pods(world.races, name) if pod["status"]["phase"] == "Running")


def assert_one_backup(world: World, status: dict) -> None:
    keys = world.keys(status["location"])
    assert len(keys) == 3, keys
    assert world.manifest(status["location"])["artifact"]["key"] in keys
    assert world.uploads(status["location"]) == []


def test_a_deleted_pod_is_replaced_and_one_backup_comes_of_it(world: World):
    # Given a backup in the midst of its dump
    with world.locked(world.a_database("pod_deleted")):
        running(world, "pod-deleted")

        # When its Pod is deleted
        world.kubectl("delete", "pod", "-n", world.races, the_pod(world, "pod-deleted"), "--wait=false")
        status = world.reaches(world.races, "pod-deleted", lambda status: status.get("retries", 0) == 1, timeout=90)
        assert "retry 1" in status["message"]

    # Then another one takes the backup, once
    status = world.finished(world.races, "pod-deleted")
    assert status["phase"] == "Succeeded", status
    assert_one_backup(world, status)


def test_a_killed_container_fails_the_backup_and_is_cleaned_up_after(world: World, cluster):
    if not cluster.kind:
        pytest.skip("the node of a cluster of your own cannot be entered")
    # Given a running backup that may not be retried
    with world.locked(world.a_database("killed")):
        status = running(world, "killed", {"job": {"backoffLimit": 0}})
        until(lambda: world.uploads(status["location"]), lambda uploads: len(uploads) == 1, 20)

        # When every process of its container is killed at once
        pod = world.get("pod", world.races, the_pod(world, "killed"))
        container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        kill = ["ctr", "-n", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", "--all", container]
        subprocess.run(
            ["docker", "exec", f"{cluster.name}-control-plane", *kill], env=cluster.environment, check=True, timeout=30
        )

        # Then it is Failed, says how, and what it left in the bucket is removed
        status = world.finished(world.races, "killed")
        assert status["failure"]["reason"] == "ContainerKilled", status
        status = world.reaches(world.races, "killed", lambda it: it.get("cleanup", {}).get("state") == "Done")
    assert world.uploads(status["location"]) == []
    assert world.keys(status["location"]) == {}


def test_a_deleted_backup_ends_its_job_and_leaves_nothing_half_written(world: World):
    with world.locked(world.a_database("deleted")):
        status = running(world, "deleted")

        world.kubectl("delete", BACKUPS, "-n", world.races, "deleted")  # waits: nothing holds it up

        until(lambda: world.pods(world.races, "deleted"), lambda pods: pods == [], 60)
    assert world.jobs(world.races, "deleted") == []
    assert world.uploads(status["location"]) == []
    assert world.keys(status["location"]) == {}


def test_deleting_a_finished_backup_keeps_its_data_unless_somebody_wants_it_to_go(world: World):
    # Given a policy whose backups' data goes with them, and one of them whose data stays
    world.apply(world.policy(world.races, "kept", {"deletionPolicy": "Delete"}))
    world.apply(backup(world.races, "kept", deletionPolicy="Retain"), backup(world.races, "goes", "kept"))
    kept, goes = (world.finished(world.races, name) for name in ("kept", "goes"))
    assert_one_backup(world, goes)

    # When both are deleted, and their policy first
    world.kubectl("delete", POLICIES, "-n", world.races, "kept")
    world.kubectl("delete", BACKUPS, "-n", world.races, "kept", "goes", "--timeout=60s", timeout=70)

    # Then they are gone, and so is the data of the one
    assert all(gone(world, BACKUPS, world.races, name) for name in ("kept", "goes"))
    assert_one_backup(world, kept)
    assert world.keys(goes["location"]) == {}


def test_a_policy_that_is_edited_or_deleted_changes_nothing_for_a_running_backup(world: World):
    # Given a running backup
    with world.locked(world.a_database("edited")):
        before = running(world, "edited")

        # When its policy is edited and then deleted
        edited = world.policy(
            world.races, "edited", {"retention": {"days": 1}, "storage": {"s3": {"bucket": "elsewhere"}}}
        )
        world.apply(edited)
        world.kubectl("delete", POLICIES, "-n", world.races, "edited")

    # Then it ends where and for as long as it was meant to
    status = world.finished(world.races, "edited")
    assert status["phase"] == "Succeeded", status
    assert status["location"] == before["location"]
    assert status["resolved"]["retention"]["days"] == 30
    assert_one_backup(world, status)


def test_the_leader_is_killed_in_the_midst_and_the_other_replica_goes_on(world: World):
    with world.locked(world.a_database("leader_killed")):
        running(world, "leader-killed")
        lease = world.get("lease", world.operator, "holdfast-operator")
        leader = lease["spec"]["holderIdentity"].split("_")[0]

        world.kubectl("delete", "pod", "-n", world.operator, leader, "--grace-period=0", "--force")

    status = world.finished(world.races, "leader-killed", timeout=120)
    assert status["phase"] == "Succeeded", status
    assert_one_backup(world, status)
    assert len(world.jobs(world.races, "leader-killed")) == 1


def test_a_namespace_with_a_running_backup_can_be_deleted_and_stops_no_other(world: World):
    """Nothing of ours holds it up for long: a Job that ends aborts its upload, and a finalizer lets go."""
    # Given a backup in the midst of its dump in a namespace of its own, and one in another namespace
    with world.locked(world.a_database("doomed")), world.locked(world.a_database("neighbour")):
        # one that is good, whose data is to go with it, and that will not find a Job for it any more
        world.apply(world.policy(world.doomed, "left"), backup(world.doomed, "left", deletionPolicy="Delete"))
        status = running(world, "doomed", namespace=world.doomed)
        running(world, "neighbour")
        until(lambda: world.uploads(status["location"]), lambda uploads: len(uploads) == 1, 30)
        left = world.finished(world.doomed, "left")
        assert world.get(BACKUPS, world.doomed, "left")["metadata"]["finalizers"] == ["holdfast.dev/data"]
        meta = world.get(BACKUPS, world.doomed, "doomed")["metadata"]
        assert "finalizers" not in meta
        assert not any("kopf" in key for key in meta.get("annotations", {}))

        # When its namespace is deleted
        world.kubectl("delete", "namespace", world.doomed, "--timeout=90s", timeout=100)

        # Then it is gone, and nothing half-written is in the bucket
        assert world.kubectl("get", "namespace", world.doomed, "--ignore-not-found").strip() == ""
        assert world.uploads(status["location"]) == []
        assert world.keys(status["location"]) == {}

        # and what is left of the other is told where the namespace's end does not reach
        assert_one_backup(world, left)
        told = world.kubectl("get", "events", "-n", world.operator, "--field-selector=reason=DataLeft", "-o", "json")
        messages = [event["message"] for event in json.loads(told)["items"]]
        assert any(left["location"] in message and f"{world.doomed}/left" in message for message in messages), messages

    # And the other's backup ends well
    status = world.finished(world.races, "neighbour", timeout=120)
    assert status["phase"] == "Succeeded", status
    assert_one_backup(world, status)


def a_quota(world: World, pods: int) -> dict:
    meta = {"name": "pods", "namespace": world.races}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"pods": str(pods)}}}


def test_a_pod_that_is_deleted_while_a_quota_refuses_the_next_one_is_waited_for(world: World):
    # Given a running backup, whose Pod had less time to start than it has run by now
    with world.locked(world.a_database("refused")):
        running(world, "refused", {"job": {"startTimeoutSeconds": 25}})
        job = world.jobs(world.races, "refused")[0]

        # When its Pod is deleted while a quota refuses every other one
        world.apply(a_quota(world, 0))
        try:
            world.kubectl("delete", "pod", "-n", world.races, the_pod(world, "refused"), "--wait=false")
            status = world.reaches(world.races, "refused", lambda it: "exceeded quota" in it.get("message", ""), 60)
            assert status["phase"] == "Pending"
        finally:
            world.kubectl("delete", "resourcequota", "pods", "-n", world.races)
        world.reaches(world.races, "refused", lambda it: it["phase"] == "Running" and "podWanted" not in it, 60)

    # Then the same Job goes on and takes the backup
    status = world.finished(world.races, "refused")
    assert status["phase"] == "Succeeded", status
    jobs = [it["metadata"] for it in world.jobs(world.races, "refused")]
    assert [it["uid"] for it in jobs if it["labels"]["holdfast.dev/task"] == "backup"] == [job["metadata"]["uid"]]
    assert_one_backup(world, status)


def test_a_pod_with_all_our_labels_that_anybody_made_is_not_believed(world: World):
    # Given a backup whose own Pod does not even start, for a bucket that does not exist
    world.a_database("forged")
    nowhere = {"storage": {"s3": {"bucket": "no-such-bucket"}}, "database": {"name": "forged"}}
    world.apply(world.policy(world.races, "forged", nowhere | {"job": {"nodeSelector": {"no-such": "node"}}}))
    world.apply(backup(world.races, "forged"))
    status = world.reaches(world.races, "forged", lambda it: "no node can run" in it.get("message", ""))

    # When somebody makes a Pod that bears our labels and says that the backup is there
    # (all but the one by which the Job's controller would adopt it: whoever knows that one is in its place)
    ours = world.pods(world.races, "forged")[0]["metadata"]["labels"]
    ours = {key: value for key, value in ours.items() if not key.endswith("controller-uid")}
    folder = status["location"].removeprefix("s3://no-such-bucket/")
    world.apply(a_forged_pod(world, ours, a_success_of(status["backupID"], f"{folder}x.sql.gz")))
    until(lambda: world.get("pod", world.races, "forged")["status"]["phase"], lambda phase: phase == "Succeeded", 60)

    # Then nobody believes it: the backup goes on waiting, and says no success
    world.kubectl("annotate", BACKUPS, "-n", world.races, "forged", "look=again")
    status = world.reaches(world.races, "forged", lambda it: it["phase"] != "Running", 10)
    assert (status["phase"], "sha256" in status) == ("Pending", False), status
    world.kubectl("delete", BACKUPS, "-n", world.races, "forged")
    assert world.get("pod", world.races, "forged"), "it is not ours, and is left alone"


def a_success_of(identifier: str, key: str) -> dict:
    when = "2026-11-22T08:45:00Z"
    return {
        "version": 1, "kind": "backup", "outcome": "Succeeded", "startedAt": when, "completedAt": when,
        "durationSeconds": 1,
        "backup": {
            "backupID": identifier, "artifactKey": key, "sizeBytes": 123000000, "sha256": "a" * 64,
            "toolVersion": "pg_dump 17", "serverVersion": "PostgreSQL 17", "integrityCheck": "passed",
            "fileReadable": "seen", "verifiedAt": when,
        },
    }  # fmt: skip


def a_forged_pod(world: World, labels: dict, report: dict) -> dict:
    script = "import os; open('/dev/termination-log', 'w').write(os.environ['REPORT'])"
    container = {
        "name": "runner", "image": RUNNER, "command": ["python3", "-c", script],
        "env": [{"name": "REPORT", "value": json.dumps(report)}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    safe = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "securityContext": safe, "containers": [container]}
    meta = {"name": "forged", "namespace": world.races, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
