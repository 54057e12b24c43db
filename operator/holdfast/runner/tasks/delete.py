"""The deletion task: deletes the data of some backups, and nothing of any other.

What the cluster says of a backup is not enough: somebody may have written it. So each manifest is read again, and only
where it is that backup's own, in that backup's own folder, does anything go: the manifest first, so that what is left
half-done is no backup, then what it is of, then what else lies in the folder. What is gone already is a success. Before
any of it, the good backups that stay are looked for: a plan may be older than what has happened since.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from holdfast.contract.report import DeleteReport, NotDeletedReport, RetainedReport
from holdfast.contract.task import AnyDeletion, DeleteItem
from holdfast.errors import HoldfastError, Reason
from holdfast.naming import MANIFEST_NAME
from holdfast.runner.bucket import folder, manifests, purge, store
from holdfast.runner.bucket.manifest_forms import M
from holdfast.runner.bucket.store import Store
from holdfast.runner.method import Deleting
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.result import Result
from holdfast.sentences import explain

D = TypeVar("D", bound=AnyDeletion)
AT_ONCE = 4  # backups; requests to a store mostly wait
SLACK = timedelta(hours=1)  # by which a store's clock may be ahead of ours
_MESSAGE = 600  # bytes


@dataclass(frozen=True)
class Fate:
    """What became of one backup."""

    until: datetime | None = None  # Object Lock keeps it
    error: HoldfastError | None = None
    untouched: bool = False


def run(task: D, context: Context, method: Deleting[D, M]) -> Result:
    """Delete them all as far as that goes. Raises HoldfastError where nothing was deleted at all."""
    context.log.line("step", phase="deleting", backups=len(task.items))
    opened = store.connect(task.s3, context.places)
    _require_what_stays(task, opened, method)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="delete") as pool:
        fates = list(pool.map(lambda item: _fate(task, item, opened, context, method), task.items))
    report = _report(fates)
    return Result(deletion=report, message=f"deleted {len(report.deleted)} of {len(fates)} backups")


def _require_what_stays(task: D, opened: Store, method: Deleting[D, M]) -> None:
    """Look for the good backups that are to stay, in the bucket itself."""
    for kept in task.must_stay:
        manifest = manifests.read(opened, kept.key_prefix, kept.uid, method.manifest)
        if manifest is None:
            raise HoldfastError(
                Reason.KEPT_BACKUP_MISSING,
                f"the backup that is to stay is not there: {kept.key_prefix}{MANIFEST_NAME}",
                "find out who deleted it, and create another backup; nothing was deleted",
            )
        method.require(opened, manifest)


def _fate(task: D, item: DeleteItem, opened: Store, context: Context, method: Deleting[D, M]) -> Fate:
    """Delete one. Whatever is in the way of it is in the way of no other."""
    begun = [False]
    try:
        context.stop.check()
        until = _delete(task, item, opened, context, method, begun)
    except HoldfastError as error:
        fate = Fate(error=error, untouched=not begun[0])
    else:
        fate = Fate(until=until, untouched=not begun[0])
    said = {"error": fate.error.message} if fate.error else {}
    context.log.line("deleted" if fate == Fate() else "kept", backup=item.name, backupID=item.backup_id, **said)
    return fate


def _delete(
    task: D, item: DeleteItem, opened: Store, context: Context, method: Deleting[D, M], begun: list[bool]
) -> datetime | None:
    """Delete manifest, data and what is left; return until when Object Lock keeps what is left.

    `begun` becomes true once anything of it may be gone. Raises HoldfastError.
    """
    prefix = item.key_prefix
    _require_own_folder(item)
    manifest = manifests.read(opened, prefix, item.uid, method.manifest)
    found = purge.versions(opened, prefix)
    if manifest is None:
        begun[0] = True
        found = [each for each in found if item.completed_at and each.modified <= item.completed_at + SLACK]
    else:
        own = [each for each in found if each.key == prefix + MANIFEST_NAME]
        if until := purge.purge(opened, own, context):
            return until
    begun[0] = True
    method.delete(task, item, context)
    until = purge.purge(opened, [each for each in found if folder.holds(each.key, prefix)], context)
    if manifest is not None:
        folder.abort_uploads(opened, prefix, context)
    return until


def _require_own_folder(item: DeleteItem) -> None:
    """Hold the folder to what this backup's must be called. Raises HoldfastError."""
    folder.require_one_backup(item.key_prefix)
    parts = item.key_prefix.rstrip("/").split("/")
    if (parts[-3], parts[-1]) != (item.namespace, item.backup_id):
        raise HoldfastError(
            Reason.MANIFEST_CONFLICT,
            f"the folder {item.key_prefix} is not that of backup {item.backup_id} in namespace {item.namespace}",
            "find out who has edited the status of the DatabaseBackup; nothing was deleted",
        )


def _report(fates: list[Fate]) -> DeleteReport:
    retained: dict[tuple[datetime, bool], list[int]] = {}
    failed: dict[tuple[str, bool], list[int]] = {}
    for place, fate in enumerate(fates):
        if fate.error is not None:
            failed.setdefault((fate.error.reason, fate.untouched), []).append(place)
        elif fate.until is not None:
            retained.setdefault((fate.until, fate.untouched), []).append(place)
    gone = [place for place, fate in enumerate(fates) if fate.error is None and fate.until is None]
    return DeleteReport(
        deleted=gone,
        retained=[RetainedReport(items=it, until=until, untouched=whole) for (until, whole), it in retained.items()],
        failed=[
            NotDeletedReport(items=it, reason=reason, message=_said(fates[it[0]]), untouched=whole)
            for (reason, whole), it in failed.items()
        ],
    )


def _said(fate: Fate) -> str:
    return explain(fate.error, _MESSAGE) if fate.error else ""
