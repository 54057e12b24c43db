"""What the bucket has of before: the backups that this one is compared with where the cluster knows of none.

A cluster may be new, or a resource made again without its status; the bucket remembers. It is looked at beside the
dump, with a few requests however many backups there are, and whatever is wrong with it is a warning: it holds up no
backup. Others may write there, too: of a manifest, a limited part is read, and only numbers, times and ids go further.
"""

import re
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import ValidationError

from holdfast.api.base import StatusModel
from holdfast.contract.manifest import ManifestDatabase, ManifestDocument, ManifestTable
from holdfast.contract.report import Count, EarlierReport, Moment
from holdfast.contract.task import AnyBackup, BackupIdentity, BackupTask
from holdfast.errors import HoldfastError
from holdfast.naming import MANIFEST_NAME
from holdfast.runner.pod.result import Result

if TYPE_CHECKING:  # botocore is slow to import: see backup.py
    from holdfast.runner.bucket.store import Store

NEWEST = 3  # manifests that are read, of each of two moments
RECENT = timedelta(days=40)  # where the newest are looked for first: a list begins with the oldest
PAGES = 5  # of a list, of 1000 each
LARGEST = 4 << 20  # bytes of a manifest
PATIENCE = 20.0  # seconds that are waited for the look once the backup is there
_ID = re.compile(r"backup-([0-9]{8}-[0-9]{6})(-[a-z0-9-]{1,60})?")


class _Artifact(StatusModel):
    format: str
    compression: str
    size_bytes: Count


class _Head(ManifestDocument):
    """What is read of a manifest, of a dump or of a snapshot."""

    backup: BackupIdentity
    completed_at: Moment
    database: ManifestDatabase | None = None
    artifact: _Artifact | None = None
    tables: list[ManifestTable] | None = None
    rows: Count | None = None


@dataclass(frozen=True)
class Earlier:
    """What was found."""

    compared: list[EarlierReport] = field(default_factory=list)  # oldest first
    made_again: str | None = None  # the id of the newest backup that another resource of this name has made


def looking(store: "Store", task: AnyBackup, dumped: BackupTask | None = None) -> "Future[Earlier]":
    """Look in a thread of its own; where it is a dump, for those that it is compared with, too."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="earlier")
    future = pool.submit(look, store, task, dumped)
    pool.shutdown(wait=False)
    return future


def told(result: Result, looked: "Future[Earlier]") -> Result:
    """Return the result with what the look found, or with a warning that there was none."""
    try:
        found = looked.result(timeout=PATIENCE)
    except NotYet:
        return _warned(result, f"the store did not answer within {PATIENCE:.0f} s")
    except HoldfastError as error:
        return _warned(result, error.message)
    if result.backup is None:
        return result
    report = result.backup.model_copy(update={"earlier": found.compared, "made_again": found.made_again})
    if found.made_again is None:
        return replace(result, backup=report)
    sentence = (
        f"the bucket already has {found.made_again}, which an earlier resource with this name took; this resource "
        "was created again, and took another backup of the database as it is now"
    )
    return replace(result, backup=report, warnings=[sentence, *result.warnings])


def _warned(result: Result, why: str) -> Result:
    sentence = f"this backup was not compared with earlier ones in the bucket: {why}"
    return replace(result, warnings=[*result.warnings, sentence])


def look(store: "Store", task: AnyBackup, dumped: BackupTask | None = None) -> Earlier:
    """Read the newest manifests of before this backup, and of before all that the cluster knows.

    Raises HoldfastError.
    """
    began = _moment(task.backup.backup_id)
    if began is None:
        return Earlier()
    known = min(began, (dumped and dumped.compare_before) or began)
    folder = task.key_prefix.rsplit("/", 2)[0] + "/"
    heads: dict[str, _Head | None] = {}
    for before in {began, known}:
        for identifier in _newest(store, folder, before):
            heads.setdefault(identifier, _head(store, f"{folder}{identifier}/{MANIFEST_NAME}"))
    there = {identifier: head for identifier, head in sorted(heads.items()) if head and head.completed_at < began}
    again = [
        identifier for identifier, head in there.items()
        if (head.backup.namespace, head.backup.name) == (task.backup.namespace, task.backup.name)
        and head.backup.uid != task.backup.uid
    ]  # fmt: skip
    compared = [
        _report(identifier, head, dumped) for identifier, head in there.items()
        if dumped and _before(identifier, known) and _is_of(head, dumped)
    ]  # fmt: skip
    return Earlier(compared[-NEWEST:], again[-1] if again else None)


def _newest(store: "Store", folder: str, before: datetime) -> list[str]:
    """Return the newest ids of before that moment, oldest first: of the last weeks, or of all where those have none."""
    for start in (f"{folder}backup-{before - RECENT:%Y%m%d}", folder):
        names = (key.removeprefix(folder).rstrip("/") for key in store.folders(folder, start, PAGES))
        found = sorted(name for name in names if _before(name, before))
        if found:
            return found[-NEWEST:]
    return []


def _moment(identifier: str) -> datetime | None:
    """Return when a backup of this id began; None where it is no id."""
    found = _ID.fullmatch(identifier)
    try:
        return datetime.strptime(found[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def _before(identifier: str, moment: datetime) -> bool:
    began = _moment(identifier)
    return began is not None and began < moment


def _head(store: "Store", key: str) -> _Head | None:
    """Read a manifest; None where there is none, or none that can be read: then it is no backup to compare with."""
    data = store.read(key, LARGEST + 1)
    try:
        return _Head.parse(data) if data and len(data) <= LARGEST else None
    except ValidationError:
        return None


def _is_of(head: _Head, task: BackupTask) -> bool:
    """Whether it is of the same database; in another cluster, the host may have another name."""
    database, engine = head.database, task.database.engine
    return database is not None and (database.engine, database.name) == (engine and engine.value, task.database.name)


def _report(identifier: str, head: _Head, task: BackupTask) -> EarlierReport:
    dump, artifact = task.dump, head.artifact
    alike = artifact and (artifact.format, artifact.compression) == (dump.format, dump.compression.algorithm)
    return EarlierReport(
        backup_id=identifier,
        completed_at=head.completed_at,
        size_bytes=artifact.size_bytes if artifact and alike else None,
        tables=None if head.tables is None else len(head.tables),
        rows=head.rows,
    )
