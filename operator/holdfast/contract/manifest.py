"""The manifest: `manifest.json` beside the artifact, written last. Without it there is no backup.

It holds everything that is needed to know, check and restore the backup from the bucket alone. Its form is published
(docs/reference/manifest.schema.json): fields are added, optional ones, and none is removed or changes its meaning.
"""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from holdfast import texts
from holdfast.api.base import StatusModel
from holdfast.contract.needs import ManifestNeed
from holdfast.contract.task import BackupIdentity

VERSION: Literal[1] = 1


class ManifestDatabase(StatusModel):
    """The database that was dumped. The host is for people; a restore needs neither the port nor the user."""

    engine: str = Field(description="Database engine, e.g. postgresql.")
    name: str = Field(description="Name of the database on its server.")
    host: str = Field(description="Database server that was dumped.")
    server_version: str = Field(description="Database server and its version.")
    server_major: int | None = Field(None, description="Major version of the database server.")
    size_bytes: int | None = Field(None, description="Size of the database on its server, in bytes.")


class ManifestEncryption(StatusModel):
    """How the artifact was encrypted, after it was compressed."""

    method: str = Field(description="age: https://age-encryption.org/v1.")
    recipients: list[str] = Field(
        fail_fast=True, description="Public keys. The identity of any one of them decrypts the artifact."
    )


class ManifestArtifact(StatusModel):
    """The one object that holds the dump."""

    key: str = Field(description="Key of the object in the bucket.")
    format: str = Field(description="Format of the dump: sql, custom, directory or sqlite.")
    compression: str = Field(description="Compression of the object: gzip, zstd or none.")
    encryption: ManifestEncryption | None = Field(
        None,
        description="Encryption of the object, which comes after compression. Absent if the object is not encrypted.",
    )
    size_bytes: int = Field(description="Size of the object as stored, in bytes.")
    uncompressed_bytes: int = Field(
        description="Size of the dump before compression, in bytes. For format directory: size of the tar of its files."
    )
    sha256: str = Field(description="SHA-256 of the object as stored, in hexadecimal.")
    parts: int = Field(description="Number of parts of the multipart upload.")
    store_checksum: str | None = Field(
        None, description="The store's own checksum of the object, as the store returns it."
    )


class ManifestGlobals(StatusModel):
    """The object beside the artifact that holds roles, owners and grants: its companion."""

    key: str = Field("", description="Key of the object in the bucket.")
    size_bytes: int = Field(0, description="Size of the object as stored, in bytes.")
    uncompressed_bytes: int = Field(0, description="Size before compression, in bytes.")
    sha256: str = Field("", description="SHA-256 of the object as stored, in hexadecimal.")
    store_checksum: str | None = Field(
        None, description="The store's own checksum of the object, as the store returns it."
    )
    roles: int = Field(0, description="Number of roles that it names.")


class ManifestTool(StatusModel):
    """The tool that wrote the dump."""

    name: str = Field(description="Name of the dump tool, e.g. pg_dump.")
    version: str = Field(description="Name and version of the dump tool.")
    arguments: list[str] = Field(fail_fast=True, description="Arguments of the dump tool, without the connection.")


class ManifestVerification(StatusModel):
    """What the runner checked before it wrote this manifest."""

    integrity_check: str = Field(description="Result of comparing the checksums: passed.")
    file_readable: str = Field(description="How the runner made sure that the dump is complete.")
    verified_at: datetime = Field(description="When the backup was verified, UTC.")
    level: str | None = Field(None, description="Level of verification: checksum or readback. Absent for a snapshot.")
    checked_by: str | None = Field(
        None,
        description="Who confirmed the backup: StoreChecksum (the store, by its own checksums), Readback (the "
        "runner, which read all bytes back) or RDS (AWS).",
    )
    compared: list[str] | None = Field(
        None,
        fail_fast=True,
        description="Which facts were compared: size, storeChecksum, sha256, uncompressedBytes, rows, schema, globals.",
    )


class ManifestTable(StatusModel):
    """A table whose rows are in the dump."""

    name: str = Field(
        description="Name of the table. In PostgreSQL with its schema, quoted where PostgreSQL quotes it, e.g. "
        "public.orders."
    )
    rows: int = Field(description="Number of the table's rows, counted in the dump.")


class ManifestMigrations(StatusModel):
    """The records of one migration tool, read just before the dump began."""

    tool: str = Field(description="Migration tool that owns the table, e.g. Flyway.")
    table: str = Field(description="Table that was read. In PostgreSQL with its schema.")
    applied_count: int | None = Field(
        None, description="Number of applied migrations. Absent if the tool records only the current version."
    )
    last: str | None = Field(
        None, description="The last applied migration. Absent if none is applied, or if the last one failed."
    )
    applied: list[str] = Field(
        [], fail_fast=True, description="All migrations that the table records as applied, in the table's order."
    )
    failed: list[str] = Field(
        [], fail_fast=True, description="Migrations that the table records as failed, unfinished or dirty."
    )
    locked: bool = Field(
        False, description="Whether the tool's lock was held: a migration was running, or had been interrupted."
    )


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

    version: Literal[1] = Field(VERSION, description="Version of the manifest's format.")
    backup: BackupIdentity = Field(description="Which backup this is, and which resource asked for it.")
    database: ManifestDatabase = Field(description="The database that was dumped.")
    artifact: ManifestArtifact = Field(description="The object in the bucket that holds the dump.")
    globals: ManifestGlobals | None = Field(
        None,
        description="The object in the bucket that holds roles, owners and grants, compressed and encrypted as the "
        "artifact is. Absent if the backup has none.",
    )
    tool: ManifestTool = Field(description="The tool that wrote the dump.")
    verification: ManifestVerification = Field(description="What the runner checked before it wrote this manifest.")
    tables: list[ManifestTable] | None = Field(
        None, fail_fast=True, description="All tables whose rows are in the dump. Absent if the rows were not counted."
    )
    rows: int | None = Field(None, description="Number of rows in all tables.")
    schema_sha256: str | None = Field(
        None,
        description="SHA-256 of the schema as the dump writes it, in hexadecimal: without rows, sequence values, "
        "large objects, comments and settings. Equal hashes mean equal schemas. Different hashes need not mean "
        "different ones: a server writes views, checks and expressions anew when a dump is restored, so a restored "
        "database may have another hash. The hash is the same in every format. For SQLite: SHA-256 of the "
        "statements in sqlite_schema.",
    )
    migrations: list[ManifestMigrations] | None = Field(
        None,
        fail_fast=True,
        description="Migration tools whose tables are in the database, the longest history first.",
    )
    needs: list[ManifestNeed] | None = Field(
        None,
        fail_fast=True,
        description="What a restore needs and the dump does not contain; what the restore cannot do without comes "
        "first. Absent if an older version of Holdfast wrote the manifest, which did not ask the server.",
    )
    started_at: datetime = Field(description="When the Pod began, UTC.")
    completed_at: datetime = Field(description="When the artifact was stored and verified, UTC.")
    expires_at: datetime = Field(description="When the backup expires as first requested, UTC.")
    pod_uid: str = Field(description="The uid of the Pod that took the backup. The artifact's key contains this uid.")
    holdfast_version: str = Field(description="Version of Holdfast.")

    def objects(self) -> set[str]:
        """Return the keys of all that it names: what is beside the manifest and belongs to the backup."""
        return {self.artifact.key} | ({self.globals.key} if self.globals else set())
