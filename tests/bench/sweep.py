"""How long it takes to delete many expired backups: all of the operator's part, with deletion Jobs that are simulated.

Each Job takes as long as a real one of fifty backups about does, from its creation to its report. As many backups and
one stay, so that the sweep is not held as one that deletes more than half.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.bench import settled
from tests.bench.cluster import jobs_simulated
from tests.bench.exported import calls, until_quiet, until_settled
from tests.bench.figures import Figure, growth
from tests.bench.kubelet import a_kubelet
from tests.bench.objects import Body, a_client, a_cluster, a_namespace, create, how_many
from tests.bench.process import an_operator, memory
from tests.e2e.kubectl import Kubectl
from tests.e2e.world import until

from holdfast import clock, naming
from holdfast.kube.kinds import BACKUPS, POLICIES

SIZES = tuple(int(size) for size in os.environ.get("BENCH_SWEEP", "100,1000").split(","))
JOB = float(os.environ.get("BENCH_JOB_SECONDS", "5"))
FULL, TARGET = 1000, 300
PATIENCE = 1800


def measure(_only: Sequence[str]) -> list[Figure]:
    """Sweep so many, and more."""
    cluster, kubectl = a_cluster()
    figures, named = list[Figure](), list[dict[str, float]]()
    for size in SIZES:
        what = f"a sweep of {size} expired backups, Jobs of {JOB:g} s"
        with a_namespace(kubectl) as namespace, jobs_simulated(cluster, kubectl):
            found = _swept(kubectl, namespace, size, what)
        named.append({figure.name.removeprefix(f"{what}: "): figure.value for figure in found})
        figures += found
    return figures + growth(f"from {SIZES[0]} to {SIZES[-1]} expired backups", named[0], named[-1])


def _swept(kubectl: Kubectl, namespace: str, size: int, what: str) -> list[Figure]:
    asyncio.run(_fill(kubectl, namespace, size))
    where = (os.environ["KUBECONFIG"], kubectl.context, [namespace])
    # they were created a moment ago, and would be left alone for an hour
    with a_kubelet(kubectl, namespace, JOB) as jobs, an_operator(*where, retentionGraceSeconds=0) as process:
        until_settled({BACKUPS: 2 * size + 1, POLICIES: 1})
        before, began = until_quiet(), time.monotonic()
        kubectl("patch", "backuppolicy", "-n", namespace, settled.policy_name(0), "--type=merge",
                "-p", '{"spec": {"retention": {"dryRun": false}}}')  # fmt: skip
        until(lambda: how_many(kubectl, namespace), lambda left: left <= size + 1, PATIENCE)
        took = time.monotonic() - began
        until_quiet()
        assert how_many(kubectl, namespace) == size + 1, "what no rule keeps goes, and nothing else"
        asked = calls() - before
        return [
            Figure(f"{what}: until the last is gone", took, "s", TARGET if size == FULL else None),
            Figure(f"{what}: Jobs", len(jobs), ""),
            Figure(f"{what}: writes for each", asked.writes() / size, ""),
            Figure(f"{what}: reads for each", asked.reads() / size, ""),
            Figure(f"{what}: operator's peak memory", memory(process.pid, "VmHWM"), "MiB"),
        ]


async def _fill(kubectl: Kubectl, namespace: str, size: int) -> None:
    """Create the policy, which deletes nothing yet, and its backups: expired ones, and as many and one that are not."""
    like, now = await settled.taken("dev"), clock.now().replace(microsecond=0)
    retention = {"dryRun": True, "maxDeletionsPerSweep": 100_000}
    async with a_client(kubectl) as client:
        policy = settled.a_policy(namespace, 0, environment="dev", retention=retention)
        await create(client, POLICIES, [(policy, None)])
        uid = (await client.get(POLICIES, namespace, settled.policy_name(0)))["metadata"]["uid"]
        await create(client, BACKUPS, _backups(namespace, uid, like, size, now))


def _backups(
    namespace: str, uid: str, like: Mapping[str, Any], size: int, now: datetime
) -> Iterator[tuple[Body, Body]]:  # fmt: skip
    for number in range(2 * size + 1):
        body = settled.a_backup(namespace, number, policies=1)
        body["metadata"]["labels"] = {naming.uid_label(naming.POLICY_KIND): uid}  # so it is Holdfast's to remove
        ended = now - (timedelta(hours=2) if number <= size else timedelta(days=100)) - timedelta(minutes=number)
        yield body, settled.a_status(like, number, ended)
