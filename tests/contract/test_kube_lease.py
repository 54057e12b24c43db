"""One leader, on a real API server."""

import asyncio
import time

import pytest

from holdfast.kube.client import KubeClient
from holdfast.kube.kinds import LEASES
from holdfast.kube.lease import Lease, LeaseLost

ENOUGH = 60  # seconds for what comes at once unless the machine is busy
PERIOD = 0.2
DURATION = 8.0  # where a lapse is waited for


def a_contender(client: KubeClient, namespace: str, name: str, identity: str, duration: float = 4 * ENOUGH) -> Lease:
    """One whose Lease does not lapse while a test runs, but where that is the test."""
    return Lease(client, namespace, name, identity, duration=duration, deadline=duration * 3 / 4, period=PERIOD)


async def taken_by_another(client: KubeClient, namespace: str, name: str) -> None:
    await client.patch(LEASES, namespace, name, {"spec": {"holderIdentity": "second"}})


async def holder(client: KubeClient, namespace: str, name: str) -> str:
    return (await client.get(LEASES, namespace, name))["spec"]["holderIdentity"]


async def cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_of_two_contenders_one_leads_and_each_renewal_is_a_new_version(
    client: KubeClient, namespace: str, unique: str
) -> None:
    first, second = (a_contender(client, namespace, unique, it) for it in ("first", "second"))
    await first.acquire()
    renewing, waiting = asyncio.create_task(first.keep()), asyncio.create_task(second.acquire())
    versions = set()
    async with asyncio.timeout(ENOUGH):
        while len(versions) < 6:
            versions.add((await client.get(LEASES, namespace, unique))["metadata"]["resourceVersion"])
            await asyncio.sleep(PERIOD / 2)
    assert not renewing.done()
    assert not waiting.done()
    assert await holder(client, namespace, unique) == "first"
    await cancel(renewing, waiting)


async def test_many_contenders_at_once_make_one_leader(client: KubeClient, namespace: str, unique: str) -> None:
    tasks = [asyncio.create_task(a_contender(client, namespace, unique, str(n)).acquire()) for n in range(8)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait(tasks, timeout=10 * PERIOD)  # each has looked again; more time would not hurt
    assert sum(task.done() for task in tasks) == 1
    await cancel(*tasks)


async def test_a_silent_leader_is_replaced_after_the_duration_and_not_before(
    client: KubeClient, namespace: str, unique: str
) -> None:
    first, second = (a_contender(client, namespace, unique, it, DURATION) for it in ("first", "second"))
    await first.acquire()
    began = time.monotonic()
    await second.acquire()
    assert time.monotonic() - began >= DURATION
    assert await holder(client, namespace, unique) == "second"


async def test_a_replaced_leader_learns_it_and_does_not_take_it_back(
    client: KubeClient, namespace: str, unique: str
) -> None:
    first = a_contender(client, namespace, unique, "first")
    await first.acquire()
    await taken_by_another(client, namespace, unique)
    with pytest.raises(LeaseLost, match="held by second"):
        await first.keep()
    assert await holder(client, namespace, unique) == "second"


async def test_a_released_lease_is_taken_at_once(client: KubeClient, namespace: str, unique: str) -> None:
    first, second = (a_contender(client, namespace, unique, it) for it in ("first", "second"))
    await first.acquire()
    await first.release()
    async with asyncio.timeout(ENOUGH):  # it would lapse much later
        await second.acquire()


async def test_a_lease_is_released_though_its_last_renewal_was_cut_off(
    client: KubeClient, namespace: str, unique: str
) -> None:
    leader = a_contender(client, namespace, unique, "first")
    await leader.acquire()
    await client.patch(LEASES, namespace, unique, {"spec": {"renewTime": "2026-11-22T08:45:00.000000Z"}})
    await leader.release()
    assert await holder(client, namespace, unique) == ""


async def test_another_ones_lease_is_not_released(client: KubeClient, namespace: str, unique: str) -> None:
    first = a_contender(client, namespace, unique, "first")
    await first.acquire()
    await taken_by_another(client, namespace, unique)
    with pytest.raises(LeaseLost, match="held by second"):
        await first.release()
    assert await holder(client, namespace, unique) == "second"


async def test_a_label_on_the_lease_costs_no_leadership(client: KubeClient, namespace: str, unique: str) -> None:
    leader = a_contender(client, namespace, unique, "first")
    await leader.acquire()
    renewing = asyncio.create_task(leader.keep())
    for number in range(5):
        await client.patch(LEASES, namespace, unique, {"metadata": {"labels": {"touched": str(number)}}})
        await asyncio.wait([renewing], timeout=PERIOD)
    assert not renewing.done()
    await cancel(renewing)


async def test_a_deleted_lease_ends_the_leader(client: KubeClient, namespace: str, unique: str) -> None:
    leader = a_contender(client, namespace, unique, "first")
    await leader.acquire()
    await client.delete(LEASES, namespace, unique, uid=None)
    with pytest.raises(LeaseLost, match="deleted"):
        await leader.keep()
