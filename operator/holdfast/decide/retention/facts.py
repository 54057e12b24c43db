"""What retention knows of one backup: a few facts, whoever has found them out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from holdfast.api.policy import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One backup of the group (a policy and a database) that a plan is made for."""

    name: str
    uid: str
    created: datetime  # the resource
    completed: datetime | None = None  # as the manifest records it
    backup_id: str | None = None
    good: bool = False  # it succeeded, and its data is there
    failed: bool = False  # there never was a backup
    damaged: bool = False  # it succeeded, and a later verification found something else in its place
    suspicious: bool = False
    busy: bool = False  # running, being verified, restored or deleted
    expired: bool = False  # its data is gone
    pinned: bool = False
    migrating: bool = False  # the migration that it was taken for is there, and has not succeeded
    migrated_until: datetime | None = None  # until when that one keeps it
    retention_days: int | None = None  # its own, which goes before the policy's
    size_bytes: int = 0
    locked_until: datetime | None = None
    looked: datetime | None = None  # when a verification of it has ended last
    environment: Environment | None = None  # of when it was taken; None: the policy's

    @property
    def ended(self) -> datetime:
        """When it ended, by which all are ordered. A name says nothing about it."""
        return self.completed or self.created

    @property
    def sound(self) -> bool:
        """Whether nothing is held against it."""
        return self.good and not self.suspicious


def newest_first(facts: Iterable[Fact]) -> list[Fact]:
    """Order them; of two that ended in the same second, always in the same way."""
    return sorted(facts, key=lambda fact: (fact.ended, fact.created, fact.uid), reverse=True)
