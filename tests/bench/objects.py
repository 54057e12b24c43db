"""What the operator's bench puts into the API server, and how many of it are there."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.cluster import api
from tests.cluster.api import Cluster
from tests.cluster.errors import ClusterError
from tests.e2e.kubectl import Kubectl
from tests.e2e.world import until

from holdfast.kube import access
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import AlreadyExists, Unavailable
from holdfast.kube.kinds import BACKUPS, Kind

PARALLEL = 16
ATTEMPTS = 60
Body = dict[str, Any]
Call = Callable[[], Awaitable[object]]


def a_cluster() -> tuple[Cluster, Kubectl]:
    """Return the cluster, with the definitions of this tree."""
    cluster = api.ensure_up()
    if not cluster.kind:
        raise ClusterError(
            "The bench stops the cluster's Job controller for a while, so it takes kind: unset KUBECONFIG."
        )
    kubectl = Kubectl(cluster)
    for definition in sorted((Path(__file__).parents[2] / "crds").glob("*.yaml")):
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(definition))
    return cluster, kubectl


@contextmanager
def a_namespace(kubectl: Kubectl) -> Iterator[str]:
    """Have a namespace that Pods can be made in, as long as the context lasts."""
    name = f"bench-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    try:
        until(lambda: kubectl("get", "serviceaccounts", "-n", name, "-o", "name"), bool, 60)
        yield name
    finally:  # ten thousand objects take a while; the next bench must not find half of them
        kubectl("delete", "namespace", name, timeout=1800)


@asynccontextmanager
async def a_client(kubectl: Kubectl) -> AsyncIterator[KubeClient]:
    """Have a client of the bench's own."""
    client = KubeClient(await access.configure(Path(os.environ["KUBECONFIG"]), kubectl.context), timeout=60)
    try:
        yield client
    finally:
        await client.close()


async def create(client: KubeClient, kind: Kind, bodies: Iterable[tuple[Body, Mapping[str, Any] | None]]) -> None:
    """Create them, several at once, each with its status where it has one; what is there already is there."""
    room = asyncio.Semaphore(PARALLEL)

    async def one(body: Body, status: Mapping[str, Any] | None) -> None:
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        async with room:
            await _patiently(partial(client.create, kind, namespace, body))
            if status is not None:
                patch = {"status": status}
                await _patiently(partial(client.patch, kind, namespace, name, patch, subresource="status"))

    async with asyncio.TaskGroup() as group:
        for body, status in bodies:
            group.create_task(one(body, status))


async def _patiently(call: Call) -> None:
    """Try again where the server is too busy to answer."""
    for _ in range(ATTEMPTS):
        try:
            await call()
        except Unavailable:
            await asyncio.sleep(1)
        except AlreadyExists:
            return
        else:
            return
    await call()


async def versions(client: KubeClient, namespace: str, *kinds: Kind) -> dict[str, str]:
    """Return the version of each object, by kind and name."""
    found: dict[str, str] = {}
    for kind in kinds:
        async for page in client.pages(kind, namespace, metadata_only=True):
            metas: list[Body] = [body["metadata"] for body in page]
            found |= {f"{kind.plural}/{meta['name']}": meta["resourceVersion"] for meta in metas}
    return found


def how_many(kubectl: Kubectl, namespace: str, kind: Kind = BACKUPS) -> int:
    """Ask for one object and how many there are besides: a list of a thousand would keep the server from its work."""
    page = json.loads(kubectl("get", "--raw", f"{kind.path(namespace)}?limit=1"))
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)
