"""A DatabaseRestore of a snapshot: what is made is fixed before a Job, is new, and is what the report says."""

from typing import Any

import pytest
import yaml
from tests.builders import NOW, a_failure, ago, policy_dict
from tests.restoring import World

from holdfast import naming
from holdfast.contract.report import BackupReport, Report, RestoreReport
from holdfast.contract.snapshot import Snapshot, SnapshotInRegion
from holdfast.contract.task import RestoreTask, SnapshotRestoreTask, SnapshotTask, Task
from holdfast.errors import Reason
from holdfast.kube.kinds import BACKUPS, JOBS, POLICIES

NEW = {"identifier": "Orders-Restored"}
INTO = {"source": {"backupRef": {"name": "first"}}, "target": {"rds": NEW}}
MADE = {
    "kind": "instance", "identifier": "orders-restored", "address": "orders-restored.x.eu-central-1.rds.amazonaws.com",
    "arn": "arn:aws:rds:eu-central-1:123456789012:db:orders-restored", "port": 5432, "engine": "postgres",
    "engineVersion": "17.4",
}  # fmt: skip


class Snapshots(World):
    """An instance of RDS with a good snapshot."""

    def __init__(self, kind: str = "instance", environment: str = "staging", copies: bool = False) -> None:
        super().__init__(environment)
        self.made: dict[str, Any] | None = dict(MADE) | {"kind": kind}
        self.kind, self.says_of = kind, ""
        instance = {"identifier": "orders", "kind": kind, "region": "eu-central-1", "secretName": "aws"}
        instance |= {"copyTo": {"region": "eu-west-1"}} if copies else {}
        spec = policy_dict(method="aws-rds", database={"instance": instance}) | {"environment": environment}
        self.cluster.put(POLICIES, {"metadata": {"namespace": "shop", "name": "orders"}, "spec": spec})

    def run(self, image: str, task: Task) -> Report:  # noqa: ARG002
        if self.runner.fails is not None:
            return a_failure(self.runner.fails).model_copy(update={"kind": task.kind})
        times = {"started_at": ago(12), "completed_at": NOW, "duration_seconds": 12.3, "outcome": "Succeeded"}
        if isinstance(task, SnapshotTask):
            return Report(kind=task.kind, backup=self._taken(task), **times)
        assert isinstance(task, SnapshotRestoreTask)
        told = RestoreReport.model_validate(
            {
                "backupID": self.says_of or task.key_prefix.split("/")[-2],
                "instance": self.made,
                "compared": ["state", "engine"],
            }
        )
        return Report(kind=task.kind, restore=told, **times)

    def _taken(self, task: SnapshotTask) -> BackupReport:
        name = naming.snapshot_name(task.backup.backup_id, task.backup.uid)
        what = "snapshot" if self.kind == "instance" else "cluster-snapshot"
        snapshot = Snapshot(
            arn=f"arn:aws:rds:eu-central-1:123456789012:{what}:{name}", region="eu-central-1", kind=self.kind,
            source="orders", engine="postgres" if self.kind == "instance" else "aurora-postgresql",
            engine_version="17.4", encrypted=True, instance_class="db.t4g.medium" if self.kind == "instance" else None,
            subnet_group="shop", security_groups=["sg-1"],
        )  # fmt: skip
        if task.instance.copy_to is not None:
            region = task.instance.copy_to.region
            copied = SnapshotInRegion(arn=snapshot.arn.replace("eu-central-1", region), region=region)
            snapshot = snapshot.model_copy(update={"copy_in": copied})
        return BackupReport(
            backup_id=task.backup.backup_id, snapshot=snapshot, tool_version="RDS", server_version="postgres 17.4",
            integrity_check="RDS says: available", file_readable="not read", verified_at=NOW,
        )  # fmt: skip


async def a_snapshot(
    kind: str = "instance", environment: str = "staging", copies: bool = False, **spec: Any
) -> Snapshots:
    world = Snapshots(kind, environment, copies)
    await world.backed_up()
    world.put("again", **(INTO | spec))
    return world


