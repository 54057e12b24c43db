"""Snapshots by RDS on the cluster: the whole way with a stand-in for AWS, waiting and failures included."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests import stack, yaml_text
from tests.e2e.test_restore import ROOT, restore
from tests.e2e.world import World, backup, until
from tests.stack.kubectl import Manifest
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


def a_snapshot_of(world: World, rds: RDS, name: str, **facts: Any) -> None:
    """Ask for a backup of an instance of the same name."""
    rds.instance(name)
    instance = {
        "identifier": name, "region": "eu-central-1", "endpoint": f"http://aws.{world.servers}.svc:5000",
        "secretName": SECRET, **facts,
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
    # and RDS is asked again, until somebody deletes it
    again = world.verify(world.backups, "rds-whole", "1")
    assert (again["phase"], again["verificationRun"]["state"]) == ("Succeeded", "Passed")
    assert (again["verification"]["checkedBy"], "level" in again["verification"]) == ("RDS", False)
    rds.client.delete_db_snapshot(DBSnapshotIdentifier=snapshot["DBSnapshotIdentifier"])
    gone = world.verify(world.backups, "rds-whole", "2")
    assert (gone["phase"], gone["failure"]["reason"]) == ("Failed", "BackupNotFound")


def from_the_page(world: World, kind: str, location: str, name: str) -> Manifest:
    """The resource of the how-to that restores from a bucket, or from a copy, told where this account is."""
    page = (ROOT / "docs/how-to/restore-rds.md").read_text()
    blocks = [yaml_text.load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    [body] = [block for block in blocks if block["metadata"]["name"] == kind]
    body["metadata"]["namespace"], spec = world.backups, body["spec"]
    spec["target"]["rds"] |= {
        "identifier": name,
        "secretName": SECRET,
        "endpoint": f"http://aws.{world.servers}.svc:5000",
    }
    if "bucket" in spec["source"]:
        spec["source"]["bucket"] = {
            "s3": world.policy(world.backups, name, {})["spec"]["storage"]["s3"],
            "folder": location.removeprefix("s3://").partition("/")[2],
        }
        spec["target"]["environment"], spec["job"] = "staging", {}
    else:
        spec["source"] = {"policyRef": {"name": "rds-back"}}
    return body


def test_a_snapshot_comes_back_as_its_status_shows_from_its_copy_and_from_the_bucket_alone(world: World, rds: RDS):
    # Given a good snapshot with a copy in another region
    rds.behave()
    for region in ("eu-central-1", "eu-west-1"):
        rds.subnet_group(region, "shop")  # as the how-to has it
    a_snapshot_of(world, rds, "rds-back", copyTo={"region": "eu-west-1"})
    taken = world.finished(world.backups, "rds-back", 120)
    assert taken["phase"] == "Succeeded", taken

    # When what its status shows is applied as it stands, and again under another name;
    # and the how-to's own resources for the copy and for the bucket
    shown = yaml_text.load(taken["restore"])
    name = shown["spec"]["target"]["rds"]["identifier"]
    over = restore(world, "rds-over", shown["spec"]["source"], target=shown["spec"]["target"])
    far = from_the_page(world, "orders-far-away", taken["location"], "rds-far")
    lone = from_the_page(world, "orders-from-the-bucket", taken["location"], "rds-lone")
    world.apply(shown)
    world.apply(over, far, lone)
    done = {each["metadata"]["name"]: world.restored(world.backups, each["metadata"]["name"])
            for each in (shown, over, far, lone)}  # fmt: skip

    # Then new instances are there, and the status says where
    wanted = {shown["metadata"]["name"]: (name, "eu-central-1"), far["metadata"]["name"]: ("rds-far", "eu-west-1"),
              lone["metadata"]["name"]: ("rds-lone", "eu-central-1")}  # fmt: skip
    for restored, (identifier, region) in wanted.items():
        status = done[restored]
        assert (status["phase"], status["target"]) == ("Succeeded", f"RDS instance {identifier} in {region}"), status
        assert status["instance"]["arn"].split(":")[3::3] == [region, identifier]
    [made] = rds.client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    assert done[shown["metadata"]["name"]]["instance"]["address"] == made["Endpoint"]["Address"]
    # and the one whose name was taken by then has left it alone
    refused = done["rds-over"]
    assert (refused["phase"], refused["failure"]["reason"]) == ("Failed", "InstanceAlreadyExists")


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
