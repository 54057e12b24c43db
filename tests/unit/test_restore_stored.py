"""How a restore names what it takes: a backup of the cluster, or a folder of a bucket."""

from typing import Any

import pytest
from tests.builders import NOW, UID, a_begun_backup, as_begun, settings

from holdfast.api.backup import Phase
from holdfast.api.release import ReleaseBefore, ReleaseStatus
from holdfast.api.restore_source import BucketSource
from holdfast.api.restore_status import Chosen
from holdfast.api.storage import Storage
from holdfast.decide.restore import stored
from holdfast.decide.restore.source import Choice
from holdfast.decide.restore.stored import Stored

RELEASE = {"job_name": "migrate-7", "job_uid": "j", "images": ["shop:7"], "revision": "7"}


def of_backup(**status: Any) -> Chosen:
    backup = a_begun_backup(phase=Phase.SUCCEEDED, completed_at=NOW, **status)
    return stored.of_backup(Choice("first", "it is named"), as_begun(backup.status))


@pytest.mark.parametrize(
    ("noted", "told"),
    [
        pytest.param(None, None, id="of no release"),
        pytest.param(ReleaseStatus(**RELEASE, released_at=NOW, rollback="back"), ReleaseBefore(**RELEASE),
                     id="before a release, but not what became of that"),
    ],
)  # fmt: skip
def test_a_backup_of_the_cluster_is_told_with_all_that_finds_it_again(noted: Any, told: Any):
    assert of_backup(release=noted) == Chosen(
        backup="first", uid=UID, backup_id="backup-20261122-084430",
        location="s3://backups/eu-1/shop/orders/backup-20261122-084430/", completed_at=NOW, because="it is named",
        release=told,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "told", "backup_id"),
    [
        pytest.param("eu-1/shop/orders/backup-1", "eu-1/shop/orders/backup-1/", "backup-1", id="by the backup's id"),
        pytest.param("eu-1/shop/orders/backup-1/", "eu-1/shop/orders/backup-1/", "backup-1", id="with its slash"),
        pytest.param("backup-1", "backup-1/", "backup-1", id="at the bucket's root"),
        pytest.param("archive/Old orders", "archive/Old orders/", None, id="in words that are no id"),
        pytest.param("archive/-backup", "archive/-backup/", None, id="with a dash first"),
        pytest.param(f"archive/{'b' * 129}", f"archive/{'b' * 129}/", None, id="longer than an id may be"),
    ],
)
def test_a_folder_is_told_as_it_is_named(folder: str, told: str, backup_id: str | None):
    storage = settings().defaults.storage
    bucket = BucketSource.model_validate({"s3": {"bucket": "backups"}, "folder": folder})
    assert stored.of_folder(Storage(s3=storage.s3), bucket) == Chosen(
        backup_id=backup_id, location=f"s3://backups/{told}", because="the resource names this folder"
    )
    assert stored.in_bucket(Storage(s3=storage.s3), bucket) == Stored(storage.s3, told, None, None, None)
