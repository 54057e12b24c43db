"""The manifest of a snapshot: `manifest.json` in the policy's bucket, though the data stays with AWS.

It is written last, as a dump's is: without it there is no backup. `method` tells the two apart; a dump's has none.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field

from holdfast.api.backup import Snapshot
from holdfast.contract.manifest import VERSION, ManifestDocument, ManifestVerification
from holdfast.contract.task import BackupIdentity


class SnapshotManifest(ManifestDocument):
    """One backup whose data is a snapshot with AWS."""

    version: Literal[1] = VERSION
    method: Literal["aws-rds"] = "aws-rds"
    backup: BackupIdentity
    snapshot: Snapshot = Field(description="What to restore from, and what restoring it takes.")
    size_bytes: int | None = Field(None, description="Its full size, or the storage allocated to it, as RDS says.")
    verification: ManifestVerification
    started_at: datetime
    completed_at: datetime
    expires_at: datetime
    pod_uid: str
    holdfast_version: str