async def test_a_new_instance_is_made_where_the_old_one_was_and_its_address_stands_in_the_status():
    world = await a_snapshot()

    status = await world.until_the_end()

    assert status["phase"] == "Succeeded", status
    assert status["target"] == "RDS instance Orders-Restored in eu-central-1"
    assert status["instance"] == MADE
    assert status["message"].endswith(f": {MADE['address']}:5432")
    (task,) = world.tasks(SnapshotRestoreTask)
    assert task.target.model_dump(exclude_none=True) == {
        "identifier": "Orders-Restored", "region": "eu-central-1", "kind": "instance",
        "instance_class": "db.t4g.medium", "subnet_group": "shop", "security_groups": ["sg-1"],
    }  # fmt: skip
    assert task.instance.to_dict() == {
        "identifier": "Orders-Restored", "kind": "instance", "region": "eu-central-1", "secretName": "aws",
    }  # fmt: skip
    assert task.snapshot_arn.endswith(naming.snapshot_name(status["source"]["backupID"], task.backup_uid))
    (job,) = [each for each in world.cluster.all(JOBS) if each["metadata"]["name"].startswith("again")]
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "holdfast-runner-aws:1"
    assert {volume["name"] for volume in pod["volumes"]} == {"run", "database"}
    assert job["spec"]["backoffLimit"] > 0  # a second Pod finds what the first one has asked for


async def test_what_the_resource_says_wins_over_what_the_source_was():
    given = {"instanceClass": "db.r6g.large", "subnetGroup": "other", "securityGroups": ["sg-2"],
             "parameterGroup": "shop-17", "tags": {"team": "data"}}  # fmt: skip
    world = await a_snapshot(target={"rds": NEW | given})
    await world.until_the_end()
    (task,) = world.tasks(SnapshotRestoreTask)
    assert task.target.to_dict() == NEW | given | {"region": "eu-central-1", "kind": "instance"}


@pytest.mark.parametrize(
    ("kind", "spec", "says"),
    [
        pytest.param("instance", {"target": None}, "set target.rds.identifier", id="no name for the new one"),
        pytest.param(
            "instance", {"target": {"policyRef": {"name": "orders"}}}, "set target.rds.identifier", id="a policy",
        ),
        pytest.param(
            "instance", {"target": {"rds": {"identifier": "ORDERS"}}}, "is that of the instance that the snapshot was",
            id="the source itself",
        ),
        pytest.param("cluster", {}, "set target.rds.instanceClass", id="an Aurora cluster without a class"),
        pytest.param("instance", {"mode": "Replace"}, "mode has no meaning for it", id="a mode"),
        pytest.param("instance", {"options": {"jobs": 2}}, "options has no meaning for it", id="options"),
        pytest.param(
            "instance", {"afterRestore": {"sqlConfigMapName": "a"}}, "afterRestore has no meaning for it", id="SQL",
        ),
    ],
)  # fmt: skip
async def test_what_has_no_meaning_for_a_snapshot_is_refused_by_name(kind: str, spec: Any, says: str):
    world = await a_snapshot(kind)
    world.put("again", **{key: value for key, value in (INTO | spec).items() if value is not None})
    before = len(world.cluster.all(JOBS))

    status = await world.until_the_end()

    assert status["failure"]["reason"] == Reason.INVALID_SPEC
    assert says in status["failure"]["message"] + status["failure"]["remedy"]
    assert len(world.cluster.all(JOBS)) == before


async def test_a_dump_makes_no_instance():
    world = World(**INTO)
    await world.backed_up()
    status = await world.until_the_end()
    assert status["failure"]["reason"] == Reason.INVALID_SPEC
    assert "target.rds is for a snapshot of RDS" in status["failure"]["message"]
    assert world.tasks(RestoreTask) == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"identifier": "another"}, id="another name"),
        pytest.param({"arn": MADE["arn"].replace("restored", "another")}, id="another's ARN"),
        pytest.param({"arn": MADE["arn"].replace("central", "west")}, id="another region"),
        pytest.param({"arn": MADE["arn"].replace(":db:", ":cluster:")}, id="a cluster's ARN"),
        pytest.param({"kind": "cluster"}, id="another kind"),
        pytest.param(None, id="nothing"),
    ],
)
async def test_a_report_about_something_else_is_not_believed(changes: Any):
    world = await a_snapshot()
    world.made = None if changes is None else MADE | changes
    assert (await world.until_the_end())["failure"]["reason"] == Reason.REPORT_IMPLAUSIBLE


