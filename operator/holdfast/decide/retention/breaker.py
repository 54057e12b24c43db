"""What stops a sweep that would delete much at once, until somebody says that exactly this was meant."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """What would be deleted, of how many, and why it waits."""

    deletions: int
    good: int
    most: int
    why: str


def hash_of(uids: Iterable[str]) -> str:
    """Return the short hash of exactly these backups, in any order; nothing for none."""
    given = sorted(uids)
    return hashlib.sha256("\n".join(given).encode()).hexdigest()[:8] if given else ""


def held(deletions: int, good: int, most: int) -> Held | None:
    """Return what holds so many deletions back, where something does."""
    if deletions > most:
        return Held(deletions, good, most, f"{deletions} are more than maxDeletionsPerSweep, {most}")
    if 2 * deletions > good:
        return Held(deletions, good, most, f"{deletions} are more than half of the {good} good backups")
    return None
