"""Whether a backup that succeeded is suspicious beside the last good ones of its policy: much of what was is gone.

It stays a good backup, of a database that may not be good any more. One that was suspicious is no measure for others:
until somebody says that the loss was meant (`since`), each following one is suspicious, too. Pure.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import Any

from holdfast import units
from holdfast.api.backup import is_good
from holdfast.api.conditions import ConditionType
from holdfast.api.policy import BackupPolicySpec, Suspicion
from holdfast.contract.report import BackupReport
from holdfast.untrusted import fingerprint, mapping, mappings, moment, number, word

MADE_AGAIN = "MadeAgain"
COMPARED = 5  # backups at most: the last good ones
Status = Mapping[str, Any]  # of a DatabaseBackup, as the API has it: somebody else may have written it


@dataclass(frozen=True, slots=True)
class Former:
    """What an earlier good backup was. One is kept of each backup that is there: it is to be small."""

    backup_id: str
    completed_at: datetime
    size_bytes: int | None
    stored_as: str  # the fingerprint of format and compression: sizes compare only where these are the same
    tables: int | None
    rows: int | None
    schema_sha256: str | None
    versions: tuple[str | None, str | None]  # the tool's and the server's: a schema's hash depends on them
    database: str = ""  # the fingerprint of what was backed up


@dataclass(frozen=True)
class Verdict:
    """The condition Suspicious; None where there is nothing to compare with."""

    suspicious: bool | None
    reason: str
    sentence: str


def former_of(formers: Iterable[Former], resolved: BackupPolicySpec) -> tuple[Former, ...]:
    """Return the last ones of the same database among those of a policy's backups; oldest first."""
    database = identity(resolved.to_dict())
    same = (former for former in formers if former.database == database)
    return tuple(sorted(same, key=lambda former: former.completed_at)[-COMPARED:])


def former_in(status: Status) -> Former | None:
    """Return what a good backup was that is not suspicious; None where its status does not even say which and when."""
    identifier, completed = word(status.get("backupID")), moment(status.get("completedAt"))
    if not _is_good(status) or not identifier or completed is None:
        return None
    resolved = mapping(status.get("resolved"))
    return Former(
        backup_id=identifier,
        completed_at=completed,
        size_bytes=_count(status.get("sizeBytes")),
        stored_as=_stored_as(resolved),
        tables=_count(status.get("tables")),
        rows=_count(status.get("rows")),
        schema_sha256=word(status.get("schemaSha256")) or None,
        versions=(_version(status.get("toolVersion")), _version(status.get("serverVersion"))),
        database=identity(resolved),
    )


def is_suspicious(status: Status) -> bool:
    """Whether its condition says that it is."""
    conditions = mappings(status.get("conditions"))
    return any(it.get("type") == ConditionType.SUSPICIOUS and it.get("status") == "True" for it in conditions)


def _is_good(status: Status) -> bool:
    return is_good(status) and not is_suspicious(status)


def identity(resolved: Mapping[str, Any]) -> str:
    """Return the fingerprint of the database that a policy in force is of."""
    database = mapping(resolved.get("database"))
    host = mapping(database.get("connection")).get("host")
    return fingerprint(
        [database.get("engine"), database.get("name"), host, database.get("volume"), database.get("instance")]
    )


def _version(value: object) -> str | None:
    """Return the version as one object for all backups that have the same."""
    return sys.intern(word(value)) or None


def _count(value: object) -> int | None:
    return number(value) if type(value) is int else None


def _stored_as(resolved: Mapping[str, Any]) -> str:
    return fingerprint([mapping(resolved.get("dump")).get(key) for key in ("format", "compression")])


def judge(result: BackupReport, resolved: BackupPolicySpec, former: Sequence[Former]) -> Verdict:
    """Compare a backup with the last good ones that the cluster knows; where it knows of none, with the bucket's."""
    return _made_again(_compared(result, resolved, former or _of_the_bucket(result, resolved)), result)


def _of_the_bucket(result: BackupReport, resolved: BackupPolicySpec) -> tuple[Former, ...]:
    """Return what the runner found in the bucket, of before anything that the cluster knows."""
    stored_as = _stored_as(resolved.to_dict())  # the runner gives sizes only where it is the same
    return tuple(
        Former(it.backup_id, it.completed_at, it.size_bytes, stored_as, it.tables, it.rows, None, (None, None))
        for it in result.earlier
    )


def _made_again(verdict: Verdict, result: BackupReport) -> Verdict:
    """Say so where another resource of this name has made a backup; the loss of much remains what is said first."""
    if result.made_again is None:
        return verdict
    sentence = f"{verdict.sentence}; an earlier resource with this name took {result.made_again}"
    return replace(verdict, reason=verdict.reason if verdict.suspicious else MADE_AGAIN, sentence=sentence)


def _compared(result: BackupReport, resolved: BackupPolicySpec, former: Sequence[Former]) -> Verdict:
    limits = resolved.verification.suspicion
    peers = [peer for peer in former if limits.since is None or peer.completed_at > limits.since]
    if not peers:
        return Verdict(None, "NothingToCompare", "this policy has no earlier good backup to compare with")
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
    sentence = f"nothing is missing, compared with the last good backups ({len(peers)})"
    same_tools = last.versions == (result.tool_version, result.server_version)
    if same_tools and last.schema_sha256 and result.schema_sha256 not in (None, last.schema_sha256):
        sentence += f"; the schema differs from {last.backup_id}, as after a change or a restore"
    return sentence
