"""Definitions of another release than the operator's: what it does not know is left alone, what is lost is named."""

from typing import Any

import pytest
from tests.bench import settled
from tests.builders import NOW, UID, policy_dict, settings
from tests.fake_cluster import WHEN, FakeCluster
from tests.reconciling import a_loop

from holdfast.kube.kinds import BACKUPS, EVENTS, POLICIES, Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key

LATER = {"drilledAt": "2027-01-01T00:00:00Z"}  # a field that this release does not have


class Older(FakeCluster):
    """An API server with definitions that do not know a field of the status."""

    def __init__(self, *unknown: str) -> None:
        super().__init__(lambda *_: pytest.fail("no Job is to run"))
        self.unknown, self.writes = unknown, 0

    async def patch(
        self, kind: Kind, namespace: str, name: str, body: dict[str, Any], *, subresource: str | None = None
    ) -> dict[str, Any]:
        self.writes += 1
        kept = {key: value for key, value in body["status"].items() if key not in self.unknown}
        return await super().patch(kind, namespace, name, body | {"status": kept}, subresource=subresource)

    def holds(self, kind: Kind, name: str, spec: dict[str, Any], status: dict[str, Any]) -> None:
        meta = {"namespace": "shop", "name": name, "uid": UID, "creationTimestamp": WHEN}
        self.put(kind, {"metadata": meta, "spec": spec, "status": status})

    async def reconcile(self, kind: Kind, name: str) -> dict[str, Any]:
        cache = Cache()
        for each in (POLICIES, BACKUPS):
            for body in self.all(each):
                cache.put(each, body)
        await a_loop(cache, self, settings(), now=lambda: NOW).reconcile(Key(kind.kind, "shop", name))
        status: dict[str, Any] = (await self.get(kind, "shop", name))["status"]
        return status


async def test_a_field_of_the_status_that_is_not_kept_is_named_after_one_write():
    server = Older("nextRuns")
    server.holds(POLICIES, "orders", policy_dict(schedule={"cron": "0 2 * * *"}), {})
    with pytest.raises(
        RuntimeError, match=r"does not keep status\.nextRuns: install the CustomResourceDefinition of BackupPolicy"
    ):
        await server.reconcile(POLICIES, "orders")
    assert (server.writes, server.all(EVENTS)) == (1, [])


async def test_a_status_of_a_newer_release_keeps_no_policy_from_its_work():
    server = Older()
    server.holds(POLICIES, "orders", policy_dict(), LATER | {"conditions": []})
    status = await server.reconcile(POLICIES, "orders")
    assert {each["type"]: each["status"] for each in status["conditions"]}["Ready"] == "True"
    written = server.writes
    assert await server.reconcile(POLICIES, "orders") == status
    assert server.writes == written, "and it is not written again and again"


async def test_a_settled_backup_that_a_newer_release_has_written_is_left_as_it_is():
    server, status = Older(), {**await settled.taken(), **LATER}
    server.holds(BACKUPS, "b", {"policyRef": {"name": "gone"}}, status)
    assert await server.reconcile(BACKUPS, "b") == status
    assert server.writes == 0
