"""What settled backups cost the operator: memory, time until it rests after a start, writes.

The API server is a real one. The backups have never run: each is created with the status of one that has succeeded, by
an operator in memory. So they have no Jobs, as those that are older than a day.
"""

import asyncio
import os
import secrets
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tests.bench import due, planning, settled
from tests.bench.figures import Figure
from tests.bench.process import PORT, an_operator, busy_seconds, memory
from tests.cluster import api
from tests.e2e.kubectl import Kubectl
from tests.e2e.world import until

from holdfast.kube import access
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import AlreadyExists, Unavailable
from holdfast.kube.kinds import BACKUPS, POLICIES

SIZES = tuple(int(size) for size in os.environ.get("BENCH_BACKUPS", "1000,5000,10000").split(","))
TARGETS = {"memory": 250, "seconds": 30}  # of 10,000
PARALLEL = 16
ATTEMPTS = 60
PATIENCE = 300.0
Versions = dict[str, str]


def measure(_only: Sequence[str]) -> list[Figure]:
    """Grow the number of backups, and start an operator beside each."""
    cluster = api.ensure_up()
    kubectl, figures = Kubectl(cluster), planning.measure()
    for definition in sorted((Path(__file__).parents[2] / "crds").glob("*.yaml")):
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(definition))
    with _a_namespace(kubectl) as namespace:
        figures += due.measure(kubectl, namespace)
    with _a_namespace(kubectl) as namespace:
        there = 0
        for size in SIZES:
            asyncio.run(_grow(kubectl, namespace, range(there, size)))
            there = size
            figures += _start(kubectl, namespace, size)
    return figures


@contextmanager
def _a_namespace(kubectl: Kubectl) -> Iterator[str]:
    name = f"bench-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    try:
        yield name
    finally:  # ten thousand objects take a while; the next bench must not find half of them
        kubectl("delete", "namespace", name, timeout=900)


async def _grow(kubectl: Kubectl, namespace: str, numbers: range) -> None:
    """Create them, several at once; each is given its status at once, and the policies come when all have it."""
    like = await settled.taken()
    client = KubeClient(await access.configure(Path(os.environ["KUBECONFIG"]), kubectl.context), timeout=60)
    room = asyncio.Semaphore(PARALLEL)

    async def one(number: int) -> None:
        async with room:
            body, status = settled.a_backup(namespace, number), settled.a_status(like, number)
            name = body["metadata"]["name"]
            await _patiently(lambda: client.create(BACKUPS, namespace, body))
            await _patiently(lambda: client.patch(BACKUPS, namespace, name, {"status": status}, subresource="status"))

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(one(number))
    for number in range(settled.POLICY_COUNT):
        policy = settled.a_policy(namespace, number)
        await _patiently(partial(client.create, POLICIES, namespace, policy))
    await client.close()


async def _patiently(call: Callable[[], Awaitable[object]]) -> None:
    """Try again where the server is too busy to answer; what is there already is there."""
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


def _start(kubectl: Kubectl, namespace: str, size: int) -> list[Figure]:
    python = os.environ.get("BENCH_PYTHON")  # of another release, to set beside this one
    _run(kubectl, namespace, size, python)  # it says of each policy that it is ready, and which backup is its last
    before = asyncio.run(_versions(kubectl, namespace))
    took, peak, at_rest, busy, written = _run(kubectl, namespace, size, python)
    changed = sum(before.get(name) != version for name, version in asyncio.run(_versions(kubectl, namespace)).items())
    counts = size == 10_000
    return [
        Figure(f"{size} settled backups: operator's peak memory", peak, "MiB", TARGETS["memory"] if counts else None),
        Figure(f"{size} settled backups: its memory at rest", at_rest, "MiB"),
        Figure(f"{size} settled backups: from its start until it rests", took, "s",
               TARGETS["seconds"] if counts else None),
        Figure(f"{size} settled backups: its processor time until then", busy, "s"),
        Figure(f"{size} settled backups: its writes", written, "", 0),
        Figure(f"{size} settled backups: objects that have changed", changed, "", 0),
    ]  # fmt: skip


def _run(kubectl: Kubectl, namespace: str, size: int, python: str | None) -> tuple[float, float, float, float, float]:
    began = time.monotonic()
    where = (os.environ["KUBECONFIG"], kubectl.context, [namespace])
    with an_operator(*where, python) if python else an_operator(*where) as process:
        until(_figures, lambda found: _has_settled(found, size), PATIENCE)
        took, busy = time.monotonic() - began, busy_seconds(process.pid)
        at_rest = _at_rest(process.pid)
        return took, memory(process.pid, "VmHWM"), at_rest, busy, _written(_figures())


def _at_rest(pid: int) -> float:
    """Return the memory once it has stayed the same for two seconds."""
    seen = [memory(pid, "VmRSS")]

    def stays() -> bool:
        seen.append(memory(pid, "VmRSS"))
        return len(seen) > 8 and max(seen[-8:]) - min(seen[-8:]) < 1

    until(stays, bool, PATIENCE)
    return seen[-1]


def _figures() -> list[Sample]:
    """Return what the operator exports; nothing while it is not ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=5):
            pass
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return []
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def _sum(found: Sequence[Sample], name: str, **labels: str) -> float:
    return sum(one.value for one in found if one.name == name and labels.items() <= one.labels.items())


def _has_settled(found: Sequence[Sample], size: int) -> bool:
    done = _sum(found, "holdfast_reconciles_total", kind=BACKUPS.kind, outcome="success")
    return done >= size and _sum(found, "holdfast_queue_depth") == 0


def _written(found: Sequence[Sample]) -> float:
    """Return how many calls were no reading."""
    name = "holdfast_kube_request_duration_seconds_count"
    return _sum(found, name) - _sum(found, name, verb="GET")


async def _versions(kubectl: Kubectl, namespace: str) -> Versions:
    client = KubeClient(await access.configure(Path(os.environ["KUBECONFIG"]), kubectl.context), timeout=60)
    found: Versions = {}
    for kind in (BACKUPS, POLICIES):
        async for page in client.pages(kind, namespace, metadata_only=True):
            metas: list[dict[str, Any]] = [body["metadata"] for body in page]
            found |= {f"{kind.plural}/{meta['name']}": meta["resourceVersion"] for meta in metas}
    await client.close()
    return found
