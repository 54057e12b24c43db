"""A report is believed where it is about what was asked for: the very task, folder, instance, level and time."""

from datetime import timedelta

import pytest
from tests.builders import NOW, UID, a_begun_backup, a_success, an_rds_policy, settings

from holdfast import naming
from holdfast.api.backup import Snapshot, Verification, VerificationRun
from holdfast.decide.backup.plausible import (
    CLEANUP_KINDS,
    CLOCKS,
    KINDS,
    VERIFY_KINDS,
    wrong_backup,
    wrong_verification,
)
from holdfast.decide.resolve import resolve

BACKUP = a_begun_backup()


def judged(report=None, backup=BACKUP, **result):
    report = report or a_success(**result)
    return wrong_backup(report, report.backup, backup.begun, NOW)


def test_the_kinds_of_tasks_are_told_apart():
    assert not set(KINDS) & set(VERIFY_KINDS) | set(KINDS) & set(CLEANUP_KINDS) | set(VERIFY_KINDS) & set(CLEANUP_KINDS)
    assert {"rds-snapshot", "rds-verify", "rds-cleanup"} < {*KINDS, *VERIFY_KINDS, *CLEANUP_KINDS}


@pytest.mark.parametrize("ahead", [timedelta(0), CLOCKS], ids=["its clock is right", "it is an hour ahead"])
def test_a_clock_that_is_a_little_ahead_is_believed(ahead):
    report = a_success(verified_at=NOW + ahead).model_copy(update={"completed_at": NOW + ahead})
    assert judged(report) is None
    beyond = timedelta(hours=1, seconds=1)
    assert "in the future" in judged(verified_at=NOW + beyond)
    assert "in the future" in judged(a_success().model_copy(update={"completed_at": NOW + beyond}))


@pytest.mark.parametrize(
    ("completed", "says"),
    [
        pytest.param(BACKUP.begun.started_at - CLOCKS, None, id="its clock is an hour behind"),
        pytest.param(
            BACKUP.begun.started_at - CLOCKS - timedelta(seconds=1), "before this backup began", id="long ago"
        ),
        pytest.param(NOW + CLOCKS + timedelta(seconds=1), "in the future", id="in the future"),
    ],
)
def test_when_a_backup_was_complete_is_between_its_begin_and_now(completed, says):
    told = judged(completed_at=completed)
    assert (told is None) if says is None else (says in told)


@pytest.mark.parametrize("location", ["s3://backups", "s3://backups/"])
def test_where_the_status_names_no_folder_no_artifact_is_in_it(location):
    assert "not in the backup's folder" in judged(backup=a_begun_backup(location=location), artifact_key="x.sql.gz")


def test_a_backup_of_one_byte_is_one():
    assert judged(size_bytes=1) is None


NAME = naming.snapshot_name("backup-20261122-084430", UID)


def arn(region, name=NAME):
    return f"arn:aws:rds:{region}:123456789012:snapshot:{name}"


def a_snapshot(copied_to=None, copied_as=NAME):
    fields = {
        "arn": arn("eu-central-1"), "region": "eu-central-1", "kind": "instance", "source": "orders",
        "engine": "postgres", "engineVersion": "17.2", "encrypted": True,
    }  # fmt: skip
    copy = {"copy": {"arn": arn(copied_to, copied_as), "region": copied_to}} if copied_to else {}
    return Snapshot.model_validate(fields | copy)


@pytest.mark.parametrize(
    ("asked", "snapshot", "says"),
    [
        pytest.param(None, a_snapshot(), None, id="none, and none was asked for"),
        pytest.param("eu-west-1", a_snapshot("eu-west-1"), None, id="the one that was asked for"),
        pytest.param("eu-west-1", a_snapshot("eu-west-1", NAME.upper()), None, id="its name in capitals"),
        pytest.param("eu-west-1", a_snapshot(), "copy is not the requested copy", id="it is not there"),
        pytest.param("eu-west-1", a_snapshot("eu-west-2"), "copy is not the requested copy", id="in another region"),
        pytest.param("eu-west-1", a_snapshot("eu-west-1", "theirs"), "is not named", id="somebody else's"),
        pytest.param(None, a_snapshot("eu-west-1"), "copy is not the requested copy", id="one that nobody asked for"),
    ],
)
def test_the_copy_of_a_snapshot_is_the_one_that_was_asked_for(asked, snapshot, says):
    policy = an_rds_policy(**({"copyTo": {"region": asked}} if asked else {}))
    report = a_success(snapshot=snapshot, artifact_key=None).model_copy(update={"kind": "rds-snapshot"})
    wrong = judged(report, a_begun_backup(resolved=resolve(policy, settings())))
    assert wrong is None if says is None else says in wrong


@pytest.mark.parametrize(
    ("asked", "kind", "found", "says"),
    [
        pytest.param("checksum", "verify", {"level": "checksum"}, None, id="by checksums, as asked"),
        pytest.param("checksum", "verify", {"level": "readback"}, None, id="read back, which is more"),
        pytest.param("readback", "verify", {"level": "readback"}, None, id="read back, as asked"),
        pytest.param(None, "rds-verify", {}, None, id="a snapshot"),
        pytest.param("readback", "verify", {"level": "checksum"}, "readback was requested", id="less than asked"),
        pytest.param("readback", "verify", {}, "level none, but readback", id="it does not say how"),
        pytest.param("checksum", "cleanup", {"level": "checksum"}, "another task, cleanup", id="another task's"),
        pytest.param("checksum", "verify", None, "another task", id="nothing was found"),
        pytest.param("checksum", "verify", {"verifiedAt": NOW + CLOCKS}, None, id="a clock an hour ahead"),
        pytest.param("checksum", "verify", {"verifiedAt": NOW + 1.01 * CLOCKS}, "in the future", id="in the future"),
    ],
)
def test_a_verification_is_believed_where_it_is_the_one_that_was_asked_for(asked, kind, found, says):
    run = VerificationRun(request="1", number=1, state="Running", level=asked, started_at=NOW, message="m")
    base = {"integrityCheck": "passed", "fileReadable": "seen", "verifiedAt": NOW}
    verification = None if found is None else Verification.model_validate(base | found)
    report = a_success().model_copy(update={"kind": kind, "verification": verification})
    wrong = wrong_verification(report, run, NOW)
    assert wrong is None if says is None else says in wrong
