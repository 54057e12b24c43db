"""The restore of a snapshot without AWS and in milliseconds: asked for once, waited for, and nobody else's touched."""

import json
from typing import Any

import pytest
from tests.fake_rds import FakeRDS
from tests.unit.test_runner_rds import (  # noqa: F401 - the fixture
    HERE,
    ID,
    MANIFEST,
    NAME,
    PREFIX,
    QUICK,
    S3,
    TAGS,
    THERE,
    UID,
    Pod,
    pod,
)

from holdfast.api.rds import RDSInstance
from holdfast.api.rds_target import RDSTarget
from holdfast.contract.task import RestoreIdentity, SnapshotRestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.rds import restore, targets
from holdfast.runner.rds.client import Taken

OURS = [{"Key": "app.kubernetes.io/managed-by", "Value": "holdfast"},
        {"Key": "holdfast.dev/restore-uid", "Value": "r-1"}]  # fmt: skip


@pytest.fixture
def aws(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> FakeRDS:  # noqa: F811
    """An account with a good snapshot."""
    for module in ("restore", "source"):
        monkeypatch.setattr(f"holdfast.runner.rds.{module}.connect", pod.aws.connect)
    pod.backup()
    pod.aws.calls.clear()
    return pod.aws


def run(pod: Pod, **changes: Any) -> Any:  # noqa: F811
    given = {
        "backup_uid": UID, "restore": RestoreIdentity(uid="r-1", namespace="shop", name="back"),
        "instance": pod.instance, "snapshot_arn": f"arn:aws:rds:{HERE}:123456789012:snapshot:{NAME}",
        "target": RDSTarget(identifier="new", instance_class="db.t4g.medium"), "s3": S3, "key_prefix": PREFIX,
        "deadline_seconds": 60,
    }  # fmt: skip
    return restore.run(SnapshotRestoreTask(**(given | changes)), pod.context(), QUICK)


def fails(pod: Pod, **changes: Any) -> HoldfastError:  # noqa: F811
    with pytest.raises(HoldfastError) as caught:
        run(pod, **changes)
    return caught.value


def test_it_is_asked_for_once_with_its_tag_and_told_with_its_address(pod: Pod, aws: FakeRDS):  # noqa: F811
    result = run(pod)
    made = result.restore.instance
    assert (made.address, made.port) == ("new.x.eu-central-1.rds.amazonaws.com", 5432)
    assert result.message.endswith("at new.x.eu-central-1.rds.amazonaws.com:5432")
    assert aws.operations("Restore") == ["RestoreDBInstanceFromDBSnapshot"]
    assert all(tag in aws.instances["new"]["TagList"] for tag in OURS)
    assert run(pod).restore.instance == made
    assert aws.operations("Restore") == ["RestoreDBInstanceFromDBSnapshot"]


@pytest.mark.parametrize("tags", [OURS[:1], OURS[1:], [OURS[0], {**OURS[1], "Value": "r-2"}]])
def test_one_without_our_tag_is_left_alone(pod: Pod, aws: FakeRDS, tags: Any):  # noqa: F811
    aws.new_instance("new", HERE, tags)
    assert fails(pod).reason is Reason.INSTANCE_ALREADY_EXISTS
    assert aws.operations("Restore") == []


@pytest.mark.parametrize(
    ("facts", "reason", "says"),
    [
        pytest.param(
            {"DBInstanceStatus": "incompatible-parameters"}, Reason.RESTORE_FAILED, "is incompatible", id="bad"
        ),
        pytest.param({"Engine": "mysql"}, Reason.RESTORE_DIFFERS, "has the engine mysql", id="another engine"),
        pytest.param({"Endpoint": None}, Reason.RESTORE_FAILED, "names no address", id="no address"),
    ],
)
def test_one_that_is_not_what_was_asked_for_is_a_failure_and_stays(
    pod: Pod,  # noqa: F811
    aws: FakeRDS,
    facts: Any,
    reason: Reason,
    says: str,
):
    aws.new_instance("new", HERE, OURS)
    aws.instances["new"] |= facts
    error = fails(pod)
    assert error.reason is reason
    assert says in error.message
    assert "new" in aws.instances


def test_one_that_vanishes_while_it_is_waited_for_is_not_made_again(pod: Pod, aws: FakeRDS):  # noqa: F811
    looks = iter([{"DBInstanceStatus": "creating"}])

    def answer(asked: Any) -> Any:
        if asked["DBInstanceIdentifier"] != "new" or "new" not in aws.instances:
            return None
        look = next(looks, None)
        return {"DBInstances": [aws.instances["new"] | look]} if look else "DBInstanceNotFound"

    aws.says["DescribeDBInstances"] = answer
    error = fails(pod)
    assert (error.reason, "somebody deleted it" in error.message) == (Reason.RESTORE_FAILED, True)
    assert aws.operations("Restore") == ["RestoreDBInstanceFromDBSnapshot"]


def test_a_snapshot_that_another_backup_took_is_not_restored(pod: Pod, aws: FakeRDS):  # noqa: F811
    aws.snapshots[HERE, NAME]["TagList"] = []
    assert fails(pod).reason is Reason.BACKUP_NOT_FOUND
    assert aws.operations("Restore") == []


def test_the_new_one_gets_no_public_address(pod: Pod, aws: FakeRDS):  # noqa: F811
    run(pod)
    assert aws.given["RestoreDBInstanceFromDBSnapshot"]["PubliclyAccessible"] is False


@pytest.mark.parametrize(
    ("engine", "asks"),
    [
        pytest.param("aurora-mysql", {"RestoreDBClusterFromSnapshot": None, "CreateDBInstance": False}, id="aurora"),
        pytest.param("mysql", {"RestoreDBClusterFromSnapshot": False}, id="multi-az"),
    ],
)
def test_a_cluster_gets_no_public_address_either(pod: Pod, aws: FakeRDS, engine: str, asks: Any):  # noqa: F811
    taken = Taken("holdfast-x", "arn", "available", None, engine, "8.0", 1, None, encrypted=False, kms_key_id=None)
    wanted = RDSTarget(identifier="new", instance_class="db.r6g.large")
    made, member = (
        aws.connect(RDSInstance(identifier=name, kind=kind, region=HERE), HERE, pod.context().places, restores=True)
        for name, kind in (("new", "cluster"), ("new-1", "instance"))
    )
    for operation in ("RestoreDBClusterFromSnapshot", "CreateDBInstance"):
        aws.says[operation] = lambda _: {}
    assert targets.restore(made, taken, wanted, {})
    if targets.is_aurora(engine):
        assert targets.add_member(member, "new", engine, wanted, {})
    assert {operation: aws.given[operation].get("PubliclyAccessible") for operation in aws.operations()} == asks


@pytest.mark.parametrize(
    ("status", "reason"),
    [("storage-initialization", None), ("storage-optimization", None), ("delete-precheck", Reason.RESTORE_FAILED),
     ("deleting", Reason.RESTORE_FAILED)],
)  # fmt: skip
def test_it_is_there_when_it_answers_and_not_when_it_is_about_to_go(
    pod: Pod,  # noqa: F811
    aws: FakeRDS,
    status: str,
    reason: Reason | None,
):
    aws.new_instance("new", HERE, OURS)
    aws.instances["new"] |= {"DBInstanceStatus": status}
    if reason is None:
        assert run(pod).restore.instance.identifier == "new"
    else:
        assert fails(pod).reason is reason


def test_one_that_rds_never_shows_is_not_waited_for_without_end(pod: Pod, aws: FakeRDS):  # noqa: F811
    aws.says["DescribeDBInstances"] = lambda _: "DBInstanceNotFound"
    error = fails(pod)
    assert (error.reason, "RDS does not show it" in error.message) == (Reason.RESTORE_FAILED, True)
    assert aws.operations("Restore")


def test_the_key_that_a_restore_needs_is_the_snapshots(pod: Pod, aws: FakeRDS):  # noqa: F811
    aws.says["RestoreDBInstanceFromDBSnapshot"] = lambda _: "KMSKeyNotAccessibleFault"
    error = fails(pod)
    assert (error.reason, "kms:CreateGrant" in error.remedy) == (Reason.KMS_KEY_REFUSED, True)


def test_a_right_to_look_that_is_missing_is_told_with_the_page_of_restores(pod: Pod, aws: FakeRDS):  # noqa: F811
    aws.says["DescribeDBInstances"] = lambda _: "AccessDenied"
    error = fails(pod)
    assert error.reason is Reason.RDS_ACCESS_DENIED
    assert "rds:DescribeDBInstances; docs/how-to/restore-rds.md" in error.remedy


def test_the_copy_is_restored_in_its_own_region(pod: Pod, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    for module in ("restore", "source"):
        monkeypatch.setattr(f"holdfast.runner.rds.{module}.connect", pod.aws.connect)
    pod.copies()
    pod.backup()
    pod.aws.calls.clear()
    there = RDSInstance(identifier="new", region=THERE)
    made = run(pod, instance=there, snapshot_arn=f"arn:aws:rds:{THERE}:123456789012:snapshot:{NAME}").restore.instance
    assert made.arn == f"arn:aws:rds:{THERE}:123456789012:db:new"
    assert {region for region, _ in pod.aws.calls} == {THERE}


# Of a task that knows the bucket alone
ALONE: dict[str, Any] = {"backup_uid": None, "snapshot_arn": None}


def rewritten(pod: Pod, **changes: Any) -> None:  # noqa: F811
    """Write into the manifest what somebody else might: fields of `snapshot`, or `backup__` and a field of that."""
    document = json.loads(pod.s3.objects[MANIFEST])
    for field, value in changes.items():
        part, _, name = field.rpartition("__")
        document[part or "snapshot"][name] = value
    pod.s3.objects[MANIFEST] = json.dumps(document).encode()


def another_backup(aws: FakeRDS, namespace: str = "payroll") -> str:
    """Another backup's snapshot of the same account, whole and tagged; return its ARN."""
    name = f"holdfast-{ID}-aaaaaaaaaaaaaaaa"
    values = {"managed-by": "holdfast", "backup-uid": "a" * 16, "namespace": namespace, "policy": "salaries",
              "backup-id": ID}  # fmt: skip
    tags = [
        {"Key": f"app.kubernetes.io/{key}" if key == "managed-by" else f"holdfast.dev/{key}", "Value": value}
        for key, value in values.items()
    ]
    arn = f"arn:aws:rds:{HERE}:123456789012:snapshot:{name}"
    aws.snapshots[HERE, name] = aws.snapshots[HERE, NAME] | {"DBSnapshotArn": arn, "TagList": tags}
    return arn


def test_a_snapshot_that_only_the_bucket_knows_is_restored_where_its_tags_name_the_folder(
    pod: Pod,  # noqa: F811
    aws: FakeRDS,
):
    result = run(pod, **ALONE)
    assert result.restore.instance.identifier == "new"
    assert result.restore.backup_id == ID
    assert aws.given["RestoreDBInstanceFromDBSnapshot"]["DBSnapshotIdentifier"] == NAME


ARN = f"arn:aws:rds:{HERE}:123456789012:snapshot:{NAME}"


@pytest.mark.parametrize(
    ("changes", "reason", "says"),
    [
        pytest.param({"arn": ARN + "x"}, Reason.MANIFEST_CONFLICT, "no instance snapshot of this", id="another name"),
        pytest.param(
            {"arn": ARN.replace("123456789012", "999999999999")}, Reason.MANIFEST_CONFLICT, "and RDS has arn:",
            id="another account",
        ),
        pytest.param({"arn": ARN.replace(HERE, THERE)}, Reason.MANIFEST_CONFLICT, "no instance snapshot of this",
                     id="an ARN of another region than it says"),
        pytest.param({"arn": ARN.replace(HERE, THERE), "region": THERE}, Reason.WRONG_TARGET,
                     "is in eu-west-1, and target.rds.region is eu-central-1", id="another region"),
        pytest.param({"kind": "cluster"}, Reason.WRONG_TARGET, "is of a cluster, and target.rds.kind is instance",
                     id="another kind"),
        pytest.param({"arn": ARN.replace(":snapshot:", ":cluster-snapshot:")}, Reason.MANIFEST_CONFLICT,
                     "no instance snapshot of this", id="a cluster's snapshot"),
        pytest.param({"engine": "mysql"}, Reason.MANIFEST_CONFLICT, "of mysql, and RDS has", id="another engine"),
        pytest.param({"backup__backupID": "backup-20261122-084501"}, Reason.MANIFEST_CONFLICT,
                     "is that of backup-20261122-084501", id="another backup's id"),
        pytest.param({"backup__backupID": ID + "\n$(id)"}, Reason.MANIFEST_CONFLICT, "is that of", id="no id"),
        pytest.param({"backup__uid": "another"}, Reason.MANIFEST_CONFLICT, "no instance snapshot of this",
                     id="another uid"),
        pytest.param({"arn": ARN + "\n"}, Reason.MANIFEST_CONFLICT, "not a manifest", id="no ARN"),
    ],
)  # fmt: skip
def test_a_manifest_that_somebody_changed_makes_rds_do_nothing(
    pod: Pod,  # noqa: F811
    aws: FakeRDS,
    changes: Any,
    reason: Reason,
    says: str,
):
    rewritten(pod, **changes)
    error = fails(pod, **ALONE)
    assert error.reason is reason
    assert says in error.message
    assert aws.operations("Restore", "Create") == []


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        pytest.param({}, {"snapshot_arn": ARN + "x"}, id="another ARN than the resource remembers"),
        pytest.param({"kind": "cluster"}, {}, id="another kind"),
        pytest.param({"region": THERE}, {}, id="nothing in the region of the resource"),
    ],
)
def test_a_manifest_that_is_not_as_the_resource_remembers_makes_rds_do_nothing(
    pod: Pod,  # noqa: F811
    aws: FakeRDS,
    changes: Any,
    known: Any,
):
    rewritten(pod, **changes)
    error = fails(pod, **known)
    assert error.reason is Reason.MANIFEST_CONFLICT
    assert error.message.endswith(f"and the DatabaseBackup {known.get('snapshot_arn', ARN)}")
    assert aws.calls == []


