"""A snapshot by RDS, without AWS and in milliseconds: what is asked, what is believed, what stays and what goes."""

import io
import json

import pytest
from tests.builders import NOW, UID
from tests.fake_rds import FakeRDS
from tests.fake_s3 import FakeS3
from tests.fake_versions import VersionedS3

from holdfast import naming, texts
from holdfast.api.rds import RDSInstance
from holdfast.api.storage import S3Storage
from holdfast.contract.snapshot import SnapshotManifest
from holdfast.contract.task import (
    BackupIdentity,
    DeleteItem,
    MustStay,
    SnapshotCleanupTask,
    SnapshotDeleteTask,
    SnapshotTask,
    SnapshotVerifyTask,
)
from holdfast.errors import ExitCode, HoldfastError, Reason
from holdfast.runner.bucket.store import Store
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.result import UncleanError
from holdfast.runner.pod.stop import Stop
from holdfast.runner.rds import client, task
from holdfast.runner.rds.errors import classify
from holdfast.runner.rds.method import Snapshots
from holdfast.runner.rds.snapshots import Pace
from holdfast.runner.tasks import cleanup, delete, verify

ID = "backup-20261122-084500"
NAME = naming.snapshot_name(ID, UID)
PREFIX = f"shop/orders/{ID}/"
MANIFEST = f"{PREFIX}manifest.json"
HERE, THERE = "eu-central-1", "eu-west-1"
QUICK = Pace(shortest=0.001, longest=0.002, patience=0.3)  # an answer may take 0.1 s on a busy machine
KEY = "alias/backups"
S3 = S3Storage(bucket="backups")
TAGS = [{"Key": "app.kubernetes.io/managed-by", "Value": "holdfast"},
        {"Key": "holdfast.dev/backup-uid", "Value": UID}]  # fmt: skip
ANOTHERS = [TAGS[0], {"Key": "holdfast.dev/backup-uid", "Value": "another"}]


class Pod:
    """One Pod's world: AWS, the bucket, and the three tasks."""

    def __init__(self, aws: FakeRDS, folder) -> None:
        self.aws, self.log, self.stop = aws, io.StringIO(), Stop()
        self.s3: FakeS3 = FakeS3()
        self.folder = folder
        self.instance = RDSInstance(identifier="orders", region=HERE)

    def copies(self, key: str | None = None) -> None:
        copy = {"region": THERE} | ({"kmsKeyID": key} if key else {})
        self.instance = RDSInstance.model_validate({"identifier": "orders", "region": HERE, "copyTo": copy})

    def context(self, pod: str = "pod-1") -> Context:
        return Context(Places(run=self.folder), self.stop, Log(self.log), pod, NOW)

    def backup(self, pod: str = "pod-1"):
        identity = BackupIdentity(
            uid=UID, namespace="shop", name="orders-1", policy="orders", backup_id=ID, environment="production",
            retention_days=90,
        )  # fmt: skip
        work = SnapshotTask(backup=identity, instance=self.instance, s3=S3, key_prefix=PREFIX, deadline_seconds=60)
        return task.run(work, self.context(pod), QUICK)

    def clean(self) -> str:
        return cleanup.run(SnapshotCleanupTask(**self.facts()), self.context(), Snapshots(QUICK)).message or ""

    def verify(self):
        return verify.run(SnapshotVerifyTask(**self.facts()), self.context(), Snapshots(QUICK)).verification

    def delete(self, *, stays: bool = False):
        item = DeleteItem(uid=UID, namespace="shop", name="orders-1", backup_id=ID, key_prefix=PREFIX, completed_at=NOW)
        work = SnapshotDeleteTask(
            items=[item], must_stay=[MustStay(uid=UID, key_prefix=PREFIX)] if stays else [], instance=self.instance,
            s3=S3, key_prefix=PREFIX, deadline_seconds=60,
        )  # fmt: skip
        return delete.run(work, self.context(), Snapshots(QUICK)).deletion

    def facts(self):
        return {"backup_uid": UID, "backup_id": ID, "instance": self.instance, "s3": S3, "key_prefix": PREFIX,
                "deadline_seconds": 60}  # fmt: skip

    def fails(self, work) -> HoldfastError:
        """Return what a person is told; also where something is left behind."""
        with pytest.raises((HoldfastError, UncleanError)) as caught:
            work()
        error = caught.value.error if isinstance(caught.value, UncleanError) else caught.value
        assert isinstance(error, HoldfastError), error
        return error

    def manifest(self) -> SnapshotManifest:
        return SnapshotManifest.parse(self.s3.objects[MANIFEST])

    @property
    def regions(self) -> list[str]:
        """Where a snapshot of our name is."""
        return sorted(region for region, name in self.aws.snapshots if name == NAME)


