"""AWS's stand-in for tests: moto's server in a process of its own, and the proxy that makes it fail, both on loopback.

AWS itself is never asked. What moto cannot do (waiting, throttling, refusing) the proxy in front of it does.
"""

import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.session
from tests.images.moto.proxy import Proxy

REGION, ELSEWHERE = "eu-central-1", "eu-west-1"
BUCKET = "backups"
INSTANCE = {
    "DBInstanceIdentifier": "orders", "Engine": "postgres", "DBInstanceClass": "db.t4g.medium", "AllocatedStorage": 20,
    "MasterUsername": "orders", "MasterUserPassword": "not-used-by-anyone",
}  # fmt: skip
CLUSTER = {
    "DBClusterIdentifier": "orders-cluster", "Engine": "aurora-postgresql", "MasterUsername": "orders",
    "MasterUserPassword": "not-used-by-anyone",
}  # fmt: skip


class AWS:
    """One account, behind the proxy."""

    def __init__(self, proxy: Proxy, direct: str) -> None:
        self.proxy = proxy
        self.url = proxy.url
        self.rds = _client("rds", direct, REGION)
        self.elsewhere = _client("rds", direct, ELSEWHERE)
        self.s3 = _client("s3", direct, REGION)
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def instance(self, **changes: Any) -> str:
        made = self.rds.create_db_instance(**(INSTANCE | changes))
        return made["DBInstance"]["DBInstanceIdentifier"]

    def cluster(self, **changes: Any) -> str:
        made = self.rds.create_db_cluster(**(CLUSTER | changes))
        return made["DBCluster"]["DBClusterIdentifier"]

    def snapshots(self, identifier: str) -> list[dict[str, Any]]:
        """Those that somebody asked for; moto makes an automated one besides, as RDS does."""
        asked = {"DBInstanceIdentifier": identifier, "SnapshotType": "manual"}
        return self.rds.describe_db_snapshots(**asked)["DBSnapshots"]

    def keys(self, prefix: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for item in found.get("Contents", [])]

    def uploads(self, prefix: str) -> list[str]:
        found = self.s3.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for item in found.get("Uploads", [])]


# One for all: each new one would read the same megabytes of descriptions again.
SESSION = botocore.session.Session()


def _client(service: str, url: str, region: str) -> Any:
    return SESSION.create_client(
        service, region_name=region, endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test"
    )


@contextmanager
def moto() -> Iterator[AWS]:
    """Start both; end both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_until_it_answers(url)
            with Proxy(url) as proxy:
                threading.Thread(target=proxy.serve_forever, args=[0.05], daemon=True).start()
                yield AWS(proxy, url)
                proxy.shutdown()
        finally:
            server.kill()


def _wait_until_it_answers(url: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"{url}/moto-api/", timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert time.monotonic() < until, f"moto's server does not answer after {seconds} s"
            time.sleep(0.1)
        else:
            return