def test_a_snapshot_of_a_cluster_is_named_as_rds_names_those(pod: Pod, aws: FakeRDS):  # noqa: F811
    arn = ARN.replace(":snapshot:", ":cluster-snapshot:")
    rewritten(pod, kind="cluster", arn=arn)
    aws.says["DescribeDBClusters"] = lambda _: "DBClusterNotFound"
    aws.says["DescribeDBClusterSnapshots"] = lambda _: "DBClusterSnapshotNotFound"
    cluster = RDSInstance(identifier="new", kind="cluster", region=HERE)
    error = fails(pod, instance=cluster, snapshot_arn=arn)
    assert error.reason is Reason.BACKUP_NOT_FOUND  # so it has got as far as asking for it
    assert error.remedy.endswith("then restore another backup")


def test_a_snapshot_that_the_resource_remembers_needs_no_folder_in_its_tags(pod: Pod, aws: FakeRDS):  # noqa: F811
    aws.snapshots[HERE, NAME]["TagList"] = TAGS
    assert run(pod).restore.instance.identifier == "new"


def test_a_folder_without_a_manifest_is_no_backup(pod: Pod, aws: FakeRDS):  # noqa: F811
    del pod.s3.objects[MANIFEST]
    error = fails(pod, **ALONE)
    assert (error.reason, MANIFEST in error.message) == (Reason.BACKUP_NOT_FOUND, True)
    assert aws.calls == []


