"""The watches: kopf brings events, we put a trimmed copy into the cache and a key into the queue. Nothing else.

kopf's event handlers are never retried and must not wait for anything: no call, no decision, no write here. kopf
itself writes nothing either: no handler of ours has progress to store, needs a finalizer or posts Events.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import kopf
import structlog
from prometheus_client import Counter

from holdfast import naming
from holdfast.handlers.login import connection
from holdfast.handlers.storage import NoDiffBase, NoProgress
from holdfast.kube.access import Credentials
from holdfast.kube.kinds import BACKUPS, JOBS, MIGRATION_JOBS, PODS, POLICIES, RESTORES, Kind
from holdfast.reconcile import restores
from holdfast.reconcile.backups import Backup
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.kinds.table import KINDS
from holdfast.reconcile.queue import Key, WorkQueue
from holdfast.reconcile.resource import Body
from holdfast.untrusted import mapping, needed, word

log = structlog.get_logger(__name__)

UNREADABLE = Counter("holdfast_unreadable_objects_total", "Objects left out because they cannot be read.", ["kind"])
_CLOSE_SECONDS = 3.0  # that the watches may take to close; they write nothing
_OURS = f"{naming.MANAGED_BY}={naming.MANAGER}"


@dataclass(frozen=True)
class Watch:
    """A kind to watch, and which objects of it the server is to send."""

    kind: Kind
    label_selector: str | None = None


WATCHES = (
    *map(Watch, KINDS),
    Watch(JOBS, label_selector=_OURS),
    Watch(PODS, label_selector=_OURS),
)


# What is watched beside where migration Jobs are held. kopf knows one selector for a kind: these are watched by another
# kopf, in the same process.
GATE = (Watch(MIGRATION_JOBS, label_selector=naming.LABEL_BACKUP_FIRST),)


def registry(
    cache: Cache,
    queue: WorkQueue,
    login: Callable[[], Awaitable[Credentials]],
    watches: Sequence[Watch] = WATCHES,
) -> kopf.OperatorRegistry:
    """Make the handlers of these watches, and of the login, which is asked again when the server refuses a token."""
    handlers = kopf.OperatorRegistry()
    for watch in watches:
        _listen(handlers, watch.kind, cache, queue)

    @kopf.on.login(registry=handlers)
    async def connect(**_: object) -> kopf.ConnectionInfo:
        return connection(await login())

    return handlers


def _listen(handlers: kopf.OperatorRegistry, kind: Kind, cache: Cache, queue: WorkQueue) -> None:
    @kopf.on.event(group=kind.group, version=kind.version, plural=kind.plural, registry=handlers, id=kind.plural)
    async def handle(event: Mapping[str, Any], **_: object) -> None:
        meta = mapping(mapping(event.get("object")).get("metadata"))
        cache.hear(kind, word(meta.get("namespace")))
        take(kind, event, cache, queue)


def take(kind: Kind, event: Mapping[str, Any], cache: Cache, queue: WorkQueue) -> None:
    """Put what an event brings into the cache, and what it belongs to into the queue. Never raises.

    An object that cannot be read is left out, loudly, and counts as brought: neither is the watch behind for it, nor
    is any other object.
    """
    body = mapping(event.get("object"))
    try:
        gone = event.get("type") == "DELETED"
        keys = set(keys_of(kind, body, cache, gone=gone))
        if gone:
            cache.remove(kind, body)
        else:
            cache.put(kind, body)
            keys |= set(keys_of(kind, body, cache))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one object must stay with that object
        _leave_out(kind, body, cache, error)
        keys = set()
    if kind in (BACKUPS, POLICIES):
        keys |= {Key(BACKUPS.kind, *name) for name in cache.line.next_up()}  # whose turn has come by this
    for key in keys:
        queue.add(key)


def _leave_out(kind: Kind, body: Body, cache: Cache, error: Exception) -> None:
    meta = mapping(body.get("metadata"))
    namespace, name = word(meta.get("namespace")), word(meta.get("name"))
    UNREADABLE.labels(kind.kind).inc()
    log.error(
        "Object left out: it cannot be read", kind=kind.kind, namespace=namespace, name=name, error=repr(error)[:512]
    )
    cache.store(kind).leave_out(namespace, name, word(meta.get("resourceVersion")))


def keys_of(kind: Kind, body: Body, cache: Cache, *, gone: bool = False) -> Iterator[Key]:
    """Say what to reconcile when that object has changed: itself, or the resource that it belongs to."""
    meta = mapping(body.get("metadata"))
    namespace, name = needed(meta, "namespace"), needed(meta, "name")
    if kind not in (JOBS, PODS):
        yield Key(kind.kind, namespace, name)
        yield from _concerned(kind, namespace, name, cache, gone=gone)
        return
    child = cache.store(kind).get(namespace, name)
    owner = child and cache.owner_of(child)
    if owner:
        yield Key(owner[0], namespace, owner[1])


def _concerned(kind: Kind, namespace: str, name: str, cache: Cache, *, gone: bool) -> Iterator[Key]:
    """Say who else goes by what has become of it."""
    backup = cache.backup(namespace, name) if kind == BACKUPS else None
    job = cache.migration(namespace, name) if kind == MIGRATION_JOBS else None
    if backup:
        yield from _of_backup(backup, cache, gone=gone)
    elif job:
        yield from (Key(BACKUPS.kind, namespace, each.name) for each in cache.backups_for(job))
        yield from _held(namespace, job.policy, cache)
    elif kind == RESTORES:
        yield from _of_restore(namespace, name, cache)
    elif kind == POLICIES:
        yield from _held(namespace, name, cache)
        concerned = [*cache.waiting_for(namespace, name), *cache.half_deleted(namespace, name)] if gone else []
        yield from (Key(BACKUPS.kind, namespace, each.name) for each in concerned)


def _of_backup(backup: Backup, cache: Cache, *, gone: bool) -> Iterator[Key]:
    namespace, ended = backup.namespace, gone or backup.deleting or backup.phase.has_ended
    if ended and backup.policy_name:
        # which its policy tells of, or made another instead of, or made it and wants to delete it
        yield Key(POLICIES.kind, namespace, backup.policy_name)
    if ended:
        waiting = restores.of_backup(cache, namespace, backup.name, backup.policy_name)
        yield from (Key(RESTORES.kind, namespace, each) for each in waiting)
    before = cache.migration_before(namespace, backup.migrates)
    if before:
        yield Key(MIGRATION_JOBS.kind, namespace, before.name)
        yield from _held(namespace, before.policy, cache)


def _of_restore(namespace: str, name: str, cache: Cache) -> Iterator[Key]:
    """Say whose rollback it is, and which Jobs may have waited for it: there are few of either."""
    restore = cache.restores.get(namespace, name)
    backup = cache.backup(namespace, restore.restores) if restore and restore.restores else None
    job = cache.migration_before(namespace, backup.migrates) if backup else None
    if backup and job and job.rollback_name == name:
        yield Key(BACKUPS.kind, namespace, backup.name)
        yield Key(MIGRATION_JOBS.kind, namespace, job.name)
    held = (each for each in cache.migrations.all() if each.held)
    yield from (Key(MIGRATION_JOBS.kind, each.namespace, each.name) for each in held)


def _held(namespace: str, policy: str, cache: Cache) -> Iterator[Key]:
    """Say which Jobs wait for a backup of a policy, or for one another."""
    held = (each for each in cache.migrations_of(namespace, policy) if each.held)
    yield from (Key(MIGRATION_JOBS.kind, namespace, each.name) for each in held)


@asynccontextmanager
async def running(
    handlers: kopf.OperatorRegistry,
    namespaces: Collection[str],
    *,
    streaming: bool,
    watches: Sequence[Watch] = WATCHES,
) -> AsyncIterator[Collection["asyncio.Task[None]"]]:
    """Run kopf's watches within the block, in these namespaces or, without any, in all.

    Where the server streams what there is, nothing is listed.
    kopf's own way of running its tasks would end ours too, when one of its ends.
    """
    tasks = await kopf.spawn_tasks(
        registry=handlers,
        settings=settings(streaming=streaming, watches=watches),
        clusterwide=not namespaces,
        namespaces=namespaces,
    )
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_CLOSE_SECONDS)


def settings(*, streaming: bool, watches: Sequence[Watch] = WATCHES) -> kopf.OperatorSettings:
    """Return kopf's settings; each deviation from its defaults says why."""
    result = kopf.OperatorSettings()
    result.scanning.disabled = True  # our kinds do not come and go; no right to watch CRDs and namespaces is needed
    result.peering.standalone = True  # the Lease says who works
    result.process.ultimate_exiting_timeout = None  # the kubelet ends what hangs
    result.posting.enabled = False  # Events are written by the recorder
    # kopf holds whatever comes while no slot is free, and a slot stays taken for some dozen turns of the loop and for
    # idle_timeout. One object comes a turn: with these, a slot is free for each, and no more than that are ever held.
    result.queueing.worker_limit = 20
    result.queueing.idle_timeout = 0.001
    result.queueing.exit_timeout = 0.5
    result.watching.initial_streaming = streaming  # one object at a time, however big it is
    result.watching.chunk_size = 5  # of a list: each of up to 1.5 MB, and a page is in memory three times for a moment
    result.watching.inactivity_timeout = 70  # bookmarks come each minute; a silent stream is opened anew
    result.networking.request_timeout = 30
    result.networking.connect_timeout = 10
    result.persistence.finalizer = f"{naming.GROUP}/operator"  # never written, as no handler needs one
    result.persistence.progress_storage = NoProgress()
    result.persistence.diffbase_storage = NoDiffBase()
    for watch in watches:
        where = (watch.kind.group, watch.kind.version, watch.kind.plural)
        if watch.label_selector:
            result.watching.label_selectors[where] = watch.label_selector
    return result
