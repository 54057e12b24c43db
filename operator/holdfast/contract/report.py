"""The report: how a Job's container says what came of its task, as its termination message.

At most 4,096 bytes of UTF-8 (the kubelet cuts there), so sentences are shortened until it fits.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, ValidationError

from holdfast.api.backup import CheckedBy, Snapshot, Verification
from holdfast.api.base import StatusModel
from holdfast.api.policy import VerificationLevel
from holdfast.contract.manifest import ManifestMigrations
from holdfast.contract.paths import MAX_REPORT_BYTES
from holdfast.sentences import shorten

VERSION: Literal[1] = 1
MAX_MIGRATION = 200  # characters of a migration's name
# In which parts of a report others are quoted. A migration's name is what the database holds, as its tables' are.
_SAID = {
    "failure": ("message", "remedy"),
    "backup": ("tool_version", "server_version", "file_readable"),
    "verification": ("file_readable",),
}


class Outcome(StrEnum):
    """How the task ended."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class FailureReport(StatusModel):
    """What went wrong, in words for a person."""

    reason: str
    exit_code: int
    message: str
    remedy: str
    server_major: int | None = Field(None, description="Of the server, where another runner's image would fit it.")


class MigrationsReport(StatusModel):
    """How far migrations have come; the lists are in the manifest."""

    tool: str
    applied_count: int | None = None
    last: str | None = Field(None, description="At most 200 characters of it.")
    failed: int | None = Field(None, description="How many are recorded as failed, unfinished or dirty, if any.")

    @classmethod
    def of(cls, history: ManifestMigrations) -> Self:
        """Take what a report has room for."""
        last = history.last and shorten(history.last, MAX_MIGRATION)
        return cls(
            tool=history.tool, applied_count=history.applied_count, last=last, failed=len(history.failed) or None
        )


class BackupReport(StatusModel):
    """What a finished backup is: the facts that the resource's status shows."""

    backup_id: str = Field(alias="backupID")
    artifact_key: str | None = Field(
        None, description="Of a dump; a snapshot has none, nor the sizes and the checksum."
    )
    size_bytes: int | None = None
    uncompressed_bytes: int | None = None
    database_size_bytes: int | None = None
    sha256: str | None = None
    snapshot: Snapshot | None = None
    tool_version: str
    server_version: str
    server_major: int | None = None
    integrity_check: str
    file_readable: str
    verified_at: datetime
    level: VerificationLevel | None = None
    checked_by: CheckedBy | None = None
    compared: list[str] | None = None
    tables: int | None = Field(None, description="How many tables' rows are in the dump.")
    rows: int | None = None
    schema_sha256: str | None = None
    migrations: MigrationsReport | None = None
    found: bool = Field(False, description="An earlier Pod had published it; this one verified it again.")


class Report(StatusModel):
    """What came of a task."""

    version: Literal[1] = VERSION
    kind: str
    outcome: Outcome
    started_at: datetime
    completed_at: datetime
    duration_seconds: float
    backup: BackupReport | None = None
    verification: Verification | None = Field(None, description="What a verify task found.")
    failure: FailureReport | None = None
    message: str | None = Field(None, description="What a restore or a cleanup did, in a sentence.")
    clean: bool = Field(True, description="Nothing half-written is left in the bucket, as far as this Pod knows.")
    warnings: list[str] = Field(default_factory=list)

    def to_bytes(self) -> bytes:
        """Write it within the limit: the longest sentences are shortened first, then warnings go."""
        candidates = (self, *(self.shortened(limit) for limit in (1200, 600, 300, 120, 60)))
        written = (report.model_dump_json(by_alias=True, exclude_none=True).encode() for report in candidates)
        return next(data for data in written if len(data) <= MAX_REPORT_BYTES)

    def reworded(self, change: Callable[[str], str]) -> "Report":
        """Return it with every text changed that repeats what a server, a tool or a store said."""
        update: dict[str, Any] = {"warnings": [change(warning) for warning in self.warnings]}
        update["message"] = self.message and change(self.message)
        for part, names in _SAID.items():
            there = getattr(self, part)
            if there is not None:
                update[part] = there.model_copy(update={name: change(getattr(there, name)) for name in names})
        return self.model_copy(update=update)

    def shortened(self, limit: int) -> "Report":
        """Return it with every sentence cut to `limit` characters; warnings go where there is no room for them."""
        failure = self.failure and self.failure.model_copy(
            update={"message": shorten(self.failure.message, limit), "remedy": shorten(self.failure.remedy, limit)}
        )
        kept = [shorten(warning, limit) for warning in self.warnings[:4]] if limit > 120 else []
        message = shorten(self.message, limit) if self.message else None
        return self.model_copy(update={"failure": failure, "warnings": kept, "message": message})


def parse(text: str) -> Report | None:
    """Read a report; None when the text is none (nothing was written, or a tool wrote something else there)."""
    try:
        return Report.model_validate_json(text)
    except ValidationError:
        return None
