"""The report: how a Job's container says what came of its task, as its termination message.

At most 4,096 bytes of UTF-8 (the kubelet cuts there), so sentences are shortened until it fits.

Anybody who may make Pods may write one, and servers, tools and stores are quoted in it: each field is held to what it
may be, so that what is read here can stand in a status and be counted with; sentences are plain text (texts.py).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from holdfast.api.base import StatusModel
from holdfast.api.policy import VerificationLevel
from holdfast.api.rds_target import ReadInstance
from holdfast.contract.manifest import ManifestMigrations
from holdfast.contract.paths import MAX_REPORT_BYTES
from holdfast.contract.snapshot import ReadSnapshot
from holdfast.contract.task import MAX_ITEMS
from holdfast.sentences import shorten
from holdfast.texts import Plain, visible

VERSION: Literal[1] = 1
MAX_MIGRATION = 200  # characters of a migration's name
MOST_UNDONE = 8  # migrations that are named
# In which parts of a report others are quoted. A migration's name is what the database holds, as its tables' are.
_SAID = {
    "failure": ("message", "remedy"),
    "backup": ("tool_version", "server_version", "file_readable"),
    "restore": ("tool_version", "server_version"),
    "verification": ("file_readable",),
}
YEARS = range(2000, 2201)  # of a time that can be reckoned with


def _sensible(moment: datetime) -> datetime:
    if moment.tzinfo is None or moment.year not in YEARS:
        raise ValueError("a time of this age, with its zone, is wanted")
    return moment


Moment = Annotated[datetime, AfterValidator(_sensible)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]  # what the API server takes as an integer
Major = Annotated[int, Field(ge=0, le=9999)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Outcome(StrEnum):
    """How the task ended."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class FailureReport(StatusModel):
    """What went wrong, in words for a person."""

    reason: str = Field(pattern=r"^[A-Za-z]{1,64}$")
    exit_code: int = Field(ge=0, le=255)
    message: Plain
    remedy: Plain
    server_major: Major | None = Field(None, description="Of the server, where another runner's image would fit it.")
    differences: list[Plain] = Field(
        [], max_length=16, description="In what a restored database differs from its manifest."
    )


class MigrationsReport(StatusModel):
    """How far migrations have come; the lists are in the manifest."""

    tool: Plain
    applied_count: Count | None = None
    last: Plain | None = Field(None, description="At most 200 characters of it.")
    failed: Count | None = Field(None, description="How many are recorded as failed, unfinished or dirty, if any.")

    @classmethod
    def of(cls, history: ManifestMigrations) -> Self:
        """Take what a report has room for."""
        last = history.last and shorten(history.last, MAX_MIGRATION)
        return cls(
            tool=history.tool, applied_count=history.applied_count, last=last, failed=len(history.failed) or None
        )


class EarlierReport(StatusModel):
    """What a backup of before was, as its manifest in the bucket says."""

    backup_id: str = Field(alias="backupID", pattern=r"^backup-[0-9]{8}-[0-9]{6}[-a-z0-9]*$", max_length=96)
    completed_at: Moment
    size_bytes: Count | None = Field(None, description="Where it is stored in the same form.")
    tables: Count | None = None
    rows: Count | None = None


class CheckedBy(StrEnum):
    """Whose word a verification rests on."""

    STORE_CHECKSUM = "StoreChecksum"
    READBACK = "Readback"
    RDS = "RDS"


class Verification(StatusModel):
    """The last successful verification: the one before the backup succeeded, or a later one."""

    level: VerificationLevel | None = Field(
        None,
        description="Level of verification: checksum or readback. Absent for a snapshot, whose content cannot be read.",
    )
    checked_by: CheckedBy | None = Field(
        None,
        description="Who confirmed the backup: StoreChecksum (the store, by its own SHA-256 of the parts), Readback "
        "(the runner, which read all bytes back) or RDS (AWS).",
    )
    compared: list[Annotated[str, Field(max_length=64)]] | None = Field(
        None,
        max_length=16,
        description="Which facts were compared with the manifest and agreed: size, storeChecksum, sha256, "
        "uncompressedBytes, rows, schema, globals; for a snapshot arn, state, encryption.",
    )
    integrity_check: Plain = Field(
        description="Result of comparing the checksums: passed. For a snapshot: what RDS reports about it."
    )
    file_readable: Plain = Field(
        description="How the runner made sure that the dump is complete. For a snapshot: that its content was not read."
    )
    verified_at: Moment = Field(description="When the backup was verified, UTC.")


class GlobalsReport(StatusModel):
    """The object beside the dump that holds roles, owners and grants."""

    sha256: Hash
    size_bytes: Count
    roles: Count = 0


