"""The acts: the only place that makes, ends or expires a Job, makes, deletes or holds a backup, or asks about them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from holdfast.api.begun import there
from holdfast.decide.decision import (
    Act,
    Create,
    Delete,
    DeleteBackup,
    DeleteBackups,
    Expire,
    Hold,
    Learn,
    MakeBackup,
    MakeRestore,
    Release,
    ReleaseJob,
    Tell,
    What,
)
from holdfast.decide.views import ClaimView, JobView, claim_view, holders
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import AlreadyExists, Conflict, NotFound, Refused
from holdfast.kube.kinds import BACKUPS, CLAIMS, JOBS, PODS, RESTORES, Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.fetch import fetch
from holdfast.reconcile.gatekeeper import Gatekeeper
from holdfast.reconcile.holds import Holds
from holdfast.reconcile.leftovers import Leftovers
from holdfast.reconcile.sight import Known, Sight

log = structlog.get_logger(__name__)


class Acts:
    """Does one thing to the cluster; each may be repeated."""

    def __init__(
        self, cache: Cache, client: KubeClient, now: Callable[[], datetime], leftovers: Leftovers
    ) -> None:  # fmt: skip
        """Take what it reads from and writes to, the clock, and where it is told of data that is left."""
        self._cache, self._client, self._now = cache, client, now
        self._holds = Holds(cache, client, leftovers)
        self._gatekeeper = Gatekeeper(cache, client, leftovers.recorder, now)

    async def act(self, sight: Sight, act: Act, known: Known) -> Known | None:
        """Do it. Returns what is known now, or None when only an event can bring news. Raises KubeError."""
        log.info("Acting", act=str(act))
        match act:
            case Create() | MakeBackup() | MakeRestore():
                return await self._create(sight, act, known)
            case DeleteBackup() | DeleteBackups():
                return await self._delete_backups(sight.namespace, act, known)
            case Learn(what):
                return await self._learn(sight, what, known)
            case Delete(job):
                return await self._delete(job, known)
            case ReleaseJob() | Tell():
                return await self._gatekeeper.act(act, known)
            case Hold() | Release():
                return await self._holds.mark(sight.namespace, act, known)
            case Expire(job, seconds):
                await self._expire(job, seconds)
                return known

    async def _create(self, sight: Sight, act: Create | MakeBackup | MakeRestore, known: Known) -> Known:
        if isinstance(act, Create):
            return await self._made(JOBS, sight.job_of(act.role), act.role, known)
        if isinstance(act, MakeRestore):
            return await self._made(RESTORES, sight.restore_of(act), act.name, known)
        return await self._made(BACKUPS, sight.child_of(act), act.name, known)

    async def _made(self, kind: Kind, body: dict[str, Any], refused_as: str, known: Known) -> Known:
        """Have it in the cluster and in the cache; whose it is, is looked at there."""
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        try:
            answer = await self._client.create(kind, namespace, body)
        except AlreadyExists:  # made by an operator that was killed before it saw the answer, or a stranger's
            answer = await self._client.get(kind, namespace, name)
        except Refused as refusal:
            return replace(
                known,
                refused={**known.refused, refused_as: refusal.message},
                terminating=refusal.terminating,
                unauthorized=refusal.unauthorized,
            )
        self._cache.put(kind, answer)
        return known

    async def _learn(self, sight: Sight, what: What, known: Known) -> Known:
        match what:
            case What.CLAIM:
                return replace(known, claim=await self._look_at_claim(sight))
            case What.SOURCE:
                return replace(known, source=await self._look_at_source(sight))
            case What.EVENTS:
                await self._cache.refusals.look(self._client, sight.namespace, self._now())
                return known
            case What.SELF:
                self._cache.maker = await self._client.who_am_i()
                return known
            case What.PODS:
                return await self._ask_for_pods(sight, known)

    async def _ask_for_pods(self, sight: Sight, known: Known) -> Known:
        """Have the cache know all Pods of the Jobs. Raises Refused, but the first time that a right is missing.

        In a namespace that is going, the right may go first; whoever can do without the Pods, does.
        """
        try:
            await self._list_pods(sight)
        except Refused as refusal:
            if known.unauthorized or not refusal.unauthorized:
                raise
            return replace(known, unauthorized=True)
        return replace(known, pods_listed=True)

    async def _list_pods(self, sight: Sight) -> None:
        for seen in sight.works.values():
            selector = f"batch.kubernetes.io/job-name={seen.name}"
            async for page in self._client.pages(PODS, sight.namespace, label_selector=selector):
                for pod in page:
                    self._cache.put(PODS, pod)

    async def _look_at_claim(self, sight: Sight) -> ClaimView:
        """Ask for the claim, and for all Pods of its namespace: only their specs say who has it."""
        name = there(sight.claim_name, "resolved.database.volume")
        try:
            claim = await self._client.get(CLAIMS, sight.namespace, name)
        except NotFound:
            return claim_view(None, ())
        pages = self._client.pages(PODS, sight.namespace)
        return claim_view(claim, [holder async for page in pages for holder in holders(name, page)])

    async def _look_at_source(self, sight: Sight) -> Mapping[str, Any]:
        """Ask for the backup whole: of one that has settled, the cache keeps a few facts."""
        try:
            return await self._client.get(BACKUPS, sight.namespace, there(sight.source_name, "source.backup"))
        except NotFound:
            return {}

    async def _delete(self, job: JobView, known: Known) -> Known | None:
        """Delete the Job, with its Pods before it, by its uid. Where it was gone already, that is news."""
        try:
            await self._client.delete(JOBS, job.namespace, job.name, uid=job.uid, propagation="Foreground")
        except (NotFound, Conflict):  # gone already, or another Job by now, whose own event tells of it
            self._cache.jobs.remove(job.namespace, job.name, job.resource_version)
            return known
        return None

    async def _delete_backup(self, namespace: str, act: DeleteBackup, known: Known) -> Known | None:
        """Delete the backup by its uid; its Jobs follow by garbage collection. Raises KubeError.

        Its end is an event. Where it is gone already, has changed, or is another one by now, that is known then.
        """
        held = self._cache.backup(namespace, act.name)
        try:
            await self._client.delete(BACKUPS, namespace, act.name, uid=act.uid, version=act.version)
        except NotFound:
            if held is not None:
                self._cache.backups.remove(namespace, act.name, held.resource_version)
            return known
        except Conflict:
            await fetch(self._cache, self._client, BACKUPS, namespace, act.name)
            return known
        except Refused as refusal:
            return replace(known, refused={**known.refused, act.name: refusal.message})
        return None

    async def _delete_backups(
        self, namespace: str, act: DeleteBackup | DeleteBackups, known: Known
    ) -> Known | None:  # fmt: skip
        """Delete one after the other; what is learnt of any of them is known then."""
        learnt = None
        for each in act.backups if isinstance(act, DeleteBackups) else (act,):
            learnt = await self._delete_backup(namespace, each, learnt or known) or learnt
        return learnt

    async def _expire(self, job: JobView, seconds: int) -> None:
        """Give the Job a time to live, as it was seen: another one may have its name by now. Raises KubeError."""
        version, spec = {"resourceVersion": job.resource_version}, {"ttlSecondsAfterFinished": seconds}
        try:
            answer = await self._client.patch(JOBS, job.namespace, job.name, {"metadata": version, "spec": spec})
        except NotFound:
            self._cache.jobs.remove(job.namespace, job.name, job.resource_version)
            return
        self._cache.put(JOBS, answer)
