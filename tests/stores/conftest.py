"""The stores that the contract holds for: the fake of the unit tests, and a real SeaweedFS in a container."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.cluster import api
from tests.cluster.settings import from_environment
from tests.fake_s3 import FakeS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TIMEOUT = 120  # seconds; the first test waits for the server
BUCKET, LOCKED = "backups", "locked"


@dataclass(frozen=True)
class Kind:
    """A store: its client, and the names of a plain bucket and of one with Object Lock."""

    client: "S3Client"
    locking: "S3Client"
    bucket: str
    locked: str


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[Kind]:
    # late, as every process of the fast tests reads this file: boto3 takes a second
    from tests.integration.runner.containers import docker
    from tests.integration.runner.servers import Store

    settings = from_environment()
    network = f"holdfast-it-{os.getpid()}-stores"
    with pytest.MonkeyPatch.context() as environment:
        for key, value in api.running_daemon(settings).environment(settings.tools_dir).items():
            environment.setenv(key, value)
        docker("network", "create", network)
        store = Store(network, f"{network}-store")
        try:
            store.client.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
            yield Kind(store.client, store.client, BUCKET, LOCKED)
        finally:
            store.remove()
            docker("network", "rm", network, check=False)


@pytest.fixture(
    params=["fake", pytest.param("seaweedfs", marks=[pytest.mark.integration, pytest.mark.timeout(TIMEOUT)])]
)
def kind(request: pytest.FixtureRequest) -> Kind:
    if request.param == "seaweedfs":
        found: Any = request.getfixturevalue("seaweedfs")
        return cast("Kind", found)
    return Kind(cast("S3Client", FakeS3()), cast("S3Client", FakeS3(locking=True)), BUCKET, LOCKED)
