"""What a person waits for on a cluster: a tiny backup from apply to Succeeded, and a thousand asked for at once."""

import asyncio
import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.objects import a_cluster
from tests.bench.process import an_operator, busy_seconds, memory
from tests.cluster.api import Cluster
from tests.e2e.kubectl import Kubectl
from tests.e2e.session import a_world
from tests.e2e.world import Manifest, World, backup, until

from holdfast.kube import access
from holdfast.kube.client import KubeClient
from holdfast.kube.kinds import BACKUPS

TINY_RUNS = 11  # the first one warms up
MANY = 1000
PARALLEL = 20


def measure(_only: Sequence[str]) -> list[Figure]:
    """Bring Holdfast up as the e2e tests do, and measure."""
    cluster, kubectl = a_cluster()
    with a_world(cluster, kubectl) as world:
        tiny = _tiny(world)
        with jobs_simulated(cluster, kubectl):
            return [*tiny, *_many(world)]


def _tiny(world: World) -> list[Figure]:
    world.a_database("tiny")
    world.apply(world.policy(world.backups, "tiny", {"database": {"name": "tiny"}}))
    times = []
    for number in range(TINY_RUNS):
        name = f"tiny-{number}"
        began = time.monotonic()
        world.apply(backup(world.backups, name, policy="tiny"))
        world.finished(world.backups, name)
        times.append(time.monotonic() - began)
        assert world.status(world.backups, name)["phase"] == "Succeeded"
    counted = times[1:]
    return [
        Figure("tiny database, apply to Succeeded, median", statistics.median(counted), "s", 6),
        Figure("tiny database, apply to Succeeded, slowest", max(counted), "s"),
    ]


def _many(world: World) -> list[Figure]:
    """Ask an operator of its own for a thousand, and see when each has its Job."""
    asked = [backup(world.unwatched, f"many-{number}", policy="many") for number in range(MANY)]
    world.apply(world.policy(world.unwatched, "many"))
    with an_operator(os.environ["KUBECONFIG"], world.kubectl.context, [world.unwatched], running=MANY) as process:
        began = time.monotonic()
        asyncio.run(_create(world, asked))
        created = time.monotonic() - began
        until(lambda: _count(world), lambda count: count >= MANY, 300)
        took = time.monotonic() - began
        peak, busy = memory(process.pid, "VmHWM"), busy_seconds(process.pid)
    return [
        Figure(f"{MANY} backups created, {PARALLEL} at a time", created, "s"),
        Figure(f"{MANY} backups, until each has its Job", took, "s", 30),
        Figure(f"operator's processor time for {MANY} backups", busy, "s"),
        Figure(f"operator's peak memory with {MANY} backups", peak, "MiB", 150),
    ]


@contextmanager
def jobs_simulated(cluster: Cluster, kubectl: Kubectl) -> Iterator[None]:
    """Take the Job controller and the scheduler away, so that a Job stays as the operator made it.

    A thousand real Jobs keep controller, scheduler and kubelet busy for minutes: on a node of two processors it is
    they who are measured.
    """
    names = "kube-controller-manager", "kube-scheduler"
    _move_manifests(cluster, names, "/etc/kubernetes/manifests", "/etc/kubernetes")
    try:
        until(lambda: _static_pods(kubectl, names), lambda found: not found, 120)
        yield
    finally:
        _move_manifests(cluster, names, "/etc/kubernetes", "/etc/kubernetes/manifests")
        until(lambda: _static_pods(kubectl, names), lambda found: len(found) == len(names), 120)


def _move_manifests(cluster: Cluster, names: Sequence[str], source: str, target: str) -> None:
    files = [f"{source}/{name}.yaml" for name in names]
    command = ["docker", "exec", f"{cluster.name}-control-plane", "mv", *files, target]
    subprocess.run(command, check=True, env=cluster.environment)


def _static_pods(kubectl: Kubectl, names: Sequence[str]) -> list[str]:
    return kubectl("get", "pods", "-n", "kube-system", "-l", f"component in ({','.join(names)})", "-o", "name").split()


async def _create(world: World, backups: list[Manifest]) -> None:
    """Create them as fast as the API server takes them; kubectl does one after the other."""
    client = KubeClient(await access.configure(Path(os.environ["KUBECONFIG"]), world.kubectl.context))
    room = asyncio.Semaphore(PARALLEL)

    async def one(body: Manifest) -> None:
        async with room:
            await client.create(BACKUPS, world.unwatched, body)

    await asyncio.gather(*(one(body) for body in backups))
    await client.close()


def _count(world: World) -> int:
    """Ask for one Job and how many there are besides: a list of a thousand would keep the API server from its work."""
    page = json.loads(world.kubectl("get", "--raw", f"/apis/batch/v1/namespaces/{world.unwatched}/jobs?limit=1"))
    return len(page["items"]) + page["metadata"].get("remainingItemCount", 0)
