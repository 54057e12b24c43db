"""What every server's roles or accounts have in common that a restore gives: how it is planned, and how it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few

NAMED = 5
"""Items of a sentence that are named; the others are counted."""
_DIFFERENCES = 16  # of a report
_IF_MISSING = "or restore with options.globals IfMissing"
StepT = TypeVar("StepT")


@dataclass
class Plan(Generic[StepT]):
    """What is to be done, and what is not."""

    steps: list[StepT] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # each in words
    remedies: list[str] = field(default_factory=list)  # statements for an administrator
    cannot_log_in: list[str] = field(default_factory=list)  # of those that are made, those that could
    lent: list[str] = field(default_factory=list)  # roles that the user has while it restores


def listed(what: str, items: Sequence[str], most: int) -> list[str]:
    """Return one sentence of all of them, if there are any; each has `most` characters at the most."""
    said = few([one_line(each, most) for each in items], NAMED, "; ")
    return [one_line(f"{what}: {said}", 1000)] if items else []


def not_given(where: object, what: str, failed: Sequence[str]) -> HoldfastError:
    """Make the error for what could not be given, `what` of it in one word or two."""
    return HoldfastError(
        Reason.RESTORE_FAILED,
        one_line(f"{where}: {what} could not be given: {few(failed, NAMED, '; ')}", 1500),
        f"give the user who restores the right that the message names, {_IF_MISSING}",
    )


def differs(where: object, differ: Sequence[str], what: str) -> HoldfastError:
    """Make the error for what is not as the backup says, once it was given; `what` something else may change."""
    told = [one_line(each, 200) for each in differ]
    return HoldfastError(
        Reason.RESTORE_DIFFERS,
        f"{where} differs from the backup: {few(told, 3, '; ')}",
        f"find out what changes {what}, {_IF_MISSING}",
        differences=told[:_DIFFERENCES],
    )
