"""The soak's judge: each thing that must never be is noticed, where it is, and nothing else is."""

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW
from tests.soak.bucket import KILLED, Bucket, Container
from tests.soak.judge import Story, verdict

from holdfast import clock, naming
from holdfast.api.storage import S3Storage
from holdfast.contract.report import parse
from holdfast.contract.task import BackupIdentity, BackupTask, CleanupTask, DeleteItem, DeleteTask

Body = dict[str, Any]
CREATED = NOW - timedelta(minutes=3, seconds=20)


def a_made_one(minutes_ago: int, phase: str = "Succeeded", **spec: Any) -> Body:
    slot = naming.slot_label(NOW - timedelta(minutes=minutes_ago))
    labels = {naming.LABEL_POLICY: "orders", naming.LABEL_SLOT: slot}
    name = f"orders-{slot}"
    return {
        "metadata": {"name": name, "uid": f"u-{minutes_ago}", "labels": labels},
        "spec": spec,
        "status": {"phase": phase, "location": f"s3://backups/shop/orders/{name}/"},
    }


def a_story() -> Story:
    """Four minutes: the first backup was deleted, the second was missed, the third failed, the last one is there."""
    gone, failed, good = a_made_one(3), a_made_one(1, "Failed"), a_made_one(0)
    missed = [{"reason": "StillRunning", "count": 1}]
    policy = {
        "metadata": {"name": "orders", "creationTimestamp": clock.to_text(CREATED)},
        "status": {
            "schedule": {"settledUntil": clock.to_text(NOW), "missed": missed},
            "backupNow": {"request": "1"},
            "retention": {"message": "1 backup kept"},
        },
    }
    asked = {"name": "orders-now-1", "uid": "u-now", "labels": {naming.LABEL_POLICY: "orders"}}
    job = {
        "metadata": {"name": "orders-backup"},
        "spec": {"ttlSecondsAfterFinished": 86400},
        "status": {"conditions": [{"type": "SuccessCriteriaMet"}, {"type": "Complete"}]},
    }
    return Story(
        policies=[policy],
        backups=[failed, good],
        jobs=[job],
        seen={meta["uid"]: meta for meta in (gone["metadata"], failed["metadata"], good["metadata"], asked)},
        until=NOW,
        requests={"orders": 1},
        manifests=["u-0"],
        published={"u-3": 1, "u-0": 1},
        folders=[good["status"]["location"].removeprefix("s3://backups/")],
    )


def test_a_story_in_which_all_is_well_has_nothing_wrong():
    assert verdict(a_story()) == []


def policy_of(story: Story) -> Body:
    return story.policies[0]["status"]  # type: ignore[no-any-return]


def lost(story: Story) -> None:
    policy_of(story)["schedule"]["missed"] = []


def doubled(story: Story) -> None:
    story.seen["u-x"] = {**story.seen["u-0"], "uid": "u-x"}  # type: ignore[index]


def run_and_counted(story: Story) -> None:
    policy_of(story)["schedule"]["missed"][0]["count"] = 2


def behind(story: Story) -> None:
    policy_of(story)["schedule"]["settledUntil"] = clock.to_text(NOW - timedelta(minutes=1))


def asked_twice(story: Story) -> None:
    story.seen["u-y"] = {**story.seen["u-now"], "uid": "u-y"}  # type: ignore[index]


def unanswered(story: Story) -> None:
    policy_of(story)["backupNow"]["request"] = "0"


def never_ends(story: Story) -> None:
    story.backups[0]["status"]["phase"] = "Running"


def cleans_for_ever(story: Story) -> None:
    story.backups[0]["status"]["cleanup"] = {"state": "Running"}


def page_open(story: Story) -> None:
    policy_of(story)["retention"]["page"] = {"number": 3}


def job_runs(story: Story) -> None:
    story.jobs[0]["status"]["conditions"] = []


def job_stays(story: Story) -> None:
    del story.jobs[0]["spec"]["ttlSecondsAfterFinished"]


def empty_success(story: Story) -> None:
    story.manifests.clear()  # type: ignore[attr-defined]


def secret_success(story: Story) -> None:
    story.manifests.append("u-1")  # type: ignore[attr-defined]


def left_over(story: Story) -> None:
    story.folders.append("shop/orders/orders-20261122-0842/")  # type: ignore[attr-defined]


def taken_twice(story: Story) -> None:
    story.published["u-0"] = 2  # type: ignore[index]


def pinned_and_gone(story: Story) -> None:
    story.backups[0].update(spec={"pinned": True}, status={"phase": "Expired", "location": "s3://backups/x/"})
    story.published["u-1"] = 1  # type: ignore[index]


