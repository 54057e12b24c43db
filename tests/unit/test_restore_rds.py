"""A DatabaseRestore of a snapshot: what is made is fixed before a Job, is new, and is what the report says."""

from typing import Any

import pytest
from tests.builders import NOW, a_failure, ago, policy_dict
from tests.restoring import World

from holdfast import naming
from holdfast.contract.report import BackupReport, Report, RestoreReport
from holdfast.contract.snapshot import Snapshot
from holdfast.contract.task import RestoreTask, SnapshotRestoreTask, SnapshotTask, Task
from holdfast.errors import Reason
from holdfast.kube.kinds import JOBS, POLICIES

NEW = {"identifier": "Orders-Restored"}
INTO = {"source": {"backupRef": {"name": "first"}}, "target": {"rds": NEW}}
MADE = {
    "kind": "instance", "identifier": "orders-restored", "address": "orders-restored.x.eu-central-1.rds.amazonaws.com",
    "arn": "arn:aws:rds:eu-central-1:123456789012:db:orders-restored", "port": 5432, "engine": "postgres",
    "engineVersion": "17.4",
}  # fmt: skip


class Snapshots(World):
    """An instance of RDS with a good snapshot."""

    def __init__(self, kind: str = "instance", environment: str = "staging") -> None:
        super().__init__(environment)
        self.made: dict[str, Any] | None = dict(MADE) | {"kind": kind}
        self.kind = kind
        instance = {"identifier": "orders", "kind": kind, "region": "eu-central-1", "secretName": "aws"}
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
            {"backupID": task.key_prefix.split("/")[-2], "instance": self.made, "compared": ["state", "engine"]}
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
        return BackupReport(
            backup_id=task.backup.backup_id, snapshot=snapshot, tool_version="RDS", server_version="postgres 17.4",
            integrity_check="RDS says: available", file_readable="not read", verified_at=NOW,
        )  # fmt: skip


async def a_snapshot(kind: str = "instance", environment: str = "staging", **spec: Any) -> Snapshots:
    world = Snapshots(kind, environment)
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
        "identifier": "Orders-Restored", "instance_class": "db.t4g.medium", "subnet_group": "shop",
        "security_groups": ["sg-1"],
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
    assert task.target.to_dict() == NEW | given


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
