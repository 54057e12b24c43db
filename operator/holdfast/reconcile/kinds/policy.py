"""A BackupPolicy: what a decision about it sees, whom to ask what to do, and the backups that wait for it."""

from datetime import datetime

from holdfast.decide.policy.steps import Observation, decide
from holdfast.kube.kinds import BACKUPS, POLICIES
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known, Row, Sight, Sources


def look(sources: Sources, resource: Resource, _: Known, now: datetime) -> Sight:
    """Observe one, and ask what to do."""
    deleting = resource.deleted is not None
    o = Observation(resource.spec, resource.status, resource.generation, deleting)
    wakes = () if deleting else tuple(_waiting(sources, resource))
    return Sight(resource.namespace, decide(o, sources.settings, now), wakes=wakes)


ROW = Row(POLICIES, look)


def _waiting(sources: Sources, resource: Resource) -> list[Key]:
    """Return the backups that have not begun: they may have waited for this policy, or for its correction."""
    backups = sources.cache.backups_of(resource.namespace, resource.name)
    return [Key(BACKUPS.kind, backup.namespace, backup.name) for backup in backups if backup.backup_id is None]
