"""A policy takes backups by itself, and when it is asked to, on a cluster with its own clock."""

import json
from typing import Any

import pytest
from tests.e2e.world import POLICIES, World, until

pytestmark = pytest.mark.timeout(300)
SUSPENDED = '{"spec": {"schedule": {"suspend": true}}}'


def scheduled(world: World, policy: str) -> list[dict[str, Any]]:
    labels = f"holdfast.dev/policy={policy},holdfast.dev/slot"
    found = world.kubectl("get", "databasebackups.holdfast.dev", "-n", world.backups, "-l", labels, "-o", "json")
    return sorted(json.loads(found)["items"], key=lambda body: body["metadata"]["name"])


def told(world: World, policy: str) -> set[str]:
    selector = f"involvedObject.name={policy},involvedObject.kind=BackupPolicy"
    found = world.kubectl("get", "events", "-n", world.backups, "--field-selector", selector, "-o", "json")
    return {event["reason"] for event in json.loads(found)["items"]}


def each_minute(concurrency: str, **more: Any) -> dict[str, Any]:
    return {"schedule": {"cron": "* * * * *", "timeZone": "Europe/Berlin", "concurrencyPolicy": concurrency}, **more}


def test_policies_that_run_each_minute_take_their_backups_and_do_as_they_say_where_one_still_runs(world: World):
    # Given a policy that is due each minute, and two whose database lets no dump come to its end
    schedule = each_minute("Allow")
    world.apply(world.policy(world.backups, "minutely", schedule))
    with world.locked(world.a_database("slow")):
        for concurrency in ("Replace", "Forbid"):
            changes = each_minute(concurrency, database={"name": "slow"})
            world.apply(world.policy(world.backups, f"slow-{concurrency.lower()}", changes))
        the_minutely(world, schedule)
        forbidding = until(lambda: status_of(world, "slow-forbid"), lambda found: missed(found) > 0, 90)
        replacing = until(lambda: status_of(world, "slow-replace"), lambda found: replaced(found) != [], 90)
        for policy in ("slow-forbid", "slow-replace"):  # or the next slot would cancel what runs by then
            world.kubectl("patch", POLICIES, "-n", world.backups, policy, "--type=merge", "-p", SUSPENDED)

    # Then one policy has skipped a slot, and says why, and the other one has cancelled what still ran
    assert missed(forbidding) == sum(it["count"] for it in forbidding["schedule"]["missed"])
    assert len(scheduled(world, "slow-forbid")) == 1
    gone = replaced(replacing)[0]["name"]
    assert gone not in {body["metadata"]["name"] for body in scheduled(world, "slow-replace")}
    until(lambda: world.pods(world.backups, gone), lambda pods: pods == [], 60)
    assert told(world, "slow-replace") >= {"BackupReplaced"}

    # and what took its place is good once the database lets it, and what was cancelled has left nothing
    newest = scheduled(world, "slow-replace")[-1]["metadata"]["name"]
    ended = world.finished(world.backups, newest)
    assert ended["phase"] == "Succeeded"
    assert world.keys(ended["location"].removesuffix("/").rpartition("/")[0]) == world.keys(ended["location"])
    world.kubectl("delete", POLICIES, "-n", world.backups, "slow-forbid", "slow-replace")


def status_of(world: World, policy: str) -> dict[str, Any]:
    return world.get(POLICIES, world.backups, policy).get("status", {})


def missed(status: dict[str, Any]) -> int:
    found = status.get("schedule", {}).get("missed", [])
    return sum(it["count"] for it in found if it["reason"] == "StillRunning")


def replaced(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [run for run in status.get("recent", []) if run["result"] == "Replaced"]


def the_minutely(world: World, schedule: dict[str, Any]) -> None:

    # When it is asked for a backup now, as the how-to says
    about = [f"{POLICIES}/minutely", "-n", world.backups]
    world.kubectl("annotate", *about, "holdfast.dev/backup-now=1")
    world.kubectl("wait", *about, "--for=jsonpath={.status.backupNow.request}=1", "--timeout=30s")
    asked = world.get(POLICIES, world.backups, "minutely")["status"]["backupNow"]["name"]

    # and two slots have come
    two = until(lambda: scheduled(world, "minutely"), lambda found: len(found) >= 2, 200)[:2]

    # Then each has one backup, named by its slot, good, and told by the policy
    uid = world.get(POLICIES, world.backups, "minutely")["metadata"]["uid"]
    for body in two:
        meta = body["metadata"]
        assert meta["name"] == f"minutely-{meta['labels']['holdfast.dev/slot']}"
        assert (meta["labels"]["holdfast.dev/policy-uid"], meta.get("ownerReferences")) == (uid, None)
        assert body["spec"]["policyRef"] == {"name": "minutely"}
        ended = world.finished(world.backups, meta["name"])
        assert ended["phase"] == "Succeeded"
    assert world.finished(world.backups, asked)["phase"] == "Succeeded"
    status = until(
        lambda: world.get(POLICIES, world.backups, "minutely")["status"],
        lambda found: found.get("lastSuccess", {}).get("completedAt", "") >= ended["completedAt"],
        60,
    )
    assert status["schedule"]["message"] == "every minute, Europe/Berlin"
    assert len(status["nextRuns"]) == 3
    assert {"BackupScheduled", "BackupSucceeded", "BackupRequested"} <= told(world, "minutely")

    # and suspended it rests
    world.apply(world.policy(world.backups, "minutely", {"schedule": {**schedule["schedule"], "suspend": True}}))
    world.kubectl("wait", *about, "--for=jsonpath={.status.schedule.suspended}=true", "--timeout=30s")
    assert "nextRuns" not in world.get(POLICIES, world.backups, "minutely")["status"]
    world.kubectl("delete", *about)
    assert len(scheduled(world, "minutely")) >= 2  # they stay when their policy goes
