"""The backup that is taken of a target of production before anything in it is touched. Pure.

An ordinary DatabaseBackup, that nobody owns: it outlives the restore. Its name is made of the restore and of the moment
of its confirmation, so that whoever comes after a kill finds the one that was begun; and one that was taken for a
confirmation which was withdrawn is not taken for one of the target as it is later.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from holdfast import naming
from holdfast.api.backup import Failure
from holdfast.api.begun import there
from holdfast.api.guard import Safety, SafetyBackup
from holdfast.api.policy import BackupPolicySpec, Environment
from holdfast.api.restore_status import ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.decide.decision import Announcement, Do, MakeBackup, Write
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import ending, statuses, waits
from holdfast.decide.restore.observation import Decision, Observation
from holdfast.errors import HoldfastError, Reason
from holdfast.sentences import shorten
from holdfast.settings import Settings

TAKING = "SafetyBackup"
SKIPPED = "SafetyBackupSkipped"
HOURS = 24  # of a day


@dataclass(frozen=True)
class Spec:
    """What the backup is to be: of a policy, or complete in itself."""

    policy: str | None
    given: Mapping[str, Any] | None
    days: int  # that it is kept at least


def step(o: Observation, resolved: ResolvedRestore, now: datetime) -> Decision | None:
    """Have the backup taken, and wait for it; None where the target may be touched."""
    if resolved.environment is not Environment.PRODUCTION:
        return None
    told = o.restore.status.safety_backup
    if told is None:
        return _begin(o, resolved, now)
    if told.name is None or told.completed_at is not None:
        return None
    return _follow(o, resolved, told, told.name, now)


def spec(o: Observation, settings: Settings) -> Spec:
    """Say what the backup is to be. It is a policy's as long as a policy is of this very database."""
    resolved = there(o.restore.status.resolved, "resolved")
    keep = math.ceil(resolved.keep_hours / HOURS)
    for name, policy in sorted(o.policies, key=lambda each: _preference(o, each[0])):
        if (days := _days(policy, resolved, settings)) is not None:
            return Spec(name, None, max(keep, days))
    storage = there(resolved.safety_storage, "resolved.safetyStorage")
    given = BackupPolicySpec(
        environment=Environment.PRODUCTION, database=resolved.database, storage=storage, job=resolved.job
    )
    written = {key: value for key, value in given.to_dict().items() if key in given.model_fields_set}
    return Spec(None, written, max(keep, given.days_kept))


def _preference(o: Observation, policy: str) -> tuple[bool, str]:
    """Order the policies of one database: that of the target first."""
    target = o.restore.spec.target
    named = target.policy_ref.name if target and target.policy_ref else None
    return policy != named, policy


def _days(policy: BackupPolicySpec, resolved: ResolvedRestore, settings: Settings) -> int | None:
    """Return for how many days a policy keeps backups; None where it is not of the target."""
    try:
        found = resolve(policy, settings)
    except HoldfastError:
        return None  # it could not take a backup either
    return found.days_kept if found.database == resolved.database else None


def _begin(o: Observation, resolved: ResolvedRestore, now: datetime) -> Decision:
    """Write down which backup is taken; or why none is."""
    if (none := _none_needed(o, resolved)) is not None:
        skipped = o.restore.spec.safety_backup is Safety.SKIP
        said = Announcement(True, SKIPPED, none) if skipped else None
        return Write(_with(o.restore.status, SafetyBackup(message=none)), said)
    confirmation = there(o.restore.status.confirmation, "confirmation")
    at = there(confirmation.confirmed_at, "confirmation.confirmedAt")
    name = naming.child_name(o.restore.name, o.restore.uid, "safety", int(at.timestamp()))
    sentence = f"Holdfast first takes DatabaseBackup {name} of the target; the restore continues when it has Succeeded"
    status = statuses.waiting(o.restore, now, TAKING, sentence)
    return Write(
        _with(status, SafetyBackup(name=name, message="it is in progress")), Announcement(False, TAKING, sentence)
    )


def _none_needed(o: Observation, resolved: ResolvedRestore) -> str | None:
    if resolved.rds is not None:
        return "none is taken: a new instance is made, and nothing that is there is changed"
    if resolved.kept is not None:
        return "Holdfast takes none: putting a database back keeps the present one under another name"
    if resolved.mode is RestoreMode.REFUSE:
        return "Holdfast takes none: in mode Refuse the target must be empty"
    if o.restore.spec.safety_backup is Safety.SKIP:
        return "Holdfast takes none: spec.safetyBackup is Skip"
    return None


def _follow(o: Observation, resolved: ResolvedRestore, told: SafetyBackup, name: str, now: datetime) -> Decision:
    if o.safety_refused is not None:
        return _failed(o, name, f"the API server refuses DatabaseBackup {name}: {o.safety_refused}", now)
    backup = o.safety
    if backup is None:
        return Do(MakeBackup(name))
    if backup.restore != o.restore.uid:
        return _failed(o, name, f"DatabaseBackup {name} already exists, and was not created for this restore", now)
    if not backup.ended and not backup.deleting:
        sentence = (
            f"Holdfast first takes DatabaseBackup {name} of the target; the restore continues when it has Succeeded"
        )
        return waits.wait(o, now, TAKING, sentence)
    if backup.failed_for == Reason.DATABASE_NOT_FOUND and _may_be_absent(resolved):
        none = f"none is needed: DatabaseBackup {name} found that the target does not exist yet"
        return Write(_with(o.restore.status, SafetyBackup(message=none)))
    if not backup.good or backup.deleting:
        why = f"failed: {backup.failed_for}" if backup.failed_for else "is being deleted"
        return _failed(o, name, f"DatabaseBackup {name}, which backs up the target before the restore, {why}", now)
    if not backup.of_target:
        return _failed(
            o, name, f"DatabaseBackup {name} is of another database, since its policy was changed meanwhile", now
        )
    done = told.model_copy(update={"completed_at": backup.completed or now, "message": "it has Succeeded"})
    return Write(_with(o.restore.status, done))


def _may_be_absent(resolved: ResolvedRestore) -> bool:
    """Whether a restore goes on where there is no target: it makes one."""
    return resolved.create or resolved.mode is RestoreMode.REPLACE


def _failed(o: Observation, name: str, what: str, now: datetime) -> Decision:
    remedy = (
        f"find the cause with kubectl -n {o.restore.namespace} describe databasebackups.{naming.GROUP} {name} and "
        "correct it, or set safetyBackup to Skip; then create another DatabaseRestore; nothing was changed"
    )
    failure = Failure(reason=Reason.SAFETY_BACKUP_FAILED, message=shorten(what, 2000), remedy=remedy)
    return ending.fail(o, failure, None, now)


def _with(status: statuses.Status, safety: SafetyBackup) -> statuses.Status:
    return status.model_copy(update={"safety_backup": safety})