def test_the_environment_in_the_manifest_is_asked_for(pod: Pod, aws: FakeRDS):  # noqa: F811
    assert fails(pod, **ALONE, never_unmasked_of=["production"]).reason is Reason.MASKING_MISSING
    assert aws.calls == []


def test_a_right_to_look_at_snapshots_that_is_missing_is_told_with_the_page_of_restores(
    pod: Pod,  # noqa: F811
    aws: FakeRDS,
):
    aws.says["DescribeDBSnapshots"] = lambda _: "AccessDenied"
    assert "rds:DescribeDBSnapshots; docs/how-to/restore-rds.md" in fails(pod).remedy


@pytest.mark.parametrize("missing", [["namespace"], ["policy"], ["policy", "backup"], ["backup-id"]], ids=str)
def test_a_snapshot_without_one_of_the_tags_is_of_no_folder(
    pod: Pod,  # noqa: F811
    aws: FakeRDS,
    missing: list[str],
):
    kept, gone = aws.snapshots[HERE, NAME], [f"holdfast.dev/{name}" for name in missing]
    kept["TagList"] = [tag for tag in kept["TagList"] if tag["Key"] not in gone]
    error = fails(pod, **ALONE)
    assert (error.reason, "as its tags say" in error.message) == (Reason.MANIFEST_CONFLICT, True)
    assert aws.operations("Restore") == []


