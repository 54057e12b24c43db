"""A policy that takes backups by itself, with the API server: whatever dies, each slot has one backup and is told."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.builders import policy_dict, settings
from tests.fake_cluster import FakeCluster
from tests.moody import ANSWERS, Moody
from tests.mortal import Killed, Mortal
from tests.reconciling import a_loop

from holdfast import clock
from holdfast.handlers.watches import keys_of
from holdfast.kube.errors import KubeError, Refused
from holdfast.kube.kinds import BACKUPS, EVENTS, POLICIES, Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key

ORDERS = Key(POLICIES.kind, "shop", "orders")
MADE = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
TWO = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SLOT = "orders-20261122-0200"
NIGHTLY = {"cron": "0 2 * * *"}


class Quota(FakeCluster):
    """An API server that refuses backups, as a ResourceQuota has it."""

    full = True

    async def create(self, kind: Kind, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        if kind == BACKUPS and self.full:
            raise Refused("exceeded quota: count/databasebackups.holdfast.dev", 403)
        return await super().create(kind, namespace, body)


def a_cluster(
    schedule: dict[str, Any] | None = NIGHTLY, like: type[FakeCluster] = FakeCluster, **meta: Any
) -> FakeCluster:
    cluster = like(lambda *_: pytest.fail("nothing runs here"))
    spec = policy_dict(**({"schedule": schedule} if schedule else {}))
    names = {"namespace": "shop", "name": "orders", "uid": "p-1", "creationTimestamp": clock.to_text(MADE)}
    cluster.put(POLICIES, {"metadata": names | meta, "spec": spec})
    return cluster


async def looked_at(cluster: FakeCluster, now: datetime, client: Any = None) -> datetime | None:
    """An operator that has just begun looks, until nothing is left to do; returns when it wants to look again."""
    cache = Cache()
    for kind in (POLICIES, BACKUPS):
        for body in cluster.all(kind):
            cache.put(kind, body)
    return await looks(cache, client or cluster, now)


async def looks(cache: Cache, client: Any, now: datetime) -> datetime | None:
    """Look, and again where it has its own key woken."""
    woken = [ORDERS]
    loop, due = a_loop(cache, client, settings(), wake=woken.append, now=lambda: now), None
    while ORDERS in woken:
        woken.clear()
        due = await loop.reconcile(ORDERS)
    return due


def status(cluster: FakeCluster) -> dict[str, Any]:
    return cluster.all(POLICIES)[0].get("status", {})


def backups(cluster: FakeCluster) -> list[str]:
    return sorted(body["metadata"]["name"] for body in cluster.all(BACKUPS))


def events(cluster: FakeCluster) -> list[tuple[str, str, str]]:
    return [(each["type"], each["reason"], each["message"]) for each in cluster.all(EVENTS)]


def ends(cluster: FakeCluster, name: str, at: datetime, **changes: Any) -> None:
    body = next(each for each in cluster.all(BACKUPS) if each["metadata"]["name"] == name)
    ended = {"phase": "Succeeded", "completedAt": clock.to_text(at), "sizeBytes": 82_000_000, "durationSeconds": 14.0}
    cluster.put(BACKUPS, body | {"status": ended | changes})


async def test_a_slot_that_is_due_gets_its_backup_and_is_recorded():
    cluster = a_cluster()

    due = await looked_at(cluster, TWO + timedelta(seconds=1))

    body = cluster.all(BACKUPS)[0]
    assert body["metadata"]["name"] == SLOT
    assert body["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "holdfast",
        "holdfast.dev/policy": "orders",
        "holdfast.dev/policy-uid": "p-1",
        "holdfast.dev/slot": "20261122-0200",
    }
    assert "ownerReferences" not in body["metadata"]
    assert "annotations" not in body["metadata"]
    assert body["spec"] == {"policyRef": {"name": "orders"}, "reason": "scheduled for 2026-11-22T02:00:00Z"}
    said = status(cluster)
    assert said["lastRun"] == {"name": SLOT, "slot": "2026-11-22T02:00:00Z"}
    assert said["nextRuns"] == ["2026-11-23T02:00:00Z", "2026-11-24T02:00:00Z", "2026-11-25T02:00:00Z"]
    assert said["schedule"]["settledUntil"] == "2026-11-22T02:00:00Z"
    assert said["schedule"]["message"] == "at 02:00 every day, UTC"
    assert due == TWO + timedelta(days=1)
    assert events(cluster) == [("Normal", "BackupScheduled", f"the schedule created DatabaseBackup {SLOT}")]


async def test_a_policy_whose_schedule_asks_for_nothing_now_is_written_once():
    cluster = a_cluster()
    assert await looked_at(cluster, TWO - MINUTE) == TWO
    before = cluster.all(POLICIES)[0]["metadata"]["resourceVersion"]
    assert await looked_at(cluster, TWO - MINUTE / 2) == TWO
    assert cluster.all(POLICIES)[0]["metadata"]["resourceVersion"] == before
    assert (backups(cluster), events(cluster)) == ([], [])


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, 6))
async def test_an_operator_that_dies_at_any_call_makes_one_backup_of_a_slot(call: int, answered: bool):
    cluster = a_cluster()
    mortal = Mortal(cluster, call, answered)
    for later in range(3):
        try:
            await looked_at(cluster, TWO + later * MINUTE, mortal)
        except Killed:
            continue
    assert mortal.died == (call <= 3)
    assert backups(cluster) == [SLOT]
    assert (status(cluster)["lastRun"]["name"], status(cluster)["schedule"]["missed"]) == (SLOT, [])


@pytest.mark.parametrize(("answer", "late"), [("409", False), ("429", False), ("500", False), ("500", True)],
                         ids=["409", "429", "500", "500, and yet it was done"])  # fmt: skip
@pytest.mark.parametrize("call", range(1, 4))
async def test_whatever_the_api_server_answers_instead_a_slot_has_one_backup(call: int, answer: str, late: bool):
    cluster = a_cluster()
    moody = Moody(cluster, ANSWERS[answer], call, late=late)
    for later in range(3):
        with contextlib.suppress(KubeError):  # the queue asks again
            await looked_at(cluster, TWO + later * MINUTE, moody)
    assert moody.failed == 1
    assert backups(cluster) == [SLOT]
    assert (status(cluster)["lastRun"]["name"], status(cluster)["schedule"]["missed"]) == (SLOT, [])


async def test_a_second_leader_takes_the_backup_that_the_first_has_made_for_the_slots():
    cluster = a_cluster()
    stale = Cache()
    stale.put(POLICIES, cluster.all(POLICIES)[0])
    await looked_at(cluster, TWO)
    first = cluster.all(BACKUPS)[0]["metadata"]["uid"]

    await looks(stale, cluster, TWO)

    assert [body["metadata"]["uid"] for body in cluster.all(BACKUPS)] == [first]
    assert status(cluster)["schedule"]["missed"] == []


async def test_a_strangers_backup_of_the_slots_name_is_refused_and_said():
    cluster = a_cluster()
    strange = {"metadata": {"namespace": "shop", "name": SLOT}, "spec": {"policyRef": {"name": "orders"}}}
    cluster.put(BACKUPS, strange)
    await looked_at(cluster, TWO)
    assert cluster.all(BACKUPS)[0]["metadata"].get("labels") is None
    assert "lastRun" not in status(cluster)
    assert [(each["reason"], each["count"]) for each in status(cluster)["schedule"]["missed"]] == [("NameTaken", 1)]
    assert [(kind, reason) for kind, reason, _ in events(cluster)] == [("Warning", "SlotsMissed")]


async def test_while_the_last_scheduled_one_runs_a_slot_is_skipped_and_a_backup_by_hand_is_no_obstacle():
    cluster = a_cluster({"cron": "0 * * * *"})
    by_hand = {"metadata": {"namespace": "shop", "name": "by-hand"}, "spec": {"policyRef": {"name": "orders"}}}
    cluster.put(BACKUPS, by_hand | {"status": {"phase": "Running"}})
    await looked_at(cluster, TWO)
    await looked_at(cluster, TWO + HOUR)
    assert backups(cluster) == ["by-hand", SLOT]
    assert [each["reason"] for each in status(cluster)["schedule"]["missed"]] == ["StillRunning"]

    ends(cluster, SLOT, TWO + HOUR + MINUTE)
    await looked_at(cluster, TWO + 2 * HOUR)
    assert backups(cluster) == ["by-hand", SLOT, "orders-20261122-0400"]


async def test_what_the_api_server_refuses_is_said_once_asked_again_and_made_in_the_end():
    cluster = a_cluster(like=Quota)
    assert await looked_at(cluster, TWO) == TWO + MINUTE
    assert await looked_at(cluster, TWO + MINUTE) == TWO + 2 * MINUTE
    assert "exceeded quota" in status(cluster)["schedule"]["message"]
    assert status(cluster)["schedule"]["settledUntil"] < "2026-11-22T02:00:00Z"
    assert [(kind, reason) for kind, reason, _ in events(cluster)] == [("Warning", "BackupNotMade")]

    assert isinstance(cluster, Quota)
    cluster.full = False
    await looked_at(cluster, TWO + 2 * MINUTE)
    assert (backups(cluster), status(cluster)["schedule"]["message"]) == ([SLOT], "at 02:00 every day, UTC")


async def test_a_schedule_that_makes_no_sense_is_said_by_its_field_and_the_last_good_one_is_not_run_on():
    cluster = a_cluster()
    await looked_at(cluster, TWO - MINUTE)
    broken = policy_dict(schedule={"cron": "0 22-4 * * *"})
    await cluster.patch(POLICIES, "shop", "orders", {"spec": broken})

    assert await looked_at(cluster, TWO + MINUTE) is None

    ready = next(each for each in status(cluster)["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ScheduleInvalid")
    assert "spec.schedule.cron" in ready["message"]
    assert (backups(cluster), status(cluster).get("nextRuns")) == ([], None)

    await cluster.patch(POLICIES, "shop", "orders", {"spec": policy_dict(schedule=NIGHTLY)})
    assert await looked_at(cluster, TWO + 2 * MINUTE) == TWO + timedelta(days=1)
    assert backups(cluster) == []  # it begins when it makes sense again


async def test_a_schedule_that_is_taken_out_leaves_nothing_behind_but_what_was_run():
    cluster = a_cluster()
    await looked_at(cluster, TWO)
    await cluster.patch(POLICIES, "shop", "orders", {"spec": {"schedule": None}})
    assert await looked_at(cluster, TWO + HOUR) is None
    assert {"schedule", "nextRuns"} & status(cluster).keys() == set()
    assert status(cluster)["lastRun"]["name"] == SLOT


async def test_a_policy_that_cannot_be_read_keeps_what_is_remembered():
    cluster = a_cluster()
    await looked_at(cluster, TWO)
    await cluster.patch(POLICIES, "shop", "orders", {"spec": {"environment": "moon"}})
    await looked_at(cluster, TWO + HOUR)
    assert status(cluster)["schedule"]["settledUntil"] == "2026-11-22T02:00:00Z"
    assert "nextRuns" not in status(cluster)


async def test_a_policy_that_is_being_deleted_makes_nothing():
    cluster = a_cluster(deletionTimestamp="2026-11-22T01:59:00Z")
    assert await looked_at(cluster, TWO) is None
    assert (backups(cluster), status(cluster)) == ([], {})


async def test_what_ends_is_told_by_the_policy_once():
    cluster = a_cluster({"cron": "0 * * * *"})
    await looked_at(cluster, TWO)
    ends(cluster, SLOT, TWO + MINUTE)
    await looked_at(cluster, TWO + 2 * MINUTE)
    await looked_at(cluster, TWO + 3 * MINUTE)
    assert status(cluster)["lastSuccess"] == {"name": SLOT, "completedAt": "2026-11-22T02:01:00Z"}
    assert ("Normal", "BackupSucceeded", f"{SLOT}: 82 MB in 14s") in events(cluster)

    await looked_at(cluster, TWO + HOUR)
    third = "orders-20261122-0300"
    ends(cluster, third, TWO + HOUR + MINUTE, phase="Failed", failure={"reason": "DumpFailed"})
    await looked_at(cluster, TWO + HOUR + 2 * MINUTE)
    assert status(cluster)["lastFailure"]["reason"] == "DumpFailed"
    assert status(cluster)["lastSuccess"]["name"] == SLOT
    told = [reason for _, reason, _ in events(cluster)]
    assert (told.count("BackupSucceeded"), told.count("BackupFailed")) == (1, 1)


@pytest.mark.parametrize("now", [{"phase": "Failed", "failure": {"reason": "Lost"}}, {"phase": "Expired"}], ids=str)
async def test_the_last_good_one_is_remembered_without_its_resource_and_forgotten_where_it_is_none_any_more(now):
    cluster = a_cluster()
    await looked_at(cluster, TWO)
    ends(cluster, SLOT, TWO + MINUTE)
    await looked_at(cluster, TWO + 2 * MINUTE)
    kept = cluster.objects.pop((BACKUPS.kind, "shop", SLOT))
    await looked_at(cluster, TWO + 3 * MINUTE)
    assert status(cluster)["lastSuccess"]["name"] == SLOT

    cluster.put(BACKUPS, kept | {"status": kept["status"] | now})
    await looked_at(cluster, TWO + 4 * MINUTE)
    assert "lastSuccess" not in status(cluster)


async def test_an_older_good_one_that_becomes_the_last_is_no_news():
    cluster = a_cluster({"cron": "0 * * * *"})
    for hour, ended in enumerate(({}, {}, {"phase": "Failed", "failure": {"reason": "DumpFailed"}})):
        await looked_at(cluster, TWO + hour * HOUR)
        ends(cluster, f"orders-20261122-0{2 + hour}00", TWO + hour * HOUR + MINUTE, **ended)
        await looked_at(cluster, TWO + hour * HOUR + 2 * MINUTE)
    told = cluster.all(EVENTS)
    assert sum(body["reason"] == "BackupSucceeded" for body in told) == 2

    ends(cluster, "orders-20261122-0300", TWO + HOUR + MINUTE, phase="Failed", failure={"reason": "Lost"})
    await looked_at(cluster, TWO + 2 * HOUR + 3 * MINUTE)

    assert status(cluster)["lastSuccess"]["name"] == SLOT
    assert cluster.all(EVENTS) == told


async def test_a_backup_that_is_being_deleted_keeps_no_slot_from_running():
    cluster = a_cluster({"cron": "0 * * * *"})
    await looked_at(cluster, TWO)
    body = cluster.all(BACKUPS)[0]
    cluster.put(BACKUPS, body | {"metadata": body["metadata"] | {"deletionTimestamp": "2026-11-22T02:10:00Z"}})
    await looked_at(cluster, TWO + HOUR)
    assert backups(cluster) == [SLOT, "orders-20261122-0300"]


async def test_backups_of_a_former_policy_of_the_name_are_no_success_of_this_one():
    cluster = a_cluster()
    older = {"namespace": "shop", "name": "old", "creationTimestamp": clock.to_text(MADE - HOUR)}
    cluster.put(BACKUPS, {"metadata": older, "spec": {"policyRef": {"name": "orders"}}})
    ends(cluster, "old", MADE - MINUTE)
    await looked_at(cluster, TWO - MINUTE)
    assert "lastSuccess" not in status(cluster)


NOW_ANNOTATION = "holdfast.dev/backup-now"


@pytest.mark.parametrize("schedule", [None, {"cron": "0 2 * * *", "suspend": True}], ids=["without one", "suspended"])
async def test_the_annotation_takes_a_backup_whatever_the_schedule_says(schedule):
    cluster = a_cluster(schedule, annotations={NOW_ANNOTATION: "before the release"})
    await looked_at(cluster, TWO)
    (name,) = backups(cluster)
    assert name.startswith("orders-now-")
    spec = cluster.all(BACKUPS)[0]["spec"]
    assert spec["reason"] == "asked for by the annotation holdfast.dev/backup-now: before the release"
    assert status(cluster)["backupNow"] == {"request": "before the release", "number": 1, "name": name, "message": ""}
    await looked_at(cluster, TWO + MINUTE)
    assert backups(cluster) == [name]


async def test_each_new_value_is_a_new_request_and_so_is_one_that_comes_back():
    cluster = a_cluster(None)
    for value in ("1", "2", "2", "1"):
        await cluster.patch(POLICIES, "shop", "orders", {"metadata": {"annotations": {NOW_ANNOTATION: value}}})
        await looked_at(cluster, TWO)
    assert len(backups(cluster)) == 3


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, 5))
async def test_an_operator_that_dies_at_any_call_makes_one_backup_of_a_request(call: int, answered: bool):
    cluster = a_cluster(None, annotations={NOW_ANNOTATION: "1"})
    mortal = Mortal(cluster, call, answered)
    for _ in range(3):
        try:
            await looked_at(cluster, TWO, mortal)
        except Killed:
            continue
    assert len(backups(cluster)) == 1
    assert status(cluster)["backupNow"]["name"] == backups(cluster)[0]


async def test_a_request_that_the_api_server_refuses_is_said_once_and_asked_again_and_the_schedule_goes_on():
    cluster = a_cluster(like=Quota, annotations={NOW_ANNOTATION: "1"})
    assert await looked_at(cluster, TWO - HOUR / 4) == TWO - HOUR / 4 + MINUTE
    assert "exceeded quota" in status(cluster)["backupNow"]["message"]
    assert isinstance(cluster, Quota)
    cluster.full = False
    await looked_at(cluster, TWO)
    assert len(backups(cluster)) == 2
    assert (status(cluster)["backupNow"]["number"], status(cluster)["lastRun"]["name"]) == (1, SLOT)


async def test_a_value_that_somebody_made_long_is_cut_and_stops_nothing():
    cluster = a_cluster(annotations={NOW_ANNOTATION: "x\n" * 5000})
    await looked_at(cluster, TWO)
    assert len(backups(cluster)) == 2
    assert all(len(body["spec"]["reason"]) <= 512 for body in cluster.all(BACKUPS))


def test_a_backup_that_has_ended_wakes_its_policy_and_one_that_runs_does_not():
    cache = Cache()
    meta = {"namespace": "shop", "name": "first", "uid": "b", "resourceVersion": "1"}
    woken = {}
    for phase in ("Running", "Succeeded", "Failed"):
        body = {"metadata": meta, "spec": {"policyRef": {"name": "orders"}}, "status": {"phase": phase}}
        cache.put(BACKUPS, body)
        woken[phase] = set(keys_of(BACKUPS, body, cache)) - {Key(BACKUPS.kind, "shop", "first")}
    assert woken == {"Running": set(), "Succeeded": {ORDERS}, "Failed": {ORDERS}}


REPLACING = {"cron": "0 * * * *", "concurrencyPolicy": "Replace"}
NEXT = "orders-20261122-0300"


async def lived(cluster: FakeCluster, now: datetime, client: Any = None) -> None:
    """Some looks, as the events of what was done would bring them."""
    for _ in range(3):
        await looked_at(cluster, now, client)


async def test_replace_cancels_the_run_that_still_goes_on_makes_the_slots_own_and_says_so():
    cluster = a_cluster(REPLACING)
    await looked_at(cluster, TWO)
    await lived(cluster, TWO + HOUR)

    assert backups(cluster) == [NEXT]
    assert status(cluster)["lastRun"] == {"name": NEXT, "slot": "2026-11-22T03:00:00Z"}
    assert status(cluster)["schedule"]["missed"] == []
    assert status(cluster)["recent"] == [{"name": SLOT, "result": "Replaced", "completedAt": "2026-11-22T03:00:00Z"}]
    cancelled = (
        f"DatabaseBackup {SLOT} is cancelled: it has not ended, the next one is due at 2026-11-22T03:00:00Z, and "
        "concurrencyPolicy is Replace"
    )
    assert events(cluster)[1:] == [
        ("Warning", "BackupReplaced", cancelled),
        ("Normal", "BackupScheduled", f"the schedule created DatabaseBackup {NEXT}"),
    ]  # fmt: skip


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, 8))
async def test_an_operator_that_dies_at_any_call_replaces_one_backup_by_one(call: int, answered: bool):
    cluster = a_cluster(REPLACING)
    await looked_at(cluster, TWO)
    mortal = Mortal(cluster, call, answered)
    for _ in range(5):
        try:
            await looked_at(cluster, TWO + HOUR, mortal)
        except Killed:
            continue
    assert backups(cluster) == [NEXT]
    assert [run["name"] for run in status(cluster)["recent"]] == [SLOT]


async def test_a_run_that_is_replaced_is_remembered_beside_those_of_before():
    cluster = a_cluster(REPLACING)
    await looked_at(cluster, TWO)
    ends(cluster, SLOT, TWO + MINUTE)
    await lived(cluster, TWO + HOUR)
    await lived(cluster, TWO + 2 * HOUR)
    found = [(run["name"], run["result"]) for run in status(cluster)["recent"]]
    assert found == [(NEXT, "Replaced"), (SLOT, "Succeeded")]


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({}, id="by hand"),
        pytest.param({"holdfast.dev/policy-uid": "p-1"}, id="asked for by the policy's annotation"),
        pytest.param({"holdfast.dev/policy-uid": "another", "holdfast.dev/slot": "20261122-0200"}, id="another's slot"),
    ],
)
async def test_replace_cancels_only_what_this_policys_schedule_has_made(labels: dict[str, str]):
    cluster = a_cluster(REPLACING)
    meta = {"namespace": "shop", "name": "spared", "labels": labels}
    cluster.put(BACKUPS, {"metadata": meta, "spec": {"policyRef": {"name": "orders"}}, "status": {"phase": "Running"}})
    await lived(cluster, TWO + HOUR)
    assert backups(cluster) == [NEXT, "spared"]


async def test_a_run_that_ends_well_before_it_is_cancelled_is_kept_and_told_as_it_ended():
    cluster = a_cluster(REPLACING)
    await looked_at(cluster, TWO)

    class Meanwhile:
        """Its run ends at the very moment that it is to be deleted."""

        def __getattr__(self, name: str) -> Any:
            return getattr(cluster, name)

        async def delete(self, *args: Any, **how: Any) -> None:
            ends(cluster, SLOT, TWO + HOUR)
            await cluster.delete(*args, **how)

    await lived(cluster, TWO + HOUR, Meanwhile())
    assert backups(cluster) == [SLOT, NEXT]
    assert [(run["name"], run["result"]) for run in status(cluster)["recent"]] == [(SLOT, "Succeeded")]


async def test_where_the_api_server_refuses_to_cancel_a_run_the_schedule_says_so_and_asks_again():
    cluster = a_cluster(REPLACING)
    await looked_at(cluster, TWO)

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(cluster, name)

        async def delete(self, *_: Any, **__: Any) -> None:
            raise Refused("denied by a policy", 403)

    assert await looked_at(cluster, TWO + HOUR, Refusing()) == TWO + HOUR + MINUTE
    assert (
        f"refuses to delete {SLOT}, and Holdfast tries again each minute: denied"
        in status(cluster)["schedule"]["message"]
    )
    assert backups(cluster) == [SLOT]
    await lived(cluster, TWO + HOUR + MINUTE)
    assert backups(cluster) == [NEXT]


async def test_the_last_ten_runs_are_remembered_in_the_write_that_tells_of_the_last_also_of_those_that_are_gone():
    cluster = a_cluster({"cron": "0 * * * *"})
    names = []
    for hour in range(12):
        now = TWO + hour * HOUR
        await looked_at(cluster, now)
        name = backups(cluster)[0]
        names.append(name)
        before = int(cluster.all(POLICIES)[0]["metadata"]["resourceVersion"])
        ends(
            cluster,
            name,
            now + MINUTE,
            **({"phase": "Failed", "failure": {"reason": "DumpFailed"}} if hour == 5 else {}),
        )
        written = [event[1] for event in events(cluster)]
        await looked_at(cluster, now + MINUTE)
        assert [event[1] for event in events(cluster)][len(written) :] in (["BackupSucceeded"], ["BackupFailed"])
        assert (
            int(cluster.all(POLICIES)[0]["metadata"]["resourceVersion"]) - before == 3
        )  # the backup's, the policy's, its Event's
        await cluster.delete(BACKUPS, "shop", name, uid=None)
    recent = status(cluster)["recent"]
    assert [run["name"] for run in recent] == names[:1:-1]
    assert recent[0] == {
        "name": names[-1], "result": "Succeeded", "completedAt": "2026-11-22T13:01:00Z",
        "sizeBytes": 82_000_000, "size": "82 MB", "durationSeconds": 14.0, "duration": "14s",
    }  # fmt: skip
    assert recent[6] | {"completedAt": ""} == {
        "name": names[5], "result": "Failed", "reason": "DumpFailed", "completedAt": "",
        "sizeBytes": 82_000_000, "size": "82 MB", "durationSeconds": 14.0, "duration": "14s",
    }  # fmt: skip


async def test_of_many_policies_that_are_due_at_once_all_have_their_backup_before_anything_is_written_of_one():
    cluster, cache, woken = a_cluster(), Cache(), []
    names = ("orders", "users", "blog")
    for name in names[1:]:
        meta = {"namespace": "shop", "name": name, "creationTimestamp": clock.to_text(MADE)}
        cluster.put(POLICIES, {"metadata": meta, "spec": policy_dict(schedule=NIGHTLY)})
    for body in cluster.all(POLICIES):
        cache.put(POLICIES, body)
    loop = a_loop(cache, cluster, settings(), wake=woken.append, now=lambda: TWO)
    for name in names:
        assert await loop.reconcile(Key(POLICIES.kind, "shop", name)) is None
    assert backups(cluster) == sorted(f"{name}-20261122-0200" for name in names)
    assert not any("lastRun" in body.get("status", {}) for body in cluster.all(POLICIES))
    assert [key.name for key in woken] == list(names)
    for key in woken[:]:
        await loop.reconcile(key)
    assert all("lastRun" in body["status"] for body in cluster.all(POLICIES))
