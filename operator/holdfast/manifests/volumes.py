"""The volumes of a Pod: Secrets as files, space for what does not fit into memory, and an SQLite file's claim.

Secrets are mounted `optional`: the runner names what is missing, instead of the Pod hanging in ContainerCreating.
"""

from typing import Any

from holdfast import units
from holdfast.api.base import Authority
from holdfast.api.database import Connection, Database, Volume
from holdfast.api.job import JobTemplate
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.rds import RDSInstance
from holdfast.api.storage import S3Storage
from holdfast.contract import paths

Volumes = list[dict[str, Any]]  # each as in a Pod, with its mountPath beside

CLAIM = "claim"  # the volume's name: the chart's admission policy lets only this one be a claim
SPOOL_LIMIT = "2560Mi"  # two parts of 1 GiB, and some air


def run_volume() -> Volumes:
    """Build the memory volume for the credentials files that the runner writes."""
    return [
        {"name": "run", "mountPath": paths.RUN, "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]


def needs_scratch(resolved: BackupPolicySpec) -> bool:
    """Whether the backup needs the scratch volume."""
    return resolved.dump is not None and resolved.dump.format.staged


def scratch_volume(template: JobTemplate) -> Volumes:
    """Build the volume that a directory dump or the copy of an SQLite file is staged on."""
    limit = template.scratch.size_limit if template.scratch else "10Gi"
    return [{"name": "scratch", "mountPath": paths.SCRATCH, "emptyDir": {"sizeLimit": limit}}]


def scratch_bytes(resolved: BackupPolicySpec) -> int | None:
    """Return the limit of the scratch volume, bytes; None where the format needs none."""
    if not needs_scratch(resolved) or resolved.job.scratch is None:
        return None
    return units.bytes_of_quantity(resolved.job.scratch.size_limit)


def spool_volume() -> Volumes:
    """Build the volume for the parts of an upload that are too big for memory. It costs nothing until it is used."""
    return [{"name": "spool", "mountPath": paths.SPOOL, "emptyDir": {"sizeLimit": SPOOL_LIMIT}}]


def spool_bytes(template: JobTemplate) -> int:
    """Return what may lie there, bytes: the kubelet evicts a Pod also for its limit of ephemeral storage."""
    limits = (template.resources and template.resources.limits) or {}
    return units.bytes_of_quantity(
        min(SPOOL_LIMIT, limits.get("ephemeral-storage", SPOOL_LIMIT), key=units.bytes_of_quantity)
    )


def database_volumes(database: Database) -> Volumes:
    """Mount what the policy names to reach the database by: a claim, a server's Secret, AWS credentials."""
    return _file(database.volume) + _server(database.connection) + instance_volumes(database.instance)


def _file(volume: Volume | None) -> Volumes:
    """Mount an SQLite file's claim: writable, since SQLite keeps the index of a write-ahead log beside the database."""
    claim = volume and {"claimName": volume.claim_name}
    return [{"name": CLAIM, "mountPath": paths.VOLUME, "persistentVolumeClaim": claim}] if claim else []


def _server(connection: Connection | None) -> Volumes:
    """Mount the Secret with user and password, and the server's certificate authority, where there is one."""
    if connection is None:
        return []
    volumes = [_secret("database", connection.secret_name, paths.DATABASE_SECRET)]
    return volumes + _authority("database-ca", connection.tls.authority(), paths.DATABASE_CA)


def instance_volumes(instance: RDSInstance | None) -> Volumes:
    """Mount the Secret with AWS credentials, where there is one."""
    secret = instance and instance.secret_name
    return [_secret("database", secret, paths.DATABASE_SECRET)] if secret else []


def storage_volumes(s3: S3Storage) -> Volumes:
    """Mount the store's Secret and certificate authority, where there are such."""
    secret = [_secret("storage", s3.secret_name, paths.STORAGE_SECRET)] if s3.secret_name else []
    return secret + _authority("storage-ca", s3.authority(), paths.STORAGE_CA)


def identity_volume(secret: str) -> Volumes:
    """Mount the identity that an encrypted backup is restored or read back with."""
    return [_secret("age-identity", secret, paths.AGE_IDENTITY)]


def after_restore_volume(config_map: str) -> Volumes:
    """Mount the SQL that a restore runs."""
    return [
        {
            "name": "after-restore",
            "mountPath": paths.AFTER_RESTORE,
            "configMap": {"name": config_map, "optional": True},
        }
    ]


def _secret(name: str, secret: str, path: str) -> dict[str, Any]:
    return {"name": name, "mountPath": path, "secret": {"secretName": secret, "optional": True}}


def _authority(name: str, authority: Authority | None, path: str) -> Volumes:
    """Mount a certificate authority, where one is named."""
    if authority is None:
        return []
    if authority.kind == "Secret":
        return [_secret(name, authority.name, path)]
    return [{"name": name, "mountPath": path, "configMap": {"name": authority.name, "optional": True}}]
