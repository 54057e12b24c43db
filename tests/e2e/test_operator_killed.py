"""The operator killed at every step of a backup, with real Jobs: one artifact, one manifest, the truth.

Here the test is the operator, in a namespace that the installed one does not watch. Every look at the cluster is a
fresh start with an empty cache, as after a kill; on top of that, one life in each test ends before or right after one
of its calls.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.installation import RUNNER
from tests.e2e.world import World, backup, until
from tests.mortal import Killed, Mortal
from tests.reconciling import a_loop

from holdfast import clock
from holdfast.decide import job_end
from holdfast.kube import access
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import Unavailable
from holdfast.kube.kinds import BACKUPS, JOBS, PODS, POLICIES, Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key
from holdfast.settings import Queue, Settings

pytestmark = pytest.mark.timeout(300)
CALLS = 9  # more than the writes and reads that one backup takes; the last ones kill nobody
NONE = Queue(max_running=1000, max_running_per_server=0)  # others may have left backups in the namespace
OPERATOR = Settings(images={"postgres-17": RUNNER})


@pytest.fixture
async def client(world: World):
    configuration = await access.configure(Path(world.kubectl.environment["KUBECONFIG"]), world.kubectl.context)
    the_client = KubeClient(configuration)
    yield the_client
    await the_client.close()


async def a_life(
    world: World, client: KubeClient, acting: Any, name: str, settings: Settings = OPERATOR, limits: Queue = NONE,
    only: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Start with an empty cache, read what there is (backups: `only` some), reconcile once; return the status then."""
    cache = Cache(limits=limits)
    for kind in (POLICIES, BACKUPS, JOBS, PODS):
        selector = "app.kubernetes.io/managed-by=holdfast" if kind in (JOBS, PODS) else None
        for body in await client.list(kind, world.unwatched, label_selector=selector):
            if kind != BACKUPS or body["metadata"]["name"].startswith(only):
                cache.put(kind, body)
    loop = a_loop(cache, acting, settings, now=clock.now)
    await loop.reconcile(Key(BACKUPS.kind, world.unwatched, name))
    return (await client.get(BACKUPS, world.unwatched, name)).get("status", {})


async def lives_until(
    world: World, client: KubeClient, acting: Any, name: str, good: Callable[[dict], bool], **more: Any
) -> dict:
    """Live again and again until the backup's status is as wanted."""
    async with asyncio.timeout(240):
        while True:
            try:
                status = await a_life(world, client, acting, name, **more)
            except (Killed, Unavailable):  # an operator goes on after either
                continue
            if good(status):
                return status
            await asyncio.sleep(0.5)


def is_settled(status: dict) -> bool:
    return status.get("phase") in ("Succeeded", "Failed") and status.get("cleanup", {}).get("state") != "Running"


def assert_one_backup(world: World, name: str, status: dict, attempt: int = 1) -> None:
    assert status["phase"] == "Succeeded", status
    assert status["attempt"] == attempt
    assert status["restore"]
    keys = world.keys(status["location"])
    assert len(keys) == 3, keys
    assert world.manifest(status["location"])["artifact"]["key"] in keys
    assert world.uploads(status["location"]) == []
    jobs = [job["metadata"]["labels"]["holdfast.dev/task"] for job in world.jobs(world.unwatched, name)]
    assert jobs.count("backup") == attempt


async def test_killed_at_any_call_it_still_makes_exactly_one_backup(world: World, client: KubeClient):
    # Given a backup for each call that an operator might die at, before it or before its answer; each has a policy
    # of its own, since eighteen operators at once do not keep their backups' ids apart as one does
    cases = {f"killed-{n}-{'after' if answered else 'before'}": (n, answered)
             for n in range(1, CALLS + 1) for answered in (False, True)}  # fmt: skip
    world.apply(*(world.policy(world.unwatched, name) for name in cases))
    world.apply(*(backup(world.unwatched, name) for name in cases))

    # When each operator dies there once, and starts again
    mortals = {name: Mortal(client, *case) for name, case in cases.items()}
    statuses = await asyncio.gather(
        *(lives_until(world, client, mortal, name, is_settled) for name, mortal in mortals.items())
    )

    # Then each backup is there once, with the right status
    for name, status in zip(mortals, statuses, strict=True):
        assert_one_backup(world, name, status)
    died = {name for name, mortal in mortals.items() if mortal.died}
    assert len(died) >= 10, "most of the calls were made, and killed at"