@pytest.fixture
def pod(monkeypatch, tmp_path):
    aws = FakeRDS()
    aws.instance("orders")
    made = Pod(aws, tmp_path)
    monkeypatch.setattr("holdfast.runner.bucket.store.connect", lambda s3, _: Store(s3, made.s3))
    for module in ("task", "cleanup", "verify", "deletion"):
        monkeypatch.setattr(f"holdfast.runner.rds.{module}.connect", aws.connect)
    return made


def is_told(pod: Pod, change):
    """Answer a look at the snapshot with this changed."""

    def answer(asked):
        found = pod.aws._DescribeDBSnapshots(HERE, asked)
        return found if isinstance(found, str) else {"DBSnapshots": [found["DBSnapshots"][0] | change]}

    pod.aws.says["DescribeDBSnapshots"] = answer


def test_a_snapshot_is_asked_for_waited_for_and_recorded_with_what_restoring_it_takes(pod):
    pod.aws.states = ["creating", "creating"]
    report = pod.backup().backup
    said = pod.manifest().snapshot
    assert (said.arn, said.region, said.source) == (f"arn:aws:rds:{HERE}:123456789012:snapshot:{NAME}", HERE, "orders")
    assert (said.engine, said.engine_version, said.encrypted) == ("postgres", "17.4", False)
    assert (said.instance_class, said.subnet_group, said.security_groups) == (
        "db.t4g.medium", "default", ["sg-0a1b2c3d"],
    )  # fmt: skip
    assert (report.snapshot, report.size_bytes, report.found) == (said, 20 << 30, False)
    assert {"Key": "holdfast.dev/backup-uid", "Value": UID} in pod.aws.snapshots[HERE, NAME]["TagList"]
    assert pod.s3.uploads == {}
    assert pod.aws.operations("Create", "Copy", "Delete") == ["CreateDBSnapshot"]


def test_a_second_pod_reports_what_the_first_recorded_and_asks_for_nothing(pod):
    pod.backup()
    assert pod.backup("pod-2").backup.found
    assert pod.aws.operations("Create") == ["CreateDBSnapshot"]


def test_a_snapshot_that_an_earlier_pod_began_is_waited_for(pod):
    pod.aws._made(HERE, NAME, TAGS, False)
    pod.aws.states = ["creating"]
    assert not pod.backup().backup.found
    assert pod.aws.operations("Create") == []


@pytest.mark.parametrize("tags", [[], ANOTHERS, TAGS[1:]], ids=["no tags", "another's", "a uid alone"])
def test_a_strangers_snapshot_of_our_name_is_neither_taken_nor_removed(pod, tags):
    pod.aws._made(HERE, NAME, tags, False)
    assert pod.fails(pod.backup).reason is Reason.SNAPSHOT_NOT_OURS
    assert "no snapshot of this backup" in pod.clean()
    assert pod.regions == [HERE]


def test_a_bucket_that_cannot_be_written_to_is_noticed_before_aws_is_kept_busy(pod):
    def refuse():
        raise HoldfastError(Reason.STORAGE_ACCESS_DENIED, "as asked", "allow it")

    pod.s3.faults["create_multipart_upload"] = refuse
    assert pod.fails(pod.backup).reason is Reason.STORAGE_ACCESS_DENIED
    assert pod.aws.calls == []


# -- what is left, and what is not


def empty(pod: Pod) -> None:
    is_told(pod, {"AllocatedStorage": 0})


def test_what_failed_before_its_manifest_goes(pod):
    empty(pod)
    assert pod.fails(pod.backup).reason is Reason.SIZE_IMPLAUSIBLE
    assert (pod.regions, pod.s3.objects) == ([], {})


