"""Events: what a person sees at the end of `kubectl describe`. They tell; nothing is decided from them.

A repeat of the same reason and message counts up one Event, whose name is made from them, so that an operator that
restarts or retries does not fill the list. (kopf's own poster makes a new Event each time.)
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from holdfast import clock, naming, sentences, texts
from holdfast.kube import metrics
from holdfast.kube.client import KubeClient, Object
from holdfast.kube.errors import AlreadyExists, KubeError
from holdfast.kube.kinds import EVENTS, Kind

EventType = Literal["Normal", "Warning"]

COMPONENT = f"{naming.MANAGER}-operator"
_MAX_NAME = 253

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ObjectRef:
    """The object that an Event is about."""

    kind: Kind
    namespace: str
    name: str
    uid: str


class EventRecorder:
    """Writes core/v1 Events."""

    def __init__(self, client: KubeClient) -> None:
        """Take the client to write with."""
        self._client = client

    async def record(self, regarding: ObjectRef, type: EventType, reason: str, message: str, now: datetime) -> None:  # noqa: A002 - the API's word
        """Tell a person. The message is cut at 1,024 bytes. A failure is counted and logged, never raised.

        Never raised, because what is told has already happened, and the reconcile that did it must go on.
        """
        body = event(regarding, type, reason, message, now)
        try:
            await self._write(regarding.namespace, body)
        except KubeError as error:
            metrics.EVENTS_LOST.inc()
            log.warning("Event not written", reason=reason, about=regarding.name, error=error.message)

    async def _write(self, namespace: str, body: Object) -> None:
        try:
            await self._client.create(EVENTS, namespace, body)
        except AlreadyExists:
            name = body["metadata"]["name"]
            held = await self._client.get(EVENTS, namespace, name)
            again = {"count": (held.get("count") or 1) + 1, "lastTimestamp": body["lastTimestamp"]}
            await self._client.patch(EVENTS, namespace, name, again)


def event(regarding: ObjectRef, type: EventType, reason: str, message: str, now: datetime) -> Object:  # noqa: A002
    """Build the Event; its name is the same for the same object, reason and message."""
    cut = sentences.cut(texts.plain(message), sentences.EVENT_BYTES)
    digest = hashlib.sha256(f"{regarding.uid}/{type}/{reason}/{cut}".encode()).hexdigest()[:16]
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {
            "namespace": regarding.namespace,
            "name": f"{regarding.name[: _MAX_NAME - len(digest) - 1].rstrip('-.')}.{digest}",
        },
        "involvedObject": {
            "apiVersion": regarding.kind.api_version,
            "kind": regarding.kind.kind,
            "namespace": regarding.namespace,
            "name": regarding.name,
            "uid": regarding.uid,
        },
        "type": type,
        "reason": reason,
        "message": cut,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": clock.to_text(now),
        "lastTimestamp": clock.to_text(now),
        "count": 1,
    }
