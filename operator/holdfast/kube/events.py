"""Events: what a person sees at the end of `kubectl describe`. They tell; nothing is decided from them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from holdfast.kube.client import KubeClient
from holdfast.kube.kinds import Kind

EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True)
class ObjectRef:
    """The object that an Event is about."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    resource_version: str | None = None


class EventRecorder:
    """Writes core/v1 Events. A repeat of the same reason and message counts up one Event instead of adding one."""

    def __init__(self, client: KubeClient) -> None:
        """Take the client to write with."""
        self._client = client

    async def record(self, regarding: ObjectRef, type: EventType, reason: str, message: str, now: datetime) -> None:  # noqa: A002
        """Tell a person. The message is cut at 1,024 bytes. A failure is counted and logged, never raised."""
        raise NotImplementedError
