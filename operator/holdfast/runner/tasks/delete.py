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
from holdfast.runner.bucket.errors import DENIED_REMEDY
from holdfast.runner.bucket.manifest_forms import M
from holdfast.runner.bucket.store import Store, not_found
from holdfast.runner.method import Deleting
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.result import Result
from holdfast.sentences import explain

D = TypeVar("D", bound=AnyDeletion)
AT_ONCE = 4  # backups; requests to a store mostly wait
SLACK = timedelta(hours=1)  # by which a store's clock may be ahead of ours
_MESSAGE = 600  # bytes
_TOLD = 6  # times of locks, and reasons: what the report has room for
_NOT_THERE = (Reason.MANIFEST_CONFLICT, Reason.BACKUP_NOT_FOUND, Reason.SIZE_IMPLAUSIBLE)
_DENIED = (
    "check the credentials in s3.pruneSecretName (else s3.secretName), or the identity of the Job's ServiceAccount: "
    "they must have the right s3:DeleteObject and, if the bucket keeps versions, s3:ListBucketVersions and "
    "s3:DeleteObjectVersion"
)


@dataclass(frozen=True)
class Fate:
    """What became of one backup."""

    until: datetime | None = None  # Object Lock keeps it
    error: HoldfastError | None = None
    untouched: bool = False  # by this Job
    whole: bool = False  # its manifest was seen, and is there


@dataclass
class _Progress:
    """How far the deletion of one backup has come."""

    begun: bool = False  # something of it may be gone
    whole: bool = False


def run(task: D, context: Context, method: Deleting[D, M]) -> Result:
    """Delete them all as far as that goes. Raises HoldfastError where nothing was deleted at all."""
    context.log.line("step", phase="deleting", backups=len(task.items))
    opened = store.connect(task.s3, context.places)
    try:
        _require_what_stays(task, opened, context, method)
    except HoldfastError as error:
        raise _told(error) from error
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="delete") as pool:
        fates = list(pool.map(lambda item: _fate(task, item, opened, context, method), task.items))
    report = reported(fates)
    return Result(deletion=report, message=f"deleted {len(report.deleted)} of {len(fates)} backups")


def _require_what_stays(task: D, opened: Store, context: Context, method: Deleting[D, M]) -> None:
    """Look for the good backups that are to stay, where they are themselves."""
    for kept in task.must_stay:
        try:
            manifest = manifests.read(opened, kept.key_prefix, kept.uid, method.manifest)
            if manifest is None:
                raise not_found(opened, kept.key_prefix + MANIFEST_NAME)
            method.require(task, opened, manifest, context)
        except HoldfastError as error:
            if error.reason not in _NOT_THERE:
                raise
            raise HoldfastError(
                Reason.KEPT_BACKUP_MISSING,
                f"the backup that must stay is not in the bucket, so nothing was deleted: {error.message}",
                "find out who deleted or changed that backup, and create another backup; then Holdfast deletes the "
                "others",
            ) from error


def _fate(task: D, item: DeleteItem, opened: Store, context: Context, method: Deleting[D, M]) -> Fate:
    """Delete one. Whatever is in the way of it is in the way of no other."""
    progress, until, failure = _Progress(), None, None
    try:
        context.stop.check()
        until = _delete(task, item, opened, context, method, progress)
    except HoldfastError as error:
        failure = _told(error)
    except Exception as error:  # noqa: BLE001 - a fault of ours in one is in the way of no other, either
        context.log.line("fault", type=type(error).__name__, backup=item.name)
        failure = _fault(error)
    fate = Fate(until, failure, untouched=not progress.begun, whole=progress.whole)
    said = {"error": fate.error.message} if fate.error else {}
    context.log.line("deleted" if fate == Fate() else "kept", backup=item.name, backupID=item.backup_id, **said)
    return fate


