"""A BackupPolicy: what a decision about it sees, whom to ask what to do, and the backups that wait for it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from holdfast.api.backup import Phase
from holdfast.decide.decision import DeleteBackup, MakeBackup
from holdfast.decide.policy import runs
from holdfast.decide.policy.runs import Ended
from holdfast.decide.policy.steps import Observation, decide
from holdfast.decide.policy.sweep import SWEEP
from holdfast.kube.kinds import BACKUPS, POLICIES
from holdfast.manifests import children
from holdfast.reconcile.backups import Backup
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds import deletions
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known, Row, Sight, Sources
from holdfast.untrusted import mapping, word


def look(sources: Sources, resource: Resource, known: Known, now: datetime) -> Sight:
    """Observe one, and ask what to do."""
    deleting = resource.deleted is not None
    backups = sources.cache.backups_of(resource.namespace, resource.name)
    retention = deletions.observe(sources, resource, backups, known, now)
    o = replace(observe(sources.cache, resource, backups, known), retention=retention)
    decision = decide(o, sources.settings, now)
    page = deletions.page_of(resource.status)
    return Sight(
        resource.namespace,
        decision,
        works={SWEEP: retention.work},
        job_of=lambda _: deletions.job(sources, resource, backups, page),
        child_of=lambda act: _child(resource, act),
        wakes=() if deleting else (*_waiting(backups), *deletions.wakes(sources, backups, page)),
    )


ROW = Row(POLICIES, look)


def observe(cache: Cache, resource: Resource, backups: Iterable[Backup], known: Known) -> Observation:
    """Read what is known of the policy and of its backups."""
    since = [each for each in backups if each.created >= resource.created]
    ended = [found for each in since if (found := _ended(each)) is not None]
    last = cache.backup(resource.namespace, word(mapping(resource.status.get("lastSuccess")).get("name")))
    return Observation(
        namespace=resource.namespace,
        name=resource.name,
        uid=resource.uid,
        created=resource.created,
        spec=resource.spec,
        status=resource.status,
        generation=resource.generation,
        deleting=resource.deleted is not None,
        ours=lambda name: _is_ours(cache.backup(resource.namespace, name), resource),
        under_way=next((_cancelling(each) for each in since if _is_busy(each, resource)), None),
        good=runs.newest(ended, good=True),
        failed=runs.newest(ended, good=False),
        recent=runs.last(ended),
        spoilt=last is not None and last.phase in (Phase.FAILED, Phase.EXPIRED),
        request=resource.backup_request,
        refused=known.refused,
    )


def _is_ours(backup: Backup | None, policy: Resource) -> bool | None:
    """Whether the policy has made it: who may write labels here may make any backup here, too."""
    return None if backup is None else (backup.made_by, backup.policy_name) == (policy.uid, policy.name)


def _is_busy(backup: Backup, policy: Resource) -> bool:
    under_way = not backup.phase.has_ended and not backup.deleting
    return backup.by_schedule and under_way and bool(_is_ours(backup, policy))


def _cancelling(backup: Backup) -> DeleteBackup:
    """Return how to cancel one: as it was seen, for it may end well meanwhile."""
    return DeleteBackup(backup.name, backup.uid, backup.resource_version)


def _ended(backup: Backup) -> Ended | None:
    if backup.completed_at is None or not (backup.good or backup.phase is Phase.FAILED):
        return None
    return Ended(
        name=backup.name,
        completed=backup.completed_at,
        good=backup.good,
        reason=backup.failed_for,
        size_bytes=backup.size_bytes,
        seconds=backup.duration_seconds,
    )


def _child(policy: Resource, act: MakeBackup) -> dict[str, Any]:
    if act.slot is not None:
        return children.by_schedule(policy.namespace, policy.name, policy.uid, act.slot)
    return children.asked_for(policy.namespace, policy.name, policy.uid, act.request, act.number)


def _waiting(backups: Iterable[Backup]) -> list[Key]:
    """Return the backups that may have waited for this policy: what stands in the queue does not."""
    there = (each for each in backups if each.waits and each.phase is not Phase.QUEUED)
    return [Key(BACKUPS.kind, backup.namespace, backup.name) for backup in there]
