"""A database comes back by a DatabaseRestore, as a pipeline would ask for it; what is compared is the content."""

from typing import Any

import pytest
from tests.e2e.world import BACKUPS, RESTORES, Manifest, World, backup

pytestmark = pytest.mark.timeout(240, func_only=True)


def restore(world: World, name: str, source: Manifest, **spec: Any) -> Manifest:
    meta = {"name": name, "namespace": world.backups}
    spec = {"source": source, **spec}
    return {"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": meta, "spec": spec}


def finished(world: World, name: str) -> Manifest:
    """The status once the restore has ended, either way."""
    return world.restored(world.backups, name)


@pytest.fixture(scope="module")
def taken(world: World) -> Manifest:
    """A good backup of a database of its own, with its policy."""
    database = world.a_database("brought")
    world.apply(world.policy(world.backups, "brought", {"database": {"name": database}}))
    world.apply(backup(world.backups, "brought"))
    status = world.finished(world.backups, "brought")
    assert status["phase"] == "Succeeded", status
    return status


def empty(world: World, name: str) -> str:
    world.psql(f"drop database if exists {name} with (force)")
    world.psql(f"create database {name}")
    return name


def test_the_last_good_backup_of_a_policy_comes_back_under_another_name(world: World, taken: Manifest):
    # Given an empty database on the same server
    target = empty(world, "brought_copy")

    # When the last good backup is restored into it
    world.apply(restore(world, "copy", {"policyRef": {"name": "brought"}}, target={"databaseName": target}))
    status = finished(world, "copy")

    # Then each row is there, was counted, and the status says which backup it was, and why
    assert status["phase"] == "Succeeded", status
    assert world.fingerprint(target) == world.fingerprint("brought")
    assert (status["tables"], status["rows"]) == (taken["tables"], taken["rows"]) == (1, 500)
    assert "rows" in status["compared"]
    assert status["source"]["backupID"] == taken["backupID"]
    assert "last backup of BackupPolicy brought" in status["source"]["because"]
    [line] = world.kubectl("get", RESTORES, "copy", "-n", world.backups, "--no-headers").splitlines()
    assert line.split()[:2] == ["copy", taken["backupID"]]
    assert f"{target} on {world.host}:5432" in line


def test_a_target_that_is_not_empty_is_refused_and_stays_as_it_was(world: World, taken: Manifest):
    before = world.fingerprint("brought")
    world.apply(restore(world, "refused", {"backupRef": {"name": "brought"}}))
    status = finished(world, "refused")
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "TargetNotEmpty"), taken
    assert world.fingerprint("brought") == before
    world.kubectl("wait", "-n", world.backups, f"{RESTORES}/refused", "--for=condition=Stalled", "--timeout=5s")


def test_a_folder_in_the_bucket_is_enough_when_the_resource_is_gone(world: World):
    # Given a backup whose resource somebody has deleted, and its policy, too
    database, target = world.a_database("orphaned"), empty(world, "orphaned_copy")
    policy = world.policy(world.backups, "orphaned", {"database": {"name": database}})
    world.apply(policy, backup(world.backups, "orphaned"))
    location = world.finished(world.backups, "orphaned")["location"]
    world.kubectl("delete", "-n", world.backups, BACKUPS, "orphaned")
    world.kubectl("delete", "-n", world.backups, "backuppolicies.holdfast.dev", "orphaned")

    # When its folder is named
    folder = location.removeprefix("s3://").partition("/")[2]
    bucket = {"s3": policy["spec"]["storage"]["s3"], "folder": folder}
    into = {**policy["spec"]["database"], "name": target}
    world.apply(restore(world, "found", {"bucket": bucket}, target={"database": into}))

    # Then it is back
    status = finished(world, "found")
    assert status["phase"] == "Succeeded", status
    assert world.fingerprint(target) == world.fingerprint(database)
