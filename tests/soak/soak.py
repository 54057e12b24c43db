"""The soak itself: policies, a node, a person who asks and approves, an operator that dies; then rest and verdict."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.cluster.api import Cluster
from tests.e2e.kubectl import Kubectl
from tests.soak.bucket import Bucket, Container
from tests.soak.judge import ENDS, Story, verdict
from tests.soak.node import NOWHERE, Node
from tests.soak.operator import Operator

from holdfast import clock, naming
from holdfast.kube import access
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import KubeError
from holdfast.kube.kinds import BACKUPS, JOBS, POLICIES

POLICY_COUNT = 20
KEEP_LAST = 1
LOOK = 2.0  # seconds between two looks at what is there
ASKS = 30.0  # seconds, about, between two requests for a backup
CALM = 15.0  # seconds at the end in which no Pod dies: a Job waits so long, and longer, before it replaces one
REST = 180.0  # seconds within which all must have come to rest
Body = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    wrong: list[str]
    backups: int
    deleted: int
    kills: int
    log: Path


async def soak(cluster: Cluster, seconds: float, seed: int, say: Say, policies: int = POLICY_COUNT) -> Outcome:
    """Do it all in a namespace of its own. The CRDs are there."""
    kubectl, namespace = Kubectl(cluster), f"soak-{secrets.token_hex(4)}"
    kubectl("create", "namespace", namespace)
    client = KubeClient(await access.configure(cluster.kubeconfig, cluster.context), timeout=30)
    try:
        return await Soak(client, cluster, namespace, seed, say, policies).run(seconds)
    finally:
        await client.close()
        kubectl("delete", "namespace", namespace, "--wait=false")


class Soak:
    """One soak in one namespace."""

    def __init__(
        self, client: KubeClient, cluster: Cluster, namespace: str, seed: int, say: Say, policies: int
    ) -> None:
        """Take where, the seed from which all chance comes, and how many policies there are to be."""
        self._policies = policies
        self._client, self._namespace, self._seed, self._say = client, namespace, seed, say
        self._bucket = Bucket(KEEP_LAST)
        self._operator = Operator(cluster, namespace)
        self._began = time.monotonic()
        self._seen: dict[str, Body] = {}
        self._requests: dict[str, int] = {}

    async def run(self, seconds: float) -> Outcome:
        """Let it all go on for so long, and then come to rest."""
        container = Container(self._bucket, self._chance("pods"))
        node = Node(self._client, self._namespace, container, self._chance("node"))
        async with _going_on(node.runs(), self._watches()):
            await self._begin()
            async with _going_on(self._operator.is_killed_again_and_again(self._chance("kills")), self._asks()):
                await self._tell(seconds - CALM)
                container.calm = True
                await self._tell(CALM)
            try:
                return await self._rest()
            finally:
                await self._operator.stop()

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{self._seed}/{what}")

    async def _begin(self) -> None:
        """Create the policies, and of each a pinned backup by hand."""
        for number in range(self._policies):
            name = f"orders-{number:02}"
            await self._client.create(POLICIES, self._namespace, _object("BackupPolicy", name, _policy(name)))
            pinned = {"policyRef": {"name": name}, "pinned": True, "reason": "to stay"}
            await self._client.create(BACKUPS, self._namespace, _object("DatabaseBackup", f"{name}-pinned", pinned))

    async def _tell(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 15))
            self._say(
                f"{time.monotonic() - self._began:4.0f} s: {len(self._seen)} backups, {len(self._bucket.deleted_uids)} "
                f"deleted, the operator was killed {self._operator.kills} times"
            )

    async def _watches(self) -> None:
        """Remember every backup, and approve plans as a person would."""
        while True:
            with contextlib.suppress(KubeError):
                await self._look()
            await asyncio.sleep(LOOK)

    async def _look(self) -> None:
        async for page in self._client.pages(BACKUPS, self._namespace, metadata_only=True):
            self._seen |= {body["metadata"]["uid"]: body["metadata"] for body in page}
        for policy in await self._client.list(POLICIES, self._namespace):
            plan = policy.get("status", {}).get("retention", {}).get("plan", {}).get("hash")
            noted = policy["metadata"].get("annotations", {}).get(naming.ANNOTATION_APPROVE)
            if plan and plan != noted:
                await self._annotate(policy["metadata"]["name"], naming.ANNOTATION_APPROVE, plan)

    async def _asks(self) -> None:
        """Ask some policy for a backup, again and again."""
        chance = self._chance("requests")
        while True:
            await asyncio.sleep(chance.uniform(0, 2 * ASKS / self._policies))
            name = f"orders-{chance.randrange(self._policies):02}"
            self._requests[name] = self._requests.get(name, 0) + 1
            await self._annotate(name, naming.ANNOTATION_BACKUP_NOW, str(self._requests[name]))

    async def _annotate(self, name: str, annotation: str, value: str) -> None:
        await self._client.patch(POLICIES, self._namespace, name, {"metadata": {"annotations": {annotation: value}}})

    async def _rest(self) -> Outcome:
        """Suspend all once what was due is settled, wait until nothing moves, and judge."""
        due = clock.now().replace(second=0)
        await _until(lambda: self._have_settled(due))
        for policy in await self._client.list(POLICIES, self._namespace):
            suspended = {"spec": {"schedule": {"suspend": True}}}
            await self._client.patch(POLICIES, self._namespace, policy["metadata"]["name"], suspended)
        with contextlib.suppress(TimeoutError):  # what does not rest is what the verdict is about
            await _until(self._rests)
        wrong = verdict(await self._story(due))
        return Outcome(wrong, len(self._seen), len(self._bucket.deleted_uids), self._operator.kills, self._operator.log)

    async def _have_settled(self, due: datetime) -> bool:
        found = await self._client.list(POLICIES, self._namespace)
        settled = [policy.get("status", {}).get("schedule", {}).get("settledUntil") for policy in found]
        return all(each and clock.from_text(each) >= due for each in settled)

    async def _rests(self) -> bool:
        """Whether the verdict of what is there now has nothing to say."""
        if any(not policy["status"]["schedule"].get("suspended")
               for policy in await self._client.list(POLICIES, self._namespace)):  # fmt: skip
            return False
        return not verdict(await self._story(clock.now() - timedelta(days=1)))

    async def _story(self, until: datetime) -> Story:
        await self._look()
        backups = await self._client.list(BACKUPS, self._namespace)
        ended = [body for body in backups if body.get("status", {}).get("phase") in ENDS]
        assert ended
        policies = await self._client.list(POLICIES, self._namespace)
        return Story(
            policies=policies,
            backups=backups,
            jobs=await self._client.list(JOBS, self._namespace),
            seen=self._seen,
            until=until,
            requests={policy["metadata"]["name"]: _requests(policy) for policy in policies},
            manifests=[one.backup.uid for one in self._bucket.manifests().values()],
            published=self._bucket.published,
            folders=sorted({f"{row.key.rpartition('/')[0]}/" for row in self._bucket.rows}),
            faults=self._bucket.faults_seen,
        )


@contextlib.asynccontextmanager
async def _going_on(*these: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have these go on until the block ends; one that fails ends the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in these]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _until(check: Callable[[], Any]) -> None:
    async with asyncio.timeout(REST):
        while not await check():  # noqa: ASYNC110 - what it waits for is in another process
            await asyncio.sleep(1)


def _requests(policy: Body) -> int:
    """How often a backup was asked for: the last time may have been cut off before it was sent."""
    return int(policy["metadata"].get("annotations", {}).get(naming.ANNOTATION_BACKUP_NOW, "0"))


def _object(kind: str, name: str, spec: Body) -> Body:
    return {"apiVersion": naming.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _policy(name: str) -> Body:
    connection = {"host": f"{name}-db", "secretName": "orders-db"}
    return {
        "environment": "dev",
        "database": {"engine": "postgresql", "name": "orders", "connection": connection},
        "storage": {"s3": {"bucket": "backups", "secretName": "s3-credentials"}},
        "schedule": {"cron": "* * * * *"},
        "retention": {"days": 0, "keepLast": KEEP_LAST},
        "job": {"nodeSelector": NOWHERE, "startTimeoutSeconds": 600},
    }
