"""Snapshots by RDS on the cluster: the whole way with a stand-in for AWS, waiting and failures included."""

import subprocess
from collections.abc import Iterator

import pytest
from tests import stack
from tests.e2e.test_restore import restore
from tests.e2e.world import World, backup, until
from tests.stack.moto import RDS, SECRET, moto, rds_client
from tests.stack.postgres import secret

CREATING = {"action": "DescribeDBSnapshots", "set": {"Status": "creating", "PercentProgress": "40"}}

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def rds(world: World) -> Iterator[RDS]:
    """AWS, as far as it goes, beside the other servers; its credentials where the Jobs run."""
    stack.apply([
        *moto(world.servers),
        secret(world.backups, SECRET, {"accessKeyID": "test", "secretAccessKey": "test"}),
    ])  # fmt: skip
    stack.wait_ready(world.servers, "aws")
    with rds_client(world.servers) as client:
        yield client


def a_snapshot_of(world: World, rds: RDS, name: str) -> None:
    """Ask for a backup of an instance of the same name."""
    rds.instance(name)
    instance = {
        "identifier": name, "region": "eu-central-1", "endpoint": f"http://aws.{world.servers}.svc:5000",
        "secretName": SECRET,
    }  # fmt: skip
    changes = {
        "method": "aws-rds",
        "database": {"engine": None, "name": None, "connection": None, "instance": instance},
    }
    world.apply(world.policy(world.backups, name, changes), backup(world.backups, name, label="e2e"))


def test_a_snapshot_is_waited_for_recorded_and_told(world: World, rds: RDS):
    # Given an instance whose snapshot takes its time
    rds.behave({**CREATING, "times": 2, "skip": 1})

    # When a backup of it is asked for
    a_snapshot_of(world, rds, "rds-whole")
    running = world.reaches(world.backups, "rds-whole", lambda status: status.get("phase") == "Running")
    status = world.finished(world.backups, "rds-whole", 120)

    # Then it has the snapshot's facts, and the manifest in the bucket names it
    assert status["phase"] == "Succeeded", status
    [snapshot] = rds.snapshots("rds-whole")
    assert running["conditions"]
    assert status["snapshot"]["arn"] == snapshot["DBSnapshotArn"]
    assert (status["size"], status["snapshot"]["encrypted"]) == ("21 GB", False)
    assert world.manifest(status["location"])["snapshot"]["arn"] == snapshot["DBSnapshotArn"]
    assert len(world.keys(status["location"])) == 1
    assert status["expires"] > status["completedAt"][:10]
    # and what to paste is a script that a shell reads
    assert subprocess.run(["bash", "-n", "-c", status["restore"]], check=False, timeout=10).returncode == 0
    assert "aws rds restore-db-instance-from-db-snapshot" in status["restore"]
    # and RDS is asked again, until somebody deletes it
    again = world.verify(world.backups, "rds-whole", "1")
    assert (again["phase"], again["verificationRun"]["state"]) == ("Succeeded", "Passed")
    assert (again["verification"]["checkedBy"], "level" in again["verification"]) == ("RDS", False)
    rds.client.delete_db_snapshot(DBSnapshotIdentifier=snapshot["DBSnapshotIdentifier"])
    gone = world.verify(world.backups, "rds-whole", "2")
    assert (gone["phase"], gone["failure"]["reason"]) == ("Failed", "BackupNotFound")


def test_a_snapshot_comes_back_as_a_new_instance_whose_address_stands_in_the_status(world: World, rds: RDS):
    # Given a good snapshot
    rds.behave()
    a_snapshot_of(world, rds, "rds-back")
    assert world.finished(world.backups, "rds-back", 120)["phase"] == "Succeeded"

    # When it is restored
    into = {"rds": {"identifier": "rds-new", "tags": {"team": "data"}}}
    world.apply(restore(world, "rds-again", {"policyRef": {"name": "rds-back"}}, target=into))
    status = world.restored(world.backups, "rds-again")

    # Then a new instance is there, and the status says where
    assert status["phase"] == "Succeeded", status
    [made] = rds.client.describe_db_instances(DBInstanceIdentifier="rds-new")["DBInstances"]
    assert (status["instance"]["address"], status["instance"]["arn"]) == (
        made["Endpoint"]["Address"], made["DBInstanceArn"],
    )  # fmt: skip
    assert status["target"] == "RDS instance rds-new in eu-central-1"

    # And another restore of that name is refused, and leaves it as it is
    world.apply(restore(world, "rds-over", {"policyRef": {"name": "rds-back"}}, target=into))
    over = world.restored(world.backups, "rds-over")
    assert (over["phase"], over["failure"]["reason"]) == ("Failed", "InstanceAlreadyExists")


def test_a_full_quota_is_a_failure_with_its_remedy(world: World, rds: RDS):
    rds.behave({"action": "CreateDBSnapshot", "code": "SnapshotQuotaExceeded"})
    a_snapshot_of(world, rds, "rds-quota")
    status = world.finished(world.backups, "rds-quota")
    assert (status["failure"]["reason"], status["failure"]["exitCode"]) == ("SnapshotQuotaExceeded", 7)
    assert "delete manual snapshots" in status["failure"]["remedy"]
    assert world.keys(status["location"]) == {}


def test_a_killed_pods_snapshot_becomes_the_backup_of_the_next(world: World, rds: RDS):
    # Given a Pod that waits for a snapshot which RDS does not delete yet
    rds.behave({"action": "DeleteDBSnapshot", "code": "InvalidDBSnapshotState"}, {**CREATING, "skip": 1})
    a_snapshot_of(world, rds, "rds-killed")
    until(lambda: rds.snapshots("rds-killed"), bool, 90)

    # When the Pod is deleted, and RDS comes to an end
    [pod] = world.pods(world.backups, "rds-killed")
    world.kubectl("delete", "pod", "-n", world.backups, pod["metadata"]["name"], "--wait=false")
    rds.behave()
    status = world.finished(world.backups, "rds-killed", 150)

    # Then its successor has made the same snapshot the backup
    assert status["phase"] == "Succeeded", status
    [snapshot] = rds.snapshots("rds-killed")
    assert status["snapshot"]["arn"] == snapshot["DBSnapshotArn"]
