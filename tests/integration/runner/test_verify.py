"""A backup in a real store is verified again: whole it passes, and whatever was changed there is noticed and named."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyrage
import pytest
from tests.integration.runner.mysql_server import MySQLServer
from tests.integration.runner.pod import Pod
from tests.integration.runner.servers import BUCKET
from tests.integration.runner.world import World, assert_failed, assert_no_secret

from holdfast.api.policy import Dump, VerificationLevel
from holdfast.contract.report import CheckedBy, Verification
from holdfast.contract.task import BackupTask, VerifyTask

CHECKSUM, READBACK = VerificationLevel.CHECKSUM, VerificationLevel.READBACK
ALL = ["size", "sha256", "uncompressedBytes", "rows", "schema"]
IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())
Change = Callable[[World, BackupTask], None]


def verification(world: World, of: BackupTask, level: VerificationLevel = READBACK, **fields: Any) -> Pod:
    """Prepare a Pod that verifies a backup. No Secret of a database is mounted in it."""
    task = VerifyTask(
        backup_uid=of.backup.uid, engine=of.database.engine, level=level, s3=of.s3, key_prefix=of.key_prefix,
        deadline_seconds=120, scratch_bytes=of.scratch_bytes,
    )  # fmt: skip
    return world.pod(task, **({"database_secret": None} | fields))


def verified(world: World, of: BackupTask, level: VerificationLevel = READBACK, **fields: Any) -> Verification:
    before = world.store.keys(of.key_prefix)
    result = verification(world, of, level, **fields).run()
    assert result.exit_code == 0, result.log
    assert_no_secret(result)
    assert world.store.keys(of.key_prefix) == before
    assert result.report is not None
    assert result.report.verification is not None
    return result.report.verification


def backed_up(world: World, task: BackupTask, **fields: Any) -> BackupTask:
    world.assert_backed_up(task, world.pod(task, **fields).run())
    return task


@pytest.fixture(scope="module")
def plain(world: World) -> BackupTask:
    """A backup that is only read."""
    return backed_up(world, world.backup())


@pytest.mark.parametrize("form", ["sql", "custom", "directory"])
def test_a_new_backup_of_each_form_is_read_back_and_later_again(world: World, form: str) -> None:
    task = backed_up(world, world.backup(form=form, verification=READBACK))

    said = world.manifest(task).verification
    assert (said.level, said.checked_by, said.compared) == ("readback", "Readback", ALL)
    assert said.file_readable.count("; read back: ") == 1
    assert verified(world, task).compared == ALL


def test_the_stores_own_checksums_are_compared(world: World, plain: BackupTask) -> None:
    found = verified(world, plain, CHECKSUM)
    assert (found.checked_by, found.compared) == (CheckedBy.STORE_CHECKSUM, ["size", "storeChecksum"])


def test_an_encrypted_backup_is_read_as_far_as_there_is_an_identity(world: World) -> None:
    task = backed_up(world, world.backup(recipients=[RECIPIENT]))

    without = verified(world, task)
    assert without.compared == ["size", "sha256"]
    assert "only the encrypted bytes" in without.file_readable
    with_it = verified(world, task, age_identity={"key.txt": f"{IDENTITY}\n"})
    assert with_it.compared == ALL


def delete(world: World, task: BackupTask) -> None:
    world.store.client.delete_object(Bucket=BUCKET, Key=world.manifest(task).artifact.key)


def miscount(world: World, task: BackupTask) -> None:
    key = f"{task.key_prefix}manifest.json"
    said = json.loads(world.store.read(key))
    said["tables"][0]["rows"] += 1
    world.store.client.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(said).encode())


@pytest.mark.parametrize(
    ("change", "level", "code", "reason", "says"),
    [
        pytest.param(World.alter, READBACK, 5, "ChecksumMismatch", "its SHA-256 is", id="a byte altered, readback"),
        pytest.param(
            World.alter,
            CHECKSUM,
            5,
            "ChecksumMismatch",
            "should be",
            id="a byte altered, checksum",
            marks=pytest.mark.matrix,
        ),
        pytest.param(miscount, READBACK, 5, "ContentMismatch", "its manifest says", id="rows miscounted"),
        pytest.param(delete, CHECKSUM, 6, "BackupNotFound", "has no", id="artifact deleted", marks=pytest.mark.matrix),
    ],
)
def test_what_was_changed_in_the_store_is_noticed(
    world: World, change: Change, level: VerificationLevel, code: int, reason: str, says: str
) -> None:
    task = backed_up(world, world.backup())
    change(world, task)
    assert_failed(verification(world, task, level).run(), code, reason, says)


def test_a_store_that_is_not_reached_is_told_as_such(world: World, plain: BackupTask) -> None:
    away = plain.s3.model_copy(update={"endpoint": "http://nowhere.invalid:8333"})
    elsewhere = plain.model_copy(update={"s3": away})
    assert_failed(verification(world, elsewhere).run(), 6, "StorageUnavailable")


@pytest.mark.matrix
def test_memory_stays_flat_however_much_is_read_back(world: World, big: str) -> None:
    task = backed_up(world, world.backup(big, algorithm="none", verification=READBACK), memory="150m")
    assert verified(world, task, memory="150m").compared == ALL


def test_a_mysql_dump_is_read_to_its_end(world: World, mysql: MySQLServer) -> None:
    task = world.backup().model_copy(update={"database": mysql.database("shop"), "verification": READBACK})
    backed_up(world, task, image=mysql.family.runner)
    found = verified(world, task, image=mysql.family.runner)
    assert found.file_readable == "read back: end of dump seen"
    assert found.compared == ALL


@pytest.mark.matrix
def test_an_sqlite_file_is_checked_on_the_scratch_volume(world: World, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as database:
        database.executescript("create table t (x); insert into t values (1), (2);")
    tmp_path.chmod(0o777)
    (tmp_path / "app.db").chmod(0o666)
    volume = {"claimName": "app-data", "path": "app.db", "runAsUser": 65532, "runAsGroup": 65532}
    fields = {
        "database": {"engine": "sqlite", "name": "app", "volume": volume},
        "dump": Dump.model_validate({"format": "sqlite"}).to_dict(),
        "verification": "readback",
    }
    task = BackupTask.model_validate(world.backup().to_dict() | fields)
    backed_up(world, task, image="holdfast-runner-sqlite:3", database_secret=None, claim=tmp_path)
    found = verified(world, task, image="holdfast-runner-sqlite:3")
    assert (found.file_readable, found.compared) == ("read back: integrity_check passed", ALL)
