"""The manifest of a snapshot: `manifest.json` in the policy's bucket, though the data stays with AWS.

It is written last, as a dump's is: without it there is no backup. `method` tells the two apart; a dump's has none.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from holdfast.api import aws
from holdfast.api.base import StatusModel
from holdfast.contract.manifest import VERSION, ManifestDocument, ManifestVerification
from holdfast.contract.task import BackupIdentity


class SnapshotInRegion(StatusModel):
    """A snapshot and its region."""

    arn: str = Field(max_length=512, description="The snapshot's ARN.")
    region: str = Field(max_length=64, description="AWS region of the snapshot.")
    kms_key_id: str | None = Field(
        None,
        alias="kmsKeyID",
        max_length=2048,
        description="KMS key that encrypts the snapshot. Absent if the snapshot is not encrypted.",
    )


class Snapshot(SnapshotInRegion):
    """The snapshot that AWS keeps, as RDS describes it, and what a restore from it needs."""

    kind: Literal["instance", "cluster"] = Field(description="What the snapshot was taken of: instance or cluster.")
    source: str = Field(
        max_length=255, description="Identifier of the instance or cluster that the snapshot was taken of."
    )
    engine: str = Field(max_length=255, description="Database engine, as RDS names it.")
    engine_version: str = Field(max_length=255, description="Version of the database engine.")
    encrypted: bool = Field(description="Whether the snapshot is encrypted, as RDS reports.")
    allocated_bytes: int | None = Field(
        None, ge=0, description="Storage allocated to the instance or cluster, in bytes, as RDS reports."
    )
    instance_class: str | None = Field(
        None, max_length=255, description="Instance class of the source. Absent for a cluster that has none."
    )
    subnet_group: str | None = Field(None, max_length=512, description="DB subnet group of the source.")
    security_groups: list[Annotated[str, Field(max_length=255)]] = Field(
        [], max_length=64, description="VPC security groups of the source."
    )
    copy_in: SnapshotInRegion | None = Field(None, alias="copy", description="Copy of the snapshot in another region.")


# Whoever writes to the bucket may write a manifest: what is no word of AWS's makes it none. This is asked of its reader
# and not said in the published form, which stays as it is.
ReadSnapshot = Annotated[Snapshot, AfterValidator(aws.checked)]


class SnapshotManifest(ManifestDocument):
    """One backup whose data is a snapshot that AWS keeps."""

    version: Literal[1] = Field(VERSION, description="Version of the manifest's format.")
    method: Literal["aws-rds"] = Field("aws-rds", description="Always aws-rds. The manifest of a dump has no method.")
    backup: BackupIdentity = Field(description="Which backup this is, and which resource asked for it.")
    snapshot: ReadSnapshot = Field(description="The snapshot, and what a restore from it needs.")
    size_bytes: int | None = Field(
        None, description="Full size of the snapshot, or the storage allocated to the instance, as RDS reports."
    )
    verification: ManifestVerification = Field(description="What RDS reported before the runner wrote this manifest.")
    started_at: datetime = Field(description="When the Pod began, UTC.")
    completed_at: datetime = Field(description="When RDS reported the snapshot as available, UTC.")
    expires_at: datetime = Field(description="When the backup expires as first requested, UTC.")
    pod_uid: str = Field(description="The uid of the Pod that requested the snapshot.")
    holdfast_version: str = Field(description="Version of Holdfast.")
