"""How a restore waits: what it says meanwhile, told by an Event when that is news. Pure."""

from datetime import datetime

from holdfast.api.conditions import ConditionType
from holdfast.api.job import PodWanted
from holdfast.api.restore_status import DatabaseRestoreStatus, Phase
from holdfast.decide.decision import Announcement, Write
from holdfast.decide.restore import statuses
from holdfast.decide.restore.observation import Decision, Observation


def wait(
    o: Observation, now: datetime, reason: str, sentence: str, due: datetime | None = None,
    phase: Phase = Phase.PENDING, wanted: PodWanted | None = None, quiet: bool = False,
) -> Decision:  # fmt: skip
    """Say what is waited for."""
    return told(o, statuses.waiting(o.restore, now, reason, sentence, phase, wanted), reason, sentence, due, quiet)


def told(
    o: Observation, status: DatabaseRestoreStatus, reason: str, sentence: str, due: datetime | None, quiet: bool
) -> Decision:
    """Write it, with an Event where another reason stood there before."""
    former = next((c.reason for c in o.restore.status.conditions if c.type == ConditionType.RECONCILING), None)
    news = not quiet and reason != former
    return Write(status, Announcement(True, reason, sentence) if news else None, due)
