"""The leader's work, put together: watches, cache, queue, loop, clock, audit. One call runs it all."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime

import structlog
from prometheus_client import REGISTRY

from holdfast import clock
from holdfast.handlers import watches
from holdfast.kube.access import Credentials
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import KubeError
from holdfast.kube.events import EventRecorder
from holdfast.kube.kinds import POLICIES
from holdfast.process.audit import Audit
from holdfast.process.health import Health
from holdfast.process.metrics import BackupCollector
from holdfast.process.namespaces import Namespaces
from holdfast.process.policy_metrics import PolicyCollector
from holdfast.process.retention_metrics import RetentionCollector
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.clocktask import ClockTask
from holdfast.reconcile.faults import Faults
from holdfast.reconcile.kinds.table import KINDS, TABLE
from holdfast.reconcile.leftovers import Leftovers
from holdfast.reconcile.loop import Loop
from holdfast.reconcile.plans import Plans
from holdfast.reconcile.queue import Key, WorkQueue
from holdfast.reconcile.sight import Sources
from holdfast.reconcile.status_writer import StatusWriter
from holdfast.settings import Settings

log = structlog.get_logger(__name__)

WORKERS = 16


class Operator:
    """Everything that only the leader has."""

    def __init__(
        self,
        client: KubeClient,
        login: Callable[[], Awaitable[Credentials]],
        settings: Settings,
        health: Health,
        home: str | None = None,
    ) -> None:
        """Take the client, what kopf logs in with, the settings, and whom to tell about health. Needs a loop.

        `home` is the operator's own namespace, where it has one.
        """
        self._health = health
        self.cache = Cache(KINDS, settings.queue)
        self._queue = WorkQueue()
        self._client = client
        self._namespaces = Namespaces(client, settings.watch_namespaces)
        self._begun: asyncio.Future[Audit] = asyncio.get_running_loop().create_future()
        self._clock = ClockTask(self._queue, clock.now, self._keys)
        # one kopf for what is ours, and another for the Jobs of others, where they are held
        self._watched = (watches.WATCHES, watches.GATE) if settings.migration_gate.enabled else (watches.WATCHES,)
        self._registries = [watches.registry(self.cache, self._queue, login, each) for each in self._watched]
        recorder = EventRecorder(client)
        writer = StatusWriter(self.cache, client, recorder, clock.now)
        self._faults = Faults(KINDS, self.cache, client, writer, clock.now)
        sources = Sources(self.cache, Plans(self.cache, settings, clock.now), writer, settings)
        leftovers = Leftovers(recorder, home, clock.now)
        self._loop = Loop(TABLE, sources, client, self._queue.add, clock.now, leftovers)

    async def work(self) -> None:
        """Reconcile, for ever; first when the watches have brought what there is. Raises KubeError, TimeoutError."""
        self._health.ready = lambda: False
        watched = [watch for each in self._watched for watch in each]
        audit = Audit(self.cache, self._queue, self._client, await self._namespaces.watchable(), watched)
        self._begun.set_result(audit)
        await audit.wait_until_filled()
        log.info("Watching", backups=len(self.cache.backups.all()), policies=len(self.cache.policies.all()))
        REGISTRY.register(BackupCollector(self.cache))
        REGISTRY.register(PolicyCollector(self.cache))
        REGISTRY.register(RetentionCollector(self.cache))
        self._health.ticked = lambda: self._clock.ticked
        self._health.behind = lambda: audit.behind
        self._health.ready = lambda: True
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.work(self._reconcile, self._clock.due, WORKERS), name="queue")
            group.create_task(self._clock.run(), name="clock")
            group.create_task(audit.run(), name="audit")

    async def follow_namespaces(self) -> None:
        """Wait, for ever. Raises NamespacesChanged once others can be watched than are, Refused when none can."""
        audit = await self._begun
        await self._namespaces.follow(audit.namespaces)

    async def watch(self, on_started: Callable[[], None]) -> None:
        """Run kopf's watches, for ever. `on_started` is called once kopf has put its own signal handlers in place.

        Raises KubeError where the API
        server says why a watch ended.
        """
        audit = await self._begun
        streaming = await self._streams(audit.namespaces)
        async with AsyncExitStack() as stack:
            tasks: list[asyncio.Task[None]] = []
            for registry, watched in zip(self._registries, self._watched, strict=True):
                running = watches.running(registry, audit.namespaces, streaming=streaming, watches=watched)
                tasks += await stack.enter_async_context(running)
            on_started()
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await audit.compare()  # a kind that is gone or a right withdrawn: told in the server's own words
            for task in done:
                await task
            raise RuntimeError(f"kopf ended: {', '.join(task.get_name() for task in done)}")

    async def _streams(self, namespaces: Sequence[str]) -> bool:
        """Whether what there is can be streamed. Where it is not known, it is listed in pages, which is only slower."""
        try:
            return await self._client.streams(POLICIES, next(iter(namespaces), None))
        except KubeError as error:
            log.info("Filling the cache by lists: the API server does not stream them", reason=error.message)
            return False

    async def _reconcile(self, key: Key) -> datetime | None:
        return await self._faults.guard(key, self._loop.reconcile)

    def _keys(self) -> Iterator[Key]:
        for kind in (row.kind for row in TABLE):
            for resource in self.cache.store(kind).all():
                yield Key(kind.kind, resource.namespace, resource.name)
