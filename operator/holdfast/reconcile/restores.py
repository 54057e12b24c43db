"""What restores are to each other, and to the backups that they read: worked out from the cache."""

from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.api.restore_status import DatabaseRestoreStatus, Phase
from holdfast.decide.servers import database_of
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.resource import Resource
from holdfast.untrusted import mapping, word

_FINAL = (Phase.SUCCEEDED, Phase.FAILED)


def is_under_way(restore: Resource) -> bool:
    """Whether it has not ended."""
    return restore.deleted is None and word(restore.status.get("phase")) not in _FINAL


def ahead(cache: Cache, resource: Resource, status: DatabaseRestoreStatus) -> str | None:
    """Return the restore that goes first: one into the same database that has begun, or was asked for earlier."""
    if status.resolved is None or status.job_name is not None or status.safety_backup is not None:
        return None
    into = _into(resource)
    others = [each for each in _all(cache) if _in_line(each) and _into(each) == into]
    begun = [each for each in others if _has_its_turn(each)]
    earlier = [each for each in others if _order(each) < _order(resource)]
    first = min(begun or earlier, key=_order, default=None)
    if first is None:
        return None
    return first.name if first.namespace == resource.namespace else f"{first.namespace}/{first.name}"


def _in_line(restore: Resource) -> bool:
    """Whether it has its turn or waits for it: one that nobody has confirmed holds up nobody."""
    return is_under_way(restore) and word(restore.status.get("phase")) != Phase.AWAITING_CONFIRMATION


def _has_its_turn(restore: Resource) -> bool:
    """Whether it has begun: with its Job, or with a backup of the target before that."""
    return any(restore.status.get(field) for field in ("jobName", "safetyBackup"))


def into_policy(cache: Cache, policy: Resource) -> str | None:
    """Return the restore into a policy's database that has its turn or waits for it; None where there is none."""
    into = database_of(policy.namespace, policy.spec)
    found = (each for each in _all(cache) if _in_line(each) and _goes_into(cache, each, policy, into))
    first = min(found, key=_order, default=None)
    return first.name if first else None


def _goes_into(cache: Cache, restore: Resource, policy: Resource, into: tuple[str, str]) -> bool:
    """Whether it goes into a policy's database; one that has not been looked at yet, by the backup that it names."""
    fixed = _into(restore)
    if fixed is not None or restore.namespace != policy.namespace or "target" in restore.spec:
        return fixed == into
    backup = cache.backup(restore.namespace, restore.restores or "")
    return backup is not None and backup.policy_name == policy.name


def undone(cache: Cache, namespace: str, name: str) -> bool:
    """Whether a restore is under way that puts back what this one replaced."""
    return any(each.namespace == namespace and _undoes(each) == name and is_under_way(each) for each in _all(cache))


def read(cache: Cache) -> frozenset[str]:
    """Return the uids of the backups that restores are reading, or are about to."""
    sources = (mapping(each.status.get("source")) for each in _all(cache) if is_under_way(each))
    return frozenset(filter(None, (word(source.get("uid")) for source in sources)))


def waiting_for(cache: Cache, resource: Resource) -> Iterator[tuple[str, str]]:
    """Return namespace and name of the restores that are to look again when this one has ended."""
    into, undoes = _into(resource), _undoes(resource)
    for each in _all(cache):
        if each.uid == resource.uid:
            continue
        waits = _in_line(each) and not _has_its_turn(each) and into is not None and _into(each) == into
        if waits or (each.namespace == resource.namespace and each.name == undoes):
            yield each.namespace, each.name


def of_backup(cache: Cache, namespace: str, backup: str, policy: str | None) -> Iterator[str]:
    """Return the restores that may go on now that this backup has ended: they may choose it, or it goes before them."""
    for each in _all(cache):
        if each.namespace != namespace or not is_under_way(each):
            continue
        if word(mapping(each.status.get("safetyBackup")).get("name")) == backup:
            yield each.name
        if "resolved" in each.status:
            continue
        source = mapping(each.spec.get("source"))
        named, of = (word(mapping(source.get(field)).get("name")) for field in ("backupRef", "policyRef"))
        if named == backup or (of and of == policy):
            yield each.name


def _all(cache: Cache) -> list[Resource]:
    return list(cache.restores.all())


def _order(restore: Resource) -> tuple[Any, ...]:
    return (restore.created, restore.namespace, restore.name)


def _into(restore: Resource) -> tuple[str, str] | None:
    """Return which database it goes into; None where that is not fixed yet."""
    resolved = mapping(restore.status.get("resolved"))
    if made := mapping(resolved.get("rds")):
        region = word(mapping(mapping(resolved.get("database")).get("instance")).get("region"))
        return f"RDS in {region}", word(made.get("identifier")).lower()
    return database_of(restore.namespace, resolved) if mapping(resolved.get("database")) else None


def _undoes(restore: Resource) -> str:
    return word(mapping(mapping(restore.spec.get("source")).get("replacedBy")).get("name"))


def policies_of(cache: Cache, namespace: str, database: Mapping[str, Any]) -> Iterator[Resource]:
    """Return the policies of a namespace that back up a database, by the words that name it."""
    into = database_of(namespace, {"database": database})
    for each in cache.policies.all():
        if each.namespace == namespace and each.deleted is None and database_of(namespace, each.spec) == into:
            yield each


def of_production(cache: Cache, namespace: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Return the policies of production in a namespace, and the database of each."""
    for each in cache.policies.all():
        if each.namespace == namespace and each.deleted is None and each.spec.get("environment") == "production":
            yield each.name, database_of(namespace, each.spec)
