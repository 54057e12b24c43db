"""A snapshot by RDS is a backup or nothing: against moto's server, with AWS's failures made by a proxy before it."""

import io
import json
import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.aws import AWS, BUCKET, ELSEWHERE, REGION, SESSION, moto
from tests.builders import NOW

from holdfast import naming, texts
from holdfast.api.rds import RDSInstance
from holdfast.api.storage import S3Storage
from holdfast.contract import task as tasks
from holdfast.contract.report import CheckedBy, Verification, parse
from holdfast.contract.task import BackupIdentity, SnapshotCleanupTask, SnapshotTask, SnapshotVerifyTask
from holdfast.errors import ExitCode, HoldfastError, Reason
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.result import Result, UncleanError
from holdfast.runner.pod.stop import Stop
from holdfast.runner.rds import task
from holdfast.runner.rds.method import Snapshots
from holdfast.runner.rds.snapshots import Pace
from holdfast.runner.tasks import cleanup, verify

QUICK = Pace(shortest=0.01, longest=0.02, patience=0.5)
CREATING = {"action": "DescribeDBSnapshots", "set": {"Status": "creating", "PercentProgress": "40"}}
ID = "backup-20261122-084500-before-v2"
ANOTHER = f"arn:aws:rds:{REGION}:123456789012:snapshot:another"

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def account() -> Iterator[AWS]:
    with moto() as aws:
        yield aws


@pytest.fixture(autouse=True)
def one_session_that_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.session.Session", lambda: SESSION)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)


@dataclass
class Backup:
    """One backup of one instance of its own, and the Pods that work on it."""

    aws: AWS
    secret: Path
    kind: str = "instance"
    changes: dict[str, Any] = field(default_factory=dict)
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        self.source = f"orders-{self.uid[:8]}"
        self.identity = BackupIdentity(
            uid=self.uid, namespace="shop", name="orders-1", policy=self.source, backup_id=ID, environment="production",
            retention_days=90, reason="release 2.0",
        )  # fmt: skip
        self.name = naming.snapshot_name(ID, self.uid)
        self.prefix = f"shop/{self.source}/{ID}/"
        self.instance = RDSInstance.model_validate(
            {"identifier": self.source, "kind": self.kind, "region": REGION, "secretName": "aws",
             "endpoint": self.aws.url} | self.changes
        )  # fmt: skip
        self.s3 = S3Storage.model_validate(
            {"bucket": BUCKET, "region": REGION, "endpoint": self.aws.url, "addressingStyle": "path",
             "secretName": "aws"}
        )  # fmt: skip
        self.log, self.stop = io.StringIO(), Stop()

    def context(self, pod: str) -> Context:
        self.stop = Stop()
        places = Places(database_secret=self.secret, storage_secret=self.secret)
        return Context(places, self.stop, Log(self.log), pod, NOW)

    def task(self, deadline: int = 60) -> SnapshotTask:
        return SnapshotTask(
            backup=self.identity, instance=self.instance, s3=self.s3, key_prefix=self.prefix, deadline_seconds=deadline
        )

    def run(self, pod: str = "pod-1", pace: Pace = QUICK) -> Result:
        return task.run(self.task(), self.context(pod), pace)

    def clean(self) -> str:
        work = SnapshotCleanupTask(
            backup_uid=self.uid, backup_id=ID, instance=self.instance, s3=self.s3, key_prefix=self.prefix,
            deadline_seconds=60,
        )  # fmt: skip
        return cleanup.run(work, self.context("pod-9"), Snapshots(QUICK)).message or ""

    def verify(self, pod: str = "pod-8") -> Verification:
        """Verify it again; nothing in the account or the bucket may change by it."""
        work = SnapshotVerifyTask(
            backup_uid=self.uid, backup_id=ID, instance=self.instance, s3=self.s3, key_prefix=self.prefix,
            deadline_seconds=60,
        )  # fmt: skip
        self.aws.proxy.calls.clear()
        found = verify.run(work, self.context(pod), Snapshots(QUICK)).verification
        assert {call for call in self.aws.proxy.calls if not call.startswith("Describe")} == set()
        assert found is not None
        return found

    def fails_to_verify(self) -> HoldfastError:
        with pytest.raises(HoldfastError) as caught:
            self.verify()
        return caught.value

    def fails(self) -> HoldfastError:
        with pytest.raises(HoldfastError) as caught:
            self.run()
        return caught.value

    def ends_badly(self) -> tuple[HoldfastError, bool]:
        """Return what it failed with, and whether it says that nothing is left."""
        with pytest.raises((HoldfastError, UncleanError)) as caught:
            self.run()
        error = caught.value.error if isinstance(caught.value, UncleanError) else caught.value
        assert isinstance(error, HoldfastError)
        return error, error is caught.value

    def manifest(self) -> dict[str, Any]:
        return json.loads(self.aws.s3.get_object(Bucket=BUCKET, Key=f"{self.prefix}manifest.json")["Body"].read())

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.log.getvalue().splitlines()) if line["event"] == event]

    def leaves_nothing(self) -> bool:
        gone = self.kind == "cluster" or not self.aws.snapshots(self.source)
        return gone and not self.aws.keys(self.prefix) and not self.aws.uploads(self.prefix)