async def test_an_aurora_cluster_is_made_with_the_class_that_is_given():
    world = await a_snapshot("cluster", target={"rds": NEW | {"instanceClass": "db.r6g.large"}})
    world.made = MADE | {"kind": "cluster", "arn": MADE["arn"].replace(":db:", ":cluster:")}
    status = await world.until_the_end()
    assert (status["phase"], status["target"]) == ("Succeeded", "RDS cluster Orders-Restored in eu-central-1")


async def test_two_restores_into_one_new_name_come_one_after_the_other():
    world = await a_snapshot()
    await world.reconcile()
    await world.reconcile()
    world.put("later", created="2026-11-22T08:46:00Z", **INTO)
    await world.reconcile("later")
    await world.reconcile("later")
    assert ((await world.status("later"))["phase"]) == "Queued"
    world.put("beside", created="2026-11-22T08:47:00Z", **INTO | {"target": {"rds": {"identifier": "other"}}})
    await world.reconcile("beside")
    await world.reconcile("beside")
    assert "jobName" in await world.status("beside")


@pytest.mark.parametrize(
    ("environment", "reason"),
    [("staging", Reason.MASKING_MISSING), (None, None)],
    ids=["into staging, as it is", "nobody says more, so it is of production"],
)
async def test_a_snapshot_of_production_is_asked_about(environment: str | None, reason: Reason | None):
    target = {"rds": NEW} | ({"environment": environment} if environment else {})
    world = await a_snapshot(environment="production", target=target)
    if reason is not None:
        assert (await world.until_the_end())["failure"]["reason"] == reason
        return
    await world.reconcile()
    await world.reconcile()
    status = await world.status()
    assert status["phase"] == "AwaitingConfirmation"
    assert '"confirm":"Orders-Restored"' in status["message"]


async def test_what_a_backups_status_shows_restores_it_when_it_is_applied():
    world = await a_snapshot()
    shown = yaml.safe_load((await world.cluster.get(BACKUPS, "shop", "first"))["status"]["restore"])
    name = shown["spec"]["target"]["rds"]["identifier"]
    world.made = MADE | {"identifier": name, "arn": MADE["arn"].replace("orders-restored", name)}
    world.put(shown["metadata"]["name"], **shown["spec"])

    status = await world.until_the_end("first-restore")

    assert (status["phase"], status["target"]) == ("Succeeded", "RDS instance orders-20261122-084500 in eu-central-1")


WEST = {"region": "eu-west-1", "subnetGroup": "west", "securityGroups": ["sg-7"]}


async def test_a_copy_comes_back_in_its_region_in_a_network_of_that_region():
    world = await a_snapshot(copies=True, target={"rds": NEW | WEST})
    world.made = MADE | {"arn": MADE["arn"].replace("central", "west")}

    status = await world.until_the_end()

    assert (status["phase"], status["target"]) == ("Succeeded", "RDS instance Orders-Restored in eu-west-1"), status
    (task,) = world.tasks(SnapshotRestoreTask)
    assert task.snapshot_arn.startswith("arn:aws:rds:eu-west-1:123456789012:snapshot:holdfast-")
    assert (task.instance.region, task.instance.secret_name) == ("eu-west-1", "aws")
    assert task.target.to_dict() == NEW | WEST | {"kind": "instance", "instanceClass": "db.t4g.medium"}


async def test_in_another_region_the_sources_own_name_is_free():
    world = await a_snapshot(copies=True, target={"rds": WEST | {"identifier": "orders"}})
    world.made = MADE | {"identifier": "orders", "arn": "arn:aws:rds:eu-west-1:123456789012:db:orders"}
    assert (await world.until_the_end())["phase"] == "Succeeded"


@pytest.mark.parametrize(
    ("rds", "says"),
    [
        pytest.param(
            {"region": "us-east-1"}, "is us-east-1, but the snapshot is in eu-central-1 and eu-west-1", id="no copy",
        ),
        pytest.param(
            {"region": "eu-west-1"}, "set target.rds.subnetGroup and target.rds.securityGroups to those of eu-west-1",
            id="no network",
        ),
        pytest.param(
            {"region": "eu-west-1", "subnetGroup": "west"}, "exist only in eu-central-1", id="no security groups",
        ),
    ],
)  # fmt: skip
async def test_a_region_without_the_snapshot_or_without_a_network_is_refused_before_a_job(rds: Any, says: str):
    world = await a_snapshot(copies=True, target={"rds": NEW | rds})
    status = await world.until_the_end()
    assert status["failure"]["reason"] == Reason.INVALID_SPEC
    assert says in status["failure"]["message"] + status["failure"]["remedy"]
    assert world.tasks(SnapshotRestoreTask) == []


