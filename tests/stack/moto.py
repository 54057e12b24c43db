"""A stand-in for Amazon RDS in the cluster: moto behind a proxy that makes it fail on request."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.stack.kubectl import Manifest, port_forward
from tests.stack.postgres import deployment, secret, service

IMAGE = "holdfast-test-moto:latest"
PORT = 5000
SECRET = "aws-credentials"
USER_ID = 65532


def moto(namespace: str, name: str = "aws", *, image: str = IMAGE) -> list[Manifest]:
    """Secret aws-credentials, which anyone may use, Deployment and Service, port 5000, plain http."""
    credentials = secret(namespace, SECRET, {"accessKeyID": "test", "secretAccessKey": "test"})
    container = {
        "name": "moto",
        "image": image,
        "ports": [{"name": "main", "containerPort": PORT}],
        "readinessProbe": {
            "httpGet": {"path": "/_calls", "port": PORT},
            "periodSeconds": 1,
            "timeoutSeconds": 3,
            "failureThreshold": 120,
        },
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    volumes = [{"name": "tmp", "emptyDir": {}}]
    return [
        credentials,
        service(namespace, name, PORT),
        deployment(namespace, name, container, volumes, credentials, USER_ID),
    ]


class RDS:
    """The account, seen from this machine."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: Any = self._client("rds", "eu-central-1")

    def _client(self, service: str, region: str) -> Any:
        import botocore.session

        return botocore.session.Session().create_client(
            service, region_name=region, endpoint_url=self.url, aws_access_key_id="test", aws_secret_access_key="test"
        )

    def subnet_group(self, region: str, name: str) -> None:
        """Make one of the subnets that every account has."""
        subnets = self._client("ec2", region).describe_subnets()["Subnets"]
        self._client("rds", region).create_db_subnet_group(
            DBSubnetGroupName=name, DBSubnetGroupDescription=name, SubnetIds=[each["SubnetId"] for each in subnets]
        )

    def behave(self, *rules: dict[str, Any]) -> None:
        """Have the proxy apply these rules from now on; none: behave well."""
        asked = urllib.request.Request(f"{self.url}/_rules", json.dumps(rules).encode(), method="POST")
        urllib.request.urlopen(asked, timeout=10).close()

    def instance(self, identifier: str) -> None:
        self.client.create_db_instance(
            DBInstanceIdentifier=identifier, Engine="postgres", DBInstanceClass="db.t4g.medium", AllocatedStorage=20,
            MasterUsername="orders", MasterUserPassword="not-used-by-anyone",
        )  # fmt: skip

    def snapshots(self, identifier: str) -> list[dict[str, Any]]:
        """Those that somebody asked for."""
        asked = {"DBInstanceIdentifier": identifier, "SnapshotType": "manual"}
        found: list[dict[str, Any]] = self.client.describe_db_snapshots(**asked)["DBSnapshots"]
        return found


@contextmanager
def rds_client(namespace: str, name: str = "aws") -> Iterator[RDS]:
    """A client of the stand-in, through a port of this machine."""
    with port_forward(namespace, f"service/{name}", PORT) as port:
        rds = RDS(f"http://127.0.0.1:{port}")
        try:
            yield rds
        finally:
            rds.client.close()
