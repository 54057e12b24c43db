"""Conditions: what machines wait for and read (`kubectl wait`, Helm 4, Flux, Argo CD)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from holdfast.api.base import StatusModel
from holdfast.texts import Plain


class ConditionType(StrEnum):
    """The conditions of Holdfast's resources. Ready, Reconciling and Stalled have kstatus' meaning."""

    FINISHED = "Finished"
    SUCCEEDED = "Succeeded"
    VERIFIED = "Verified"
    SUSPICIOUS = "Suspicious"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    RETENTION_HELD = "RetentionHeld"


class Condition(StatusModel):
    """One condition, as `metav1.Condition`."""

    type: str = Field(
        max_length=316,
        description="Type of the condition: Finished, Succeeded, Verified, Suspicious, Ready, Reconciling, "
        "Stalled or RetentionHeld.",
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Status of the condition: True, False or Unknown.")
    reason: str = Field(
        max_length=1024,
        min_length=1,
        description="Why the condition has this status: one word for programs, in CamelCase.",
    )
    message: Plain = Field(max_length=4096, description="Why the condition has this status: one sentence for people.")
    last_transition_time: datetime = Field(description="When the status of the condition last changed, UTC.")
    observed_generation: int | None = Field(None, description="Generation of the spec that this condition describes.")


_WORDS: dict[bool | None, Literal["True", "False", "Unknown"]] = {True: "True", False: "False", None: "Unknown"}


State = tuple[ConditionType, bool | None, str, str]  # type, status (None: Unknown), reason, message


def update(old: Sequence[Condition], new: Iterable[State], generation: int, now: datetime) -> list[Condition]:
    """Return all conditions with the new ones in force; a transition time moves only when the status changes.

    `new` holds (type, status, reason, message); a status of None is Unknown.
    """
    result = {condition.type: condition for condition in old}
    for kind, status, reason, message in new:
        word = _WORDS[status]
        before = result.get(kind)
        since = before.last_transition_time if before and before.status == word else now
        result[kind] = Condition(
            type=kind, status=word, reason=reason, message=message[:4096], last_transition_time=since,
            observed_generation=generation,
        )  # fmt: skip
    return list(result.values())


def in_progress(what: str, reason: str, sentence: str, *unknown: ConditionType) -> list[State]:
    """Say of a backup or a restore (`what`) that it has not ended; `unknown` is what else only its end will tell."""
    goes_on, later = f"the {what} is in progress", f"not known until the {what} has finished"
    return [
        (ConditionType.FINISHED, False, reason, goes_on),
        *((each, None, reason, later) for each in (ConditionType.SUCCEEDED, *unknown)),
        (ConditionType.READY, False, reason, goes_on),
        (ConditionType.RECONCILING, True, reason, sentence),
        (ConditionType.STALLED, False, reason, "Holdfast goes on by itself"),
    ]
