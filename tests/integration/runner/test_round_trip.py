"""A backup of each form comes back whole: what was dumped is restored into an empty database and compared."""

import gzip
import hashlib
import json

import pytest
from tests.integration.runner.world import World, assert_failed
from tests.stack.fingerprint import differences

FORMS = {
    "sql, gzip": ("sql", "gzip", ".sql.gz", "end of dump seen"),
    "sql, none": ("sql", "none", ".sql", "end of dump seen"),
    "custom, gzip": ("custom", "gzip", ".dump.gz", "read through by pg_restore"),
    "directory, gzip": ("directory", "gzip", ".tar.gz", "read through by pg_restore"),
    "directory, none": ("directory", "none", ".tar", "read through by pg_restore"),
}


@pytest.mark.parametrize(("form", "algorithm", "suffix", "readable"), FORMS.values(), ids=FORMS.keys())
def test_a_backup_restores_with_equal_content(
    world: World, form: str, algorithm: str, suffix: str, readable: str
) -> None:
    task = world.backup(form=form, algorithm=algorithm)
    pod = world.pod(task)
    result = pod.run()

    world.assert_backed_up(task, result)
    manifest = world.manifest(task)
    assert manifest.artifact.key == f"{task.key_prefix}{pod.uid}{suffix}"
    stored = world.store.read(manifest.artifact.key)
    assert hashlib.sha256(stored).hexdigest() == manifest.artifact.sha256
    assert len(stored) == manifest.artifact.size_bytes
    plain = gzip.decompress(stored) if algorithm == "gzip" else stored
    assert len(plain) == manifest.artifact.uncompressed_bytes
    assert manifest.verification.file_readable == readable
    assert (manifest.expires_at - manifest.completed_at).days == task.backup.retention_days

    target = f"back {form} {algorithm}"
    world.db.create(target)
    restored = world.pod(world.restore(task, "shop"), arguments=[f"--target-database={target}"]).run()
    assert restored.exit_code == 0, restored.log
    assert restored.report is not None
    assert f"into database '{target}'" in (restored.report.message or "")
    assert differences(world.db.fingerprint("shop"), world.db.fingerprint(target)) == []


def test_an_empty_database_comes_back_empty(world: World) -> None:
    world.db.create("empty")
    task = world.backup("empty", "custom")
    world.assert_backed_up(task, world.pod(task).run())
    before = world.db.fingerprint("empty")
    restored = world.pod(world.restore(task, "empty")).run()
    assert restored.exit_code == 0, restored.log
    assert differences(before, world.db.fingerprint("empty")) == []


def test_a_task_that_was_done_already_is_verified_and_reported_and_dumps_nothing(world: World) -> None:
    task = world.backup()
    first = world.pod(task).run()
    world.assert_backed_up(task, first)
    again = world.pod(task, database_secret=None).run()  # it does not even need the database any more
    world.assert_backed_up(task, again)
    assert first.report is not None
    assert again.report is not None
    assert first.report.backup is not None
    assert again.report.backup is not None
    assert again.report.backup.found
    assert again.report.backup.artifact_key == first.report.backup.artifact_key


def test_an_artifact_that_changed_is_not_found_to_be_the_backup(world: World) -> None:
    task = world.backup()
    world.assert_backed_up(task, world.pod(task).run())
    artifact = world.manifest(task).artifact
    other = bytearray(world.store.read(artifact.key))
    other[len(other) // 2] ^= 1
    world.store.client.put_object(Bucket="backups", Key=artifact.key, Body=bytes(other))
    assert_failed(world.pod(task).run(), 5, "ChecksumMismatch", artifact.key)
    world.db.create("from changed")
    result = world.pod(world.restore(task, "from changed")).run()
    assert_failed(result, 5, "ChecksumMismatch", artifact.sha256)
    assert world.db.sql(
        "from changed", "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
    ) == ("0\n")


def test_a_restore_refuses_a_database_that_is_not_empty(world: World) -> None:
    task = world.backup()
    world.assert_backed_up(task, world.pod(task).run())
    before = world.db.fingerprint("shop")
    assert_failed(world.pod(world.restore(task, "shop")).run(), 1, "TargetNotEmpty", "'shop'", "public.")
    assert world.db.fingerprint("shop") == before


def test_a_restore_of_what_is_not_there_says_so(world: World) -> None:
    world.db.create("waits in vain")
    task = world.backup()
    result = world.pod(world.restore(task, "waits in vain")).run()
    assert_failed(result, 6, "BackupNotFound", f"{task.key_prefix}manifest.json")


def test_a_failing_restore_says_why_and_leaves_the_target_as_it_was(world: World) -> None:
    """The schema asks for an extension that the target's user may not make."""
    world.db.create("with extension")
    world.db.sql("with extension", "create extension pageinspect; create table t as select 1 as one")
    world.db.sql("with extension", "grant select on t to holdfast")
    task = world.backup("with extension")
    world.assert_backed_up(task, world.pod(task).run())
    world.db.create("without extension")
    result = world.pod(world.restore(task, "without extension")).run()
    assert_failed(result, 7, "RestoreFailed", "pageinspect")
    assert world.db.sql("without extension", "select to_regclass('t') is null") == "t\n"


def test_the_log_has_progress_and_names_the_backup_in_every_line(world: World, big: str) -> None:
    task = world.backup(big)
    result = world.pod(task).run()
    world.assert_backed_up(task, result)
    for line in result.lines:
        assert (line["backupID"], line["namespace"], line["name"]) == (task.backup.backup_id, "shop", "orders-1")
    progress = [line for line in result.lines if line["event"] == "progress"]
    assert progress, json.dumps(result.lines)
    assert {"phase", "bytes", "uncompressedBytes", "rate", "estimatedTotal"} <= progress[-1].keys()
    counts = [line["uncompressedBytes"] for line in progress]
    assert counts == sorted(counts)
    assert [line["phase"] for line in result.lines if line["event"] == "step"] == [
        "validating", "dumping", "verifying", "recording",
    ]  # fmt: skip
