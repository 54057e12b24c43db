"""The Lease: one leader among the operator's replicas. It knows nothing of what a leader does.

The rules are client-go's: a contender takes the Lease when it is free or when its holder has not renewed it for the
whole duration *as measured by the contender's own clock*, never by comparing clocks of two machines; the leader
gives up well before that (`deadline` < `duration`), so that there is no time with two. Every write carries the
version last seen, so a write can never undo a takeover. docs/adr/0004-leader-election.md says why this is ours.
"""

import asyncio
import time
from typing import NoReturn

import structlog

from holdfast import clock
from holdfast.kube.client import KubeClient, Object
from holdfast.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from holdfast.kube.kinds import LEASES

log = structlog.get_logger(__name__)


class LeaseLost(Exception):  # noqa: N818 - an event, not a fault
    """Another one leads, or may lead from now on."""


class Lease:
    """One contender for one Lease."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration: float = 30,
        deadline: float = 20,
        period: float = 4,
    ) -> None:
        """Take an identity that no other process ever has, and times in seconds.

        `duration`: a silent leader is replaced after it. `deadline`: a leader that could not renew gives up after it.
        `period`: between two tries. One call must not take longer than the deadline allows: two calls fit into it.
        """
        self._client = client
        self._namespace, self._name, self._identity = namespace, name, identity
        self._duration, self._deadline, self._period = duration, deadline, period
        self._version: str | None = None  # of the Lease as we last saw or wrote it
        self.reached = False  # whether the Lease could be read or written at all
        self._seen_at = 0.0  # when we saw that version, on our own monotonic clock

    async def acquire(self) -> None:
        """Return once this process leads. Tries for ever; an API server that does not answer is waited for."""
        while True:
            try:
                async with asyncio.timeout(self._deadline / 2):
                    if await self._try():
                        return
            except (KubeError, TimeoutError) as error:
                log.warning("Lease not to be had now", lease=self._name, error=str(error) or "no answer in time")
            await asyncio.sleep(self._period)

    async def keep(self) -> NoReturn:
        """Renew for as long as this process may lead; then raise LeaseLost."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self._period)
            began = time.monotonic()
            try:
                async with asyncio.timeout(min(self._deadline / 2, max(0, renewed + self._deadline - began))):
                    await self._write_as_holder(self._mine())
            except (KubeError, TimeoutError) as error:
                log.warning("Lease not renewed", lease=self._name, error=str(error) or "no answer in time")
            else:
                renewed = began  # the server may have taken it as early as that
            if time.monotonic() - renewed >= self._deadline:
                raise LeaseLost(f"not renewed for {self._deadline:g} s")

    async def release(self) -> None:
        """Free the Lease, so that another replica leads at once.

        Raises LeaseLost when another one holds it, KubeError or TimeoutError when it cannot be told.
        """
        async with asyncio.timeout(self._deadline / 2):
            await self._write_as_holder({"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()})

    async def _try(self) -> bool:
        try:
            held = await self._client.get(LEASES, self._namespace, self._name)
        except NotFound:
            return await self._create()
        self.reached = True
        spec = held.get("spec") or {}
        version = held["metadata"]["resourceVersion"]
        if version != self._version:
            self._version, self._seen_at = version, time.monotonic()
        free = not spec.get("holderIdentity")
        lapsed = time.monotonic() - self._seen_at > max(self._duration, spec.get("leaseDurationSeconds") or 0)
        return (free or lapsed) and await self._take(int(spec.get("leaseTransitions") or 0) + 1)

    async def _create(self) -> bool:
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"namespace": self._namespace, "name": self._name},
            "spec": {**self._mine(), "acquireTime": _now(), "leaseTransitions": 0},
        }
        try:
            created = await self._client.create(LEASES, self._namespace, body)
        except AlreadyExists:
            return False
        self._version = created["metadata"]["resourceVersion"]
        return True

    async def _take(self, transitions: int) -> bool:
        try:
            await self._write({**self._mine(), "acquireTime": _now(), "leaseTransitions": transitions})
        except Conflict:
            return False
        return True

    async def _write_as_holder(self, spec: Object) -> None:
        try:
            await self._write(spec)
        except Conflict:  # somebody took it, or only touched its labels; or a write of ours was cut off
            held = await self._client.get(LEASES, self._namespace, self._name)
            if held["spec"].get("holderIdentity") != self._identity:
                raise LeaseLost(f"held by {held['spec'].get('holderIdentity') or 'nobody'}") from None
            self._version = held["metadata"]["resourceVersion"]
            await self._write(spec)
        except NotFound:
            raise LeaseLost("deleted") from None

    def _mine(self) -> Object:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "renewTime": _now(),
        }

    async def _write(self, spec: Object) -> None:
        body = {"metadata": {"resourceVersion": self._version}, "spec": spec}
        written = await self._client.patch(LEASES, self._namespace, self._name, body)
        self._version = written["metadata"]["resourceVersion"]


def _now() -> str:
    """Return the time as `metav1.MicroTime` has it. For people only: no contender compares it with its clock."""
    return clock.now().strftime("%Y-%m-%dT%H:%M:%S.000000Z")
