"""Of the namespaces listed, those that can be read are watched; the others are told of, and end nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from tests.patience import until

from holdfast.kube.errors import KubeError, NotServed, Refused, Unavailable
from holdfast.kube.kinds import Kind
from holdfast.process.namespaces import Namespaces, NamespacesChanged


class Cluster:
    """An API server that answers each namespace's list as it is told: with nothing in it, or an error."""

    def __init__(self, **errors: KubeError) -> None:
        self.errors = errors
        self.asked = 0

    async def pages(self, _kind: Kind, namespace: str, **_: object) -> AsyncIterator[list[dict[str, Any]]]:
        self.asked += 1
        if error := self.errors.get(namespace):
            raise error
        yield []


def unwatched(namespace: str) -> float | None:
    return REGISTRY.get_sample_value("holdfast_namespace_unwatched", {"namespace": namespace})


async def test_a_namespace_that_was_deleted_is_left_out_and_told_of() -> None:
    with capture_logs() as logs:
        found = await Namespaces(Cluster(gone=Refused("cannot list databasebackups")), ["crm", "gone"]).watchable()
    assert found == ["crm"]
    assert (unwatched("crm"), unwatched("gone")) == (0, 1)
    (told,) = logs
    assert (told["log_level"], told["namespace"], told["error"]) == ("error", "gone", "cannot list databasebackups")


async def test_none_listed_means_all_and_asks_nothing() -> None:
    assert await Namespaces(None, []).watchable() == []


@pytest.mark.parametrize(
    "errors",
    [
        pytest.param({"crm": Refused("no right"), "shop": Refused("no right")}, id="none can be read"),
        pytest.param({"crm": Unavailable("busy")}, id="the API server does not answer"),
        pytest.param({"crm": NotServed("databasebackups", "holdfast.dev/v1alpha1")}, id="the kind is not installed"),
    ],
)
async def test_what_is_no_deleted_namespace_ends_the_start(errors: dict[str, KubeError]) -> None:
    with pytest.raises(type(errors["crm"]), match=errors["crm"].message):
        await Namespaces(Cluster(**errors), ["crm", "shop"]).watchable()


@pytest.mark.parametrize(
    ("errors", "watched"),
    [
        pytest.param({"shop": Refused("no right")}, ["crm", "shop"], id="one is gone"),
        pytest.param({}, ["crm"], id="one is back"),
    ],
)
async def test_another_set_of_namespaces_ends_the_work_so_that_it_begins_anew(
    errors: dict[str, KubeError], watched: list[str]
) -> None:
    with pytest.raises(
        NamespacesChanged, match=f"the watched namespaces were {', '.join(watched)}; the operator can now watch crm"
    ):
        await Namespaces(Cluster(**errors), ["crm", "shop"], interval=0.01).follow(watched)


async def test_neither_the_same_namespaces_nor_a_busy_server_ends_the_work() -> None:
    cluster = Cluster(shop=Unavailable("busy"))
    following = asyncio.create_task(Namespaces(cluster, ["crm", "shop"], interval=0.01).follow(["crm", "shop"]))
    with capture_logs() as logs:
        await until(lambda: logs)
    assert logs[0]["event"] == "Could not check the namespaces"
    cluster.errors.clear()
    asked = cluster.asked
    await until(lambda: cluster.asked > asked + 4)
    assert not following.done()
    following.cancel()
