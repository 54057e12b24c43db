"""What to do about one BackupPolicy now: a pure function of what it says, the settings and the time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from holdfast.api.policy import BackupPolicyStatus
from holdfast.decide.decision import Decision, Rest, Write
from holdfast.decide.policy import statuses
from holdfast.settings import Settings


@dataclass(frozen=True)
class Observation:
    """Everything that the decision about one policy rests on. Anybody may have written it: nothing is checked yet."""

    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    generation: int
    deleting: bool


def decide(o: Observation, settings: Settings, now: datetime) -> Decision[BackupPolicyStatus]:
    """Return the next step for this policy: to say what is true of it. Backups that have begun are never changed."""
    if o.deleting:
        return Rest()
    return Write(statuses.status(o.spec, o.status, o.generation, settings, now))