def test_a_good_snapshot_stays_when_another_pod_recorded_it_while_this_one_failed(pod):
    # Given another Pod of this backup that recorded the same snapshot after this one had looked for a manifest
    pod.backup("pod-0")
    written = pod.s3.objects.pop(MANIFEST)

    def recorded_meanwhile(asked):
        pod.s3.put_object(Key=MANIFEST, Body=written)
        return {"DBSnapshots": [pod.aws.snapshots[HERE, NAME] | {"Status": "failed"}]}

    pod.aws.says["DescribeDBSnapshots"] = recorded_meanwhile
    # When this one fails
    assert pod.fails(pod.backup).reason is Reason.SNAPSHOT_FAILED
    # Then what the manifest names is still there
    assert pod.regions == [HERE]
    assert "DeleteDBSnapshot" not in pod.aws.operations()


def test_where_nobody_can_tell_whether_there_is_a_manifest_nothing_is_deleted(pod):
    empty(pod)
    looks = iter([None])

    def fails_later():
        if next(looks, "later") == "later":
            raise HoldfastError(Reason.STORAGE_UNAVAILABLE, "as asked", "wait")

    pod.s3.faults["get_object"] = fails_later
    with pytest.raises(UncleanError) as caught:
        pod.backup()
    assert "as asked" in caught.value.leftover
    assert pod.regions == [HERE]


def test_a_manifest_whose_writing_failed_leaves_the_snapshot_to_the_cleanup(pod):
    def refuse():
        raise HoldfastError(Reason.STORAGE_UNAVAILABLE, "as asked", "wait")

    pod.s3.faults["put_object"] = refuse
    with pytest.raises(UncleanError):
        pod.backup()
    assert pod.regions == [HERE]  # the manifest may be there in spite of the error
    assert f"deleted snapshot {NAME} in {HERE}" in pod.clean()
    assert pod.regions == []


@pytest.mark.parametrize("code", ["InvalidDBSnapshotState"])
def test_what_rds_does_not_delete_yet_is_told_as_left_behind(pod, code):
    pod.stop.request(HoldfastError(Reason.INTERRUPTED, "told to end", "again"))
    pod.aws.says["DeleteDBSnapshot"] = lambda _: code
    pod.aws.states = ["creating"] * 9
    with pytest.raises(UncleanError, match="told to end") as caught:
        pod.backup()
    assert "RDS cannot delete it before" in caught.value.leftover


def test_the_cleanup_leaves_what_a_manifest_names(pod):
    pod.backup()
    assert pod.clean().endswith(f"the backup {ID} is there and stays")
    assert pod.regions == [HERE]


def test_the_cleanup_removes_the_copy_before_the_snapshot(pod):
    pod.copies()
    pod.backup()
    del pod.s3.objects[MANIFEST]
    assert pod.clean().count("deleted snapshot") == 2
    assert [region for region, operation in pod.aws.calls if operation == "DeleteDBSnapshot"] == [THERE, HERE]
    assert pod.regions == []


# -- deletion


@pytest.fixture
def kept(pod):
    """Have a backup in a bucket that says when things were written."""
    pod.s3 = VersionedS3(keeps=False)
    pod.copies()
    pod.backup()
    return pod


def test_the_deletion_removes_the_manifest_then_the_copy_then_the_snapshot(kept):
    there = []
    kept.aws.says["DeleteDBSnapshot"] = lambda _: there.append(kept.s3.keys_there())
    assert kept.delete().deleted == [0]
    assert there == [[], []]
    assert [region for region, operation in kept.aws.calls if operation == "DeleteDBSnapshot"] == [THERE, HERE]
    assert (kept.regions, kept.s3.keys_there()) == ([], [])
    assert kept.delete().deleted == [0]  # gone already


def test_a_deletion_that_was_killed_after_the_manifest_is_finished_by_the_next(kept):
    kept.aws.says["DeleteDBSnapshot"] = lambda _: "AccessDenied"
    failed = kept.delete().failed[0]
    assert (failed.untouched, kept.s3.keys_there(), kept.regions) == (False, [], [HERE, THERE])
    del kept.aws.says["DeleteDBSnapshot"]
    assert kept.delete().deleted == [0]
    assert kept.regions == []


def test_the_deletion_leaves_a_snapshot_of_that_name_without_our_tag_and_says_so(kept):
    kept.aws.snapshots[HERE, NAME]["TagList"] = ANOTHERS
    failed = kept.delete().failed[0]
    assert (failed.reason, kept.regions) == ("SnapshotNotOurs", [HERE, THERE])