def _delete(
    task: D, item: DeleteItem, opened: Store, context: Context, method: Deleting[D, M], progress: _Progress
) -> datetime | None:
    """Delete manifest, data and what is left; return until when Object Lock keeps that. Raises HoldfastError."""
    prefix = item.key_prefix
    _require_own_folder(item)
    manifest = manifests.read(opened, prefix, item.uid, method.manifest)
    progress.whole = manifest is not None
    found = purge.versions(opened, prefix)
    if manifest is not None:
        folder.abort_uploads(opened, prefix, context)  # of a backup that is complete: nobody goes on with one
        if locked := _without_manifest(item, opened, found, context, progress):
            return locked
        found = [each for each in found if each.key != prefix + MANIFEST_NAME]
    else:  # gone already; what is newer may be of a backup that is still running, whoever wrote that it is this one
        found = purge.until(found, item.completed_at + SLACK) if item.completed_at else []
    progress.begun = True
    method.delete(task, item, context)
    return purge.purge(opened, [each for each in found if folder.holds(each.key, prefix)], context)


def _without_manifest(
    item: DeleteItem, opened: Store, found: list[purge.Version], context: Context, progress: _Progress
) -> datetime | None:
    """Delete the manifest; return until when Object Lock keeps it. Where that failed, look whether it is there."""
    key = item.key_prefix + MANIFEST_NAME
    context.stop.check()
    progress.begun, progress.whole = True, False
    try:
        locked = purge.purge(opened, [each for each in found if each.key == key], context)
    except HoldfastError:
        progress.whole = opened.head(key) is not None
        progress.begun = not progress.whole
        raise
    progress.whole = locked is not None
    progress.begun = not progress.whole
    return locked


def _require_own_folder(item: DeleteItem) -> None:
    """Hold the folder to what this backup's must be called. Raises HoldfastError."""
    folder.require_one_backup(item.key_prefix)
    parts = item.key_prefix.rstrip("/").split("/")
    if (parts[-3], parts[-1]) != (item.namespace, item.backup_id):
        raise HoldfastError(
            Reason.MANIFEST_CONFLICT,
            f"the folder {item.key_prefix} is not that of backup {item.backup_id} in namespace {item.namespace}",
            "find out who edited the status of the DatabaseBackup; nothing was deleted",
        )


def reported(fates: list[Fate]) -> DeleteReport:
    """Say what became of each by its place. For so many times and reasons there is room."""
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
        retained=[_retained(places, fates) for places in _grouped([retained[which] for which in sorted(retained)])],
        failed=[_failed(places, fates) for places in _grouped(list(failed.values()))],
        whole=[place for place, fate in enumerate(fates) if fate.whole],
    )


def _grouped(groups: list[list[int]]) -> list[list[int]]:
    first, others = groups[: _TOLD - 1], groups[_TOLD - 1 :]
    return [*first, *([[place for places in others for place in places]] if others else [])]


def _retained(places: list[int], fates: list[Fate]) -> RetainedReport:
    until = max(lock for place in places if (lock := fates[place].until))
    return RetainedReport(items=places, until=until, untouched=_untouched(places, fates))


def _failed(places: list[int], fates: list[Fate]) -> NotDeletedReport:
    first = fates[places[0]]
    reason = first.error.reason if first.error else Reason.INTERNAL_ERROR
    return NotDeletedReport(items=places, reason=reason, message=_said(first), untouched=_untouched(places, fates))


def _untouched(places: list[int], fates: list[Fate]) -> bool:
    return all(fates[place].untouched for place in places)


def _said(fate: Fate) -> str:
    return explain(fate.error, _MESSAGE) if fate.error else ""


def _told(error: HoldfastError) -> HoldfastError:
    """Name the rights that a deletion needs, where the store refuses it something."""
    if error.remedy != DENIED_REMEDY:
        return error
    return HoldfastError(error.reason, error.message, _DENIED)


def _fault(error: Exception) -> HoldfastError:
    return HoldfastError(
        Reason.INTERNAL_ERROR,
        f"a fault in Holdfast: {type(error).__name__}",
        "please report this fault with the Job's log",
    )
