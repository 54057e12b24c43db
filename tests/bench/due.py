"""A thousand policies due in the same minute: how long after their slot each backup's resource is there.

One backup runs and the others wait in the queue, so no Jobs are in the way: what is measured is the operator. Times of
creation are whole seconds, rounded down.
"""

import asyncio
import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.objects import a_cluster, a_namespace
from tests.bench.process import an_operator
from tests.builders import policy_dict
from tests.e2e.kubectl import Kubectl
from tests.e2e.world import until

from holdfast import clock, naming
from holdfast.kube import access
from holdfast.kube.client import KubeClient
from holdfast.kube.kinds import BACKUPS, POLICIES

COUNT = int(os.environ.get("BENCH_DUE", "1000"))
PARALLEL = 16
AHEAD = timedelta(minutes=2)  # until the slot: by then the operator has settled all policies
LAST = 120  # seconds within which each must be there


def measure(_only: Sequence[str]) -> list[Figure]:
    """Create the policies, let the operator settle, and wait for the slot."""
    _, kubectl = a_cluster()
    with a_namespace(kubectl) as namespace:
        return _measure(kubectl, namespace)


def _measure(kubectl: Kubectl, namespace: str) -> list[Figure]:
    slot = (clock.now() + AHEAD).replace(second=0, microsecond=0) + timedelta(minutes=1)
    asyncio.run(_create(kubectl, namespace, slot))
    with an_operator(os.environ["KUBECONFIG"], kubectl.context, [namespace], running=1):
        wait = (slot - clock.now()).total_seconds() + LAST
        until(lambda: asyncio.run(_made(kubectl, namespace)), lambda made: len(made) >= COUNT, wait)
    late = sorted((made - slot).total_seconds() for made in asyncio.run(_made(kubectl, namespace)))
    return [
        Figure(f"{COUNT} policies due in one minute: from the slot to the backup, median", _percentile(late, 50), "s"),
        Figure(f"{COUNT} policies due in one minute: from the slot to the backup, 99th percentile",
               _percentile(late, 99), "s", 15),
    ]  # fmt: skip


def _percentile(ordered: Sequence[float], of_hundred: int) -> float:
    return ordered[math.ceil(len(ordered) * of_hundred / 100) - 1]


async def _create(kubectl: Kubectl, namespace: str, slot: datetime) -> None:
    client, room = await _client(kubectl), asyncio.Semaphore(PARALLEL)
    schedule = {"cron": f"{slot.minute} {slot.hour} * * *"}

    async def one(number: int) -> None:
        async with room:
            meta = {"namespace": namespace, "name": f"due-{number:04}"}
            body = {"apiVersion": POLICIES.api_version, "kind": POLICIES.kind, "metadata": meta}
            await client.create(POLICIES, namespace, body | {"spec": policy_dict(schedule=schedule)})

    async with asyncio.TaskGroup() as group:
        for number in range(COUNT):
            group.create_task(one(number))
    await client.close()


async def _made(kubectl: Kubectl, namespace: str) -> list[datetime]:
    """Return when the backups of the slot were made."""
    client = await _client(kubectl)
    pages = client.pages(BACKUPS, namespace, label_selector=naming.LABEL_SLOT, metadata_only=True)
    times = [body["metadata"]["creationTimestamp"] async for page in pages for body in page]
    await client.close()
    return [clock.from_text(time).astimezone(UTC) for time in times]


async def _client(kubectl: Kubectl) -> KubeClient:
    return KubeClient(await access.configure(Path(os.environ["KUBECONFIG"]), kubectl.context), timeout=60)
