"""What the retention of each policy says of its backups now: worked out from the cache when it is asked for.

A policy asks for it when it decides what to delete, and each of its backups when it is to say why it is kept. So that
ten thousand backups do not each work it out for all of them, the last answer is kept as long as it holds.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from holdfast.api.policy import BackupPolicySpec
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.plan import Plan, Verdict, plan
from holdfast.decide.retention.rules import Rules
from holdfast.decide.retention.words import SET_ASIDE
from holdfast.errors import HoldfastError
from holdfast.reconcile import restores
from holdfast.reconcile.backups import MOST_REASONS, Backup
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.resource import Resource
from holdfast.settings import Settings
from holdfast.untrusted import mapping, word

HOLDS = timedelta(seconds=60)  # that an answer is kept, while nothing changes but the time


@dataclass(frozen=True)
class Planned:
    """What is planned for a policy's backups: a plan for each database, and a verdict by the backup's uid."""

    plans: tuple[Plan, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)


NOTHING = Planned()


@dataclass(frozen=True)
class _Answer:
    policy: Resource
    changes: int  # of all backups and restores by then: while there are no others, the facts are the same
    facts: Mapping[str | None, tuple[Fact, ...]]
    since: datetime
    planned: Planned
    until: datetime  # the time alone may change it then


class Plans:
    """Answers for every policy."""

    def __init__(self, cache: Cache, settings: Settings, now: Callable[[], datetime]) -> None:
        """Take what it reads from, for how long it leaves a new backup alone, and the clock."""
        self._cache, self._now = cache, now
        self._grace = timedelta(seconds=settings.retention_grace_seconds)
        self._answers: dict[tuple[str, str], _Answer] = {}

    def of(self, namespace: str, name: str) -> Planned:
        """Return what is planned for a policy's backups: nothing where it is gone, going or cannot be read."""
        key = (namespace, name)
        policy = self._cache.policy(namespace, name)
        if policy is None or policy.deleted is not None:
            self._answers.pop(key, None)
            return NOTHING
        changes, now = self._cache.backups.changes + self._cache.restores.changes, self._now()
        held = self._answers.get(key)
        if held is not None and not (held.policy == policy and held.since <= now < held.until):
            held = None
        if held is None or held.changes != changes:
            held = self._answers[key] = self._gathered(policy, changes, held, now)
        return held.planned

    def _gathered(self, policy: Resource, changes: int, held: _Answer | None, now: datetime) -> _Answer:
        """Gather the facts; where they are those of the answer that is held, that one goes on."""
        backups = self._cache.backups_of(policy.namespace, policy.name)
        facts = _by_database(backups, restores.read(self._cache))
        if held is not None and held.facts == facts:
            return replace(held, changes=changes)
        planned = _planned(policy, facts, self._grace, now)
        until = min([now + HOLDS, *(plan.look_again for plan in planned.plans if plan.look_again)])
        return _Answer(policy, changes, facts, now, planned, until)

    def _of_its_policy(self, backup: Backup) -> Planned:
        return self.of(backup.namespace, backup.policy_name) if backup.policy_name else NOTHING

    def verdict(self, backup: Backup) -> Verdict | None:
        """Return what is planned for a good backup; None while no rule has looked at it."""
        found = self._of_its_policy(backup).verdicts.get(backup.uid) if backup.good else None
        return None if found is None or set(found.reasons) & set(SET_ASIDE) else found

    def looks_for(self, backup: Backup) -> bool:
        """Whether a backup, which is a good one then, is to be looked for, since the bucket was to delete it."""
        return any(plan.look == backup.uid for plan in self._of_its_policy(backup).plans)

    def keeps(self, backup: Backup) -> bool:
        """Whether nothing that is planned now lets it go: then it is not deleted, whoever says so."""
        found = self._of_its_policy(backup).verdicts.get(backup.uid)
        return found is None or found.keep

    def differs(self, backup: Backup) -> bool:
        """Whether a backup says another thing of why and how long it is kept than is planned for it."""
        verdict = self.verdict(backup)
        if verdict is None:
            return False
        return (backup.kept_because, backup.expires_at) != (kept_because(verdict), verdict.expires)

    def concerns(self, backup: Backup) -> bool:
        """Whether a backup has something to do about what is planned: to say it, or to be looked for."""
        return self.differs(backup) or self.looks_for(backup)


def kept_because(verdict: Verdict) -> tuple[str, ...]:
    """Return what a backup says of why it is kept: nothing, where no rule keeps it and it is only not deleted yet."""
    return verdict.reasons[:MOST_REASONS] if verdict.keep else ()


def _by_database(backups: Iterable[Backup], read: Container[str]) -> dict[str | None, tuple[Fact, ...]]:
    """Group by database: a policy may have named another one before, and each keeps its own last good one.

    What a restore reads is in use, whatever its own status says.
    """
    groups: dict[str | None, list[Fact]] = {}
    for backup in backups:
        fact = replace(backup.fact, busy=True) if backup.uid in read else backup.fact
        groups.setdefault(backup.database, []).append(fact)
    return {database: tuple(facts) for database, facts in groups.items()}


def _planned(
    policy: Resource, groups: Mapping[str | None, tuple[Fact, ...]], grace: timedelta, now: datetime
) -> Planned:  # fmt: skip
    try:
        spec = BackupPolicySpec.model_validate(policy.spec)
        rules = Rules.of(spec, grace)
    except (ValidationError, HoldfastError):
        return NOTHING  # what cannot be read deletes nothing, and its status says so
    plans = tuple(_approved(facts, rules, policy, now) for facts in groups.values())
    return Planned(plans, {verdict.uid: verdict for each in plans for verdict in each.verdicts})


def _approved(facts: Iterable[Fact], rules: Rules, policy: Resource, now: datetime) -> Plan:
    """Plan; what is left of an approved plan after a page of it has been begun, is approved as well."""
    rest = word(mapping(policy.status.get("retention")).get("approvedRest"))
    found = plan(facts, rules, now, policy.approved)
    return replace(found, held=None) if found.hash == rest else found
