"""The cache: trimmed copies of our resources and their children, with the indexes that reconciles look up by.

Of a backup that has settled only a few facts are kept (`backups.py`): there may be ten thousand of them.

It is filled from watch events and from the answers to our own writes, holds no state of its own, and is empty after
a restart: whatever must survive stands in the cluster. Nobody decides here.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from holdfast.api.backup import Phase
from holdfast.decide.backup import migration, settled
from holdfast.decide.migrations import MigrationJob, migration_job
from holdfast.decide.servers import server_of
from holdfast.decide.views import JobView, OwnerRef, PodView, job_view, pod_view
from holdfast.kube.kinds import BACKUPS, JOBS, MIGRATION_JOBS, PODS, POLICIES, RESTORES, Kind
from holdfast.reconcile.backups import Backup
from holdfast.reconcile.line import Line
from holdfast.reconcile.refusals import PodRefusal, Refusals
from holdfast.reconcile.resource import Body, Resource
from holdfast.settings import Queue
from holdfast.untrusted import fingerprint, mapping, needed, word

Name = tuple[str, str]  # namespace, name
_MAX_GRAVES = 1024


class _View(Protocol):
    """What the cache needs of every view."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def resource_version(self) -> str: ...
    @property
    def created(self) -> datetime: ...


V = TypeVar("V", bound=_View)


class Store(Generic[V]):
    """The objects of one kind, by name and by further keys (their owner's, mostly)."""

    def __init__(
        self,
        view: Callable[[Body], V],
        keys: Callable[[V], Iterable[object]],
        changed: Callable[[str, str, V | None], None] = lambda *_: None,
    ) -> None:
        """Take how to trim a body, the keys that its view is found by, and whom to tell what is held under a name now.

        A view's keys never change in place.
        """
        self._view, self._changed = view, changed
        self._keys = keys
        self.changes = 0  # how often what is held has changed: while it is the same, so is all that follows from it
        self._objects: dict[Name, V] = {}
        self._indexed: dict[object, set[Name]] = {}
        self._graves: OrderedDict[Name, str] = OrderedDict()

    def put(self, body: Body) -> bool:
        """Take the object in unless a newer version of it is held or known to be gone. Returns whether it was."""
        view = self._view(body)
        name = (view.namespace, view.name)
        held = self._objects.get(name)
        if held and is_older(view.resource_version, held.resource_version):
            return False
        if name in self._graves and is_older(view.resource_version, self._graves[name]):
            return False
        if held:
            self._drop(name)
        self._objects[name] = view
        self.changes += 1
        for key in self._keys(view):
            self._indexed.setdefault(key, set()).add(name)
        self._changed(*name, view)
        return True

    def remove(self, namespace: str, name: str, version: str) -> None:
        """Forget the object as of that version; an answer to an earlier write of ours cannot bring it back."""
        held = self._objects.get((namespace, name))
        if held and is_older(version, held.resource_version):
            return  # recreated since
        self.leave_out(namespace, name, version)

    def leave_out(self, namespace: str, name: str, version: str) -> None:
        """Hold nothing of the object, and know that its version was seen: it is gone, or cannot be read."""
        if (namespace, name) in self._objects:
            self._drop((namespace, name))
            self.changes += 1
            self._changed(namespace, name, None)
        self._graves[(namespace, name)] = version
        self._graves.move_to_end((namespace, name))
        if len(self._graves) > _MAX_GRAVES:
            self._graves.popitem(last=False)

    def knows(self, namespace: str, name: str, version: str) -> bool:
        """Whether that version has been seen, or a later one, or the object's end."""
        held = self._objects.get((namespace, name))
        last = held.resource_version if held else self._graves.get((namespace, name))
        return last is not None and not is_older(last, version)

    def get(self, namespace: str, name: str) -> V | None:
        """Return the object of that name."""
        return self._objects.get((namespace, name))

    def all(self) -> Collection[V]:
        """Return every object."""
        return self._objects.values()

    def find(self, key: object) -> list[V]:
        """Return the objects with that key, oldest first."""
        found = [self._objects[name] for name in self._indexed.get(key, ())]
        return sorted(found, key=lambda view: (view.created, view.name))

    def count(self, key: object) -> int:
        """Return how many objects have that key."""
        return len(self._indexed.get(key, ()))

    def _drop(self, name: Name) -> None:
        for key in self._keys(self._objects.pop(name)):
            self._indexed[key].discard(name)
            if not self._indexed[key]:
                del self._indexed[key]


def is_older(version: str, than: str) -> bool:
    """Compare resource versions of one kind: numbers in every Kubernetes there is; others are taken as newer."""
    return _is_number(version) and _is_number(than) and int(version) < int(than)


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdigit()


