"""A policy deletes what no rule keeps: the data from the bucket, the resource where Holdfast made it, and no more."""

from typing import Any

import pytest
from tests.e2e.world import BACKUPS, POLICIES, World, backup, gone, until

pytestmark = pytest.mark.timeout(300)


def held(status: dict[str, Any]) -> bool:
    return any((it["type"], it["status"]) == ("RetentionHeld", "True") for it in status.get("conditions", []))


def test_a_plan_that_would_delete_much_waits_and_approved_it_leaves_what_is_kept_and_nothing_else(world: World):
    # Given a policy that keeps the last backup alone, and three: two by hand, and between them one by annotation
    database = world.a_database("kept")
    rules = {"database": {"name": database}, "retention": {"days": 0, "keepLast": 1, "dryRun": True}}
    world.apply(world.policy(world.backups, "kept", rules), backup(world.backups, "kept-first", "kept"))
    about = [f"{POLICIES}/kept", "-n", world.backups]
    first = world.finished(world.backups, "kept-first")
    world.kubectl("annotate", *about, "holdfast.dev/backup-now=1")
    world.kubectl("wait", *about, "--for=jsonpath={.status.backupNow.name}", "--timeout=30s")
    made = world.get(POLICIES, world.backups, "kept")["status"]["backupNow"]["name"]
    second = world.finished(world.backups, made)
    world.apply(backup(world.backups, "kept-last", "kept"))
    last = world.finished(world.backups, "kept-last")
    assert {each["phase"] for each in (first, second, last)} == {"Succeeded"}

    # When it is a dry run, then the plan is written down, with what it would delete, and nothing is deleted
    def status() -> dict[str, Any]:
        return world.get(POLICIES, world.backups, "kept")["status"]

    planned = until(status, lambda found: found.get("retention", {}).get("plan", {}).get("total") == 2, 30)
    assert [each["name"] for each in planned["retention"]["plan"]["deletions"]] == ["kept-first", made]

    # When the dry run ends, then the plan is held, since it would delete more than half
    world.apply(world.policy(world.backups, "kept", {**rules, "retention": {"days": 0, "keepLast": 1}}))
    waiting = until(status, held, 30)
    said = next(it["message"] for it in waiting["conditions"] if it["type"] == "RetentionHeld")
    plan = waiting["retention"]["plan"]["hash"]
    assert f"holdfast.dev/approve-deletions={plan}" in said
    assert all(world.keys(each["location"]) for each in (first, second, last))

    # When it is approved by its hash
    world.kubectl("annotate", *about, f"holdfast.dev/approve-deletions={plan}")

    # Then what Holdfast made is gone, what a person made stays as Expired, and both without data
    until(lambda: gone(world, BACKUPS, world.backups, made), bool, 90)
    expired = world.reaches(world.backups, "kept-first", lambda found: found.get("phase") == "Expired", 60)
    assert "restore" not in expired
    assert "data was deleted" in expired["message"]
    assert [world.keys(each["location"]) for each in (first, second)] == [{}, {}]

    # and the last one is whole, says why it is kept, and the policy tells what it did
    kept = world.reaches(world.backups, "kept-last", lambda found: "keptBecause" in found, 30)
    assert "last 1" in kept["keptBecause"]
    assert len(world.keys(last["location"])) == 3
    assert world.verify(world.backups, "kept-last", "readback/1")["verificationRun"]["state"] == "Passed"
    done = until(status, lambda found: found["retention"].get("lastSweep"), 60)["retention"]
    assert (done["deleted"], done["kept"], "page" in done) == (2, 1, False)
