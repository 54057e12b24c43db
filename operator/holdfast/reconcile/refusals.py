"""Why Jobs have no Pod, as the Job controller's Events say: asked of one namespace at a time, and kept short."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import structlog

from holdfast import clock
from holdfast.decide.starting import latest
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import KubeError
from holdfast.kube.kinds import EVENTS
from holdfast.untrusted import mapping, moment, sentence, word

log = structlog.get_logger(__name__)

_CONTROLLER = "job-controller"
_SELECTOR = f"involvedObject.kind=Job,reason=FailedCreate,source={_CONTROLLER}"
_MAX_PAGES = 10  # of one look; whoever fills his namespace with Events has himself to thank for what is not found
_MAX_MESSAGE = 2048  # characters
_KEPT = timedelta(hours=1)  # as long as the API server keeps Events


@dataclass(frozen=True, slots=True)
class PodRefusal:
    """The Job controller could not create the Job's Pod, and why (quota, PodSecurity, ...)."""

    namespace: str
    job_uid: str
    message: str
    seen: datetime

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self | None:
        """Read a core/v1 Event; None where it is not the Job controller's about a Job of its namespace.

        Anyone may write an Event about anything, and say that a controller did. What bounds that: it is believed in
        its own namespace only, where whoever may write Events may do worse.
        """
        meta, about = mapping(body.get("metadata")), mapping(body.get("involvedObject"))
        namespace, uid = word(meta.get("namespace")), word(about.get("uid"))
        source = mapping(body.get("source")).get("component") or body.get("reportingComponent")
        if not namespace or not uid or about.get("namespace") != namespace or source != _CONTROLLER:
            return None
        times = (body.get("lastTimestamp"), body.get("eventTime"), meta.get("creationTimestamp"))
        seen = next(filter(None, map(moment, times)), clock.EPOCH)
        return cls(namespace, uid, sentence(body.get("message"), _MAX_MESSAGE), seen)


class Refusals:
    """The latest refusal of each Job, by namespace and uid, as of the last look into that namespace."""

    def __init__(self) -> None:
        """Start without any."""
        self._found: dict[str, dict[str, PodRefusal]] = {}
        self._read: dict[str, datetime] = {}

    def read(self, namespace: str) -> datetime | None:
        """Return when the namespace was last looked into."""
        return self._read.get(namespace)

    def of(self, namespace: str, job_uid: str) -> list[PodRefusal]:
        """Return why that Job had no Pod then: the latest that was said, if anything was."""
        return list(filter(None, [self._found.get(namespace, {}).get(job_uid)]))

    async def look(self, client: KubeClient, namespace: str, now: datetime) -> None:
        """Look into the namespace. Where that fails, what was known stays: the Job is followed all the same."""
        self._forget(now - _KEPT)
        self._read[namespace] = now  # at once, so that the other Jobs there do not ask meanwhile
        try:
            self._found[namespace] = await _latest(client, namespace, now)
        except KubeError as error:
            log.warning("Could not find out why Jobs have no Pod", namespace=namespace, error=error.message)

    def _forget(self, before: datetime) -> None:
        for namespace in [namespace for namespace, read in self._read.items() if read < before]:
            del self._read[namespace]
            self._found.pop(namespace, None)


async def _latest(client: KubeClient, namespace: str, now: datetime) -> dict[str, PodRefusal]:
    found: dict[str, PodRefusal] = {}
    left = _MAX_PAGES
    async for page in client.pages(EVENTS, namespace, field_selector=_SELECTOR):
        for refusal in filter(None, map(PodRefusal.of, page)):
            known = [found[refusal.job_uid]] if refusal.job_uid in found else []
            newest = latest([*known, refusal], now) if refusal.namespace == namespace else None
            if newest is not None:
                found[refusal.job_uid] = newest
        left -= 1
        if not left:
            break
    return found
