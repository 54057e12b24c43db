"""One tenant floods its namespace with the worst that it may write: another's backups are taken in normal time.

Here is as much as the API server lets in: Events of a megabyte, of the year 0, about another's Job; policies that are
as big as they may be; a status that an administrator has written. A new leader begins beside all of it.
"""

import asyncio
import contextlib
import copy
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.world import World, backup, until

from holdfast.kube import access
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import KubeError, NotFound, Refused
from holdfast.kube.kinds import BACKUPS, EVENTS, POLICIES, Kind

pytestmark = pytest.mark.timeout(420)
MANY = 60
MEGABYTE = "x" * 1_000_000
NORMAL = 60  # seconds that a backup of a few rows may take on a busy machine


@pytest.fixture
async def client(world: World) -> AsyncIterator[KubeClient]:
    configuration = await access.configure(Path(world.kubectl.environment["KUBECONFIG"]), world.kubectl.context)
    the_client = KubeClient(configuration, timeout=60)
    yield the_client
    await the_client.close()


def an_event(namespace: str, number: int, job_uid: str) -> dict[str, Any]:
    about = {"apiVersion": "batch/v1", "kind": "Job", "namespace": namespace, "name": "a-job", "uid": job_uid}
    said = {"type": "Warning", "reason": "FailedCreate", "message": f"{number} {MEGABYTE}"}
    by = {"source": {"component": "job-controller"}, "lastTimestamp": "0000-01-01T00:00:00Z"}
    return {"metadata": {"name": f"flood-{number}"}, "involvedObject": about, **said, **by}


def a_big_policy(world: World, number: int) -> dict[str, Any]:
    policy = copy.deepcopy(world.policy(world.races, f"flood-{number}"))
    policy["metadata"]["annotations"] = {"big": "x" * 250_000}
    return policy


async def made(client: KubeClient, kind: Kind, namespace: str, bodies: list[dict[str, Any]]) -> None:
    """Create them, a few at a time."""
    few = asyncio.Semaphore(4)

    async def one(body: dict[str, Any]) -> None:
        async with few:
            await client.create(kind, namespace, body)

    await asyncio.gather(*(one(body) for body in bodies))


async def deleted(client: KubeClient, kind: Kind, namespace: str) -> None:
    async for page in client.pages(kind, namespace, metadata_only=True):
        for body in page:
            if body["metadata"]["name"].startswith("flood-"):
                with contextlib.suppress(NotFound):
                    await client.delete(kind, namespace, body["metadata"]["name"], uid=None)


def restarts(world: World) -> dict[str, int]:
    found = world.kubectl("get", "pods", "-n", world.operator, "-o", "json")
    return {
        pod["metadata"]["name"]: sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))
        for pod in json.loads(found)["items"]
    }


def leader(world: World) -> str:
    return world.get("lease", world.operator, "holdfast-operator")["spec"].get("holderIdentity", "").split("_")[0]


def takes_normal_time(world: World, name: str) -> None:
    world.apply(world.policy(world.backups, name), backup(world.backups, name))
    began = time.monotonic()
    status = world.finished(world.backups, name, timeout=NORMAL)
    assert status["phase"] == "Succeeded", status
    assert time.monotonic() - began < NORMAL


async def test_a_flood_in_one_namespace_stops_and_slows_no_other(world: World, client: KubeClient) -> None:
    # Given another tenant's Job, and the worst that can be written elsewhere
    takes_normal_time(world, "calm-before")
    (job,) = world.jobs(world.backups, "calm-before")
    events = [an_event(world.races, number, job["metadata"]["uid"]) for number in range(MANY)]
    try:
        await made(client, EVENTS, world.races, events)
        await made(client, POLICIES, world.races, [a_big_policy(world, number) for number in range(MANY)])
        for name, status in STRANGE.items():
            await made(client, BACKUPS, world.races, [backup(world.races, name, "nobody")])
            with contextlib.suppress(Refused):  # what the definition itself does not let in
                await client.patch(BACKUPS, world.races, name, {"status": status}, subresource="status")
        with pytest.raises(Refused, match="ephemeral-storage"):
            await client.create(BACKUPS, world.races, astronomic(world))

        # When the other tenant takes a backup; and when the leader is killed, and the next one begins beside all that
        before = restarts(world)
        takes_normal_time(world, "calm-meanwhile")
        killed = leader(world)
        world.kubectl("delete", "pod", "-n", world.operator, killed, "--grace-period=0", "--force")
        until(lambda: leader(world), lambda name: name not in ("", killed), 90)
        takes_normal_time(world, "calm-after")

        # Then nobody has died of it, and the strange ones say what they are
        after = restarts(world)
        assert {name: after[name] for name in before if name in after} == {
            name: count for name, count in before.items() if name in after
        }
        assert set(after.values()) == {0}, after
    finally:
        for kind in (EVENTS, POLICIES, BACKUPS):
            with contextlib.suppress(KubeError):
                await deleted(client, kind, world.races)


STRANGE = {
    "flood-year-zero": {"phase": "Succeeded", "completedAt": "0000-01-01T00:00:00Z", "backupID": "backup-1"},
    "flood-no-time": {"phase": "Succeeded", "backupID": "backup-1", "serverMajor": 17},
    "flood-half": {"phase": "Running", "jobName": "nobody", "attempt": 2147483647},
    "flood-verifying": {"phase": "Verifying", "backupID": "backup-2"},
}


def astronomic(world: World) -> dict[str, Any]:
    inline = world.policy(world.races, "x")["spec"]
    inline["job"] = {"resources": {"limits": {"ephemeral-storage": "1e999999"}}}
    body = backup(world.races, "flood-astronomic")
    return body | {"spec": {"policy": inline}}
