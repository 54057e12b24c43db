"""What settled backups cost the operator: memory, time until it rests after a start, writes; and what it costs to idle.

The API server is a real one. The backups have never run: each is created with the status of one that has succeeded, by
an operator in memory. So they have no Jobs, as those that are older than a day.
"""

import asyncio
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.bench import settled
from tests.bench.exported import calls, until_settled
from tests.bench.figures import Figure, growth
from tests.bench.objects import a_client, a_cluster, a_namespace, create, versions
from tests.bench.process import an_operator, busy_seconds, memory
from tests.e2e.kubectl import Kubectl
from tests.e2e.world import until

from holdfast import clock
from holdfast.kube.kinds import BACKUPS, POLICIES

SIZES = tuple(int(size) for size in os.environ.get("BENCH_BACKUPS", "1000,5000,10000").split(","))
POLICIES_TOO = tuple(int(count) for count in os.environ.get("BENCH_POLICIES", "100,1000").split(","))
EACH = 10  # backups of a policy, where policies are many
IDLE = float(os.environ.get("BENCH_IDLE", "60"))  # seconds; each ten minutes everything is looked at once
FULL = 10_000  # backups that the targets are for
TARGETS = {"memory": 250, "seconds": 30, "idle": 3}
PATIENCE = 300.0
FRESH = timedelta(hours=2)  # after that, retention looks at a backup


@dataclass(frozen=True)
class Run:
    """What one start of the operator cost."""

    seconds: float
    busy: float
    peak: float
    at_rest: float
    idle: float  # per cent of a core; 0 where it was not measured
    written: int


def settled_backups(_only: Sequence[str]) -> list[Figure]:
    """Grow the number of backups of a few policies, and start an operator beside each."""
    _, kubectl = a_cluster()
    figures, there, base = list[Figure](), 0, clock.now().replace(microsecond=0) - FRESH
    with a_namespace(kubectl) as namespace:
        for size in SIZES:
            asyncio.run(_grow(kubectl, namespace, range(there, size), settled.POLICY_COUNT, base))
            there = size
            figures += _restarted(kubectl, namespace, settled.POLICY_COUNT, size, f"{size} settled backups", 0)
    return figures


def policies_and_backups(_only: Sequence[str]) -> list[Figure]:
    """Have many policies with a schedule and ten settled backups of each, and let the operator idle."""
    _, kubectl = a_cluster()
    figures, base = list[Figure](), clock.now().replace(microsecond=0) - FRESH
    named: list[dict[str, float]] = []
    for policies in POLICIES_TOO:
        size, what = policies * EACH, f"{policies} policies with {policies * EACH} backups"
        with a_namespace(kubectl) as namespace:
            asyncio.run(_grow(kubectl, namespace, range(size), policies, base, schedule=_daily(base)))
            found = _restarted(kubectl, namespace, policies, size, what, IDLE)
        named.append({figure.name.removeprefix(f"{what}: "): figure.value for figure in found})
        figures += found
    return figures + growth(f"from {POLICIES_TOO[0] * EACH} to {POLICIES_TOO[-1] * EACH} backups", named[0], named[-1])


def _daily(base: datetime) -> dict[str, str]:
    """Return a schedule that is due in half a day."""
    return {"cron": f"30 {(base + timedelta(hours=14)).hour} * * *"}


async def _grow(
    kubectl: Kubectl, namespace: str, numbers: Iterable[int], policies: int, base: datetime, **spec: Mapping[str, str]
) -> None:
    """Create them, each with its status; the policies come when all have it."""
    like = await settled.taken()
    async with a_client(kubectl) as client:
        made = ((settled.a_backup(namespace, number, policies),
                 settled.a_status(like, number, base - timedelta(hours=number // policies, seconds=number % policies)))
                for number in numbers)  # fmt: skip
        await create(client, BACKUPS, made)
        await create(client, POLICIES, ((settled.a_policy(namespace, n, **spec), None) for n in range(policies)))


def _restarted(kubectl: Kubectl, namespace: str, policies: int, size: int, what: str, idle: float) -> list[Figure]:
    python = os.environ.get("BENCH_PYTHON")  # of another release, to set beside this one
    _run(kubectl, namespace, policies, size, python, 0)  # it says of each policy that it is ready, and what it keeps
    before = _versions(kubectl, namespace)
    run = _run(kubectl, namespace, policies, size, python, idle)
    changed = sum(before.get(name) != version for name, version in _versions(kubectl, namespace).items())
    counts = size == FULL
    idles = [Figure(f"{what}: share of a core in {idle:.0f} idle seconds", run.idle, "%",
                    TARGETS["idle"] if counts else None)] if idle else []  # fmt: skip
    return [
        Figure(f"{what}: operator's peak memory", run.peak, "MiB", TARGETS["memory"] if counts else None),
        Figure(f"{what}: its memory at rest", run.at_rest, "MiB"),
        Figure(f"{what}: from its start until it rests", run.seconds, "s", TARGETS["seconds"] if counts else None),
        Figure(f"{what}: its processor time until then", run.busy, "s"),
        *idles,
        Figure(f"{what}: its writes", run.written, "", 0),
        Figure(f"{what}: objects that have changed", changed, "", 0),
    ]


def _run(kubectl: Kubectl, namespace: str, policies: int, size: int, python: str | None, idle: float) -> Run:
    began = time.monotonic()
    where = (os.environ["KUBECONFIG"], kubectl.context, [namespace])
    # they were created a moment ago, and retention would leave them alone for an hour; older releases do not know that
    with an_operator(*where, python) if python else an_operator(*where, retentionGraceSeconds=0) as process:
        until_settled({BACKUPS: size, POLICIES: policies})
        took, busy = time.monotonic() - began, busy_seconds(process.pid)
        at_rest = _at_rest(process.pid)
        share = _idle(process.pid, idle) if idle else 0
        return Run(took, busy, memory(process.pid, "VmHWM"), at_rest, share, calls().writes())


def _at_rest(pid: int) -> float:
    """Return the memory once it has stayed the same for two seconds."""
    seen = [memory(pid, "VmRSS")]

    def stays() -> bool:
        seen.append(memory(pid, "VmRSS"))
        return len(seen) > 8 and max(seen[-8:]) - min(seen[-8:]) < 1

    until(stays, bool, PATIENCE)
    return seen[-1]


def _idle(pid: int, seconds: float) -> float:
    """Return how much of a core it takes while nothing happens, per cent."""
    began, before = time.monotonic(), busy_seconds(pid)
    time.sleep(seconds)
    return 100 * (busy_seconds(pid) - before) / (time.monotonic() - began)


def _versions(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    async def asked() -> dict[str, str]:
        async with a_client(kubectl) as client:
            return await versions(client, namespace, BACKUPS, POLICIES)

    return asyncio.run(asked())
