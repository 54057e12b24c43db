"""Our finalizer on a backup: put there, and taken away, and nobody else's with it."""

from collections.abc import Mapping
from typing import Any

from holdfast import naming
from holdfast.decide.decision import Hold, Release
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import Conflict, NotFound
from holdfast.kube.kinds import BACKUPS
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.fetch import fetch
from holdfast.reconcile.leftovers import Leftovers
from holdfast.reconcile.sight import Known


class Holds:
    """Holds backups up, and lets them go."""

    def __init__(self, cache: Cache, client: KubeClient, leftovers: Leftovers) -> None:
        """Take what it reads from and writes to, and where it is told of data that is left."""
        self._cache, self._client, self._leftovers = cache, client, leftovers

    async def mark(self, namespace: str, act: Hold | Release, known: Known) -> Known | None:
        """Put it on the backup, or take it away; what is left of the backup's data is told before.

        The backup is read first: somebody else's finalizer that we have not seen must not get lost. Returns what is
        known now, or None when only an event can bring news. Raises KubeError.
        """
        try:
            body = await self._client.get(BACKUPS, namespace, act.name)
        except NotFound:
            self._gone(namespace, act)
            return None
        meta = body["metadata"]
        if meta["uid"] != act.uid:
            self._cache.put(BACKUPS, body)
            return None
        there = list(meta.get("finalizers") or [])
        wanted = [each for each in there if each != naming.FINALIZER]
        wanted += [naming.FINALIZER] if isinstance(act, Hold) else []
        if wanted == there:
            self._cache.put(BACKUPS, body)
            return known
        if isinstance(act, Release) and act.left is not None:
            await self._leftovers.tell(namespace, act.name, act.left)
        return await self._with_finalizers(namespace, act, meta, wanted, known)

    async def _with_finalizers(
        self, namespace: str, act: Hold | Release, meta: Mapping[str, Any], wanted: list[str], known: Known
    ) -> Known | None:
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"], "finalizers": wanted}}
        try:
            answer = await self._client.patch(BACKUPS, namespace, act.name, patch)
        except NotFound:
            self._gone(namespace, act)
            return None
        except Conflict:
            await fetch(self._cache, self._client, BACKUPS, namespace, act.name)
            return known
        if "deletionTimestamp" in meta:
            return None  # it may be gone by now, and its own event tells of that
        self._cache.put(BACKUPS, answer)
        return known

    def _gone(self, namespace: str, act: Hold | Release) -> None:
        held = self._cache.backup(namespace, act.name)
        if held is not None and held.uid == act.uid:
            self._cache.backups.leave_out(namespace, act.name, held.resource_version)
