"""A backup is asked again whether it is still there and still that, by an annotation; and the truth is told."""

import pytest
from tests import stack
from tests.e2e.world import BACKUPS, Manifest, World, backup

pytestmark = pytest.mark.timeout(240)


def conditions(status: Manifest) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in status["conditions"]}


def runs(world: World, name: str) -> list[str]:
    """The Jobs that have verified this backup."""
    labels = [job["metadata"]["labels"] for job in world.jobs(world.backups, name)]
    return [label["holdfast.dev/attempt"] for label in labels if label["holdfast.dev/task"] == "verify"]


def test_a_good_backup_is_read_back_when_it_is_asked_and_only_once(world: World):
    # Given a backup that has succeeded, verified by the store's checksums
    world.apply(world.policy(world.backups, "again"), backup(world.backups, "again"))
    before = world.finished(world.backups, "again")
    assert (before["verification"]["level"], before["verification"]["checkedBy"]) == ("checksum", "StoreChecksum")

    # When it is asked to be read back, and the same is asked once more
    status = world.verify(world.backups, "again", "readback/1")
    again = world.verify(world.backups, "again", "readback/1")

    # Then all of it was compared, once, and it reads as before
    assert (status["phase"], status["verificationRun"]["state"]) == ("Succeeded", "Passed")
    assert status["verification"]["compared"] == ["size", "sha256", "uncompressedBytes", "rows", "schema", "globals"]
    assert status["verification"]["verifiedAt"] > before["verification"]["verifiedAt"]
    assert (status["sizeBytes"], status["restore"]) == (before["sizeBytes"], before["restore"])
    world.kubectl("wait", "-n", world.backups, f"{BACKUPS}/again", "--for=condition=Verified", "--timeout=5s")
    assert again["verificationRun"] == status["verificationRun"]
    assert runs(world, "again") == ["1"]
    assert "VerificationPassed" in {event["reason"] for event in world.events(world.backups, "again")}


def test_an_artifact_that_is_gone_makes_the_backup_failed_until_it_is_back(world: World):
    # Given a backup whose artifact somebody has deleted
    world.apply(world.policy(world.backups, "gone"), backup(world.backups, "gone"))
    before = world.finished(world.backups, "gone")
    key = world.manifest(before["location"])["artifact"]["key"]
    body = world.s3.get_object(Bucket="backups", Key=key)["Body"].read()
    world.s3.delete_object(Bucket="backups", Key=key)

    # When it is verified
    status = world.verify(world.backups, "gone", "1")

    # Then that is said everywhere, and nothing else is touched
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "BackupNotFound")
    assert key in status["failure"]["message"]
    assert {kind: conditions(status)[kind] for kind in ("Verified", "Ready", "Succeeded", "Stalled")} == {
        "Verified": "False", "Ready": "False", "Succeeded": "False", "Stalled": "True",
    }  # fmt: skip
    assert len(stack.keys_in_bucket(world.s3, "backups", key.rpartition("/")[0])) == 2, "the manifest, and roles"

    # and when it is back, so is the backup; an unknown level is refused, and changes nothing
    world.s3.put_object(Bucket="backups", Key=key, Body=body)
    mended = world.verify(world.backups, "gone", "2")
    assert (mended["phase"], "failure" in mended, mended["verificationRun"]["state"]) == ("Succeeded", False, "Passed")
    assert mended["verification"]["checkedBy"] == "Readback", "what was put there has no checksum of its parts"
    refused = world.verify(world.backups, "gone", "full/3")
    assert (refused["phase"], refused["verificationRun"]["state"]) == ("Succeeded", "Refused")
    assert conditions(refused)["Verified"] == "True"

    # and where the bucket is to delete, one of which nothing is left has expired
    world.apply(world.policy(world.backups, "gone", {"retention": {"mode": "External"}}))
    for each in world.keys(before["location"]):
        world.s3.delete_object(Bucket="backups", Key=each)
    expired = world.verify(world.backups, "gone", "4")
    assert (expired["phase"], expired["verificationRun"]["state"]) == ("Expired", "Expired")
    assert "failure" not in expired