class BackupReport(StatusModel):
    """What a finished backup is: the facts that the resource's status shows."""

    backup_id: str = Field(alias="backupID", pattern=r"^[a-z0-9]([-a-z0-9]{0,126}[a-z0-9])?$")
    artifact_key: Plain | None = Field(
        None, max_length=1024, description="Of a dump; a snapshot has none, nor the sizes and the checksum."
    )
    size_bytes: Count | None = None
    uncompressed_bytes: Count | None = None
    database_size_bytes: Count | None = None
    sha256: Hash | None = None
    snapshot: ReadSnapshot | None = None
    tool_version: Plain
    server_version: Plain
    server_major: Major | None = None
    integrity_check: Plain
    file_readable: Plain
    verified_at: Moment
    level: VerificationLevel | None = None
    checked_by: CheckedBy | None = None
    compared: list[Annotated[Plain, Field(max_length=64)]] | None = Field(None, max_length=16)
    tables: Count | None = Field(None, description="How many tables' rows are in the dump.")
    rows: Count | None = None
    schema_sha256: Hash | None = None
    migrations: MigrationsReport | None = None
    globals: GlobalsReport | None = Field(None, description="None: the backup has no such object.")
    needs: list[Plain] = Field(
        [], max_length=16, description="What the dump does not hold and a restore needs: what to run first."
    )
    earlier: list[EarlierReport] = Field(
        [], max_length=8, description="The last ones in the bucket of before what the cluster knows; oldest first."
    )
    made_again: Plain | None = Field(
        None, max_length=96, description="The id of a backup that another resource of this name has made."
    )
    found: bool = Field(False, description="An earlier Pod had published it; this one verified it again.")
    completed_at: Moment | None = Field(
        None, description="When it was complete, as its manifest says: by that, backups are ordered."
    )


Items = Annotated[list[Annotated[int, Field(ge=0, lt=MAX_ITEMS)]], Field(max_length=MAX_ITEMS)]


class RetainedReport(StatusModel):
    """Backups that Object Lock keeps, by their place in the task."""

    items: Items
    until: Moment
    untouched: bool = Field(False, description="This Job has deleted nothing of them.")


class NotDeletedReport(StatusModel):
    """Backups that could not be deleted, for one reason."""

    items: Items
    reason: Plain = Field(max_length=128)
    message: Plain = Field(description="What happened to the first of them, and what to do.")
    untouched: bool = Field(False, description="This Job has deleted nothing of them.")


class DeleteReport(StatusModel):
    """What became of each backup that was to be deleted."""

    deleted: Items = Field([], description="Whose data is gone, also where it was gone before.")
    retained: list[RetainedReport] = Field([], max_length=MAX_ITEMS)
    failed: list[NotDeletedReport] = Field([], max_length=MAX_ITEMS)
    whole: Items = Field([], description="Whose manifest was seen and is there: they are as good as before.")


class ScriptReport(StatusModel):
    """SQL that has run in a restored database."""

    statements: Count
    sha256: Hash


class RestoreReport(StatusModel):
    """What a finished restore has brought back, or put back."""

    backup_id: str | None = Field(
        None, alias="backupID", pattern=r"^[a-z0-9]([-a-z0-9]{0,126}[a-z0-9])?$", description="None: it was put back."
    )
    size_bytes: Count | None = Field(None, description="As stored.")
    uncompressed_bytes: Count | None = None
    tables: Count | None = Field(None, description="Of the manifest's, how many the target has now.")
    rows: Count | None = Field(None, description="Of these tables, counted in the target.")
    compared: list[Annotated[Plain, Field(max_length=64)]] = Field(
        [], max_length=16, description="What was compared with the manifest, and agrees."
    )
    server_version: Plain | None = Field(None, max_length=256)
    tool_version: Plain | None = Field(None, max_length=256)
    script: ScriptReport | None = None
    instance: ReadInstance | None = Field(None, description="Of a snapshot: what was made from it.")
    replaced: Plain | None = Field(
        None, max_length=1024, description="What the database that was there before is called now."
    )
    switch_seconds: float | None = Field(
        None, ge=0, le=1e9, description="For how long the application could not write."
    )
    found: bool = Field(False, description="An earlier Pod had done it all, and could not say so.")


class ImpactReport(StatusModel):
    """What is in a restore's target, and what of it the restore would undo."""

    present: bool
    size_bytes: Count | None = None
    tables: Count | None = None
    rows: Count | None = None
    estimated: bool = False
    clients: Count | None = None
    server_time: Moment | None = None
    newest_change: Moment | None = None
    newest_change_of: Plain | None = Field(None, max_length=256)
    undone: list[Annotated[Plain, Field(max_length=MAX_MIGRATION)]] = Field(
        [], max_length=MOST_UNDONE, description="The last of the migrations that the backup has not."
    )
    undone_count: Count = 0
    backup_completed_at: Moment | None = None
    backup_seconds: float | None = Field(None, ge=0, le=1e9)
    backup_tables: Count | None = None
    backup_rows: Count | None = None
    backup_size_bytes: Count | None = Field(None, description="Of the database that was dumped.")


