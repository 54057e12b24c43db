"""What the bucket remembers where the cluster does not: a resource made again, a database emptied meanwhile."""

import json
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import NOW, UID, a_policy, an_rds_policy
from tests.fake_s3 import FakeS3, client_error
from tests.fuzz import mutated

from holdfast.api.policy import Dump
from holdfast.api.storage import S3Storage
from holdfast.contract.report import BackupReport
from holdfast.contract.task import BackupIdentity, BackupTask, SnapshotTask
from holdfast.runner.bucket import earlier
from holdfast.runner.bucket.store import Store
from holdfast.runner.pod.result import Result

FOLDER = "eu-1/shop/orders/"
STORAGE = S3Storage(bucket="backups")
OURS = "backup-20261122-084500"  # NOW


def identity(name: str, uid: str, backup_id: str) -> BackupIdentity:
    return BackupIdentity(
        uid=uid, namespace="shop", name=name, policy="orders", backup_id=backup_id, environment="dev", retention_days=9
    )


def a_task(**changes: Any) -> BackupTask:
    return BackupTask(
        backup=identity("orders-1", UID, OURS), database=a_policy().database, dump=Dump(), s3=STORAGE,
        key_prefix=f"{FOLDER}{OURS}/", deadline_seconds=60, **changes,
    )  # fmt: skip


def manifest(began: datetime, **changes: Any) -> dict[str, Any]:
    identifier = f"backup-{began:%Y%m%d-%H%M%S}"
    backup = identity(changes.pop("name", "nightly"), changes.pop("uid", "another"), identifier).to_dict()
    return {
        "version": 1,
        "backup": backup,
        "database": {"engine": "postgresql", "name": "orders", "host": "elsewhere", "serverVersion": "PostgreSQL 17.5"},
        "artifact": {
            "key": "k", "format": "sql", "compression": "gzip", "sizeBytes": 1000, "uncompressedBytes": 1, "sha256": "",
            "parts": 1,
        },
        "tables": [{"name": "public.orders", "rows": 100}],
        "rows": 100,
        "completedAt": (began + timedelta(minutes=1)).isoformat(),
    } | changes  # fmt: skip


def a_bucket(*manifests: dict[str, Any]) -> FakeS3:
    s3 = FakeS3()
    for each in manifests:
        s3.objects[f"{FOLDER}{each['backup']['backupID']}/manifest.json"] = json.dumps(each).encode()
    return s3


def look(s3: FakeS3, task: BackupTask | None = None) -> earlier.Earlier:
    task = task or a_task()
    return earlier.look(Store(STORAGE, s3), task, task)


def days(number: float) -> datetime:
    return NOW - timedelta(days=number)


def test_the_newest_of_before_are_reported_the_oldest_first():
    s3 = a_bucket(*(manifest(days(age), rows=age) for age in (1, 2, 3, 4)))
    found = look(s3)
    assert [each.rows for each in found.compared] == [3, 2, 1]
    assert (found.compared[-1].tables, found.compared[-1].size_bytes) == (1, 1000)
    assert found.made_again is None


def test_those_that_are_older_than_some_weeks_are_found_as_well():
    assert [each.rows for each in look(a_bucket(manifest(days(400), rows=7))).compared] == [7]


def test_of_those_that_the_cluster_knows_none_is_read_for_comparison():
    """They are of this cluster, maybe suspicious themselves, or made of the same emptied database just now."""
    s3 = a_bucket(manifest(days(9), rows=9), manifest(days(1), rows=0), manifest(days(0.5), rows=0))
    assert [each.rows for each in look(s3, a_task(compare_before=days(2))).compared] == [9]


def test_another_resource_of_the_same_name_says_that_this_one_was_made_again():
    s3 = a_bucket(manifest(days(9), name="orders-1"), manifest(days(8), name="orders-1"), manifest(days(1)))
    assert look(s3).made_again == f"backup-{days(8):%Y%m%d-%H%M%S}"


def test_the_same_resource_is_not_made_again():
    assert look(a_bucket(manifest(days(1), name="orders-1", uid=UID))).made_again is None


def test_a_snapshot_is_compared_with_nothing_but_made_again_all_the_same():
    instance = an_rds_policy().database.instance
    assert instance is not None
    task = SnapshotTask(
        backup=identity("orders-1", UID, OURS), instance=instance, s3=STORAGE,
        key_prefix=f"{FOLDER}{OURS}/", deadline_seconds=60,
    )  # fmt: skip
    former = manifest(days(1), name="orders-1", method="aws-rds", snapshot={}, database=None, artifact=None)
    assert earlier.look(Store(STORAGE, a_bucket(former)), task) == earlier.Earlier([], former["backup"]["backupID"])