def test_a_backup_without_a_policy_lies_in_a_folder_of_its_own_name(pod: Pod, aws: FakeRDS):  # noqa: F811
    kept = aws.snapshots[HERE, NAME]
    kept["TagList"] = [tag for tag in kept["TagList"] if tag["Key"] != "holdfast.dev/policy"]
    pod.s3.objects[f"shop/orders-1/{ID}/manifest.json"] = pod.s3.objects[MANIFEST]
    assert run(pod, **ALONE, key_prefix=f"shop/orders-1/{ID}/").restore.instance.identifier == "new"


@pytest.mark.parametrize("namespace", ["payroll", ""])
def test_another_backups_snapshot_is_not_restored_from_this_folder(pod: Pod, aws: FakeRDS, namespace: str):  # noqa: F811
    rewritten(pod, arn=another_backup(aws, namespace), backup__uid="a" * 16)
    error = fails(pod, **ALONE)
    assert error.reason is Reason.MANIFEST_CONFLICT
    assert f"is of {namespace or '-'}/salaries/{ID}, as its tags say, and the folder is {PREFIX}" in error.message
    assert aws.operations("Restore") == []


@pytest.mark.parametrize("prefix", ["eu-1/", "a/b/"])
def test_the_buckets_prefix_is_no_part_of_what_the_tags_name(pod: Pod, aws: FakeRDS, prefix: str):  # noqa: F811
    pod.s3.objects[prefix + MANIFEST] = pod.s3.objects[MANIFEST]
    assert run(pod, **ALONE, key_prefix=prefix + PREFIX).restore.instance.identifier == "new"
    assert aws.operations("Restore") == ["RestoreDBInstanceFromDBSnapshot"]


def test_a_namespace_that_ends_alike_is_another_one(pod: Pod, aws: FakeRDS):  # noqa: F811
    pod.s3.objects[f"work{MANIFEST}"] = pod.s3.objects[MANIFEST]
    assert fails(pod, **ALONE, key_prefix=f"work{PREFIX}").reason is Reason.MANIFEST_CONFLICT
    assert aws.operations("Restore") == []


def test_a_dumps_folder_is_called_one(pod: Pod, aws: FakeRDS):  # noqa: F811
    pod.s3.objects[MANIFEST] = json.dumps({"version": 1, "artifact": {}, "backup": {}}).encode()
    error = fails(pod, **ALONE)
    assert "is the manifest of a dump, and not of a snapshot of RDS" in error.message
    assert "name a database there" in error.remedy
    assert aws.calls == []


def test_each_look_is_a_line_of_the_log(pod: Pod, aws: FakeRDS):  # noqa: F811
    run(pod)
    lines = [json.loads(line) for line in pod.log.getvalue().splitlines()]
    assert [line["status"] for line in lines if line.get("phase") == "restoring" and "status" in line] == ["available"]
    assert aws.operations("Delete") == []
