"""The operator's process on a real API server: it leads alone, ends well, and kopf leaves no trace in any object."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.cluster.api import Cluster
from tests.contract.trouble import some_trouble

from holdfast.kube.client import KubeClient
from holdfast.kube.kinds import BACKUPS, JOBS, LEASES, POLICIES

POLICY: dict[str, Any] = {
    "environment": "dev",
    "database": {"engine": "postgresql", "name": "a", "connection": {"host": "h", "secretName": "s"}},
    "storage": {"s3": {"bucket": "backups"}},
}
AWAY = 4.0  # seconds, in which a Lease does not lapse

# Each starts one or two processes, which a busy machine may take half a minute for.
pytestmark = [pytest.mark.usefixtures("crds"), pytest.mark.timeout(300, func_only=True)]


@dataclass
class Operator:
    process: asyncio.subprocess.Process
    port: int

    async def page(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return answer.status, await answer.text()

    async def is_ready(self) -> bool:
        assert self.process.returncode is None, await self.log()
        with contextlib.suppress(aiohttp.ClientError):
            return (await self.page("/readyz"))[0] == 200
        return False

    async def leads(self) -> bool:
        return await self.is_ready() and "holdfast_leader 1.0" in (await self.page("/metrics"))[1]

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), timeout=25)  # the kubelet would kill it after 30

    async def log(self) -> str:
        assert self.process.stderr
        return (await self.process.stderr.read()).decode()


Start = Callable[..., Awaitable[Operator]]


async def until(check: Callable[[], Awaitable[object]], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < end, f"not within {seconds:g} s: {check}"
        await asyncio.sleep(0.1)


@pytest.fixture
async def start(cluster: Cluster, namespace: str, tmp_path: Path, unique: str) -> AsyncIterator[Start]:
    """Start operators that watch the test's namespace and contend for one Lease there."""
    settings = tmp_path / "settings.json"
    queue = {"maxRunningPerServer": 0}  # what never starts here keeps nobody waiting
    images = {"postgres-17": "example.com/none"}
    settings.write_text(json.dumps({"images": images, "watchNamespaces": [namespace], "queue": queue}))
    begun: list[Operator] = []

    async def one(kubeconfig: Path | None = None) -> Operator:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        arguments = {
            "--settings": settings,
            "--kubeconfig": kubeconfig or cluster.kubeconfig,
            "--context": "c" if kubeconfig else cluster.context,
            "--namespace": namespace,
            "--port": port,
        }
        argv = [str(word) for pair in arguments.items() for word in pair]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "holdfast.process", *argv, stderr=asyncio.subprocess.PIPE, env=os.environ
        )
        begun.append(Operator(process, port))
        return begun[-1]

    yield one
    for operator in begun:
        if operator.process.returncode is None:
            operator.process.kill()
        await operator.log()  # to its end, or the pipe would outlive the test
        await operator.process.wait()


@pytest.fixture(autouse=True)
async def no_lease(client: KubeClient, namespace: str) -> None:
    for lease in await client.list(LEASES, namespace, field_selector="metadata.name=holdfast-operator"):
        await client.delete(LEASES, namespace, "holdfast-operator", uid=lease["metadata"]["uid"])


async def test_the_watches_write_nothing_to_our_objects(
    client: KubeClient, namespace: str, unique: str, start: Start
) -> None:
    await client.create(POLICIES, namespace, _object(POLICIES, unique, POLICY))
    await client.create(BACKUPS, namespace, _object(BACKUPS, unique, {"policyRef": {"name": unique}}))
    operator = await start()

    async def is_settled() -> bool:
        found = await client.get(BACKUPS, namespace, unique)
        return "jobName" in found.get("status", {})

    await until(operator.leads)
    await until(is_settled)
    for kind in (POLICIES, BACKUPS):
        meta = (await client.get(kind, namespace, unique))["metadata"]
        assert "annotations" not in meta
        assert "finalizers" not in meta
        ours = [it for it in meta["managedFields"] if it["manager"] == "holdfast-operator" and "subresource" not in it]
        # created by this test, whose client bears the same name; the operator itself writes the status only
        assert [it["operation"] for it in ours] == ["Update"]
        assert set(ours[0]["fieldsV1"]) == {"f:spec"}
    assert await operator.stop() == 0