NOT_COMPARED = {
    "another database": manifest(days(1), database={**manifest(NOW)["database"], "name": "other"}),
    "one that completed after this began": manifest(days(1), completedAt="2026-11-22T09:00:00Z"),
    "a time of the year 0": manifest(days(1), completedAt="0000-01-01T00:00:00Z"),
    "a time without a zone": manifest(days(1), completedAt="2026-11-01T00:00:00"),
    "a time of the middle ages": manifest(days(1), completedAt="1500-01-01T00:00:00Z"),
    "less than nothing": manifest(days(1), rows=-1),
    "more than can be": manifest(days(1), artifact={**manifest(NOW)["artifact"], "sizeBytes": 10**30}),
}


@pytest.mark.parametrize("former", NOT_COMPARED.values(), ids=NOT_COMPARED)
def test_what_is_no_measure_is_left_out(former):
    assert look(a_bucket(former)) == earlier.Earlier()


def test_a_size_is_a_measure_only_of_what_is_stored_likewise():
    artifact = manifest(NOW)["artifact"] | {"compression": "zstd"}
    (found,) = look(a_bucket(manifest(days(1), artifact=artifact))).compared
    assert (found.size_bytes, found.rows) == (None, 100)


def test_folders_without_a_manifest_and_of_other_names_are_passed_over():
    s3 = a_bucket(manifest(days(2), rows=2))
    s3.objects |= {f"{FOLDER}{name}/x": b"" for name in ("backup-1", "lost+found", "backup-20261121-084500", "zzz")}
    assert [each.rows for each in look(s3).compared] == [2]


def test_a_manifest_beyond_all_size_is_not_read_through():
    s3 = a_bucket(manifest(days(1)))
    (key,) = s3.objects
    s3.objects[key] += b" " * earlier.LARGEST
    assert look(s3) == earlier.Earlier()


def test_the_requests_are_few_however_many_backups_there_are():
    s3 = a_bucket(*(manifest(days(1 + age / 100), rows=age) for age in range(300)))
    s3.page, asked = 2, []
    s3.faults["list_folders"] = lambda: asked.append(1)
    look(s3, a_task(compare_before=days(2)))
    assert len(asked) <= 4 * earlier.PAGES
    assert s3.calls.count("get_object") <= 2 * earlier.NEWEST


@given(st.data())
def test_no_manifest_that_others_write_does_more_than_be_left_out(data):
    former = data.draw(mutated(manifest(days(1), name="orders-1")))
    s3 = FakeS3()
    s3.objects[f"{FOLDER}backup-{days(1):%Y%m%d-%H%M%S}/manifest.json"] = json.dumps(former).encode()
    assert len(look(s3).compared) <= 1


def done() -> Result:
    report = {
        "backupID": OURS, "toolVersion": "t", "serverVersion": "s", "integrityCheck": "passed", "fileReadable": "x",
        "verifiedAt": "2026-11-22T08:45:00Z",
    }  # fmt: skip
    return Result(backup=BackupReport.model_validate(report))


def test_what_was_found_is_reported_and_a_resource_made_again_is_warned_of():
    looked: Future[earlier.Earlier] = Future()
    looked.set_result(look(a_bucket(manifest(days(1), name="orders-1"))))
    told = earlier.told(done(), looked)
    assert told.backup is not None
    assert (told.backup.earlier[0].rows, told.backup.made_again) == (100, f"backup-{days(1):%Y%m%d-%H%M%S}")
    assert "this resource was created again, and took another backup of the database as it is now" in told.warnings[0]


def test_a_list_that_is_denied_is_a_warning_and_no_failure():
    s3 = FakeS3()

    def deny() -> None:
        raise client_error("AccessDenied", 403)

    s3.faults["list_folders"] = deny
    told = earlier.told(done(), earlier.looking(Store(STORAGE, s3), a_task(), a_task()))
    assert told.backup == done().backup
    assert "not compared with earlier ones in the bucket" in told.warnings[0]
    assert "AccessDenied" in told.warnings[0]


def test_a_store_that_does_not_answer_holds_up_no_backup(monkeypatch):
    monkeypatch.setattr(earlier, "PATIENCE", 0.01)
    assert "the store did not answer within 0 s" in earlier.told(done(), Future()).warnings[0]
