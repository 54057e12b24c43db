"""How often the operator writes for one backup: until it has succeeded, and in its whole life; Jobs are simulated.

What it writes of the policy's status, and as Events, stands apart. Three rounds of backups: the first one of each of
some policies, the next one (by which the former newest says anew why it is kept), and one that a schedule makes. Until
the success, the operator's log is counted by; the whole is what it exports.
"""

import asyncio
import json
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.bench.cluster import jobs_simulated
from tests.bench.exported import Calls, until_quiet, until_settled
from tests.bench.figures import Figure
from tests.bench.kubelet import a_kubelet
from tests.bench.objects import Body, a_client, a_cluster, a_namespace, create
from tests.bench.process import an_operator
from tests.bench.settled import policy_name
from tests.builders import policy_dict
from tests.e2e.kubectl import Kubectl
from tests.e2e.world import until

from holdfast import clock
from holdfast.kube.kinds import BACKUPS, EVENTS, JOBS, POLICIES, Kind

COUNT = int(os.environ.get("BENCH_LIVES", "20"))
MOST = 5  # writes of a backup and its Job
AHEAD = timedelta(seconds=30)  # until the slot, at the least: the operator is to have settled by then
LAST = 180


def measure(_only: Sequence[str]) -> list[Figure]:
    """Let the operator take the backups, round by round, and count."""
    cluster, kubectl = a_cluster()
    with (
        tempfile.TemporaryDirectory() as folder,
        a_namespace(kubectl) as namespace,
        jobs_simulated(cluster, kubectl),
        a_kubelet(kubectl, namespace),
    ):
        return _rounds(kubectl, namespace, Path(folder) / "log")


def _rounds(kubectl: Kubectl, namespace: str, log: Path) -> list[Figure]:
    put(kubectl, POLICIES, [_policy(namespace, number) for number in range(COUNT)])
    where = (os.environ["KUBECONFIG"], kubectl.context, [namespace])
    # without an hour's grace, retention looks at each as soon as it is there
    with an_operator(*where, running=10 * COUNT, log=log, retentionGraceSeconds=0):
        until_settled({POLICIES: COUNT})
        asked = {}
        for word in ("first", "next"):
            before = until_quiet()
            put(kubectl, BACKUPS, [_backup(namespace, word, number) for number in range(COUNT)])
            asked[word] = _until_over(kubectl, namespace) - before
        asked["scheduled"] = _scheduled(kubectl, namespace)
    until_success = _until_success(log)
    return [figure for word, calls in asked.items() for figure in _figures(word, calls, until_success[word])]


def _until_success(log: Path) -> dict[str, list[int]]:
    """Return how many writes of each backup's and of its Job there were until its success, by round."""
    counts: dict[str, int] = defaultdict(int)
    rounds: dict[str, list[int]] = defaultdict(list)
    for line in _lines(log):
        name, event = line.get("name", ""), line["event"]
        if line.get("kind") != BACKUPS.kind or not (event == "Status written" or "create" in line.get("act", "")):
            continue
        counts[name] += 1
        if line.get("phase") == "Succeeded" and "sizeBytes" in line["fields"]:
            word = name.split("-")[0]
            made = word not in ("first", "next")  # by the operator itself
            rounds["scheduled" if made else word].append(counts[name] + made)
    return rounds


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_bytes().splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # something else than our log: a traceback
            print(line.decode(errors="replace"))


def _scheduled(kubectl: Kubectl, namespace: str) -> Calls:
    """Have as many policies with a slot in the next minutes, and count from when they have settled."""
    there, slot = len(_phases(kubectl, namespace)), clock.now() + AHEAD + timedelta(minutes=1)
    schedule = {"cron": f"{slot.minute} {slot.hour} * * *"}
    put(kubectl, POLICIES, [_policy(namespace, COUNT + number, schedule=schedule) for number in range(COUNT)])
    before = until_quiet()
    assert len(_phases(kubectl, namespace)) == there, "the slot came before the operator had settled"
    until(lambda: len(_phases(kubectl, namespace)), lambda count: count >= there + COUNT, LAST)
    return _until_over(kubectl, namespace) - before


def _until_over(kubectl: Kubectl, namespace: str) -> Calls:
    until(lambda: _phases(kubectl, namespace), lambda phases: set(phases) == {"Succeeded"}, LAST)
    return until_quiet()


def _figures(word: str, asked: Calls, until_success: Sequence[int]) -> list[Figure]:
    what = f"the life of a {word} backup, of {COUNT}"
    return [
        Figure(f"{what}: writes until it succeeded", statistics.mean(until_success), "", MOST),
        Figure(f"{what}: writes in all", asked.writes(BACKUPS.kind, JOBS.kind) / COUNT, ""),
        Figure(f"{what}: … of which of the Job", asked.writes(JOBS.kind) / COUNT, ""),
        Figure(f"{what}: writes of the policy's status", asked.writes(POLICIES.kind) / COUNT, ""),
        Figure(f"{what}: Events", asked.writes(EVENTS.kind) / COUNT, ""),
        Figure(f"{what}: reads", asked.reads() / COUNT, ""),
    ]


def _policy(namespace: str, number: int, **spec: object) -> Body:
    meta = {"namespace": namespace, "name": policy_name(number)}
    database = policy_dict()["database"] | {"name": f"orders{number}"}
    body = {"apiVersion": POLICIES.api_version, "kind": POLICIES.kind, "metadata": meta}
    return body | {"spec": policy_dict(database=database, **spec)}


def _backup(namespace: str, word: str, number: int) -> Body:
    meta = {"namespace": namespace, "name": f"{word}-{number:03}"}
    body = {"apiVersion": BACKUPS.api_version, "kind": BACKUPS.kind, "metadata": meta}
    return body | {"spec": {"policyRef": {"name": policy_name(number)}}}


def put(kubectl: Kubectl, kind: Kind, bodies: Sequence[Body]) -> None:
    """Create them."""

    async def created() -> None:
        async with a_client(kubectl) as client:
            await create(client, kind, ((body, None) for body in bodies))

    asyncio.run(created())


def _phases(kubectl: Kubectl, namespace: str) -> list[str]:
    path = "{range .items[*]}{.status.phase}{'\\n'}{end}"
    return kubectl("get", "databasebackups", "-n", namespace, "-o", f"jsonpath={path}").split("\n")[:-1]
