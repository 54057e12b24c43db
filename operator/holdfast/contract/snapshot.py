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
    """A snapshot where it lies."""

    arn: str = Field(max_length=512, description="The snapshot's ARN.")
    region: str = Field(max_length=64, description="The region that it lies in.")
    kms_key_id: str | None = Field(
        None, alias="kmsKeyID", max_length=2048, description="The KMS key that encrypts it; absent where none does."
    )


class Snapshot(SnapshotInRegion):
    """The snapshot that AWS keeps, as RDS describes it, and what restoring it takes."""

    kind: Literal["instance", "cluster"] = Field(description="What it was taken of: instance or cluster.")
    source: str = Field(max_length=255, description="Identifier of the instance or cluster that it was taken of.")
    engine: str = Field(max_length=255, description="The database's engine, in RDS's words.")
    engine_version: str = Field(max_length=255, description="The engine's version.")
    encrypted: bool = Field(description="Whether it is encrypted, as RDS says.")
    allocated_bytes: int | None = Field(None, ge=0, description="Storage allocated to it, bytes, as RDS says.")
    instance_class: str | None = Field(
        None, max_length=255, description="Class of the instance that it was taken of; a cluster may have none."
    )
    subnet_group: str | None = Field(None, max_length=512, description="Subnet group of what it was taken of.")
    security_groups: list[Annotated[str, Field(max_length=255)]] = Field(
        [], max_length=64, description="VPC security groups of what it was taken of."
    )
    copy_in: SnapshotInRegion | None = Field(None, alias="copy", description="Its copy in another region.")


# Whoever writes to the bucket may write a manifest: what is no word of AWS's makes it none. This is asked of its reader
# and not said in the published form, which stays as it is.
ReadSnapshot = Annotated[Snapshot, AfterValidator(aws.checked)]


class SnapshotManifest(ManifestDocument):
    """One backup whose data is a snapshot with AWS."""

    version: Literal[1] = Field(VERSION, description="Version of the manifest's form.")
    method: Literal["aws-rds"] = Field("aws-rds", description="Tells it from a dump's manifest, which has no method.")
    backup: BackupIdentity = Field(description="Which backup this is, and who asked for it.")
    snapshot: ReadSnapshot = Field(description="What to restore from, and what restoring it takes.")
    size_bytes: int | None = Field(None, description="Its full size, or the storage allocated to it, as RDS says.")
    verification: ManifestVerification = Field(description="What RDS said before this manifest was written.")
    started_at: datetime = Field(description="When the Pod began, UTC.")
    completed_at: datetime = Field(description="When RDS said that it is available, UTC.")
    expires_at: datetime = Field(description="When it was to expire as asked at first, UTC.")
    pod_uid: str = Field(description="The uid of the Pod that had it taken.")
    holdfast_version: str = Field(description="Holdfast's version.")
