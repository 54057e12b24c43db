"""What the snapshot task and its cleanup share: which snapshot is this backup's, and how to wait and to remove.

Nothing is adopted or deleted that does not carry our tag with this backup's uid.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from holdfast import naming
from holdfast.contract.task import BackupIdentity
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.pod.context import Context
from holdfast.runner.rds.client import AVAILABLE, Rds, Taken
from holdfast.runner.rds.errors import PASSES

T = TypeVar("T")
UNDER_WAY = ("creating", "copying", "pending")


@dataclass(frozen=True)
class Pace:
    """How patiently AWS is asked, seconds."""

    shortest: float = 5.0
    longest: float = 15.0
    patience: float = 300.0  # with an API that throttles or does not answer, and with an instance that is busy

    def next(self) -> float:
        """Return how long to wait until the next question: at random, so that many backups do not ask at once."""
        return random.uniform(self.shortest, self.longest)  # noqa: S311 - no secret


def tags_of(backup: BackupIdentity) -> dict[str, str]:
    """Return what a snapshot of ours is known by, in the console and to us."""
    tags = {
        naming.MANAGED_BY: naming.MANAGER,
        naming.TAG_BACKUP_UID: backup.uid,
        naming.TAG_NAMESPACE: backup.namespace,
        naming.TAG_BACKUP: backup.name,
        naming.TAG_BACKUP_ID: backup.backup_id,
    }
    return tags | ({naming.TAG_POLICY: backup.policy} if backup.policy else {})


def is_of(taken: Taken, uid: str) -> bool:
    """Whether a snapshot is this backup's."""
    return taken.tags.get(naming.MANAGED_BY) == naming.MANAGER and taken.tags.get(naming.TAG_BACKUP_UID) == uid


def patiently(context: Context, pace: Pace, act: Callable[[], T]) -> T:
    """Do it; while AWS throttles or does not answer, again, until patience ends. Raises what it last said."""
    until = time.monotonic() + pace.patience
    while True:
        try:
            return act()
        except HoldfastError as error:
            if error.reason not in PASSES or time.monotonic() >= until:
                raise
            context.log.line("waiting", reason=error.reason, message=error.message)
        context.stop.wait(pace.next())


def wait_until_available(rds: Rds, identifier: str, phase: str, context: Context, pace: Pace) -> Taken:
    """Wait for a snapshot, with progress in the log. Raises SnapshotFailed when it fails or vanishes."""
    seen = False
    until = time.monotonic() + pace.patience  # AWS may not show at once what it has just begun
    while True:
        taken = patiently(context, pace, lambda: rds.find(identifier))
        if taken is not None:
            seen = True
            context.log.line("progress", phase=phase, percent=taken.percent, status=taken.status, region=rds.region)
            if taken.status == AVAILABLE:
                return taken
            if taken.status not in UNDER_WAY:
                raise _failed(
                    f"snapshot {identifier} in {rds.region} is {taken.status}, so it will not become available"
                )
        elif seen or time.monotonic() >= until:
            raise _failed(f"snapshot {identifier} in {rds.region} is gone: somebody deleted it")
        context.stop.wait(pace.next())


def present(
    rds: Rds, identifier: str, uid: str, context: Context, pace: Pace, then: str = "create another backup"
) -> Taken:
    """Ask RDS about a snapshot that a manifest names. Raises BackupNotFound unless it is ours, and available."""
    taken = patiently(context, pace, lambda: rds.find(identifier))
    if taken is None or not is_of(taken, uid) or taken.status != AVAILABLE:
        raise HoldfastError(
            Reason.BACKUP_NOT_FOUND,
            f"snapshot {identifier} in {rds.region}, which the manifest names, does not exist or is not available",
            f"find out in CloudTrail who deleted the snapshot, then {then}",
        )
    return taken


def what_rds_says(taken: Taken, copied: Taken | None) -> str:
    """Say in what state a snapshot and its copy are."""
    said = ["available", "encrypted" if taken.encrypted else "not encrypted"]
    return f"RDS says: {', '.join(said)}{'; the copy: available' if copied else ''}"


def remove(rds: Rds, identifier: str, uid: str) -> bool | None:
    """Delete a snapshot that is this backup's own; None where there is none, False where RDS does not let it go yet.

    A snapshot of that name without our tag and this uid is left alone, and counts as none. Raises SnapshotFailed where
    RDS does not delete it, though it is not on its way any more.
    """
    taken = rds.find(identifier)
    if taken is None or not is_of(taken, uid) or taken.status == "deleting":
        return None
    deleted = rds.delete(identifier)
    if not deleted and taken.status not in UNDER_WAY:
        raise _failed(f"snapshot {identifier} in {rds.region} is {taken.status}, and RDS did not delete it")
    return deleted


def not_ours(taken: Taken, rds: Rds, uid: str) -> HoldfastError:
    """Make the error for a snapshot that bears our name, but not our tags."""
    return HoldfastError(
        Reason.SNAPSHOT_NOT_OURS,
        f"a snapshot {taken.identifier} already exists in {rds.region}, and its tags do not name backup {uid}",
        "find out who created this snapshot, rename or delete it, then create another backup; Holdfast did not "
        "change it",
    )


def _failed(message: str) -> HoldfastError:
    return HoldfastError(
        Reason.SNAPSHOT_FAILED, message, "read the events of the instance in RDS, then create another backup"
    )