async def test_a_report_that_is_gone_is_asked_for_again_and_nothing_is_dumped_twice(world: World, client: KubeClient):
    # Given a Job that succeeded while no operator was there, and whose Pod is gone, with its report
    world.apply(world.policy(world.unwatched, "lost"), backup(world.unwatched, "lost"))
    await lives_until(world, client, client, "lost", lambda status: "jobName" in status)
    await asyncio.to_thread(
        until, lambda: world.jobs(world.unwatched, "lost"),
        lambda jobs: jobs and jobs[0].get("status", {}).get("succeeded") == 1, 90,
    )  # fmt: skip
    world.kubectl("delete", "pods", "-n", world.unwatched, "-l", "holdfast.dev/backup=lost")

    # When the operator is back
    status = await lives_until(world, client, client, "lost", is_settled)

    # Then a second Job has found the backup in the bucket, and it is the first one's
    assert_one_backup(world, "lost", status, attempt=2)
    assert "found in the bucket" in status["message"]


async def test_an_image_that_cannot_be_pulled_is_named_with_what_to_check(world: World, client: KubeClient):
    world.apply(world.policy(world.unwatched, "no-image", {"job": {"startTimeoutSeconds": 10}}))
    world.apply(backup(world.unwatched, "no-image"))
    settings = Settings(images={"postgres-17": "registry.invalid/no-such-image:1"})

    async with asyncio.timeout(60):
        while (status := await a_life(world, client, client, "no-image", settings)).get("phase") != "Failed":  # noqa: ASYNC110
            await asyncio.sleep(0.5)

    assert status["failure"]["reason"] == "ImagePull"
    assert "registry.invalid/no-such-image:1" in status["failure"]["message"]
    assert "runner.images" in status["failure"]["remedy"]


async def test_of_one_server_one_runs_at_a_time_and_the_next_begins_when_it_has_ended(world: World, client: KubeClient):
    # Given two backups of one server
    world.apply(world.policy(world.unwatched, "turns"))
    world.apply(*(backup(world.unwatched, name, policy="turns") for name in ("turns-1", "turns-2")))

    one = {"limits": Queue(), "only": "turns-"}

    # When an operator has begun the first, and another one looks at the second
    first = await a_life(world, client, client, "turns-1", **one)
    second = await a_life(world, client, client, "turns-2", **one)

    # Then the second waits for the first, without a Job
    assert (first["phase"], second["phase"]) == ("Pending", "Queued")
    assert "waits for" in second["message"]
    assert f"{world.unwatched}/turns-1" in second["message"]
    assert world.jobs(world.unwatched, "turns-2") == []

    # and begins once that has ended
    await lives_until(world, client, client, "turns-1", is_settled, **one)
    second = await lives_until(world, client, client, "turns-2", is_settled, **one)
    assert_one_backup(world, "turns-2", second)
    assert "queue" not in second


UNENDING = "trap 'exit 0' TERM; sleep 3600 & wait"  # until the Pod is told to end


class Mesh:
    """A client behind which a mesh's webhook puts a container into each Pod, as tests' Jobs have no other way to it.

    Its name sorts before the runner's, and it does not end.
    """

    SIDECAR = "istio-proxy"

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def create(self, kind: Kind, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        if kind is JOBS:
            spec = body["spec"]["template"]["spec"]
            sidecar = {"name": self.SIDECAR, "image": RUNNER, "command": ["sh", "-c", UNENDING]}
            spec["containers"].insert(0, sidecar | {"securityContext": spec["containers"][0]["securityContext"]})
        return await self._client.create(kind, namespace, body)


@pytest.mark.parametrize(
    ("case", "database", "phase"), [("mesh", "orders", "Succeeded"), ("lost", "no-such", "Failed")]
)
async def test_a_sidecar_that_does_not_end_does_not_keep_a_backup_from_its_end(
    world: World, client: KubeClient, monkeypatch: pytest.MonkeyPatch, case: str, database: str, phase: str
):
    # Given a mesh, and an operator that has less patience with it than the installed one
    monkeypatch.setattr(job_end, "SIDECAR_GRACE", timedelta(seconds=5))
    name, mesh = f"sidecar-{case}", Mesh(client)
    world.apply(world.policy(world.unwatched, name, {"database": {"name": database}}), backup(world.unwatched, name))
    await lives_until(world, client, mesh, name, lambda status: status.get("phase") == "Running")
    containers = [it["name"] for it in world.pods(world.unwatched, name)[0]["status"]["containerStatuses"]]
    assert containers == [Mesh.SIDECAR, "runner"]

    # When the runner has ended
    status = await lives_until(world, client, mesh, name, is_settled)

    # Then that is the end, what is called Failed has no Pod that goes on, and the Job is ended too
    assert status["phase"] == phase, status
    if phase == "Failed":
        assert status["failure"]["reason"] == "DatabaseNotFound"
        pods = world.pods(world.unwatched, name)
        assert [pod for pod in pods if pod["status"]["phase"] not in ("Succeeded", "Failed")] == []
    else:
        assert len(world.keys(status["location"])) == 3
        await a_life(world, client, mesh, name)
    await asyncio.to_thread(until, lambda: world.jobs(world.unwatched, name), lambda jobs: jobs == [], 60)
