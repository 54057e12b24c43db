"""The manifest: `manifest.json` beside the artifact, written last. Without it there is no backup.

It holds everything that is needed to know, check and restore the backup from the bucket alone.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field

from holdfast.api.base import StatusModel
from holdfast.contract.task import BackupIdentity

VERSION: Literal[1] = 1


class ManifestDatabase(StatusModel):
    """What was dumped. The host helps a person; the port and user do not matter to a restore."""

    engine: str
    name: str
    host: str
    server_version: str
    server_major: int | None = None
    size_bytes: int | None = None


class ManifestArtifact(StatusModel):
    """The one object that holds the dump."""

    key: str
    format: str
    compression: str
    size_bytes: int = Field(description="As stored.")
    uncompressed_bytes: int = Field(description="What the dump tool wrote; for a directory dump, its archive.")
    sha256: str = Field(description="Of the object as stored, hexadecimal.")
    parts: int
    store_checksum: str | None = Field(None, description="The store's own checksum of the object, as it states it.")


class ManifestTool(StatusModel):
    """What wrote the dump."""

    name: str
    version: str
    arguments: list[str] = Field(description="As given, without the connection.")


class ManifestVerification(StatusModel):
    """What was checked before this manifest was written."""

    integrity_check: str
    file_readable: str
    verified_at: datetime


class Manifest(StatusModel):
    """One backup."""

    version: Literal[1] = VERSION
    backup: BackupIdentity
    database: ManifestDatabase
    artifact: ManifestArtifact
    tool: ManifestTool
    verification: ManifestVerification
    started_at: datetime
    completed_at: datetime
    expires_at: datetime
    pod_uid: str
    holdfast_version: str

    def to_json(self) -> bytes:
        """Write it for the bucket: indented, since people read it too."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=2).encode()
