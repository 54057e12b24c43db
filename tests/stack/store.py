"""An S3 store in the cluster (SeaweedFS) and the way to it from this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore.config import Config
from mypy_boto3_s3 import S3Client
from tests.stack.kubectl import Manifest, kubectl, port_forward
from tests.stack.postgres import deployment, secret, service

IMAGE = "holdfast-test-seaweedfs:latest"
PORT = 8333
SECRET = "s3-credentials"
BUCKET = "backups"
USER_ID = 65532


def seaweedfs(
    namespace: str,
    name: str = "s3",
    *,
    buckets: tuple[str, ...] = (BUCKET,),
    access_key: str = "holdfast",
    secret_key: str = "holdfast-secret-key",
    image: str = IMAGE,
) -> list[Manifest]:
    """Secret s3-credentials (accessKeyID, secretAccessKey), Deployment and Service, port 8333, plain http.

    Ready means that the buckets are there and objects can be written. What is stored goes with the Pod.
    """
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    credentials = secret(namespace, SECRET, {"accessKeyID": access_key, "secretAccessKey": secret_key})
    return [
        credentials,
        service(namespace, name, PORT),
        deployment(namespace, name, _container(buckets, image), volumes, credentials, USER_ID),
    ]


def _container(buckets: tuple[str, ...], image: str) -> Manifest:
    def from_secret(key: str) -> Manifest:
        return {"secretKeyRef": {"name": SECRET, "key": key}}

    return {
        "name": "seaweedfs",
        "image": image,
        "env": [
            {"name": "S3_ACCESS_KEY", "valueFrom": from_secret("accessKeyID")},
            {"name": "S3_SECRET_KEY", "valueFrom": from_secret("secretAccessKey")},
            {"name": "S3_BUCKETS", "value": ",".join(buckets)},
        ],
        "ports": [{"name": "main", "containerPort": PORT}],
        "readinessProbe": {
            "httpGet": {"path": "/healthz", "port": PORT},
            "periodSeconds": 1,
            "timeoutSeconds": 3,
            "failureThreshold": 120,
        },
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
    }


@contextmanager
def s3_client(namespace: str, name: str = "s3", secret: str = SECRET) -> Iterator[S3Client]:
    """A client of the store, through a port of this machine, with the credentials of the Secret."""
    keys = kubectl(
        *("get", "secret", "-n", namespace, secret, "-o"),
        "go-template={{.data.accessKeyID | base64decode}} {{.data.secretAccessKey | base64decode}}",
    )
    access_key, secret_key = keys.split(" ")
    with port_forward(namespace, f"service/{name}", PORT) as port:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(s3={"addressing_style": "path"}, proxies={}, connect_timeout=5, read_timeout=60),
        )
        try:
            yield client
        finally:
            client.close()


def keys_in_bucket(client: S3Client, bucket: str = BUCKET, prefix: str = "") -> dict[str, int]:
    """Each object's key with its size, bytes."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {found["Key"]: found["Size"] for page in pages for found in page.get("Contents", [])}


def uploads_in_bucket(client: S3Client, bucket: str = BUCKET, prefix: str = "") -> list[str]:
    """The keys of multipart uploads that were begun and neither completed nor aborted."""
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Uploads", [])]
