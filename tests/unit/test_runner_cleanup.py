"""Cleanup removes leftovers of one backup, and nothing else in any case."""

import io

import pytest
from tests.builders import NOW, UID
from tests.fake_s3 import FakeS3, client_error
from tests.manifests import a_manifest

from holdfast.api.storage import S3Storage
from holdfast.contract.manifest import ManifestGlobals
from holdfast.contract.task import CleanupTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket.folder import require_one_backup
from holdfast.runner.bucket.store import Store
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.stop import Stop
from holdfast.runner.tasks import cleanup
from holdfast.runner.tasks.dumps import Dumps

ID = "backup-20261122-084500"
PREFIX = f"shop/orders/{ID}/"


@pytest.mark.parametrize(
    "prefix",
    [f"shop/orders/{ID}/", f"eu-1/shop/orders/{ID}/", f"a/b/c/d/{ID}-before-v2-0f6bd1c4/",
               f"eu//db/shop/orders/{ID}/"],
)  # fmt: skip
def test_the_folder_of_one_backup_may_be_cleaned(prefix):
    require_one_backup(prefix)


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "/",
        "//",
        "////",
        "shop/",
        "shop/orders/",
        "eu-1/shop/orders/",
        "/shop/orders/",
        "a//b/",
        "a/b//",
        "shop/orders/backups/",
        f"shop/orders/{ID}",
        f"orders/{ID}/",
        f"{ID}/",
        f"/orders/{ID}/",
        f"shop/orders/{ID}/x/",
    ],
)
def test_anything_wider_is_refused(prefix):
    with pytest.raises(HoldfastError, match="not the folder of a single backup") as caught:
        require_one_backup(prefix)
    assert caught.value.reason is Reason.INVALID_TASK


def run(s3, monkeypatch, tmp_path, **fields):
    monkeypatch.setattr("holdfast.runner.bucket.store.connect", lambda s3_, _: Store(s3_, s3))
    storage = S3Storage(bucket="backups", **fields)
    task = CleanupTask(backup_uid=UID, s3=storage, key_prefix=PREFIX, deadline_seconds=60)
    return cleanup.run(task, Context(Places(run=tmp_path), Stop(), Log(io.StringIO()), "pod-1", NOW), Dumps())


def test_uploads_and_artifacts_without_a_manifest_go_and_the_rest_stays(monkeypatch, tmp_path):
    s3, elsewhere = FakeS3(), [f"{PREFIX}deeper/x", f"shop/orders/{ID}-2/pod.sql.gz", "x"]
    for key in [f"{PREFIX}pod-1.sql.gz", f"{PREFIX}pod-2.sql.gz", *elsewhere]:
        s3.put_object(Key=key, Body=b"x")
        s3.create_multipart_upload(Key=key)
    done = run(s3, monkeypatch, tmp_path)
    assert done.message == f"aborted 2 uploads and deleted 2 objects under {PREFIX}"
    assert not done.backup_there
    assert sorted(s3.objects) == sorted(elsewhere)
    assert sorted(s3.keys[upload] for upload in s3.uploads) == sorted(elsewhere)


def test_a_manifest_that_cannot_be_read_stops_the_deleting(monkeypatch, tmp_path):
    s3 = FakeS3()
    s3.put_object(Key=f"{PREFIX}pod-1.sql.gz", Body=b"x")
    s3.put_object(Key=f"{PREFIX}manifest.json", Body=b"of a version to come")
    with pytest.raises(HoldfastError) as caught:
        run(s3, monkeypatch, tmp_path)
    assert caught.value.reason is Reason.MANIFEST_CONFLICT
    assert len(s3.objects) == 2


@pytest.mark.parametrize(
    ("fields", "refuses"),
    [({"object_lock": {"mode": "compliance"}}, False), ({"object_lock": {"mode": "governance"}}, True), ({}, True)],
    ids=["hidden behind a marker", "refused", "refused, by the bucket's own retention"],
)
def test_what_object_lock_retains_is_said_and_is_no_failure(monkeypatch, tmp_path, fields, refuses):
    s3 = FakeS3(locking=True)
    s3.put_object(Key=f"{PREFIX}pod-1.sql.gz", Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=NOW)
    s3.put_object(Key=f"{PREFIX}pod-2.sql.gz", Body=b"x")

    def refuse():
        s3.faults.clear()  # the first alone
        raise client_error("AccessDenied", 403)

    if refuses:
        s3.faults["delete_object"] = refuse
    done = run(s3, monkeypatch, tmp_path, **fields)
    assert "deleted 1 objects" in done.message
    assert f"{PREFIX}pod-1.sql.gz is retained by Object Lock until 2026-11-22 08:45 UTC" in done.message


def test_a_deletion_that_is_refused_without_a_lock_fails(monkeypatch, tmp_path):
    s3 = FakeS3(locking=True)
    s3.put_object(Key=f"{PREFIX}pod-1.sql.gz", Body=b"x")

    def refuse():
        raise client_error("AccessDenied", 403)

    s3.faults["delete_object"] = refuse
    with pytest.raises(HoldfastError) as caught:
        run(s3, monkeypatch, tmp_path)
    assert caught.value.reason is Reason.STORAGE_ACCESS_DENIED


def test_the_artifact_that_a_valid_manifest_names_stays_and_the_rest_goes(monkeypatch, tmp_path):
    """A backup that is there is never touched, whatever else of its Pods lies beside it."""
    s3 = FakeS3()
    companion = ManifestGlobals(key=f"{PREFIX}pod-1.globals.json.gz", sha256="0" * 64)
    kept = a_manifest(key=f"{PREFIX}pod-1.sql.gz").model_copy(update={"globals": companion})
    s3.put_object(Key=f"{PREFIX}manifest.json", Body=kept.to_json())
    for key in (kept.artifact.key, companion.key, f"{PREFIX}pod-2.sql.gz"):
        s3.put_object(Key=key, Body=b"x")
    s3.create_multipart_upload(Key=f"{PREFIX}pod-3.sql.gz")

    done = run(s3, monkeypatch, tmp_path)

    assert sorted(s3.objects) == sorted([kept.artifact.key, companion.key, f"{PREFIX}manifest.json"])
    assert s3.uploads == {}
    assert done.message == (
        f"aborted 1 uploads and deleted 1 objects under {PREFIX}; the backup backup-1 is there and stays"
    )
    assert done.backup_there


def test_the_manifest_of_another_backup_stops_the_deleting(monkeypatch, tmp_path):
    s3 = FakeS3()
    s3.put_object(
        Key=f"{PREFIX}manifest.json", Body=a_manifest(uid="of-another", key=f"{PREFIX}pod-9.sql.gz").to_json()
    )
    for key in (f"{PREFIX}pod-9.sql.gz", f"{PREFIX}pod-2.sql.gz"):
        s3.put_object(Key=key, Body=b"x")
    with pytest.raises(HoldfastError) as caught:
        run(s3, monkeypatch, tmp_path)
    assert caught.value.reason is Reason.MANIFEST_CONFLICT
    assert len(s3.objects) == 3
