"""The manifest of a snapshot: `manifest.json` in the policy's bucket, though the data stays with AWS.

It is written last, as a dump's is: without it there is no backup. `method` tells the two apart; a dump's has none.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from holdfast.api import aws
from holdfast.api.backup import Snapshot
from holdfast.contract.manifest import VERSION, ManifestDocument, ManifestVerification
from holdfast.contract.task import BackupIdentity

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
