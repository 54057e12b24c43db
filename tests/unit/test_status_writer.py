"""The one way to a status: what is written is known, said in the log, and claimed while it is on its way."""

from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.builders import NOW
from tests.fake_cluster import FakeCluster
from tests.reconciling import a_writer

from holdfast import clock
from holdfast.decide.decision import Announcement
from holdfast.kube.errors import Conflict, Unavailable
from holdfast.kube.kinds import BACKUPS, EVENTS, POLICIES
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.resource import Resource

STATUS = {"phase": "Pending", "message": "m", "backupID": "backup-1"}


class World:
    """A backup without a status, and a writer."""

    def __init__(self) -> None:
        self.cluster, self.cache = FakeCluster(lambda *_: None), Cache()
        body = self.cluster.put(BACKUPS, {"metadata": {"namespace": "shop", "name": "b"}, "spec": {}})
        self.resource = Resource.of(body)
        self.writer = a_writer(self.cache, self.cluster)

    async def write(self, said: Announcement | None = None, status: dict[str, Any] = STATUS) -> Resource | None:
        return await self.writer.write(BACKUPS, self.resource, status, said)

    def under_way(self) -> list[Any]:
        return [
            list(self.writer.under_way(kind, namespace))
            for kind, namespace in ((BACKUPS, "shop"), (BACKUPS, "crm"), (POLICIES, "shop"))
        ]


async def test_what_was_written_is_known_at_once_and_said_in_the_log() -> None:
    world = World()
    with capture_logs() as logs:
        written = await world.write()
    assert written is not None
    assert written.status == STATUS
    held = world.cache.backup("shop", "b")
    assert held is not None
    assert (held.resource_version, held.backup_id) == (written.resource_version, "backup-1")
    assert logs == [
        {"event": "Status written", "log_level": "info", "fields": ["backupID", "message", "phase"],
         "phase": "Pending", "message": "m"}
    ]  # fmt: skip
    with capture_logs() as logs:
        await world.writer.write(BACKUPS, written, {"backupID": "backup-1"})
    assert [entry["fields"] for entry in logs] == [["message", "phase"]]


@pytest.mark.parametrize("fails", [False, True], ids=["it is written", "it is not"])
async def test_while_it_is_on_its_way_its_own_namespace_and_kind_know_of_it(
    fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, seen = World(), []
    patch = world.cluster.patch

    async def answers(*args: Any, **kwargs: Any) -> Any:
        seen.append(world.under_way())
        if fails:
            raise Unavailable("busy")
        return await patch(*args, **kwargs)

    monkeypatch.setattr(world.cluster, "patch", answers)
    if fails:
        with pytest.raises(Unavailable):
            await world.write()
    else:
        await world.write()
    assert seen == [[[STATUS], [], []]]
    assert world.under_way() == [[], [], []]


async def test_where_nothing_is_new_nothing_is_asked_of_the_api_server(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(world.cluster, "patch", lambda *_, **__: pytest.fail("nothing is to be written"))
    assert await world.write(Announcement(True, "X", "m"), status={}) is None
    assert world.cluster.all(EVENTS) == []


async def test_whoever_was_faster_is_what_stands_there_then_and_nothing_is_announced() -> None:
    world = World()
    await world.cluster.patch(BACKUPS, "shop", "b", {"status": {"phase": "Failed"}}, subresource="status")
    found = await world.write(Announcement(False, "X", "m"))
    assert found is not None
    assert found.status == {"phase": "Failed"}
    held = world.cache.backup("shop", "b")
    assert held is not None
    assert held.resource_version == found.resource_version
    assert world.cluster.all(EVENTS) == []


async def test_one_that_is_gone_is_left_at_that(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    del world.cluster.objects[BACKUPS.kind, "shop", "b"]
    assert await world.write(Announcement(False, "X", "m")) is None

    async def changed(*_: object, **__: object) -> None:
        raise Conflict("changed, and then deleted", 409)

    monkeypatch.setattr(world.cluster, "patch", changed)
    assert await world.write(Announcement(False, "X", "m")) is None
    assert world.cluster.all(EVENTS) == []


@pytest.mark.parametrize(("warning", "type_"), [(True, "Warning"), (False, "Normal")])
async def test_with_it_goes_the_event_about_that_resource(warning: bool, type_: str) -> None:
    world = World()
    await world.write(Announcement(warning, "Reason", "what happened"))
    (event,) = world.cluster.all(EVENTS)
    about = {"kind": "DatabaseBackup", "namespace": "shop", "name": "b", "uid": world.resource.uid}
    assert event["involvedObject"].items() >= about.items()
    assert (event["type"], event["reason"], event["message"]) == (type_, "Reason", "what happened")
    assert event["firstTimestamp"] == clock.to_text(NOW)
