"""How a status is changed in part: what is said anew, and what has no data any more. Pure."""

from datetime import datetime

from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.api.conditions import ConditionType as C
from holdfast.api.conditions import State, update
from holdfast.decide.backup.observation import BackupView

Status = DatabaseBackupStatus
EXPIRED = "Expired"


def with_states(backup: BackupView, states: list[State], now: datetime, **changes: object) -> Status:
    """Return the status with these conditions and changes."""
    conditions = update(backup.status.conditions, states, backup.generation, now)
    said = {"conditions": conditions, "observed_generation": backup.generation}
    return backup.status.model_copy(update={**said, **changes})


def expired(backup: BackupView, states: list[State], now: datetime, **changes: object) -> Status:
    """Return the status of one without data.

    Without Ready: nothing is wrong with it, and nothing of it can be restored; Git's tools read that as settled.
    """
    gone = dict.fromkeys(("restore", "kept_because", "locked_until"))
    status = with_states(backup, states, now, **{**changes, **gone, "phase": Phase.EXPIRED})
    left = [condition for condition in status.conditions if condition.type != C.READY]
    return status.model_copy(update={"conditions": left})
