"""One resource of any kind: observe it, decide the next step, apply that; again, until nothing is left to do.

Each step is safe to repeat: the operator may be killed between any two of them, and the next one sees where it was.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from holdfast.decide.decision import MakeBackup
from holdfast.kube.client import KubeClient
from holdfast.reconcile.acts import Acts
from holdfast.reconcile.fetch import fetch
from holdfast.reconcile.leftovers import Leftovers
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known, Row, Sight, Sources

MAX_STEPS = 10  # more in one go would be a decision that never rests


class Loop:
    """Brings one resource a reconcile as far as it goes now."""

    def __init__(
        self,
        table: Iterable[Row],
        sources: Sources,
        client: KubeClient,
        wake: Callable[[Key], None],
        now: Callable[[], datetime],
        leftovers: Leftovers,
    ) -> None:
        """Take the kinds, what they are observed from, where it writes to, whom to tell of others' keys, the clock.

        And where it is told of data that is left.
        """
        self._rows = {row.kind.kind: row for row in table}
        self._sources, self._client, self._wake, self._now = sources, client, wake, now
        self._acts = Acts(sources.cache, client, now, leftovers)

    async def reconcile(self, key: Key) -> datetime | None:
        """Do what is to be done now; return when to look again though no event comes. Raises KubeError."""
        try:
            return await self._bring_on(key)
        except Exception as error:
            for other in self._rows[key.kind].stumbled(self._sources, key.namespace, key.name, error):
                self._wake(other)
            raise

    async def _bring_on(self, key: Key) -> datetime | None:
        row, known, written = self._rows[key.kind], Known(), None
        woken: set[Key] = set()
        for _ in range(MAX_STEPS):
            resource = await self._resource(row, key, written)
            if resource is None:
                return None
            sight = row.look(self._sources, resource, known, self._now())
            self._wake_once(sight, woken)
            written = await self._write(row, resource, sight)
            if written is not None:
                continue  # what is to be done rests on what stands there now, which may be somebody else's words
            act = sight.decision.act
            learnt = await self._acts.act(sight, act, known) if act else None
            if learnt is None:
                return sight.decision.due
            if isinstance(act, MakeBackup) and act.name not in learnt.refused:
                # What is to be written of it comes at the end of the queue: where a thousand policies are due at once,
                # the last one's backup is not to wait for all that is written of the first.
                self._wake(key)
                return None
            known = learnt
        raise RuntimeError(f"{key.kind} {key.namespace}/{key.name}: no rest after {MAX_STEPS} steps")

    async def _resource(self, row: Row, key: Key, written: Resource | None) -> Resource | None:
        """Return the whole resource; None where it is gone, or where only facts of it are kept and they suffice."""
        held = self._sources.cache.store(row.kind).get(key.namespace, key.name)
        if held is None:
            return None
        whole = self._sources.cache.whole(row.kind, key.namespace, key.name)
        if whole is not None:
            return whole
        if written is not None and written.resource_version == held.resource_version:
            return written  # what made it settle; what is left are the Jobs
        if not row.is_wanted(self._sources, key.namespace, key.name):
            return None
        return await fetch(self._sources.cache, self._client, row.kind, key.namespace, key.name)

    async def _write(self, row: Row, resource: Resource, sight: Sight) -> Resource | None:
        """Return what stands there after a write; None where nothing was to be written, or the resource is gone."""
        status, said = sight.decision.status, sight.decision.announcement
        if status is None:
            return None
        return await self._sources.writer.write(row.kind, resource, status.to_dict(), said)

    def _wake_once(self, sight: Sight, woken: set[Key]) -> None:
        """Have others look again, before anything may fail here; once, however many looks this takes."""
        for key in sight.wakes:
            if key not in woken:
                woken.add(key)
                self._wake(key)
