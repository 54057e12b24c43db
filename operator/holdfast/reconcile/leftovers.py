"""Tells of data that nothing in the cluster stands for any more: in the log, a metric, and an Event that outlives it.

The backup's own namespace may be going, and its Events with it. So the Event is in the operator's, about its Lease.
"""

from collections.abc import Callable
from datetime import datetime

import structlog
from prometheus_client import Counter

from holdfast import naming
from holdfast.decide.decision import Left
from holdfast.kube.events import EventRecorder, ObjectRef
from holdfast.kube.kinds import LEASES
from holdfast.texts import plain

log = structlog.get_logger(__name__)

LEFT = Counter(
    "holdfast_data_left_total", "Backups whose resource was removed although their data is not deleted.", ["namespace"]
)
REASON = "DataLeft"


class Leftovers:
    """Where it is told of data that is left."""

    def __init__(self, recorder: EventRecorder, home: str | None, now: Callable[[], datetime]) -> None:
        """Take the operator's own namespace; None outside a cluster, where no Event is written."""
        self.recorder, self._home, self._now = recorder, home, now

    async def tell(self, namespace: str, name: str, left: Left) -> None:
        """Say where it lies, and why. Never raises: the resource has to go."""
        sentence = (
            f"DatabaseBackup {namespace}/{name} was removed, but its data is still in {left.location}: {left.why}"
        )
        log.error("Data left in the store", backup=name, location=plain(left.location), why=plain(left.why))
        LEFT.labels(namespace).inc()
        if self._home is not None:
            about = ObjectRef(LEASES, self._home, naming.LEASE_NAME, "")
            await self.recorder.record(about, "Warning", REASON, sentence, self._now())
