"""Events, as `kubectl describe` finds them on a real API server."""

from datetime import UTC, datetime, timedelta

from holdfast.kube.client import KubeClient
from holdfast.kube.events import EventRecorder, ObjectRef
from holdfast.kube.kinds import BACKUPS, EVENTS

NOW = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)


async def test_a_repeat_counts_up_one_event(client: KubeClient, namespace: str, unique: str) -> None:
    recorder = EventRecorder(client)
    about = ObjectRef(BACKUPS, namespace, unique, uid=unique)
    for minute in range(3):
        await recorder.record(about, "Warning", "Failed", "the host does not resolve", NOW + timedelta(minutes=minute))
    await recorder.record(about, "Normal", "Succeeded", "82 MB in 4s", NOW)
    found = await client.list(EVENTS, namespace, field_selector=f"involvedObject.uid={unique}")
    told = {item["reason"]: item for item in found}
    assert told["Failed"]["count"] == 3
    assert told["Failed"]["firstTimestamp"] == "2026-11-22T08:45:00Z"
    assert told["Failed"]["lastTimestamp"] == "2026-11-22T08:47:00Z"
    assert told["Succeeded"]["count"] == 1
    assert len(found) == 2


async def test_a_long_message_and_a_long_name_are_taken(client: KubeClient, namespace: str, unique: str) -> None:
    about = ObjectRef(BACKUPS, namespace, ("a" * 60 + ".") * 4 + "b" * 9, uid=unique)
    await EventRecorder(client).record(about, "Normal", "Started", "ü" * 2000, NOW)
    (found,) = await client.list(EVENTS, namespace, field_selector=f"involvedObject.uid={unique}")
    assert found["message"].startswith("üü")
    assert found["message"].endswith("…")