def test_the_deletion_leaves_the_snapshot_whose_manifest_is_anothers(kept):
    manifest = kept.s3.rows[-1]
    manifest.body = manifest.body.replace(UID.encode(), b"another")
    failed = kept.delete().failed[0]
    assert (failed.reason, failed.untouched, kept.regions) == ("ManifestConflict", True, [HERE, THERE])


def test_where_the_snapshot_that_is_to_stay_is_gone_nothing_is_deleted(kept):
    del kept.aws.snapshots[HERE, NAME]
    assert kept.fails(lambda: kept.delete(stays=True)).reason is Reason.KEPT_BACKUP_MISSING
    assert len(kept.s3.keys_there()) == 1


# -- copies


def test_a_copy_is_made_in_its_region_and_recorded(pod):
    pod.copies()
    copy = pod.backup().backup.snapshot.copy_in
    assert (copy.region, copy.arn) == (THERE, f"arn:aws:rds:{THERE}:123456789012:snapshot:{NAME}")
    assert pod.regions == [HERE, THERE]


def encrypted(pod: Pod, key: str | None) -> None:
    pod.aws.instance("orders", StorageEncrypted=True)
    pod.copies(key)


def test_the_copy_of_an_encrypted_snapshot_is_encrypted_with_the_key_that_is_named(pod):
    encrypted(pod, KEY)
    said = pod.backup().backup.snapshot
    assert said.encrypted
    assert said.kms_key_id is not None
    assert said.copy_in.kms_key_id is not None


def test_an_encrypted_snapshot_is_not_copied_without_a_key(pod):
    encrypted(pod, None)
    assert pod.fails(pod.backup).reason is Reason.KMS_KEY_REFUSED
    assert (pod.regions, pod.aws.operations("Copy")) == ([], [])


def test_an_unencrypted_copy_of_an_encrypted_snapshot_is_no_backup(pod):
    encrypted(pod, KEY)
    pod.aws.says["CopyDBSnapshot"] = lambda asked: pod.aws._made(THERE, NAME, asked["Tags"], False)
    error = pod.fails(pod.backup)
    assert (error.reason, error.exit_code) == (Reason.SNAPSHOT_FAILED, ExitCode.DUMP)
    assert "is encrypted, but its copy" in error.message
    assert (pod.regions, pod.s3.objects) == ([], {})


# -- what is answered

STRANGE = {
    "a line break in the ARN": {"DBSnapshotArn": f"arn:aws:rds:{HERE}:000000000000:snapshot:x\ntouch /tmp/x #"},
    "another's ARN": {"DBSnapshotArn": f"arn:aws:rds:{HERE}:123456789012:snapshot:another"},
    "an ARN of another region": {"DBSnapshotArn": f"arn:aws:rds:{THERE}:123456789012:snapshot:{NAME}"},
    "no ARN": {"DBSnapshotArn": None},
    "a command as engine": {"Engine": "postgres; id"},
    "an escape sequence as version": {"EngineVersion": "17\x1b[2J"},
    "an option as key": {"Encrypted": True, "KmsKeyId": "--region"},
    "a size below zero": {"AllocatedStorage": -1},
    "a size of no database": {"FullSnapshotSizeInBytes": 1 << 70},
    "a state in two lines": {"Status": "available\nx"},
    "no truth": {"Encrypted": "yes"},
}  # fmt: skip


@pytest.mark.parametrize("change", STRANGE.values(), ids=STRANGE)
def test_a_snapshot_that_is_not_told_as_aws_tells_it_is_refused_and_recorded_nowhere(pod, change):
    pod.aws._made(HERE, NAME, TAGS, False)
    is_told(pod, change)
    error = pod.fails(pod.backup)
    assert (error.reason, error.exit_code) == (Reason.RDS_ANSWER_INVALID, ExitCode.DATABASE)
    assert f"AWS, asked about {HERE}, returned {list(change)[-1]}: " in error.message
    assert "database.instance.endpoint" in error.remedy
    assert texts.is_plain(error.message + pod.log.getvalue().replace("\n", ""))
    assert pod.s3.objects == {}


