"""Deleting backups from a real store: all of them, for good where it keeps versions, and soon."""

import io
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from tests.builders import NOW
from tests.manifests import DATA, a_manifest
from tests.stores.conftest import TIMEOUT, Kind

from holdfast import clock
from holdfast.api.storage import S3Storage
from holdfast.contract.report import DeleteReport
from holdfast.contract.task import DeleteItem, DeleteTask, MustStay
from holdfast.runner.bucket.store import Store
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.stop import Stop
from holdfast.runner.tasks import delete
from holdfast.runner.tasks.dumps import Dumps

pytestmark = [pytest.mark.integration, pytest.mark.timeout(TIMEOUT)]

PAGE_SECONDS = 20  # at the most, for a page of fifty
VERSIONED = "versioned"
LOCK = timedelta(seconds=4)


@pytest.fixture
def root() -> str:
    return f"deletion-{uuid.uuid4()}"


@pytest.fixture(scope="session")
def versioned(seaweedfs: Kind) -> str:
    seaweedfs.client.create_bucket(Bucket=VERSIONED)
    seaweedfs.client.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
    return VERSIONED


class Backups:
    """Some backups in a bucket, and their deletion."""

    def __init__(self, kind: Kind, bucket: str, root: str, folder: Path) -> None:
        self.kind, self.bucket, self.root, self._folder = kind, bucket, root, folder
        self.items: list[DeleteItem] = []

    def prefix(self, number: int) -> str:
        return f"{self.root}/shop/orders/backup-20261122-{number:06}/"

    def add(self, **lock: object) -> DeleteItem:
        number = len(self.items)
        prefix, uid = self.prefix(number), f"uid-{self.root}-{number}"
        manifest = a_manifest(uid=uid, key=f"{prefix}pod-1.sql.gz")
        for name, body in (("pod-1.sql.gz", DATA), ("manifest.json", manifest.to_json())):
            self.kind.client.put_object(Bucket=self.bucket, Key=prefix + name, Body=body, **lock)  # type: ignore[arg-type]
        item = DeleteItem(
            uid=uid, namespace="shop", name=f"orders-{number}", backup_id=prefix.split("/")[-2], key_prefix=prefix,
            completed_at=clock.now(),
        )  # fmt: skip
        self.items.append(item)
        return item

    def delete(
        self, monkeypatch: pytest.MonkeyPatch, *items: DeleteItem, stays: DeleteItem | None = None
    ) -> DeleteReport:
        monkeypatch.setattr("holdfast.runner.bucket.store.connect", lambda s3, _: Store(s3, self.kind.client))
        task = DeleteTask(
            items=list(items), s3=S3Storage(bucket=self.bucket), key_prefix=items[0].key_prefix, deadline_seconds=60,
            must_stay=[MustStay(uid=stays.uid, key_prefix=stays.key_prefix)] if stays else [],
        )  # fmt: skip
        context = Context(Places(run=self._folder), Stop(), Log(io.StringIO()), "pod-1", NOW)
        return cast("DeleteReport", delete.run(task, context, Dumps()).deletion)

    def there(self) -> list[str]:
        """Return the keys of all versions and markers."""
        pages = self.kind.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=self.root)
        return sorted(it["Key"] for page in pages for it in (*page.get("Versions", []), *page.get("DeleteMarkers", [])))


def test_a_page_of_fifty_goes_soon_and_what_is_to_stay_stays(
    seaweedfs: Kind, root: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    backups = Backups(seaweedfs, seaweedfs.bucket, root, tmp_path)
    stays, *others = [backups.add() for _ in range(51)]
    begun = time.monotonic()
    report = backups.delete(monkeypatch, *others, stays=stays)
    took = time.monotonic() - begun
    print(f"a page of 50 took {took:.2f} s")
    assert report.deleted == list(range(50)), report
    assert backups.there() == [f"{stays.key_prefix}manifest.json", f"{stays.key_prefix}pod-1.sql.gz"]
    assert took < PAGE_SECONDS


def test_every_version_goes_for_good(
    seaweedfs: Kind, versioned: str, root: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    backups = Backups(seaweedfs, versioned, root, tmp_path)
    item, hidden, stays = backups.add(), backups.add(), backups.add()
    seaweedfs.client.put_object(Bucket=versioned, Key=f"{item.key_prefix}pod-1.sql.gz", Body=DATA)
    for name in ("manifest.json", "pod-1.sql.gz"):
        seaweedfs.client.delete_object(Bucket=versioned, Key=hidden.key_prefix + name)
    report = backups.delete(monkeypatch, item, hidden, stays=stays)
    assert report.deleted == [0, 1], report
    assert backups.there() == [f"{stays.key_prefix}manifest.json", f"{stays.key_prefix}pod-1.sql.gz"]


def test_what_was_there_before_the_bucket_kept_versions_goes_for_good(
    seaweedfs: Kind, root: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket = f"late-{uuid.uuid4().hex[:8]}"
    seaweedfs.client.create_bucket(Bucket=bucket)
    backups = Backups(seaweedfs, bucket, root, tmp_path)
    item = backups.add()
    seaweedfs.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert backups.delete(monkeypatch, item).deleted == [0]
    assert backups.there() == []


def test_what_object_lock_keeps_is_told_with_its_time_and_goes_when_that_has_come(
    seaweedfs: Kind, root: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    backups = Backups(seaweedfs, seaweedfs.locked, root, tmp_path)
    until = clock.now().replace(microsecond=0) + LOCK
    locked = backups.add(ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    free = backups.add()
    report = backups.delete(monkeypatch, locked, free)
    assert (report.deleted, [(it.items, it.until, it.untouched) for it in report.retained]) == (
        [1],
        [([0], until, True)],
    )
    assert len(backups.there()) == 2
    while clock.now() <= until:  # the store's own clock has to come there: nothing else says that it has
        Stop().wait(0.2)
    assert backups.delete(monkeypatch, locked).deleted == [0]
    assert backups.there() == []
