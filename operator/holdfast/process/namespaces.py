"""Which of the namespaces that the chart lists can be watched.

The rights in a listed namespace are a RoleBinding there, so they go when the namespace is deleted. That must not end
the backups of all others: such a namespace is left out, loudly, until it can be read again.
"""

import asyncio
from collections.abc import Sequence

import structlog
from prometheus_client import Gauge

from holdfast.kube.client import KubeClient
from holdfast.kube.errors import Refused, Unavailable
from holdfast.kube.kinds import BACKUPS

log = structlog.get_logger(__name__)

UNWATCHED = Gauge(
    "holdfast_namespace_unwatched",
    "1 for a namespace in watchNamespaces that the operator may not read.",
    ["namespace"],
)


class NamespacesChanged(Exception):  # noqa: N818 - a state of the cluster, not a fault
    """Other namespaces can be watched than when the watches began, which cannot be told to them: begin anew."""


class Namespaces:
    """The namespaces listed; none means all of the cluster."""

    def __init__(self, client: KubeClient, listed: Sequence[str], interval: float = 300) -> None:
        """Take the seconds between two looks."""
        self._client, self._listed, self._interval = client, listed, interval

    async def watchable(self) -> list[str]:
        """Return those that can be read. Raises Refused when none of them can, and any other KubeError."""
        refused = {namespace: await self._refusal(namespace) for namespace in self._listed}
        for namespace, error in refused.items():
            UNWATCHED.labels(namespace).set(error is not None)
            if error:
                log.error("Namespace deleted, or without its RoleBinding", namespace=namespace, error=error.message)
        found = [namespace for namespace, error in refused.items() if not error]
        if refused and not found:
            raise next(filter(None, refused.values()))
        return found

    async def follow(self, watched: Sequence[str]) -> None:
        """Look again, for ever. Raises NamespacesChanged when others can be read than these, Refused when none can."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                now = await self.watchable()
            except Unavailable as error:  # the Lease ends a leader that stays cut off
                log.warning("Could not check the namespaces", error=error.message)
                continue
            if now != list(watched):
                raise NamespacesChanged(
                    f"the watched namespaces were {', '.join(watched)}; the operator can now watch {', '.join(now)}"
                )

    async def _refusal(self, namespace: str) -> Refused | None:
        try:
            async for _ in self._client.pages(BACKUPS, namespace, metadata_only=True):
                break  # whether it may be read is told by the first page
        except Refused as error:
            return error
        return None