@pytest.fixture
def backup(account: AWS, tmp_path: Path) -> Iterator[Backup]:
    yield from an_instance(account, tmp_path)


def an_instance(account: AWS, folder: Path, instance: dict[str, Any] | None = None, **changes: Any) -> Iterator[Backup]:
    account.proxy.behave()
    account.proxy.calls.clear()
    for key, value in (("accessKeyID", "test"), ("secretAccessKey", "a-secret-half")):
        (folder / key).write_text(value)
    made = Backup(account, folder, changes=changes)
    account.instance(DBInstanceIdentifier=made.source, **(instance or {}))
    yield made
    assert "a-secret-half" not in made.log.getvalue()


@pytest.fixture
def cluster(account: AWS, tmp_path: Path, backup: Backup) -> Backup:
    made = Backup(account, tmp_path, kind="cluster")
    account.cluster(DBClusterIdentifier=made.source)
    return made


@pytest.fixture
def copied(account: AWS, tmp_path: Path) -> Iterator[Backup]:
    yield from an_instance(account, tmp_path, copyTo={"region": ELSEWHERE})


def documented_actions() -> set[str]:
    """What the how-to tells people to allow."""
    page = (Path(__file__).parents[2] / "docs/how-to/snapshot-rds.md").read_text()
    found = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return {action for statement in json.loads(found[1])["Statement"] for action in statement["Action"]}


def test_the_documented_policy_allows_what_is_called_and_nothing_else(account: AWS, tmp_path: Path, monkeypatch):
    """Tags on what is created are authorized as an action of their own, which nobody calls."""
    called: set[str] = set()
    for kind in ("instance", "cluster"):
        [backup] = an_instance(account, tmp_path, copyTo={"region": ELSEWHERE})
        if kind == "cluster":
            backup = Backup(account, tmp_path, kind="cluster", changes={"copyTo": {"region": ELSEWHERE}})
            account.cluster(DBClusterIdentifier=backup.source)
        with monkeypatch.context() as broken:
            broken.setattr("holdfast.runner.bucket.store.Store.create", refuse)
            with pytest.raises(UncleanError):
                backup.run()
        assert backup.clean().count("deleted snapshot") == 2
        assert backup.run("pod-2").backup
        assert backup.run("pod-3").backup
        called |= {f"rds:{action}" for action in account.proxy.calls}
    assert called | {"rds:AddTagsToResource"} == documented_actions()


def refuse(*_: Any) -> bool:
    raise HoldfastError(Reason.STORAGE_UNAVAILABLE, "as asked", "wait")


