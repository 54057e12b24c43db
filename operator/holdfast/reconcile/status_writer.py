"""Writes the status of any kind, only what has changed of it, and the Event that goes with it: the one way to a status.

What the API server answers means the same for all. Conflict: somebody was faster, so nothing is written, and what
stands there is fetched and decided on anew. NotFound: the resource is gone, and there is nothing left to do. Whatever
else it answers is raised, and tried again by the queue. An answer without what was written comes of definitions of an
older release: what rests on that status would be decided again and again, so it ends here, with the field's name.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import structlog

from holdfast.decide.decision import Announcement
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import Conflict, NotFound
from holdfast.kube.events import EventRecorder, ObjectRef
from holdfast.kube.kinds import Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.fetch import fetch
from holdfast.reconcile.patches import dropped, merge_patch
from holdfast.reconcile.resource import Resource

log = structlog.get_logger(__name__)


class StatusWriter:
    """The one way to a status."""

    def __init__(
        self, cache: Cache, client: KubeClient, recorder: EventRecorder, now: Callable[[], datetime]
    ) -> None:  # fmt: skip
        """Take where it writes to, and the clock."""
        self._cache, self._client, self._recorder, self._now = cache, client, recorder, now
        self._under_way: dict[tuple[Kind, str, str], Mapping[str, Any]] = {}

    def under_way(self, kind: Kind, namespace: str) -> Iterator[Mapping[str, Any]]:
        """Yield what is being written now into statuses of a kind, in one namespace: no other may take an id of it."""
        for (written, where, _), patch in self._under_way.items():
            if (written, where) == (kind, namespace):
                yield patch

    async def write(
        self, kind: Kind, resource: Resource, status: Mapping[str, Any], said: Announcement | None = None
    ) -> Resource | None:
        """Write what changed, and return what stands there then: whoever was faster wins.

        None: nothing is new, or the resource is gone. Raises KubeError, and RuntimeError where not all of it was kept.
        """
        patch = merge_patch(resource.status, status)
        if not patch:
            return None
        try:
            answer = await self._patch(kind, resource, patch)
        except Conflict:
            return await fetch(self._cache, self._client, kind, resource.namespace, resource.name)
        except NotFound:
            return None
        self._cache.put(kind, answer)
        _see_that_it_was_kept(kind, patch, answer)
        log.info("Status written", fields=sorted(patch), **_headline(status))
        if said:
            await self.announce(kind, resource, said)
        return Resource.of(answer)

    async def announce(self, kind: Kind, resource: Resource, said: Announcement) -> None:
        """Tell people by an Event about the resource."""
        about = ObjectRef(kind, resource.namespace, resource.name, resource.uid)
        await self._recorder.record(
            about, "Warning" if said.warning else "Normal", said.reason, said.message, self._now()
        )

    async def _patch(self, kind: Kind, resource: Resource, patch: Mapping[str, Any]) -> dict[str, Any]:
        name = (kind, resource.namespace, resource.name)
        body = {"metadata": {"resourceVersion": resource.resource_version}, "status": patch}
        self._under_way[name] = patch
        try:
            return await self._client.patch(*name, body, subresource="status")
        finally:
            del self._under_way[name]


def _see_that_it_was_kept(kind: Kind, patch: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    lost = next(dropped(patch, answer.get("status") or {}, "status"), None)
    if lost is not None:
        raise RuntimeError(
            f"the API server does not keep {lost}: install the CustomResourceDefinition of {kind.kind} of the "
            "operator's own release"
        )


def _headline(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the log says of a status, where it has that."""
    return {key: status[key] for key in ("phase", "message") if key in status}
