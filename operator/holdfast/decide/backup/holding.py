"""Whether a backup's resource is held up, when somebody deletes it, until its data is gone. Pure.

Only where `deletionPolicy` in force is Delete, and only while there may be data: with Retain nothing holds it.
"""

from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.api.policy import DeletionPolicy
from holdfast.decide.backup.observation import BackupView
from holdfast.decide.decision import Do, Hold, Release


def policy_of(backup: BackupView) -> DeletionPolicy:
    """Return what is in force: the backup's own word, else its policy's. What is pinned keeps its data."""
    if backup.spec.pinned:
        return DeletionPolicy.RETAIN
    resolved = backup.status.resolved
    return backup.spec.deletion_policy or (resolved.deletion_policy if resolved else DeletionPolicy.RETAIN)


def may_have_data(status: DatabaseBackupStatus) -> bool:
    """Whether something of it may be in the store: from the id on, which stands there before its Job is made."""
    return status.backup_id is not None and status.phase is not Phase.EXPIRED


def is_wanted(backup: BackupView) -> bool:
    """Whether the finalizer is to be there."""
    return policy_of(backup) is DeletionPolicy.DELETE and may_have_data(backup.status)


def step(backup: BackupView) -> Do | None:
    """Put the finalizer on, or take it away; None where it is as it is to be."""
    wanted = is_wanted(backup)
    if wanted == backup.held:
        return None
    return Do(Hold(backup.name, backup.uid) if wanted else Release(backup.name, backup.uid))


def has_settled(backup: BackupView) -> bool:
    """Whether nothing of it is left to do."""
    return not backup.held if backup.deleting else is_wanted(backup) == backup.held
