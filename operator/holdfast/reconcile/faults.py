"""What a person is told where Holdfast itself fails over a resource: in that resource, and taken back when it goes on.

A reconcile that raises is tried again with a growing pause, for ever, since the next release or a mended resource may
get on with it. Whoever waits for the resource must not have to read the operator's log to learn that it stands.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

import structlog
from prometheus_client import Gauge

from holdfast import clock
from holdfast.api.conditions import ConditionType
from holdfast.decide.decision import Announcement
from holdfast.errors import Reason
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import KubeError
from holdfast.kube.kinds import Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.fetch import fetch
from holdfast.reconcile.queue import Key, Reconcile
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.status_writer import StatusWriter
from holdfast.untrusted import mappings, sentence

log = structlog.get_logger(__name__)

STUCK = Gauge("holdfast_resources_stuck", "Resources that Holdfast cannot process because of a fault in Holdfast.")
PATIENCE = 5  # failures in a row before the resource says so; with the pauses between them, some 8 s
_STALLED = str(ConditionType.STALLED)


class Now(Protocol):
    """The clock."""

    def __call__(self) -> datetime:
        """Return the time."""


class Faults:
    """Counts what goes wrong by a fault of ours, key by key, and lets the resource say so."""

    def __init__(
        self, kinds: Iterable[Kind], cache: Cache, client: KubeClient, writer: StatusWriter, now: Now
    ) -> None:  # fmt: skip
        """Take the kinds that are reconciled, what it reads from, writes to, and the clock."""
        self._kinds = {kind.kind: kind for kind in kinds}
        self._cache, self._client, self._writer, self._now = cache, client, writer, now
        self._failures: dict[Key, int] = {}
        STUCK.set_function(lambda: sum(failures >= PATIENCE for failures in self._failures.values()))

    async def guard(self, key: Key, reconcile: Reconcile) -> datetime | None:
        """Reconcile. Raises what the reconcile raises: to try again is the queue's part."""
        try:
            due = await reconcile(key)
        except KubeError:
            raise  # the API server's: it says so itself, or will be there again
        except Exception as error:
            self._failures[key] = self._failures.get(key, 0) + 1
            if self._failures[key] >= PATIENCE:
                await self._tell(key, error)
            raise
        self._failures.pop(key, None)
        await self._take_back(key)
        return due

    async def _tell(self, key: Key, error: Exception) -> None:
        kind = self._kinds.get(key.kind)
        if kind is None:
            return  # another's object: it has no status of ours to say it in, and the metric counts it
        if self._cache.store(kind).get(key.namespace, key.name) is None:
            self._failures.pop(key)
            return
        try:
            resource = await self._resource(kind, key)
        except KubeError as refusal:  # it is told when the reconcile fails again
            log.warning("Could not write into the resource what happened", error=refusal.message)
            return
        if resource is None:
            return
        text, told = _explained(error), _complaint(resource)
        if told and told.get("message") == text:
            return
        await self._write(kind, resource, "True", Reason.OPERATOR_FAULT, text)
        await self._writer.announce(kind, resource, Announcement(True, Reason.OPERATOR_FAULT, text))

    async def _resource(self, kind: Kind, key: Key) -> Resource | None:
        whole = self._cache.whole(kind, key.namespace, key.name)
        return whole or await fetch(self._cache, self._client, kind, key.namespace, key.name)

    async def _take_back(self, key: Key) -> None:
        kind = self._kinds.get(key.kind)
        if kind is None:
            return
        resource = self._cache.whole(kind, key.namespace, key.name)
        if resource is not None and _complaint(resource):
            await self._write(kind, resource, "False", "Recovered", "Holdfast goes on by itself")

    async def _write(self, kind: Kind, resource: Resource, status: str, reason: str, text: str) -> None:
        """Replace the condition Stalled, and touch nothing else: what cannot be read is not ours to lose."""
        others = [each for each in mappings(resource.status.get("conditions")) if each.get("type") != _STALLED]
        stalled = {
            "type": _STALLED,
            "status": status,
            "reason": reason,
            "message": text,
            "lastTransitionTime": clock.to_text(self._now()),
            "observedGeneration": resource.generation,
        }
        try:
            await self._writer.write(kind, resource, {**resource.status, "conditions": [*others, stalled]})
        except KubeError as refusal:  # it is told again when the reconcile fails again
            log.warning("Could not write into the resource what happened", reason=reason, error=refusal.message)


def _complaint(resource: Resource) -> Mapping[str, Any] | None:
    """Return what the resource says of a fault of ours; None where it says nothing."""
    conditions = mappings(resource.status.get("conditions"))
    stalled = (each for each in conditions if each.get("type") == _STALLED)
    return next((each for each in stalled if each.get("reason") == Reason.OPERATOR_FAULT), None)


def _explained(error: Exception) -> str:
    """Return the sentence for a person. Errors hold no secrets: the operator reads none."""
    what = f"a fault in Holdfast, which tries again each minute: {type(error).__name__}: {str(error)[:512]}"
    return sentence(f"{what}. What to do: read the operator's log, and report the fault", 2048)
