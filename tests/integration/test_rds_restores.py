"""A snapshot comes back as a new instance or cluster, made once however often the Pod dies, never over another one."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.aws import AWS, BUCKET, ELSEWHERE, REGION
from tests.integration.test_rds_snapshots import (  # noqa: F401 - fixtures
    QUICK,
    Backup,
    account,
    backup,
    cluster,
    copied,
    one_session_that_does_not_wait,
)

from holdfast.api.rds_target import RDSTarget, RestoredInstance
from holdfast.contract.report import RestoreReport
from holdfast.contract.task import RestoreIdentity, SnapshotRestoreTask
from holdfast.errors import ExitCode, HoldfastError, Reason
from holdfast.runner.pod.result import Result
from holdfast.runner.rds import restore

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]
ROOT = Path(__file__).parents[2]
DESCRIBE = {"instance": "DescribeDBInstances", "cluster": "DescribeDBClusters"}
MAKE = {"instance": "RestoreDBInstanceFromDBSnapshot", "cluster": "RestoreDBClusterFromSnapshot"}


@dataclass
class Restore:
    """One restore of one snapshot, and the Pods that work on it."""

    of: Backup
    uid: str = "5f0c"

    def __post_init__(self) -> None:
        self.of.run()
        self.of.aws.proxy.calls.clear()
        self.name = f"new-{self.of.uid[:8]}"
        self.arn = self.of.manifest()["snapshot"]["arn"]
        self.wanted: dict[str, Any] = {"identifier": self.name, "instanceClass": "db.r6g.large"}

    def task(self, **changes: Any) -> SnapshotRestoreTask:
        given = {
            "backup_uid": self.of.uid, "restore": RestoreIdentity(uid=self.uid, namespace="shop", name="back"),
            "instance": self.of.instance, "snapshot_arn": self.arn, "target": RDSTarget.model_validate(self.wanted),
            "s3": self.of.s3, "key_prefix": self.of.prefix, "deadline_seconds": 60,
        }  # fmt: skip
        return SnapshotRestoreTask(**(given | changes))

    def run(self, **changes: Any) -> RestoreReport:
        result: Result = restore.run(self.task(**changes), self.of.context("pod-1"), QUICK)
        assert result.restore is not None
        return result.restore

    def fails(self, **changes: Any) -> HoldfastError:
        with pytest.raises(HoldfastError) as caught:
            self.run(**changes)
        return caught.value

    def made(self, name: str = "") -> dict[str, Any]:
        return dict(self.of.aws.rds.describe_db_instances(DBInstanceIdentifier=name or self.name)["DBInstances"][0])

    def names(self) -> set[str]:
        return {each["DBInstanceIdentifier"] for each in self.of.aws.rds.describe_db_instances()["DBInstances"]}

    def tags(self, made: dict[str, Any]) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in made["TagList"]}


@pytest.fixture
def one(backup: Backup) -> Restore:  # noqa: F811
    return Restore(backup)


@pytest.fixture
def many(cluster: Backup) -> Restore:  # noqa: F811
    return Restore(cluster)


def test_a_new_instance_is_made_from_the_snapshot_tagged_and_reached(one: Restore):
    one.wanted |= {"tags": {"team": "data"}}
    report = one.run()

    made = one.made()
    assert report.instance == RestoredInstance(
        kind="instance", identifier=one.name, arn=made["DBInstanceArn"], address=made["Endpoint"]["Address"],
        port=made["Endpoint"]["Port"], engine="postgres", engine_version=made["EngineVersion"],
    )  # fmt: skip
    assert one.tags(made) == {
        "app.kubernetes.io/managed-by": "holdfast", "holdfast.dev/restore-uid": one.uid, "team": "data",
        "holdfast.dev/namespace": "shop", "holdfast.dev/restore": "back",
    }  # fmt: skip
    assert made["DBInstanceClass"] == "db.r6g.large"
    assert (report.backup_id, report.server_version) == (
        one.of.identity.backup_id, f"postgres {made['EngineVersion']}",
    )  # fmt: skip
    assert report.compared == ["state", "engine"]
    assert one.of.source in one.names()  # it stays as it is


def test_an_aurora_cluster_comes_back_with_a_first_instance(many: Restore):
    report = many.run()

    found = many.of.aws.rds.describe_db_clusters(DBClusterIdentifier=many.name)["DBClusters"][0]
    assert report.instance is not None
    assert (report.instance.kind, report.instance.arn) == ("cluster", found["DBClusterArn"])
    assert (report.instance.address, report.instance.port) == (found["Endpoint"], found["Port"])
    assert [each["DBInstanceIdentifier"] for each in found["DBClusterMembers"]] == [f"{many.name}-1"]
    assert many.made(f"{many.name}-1")["DBInstanceClass"] == "db.r6g.large"
    assert many.tags(many.made(f"{many.name}-1"))["holdfast.dev/restore-uid"] == many.uid


def test_it_is_waited_for_until_it_is_available_with_a_line_for_each_look(one: Restore):
    one.of.aws.proxy.behave(
        {"action": "DescribeDBInstances", "times": 2, "skip": 1, "set": {"DBInstanceStatus": "creating"}},
        {"action": "DescribeDBInstances", "times": 1, "skip": 1, "set": {"DBInstanceStatus": "backing-up"}},
    )
    one.run()
    looks = [line["status"] for line in one.of.lines("progress") if line["phase"] == "restoring"]
    assert looks == ["creating", "creating", "backing-up", "available"]


@pytest.mark.parametrize("action", ["RestoreDBInstanceFromDBSnapshot", "DescribeDBInstances"])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_a_pod_that_is_killed_at_any_call_leaves_one_instance_which_the_next_pod_finds(
    one: Restore, action: str, skip: int
):
    """An answer that is lost for good is what a kill after the request is."""
    one.of.aws.proxy.behave({"action": action, "skip": skip, "lose": True})
    error = None
    try:
        one.run()
    except HoldfastError as raised:
        error = raised
    if error is not None:
        assert error.reason is Reason.RDS_UNAVAILABLE
    one.of.aws.proxy.behave()

    report = one.run()

    assert report.instance is not None
    assert report.instance.identifier == one.name
    assert one.tags(one.made())["holdfast.dev/restore-uid"] == one.uid


@pytest.mark.parametrize("action", ["RestoreDBClusterFromSnapshot", "CreateDBInstance"])
def test_a_pod_that_is_killed_while_it_asks_for_a_cluster_is_followed_by_one_that_finds_what_it_asked_for(
    many: Restore, action: str
):
    many.of.aws.proxy.behave({"action": action, "lose": True})
    with pytest.raises(HoldfastError):
        many.run()
    many.of.aws.proxy.behave()

    report = many.run()

    assert report.instance is not None
    found = many.of.aws.rds.describe_db_clusters(DBClusterIdentifier=many.name)["DBClusters"]
    assert [each["DBInstanceIdentifier"] for each in found[0]["DBClusterMembers"]] == [f"{many.name}-1"]


def test_where_the_first_instances_name_is_taken_no_cluster_is_made(many: Restore):
    many.of.aws.instance(DBInstanceIdentifier=f"{many.name}-1")
    error = many.fails()
    assert (error.reason, f"{many.name}-1 already exists" in error.message) == (Reason.INSTANCE_ALREADY_EXISTS, True)
    assert "RestoreDBClusterFromSnapshot" not in many.of.aws.proxy.calls


def test_a_copy_comes_back_in_its_own_region(copied: Backup):  # noqa: F811
    one = Restore(copied)
    there = copied.instance.model_copy(update={"region": ELSEWHERE})
    report = one.run(instance=there, snapshot_arn=one.arn.replace(REGION, ELSEWHERE))

    assert report.instance is not None
    assert f":{ELSEWHERE}:" in report.instance.arn
    found = copied.aws.elsewhere.describe_db_instances(DBInstanceIdentifier=one.name)["DBInstances"]
    assert one.tags(found[0])["holdfast.dev/restore-uid"] == one.uid
    assert one.name not in one.names()


ALONE: dict[str, Any] = {"backup_uid": None, "snapshot_arn": None}  # what a task knows that was made from a bucket


@pytest.mark.parametrize("kind", ["one", "many"])
def test_the_bucket_alone_is_enough_where_the_snapshots_tags_name_the_folder(kind: str, request: pytest.FixtureRequest):
    restored: Restore = request.getfixturevalue(kind)
    report = restored.run(**ALONE)
    assert report.backup_id == restored.of.identity.backup_id
    assert report.instance is not None
    assert report.instance.identifier == restored.name


def test_a_manifest_that_names_another_backups_snapshot_restores_nothing(one: Restore, account: AWS, tmp_path: Path):  # noqa: F811
    another = Backup(account, tmp_path)
    account.instance(DBInstanceIdentifier=another.source)
    another.run()
    account.s3.put_object(Bucket=BUCKET, Key=f"{one.of.prefix}manifest.json", Body=json.dumps(another.manifest()))
    account.proxy.calls.clear()

    error = one.fails(**ALONE)

    assert error.reason is Reason.MANIFEST_CONFLICT
    assert f"is of shop/{another.source}/{another.identity.backup_id}, as its tags say" in error.message
    assert {call for call in account.proxy.calls if not call.startswith("Describe")} == set()


def test_a_second_pod_makes_nothing_again(one: Restore):
    first = one.run()
    one.of.aws.proxy.calls.clear()
    assert one.run().instance == first.instance
    assert {call for call in one.of.aws.proxy.calls if not call.startswith("Describe")} == set()


def test_the_next_pod_makes_the_first_instance_of_a_cluster_that_is_there(many: Restore):
    many.of.aws.proxy.behave({"action": "CreateDBInstance", "code": "InvalidParameterValue"})
    assert many.fails().reason is Reason.RESTORE_FAILED
    many.of.aws.proxy.behave()
    many.of.aws.proxy.calls.clear()
    many.run()
    assert many.of.aws.proxy.calls.count("RestoreDBClusterFromSnapshot") == 0
    assert many.made(f"{many.name}-1")["DBInstanceStatus"] == "available"


@pytest.mark.parametrize("tags", [
    pytest.param([], id="no tags"),
    pytest.param([{"Key": "app.kubernetes.io/managed-by", "Value": "holdfast"},
                  {"Key": "holdfast.dev/restore-uid", "Value": "another"}], id="of another restore"),
    pytest.param([{"Key": "holdfast.dev/restore-uid", "Value": "5f0c"}], id="not said to be Holdfast's"),
])  # fmt: skip
def test_one_of_that_name_is_refused_and_left_alone(one: Restore, tags: list[dict[str, str]]):
    one.of.aws.instance(DBInstanceIdentifier=one.name, Tags=tags)
    before = one.tags(one.made())
    error = one.fails()
    assert (error.reason, error.exit_code) == (Reason.INSTANCE_ALREADY_EXISTS, ExitCode.CONFIGURATION)
    assert f"instance {one.name} already exists in {REGION}" in error.message
    assert one.tags(one.made()) == before
    assert {call for call in one.of.aws.proxy.calls if not call.startswith("Describe")} == set()


def test_one_that_comes_at_the_same_moment_is_looked_at_too(one: Restore):
    one.of.aws.proxy.behave({"action": "DescribeDBInstances", "times": 2, "code": "DBInstanceNotFound", "status": 404})
    one.of.aws.instance(DBInstanceIdentifier=one.name)
    assert one.fails().reason is Reason.INSTANCE_ALREADY_EXISTS
    assert "RestoreDBInstanceFromDBSnapshot" in one.of.aws.proxy.calls


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("InstanceQuotaExceeded", Reason.INSTANCE_QUOTA_EXCEEDED),
        ("StorageQuotaExceeded", Reason.INSTANCE_QUOTA_EXCEEDED),
        ("DBSnapshotNotFound", Reason.BACKUP_NOT_FOUND),
        ("DBSubnetGroupNotFoundFault", Reason.RESTORE_FAILED),
        ("InsufficientDBInstanceCapacity", Reason.RESTORE_FAILED),
        ("InvalidDBSnapshotState", Reason.RESTORE_FAILED),
        ("KMSKeyNotAccessibleFault", Reason.KMS_KEY_REFUSED),
        ("AccessDenied", Reason.RDS_ACCESS_DENIED),
        ("Throttling", Reason.RDS_THROTTLED),
        ("InternalFailure", Reason.RDS_UNAVAILABLE),
    ],
)
def test_what_aws_refuses_is_told_by_reason_and_makes_nothing(one: Restore, code: str, reason: Reason):
    one.of.aws.proxy.behave({"action": "RestoreDBInstanceFromDBSnapshot", "code": code})
    error = one.fails()
    assert error.reason is reason
    assert len(error.remedy) > 20
    if reason is Reason.RDS_ACCESS_DENIED:
        assert "rds:RestoreDBInstanceFromDBSnapshot; docs/how-to/restore-rds.md" in error.remedy
    assert one.name not in one.names()


def test_one_that_will_not_become_available_is_told_and_stays(one: Restore):
    one.of.aws.proxy.behave(
        {"action": "DescribeDBInstances", "skip": 1, "set": {"DBInstanceStatus": "incompatible-parameters"}}
    )
    error = one.fails()
    assert error.reason is Reason.RESTORE_FAILED
    assert "is incompatible-parameters" in error.message
    assert "it was left as it is" in error.message
    assert one.name in one.names()


def test_a_snapshot_that_is_gone_makes_nothing(one: Restore):
    one.of.aws.rds.delete_db_snapshot(DBSnapshotIdentifier=one.of.name)
    assert one.fails().reason is Reason.BACKUP_NOT_FOUND
    assert one.name not in one.names()


def test_a_manifest_that_names_another_snapshot_than_the_cluster_remembers_is_refused(one: Restore):
    error = one.fails(snapshot_arn=one.arn + "x")
    assert error.reason is Reason.MANIFEST_CONFLICT
    assert one.of.aws.proxy.calls == []


def test_data_of_production_come_into_no_lower_environment(one: Restore):
    error = one.fails(never_unmasked_of=["production"])
    assert error.reason is Reason.MASKING_MISSING
    assert one.of.aws.proxy.calls == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("DBInstanceArn", "arn:aws:rds:eu-central-1:123456789012:db:another"),
        ("DBInstanceArn", "arn:aws:rds:eu-central-1:123456789012:db:new$(id)"),
        ("Address", "db.example.com;id"),
        ("DBInstanceStatus", "$(id)"),
        ("EngineVersion", "17`id`"),
    ],
)
def test_an_answer_that_aws_never_gives_is_refused_whole(one: Restore, field: str, value: str):
    one.run()
    one.of.aws.proxy.behave({"action": "DescribeDBInstances", "set": {field: value}})
    assert one.fails().reason is Reason.RDS_ANSWER_INVALID


def test_the_documented_policy_allows_what_is_called_and_nothing_else(one: Restore, many: Restore):
    called: set[str] = set()
    for each in (one, many):
        each.of.aws.proxy.calls.clear()
        each.run()
        called |= {f"rds:{action}" for action in each.of.aws.proxy.calls}
    page = (ROOT / "docs/how-to/restore-rds.md").read_text()
    found = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert found is not None
    documented = {action for statement in json.loads(found[1])["Statement"] for action in statement["Action"]}
    # Tags on what is created are authorized as an action of their own, which nobody calls.
    assert called | {"rds:AddTagsToResource"} == documented