def test_a_snapshot_is_available_tagged_and_named_in_a_manifest(backup: Backup):
    done = backup.run()

    [snapshot] = backup.aws.snapshots(backup.source)
    assert done.backup is not None
    assert done.backup.snapshot is not None
    assert (snapshot["DBSnapshotIdentifier"], snapshot["Status"]) == (backup.name, "available")
    assert {tag["Key"]: tag["Value"] for tag in snapshot["TagList"]} == {
        "app.kubernetes.io/managed-by": "holdfast",
        "holdfast.dev/backup-uid": backup.uid,
        "holdfast.dev/namespace": "shop",
        "holdfast.dev/backup": "orders-1",
        "holdfast.dev/backup-id": ID,
        "holdfast.dev/policy": backup.source,
    }
    told, written = done.backup.snapshot, backup.manifest()
    assert (told.arn, told.engine, told.allocated_bytes) == (snapshot["DBSnapshotArn"], "postgres", 20 << 30)
    assert (done.backup.size_bytes, done.backup.server_version) == (20 << 30, f"postgres {told.engine_version}")
    assert (told.encrypted, told.kms_key_id, told.instance_class) == (False, None, "db.t4g.medium")
    assert len(told.security_groups) == 1
    assert (written["method"], written["snapshot"]["arn"]) == ("aws-rds", told.arn)
    assert (written["backup"]["uid"], written["backup"]["reason"]) == (backup.uid, "release 2.0")
    assert done.warnings == ["the snapshot is not encrypted, since its source is not encrypted"]
    assert backup.aws.keys(backup.prefix) == [f"{backup.prefix}manifest.json"]
    assert backup.aws.uploads(backup.prefix) == []


def test_a_cluster_is_snapshot_as_a_whole_and_of_no_stated_size(cluster: Backup):
    done = cluster.run()

    asked = {"DBClusterIdentifier": cluster.source, "SnapshotType": "manual"}
    found = cluster.aws.rds.describe_db_cluster_snapshots(**asked)["DBClusterSnapshots"]
    assert done.backup is not None
    assert done.backup.snapshot is not None
    assert [item["DBClusterSnapshotArn"] for item in found] == [done.backup.snapshot.arn]
    assert (done.backup.tool_version, done.backup.size_bytes) == ("RDS CreateDBClusterSnapshot", None)
    assert done.backup.snapshot.subnet_group == "default"


@pytest.mark.parametrize("kind", ["instance", "cluster"])
def test_the_key_of_an_encrypted_snapshot_is_recorded(account: AWS, tmp_path: Path, kind: str):
    key = "arn:aws:kms:eu-central-1:123456789012:key/0f6bd1c4"
    [encrypted] = an_instance(account, tmp_path, {"StorageEncrypted": True, "KmsKeyId": key})
    if kind == "cluster":
        encrypted = Backup(account, tmp_path, kind="cluster")
        account.cluster(DBClusterIdentifier=encrypted.source, StorageEncrypted=True, KmsKeyId=key)
    done = encrypted.run()
    assert done.backup is not None
    assert done.backup.snapshot is not None
    assert (done.backup.snapshot.encrypted, done.backup.snapshot.kms_key_id) == (True, key)
    assert done.backup.integrity_check == "RDS says: available, encrypted"
    assert done.warnings == []


def test_the_full_size_is_told_where_rds_states_one(backup: Backup):
    backup.aws.proxy.behave({"action": "DescribeDBSnapshots", "set": {"FullSnapshotSizeInBytes": "123456789"}})
    done = backup.run()
    assert done.backup is not None
    assert done.backup.size_bytes == 123_456_789


def test_nothing_is_a_backup_before_rds_says_available_and_the_progress_is_told(backup: Backup):
    backup.aws.proxy.behave({**CREATING, "times": 3, "skip": 1})
    backup.run()
    assert [(line["status"], line.get("percent")) for line in backup.lines("progress")] == [
        ("creating", 40), ("creating", 40), ("creating", 40), ("available", None),
    ]  # fmt: skip


