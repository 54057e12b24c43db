"""The backup task as a whole: whatever request to the store fails, what is told is true and no half looks whole."""

import gzip
import hashlib
import io
import os
from typing import ClassVar

import pytest
from botocore.exceptions import ReadTimeoutError
from tests.builders import NOW, UID, a_policy
from tests.fake_s3 import FakeS3, client_error

from holdfast.api.policy import Dump
from holdfast.api.storage import S3Storage
from holdfast.contract.manifest import Manifest
from holdfast.contract.task import BackupIdentity, BackupTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket import manifests
from holdfast.runner.bucket.store import Store
from holdfast.runner.engines.postgres.server import Server
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.result import UncleanError
from holdfast.runner.pod.stop import Stop
from holdfast.runner.tasks import backup

PREFIX = "eu-1/shop/orders/backup-20261122-084500/"
MANIFEST = f"{PREFIX}manifest.json"
PG_DUMP = """#!/bin/sh
case $1 in --version) echo 'pg_dump (PostgreSQL) 17.5'; exit;; esac
echo 'create table t();'; echo '-- PostgreSQL database dump complete'
"""


@pytest.fixture
def s3(monkeypatch):
    fake = FakeS3()
    monkeypatch.setattr("holdfast.runner.bucket.store.connect", lambda s3, _: Store(s3, fake))
    return fake


