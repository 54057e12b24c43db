"""Events: bounded, stable names, and no failure of theirs may stop a reconcile."""

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from holdfast.kube.errors import AlreadyExists, KubeError, NotFound, Refused, Unavailable
from holdfast.kube.events import EventRecorder, ObjectRef, event
from holdfast.kube.kinds import BACKUPS

NOW = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)
ABOUT = ObjectRef(BACKUPS, "shop", "orders-1", "uid-1")


def name(*, about: ObjectRef = ABOUT, type: str = "Normal", reason: str = "Started", message: str = "m") -> str:  # noqa: A002
    return event(about, type, reason, message, NOW)["metadata"]["name"]


def test_the_name_is_the_same_for_the_same_words_at_any_time() -> None:
    later = event(ABOUT, "Normal", "Started", "m", datetime(2027, 1, 1, tzinfo=UTC))
    assert later["metadata"]["name"] == name()


@pytest.mark.parametrize(
    "other",
    [
        {"about": ObjectRef(BACKUPS, "shop", "orders-1", "uid-2")},
        {"type": "Warning"},
        {"reason": "Succeeded"},
        {"message": "n"},
    ],
    ids=["another object of that name", "another type", "another reason", "another message"],
)
def test_other_words_have_another_name(other: dict[str, Any]) -> None:
    assert name(**other) != name()


@pytest.mark.parametrize("length", [1, 253])
def test_names_fit(length: int) -> None:
    assert len(name(about=ObjectRef(BACKUPS, "shop", "a" * length, "u"))) <= 253


@pytest.mark.parametrize("message", ["x" * 5000, "ü" * 600, "🙂" * 300], ids=["ascii", "two bytes", "four bytes"])
def test_a_long_message_is_cut_between_characters(message: str) -> None:
    cut = event(ABOUT, "Normal", "Started", message, NOW)["message"]
    assert len(cut.encode()) <= 1024
    assert cut[:-1] == message[: len(cut) - 1]


class Failing:
    """A client that fails at one step."""

    def __init__(self, step: str, error: KubeError) -> None:
        self._step, self._error = step, error

    async def create(self, *_: object) -> dict[str, Any]:
        raise self._error if self._step == "create" else AlreadyExists("there")

    async def get(self, *_: object) -> dict[str, Any]:
        if self._step == "get":
            raise self._error
        return {"count": 1}

    async def patch(self, *_: object) -> dict[str, Any]:
        raise self._error


@pytest.mark.parametrize(
    "error", [Unavailable("busy"), Refused("no"), NotFound("gone")], ids=lambda it: type(it).__name__
)
@pytest.mark.parametrize("step", ["create", "get", "patch"])
async def test_a_lost_event_is_counted_and_logged_and_raises_nothing(step: str, error: KubeError) -> None:
    before = REGISTRY.get_sample_value("holdfast_events_lost_total") or 0
    with capture_logs() as logs:
        await EventRecorder(Failing(step, error)).record(ABOUT, "Normal", "Started", "m", NOW)
    assert REGISTRY.get_sample_value("holdfast_events_lost_total") == before + 1
    assert [(line["log_level"], line["error"]) for line in logs] == [("warning", error.message)]


def test_an_event_says_all_that_kubectl_and_a_collector_look_for() -> None:
    body = event(ABOUT, "Warning", "BackupFailed", "it failed", NOW)
    assert body == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "shop", "name": body["metadata"]["name"]},
        "involvedObject": {
            "apiVersion": "holdfast.dev/v1alpha1",
            "kind": "DatabaseBackup",
            "namespace": "shop",
            "name": "orders-1",
            "uid": "uid-1",
        },
        "type": "Warning",
        "reason": "BackupFailed",
        "message": "it failed",
        "source": {"component": "holdfast-operator"},
        "reportingComponent": "holdfast-operator",
        "firstTimestamp": "2026-11-22T08:45:00Z",
        "lastTimestamp": "2026-11-22T08:45:00Z",
        "count": 1,
    }
    assert len(body["metadata"]["name"]) == len("orders-1.") + 16


class Counting:
    """A client that has the Event already, and keeps what is written to it."""

    def __init__(self, held: dict[str, Any]) -> None:
        self._held = held
        self.written: list[tuple[object, ...]] = []

    async def create(self, *_: object) -> dict[str, Any]:
        raise AlreadyExists("there")

    async def get(self, *_: object) -> dict[str, Any]:
        return self._held

    async def patch(self, *given: object) -> dict[str, Any]:
        self.written.append(given[1:])
        return {}


@pytest.mark.parametrize(("held", "count"), [({"count": 4}, 5), ({}, 2)], ids=["counted", "of somebody who does not"])
async def test_the_same_words_again_are_the_same_event_once_more(held: dict[str, Any], count: int) -> None:
    client = Counting(held)
    later = datetime(2026, 11, 22, 9, tzinfo=UTC)
    await EventRecorder(client).record(ABOUT, "Normal", "Started", "m", later)
    assert client.written == [("shop", name(), {"count": count, "lastTimestamp": "2026-11-22T09:00:00Z"})]