def test_a_copy_in_another_region_is_waited_for_and_tagged_as_ours(copied: Backup):
    copied.aws.proxy.behave(
        {"action": "DescribeDBSnapshots", "region": ELSEWHERE, "times": 2, "skip": 1, "set": {"Status": "copying"}}
    )
    done = copied.run()
    [copy] = copied.aws.elsewhere.describe_db_snapshots(DBSnapshotIdentifier=copied.name)["DBSnapshots"]
    assert done.backup is not None
    assert done.backup.snapshot is not None
    assert done.backup.snapshot.copy_in is not None
    assert done.backup.snapshot.copy_in.arn == copy["DBSnapshotArn"]
    assert copied.manifest()["snapshot"]["copy"]["region"] == ELSEWHERE
    assert {"Key": "holdfast.dev/backup-uid", "Value": copied.uid} in copy["TagList"]
    assert [line["status"] for line in copied.lines("progress") if line["region"] == ELSEWHERE] == [
        "copying", "copying", "available",
    ]  # fmt: skip


def test_an_encrypted_snapshot_is_not_copied_without_a_key_of_that_region(account: AWS, tmp_path: Path):
    key = "arn:aws:kms:eu-central-1:123456789012:key/0f6bd1c4"
    [encrypted] = an_instance(
        account, tmp_path, {"StorageEncrypted": True, "KmsKeyId": key}, copyTo={"region": ELSEWHERE}
    )
    error = encrypted.fails()
    assert (error.reason, error.exit_code) == (Reason.KMS_KEY_REFUSED, ExitCode.CONFIGURATION)
    assert encrypted.leaves_nothing()


def test_a_second_pod_waits_for_the_snapshot_that_the_first_began(backup: Backup):
    tags = [{"Key": "app.kubernetes.io/managed-by", "Value": "holdfast"},
            {"Key": "holdfast.dev/backup-uid", "Value": backup.uid}]  # fmt: skip
    backup.aws.rds.create_db_snapshot(DBInstanceIdentifier=backup.source, DBSnapshotIdentifier=backup.name, Tags=tags)
    backup.aws.proxy.behave({**CREATING, "times": 2})
    backup.run("pod-2")
    assert "CreateDBSnapshot" not in backup.aws.proxy.calls
    assert backup.manifest()["podUid"] == "pod-2"


def test_a_pod_after_the_manifest_asks_rds_again_and_reports_it(backup: Backup):
    first = backup.run("pod-1")
    second = backup.run("pod-2")
    assert (first.backup and first.backup.found, second.backup and second.backup.found) == (False, True)
    assert len(backup.aws.snapshots(backup.source)) == 1


def test_a_pod_after_the_manifest_fails_when_the_snapshot_is_gone(backup: Backup):
    backup.run()
    backup.aws.rds.delete_db_snapshot(DBSnapshotIdentifier=backup.name)
    assert backup.fails().reason is Reason.BACKUP_NOT_FOUND


@pytest.mark.parametrize("tags", [
    pytest.param([], id="no tags"),
    pytest.param([{"Key": "holdfast.dev/backup-uid", "Value": "another"},
                  {"Key": "app.kubernetes.io/managed-by", "Value": "holdfast"}], id="of another backup"),
])  # fmt: skip
def test_a_strangers_snapshot_of_our_name_is_refused_and_left_alone(backup: Backup, tags):
    backup.aws.rds.create_db_snapshot(DBInstanceIdentifier=backup.source, DBSnapshotIdentifier=backup.name, Tags=tags)
    error = backup.fails()
    assert (error.reason, error.exit_code) == (Reason.SNAPSHOT_NOT_OURS, ExitCode.VERIFICATION)
    assert "no snapshot of this backup" in backup.clean()
    assert len(backup.aws.snapshots(backup.source)) == 1


