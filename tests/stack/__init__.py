"""What a backup needs around it, on a cluster: a PostgreSQL server, an S3 store, sample data, and proof of equality.

Shared by the demo and the e2e suite. Builders return manifests, helpers drive kubectl; nothing here knows Holdfast.
"""

from tests.stack.fingerprint import differences, fingerprint
from tests.stack.kubectl import KubectlError, apply, kubectl, port_forward, wait_ready
from tests.stack.postgres import namespace, postgres, psql
from tests.stack.sample import load_sample
from tests.stack.store import keys_in_bucket, s3_client, seaweedfs, uploads_in_bucket

__all__ = [
    "KubectlError",
    "apply",
    "differences",
    "fingerprint",
    "keys_in_bucket",
    "kubectl",
    "load_sample",
    "namespace",
    "port_forward",
    "postgres",
    "psql",
    "s3_client",
    "seaweedfs",
    "uploads_in_bucket",
    "wait_ready",
]
