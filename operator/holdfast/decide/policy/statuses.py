"""What a BackupPolicy's status says: whether backups can be made from it, and what is in the way. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from holdfast.api.conditions import ConditionType, update
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.policy_status import BackupPolicyStatus
from holdfast.api.unreadable import as_far_as_readable, explained
from holdfast.decide.policy.cron import read as read_cron
from holdfast.decide.resolve import image_of, resolve
from holdfast.errors import HoldfastError, Reason
from holdfast.sentences import explain
from holdfast.settings import Settings

Verdict = tuple[bool, str, str]  # ready, reason, sentence


def status(
    read: BackupPolicySpec | ValidationError,
    former: Mapping[str, Any],
    generation: int,
    settings: Settings,
    now: datetime,
) -> BackupPolicyStatus:
    """Return the status that the policy should have; what became of its schedule and backups stays as it was.

    What of the former status cannot be read is made anew.
    """
    held = as_far_as_readable(BackupPolicyStatus, former)
    verdict, days = _judge(read, settings)
    ready, reason, sentence = verdict
    conditions = update(
        held.conditions,
        [
            (ConditionType.READY, ready, reason, sentence),
            (ConditionType.RECONCILING, False, reason, sentence),
            (ConditionType.STALLED, not ready, reason, sentence),
        ],
        generation,
        now,
    )
    told = {"observed_generation": generation, "retention_days": days, "conditions": conditions}
    if not isinstance(read, BackupPolicySpec):
        return held.model_copy(update={**told, "next_runs": None})
    scheduled = {} if read.schedule else {"schedule": None, "next_runs": None}
    return held.model_copy(update={**told, **scheduled})


def spec_of(spec: Mapping[str, Any]) -> BackupPolicySpec | ValidationError:
    """Read a spec, or return what is wrong with it."""
    try:
        return BackupPolicySpec.model_validate(spec)
    except ValidationError as error:
        return error


def _judge(spec: BackupPolicySpec | ValidationError, settings: Settings) -> tuple[Verdict, int | None]:
    """Return whether backups can be made from it, by schedule too, and for how many days they are kept."""
    if isinstance(spec, ValidationError):
        message, remedy = explained(spec, BackupPolicySpec, "spec", "correct the field in this policy")
        return (False, Reason.INVALID_SPEC, f"{message}; {remedy}"), None
    try:
        resolved = resolve(spec, settings)
        image_of(resolved, settings)
    except HoldfastError as error:
        return (False, error.reason, explain(error)), None
    days = resolved.retention.days
    if wrong := _wrong_schedule(spec):
        return (False, wrong.reason, explain(wrong)), days
    return (
        True,
        "Ready",
        f"backups are kept {f'for {days} days, and ' if days else ''}as long as a retention rule keeps them",
    ), days


def _wrong_schedule(spec: BackupPolicySpec) -> HoldfastError | None:
    if spec.schedule is None:
        return None
    found = read_cron(spec.schedule.cron, spec.schedule.time_zone)
    return found if isinstance(found, HoldfastError) else None
