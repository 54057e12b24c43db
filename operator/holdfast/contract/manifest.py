"""The manifest: `manifest.json` beside the artifact, written last. Without it there is no backup.

It holds everything that is needed to know, check and restore the backup from the bucket alone. Its form is published
(docs/reference/manifest.schema.json): fields are added, optional ones, and none is removed or changes its meaning.
"""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from holdfast import texts
from holdfast.api.base import StatusModel
from holdfast.contract.task import BackupIdentity

VERSION: Literal[1] = 1


class ManifestDatabase(StatusModel):
    """What was dumped. The host helps a person; the port and user do not matter to a restore."""

    engine: str = Field(description="The database's engine, e.g. postgresql.")
    name: str = Field(description="The database's name on its server.")
    host: str = Field(description="The server that was asked.")
    server_version: str = Field(description="The server, with its version.")
    server_major: int | None = Field(None, description="The server's major version.")
    size_bytes: int | None = Field(None, description="Size of the database on its server, bytes.")


class ManifestEncryption(StatusModel):
    """How the artifact was encrypted, after it was compressed."""

    method: str = Field(description="age: https://age-encryption.org/v1.")
    recipients: list[str] = Field(
        fail_fast=True, description="Public keys; the identity of any one of them decrypts it."
    )


class ManifestArtifact(StatusModel):
    """The one object that holds the dump."""

    key: str = Field(description="The object's key in the bucket.")
    format: str = Field(description="What the dump tool wrote: sql, custom or directory.")
    compression: str = Field(description="How the object is compressed; none where it is not.")
    encryption: ManifestEncryption | None = Field(
        None, description="How it is encrypted, after it was compressed; none where it is not."
    )
    size_bytes: int = Field(description="Its size as stored, bytes.")
    uncompressed_bytes: int = Field(
        description="What the dump tool wrote, bytes; of a directory dump, the tar of its files."
    )
    sha256: str = Field(description="SHA-256 of the object as stored, hexadecimal.")
    parts: int = Field(description="Parts of the multipart upload.")
    store_checksum: str | None = Field(None, description="The store's own checksum of the object, as it states it.")


class ManifestTool(StatusModel):
    """What wrote the dump."""

    name: str = Field(description="Its name, e.g. pg_dump.")
    version: str = Field(description="Its name and version.")
    arguments: list[str] = Field(fail_fast=True, description="Its arguments as given, without the connection.")


class ManifestVerification(StatusModel):
    """What was checked before this manifest was written."""

    integrity_check: str = Field(description="What the checksums said: passed.")
    file_readable: str = Field(description="How the dump was seen to be whole.")
    verified_at: datetime = Field(description="When it was checked, UTC.")
    level: str | None = Field(None, description="How it was compared: checksum or readback; a snapshot's is absent.")
    checked_by: str | None = Field(
        None, description="StoreChecksum (the store's own), Readback (all bytes were read back) or RDS (AWS's word)."
    )
    compared: list[str] | None = Field(
        None,
        fail_fast=True,
        description="What was compared: size, storeChecksum, sha256, uncompressedBytes, rows, schema.",
    )


class ManifestTable(StatusModel):
    """A table whose rows are in the dump."""

    name: str = Field(description="Its name; in PostgreSQL with its schema and quoted as there, e.g. public.orders.")
    rows: int = Field(description="Its rows in the dump, counted there.")


class ManifestMigrations(StatusModel):
    """The bookkeeping of one migration tool, as it stood just before the dump began."""

    tool: str = Field(description="The tool whose table this is, e.g. Flyway.")
    table: str = Field(description="The table that was read; in PostgreSQL with its schema.")
    applied_count: int | None = Field(
        None, description="How many migrations are applied; absent where the tool records only the current version."
    )
    last: str | None = Field(None, description="The last applied one; absent where none is, or the last one failed.")
    applied: list[str] = Field([], fail_fast=True, description="All that the table names as applied, in its own order.")
    failed: list[str] = Field([], fail_fast=True, description="Those that it names as failed, unfinished or dirty.")
    locked: bool = Field(False, description="Whether the tool's lock was held: a migration ran, or was broken off.")


class ManifestDocument(StatusModel):
    """What every manifest can do."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read one, of any version of Holdfast: unknown fields are passed over. Raises pydantic's ValidationError."""
        return cls.model_validate_json(data, extra="ignore")

    def to_json(self) -> bytes:
        """Write it for the bucket: indented, since people read it too, and with nothing raw that moves their cursor.

        What names hold of such is JSON's own escapes: whoever parses it finds them as they are.
        """
        return texts.lines(self.model_dump_json(by_alias=True, exclude_none=True, indent=2)).encode()


class Manifest(ManifestDocument):
    """One backup. Readers pass over fields that they do not know: more may be added."""

    version: Literal[1] = Field(VERSION, description="Version of the manifest's form.")
    backup: BackupIdentity = Field(description="Which backup this is, and who asked for it.")
    database: ManifestDatabase = Field(description="What was dumped.")
    artifact: ManifestArtifact = Field(description="The object that holds the dump.")
    tool: ManifestTool = Field(description="What wrote the dump.")
    verification: ManifestVerification = Field(description="What was checked before this manifest was written.")
    tables: list[ManifestTable] | None = Field(
        None, fail_fast=True, description="Every table whose rows are in the dump; absent where they were not counted."
    )
    rows: int | None = Field(None, description="Rows of all of them.")
    schema_sha256: str | None = Field(
        None,
        description="SHA-256 of the schema as the dump writes it, hexadecimal: without rows, sequences' values, large "
        "objects, comments and settings. Equal for equal schemas dumped by the same versions, in every format. Of "
        "SQLite, that of the statements in sqlite_schema.",
    )
    migrations: list[ManifestMigrations] | None = Field(
        None,
        fail_fast=True,
        description="The migration tools whose tables are in the database, the longest history first.",
    )
    started_at: datetime = Field(description="When the Pod began, UTC.")
    completed_at: datetime = Field(description="When the artifact was stored and checked, UTC.")
    expires_at: datetime = Field(description="When it was to expire as asked at first, UTC.")
    pod_uid: str = Field(description="The uid of the Pod that took it; it is a part of the artifact's key.")
    holdfast_version: str = Field(description="Holdfast's version.")
