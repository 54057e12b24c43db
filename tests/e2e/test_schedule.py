"""A policy takes backups by itself, and when it is asked to, on a cluster with its own clock."""

import json
from typing import Any

import pytest
from tests.e2e.world import POLICIES, World, until

pytestmark = pytest.mark.timeout(300)


def scheduled(world: World, policy: str) -> list[dict[str, Any]]:
    labels = f"holdfast.dev/policy={policy},holdfast.dev/slot"
    found = world.kubectl("get", "databasebackups.holdfast.dev", "-n", world.backups, "-l", labels, "-o", "json")
    return sorted(json.loads(found)["items"], key=lambda body: body["metadata"]["name"])


def told(world: World, policy: str) -> set[str]:
    selector = f"involvedObject.name={policy},involvedObject.kind=BackupPolicy"
    found = world.kubectl("get", "events", "-n", world.backups, "--field-selector", selector, "-o", "json")
    return {event["reason"] for event in json.loads(found)["items"]}


def test_a_policy_that_runs_each_minute_takes_two_backups_in_two_and_one_that_it_is_asked_for(world: World):
    # Given a policy that is due each minute
    schedule = {"schedule": {"cron": "* * * * *", "timeZone": "Europe/Berlin", "concurrencyPolicy": "Allow"}}
    world.apply(world.policy(world.backups, "minutely", schedule))

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