@pytest.mark.parametrize(("breach", "said"), [
    pytest.param(lost, "of 4 slots 3 were run and 0 counted", id="a slot that is lost"),
    pytest.param(doubled, "slot 20261122-0845 was run 2 times", id="a slot that was run twice"),
    pytest.param(run_and_counted, "of 4 slots 3 were run and 2 counted", id="a slot that was run and counted, too"),
    pytest.param(behind, "the slots since 2026-11-22T08:44:00Z are not settled", id="a schedule that stopped"),
    pytest.param(asked_twice, "2 backups for 1 requests", id="a request that was answered twice"),
    pytest.param(unanswered, "the last request is not answered", id="a request that was not answered"),
    pytest.param(never_ends, "has not ended: Running", id="a backup that does not end"),
    pytest.param(cleans_for_ever, "its cleanup has not ended", id="a cleanup that does not end"),
    pytest.param(page_open, "a deletion has not ended", id="a deletion that does not end"),
    pytest.param(job_runs, "the Job orders-backup has not ended", id="a Job that does not end"),
    pytest.param(job_stays, "the Job orders-backup stays for ever", id="a Job that stays"),
    pytest.param(empty_success, "is called Succeeded, and has no manifest", id="a success without a manifest"),
    pytest.param(secret_success, "has a manifest, and is not called Succeeded", id="a manifest that nobody knows of"),
    pytest.param(left_over, "is of no good backup, and holds something", id="data that nobody knows of"),
    pytest.param(taken_twice, "was published 2 times", id="a backup that was taken twice"),
    pytest.param(pinned_and_gone, "is pinned, and its data is gone", id="a pinned one that went"),
])  # fmt: skip
def test_it_notices(breach: Callable[[Story], None], said: str):
    story = copy.deepcopy(a_story())
    breach(story)
    wrong = verdict(story)
    assert any(said in sentence for sentence in wrong), wrong
    assert len(wrong) <= 2, wrong


def test_what_waits_to_be_deleted_again_is_not_stuck_but_no_good_backup_either():
    story = copy.deepcopy(a_story())
    story.backups[0]["status"]["phase"] = "Deleting"
    policy_of(story)["retention"]["retries"] = [{"uid": "u-1"}]
    story.folders.append(story.backups[0]["status"]["location"].removeprefix("s3://backups/"))  # type: ignore[attr-defined]
    assert verdict(story) == []


def test_what_the_bucket_has_seen_is_told():
    assert verdict(replace(a_story(), faults=["the last one was deleted"])) == ["the last one was deleted"]


# -- the bucket and what is done with it


class Chance(random.Random):
    """Says what it is told to."""

    def __init__(self, value: float, number: int = 0) -> None:
        super().__init__(0)
        self.value, self.number = value, number

    def random(self) -> float:
        return self.value

    def randrange(self, *_: Any) -> int:
        return self.number


WELL, DIES_BEFORE, DIES_AFTER = 0.99, 0.1, 0.15


def a_backup_task(number: int) -> BackupTask:
    identifier = f"backup-20261122-08450{number}"
    identity = BackupIdentity(
        uid=f"u-{number}", namespace="shop", name=f"orders-{number}", backup_id=identifier, environment="dev",
        retention_days=30,
    )  # fmt: skip
    return BackupTask.model_validate({
        "kind": "backup", "backup": identity.model_dump(by_alias=True), "s3": {"bucket": "backups"},
        "keyPrefix": f"shop/orders/{identifier}/", "deadlineSeconds": 60, "dump": {"format": "sql"},
        "database": {"engine": "postgresql", "name": "orders", "connection": {"host": "db", "secretName": "db"}},
    })  # fmt: skip


def a_deletion_of(*tasks: BackupTask) -> DeleteTask:
    items = [
        DeleteItem(
            uid=task.backup.uid, namespace="shop", name=task.backup.name, backup_id=task.backup.backup_id,
            key_prefix=task.key_prefix, completed_at=clock.now(),
        )
        for task in tasks
    ]  # fmt: skip
    return DeleteTask(items=items, s3=S3Storage(bucket="backups"), key_prefix="shop/orders/", deadline_seconds=60)


def test_the_deletion_of_the_last_good_one_is_noticed_and_that_of_an_older_one_is_none():
    bucket = Bucket(keep_last=1)
    container, first, last = Container(bucket, Chance(WELL)), a_backup_task(1), a_backup_task(2)
    for task in (first, last):
        assert container.run(task, f"pod-{task.backup.uid}")[0] == 0
    assert container.run(a_deletion_of(first), "pod-3")[0] == 0
    assert (bucket.deleted_uids, bucket.faults_seen) == (["u-1"], [])
    container.run(a_deletion_of(last), "pod-4")
    assert len(bucket.faults_seen) == 1


def test_who_is_killed_says_nothing_and_the_next_pod_finds_what_there_is():
    bucket, task = Bucket(keep_last=1), a_backup_task(1)
    assert Container(bucket, Chance(DIES_BEFORE)).run(task, "pod-1") == (KILLED, "")
    assert bucket.published == {}
    assert Container(bucket, Chance(DIES_AFTER)).run(task, "pod-2") == (KILLED, "")
    code, message = Container(bucket, Chance(DIES_AFTER)).run(task, "pod-3")
    report = parse(message)
    assert code == 0
    assert report is not None
    assert report.backup is not None
    assert report.backup.found
    assert bucket.published == {"u-1": 1}
    cleanup = CleanupTask(backup_uid="u-1", s3=task.s3, key_prefix=task.key_prefix, deadline_seconds=60)
    assert Container(bucket, Chance(WELL)).run(cleanup, "pod-4")[0] == 0
    assert len(bucket.keys_there()) == 2


def test_a_deletion_that_is_killed_leaves_no_manifest_without_its_data_and_the_next_one_finishes():
    bucket, task = Bucket(keep_last=0), a_backup_task(1)
    Container(bucket, Chance(WELL)).run(task, "pod-1")
    assert Container(bucket, Chance(0.0, number=1)).run(a_deletion_of(task), "pod-2") == (KILLED, "")
    assert bucket.keys_there() == [f"{task.key_prefix}pod-1.sql.gz"]
    assert Container(bucket, Chance(WELL)).run(a_deletion_of(task), "pod-3")[0] == 0
    assert bucket.keys_there() == []