async def test_a_restore_may_ask_with_rights_of_its_own():
    own = {"secretName": "aws-restore", "endpoint": "https://rds.example.com"}
    world = await a_snapshot(target={"rds": NEW | own})
    await world.until_the_end()
    (task,) = world.tasks(SnapshotRestoreTask)
    assert (task.instance.secret_name, task.instance.endpoint) == ("aws-restore", "https://rds.example.com")
    (job,) = [each for each in world.cluster.all(JOBS) if each["metadata"]["name"].startswith("again")]
    secrets = [each["secret"]["secretName"] for each in job["spec"]["template"]["spec"]["volumes"] if "secret" in each]
    assert secrets == ["aws-restore"]


FOLDER = "eu-1/shop/orders/backup-20261122-084500"
GIVEN = NEW | {"region": "eu-central-1", "instanceClass": "db.t4g.medium", "subnetGroup": "shop",
               "securityGroups": ["sg-1"]}  # fmt: skip


def in_a_bucket(rds: Any = GIVEN, **target: Any) -> Snapshots:
    world = Snapshots()
    source = {"bucket": {"s3": {"bucket": "backups", "secretName": "s3"}, "folder": FOLDER}}
    world.put("again", source=source, target={"rds": rds} | target)
    return world


async def test_a_snapshot_that_only_a_bucket_knows_is_made_as_the_resource_says_by_whom_it_names():
    world = in_a_bucket(GIVEN | {"secretName": "aws-restore"})

    status = await world.until_the_end()

    assert (status["phase"], status["target"]) == ("Succeeded", "RDS instance Orders-Restored in eu-central-1"), status
    assert status["source"]["location"] == f"s3://backups/{FOLDER}/"
    assert "snapshotArn" not in status["resolved"]
    (task,) = world.tasks(SnapshotRestoreTask)
    assert (task.backup_uid, task.snapshot_arn, task.key_prefix) == (None, None, f"{FOLDER}/")
    assert task.target.to_dict() == GIVEN | {"kind": "instance", "secretName": "aws-restore"}
    assert task.instance.secret_name == "aws-restore"
    assert task.never_unmasked_of == ["production"]  # as long as nobody says what the target is for
    (job,) = [each for each in world.cluster.all(JOBS) if each["metadata"]["name"].startswith("again")]
    volumes = {volume["name"] for volume in job["spec"]["template"]["spec"]["volumes"]}
    assert volumes == {"run", "database", "storage"}


async def test_a_report_about_another_folders_backup_is_not_believed():
    world = in_a_bucket()
    world.says_of = "backup-20261122-084501"
    assert (await world.until_the_end())["failure"]["reason"] == Reason.REPORT_IMPLAUSIBLE


async def test_the_kind_of_a_snapshot_in_a_bucket_is_as_the_resource_says():
    world = in_a_bucket(GIVEN | {"kind": "cluster"})
    assert (await world.until_the_end())["failure"]["reason"] == Reason.REPORT_IMPLAUSIBLE  # it reports an instance

    world = in_a_bucket(GIVEN | {"kind": "cluster"})
    world.made = MADE | {"kind": "cluster", "arn": MADE["arn"].replace(":db:", ":cluster:")}
    assert (await world.until_the_end())["target"] == "RDS cluster Orders-Restored in eu-central-1"


async def test_a_snapshot_in_a_bucket_is_asked_about_where_its_target_is_of_production():
    world = in_a_bucket(environment="production")
    await world.reconcile()
    await world.reconcile()
    status = await world.status()
    assert status["phase"] == "AwaitingConfirmation"
    assert '"confirm":"Orders-Restored"' in status["message"]


async def test_a_restore_that_was_stopped_says_what_rds_may_still_be_making():
    world = await a_snapshot()
    world.runner.fails = Reason.DEADLINE_EXCEEDED
    remedy = (await world.until_the_end())["failure"]["remedy"]
    assert remedy.startswith("look for Orders-Restored in RDS first: it may still be made")
