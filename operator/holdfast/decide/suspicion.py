"""Whether a backup that succeeded is suspicious beside the last good ones of its policy: much of what was is gone.

It stays a good backup, of a database that may not be good any more. One that was suspicious is no measure for others:
until somebody says that the loss was meant (`since`), each following one is suspicious, too. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from holdfast import clock, units
from holdfast.api.backup import is_good
from holdfast.api.conditions import ConditionType
from holdfast.api.policy import BackupPolicySpec, Suspicion
from holdfast.contract.report import BackupReport

COMPARED = 5  # backups at most: the last good ones
Status = Mapping[str, Any]  # of a DatabaseBackup, as the API has it


@dataclass(frozen=True)
class Former:
    """What an earlier good backup was."""

    backup_id: str
    completed_at: datetime
    size_bytes: int | None
    stored_as: Mapping[str, Any]  # format and compression: sizes compare only where these are the same
    tables: int | None
    rows: int | None
    schema_sha256: str | None
    versions: tuple[str | None, str | None]  # the tool's and the server's: a schema's hash depends on them


@dataclass(frozen=True)
class Verdict:
    """The condition Suspicious; None where there is nothing to compare with."""

    suspicious: bool | None
    reason: str
    sentence: str


def former_of(statuses: Iterable[Status], resolved: BackupPolicySpec) -> tuple[Former, ...]:
    """Return the last good ones among a policy's backups: of the same database, not suspicious; oldest first."""
    database = _identity(resolved.to_dict())
    good = [_former(status) for status in statuses if _is_good(status) and _identity(status["resolved"]) == database]
    return tuple(sorted(good, key=lambda former: former.completed_at)[-COMPARED:])


def _is_good(status: Status) -> bool:
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions") or ()
    suspicious = any(it["type"] == ConditionType.SUSPICIOUS and it["status"] == "True" for it in conditions)
    return is_good(status) and not suspicious


def _identity(resolved: Mapping[str, Any]) -> tuple[Any, ...]:
    database = resolved["database"]
    host = (database.get("connection") or {}).get("host")
    return database.get("engine"), database.get("name"), host, database.get("volume"), database.get("instance")


def _former(status: Status) -> Former:
    return Former(
        backup_id=status["backupID"],
        completed_at=clock.from_text(status["completedAt"]),
        size_bytes=status.get("sizeBytes"),
        stored_as=_stored_as(status["resolved"]),
        tables=status.get("tables"),
        rows=status.get("rows"),
        schema_sha256=status.get("schemaSha256"),
        versions=(status.get("toolVersion"), status.get("serverVersion")),
    )


def _stored_as(resolved: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: (resolved.get("dump") or {}).get(key) for key in ("format", "compression")}


def judge(result: BackupReport, resolved: BackupPolicySpec, former: Sequence[Former]) -> Verdict:
    """Compare a backup with the last good ones."""
    limits = resolved.verification.suspicion
    peers = [peer for peer in former if limits.since is None or peer.completed_at > limits.since]
    if not peers:
        return Verdict(None, "NothingToCompare", "there is no earlier good backup of this policy to compare with")
    stored_as = _stored_as(resolved.to_dict())
    sizes = [peer.size_bytes for peer in peers if peer.size_bytes is not None and peer.stored_as == stored_as]
    rows = [peer.rows for peer in peers if peer.rows is not None]
    found = [
        ("TablesVanished", _tables(result, peers[-1], limits)),
        ("RowsVanished", _rows(result, rows, limits)),
        ("SizeShrunk", _size(result, sizes, limits)),
    ]
    said = [(reason, sentence) for reason, sentence in found if sentence]
    if said:
        return Verdict(True, said[0][0], "; ".join(sentence for _, sentence in said))
    return Verdict(False, "AsUsual", _as_usual(result, peers))


def _tables(result: BackupReport, last: Former, limits: Suspicion) -> str | None:
    if result.tables is None or last.tables is None or last.tables - result.tables <= limits.max_table_loss:
        return None
    return f"{result.tables} tables instead of the {last.tables} of {last.backup_id}"


def _rows(result: BackupReport, rows: Sequence[int], limits: Suspicion) -> str | None:
    if result.rows is None or not rows:
        return None
    usual = median(rows)
    lost = _loss(result.rows, usual)
    return f"{result.rows} rows, {lost:.0f} % less than usual" if lost > limits.max_row_loss_percent else None


def _size(result: BackupReport, sizes: Sequence[int], limits: Suspicion) -> str | None:
    if result.size_bytes is None or not sizes:
        return None
    lost = _loss(result.size_bytes, median(sizes))
    if lost <= limits.max_size_loss_percent:
        return None
    return f"{units.size_for_people(result.size_bytes)}, {lost:.0f} % smaller than usual"


def _loss(now: int, usual: float) -> float:
    """Return what is gone of the usual, percent; zero where there is more."""
    return max(0.0, 100 * (1 - now / usual)) if usual else 0.0


def _as_usual(result: BackupReport, peers: Sequence[Former]) -> str:
    last = peers[-1]
    sentence = f"nothing is missing beside the last good ones ({len(peers)} compared)"
    same_tools = last.versions == (result.tool_version, result.server_version)
    if same_tools and last.schema_sha256 and result.schema_sha256 not in (None, last.schema_sha256):
        sentence += f"; the schema has changed since {last.backup_id}"
    return sentence