def _uid_key(resource: _View) -> Iterable[object]:
    yield ("uid", resource.namespace, resource.uid)


def _backup_keys(backup: Backup) -> Iterable[object]:
    yield from _uid_key(backup)
    if backup.policy_name is not None:
        yield ("policy", backup.namespace, backup.policy_name)
        if backup.waits:
            yield ("waits", backup.namespace, backup.policy_name)
    if backup.backup_id is not None:
        yield ("id", backup.namespace, backup.backup_id)
    if backup.migrates is not None:
        yield ("migrates", backup.namespace, backup.migrates)
    if backup.good_of is not None:
        yield ("good", backup.namespace, backup.good_of)


def _job_keys(job: JobView) -> Iterable[object]:
    yield (job.namespace, job.labelled)
    if job.made_by is not None and job.controller is None and not job.finished:
        yield ("outliving", job.made_by)


def _migration_keys(job: MigrationJob) -> Iterable[object]:
    yield from _uid_key(job)
    yield ("policy", job.namespace, job.policy)


class Cache:
    """What the cluster holds, as far as we have seen."""

    def __init__(self, kinds: Iterable[Kind] = (), limits: Queue | None = None) -> None:
        """Start empty. Take the kinds of ours, each kept whole but for backups, and how many backups may run."""
        self.backups: Store[Backup] = Store(Backup.of, _backup_keys, self._backup_changed)
        self.policies: Store[Resource] = Store(Resource.of, _uid_key, self._policy_changed)
        self.restores: Store[Resource] = Store(Resource.of, _uid_key)
        self.limits = limits or Queue()
        self.line = Line(self.limits)
        self._servers: dict[Name, str] = {}  # that the backups of a policy burden
        self.jobs: Store[JobView] = Store(job_view, _job_keys)
        self.migrations: Store[MigrationJob] = Store(migration_job, _migration_keys)
        self.pods: Store[PodView] = Store(pod_view, lambda it: [(it.namespace, it.job_name)])
        self.refusals = Refusals()
        self.maker: str | None = None  # as whom we make Jobs; None: it has not been asked yet
        self._heard: dict[tuple[Kind, str | None], float] = {}
        ours: dict[Kind, Store[Any]] = {kind: Store(Resource.of, _uid_key) for kind in kinds}
        ours |= {BACKUPS: self.backups, POLICIES: self.policies, RESTORES: self.restores}
        others: dict[Kind, Store[Any]] = {JOBS: self.jobs, PODS: self.pods, MIGRATION_JOBS: self.migrations}
        self._stores: dict[Kind, Store[Any]] = {**ours, **others}
        self._owners = {kind.kind: store for kind, store in ours.items()}

    def store(self, kind: Kind) -> Store[Any]:
        """Return the objects of a kind."""
        return self._stores[kind]

    def hear(self, kind: Kind, namespace: str) -> None:
        """Note that a watch has brought something of a kind from a namespace, whatever it was."""
        self._heard[kind, namespace] = self._heard[kind, None] = time.monotonic()

    def heard(self, kind: Kind, namespace: str | None) -> float:
        """Return when a watch last brought something of a kind from a namespace, or from any (None)."""
        return self._heard.get((kind, namespace), -math.inf)

    def put(self, kind: Kind, body: Body) -> bool:
        """Take an object in, from a watch event or the answer to a write of ours. Returns whether it was news."""
        return self._stores[kind].put(body)

    def remove(self, kind: Kind, body: Body) -> None:
        """Forget an object that is gone, as of the version in its last body."""
        meta = mapping(body.get("metadata"))
        version = word(meta.get("resourceVersion")) or "0"
        self._stores[kind].remove(needed(meta, "namespace"), needed(meta, "name"), version)

    def backup(self, namespace: str, name: str) -> Backup | None:
        """Return what is known of a DatabaseBackup."""
        return self.backups.get(namespace, name)

    def whole(self, kind: Kind, namespace: str, name: str) -> Resource | None:
        """Return one of our resources as the API gave it, or what is kept of another's; None of a settled backup."""
        held: Resource | Backup | None = self._stores[kind].get(namespace, name)
        return held.whole if isinstance(held, Backup) else held

    def has_untidied_jobs(self, backup: Backup) -> bool:
        """Whether a Job of a backup that has settled is still to be ended, or to be given a time to live."""
        jobs = (self.job(backup.namespace, name) for name in backup.job_names)
        return any(job is not None and settled.is_untidied(job, backup.ref) for job in jobs)

    def waiting_for(self, namespace: str, policy: str) -> list[Backup]:
        """Return the backups that refer to a policy and have not begun, oldest first."""
        return self.backups.find(("waits", namespace, policy))

    def half_deleted(self, namespace: str, policy: str) -> list[Backup]:
        """Return the backups whose data a policy is deleting."""
        return [each for each in self.backups_of(namespace, policy) if each.phase is Phase.DELETING]

    def _backup_changed(self, namespace: str, name: str, backup: Backup | None) -> None:
        if backup is None:
            self.line.forget(namespace, name)
        elif backup.server is not None or backup.policy_name is None:
            self.line.follow(backup, backup.server)
        else:
            self.line.follow(backup, self._servers.get((namespace, backup.policy_name)))

    def _policy_changed(self, namespace: str, name: str, policy: Resource | None) -> None:
        """Have the backups stand in the line of the server that their policy names now, or in none."""
        server = server_of(namespace, policy.spec) if policy is not None and policy.deleted is None else None
        if server == self._servers.get((namespace, name)):
            return
        if server is None:
            del self._servers[namespace, name]
        else:
            self._servers[namespace, name] = server
        for backup in self.waiting_for(namespace, name):
            self.line.follow(backup, server)

    def policy(self, namespace: str, name: str) -> Resource | None:
        """Return a BackupPolicy."""
        return self.policies.get(namespace, name)

    def job(self, namespace: str, name: str) -> JobView | None:
        """Return a Job that carries our label."""
        return self.jobs.get(namespace, name)

    def migration(self, namespace: str, name: str) -> MigrationJob | None:
        """Return a Job of others that asks for a backup before it."""
        return self.migrations.get(namespace, name)

    def migrations_of(self, namespace: str, policy: str) -> list[MigrationJob]:
        """Return the Jobs of others that ask for a backup of a policy, oldest first."""
        return self.migrations.find(("policy", namespace, policy))

    def migration_before(self, namespace: str, uid: str | None) -> MigrationJob | None:
        """Return the Job with that uid that a backup was taken for, while it is there and watched."""
        found = self.migrations.find(("uid", namespace, uid))  # none has the uid None
        return found[0] if found else None

    def has_news_of_its_migration(self, backup: Backup) -> bool:
        """Whether something has become of the Job that a good backup was taken for, which its status does not say."""
        if backup.migrates is None or backup.phase is not Phase.SUCCEEDED:
            return False
        job = self.migration_before(backup.namespace, backup.migrates)
        there = self.rollback_of(job) if job is not None else None
        known = (backup.released, backup.migrated, backup.rolled_back)
        return migration.is_news(*known, job, there is not None and there.restores == backup.name)

    def rollback_of(self, job: MigrationJob) -> Resource | None:
        """Return the restore that bears the name of a Job's rollback."""
        return self.restores.get(job.namespace, job.rollback_name)

    def backups_for(self, job: MigrationJob) -> list[Backup]:
        """Return the backups that were taken for a Job, oldest first."""
        return self.backups.find(("migrates", job.namespace, job.uid))

    def backups_of(self, namespace: str, policy: str) -> list[Backup]:
        """Return the backups that refer to a policy, oldest first."""
        return self.backups.find(("policy", namespace, policy))

    def good_backups_of(self, namespace: str, database: Body) -> list[Backup]:
        """Return the succeeded backups of a database that say which server's major version they are of."""
        return self.backups.find(("good", namespace, fingerprint(database)))

    def owner_of(self, child: JobView | PodView) -> tuple[str, str] | None:
        """Return kind and name of the resource in the child's namespace that the child's labels say it is for."""
        if child.labelled is None or (owners := self._owners.get(child.labelled.kind)) is None:
            return None
        found = owners.find(("uid", child.namespace, child.labelled.uid))
        return (child.labelled.kind, found[0].name) if found else None

    def jobs_of(self, namespace: str, owner: OwnerRef) -> list[JobView]:
        """Return the Jobs of the namespace whose labels say that they are for this resource, oldest first."""
        return self.jobs.find((namespace, owner))

    def outliving(self) -> int:
        """Return how many Jobs of ours run that no resource owns: they delete what somebody has deleted."""
        return self.jobs.count(("outliving", self.maker))

    def pods_named(self, namespace: str, job_name: str) -> list[PodView]:
        """Return the Pods that carry the Job's name as label, whoever made them, oldest first."""
        return self.pods.find((namespace, job_name))

    def refusals_of(self, job: JobView) -> list[PodRefusal]:
        """Return what Events say why the Job's Pod could not be created."""
        return self.refusals.of(job.namespace, job.uid)
