"""The backup that is taken of a target of production before anything in it is touched. Pure.

An ordinary DatabaseBackup, that nobody owns: it outlives the restore. Its name is made of the restore and of the moment
of its confirmation, so that whoever comes after a kill finds the one that was begun; and one that was taken for a
confirmation which was withdrawn is not taken for one of the target as it is later.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
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
from holdfast.decide.restore.observation import Decision, Observation, SafetyView
from holdfast.decide.restore.source import PATIENCE
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


def step(o: Observation, resolved: ResolvedRestore, settings: Settings, now: datetime) -> Decision | None:
    """Have the backup taken, and wait for it; None where the target may be touched. Raises SafetyBackupFailed."""
    if resolved.environment is not Environment.PRODUCTION:
        return None
    told = o.restore.status.safety_backup
    if told is None:
        return _begin(o, resolved, now)
    if told.name is None or told.completed_at is not None:
        return None
    if o.safety is None:
        require_sealed(o, resolved, settings)
    return _follow(o, resolved, told, told.name, now)


def require_sealed(o: Observation, resolved: ResolvedRestore, settings: Settings) -> None:
    """See that the backup would not lie in the clear beside a source that is encrypted. Raises SafetyBackupFailed.

    To whom the source is encrypted, only its manifest says, which whoever may write to the bucket may have changed: a
    backup for somebody else's identity would be none.
    """
    encrypted = o.restore.spec.source.bucket is not None and resolved.identity_secret is not None
    if resolved.environment is not Environment.PRODUCTION or not encrypted or _none_needed(o, resolved):
        return
    if _named(o) or any(_policies(o, settings)):
        return  # these say themselves how their backups are stored
    raise HoldfastError(
        Reason.SAFETY_BACKUP_FAILED,
        "the backup in the bucket is encrypted, but the safety backup of the target would be stored beside it without "
        "encryption, since no BackupPolicy in this namespace backs up the target",
        "create a BackupPolicy for the target with storage.encryption, or set safetyBackup to Skip; then create "
        "another DatabaseRestore; nothing was changed",
    )


def spec(o: Observation, settings: Settings) -> Spec:
    """Say what the backup is to be. It is a policy's as long as a policy reaches this very database as the restore.

    One that reaches it in another way, say as another user, says where it is stored and how it is encrypted.
    """
    resolved = there(o.restore.status.resolved, "resolved")
    keep, policies = math.ceil(resolved.keep_hours / HOURS), list(_policies(o, settings))
    for name, policy in policies:
        if policy.database == resolved.database:
            return Spec(name, None, max(keep, policy.days_kept))
    stored = policies[0][1].storage.model_copy(update={"store": None}) if policies else None
    storage = stored or there(resolved.safety_storage, "resolved.safetyStorage")
    given = BackupPolicySpec(
        environment=Environment.PRODUCTION, database=resolved.database, storage=storage, job=resolved.job
    )
    written = {key: value for key, value in given.to_dict().items() if key in given.model_fields_set}
    return Spec(None, written, max(keep, given.days_kept))


def _policies(o: Observation, settings: Settings) -> Iterator[tuple[str, BackupPolicySpec]]:
    """Return the policies of the target that could take a backup, with every default: the one that is named first."""
    named = _named(o)
    for name, policy in sorted(o.policies, key=lambda each: (each[0] != named, each[0])):
        with suppress(HoldfastError):
            yield name, resolve(policy, settings)


def _named(o: Observation) -> str | None:
    """Return the policy that the restore names for its target."""
    target = o.restore.spec.target
    return target.policy_ref.name if target and target.policy_ref else None


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
        return _wait(o, backup, name, now)
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


def _wait(o: Observation, backup: SafetyView, name: str, now: datetime) -> Decision:
    """Wait for its end; not for a policy that is gone, since nobody may create it again."""
    if backup.policy_gone is not None and now >= backup.created + PATIENCE:
        what = f"DatabaseBackup {name} cannot begin, since its BackupPolicy {backup.policy_gone} was deleted"
        remedy = (
            f"create the BackupPolicy again, or delete DatabaseBackup {name}, which waits for it; then create another "
            "DatabaseRestore; nothing was changed"
        )
        return _failed(o, name, what, now, remedy)
    sentence = f"Holdfast first takes DatabaseBackup {name} of the target; the restore continues when it has Succeeded"
    return waits.wait(o, now, TAKING, sentence, now + PATIENCE if backup.waits else None)


def _may_be_absent(resolved: ResolvedRestore) -> bool:
    """Whether a restore goes on where there is no target: it makes one."""
    return resolved.create or resolved.mode is RestoreMode.REPLACE


def _failed(o: Observation, name: str, what: str, now: datetime, remedy: str | None = None) -> Decision:
    remedy = remedy or (
        f"find the cause with kubectl -n {o.restore.namespace} describe databasebackups.{naming.GROUP} {name} and "
        "correct it, or set safetyBackup to Skip; then create another DatabaseRestore; nothing was changed"
    )
    failure = Failure(reason=Reason.SAFETY_BACKUP_FAILED, message=shorten(what, 2000), remedy=remedy)
    return ending.fail(o, failure, None, now)


def _with(status: statuses.Status, safety: SafetyBackup) -> statuses.Status:
    return status.model_copy(update={"safety_backup": safety})
