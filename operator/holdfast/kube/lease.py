"""The Lease: one leader among the operator's replicas. It knows nothing of what a leader does.

The rules are client-go's: a contender takes the Lease when it is free or when its holder has not renewed it for the
whole duration *as measured by the contender's own clock*, never by comparing clocks of two machines; the leader
gives up well before that (`deadline` < `duration`), counted from when it began to ask for its last renewal, so that
there is no time with two. Every write carries the version last seen, so a write can never undo a takeover.
docs/adr/0004-leader-election.md says why this is ours.
"""

import asyncio
import itertools
import math
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

        Raises ValueError for times that would let two lead.
        """
        if not 0 < 2 * period <= deadline < duration:
            raise ValueError(
                f"a leader must try twice (each {period:g} s) before it gives up (after {deadline:g} s), and must "
                f"give up before another may lead (after {duration:g} s)"
            )
        self._client = client
        self._namespace, self._name, self._identity = namespace, name, identity
        self._duration, self._deadline, self._period = duration, deadline, period
        self._version: str | None = None  # of the Lease as we last saw or wrote it
        self.reached = False  # whether the Lease could be read or written at all
        self._seen_at = 0.0  # when we saw that version, on our own monotonic clock
        self._writes = itertools.count()
        self._renewed = -math.inf  # when we began to ask for what makes us lead: the server may have it since then

    async def acquire(self) -> None:
        """Return once this process leads. Tries for ever; an API server that does not answer is waited for."""
        while True:
            began = _clock()
            try:
                async with asyncio.timeout(self._deadline / 2):
                    if await self._try():
                        self._renewed = began
                        return
            except (KubeError, TimeoutError) as error:
                log.warning("Could not get the Lease", lease=self._name, error=str(error) or "no answer in time")
            await asyncio.sleep(self._period)

    async def keep(self) -> NoReturn:
        """Renew for as long as this process may lead; then raise LeaseLost."""
        while True:
            await asyncio.sleep(min(self._period, max(0, self._left())))
            began, left = _clock(), self._left()
            if left <= 0:
                raise LeaseLost(f"not renewed for {self._deadline:g} s")
            try:
                async with asyncio.timeout(min(self._deadline / 2, left)):
                    await self._write_as_holder(self._mine())
            except (KubeError, TimeoutError) as error:
                log.warning("Lease not renewed", lease=self._name, error=str(error) or "no answer in time")
            else:
                self._renewed = began

    def _left(self) -> float:
        """Return the seconds that this process may still lead."""
        return self._renewed + self._deadline - _clock()

    async def release(self) -> None:
        """Free the Lease, so that another replica leads at once.

        Raises LeaseLost when another one holds it, KubeError or TimeoutError when it cannot be told.
        """
        async with asyncio.timeout(self._deadline / 2):
            await self._write_as_holder({"holderIdentity": ""})

    async def _try(self) -> bool:
        try:
            held = await self._client.get(LEASES, self._namespace, self._name)
        except NotFound:
            return await self._create()
        self.reached = True
        spec = held.get("spec") or {}
        version = held["metadata"]["resourceVersion"]
        if version != self._version:
            self._version, self._seen_at = version, _clock()
        free = not spec.get("holderIdentity")
        lapsed = _clock() - self._seen_at > max(self._duration, spec.get("leaseDurationSeconds") or 0)
        return (free or lapsed) and await self._take(int(spec.get("leaseTransitions") or 0) + 1)

    async def _create(self) -> bool:
        body = {
            "metadata": {"name": self._name},
            "spec": {**self._mine(), "acquireTime": self._time(), "leaseTransitions": 0},
        }
        try:
            created = await self._client.create(LEASES, self._namespace, body)
        except AlreadyExists:
            return False
        self._version = created["metadata"]["resourceVersion"]
        return True

    async def _take(self, transitions: int) -> bool:
        try:
            await self._write({**self._mine(), "acquireTime": self._time(), "leaseTransitions": transitions})
        except Conflict:
            return False
        return True

    async def _write_as_holder(self, spec: Object) -> None:
        try:
            await self._write(spec)
        except Conflict:  # somebody took it, or only touched its labels; or a write of ours was cut off
            held = await self._client.get(LEASES, self._namespace, self._name)
            holder = (held.get("spec") or {}).get("holderIdentity")
            if holder != self._identity:
                raise LeaseLost(f"held by {holder or 'nobody'}") from None
            self._version = held["metadata"]["resourceVersion"]
            await self._write(spec)
        except NotFound:
            raise LeaseLost("deleted") from None

    def _mine(self) -> Object:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": math.ceil(self._duration),
            "renewTime": self._time(),
        }

    def _time(self) -> str:
        """Return the time as `metav1.MicroTime` has it. For people only: no contender compares it with its clock.

        Its fraction counts: a renewal in which nothing differs would be no new version, and look like silence.
        """
        return f"{clock.now():%Y-%m-%dT%H:%M:%S}.{next(self._writes) % 1_000_000:06d}Z"

    async def _write(self, spec: Object) -> None:
        body = {"metadata": {"resourceVersion": self._version}, "spec": spec}
        written = await self._client.patch(LEASES, self._namespace, self._name, body)
        self._version = written["metadata"]["resourceVersion"]


def _clock() -> float:
    """Return the event loop's clock, which only goes forward: the one that its timeouts and sleeps go by."""
    return asyncio.get_running_loop().time()
