"""What a BackupPolicy's status says: whether backups can be made from it, and what is in the way. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from holdfast.api.conditions import ConditionType, update
from holdfast.api.policy import BackupPolicySpec, BackupPolicyStatus
from holdfast.api.unreadable import explained
from holdfast.decide.resolve import image_of, resolve
from holdfast.errors import HoldfastError, Reason
from holdfast.sentences import explain
from holdfast.settings import Settings

Verdict = tuple[bool, str, str]  # ready, reason, sentence


def status(
    spec: Mapping[str, Any], former: Mapping[str, Any], generation: int, settings: Settings, now: datetime
) -> BackupPolicyStatus:
    """Return the status that the policy should have."""
    days, (ready, reason, sentence) = _judge(spec, settings)
    conditions = update(
        _former(former).conditions,
        [
            (ConditionType.READY, ready, reason, sentence),
            (ConditionType.RECONCILING, False, reason, sentence),
            (ConditionType.STALLED, not ready, reason, sentence),
        ],
        generation,
        now,
    )
    return BackupPolicyStatus(observed_generation=generation, retention_days=days, conditions=conditions)


def _former(status: Mapping[str, Any]) -> BackupPolicyStatus:
    """Read the status that is there; one that cannot be read holds nothing that is not made anew."""
    try:
        return BackupPolicyStatus.model_validate(status)
    except ValidationError:
        return BackupPolicyStatus()


def _judge(spec: Mapping[str, Any], settings: Settings) -> tuple[int | None, Verdict]:
    try:
        resolved = resolve(BackupPolicySpec.model_validate(spec), settings)
        image_of(resolved, settings)
    except HoldfastError as error:
        return None, (False, error.reason, explain(error))
    except ValidationError as error:
        message, remedy = explained(error, BackupPolicySpec, "spec", "correct it in this policy")
        return None, (False, Reason.INVALID_SPEC, f"{message}; {remedy}")
    days = resolved.retention.days
    return days, (True, "Ready", f"backups expire after {days} days; this version records that and deletes nothing")
