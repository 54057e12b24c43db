"""The image that speaks to AWS, as confined as a Job's Pod, against a real store and a stand-in for RDS."""

import uuid
from collections.abc import Iterator

import pytest
from tests.integration.runner.containers import docker, published_port, remove, wait_for
from tests.integration.runner.world import World
from tests.stack.moto import RDS

from holdfast.api.rds import RDSInstance
from holdfast.contract.snapshot import SnapshotManifest
from holdfast.contract.task import BackupIdentity, SnapshotTask

IMAGE = "holdfast-runner-aws:dev"


@pytest.fixture(scope="module")
def rds(world: World) -> Iterator[RDS]:
    name = f"{world.network}-aws"
    options = ["--network", world.network, "--network-alias", "aws", "--publish", "127.0.0.1::5000"]
    docker("run", "--detach", "--name", name, *options, "holdfast-test-moto:latest")
    account = RDS(f"http://127.0.0.1:{published_port(name, 5000)}")
    try:
        wait_for(lambda: answers(account), "the stand-in for AWS", 90)
        yield account
    finally:
        account.client.close()
        remove(name)


def answers(account: RDS) -> bool:
    try:
        account.behave()
    except OSError:
        return False
    return True


def test_the_aws_image_takes_a_snapshot_and_keeps_its_manifest_in_the_store(world: World, rds: RDS):
    uid = str(uuid.uuid4())
    rds.instance("orders")
    task = SnapshotTask(
        backup=BackupIdentity(
            uid=uid, namespace="shop", name="orders-1", backup_id="backup-20261122-084500", environment="dev",
            retention_days=30,
        ),
        instance=RDSInstance(
            identifier="orders", region="eu-central-1", endpoint="http://aws:5000", secret_name="aws"
        ),
        s3=world.s3(), key_prefix=f"it/shop/orders/backup-20261122-084500-{uid}/", deadline_seconds=60,
    )  # fmt: skip
    keys = {"accessKeyID": "test", "secretAccessKey": "a-secret-half"}
    result = world.pod(task, image=IMAGE, database_secret=keys).run()

    assert result.exit_code == 0, result.log
    manifest = SnapshotManifest.model_validate_json(world.store.read(f"{task.key_prefix}manifest.json"))
    [snapshot] = rds.snapshots("orders")
    assert manifest.snapshot.arn == snapshot["DBSnapshotArn"]
    assert world.store.keys(task.key_prefix) == [f"{task.key_prefix}manifest.json"]
    assert world.store.uploads(task.key_prefix) == []
    assert "a-secret-half" not in result.log + result.inspected