@pytest.mark.parametrize(("change", "named"), [
    ({"DBInstanceClass": "db.t4g.medium`id`"}, "DBInstanceClass"),
    ({"DBSubnetGroup": {"DBSubnetGroupName": "x'y"}}, "DBSubnetGroupName"),
    ({"VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}, {"VpcSecurityGroupId": "$(id)"}]}, "VpcSecurityGroupId"),
    ({"VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}] * 65}, "VpcSecurityGroups"),
    ({"Engine": None}, "Engine"),
    ({"DBInstanceStatus": "x\u202ey"}, "DBInstanceStatus"),
    ({"DBClusterIdentifier": "a b"}, "DBClusterIdentifier"),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_an_instance_that_is_not_told_as_aws_tells_it_is_refused_before_anything_is_asked_for(pod, change, named):
    pod.aws.instance("orders", **change)
    error = pod.fails(pod.backup)
    assert error.reason is Reason.RDS_ANSWER_INVALID
    assert f" returned {named}: " in error.message
    assert pod.aws.operations("Create") == []


@pytest.mark.parametrize("items", [[], None, "x", ["x"]], ids=repr)
def test_an_answer_without_the_instance_is_refused(pod, items):
    pod.aws.says["DescribeDBInstances"] = lambda _: {"DBInstances": items}
    assert pod.fails(pod.backup).reason is Reason.RDS_ANSWER_INVALID


def test_an_answer_that_botocore_cannot_read_is_no_fault_of_ours(pod):
    def unreadable(_):
        raise ValueError("invalid literal for int() with base 10: 'x\x1b'")

    pod.aws.says["DescribeDBInstances"] = unreadable
    error = pod.fails(pod.backup)
    assert error.reason is Reason.RDS_ANSWER_INVALID
    assert "not an answer of the RDS API" in error.message


@pytest.mark.parametrize(("code", "status", "reason"), [
    ("AccessDenied", 400, Reason.RDS_ACCESS_DENIED), ("anything", 403, Reason.RDS_ACCESS_DENIED),
    ("Throttling", 400, Reason.RDS_THROTTLED), ("anything", 429, Reason.RDS_THROTTLED),
    ("DBInstanceNotFound", 404, Reason.INSTANCE_NOT_FOUND), ("DBClusterNotFound", 404, Reason.INSTANCE_NOT_FOUND),
    ("InvalidDBInstanceState", 400, Reason.INSTANCE_NOT_AVAILABLE),
    ("InvalidDBClusterState", 400, Reason.INSTANCE_NOT_AVAILABLE),
    ("SnapshotQuotaExceeded", 400, Reason.SNAPSHOT_QUOTA_EXCEEDED),
    ("KMSKeyNotAccessible", 400, Reason.KMS_KEY_REFUSED), ("InternalFailure", 400, Reason.RDS_UNAVAILABLE),
    ("anything", 503, Reason.RDS_UNAVAILABLE), ("anything", 400, Reason.SNAPSHOT_FAILED),
])  # fmt: skip
def test_each_of_awss_codes_has_its_reason(code, status, reason):
    assert classify(code, status) is reason


def test_what_aws_throttles_is_asked_again_until_patience_ends(pod):
    answers = iter(["Throttling", "Throttling"])
    pod.aws.says["CreateDBSnapshot"] = lambda _: next(answers, None)
    assert pod.backup().backup
    assert pod.aws.operations("Create") == ["CreateDBSnapshot"] * 3
    pod.aws.says["DescribeDBSnapshots"] = lambda _: "Throttling"
    assert pod.fails(pod.verify).reason is Reason.RDS_THROTTLED


@pytest.mark.parametrize(("facts", "reason"), [
    ({"DBInstanceStatus": "stopped"}, Reason.INSTANCE_NOT_AVAILABLE),
    ({"DBInstanceStatus": "backing-up"}, Reason.INSTANCE_NOT_AVAILABLE),
    ({"DBClusterIdentifier": "aurora-1"}, Reason.INSTANCE_IN_CLUSTER),
], ids=["stopped", "busy for too long", "a member of a cluster"])  # fmt: skip
def test_an_instance_of_which_rds_takes_no_snapshot_is_told(pod, facts, reason):
    pod.aws.instance("orders", **facts)
    assert pod.fails(pod.backup).reason is reason
    assert pod.aws.operations("Create") == []


@pytest.mark.parametrize("change", ["failed", "deleted"])
def test_a_snapshot_that_fails_or_vanishes_on_its_way_is_no_backup(pod, change):
    pod.aws.states = ["creating"]

    def look(asked):
        found = pod.aws._DescribeDBSnapshots(HERE, asked)
        if isinstance(found, dict) and len(pod.aws.operations("DescribeDBSnapshots")) > 2:
            return (
                {"DBSnapshots": [found["DBSnapshots"][0] | {"Status": "failed"}]}
                if change == "failed"
                else ("DBSnapshotNotFound")
            )
        return found

    pod.aws.says["DescribeDBSnapshots"] = look
    assert pod.fails(pod.backup).reason is Reason.SNAPSHOT_FAILED
    assert pod.s3.objects == {}


# -- asked again


def test_a_verification_asks_rds_and_changes_nothing(pod):
    pod.copies()
    pod.backup()
    pod.aws.calls.clear()
    found = pod.verify()
    assert found.integrity_check == "RDS says: available, not encrypted; the copy: available"
    assert found.compared == ["arn", "state", "encryption"]
    assert set(pod.aws.operations()) == {"DescribeDBSnapshots"}


def rewrite(pod: Pod, field: str, value: object) -> None:
    said = json.loads(pod.s3.objects[MANIFEST])
    said["snapshot"][field] = value
    pod.s3.objects[MANIFEST] = json.dumps(said).encode()


@pytest.mark.parametrize(("left", "reason"), [
    ([], Reason.BACKUP_GONE), ([HERE], Reason.BACKUP_NOT_FOUND), ([THERE], Reason.BACKUP_NOT_FOUND),
], ids=["nothing", "the snapshot", "its copy"])  # fmt: skip
def test_without_a_manifest_rds_is_asked_whether_anything_is_left(pod, left, reason):
    pod.copies()
    pod.backup()
    pod.s3.objects.pop(MANIFEST)
    for region in {HERE, THERE} - {*left}:
        pod.aws.snapshots.pop((region, NAME))
    assert pod.fails(pod.verify).reason is reason


@pytest.mark.parametrize(("change", "reason"), [
    pytest.param(lambda pod: pod.aws.snapshots.pop((HERE, NAME)), Reason.BACKUP_NOT_FOUND, id="deleted"),
    pytest.param(lambda pod: pod.aws.snapshots.pop((THERE, NAME)), Reason.BACKUP_NOT_FOUND, id="its copy deleted"),
    pytest.param(lambda pod: pod.aws.snapshots[HERE, NAME].update(Status="failed"), Reason.BACKUP_NOT_FOUND,
                 id="failed"),
    pytest.param(lambda pod: pod.aws.snapshots[HERE, NAME].update(TagList=ANOTHERS), Reason.BACKUP_NOT_FOUND,
                 id="another's by now"),
    pytest.param(lambda pod: pod.s3.objects.pop(MANIFEST), Reason.BACKUP_NOT_FOUND, id="no manifest"),
    pytest.param(lambda pod: rewrite(pod, "arn", f"arn:aws:rds:{HERE}:123456789012:snapshot:x"),
                 Reason.CONTENT_MISMATCH, id="another ARN said"),
    pytest.param(lambda pod: rewrite(pod, "encrypted", True), Reason.CONTENT_MISMATCH, id="encryption said"),
    pytest.param(lambda pod: rewrite(pod, "arn", f"arn:aws:rds:{HERE}:123456789012:snapshot:x\nid #"),
                 Reason.MANIFEST_CONFLICT, id="a line break in the ARN said"),
    pytest.param(lambda pod: rewrite(pod, "region", "eu-central-1;id"), Reason.MANIFEST_CONFLICT, id="no region said"),
])  # fmt: skip
def test_a_snapshot_that_is_not_what_its_manifest_says_is_told(pod, change, reason):
    pod.copies()
    pod.backup()
    change(pod)
    assert pod.fails(pod.verify).reason is reason


def test_settings_that_make_no_client_are_told_by_name(tmp_path):
    instance = RDSInstance.model_construct(identifier="orders", region=HERE, endpoint="no URL")
    with pytest.raises(HoldfastError, match=r"the settings of database\.instance cannot be used") as caught:
        client.connect(instance, HERE, Places(database_secret=tmp_path))
    assert caught.value.reason is Reason.SNAPSHOT_FAILED
