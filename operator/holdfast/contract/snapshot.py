"""The manifest of a snapshot: `manifest.json` in the policy's bucket, though the data stays with AWS.

It is written last, as a dump's is: without it there is no backup. `method` tells the two apart; a dump's has none.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field

from holdfast.api.backup import Snapshot
from holdfast.api.base import StatusModel
from holdfast.contract.manifest import VERSION, ManifestVerification
from holdfast.contract.task import BackupIdentity


class SnapshotManifest(StatusModel):
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

    def to_json(self) -> bytes:
        """Write it for the bucket: indented, since people read it too."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=2).encode()