def test_an_answer_that_was_lost_makes_no_second_snapshot(backup: Backup):
    backup.aws.proxy.behave({"action": "CreateDBSnapshot", "times": 1, "lose": True})
    backup.run()
    assert len(backup.aws.snapshots(backup.source)) == 1
    assert backup.aws.proxy.calls.count("CreateDBSnapshot") == 2


@pytest.mark.parametrize("code", ["Throttling", "RequestLimitExceeded", "ServiceUnavailable"])
def test_what_passes_by_itself_is_tried_again(backup: Backup, code: str):
    backup.aws.proxy.behave(
        {"action": "CreateDBSnapshot", "times": 1, "code": code, "status": 400},
        {"action": "DescribeDBSnapshots", "times": 1, "skip": 1, "code": code, "status": 503},
    )
    assert backup.run().backup


@pytest.mark.parametrize(("rule", "reason", "exit_code", "named"), [
    pytest.param({"action": "CreateDBSnapshot", "code": "Throttling"},
                 Reason.RDS_THROTTLED, 3, "rds:CreateDBSnapshot", id="throttled for good"),
    pytest.param({"action": "CreateDBSnapshot", "code": "InternalFailure", "status": 500},
                 Reason.RDS_UNAVAILABLE, 3, "InternalFailure", id="out of order for good"),
    pytest.param({"action": "DescribeDBInstances", "code": "AccessDenied", "status": 403},
                 Reason.RDS_ACCESS_DENIED, 3, "rds:DescribeDBInstances", id="may not describe"),
    pytest.param({"action": "CreateDBSnapshot", "code": "AccessDenied", "status": 403},
                 Reason.RDS_ACCESS_DENIED, 3, "rds:CreateDBSnapshot", id="may not create"),
    pytest.param({"action": "DescribeDBSnapshots", "code": "AccessDenied", "status": 403},
                 Reason.RDS_ACCESS_DENIED, 3, "rds:DescribeDBSnapshots", id="may not look"),
    pytest.param({"action": "DescribeDBInstances", "code": "InvalidClientTokenId", "status": 403},
                 Reason.RDS_ACCESS_DENIED, 3, "InvalidClientTokenId", id="unknown key"),
    pytest.param({"action": "CreateDBSnapshot", "code": "SnapshotQuotaExceeded"},
                 Reason.SNAPSHOT_QUOTA_EXCEEDED, 7, "SnapshotQuotaExceeded", id="quota"),
    pytest.param({"action": "CreateDBSnapshot", "code": "InvalidDBInstanceState"},
                 Reason.INSTANCE_NOT_AVAILABLE, 3, "InvalidDBInstanceState", id="state changed meanwhile"),
    pytest.param({"action": "DescribeDBInstances", "set": {"DBInstanceStatus": "stopped"}},
                 Reason.INSTANCE_NOT_AVAILABLE, 3, "is stopped", id="stopped"),
    pytest.param({"action": "DescribeDBInstances", "set": {"DBInstanceStatus": "backing-up"}},
                 Reason.INSTANCE_NOT_AVAILABLE, 3, "is backing-up", id="busy for too long"),
    pytest.param({"action": "DescribeDBInstances", "set": {"DBClusterIdentifier": "aurora-1"}},
                 Reason.INSTANCE_IN_CLUSTER, 1, "cluster aurora-1", id="member of a cluster"),
    pytest.param({"action": "DescribeDBSnapshots", "skip": 1, "set": {"Status": "failed"}},
                 Reason.SNAPSHOT_FAILED, 7, "is failed", id="snapshot failed"),
    pytest.param({"action": "DescribeDBSnapshots", "skip": 1, "set": {"AllocatedStorage": "0"}},
                 Reason.SIZE_IMPLAUSIBLE, 5, "size of 0", id="empty"),
    pytest.param({"action": "CreateDBSnapshot", "code": "InvalidParameterValue"},
                 Reason.SNAPSHOT_FAILED, 7, "InvalidParameterValue", id="anything else"),
])  # fmt: skip
def test_each_failure_has_its_reason_and_leaves_nothing(
    backup: Backup, rule: dict, reason: Reason, exit_code: int, named: str
):
    backup.aws.proxy.behave(rule)
    error, clean = backup.ends_badly()
    assert (error.reason, error.exit_code) == (reason, exit_code)
    assert named in error.message
    assert error.remedy
    backup.aws.proxy.behave()
    assert clean
    assert backup.leaves_nothing()