class Report(StatusModel):
    """What came of a task."""

    version: Literal[1] = VERSION
    kind: str = Field(pattern=r"^[a-z-]{1,40}$")
    outcome: Outcome
    started_at: Moment
    completed_at: Moment
    duration_seconds: float = Field(ge=0, le=1e9)
    backup: BackupReport | None = None
    verification: Verification | None = Field(None, description="What a verify task found.")
    deletion: DeleteReport | None = None
    restore: RestoreReport | None = None
    impact: ImpactReport | None = None
    failure: FailureReport | None = None
    message: Plain | None = Field(None, description="What a restore or a cleanup did, in a sentence.")
    clean: bool = Field(True, description="Nothing half-written is left in the bucket, as far as this Pod knows.")
    backup_there: bool | None = Field(
        None, description="A cleanup found the backup's manifest: a Pod had published it, and could not say so."
    )
    warnings: list[Plain] = Field(default_factory=list)

    def to_bytes(self) -> bytes:
        """Write it within the limit: the longest sentences are shortened first, then warnings go."""
        candidates = (self, *(self.shortened(limit) for limit in (1200, 600, 300, 120, 60)))
        written = (visible(report.model_dump_json(by_alias=True, exclude_none=True)).encode() for report in candidates)
        return next(data for data in written if len(data) <= MAX_REPORT_BYTES)

    def reworded(self, change: Callable[[str], str]) -> "Report":
        """Return it with every text changed that repeats what a server, a tool or a store said."""
        update: dict[str, Any] = {"warnings": [change(warning) for warning in self.warnings]}
        update["message"] = self.message and change(self.message)
        for part, names in _SAID.items():
            there = getattr(self, part)
            if there is not None:
                said = {name: getattr(there, name) for name in names}
                update[part] = there.model_copy(update={name: text and change(text) for name, text in said.items()})
        if self.failure is not None:
            told = [change(each) for each in self.failure.differences]
            update["failure"] = update["failure"].model_copy(update={"differences": told})
        if self.backup is not None:
            needs = [change(need) for need in self.backup.needs]
            update["backup"] = update["backup"].model_copy(update={"needs": needs})
        if self.impact is not None:
            update["impact"] = self.impact.model_copy(update={"undone": [change(each) for each in self.impact.undone]})
        if self.deletion is not None:
            failed = [each.model_copy(update={"message": change(each.message)}) for each in self.deletion.failed]
            update["deletion"] = self.deletion.model_copy(update={"failed": failed})
        return self.model_copy(update=update)

    def shortened(self, limit: int) -> "Report":
        """Return it with every sentence cut to `limit` characters; warnings go where there is no room for them."""
        failure = self.failure and _shortened(self.failure, ("message", "remedy"), limit)
        if failure is not None:
            told = [shorten(each, limit) for each in failure.differences[: limit // 60]] if limit > 120 else []
            failure = failure.model_copy(update={"differences": told})
        kept = [shorten(warning, limit) for warning in self.warnings[:4]] if limit > 120 else []
        message = shorten(self.message, limit) if self.message else None
        backup = self.backup and _shortened(self.backup, ("tool_version", "server_version", *_CHECKS), limit)
        backup = backup and backup.model_copy(
            update={
                "earlier": backup.earlier if limit > 120 else [],
                "needs": [shorten(need, limit) for need in backup.needs[: limit // 60]] if limit > 120 else [],
            }
        )
        found = self.verification and _shortened(self.verification, _CHECKS, limit)
        deletion = self.deletion and self.deletion.model_copy(
            update={"failed": [_shortened(each, ("message",), limit) for each in self.deletion.failed]}
        )
        undone = [shorten(each, limit) for each in self.impact.undone[-max(1, limit // 150) :]] if self.impact else []
        impact = self.impact and self.impact.model_copy(update={"undone": undone})
        parts = {"backup": backup, "verification": found, "deletion": deletion, "impact": impact}
        return self.model_copy(update={"failure": failure, "warnings": kept, "message": message, **parts})


M = TypeVar("M", bound=StatusModel)
_CHECKS = ("integrity_check", "file_readable")


def _shortened(model: M, fields: Sequence[str], limit: int) -> M:
    return model.model_copy(update={field: shorten(getattr(model, field), limit) for field in fields})


def parse(text: str) -> Report | None:
    """Read a report; None when the text is none (nothing was written, or a tool wrote something else there)."""
    try:
        return Report.model_validate_json(text)
    except ValidationError:
        return None