@pytest.fixture(autouse=True)
def a_database(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "holdfast.runner.engines.postgres.server.inspect", lambda *_: Server("db", "5432", "PostgreSQL 17.5", 17, 1000)
    )
    (tmp_path / "pg_dump").write_text(PG_DUMP)
    (tmp_path / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.fixture(autouse=True)
def a_store_is_tried_once(monkeypatch):
    monkeypatch.setattr(backup, "RETRY_WINDOW", 0.0)


@pytest.fixture
def context(tmp_path):
    return a_context(tmp_path)


def a_context(tmp_path, pod="pod-1", secret=True):
    folder = tmp_path / f"secret-of-{pod}"
    folder.mkdir()
    if secret:
        (folder / "username").write_text("u")
        (folder / "password").write_text("p")
    return Context(Places(database_secret=folder, run=tmp_path, spool=tmp_path), Stop(), Log(io.StringIO()), pod, NOW)


def a_task(uid=UID, **fields):
    policy = a_policy()
    identity = BackupIdentity(
        uid=uid, namespace="shop", name="orders-1", backup_id="backup-20261122-084500", environment="production",
        retention_days=90,
    )  # fmt: skip
    return BackupTask(
        backup=identity, database=policy.database, dump=policy.dump or Dump(),
        s3=S3Storage(bucket="backups", **fields),
        key_prefix=PREFIX, deadline_seconds=60,
    )  # fmt: skip


def assert_no_manifest_without_its_artifact(s3):
    if MANIFEST in s3.objects:
        artifact = Manifest.model_validate_json(s3.objects[MANIFEST]).artifact
        stored = s3.objects[artifact.key]
        assert hashlib.sha256(stored).hexdigest() == artifact.sha256
        assert gzip.decompress(stored).endswith(b"dump complete\n")


def test_a_database_that_may_need_more_disk_than_there_is_is_refused_before_anything_is_begun(s3, context, monkeypatch):
    monkeypatch.setattr(
        "holdfast.runner.engines.postgres.server.inspect",
        lambda *_: Server("db", "5432", "PostgreSQL 17.5", 17, 1 << 40),
    )
    with pytest.raises(HoldfastError, match=r"needs 2.1 GB \(2147483648 bytes\)") as caught:
        backup.run(a_task().model_copy(update={"spool_bytes": 1 << 30}), context)
    assert caught.value.reason is Reason.DISK_FULL
    assert "create_multipart_upload" not in s3.calls


def test_a_backup_is_one_artifact_and_its_manifest(s3, context):
    done = backup.run(a_task(), context)
    assert sorted(s3.objects) == [MANIFEST, f"{PREFIX}pod-1.sql.gz"]
    assert s3.uploads == {}
    assert done.backup.artifact_key == f"{PREFIX}pod-1.sql.gz"
    assert not done.backup.found
    assert_no_manifest_without_its_artifact(s3)


def test_the_manifest_is_the_last_thing_written(s3, context):
    backup.run(a_task(), context)
    writes = [call for call in s3.calls if call.startswith(("put", "upload", "complete", "delete", "abort"))]
    assert writes == ["upload_part", "complete_multipart_upload", "put_object"]


def failing_at(s3, number, how):
    """Make the n-th request fail: before it has an effect, or after it (its answer is lost)."""
    begin, end = s3._begin, s3._end

    def error():
        return client_error("InternalError", 500) if how != "lost" else ReadTimeoutError(endpoint_url="http://s3")

    def failing_begin(operation):
        begin(operation)
        if (len(s3.calls) == number and how == "refused") or (how == "down" and len(s3.calls) >= number):
            raise error()

    def failing_end(operation, answer):
        if len(s3.calls) == number and how == "lost":
            raise error()
        return end(operation, answer)

    s3._begin, s3._end = failing_begin, failing_end


@pytest.mark.parametrize("how", ["refused", "lost", "down"])
@pytest.mark.parametrize("number", range(1, 11))
def test_whatever_request_fails_the_outcome_is_true(s3, context, number, how):
    failing_at(s3, number, how)
    outcome = "unclean"
    try:
        backup.run(a_task(), context)
        outcome = "done"
    except HoldfastError:
        outcome = "failed"
    except UncleanError:
        pass
    assert_no_manifest_without_its_artifact(s3)
    if outcome == "done":
        assert sorted(s3.objects) == [MANIFEST, f"{PREFIX}pod-1.sql.gz"]
        assert s3.uploads == {}
    if outcome == "failed":
        assert s3.objects == {}
        assert s3.uploads == {}


def test_the_requests_are_as_many_as_the_cases_above_think(s3, context):
    backup.run(a_task(), context)
    assert len(s3.calls) == 9


def test_a_store_that_is_not_reached_for_a_while_is_tried_again(s3, context, monkeypatch):
    monkeypatch.setattr(backup, "RETRY_WINDOW", 10.0)
    monkeypatch.setattr(backup, "PAUSE", 0.01)

    def twice():
        if s3.calls.count("get_object") <= 2:
            raise client_error("ServiceUnavailable", 503)

    s3.faults["get_object"] = twice
    assert not backup.run(a_task(), context).backup.found
    assert s3.calls.count("get_object") == 4  # two in vain, one that looks, one that reads back


def test_a_store_that_refuses_is_not_tried_again(s3, context, monkeypatch):
    monkeypatch.setattr(backup, "RETRY_WINDOW", 10.0)
    s3.faults["get_object"] = lambda: (_ for _ in ()).throw(client_error("AccessDenied", 403))
    with pytest.raises(HoldfastError, match="AccessDenied"):
        backup.run(a_task(), context)
    assert s3.calls.count("get_object") == 1


def test_a_manifest_that_is_there_already_is_verified_and_nothing_is_dumped(s3, context, tmp_path):
    backup.run(a_task(), context)
    s3.calls.clear()
    done = backup.run(a_task(), a_context(tmp_path, "pod-2", secret=False))  # not even the Secret is needed
    assert done.backup.found
    assert done.backup.artifact_key == f"{PREFIX}pod-1.sql.gz"
    assert set(s3.calls) == {"get_object", "head_object"}
    assert done.backup.completed_at == Manifest.parse(s3.objects[MANIFEST]).completed_at


def test_two_pods_at_once_leave_one_manifest_and_one_artifact(s3, context, tmp_path):
    """The second looks before the first has published, and finishes after it."""
    second = a_context(tmp_path, "pod-2")

    def first_publishes():
        s3.faults.clear()
        backup.run(a_task(), context)

    s3.faults["complete_multipart_upload"] = first_publishes
    done = backup.run(a_task(), second)
    assert done.backup.found
    assert done.backup.artifact_key == f"{PREFIX}pod-1.sql.gz"
    assert sorted(s3.objects) == [MANIFEST, f"{PREFIX}pod-1.sql.gz"]
    assert s3.uploads == {}


def another_pods_replaces(s3):
    """Let a second Pod's manifest and artifact be there, in the place of the first's."""
    first = Manifest.model_validate_json(s3.objects[MANIFEST])
    key = f"{PREFIX}pod-2.sql.gz"
    s3.objects[key], s3.checksum[key] = s3.objects[first.artifact.key], s3.checksum[first.artifact.key]
    artifact = first.artifact.model_copy(update={"key": key})
    s3.objects[MANIFEST] = first.model_copy(update={"artifact": artifact, "pod_uid": "pod-2"}).to_json()


def test_a_pod_whose_manifest_was_replaced_after_it_read_it_back_gives_way(s3, context):
    def second_publishes():
        s3.faults.clear()
        another_pods_replaces(s3)

    s3.faults["list_objects_v2"] = second_publishes
    done = backup.run(a_task(), context)
    assert done.backup.found
    assert done.backup.artifact_key == f"{PREFIX}pod-2.sql.gz"
    assert sorted(s3.objects) == [MANIFEST, f"{PREFIX}pod-2.sql.gz"]


def test_a_pod_that_was_first_waits_until_the_other_has_given_way(s3, context, monkeypatch):
    monkeypatch.setattr(manifests, "PAUSE", 0.01)
    other = f"{PREFIX}pod-2.sql.gz"
    s3.objects[other] = b"whole"

    def third_look():
        if s3.calls.count("list_objects_v2") == 3:
            del s3.objects[other]

    s3.faults["list_objects_v2"] = third_look
    done = backup.run(a_task(), context)
    assert (done.backup.found, done.clean) == (False, True)
    assert not any("another Pod" in warning for warning in done.warnings)
    assert sorted(s3.objects) == [MANIFEST, f"{PREFIX}pod-1.sql.gz"]


@pytest.mark.parametrize("end", ["time", "a stop"])
def test_what_a_dead_pod_left_beside_the_backup_stays_and_is_told_to_the_cleanup(s3, context, monkeypatch, end):
    other = f"{PREFIX}pod-0.sql.gz"
    s3.objects[other] = b"whole"
    asked = HoldfastError(Reason.INTERRUPTED, "told to end", "apply a new one")
    if end == "time":
        monkeypatch.setattr(manifests, "SETTLE", 0.0)
        monkeypatch.setattr(manifests, "PAUSE", 0.01)
    else:
        s3.faults["list_objects_v2"] = lambda: context.stop.request(asked)
    done = backup.run(a_task(), context)
    assert (done.backup.found, done.clean) == (False, False)
    assert done.warnings[-1] == f"{other} is from another Pod, and no manifest names it; the cleanup removes it"
    assert other in s3.objects


def test_a_folder_that_cannot_be_looked_into_is_no_failure_of_a_backup_that_is_made(s3, context):
    s3.faults["list_objects_v2"] = lambda: (_ for _ in ()).throw(client_error("AccessDenied", 403))
    done = backup.run(a_task(), context)
    assert not done.clean
    assert "AccessDenied" in done.warnings[-1]
    assert_no_manifest_without_its_artifact(s3)


def test_another_backups_manifest_stays_and_ours_leaves_nothing(s3, context, tmp_path):
    def another_publishes():
        s3.faults.clear()
        backup.run(a_task(uid="another"), context)

    s3.faults["complete_multipart_upload"] = another_publishes
    with pytest.raises(HoldfastError) as caught:
        backup.run(a_task(), a_context(tmp_path, "pod-2"))
    assert caught.value.reason is Reason.MANIFEST_CONFLICT
    assert sorted(s3.objects) == [MANIFEST, f"{PREFIX}pod-1.sql.gz"]
    assert Manifest.model_validate_json(s3.objects[MANIFEST]).backup.uid == "another"


def test_an_artifact_that_the_store_has_otherwise_is_removed_and_not_published(s3, context):
    def swapped(answer):
        s3.objects[f"{PREFIX}pod-1.sql.gz"] = b"something else of another size"
        return answer

    s3.after["complete_multipart_upload"] = swapped
    with pytest.raises(HoldfastError) as caught:
        backup.run(a_task(), context)
    assert caught.value.reason is Reason.SIZE_IMPLAUSIBLE
    assert (s3.objects, s3.uploads) == ({}, {})


def test_a_stop_before_the_manifest_leaves_nothing(s3, context):
    asked = HoldfastError(Reason.INTERRUPTED, "told to end", "apply a new one")
    s3.faults["head_object"] = lambda: context.stop.request(asked)
    with pytest.raises(HoldfastError, match="told to end"):
        backup.run(a_task(), context)
    assert (s3.objects, s3.uploads) == ({}, {})


def test_a_tool_older_than_the_server_is_told_with_the_image_that_is_needed(s3, context, monkeypatch):
    monkeypatch.setattr(
        "holdfast.runner.engines.postgres.server.inspect", lambda *_: Server("db", "5432", "PostgreSQL 18.1", 18, 1000)
    )
    with pytest.raises(HoldfastError, match=r"pg_dump 17\.5 cannot dump PostgreSQL 18\.1") as caught:
        backup.run(a_task(), context)
    assert caught.value.reason is Reason.TOOL_TOO_OLD
    assert "postgres-18" in caught.value.remedy
    assert caught.value.server_major == 18
    assert (s3.objects, s3.uploads) == ({}, {})


def test_a_server_that_another_image_is_made_for_is_left_to_it_before_the_dump(s3, context, tmp_path):
    task = a_task().model_copy(update={"other_majors": [15, 17]})
    (tmp_path / "pg_dump").write_text(PG_DUMP.replace("17.5", "18.1"))
    with pytest.raises(HoldfastError, match=r"pg_dump 18\.1 .* \(PostgreSQL 17\.5\)") as caught:
        backup.run(task, context)
    assert (caught.value.reason, caught.value.server_major) == (Reason.TOOL_TOO_NEW, 17)
    assert s3.calls == ["get_object"], "it only looked for a manifest"


def test_a_backup_that_was_published_is_found_whatever_image_looks_for_it(s3, context, tmp_path):
    backup.run(a_task(), context)
    task = a_task().model_copy(update={"other_majors": [17]})
    done = backup.run(task, a_context(tmp_path, "pod-2"))
    assert done.backup.found
    assert done.backup.server_major == 17


def test_a_tool_with_known_faults_is_warned_of(s3, context):
    (warning,) = backup.run(a_task(), context).warnings
    assert "pg_dump 17.5 has known security faults" in warning


def test_a_tool_that_is_newer_than_the_server_is_warned_of_with_the_image_that_is_missing(s3, context, monkeypatch):
    monkeypatch.setattr(
        "holdfast.runner.engines.postgres.server.inspect", lambda *_: Server("db", "5432", "PostgreSQL 16.1", 16, 1000)
    )
    newer, _ = backup.run(a_task(), context).warnings
    assert "pg_dump 17.5 is newer than the server (PostgreSQL 16.1)" in newer
    assert "postgres-16" in newer


class TestObjectLock:
    LOCK: ClassVar = {"object_lock": {"mode": "compliance"}}

    @pytest.fixture
    def s3(self, monkeypatch):
        fake = FakeS3(locking=True)
        monkeypatch.setattr("holdfast.runner.bucket.store.connect", lambda s3, _: Store(s3, fake))
        return fake

    def test_artifact_and_manifest_are_retained_until_the_backup_expires(self, s3, context):
        backup.run(a_task(**self.LOCK), context)
        expires = Manifest.model_validate_json(s3.objects[MANIFEST]).expires_at.replace(microsecond=0)
        assert s3.retained == {
            key: {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": expires}
            for key in (MANIFEST, f"{PREFIX}pod-1.sql.gz")
        }

    def test_nothing_is_retained_that_was_not_verified(self, s3, context):
        def swapped(answer):
            s3.objects[f"{PREFIX}pod-1.sql.gz"] = b"something else of another size"
            return answer

        s3.after["complete_multipart_upload"] = swapped
        with pytest.raises(HoldfastError):
            backup.run(a_task(**self.LOCK), context)
        assert (s3.objects, s3.retained) == ({}, {})

    def test_an_artifact_that_cannot_be_retained_is_no_backup(self, s3, context):
        s3.faults["put_object_retention"] = lambda: (_ for _ in ()).throw(client_error("AccessDenied", 403))
        with pytest.raises(HoldfastError, match="setting the Object Lock retention") as caught:
            backup.run(a_task(**self.LOCK), context)
        assert caught.value.reason is Reason.STORAGE_ACCESS_DENIED
        assert s3.objects == {}

    def test_what_lost_against_another_pod_says_until_when_it_is_retained(self, s3, context, tmp_path):
        def first_publishes():
            s3.faults.clear()
            backup.run(a_task(**self.LOCK), context)

        s3.faults["complete_multipart_upload"] = first_publishes
        done = backup.run(a_task(**self.LOCK), a_context(tmp_path, "pod-2"))
        assert done.clean
        assert done.warnings[-1].startswith(
            f"{PREFIX}pod-2.sql.gz is not part of any backup, but is retained by Object Lock until"
        )

    def test_a_failure_says_until_when_its_artifact_is_retained(self, s3, context, tmp_path, monkeypatch):
        monkeypatch.setattr(manifests, "SETTLE", 0.0)

        def another_publishes():
            s3.faults.clear()
            backup.run(a_task(uid="another"), context)

        s3.faults["put_object_retention"] = another_publishes
        with pytest.raises(UncleanError) as caught:
            backup.run(a_task(**self.LOCK), a_context(tmp_path, "pod-2"))
        assert caught.value.error.reason is Reason.MANIFEST_CONFLICT
        assert caught.value.clean
        assert "is retained by Object Lock until" in caught.value.leftover