@pytest.mark.parametrize("kind", ["instance", "cluster"])
def test_what_is_not_there_is_named_with_its_region(backup: Backup, cluster: Backup, kind: str):
    source = cluster if kind == "cluster" else backup
    source.instance = source.instance.model_copy(update={"identifier": "not-there"})
    error = source.fails()
    assert error.reason is Reason.INSTANCE_NOT_FOUND
    assert f"{kind} not-there in {REGION}" in error.message


def test_an_instance_that_is_busy_is_waited_for(backup: Backup):
    busy = {"action": "DescribeDBInstances", "times": 2, "set": {"DBInstanceStatus": "backing-up"}}
    backup.aws.proxy.behave(busy)
    backup.run()
    assert [line["status"] for line in backup.lines("waiting")] == ["backing-up", "backing-up"]


def test_a_bucket_that_cannot_be_written_to_is_noticed_before_aws_is_kept_busy(backup: Backup):
    backup.s3 = backup.s3.model_copy(update={"bucket": "not-there"})
    assert backup.fails().reason is Reason.BUCKET_NOT_FOUND
    assert backup.aws.proxy.calls == []


def test_a_snapshot_that_somebody_deletes_meanwhile_is_a_failure(backup: Backup):
    backup.aws.proxy.behave(
        {"action": "DescribeDBSnapshots", "skip": 2, "code": "DBSnapshotNotFound", "status": 404},
        {**CREATING, "times": 10},
    )
    assert backup.fails().reason is Reason.SNAPSHOT_FAILED


def interrupt(backup: Backup, deletable: bool) -> Exception:
    """Ask a Pod to stop while RDS says `creating`; return what it ended with."""
    refused = {"action": "DeleteDBSnapshot", "code": "InvalidDBSnapshotState"}
    backup.aws.proxy.behave(*([] if deletable else [refused]), {**CREATING, "skip": 1})
    ended: list[Exception] = []

    def pod() -> None:
        try:
            backup.run()
        except Exception as error:  # noqa: BLE001 - handed to the test
            ended.append(error)

    working = threading.Thread(target=pod)
    working.start()
    until = threading.Event()
    while backup.aws.proxy.calls.count("DescribeDBSnapshots") < 3:
        until.wait(0.01)
    backup.stop.request(HoldfastError(Reason.INTERRUPTED, "told to end", "again"))
    working.join(20)
    return ended[0]


def test_a_pod_that_is_told_to_end_removes_what_it_began(backup: Backup):
    error = interrupt(backup, deletable=True)
    assert isinstance(error, HoldfastError)
    assert error.reason is Reason.INTERRUPTED
    assert backup.leaves_nothing()


def test_what_rds_does_not_let_go_yet_is_reported_and_the_next_pod_makes_it_the_backup(backup: Backup):
    error = interrupt(backup, deletable=False)
    assert isinstance(error, UncleanError)
    assert "RDS cannot delete it before" in error.leftover
    backup.aws.proxy.behave()
    assert backup.run("pod-2").backup
    assert len(backup.aws.snapshots(backup.source)) == 1


def test_cleanup_waits_until_rds_lets_the_snapshot_go(backup: Backup):
    interrupt(backup, deletable=False)
    backup.aws.proxy.behave(
        {"action": "DeleteDBSnapshot", "code": "InvalidDBSnapshotState", "times": 2}, {**CREATING, "times": 2}
    )
    assert f"deleted snapshot {backup.name} in {REGION}" in backup.clean()
    assert backup.leaves_nothing()