async def test_an_api_server_that_errs_cuts_its_watches_and_restarts_costs_no_backup_and_doubles_none(
    cluster: Cluster, client: KubeClient, namespace: str, unique: str, start: Start, tmp_path: Path
) -> None:
    # Given an operator that reaches the API server through what can be in the way, and waits
    async with some_trouble(cluster) as trouble:
        operator = await start(trouble.kubeconfig(tmp_path / "kubeconfig"))
        await until(operator.leads)
        await client.create(POLICIES, namespace, _object(POLICIES, unique, POLICY))

        async def asked(name: str) -> None:
            spec = {"policyRef": {"name": unique}}
            await client.create(BACKUPS, namespace, _object(BACKUPS, f"{unique}-{name}", spec))

        async def begun(name: str) -> None:
            async def is_begun() -> bool:
                assert operator.process.returncode is None, await operator.log()
                found = (await client.get(BACKUPS, namespace, f"{unique}-{name}")).get("status", {})
                return "jobName" in found and len(await jobs(name)) > 0

            await until(is_begun)

        async def jobs(name: str) -> list[dict[str, Any]]:
            return await client.list(JOBS, namespace, label_selector=f"holdfast.dev/backup={unique}-{name}")

        # When it answers a dozen calls with an error, some of which it has done all the same
        trouble.answers(409, 429, 500, times=12)
        await asked("errs")
        await begun("errs")
        assert set(trouble.answered) == {409, 429, 500}
        trouble.answers(500, times=0)

        # and when each watch breaks
        assert trouble.cut() >= 4
        await asked("cut")
        await begun("cut")

        # and when it is away for a while, in which another backup is asked for and one is deleted
        await trouble.down()
        await asked("away")
        await client.delete(BACKUPS, namespace, f"{unique}-cut", uid=None)
        await asyncio.sleep(AWAY)  # what happens in it is what is waited for afterwards
        await trouble.up()
        await begun("away")

        # Then each has one Job and an id of its own, and the operator is well
        assert [len(await jobs(name)) for name in ("errs", "away")] == [1, 1]
        there = [await client.get(BACKUPS, namespace, f"{unique}-{name}") for name in ("errs", "away")]
        assert len({body["status"]["backupID"] for body in there}) == 2

        async def is_well() -> bool:
            return (await operator.page("/healthz"))[0] == 200 and await operator.leads()

        await until(is_well)
        assert await operator.stop() == 0


async def test_sigterm_frees_the_lease_and_the_standby_leads(client: KubeClient, namespace: str, start: Start) -> None:
    first = await start()
    await until(first.leads)
    second = await start()
    await until(second.is_ready)

    async def holder() -> str:
        return (await client.get(LEASES, namespace, "holdfast-operator"))["spec"].get("holderIdentity", "")

    status, metrics = await second.page("/metrics")
    assert (status, (await second.page("/healthz"))[0]) == (200, 200)
    assert "holdfast_leader 0.0" in metrics
    assert "holdfast_backups" not in metrics

    leading = await holder()
    assert await first.stop() == 0
    assert await holder() != leading  # freed, not lapsed
    await until(second.leads)
    assert await second.stop() == 0
    assert await holder() == ""


async def test_a_leader_whose_lease_was_taken_ends_and_does_not_free_it(
    client: KubeClient, namespace: str, start: Start
) -> None:
    operator = await start()
    await until(operator.leads)
    await client.patch(LEASES, namespace, "holdfast-operator", {"spec": {"holderIdentity": "another"}})
    assert await asyncio.wait_for(operator.process.wait(), timeout=120) == 1
    assert "held by another" in await operator.log()
    assert (await client.get(LEASES, namespace, "holdfast-operator"))["spec"]["holderIdentity"] == "another"


async def test_a_killed_leader_is_replaced_when_its_lease_lapses(start: Start) -> None:
    first = await start()
    await until(first.leads)
    second = await start()
    await until(second.is_ready)
    await first.stop(signal.SIGKILL)
    await until(second.leads)


def _object(kind: object, name: str, spec: dict[str, object]) -> dict[str, object]:
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, "spec": spec}
