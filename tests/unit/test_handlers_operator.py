"""The leader's work as a whole: why it ends, when its watches do."""

import asyncio
from typing import Any

import kopf
import pytest
from prometheus_client import CollectorRegistry

from holdfast.handlers import operator as operators
from holdfast.handlers.operator import Operator
from holdfast.handlers.server import Health
from holdfast.kube.errors import NotServed
from holdfast.kube.kinds import BACKUPS, Kind
from holdfast.settings import Settings


class Cluster:
    """An API server that lists nothing, and perhaps does not know our kinds."""

    def __init__(self, *, has_our_kinds: bool) -> None:
        self.has_our_kinds = has_our_kinds

    async def list(self, kind: Kind, *_: object, **__: object) -> list[dict[str, Any]]:
        if kind is BACKUPS and not self.has_our_kinds:
            raise NotServed(kind.plural, kind.api_version)
        return []


@pytest.mark.parametrize(
    ("has_our_kinds", "error", "says"),
    [
        pytest.param(False, NotServed, r"serves no databasebackups of holdfast.dev/v1alpha1", id="the kind is gone"),
        pytest.param(True, ConnectionError, "cut off", id="the API server knows of nothing"),
    ],
)
async def test_a_watch_that_fails_ends_the_work_with_the_servers_reason_where_it_has_one(
    has_our_kinds: bool, error: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> None:
        raise ConnectionError("cut off")

    async def spawn_tasks(**_: object) -> list[asyncio.Task[Any]]:
        return [asyncio.create_task(fails()), asyncio.create_task(asyncio.Event().wait())]

    monkeypatch.setattr(kopf, "spawn_tasks", spawn_tasks)
    monkeypatch.setattr(operators, "REGISTRY", CollectorRegistry())
    cluster = Cluster(has_our_kinds=has_our_kinds)
    operator = Operator(cluster, None, Settings(images={"postgres-17": "example.com/none"}), Health())
    watching = asyncio.create_task(operator.watch(lambda: None))
    working = asyncio.create_task(operator.work())
    with pytest.raises(error, match=says):
        await watching
    working.cancel()
    await asyncio.wait([working])