def test_cleanup_keeps_what_a_manifest_names(backup: Backup):
    backup.run()
    assert backup.clean().endswith(f"the backup {ID} is there and stays")
    assert len(backup.aws.snapshots(backup.source)) == 1


def test_a_manifest_that_cannot_be_written_is_no_success_and_cleanup_removes_the_snapshot(copied: Backup, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("holdfast.runner.bucket.store.Store.create", refuse)
        with pytest.raises(UncleanError):
            copied.run()
    assert copied.aws.keys(copied.prefix) == []
    assert copied.clean().count("deleted snapshot") == 2
    assert copied.leaves_nothing()
    elsewhere = copied.aws.elsewhere.describe_db_snapshots()["DBSnapshots"]
    assert copied.name not in [item["DBSnapshotIdentifier"] for item in elsewhere]


def process(backup: Backup, deadline: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the container's entry as it is, with the Pod's environment; credentials by the default chain."""
    work = backup.task(deadline)
    work = work.model_copy(
        update={
            "instance": backup.instance.model_copy(update={"secret_name": None}),
            "s3": backup.s3.model_copy(update={"secret_name": None}),
        }
    )
    code = (
        "import sys; from pathlib import Path; from holdfast.runner.pod.context import Places; "
        "from holdfast.runner.main import run; sys.exit(run([], Places(termination_log=Path(sys.argv[1]))))"
    )
    environment = {
        **{key: value for key, value in os.environ.items() if "proxy" not in key.lower()},
        "HOLDFAST_TASK": tasks.to_environment(work), "HOLDFAST_POD_UID": "pod-1",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "a-secret-half",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", code, str(folder / "log")], env=environment, capture_output=True, text=True, timeout=50,
        check=False,
    )  # fmt: skip


def test_the_container_reports_the_snapshot_by_its_own_identity(backup: Backup, tmp_path: Path):
    done = process(backup, 30, tmp_path)
    report = parse((tmp_path / "log").read_text())
    assert done.returncode == 0, done.stdout + done.stderr
    assert report is not None
    assert report.backup is not None
    assert report.backup.snapshot is not None
    assert report.backup.snapshot.source == backup.source
    assert (report.kind, report.clean, report.duration_seconds > 0) == ("rds-snapshot", True, True)


def test_the_deadline_ends_the_waiting_with_its_own_exit_code(backup: Backup, tmp_path: Path):
    backup.aws.proxy.behave({**CREATING, "skip": 1})
    done = process(backup, 2, tmp_path)
    report = parse((tmp_path / "log").read_text())
    assert done.returncode == ExitCode.DEADLINE, done.stdout + done.stderr
    assert report is not None
    assert report.failure is not None
    assert (report.failure.reason, report.clean) == ("DeadlineExceeded", True)
    backup.aws.proxy.behave()
    assert backup.leaves_nothing()


@pytest.mark.parametrize("kind", ["instance", "cluster", "copied"])
def test_a_snapshot_is_verified_again_by_asking_rds(request: pytest.FixtureRequest, kind: str):
    backup: Backup = request.getfixturevalue({"instance": "backup"}.get(kind, kind))
    backup.run()
    found = backup.verify()
    assert (found.level, found.checked_by) == (None, CheckedBy.RDS)
    assert found.compared == ["arn", "state", "encryption"]
    assert found.integrity_check.startswith("RDS says: available, not encrypted")
    assert ("the copy: available" in found.integrity_check) == (kind == "copied")
    assert found.file_readable.startswith("not read")


def delete(backup: Backup) -> None:
    backup.aws.rds.delete_db_snapshot(DBSnapshotIdentifier=backup.name)


def delete_copy(backup: Backup) -> None:
    backup.aws.elsewhere.delete_db_snapshot(DBSnapshotIdentifier=backup.name)


def break_off(backup: Backup) -> None:
    backup.aws.proxy.behave({"action": "DescribeDBSnapshots", "set": {"Status": "failed"}})


def untag(backup: Backup) -> None:
    [snapshot] = backup.aws.snapshots(backup.source)
    backup.aws.rds.remove_tags_from_resource(
        ResourceName=snapshot["DBSnapshotArn"], TagKeys=["holdfast.dev/backup-uid"]
    )


def lose_manifest(backup: Backup) -> None:
    backup.aws.s3.delete_object(Bucket=BUCKET, Key=f"{backup.prefix}manifest.json")


def rewritten(field: str, value: object) -> Callable[[Backup], None]:
    def change(backup: Backup) -> None:
        said = backup.manifest()
        said["snapshot"][field] = value
        backup.aws.s3.put_object(Bucket=BUCKET, Key=f"{backup.prefix}manifest.json", Body=json.dumps(said).encode())

    return change


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        pytest.param(delete, Reason.BACKUP_NOT_FOUND, "does not exist or is not available", id="deleted"),
        pytest.param(delete_copy, Reason.BACKUP_NOT_FOUND, f"in {ELSEWHERE}", id="its copy deleted"),
        pytest.param(break_off, Reason.BACKUP_NOT_FOUND, "does not exist or is not available", id="failed"),
        pytest.param(untag, Reason.BACKUP_NOT_FOUND, "does not exist or is not available", id="not tagged as ours"),
        pytest.param(lose_manifest, Reason.BACKUP_NOT_FOUND, "manifest.json", id="no manifest"),
        pytest.param(
            rewritten("arn", ANOTHER), Reason.CONTENT_MISMATCH, "in the manifest, but RDS has", id="another ARN said"
        ),
        pytest.param(
            rewritten("arn", f"{ANOTHER}\nid #"),
            Reason.MANIFEST_CONFLICT,
            "not a manifest",
            id="a line break in the ARN",
        ),
        pytest.param(rewritten("encrypted", True), Reason.CONTENT_MISMATCH, "is not encrypted", id="encryption said"),
    ],
)
def test_a_snapshot_that_is_not_what_its_manifest_says_is_told(copied: Backup, change, reason, says):
    copied.run()
    change(copied)
    error = copied.fails_to_verify()
    assert error.reason is reason
    assert says in error.message


def test_a_verification_that_aws_throttles_says_nothing_about_the_snapshot(backup: Backup):
    backup.run()
    backup.aws.proxy.behave({"action": "DescribeDBSnapshots", "code": "Throttling", "status": 400})
    assert backup.fails_to_verify().reason is Reason.RDS_THROTTLED


@pytest.mark.parametrize(("action", "field", "value", "named"), [
    ("DescribeDBInstances", "DBInstanceClass", "db.t4g.medium`id`", "DBInstanceClass"),
    ("DescribeDBInstances", "Engine", "postgres\u202e", "Engine"),
    ("DescribeDBSnapshots", "EngineVersion", "17\n", "EngineVersion"),
    ("DescribeDBSnapshots", "DBSnapshotArn", f"{ANOTHER}\ntouch /tmp/x #", "DBSnapshotArn"),
    ("DescribeDBSnapshots", "AllocatedStorage", "-1", "AllocatedStorage"),
    ("DescribeDBSnapshots", "AllocatedStorage", "much", "not an answer of the RDS API"),
    ("DescribeDBSnapshots", "Status", "available\x9b2J", "Status"),
])  # fmt: skip
def test_an_answer_that_is_not_aws_is_refused_by_its_field_and_nothing_is_recorded(backup, action, field, value, named):
    backup.aws.proxy.behave({"action": action, "set": {field: value}})
    error, _ = backup.ends_badly()
    assert (error.reason, error.exit_code) == (Reason.RDS_ANSWER_INVALID, ExitCode.DATABASE)
    assert named in error.message
    assert backup.aws.url in error.message
    assert texts.is_plain(error.message)
    assert backup.aws.keys(backup.prefix) == []
    backup.aws.proxy.behave()
    backup.clean()
    assert backup.leaves_nothing()
