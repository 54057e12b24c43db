"""What a Job reports reaches the status whole, though the two have models of their own."""

import pytest
from tests.builders import a_success

from holdfast.api import backup
from holdfast.contract import report, snapshot
from holdfast.contract.report import CheckedBy, parse
from holdfast.decide.backup import reported

ALL = {
    "arn": "arn:aws:rds:eu-central-1:123456789012:snapshot:holdfast-1", "region": "eu-central-1", "kmsKeyID": "alias/x",
    "kind": "instance", "source": "orders", "engine": "postgres", "engineVersion": "17.4", "encrypted": True,
    "allocatedBytes": 1 << 30, "instanceClass": "db.t4g.medium", "subnetGroup": "mine", "securityGroups": ["sg-1"],
    "copy": {"arn": "arn:aws:rds:eu-west-1:123456789012:snapshot:holdfast-1", "region": "eu-west-1", "kmsKeyID": "k"},
}  # fmt: skip
CHECKED = {
    "level": "readback", "checkedBy": "Readback", "compared": ["size", "rows"], "integrityCheck": "passed",
    "fileReadable": "read back", "verifiedAt": "2026-11-22T08:45:00Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        pytest.param(snapshot.SnapshotInRegion, backup.SnapshotInRegion, id="snapshot in a region"),
        pytest.param(snapshot.Snapshot, backup.Snapshot, id="snapshot"),
        pytest.param(report.Verification, backup.Verification, id="verification"),
        pytest.param(report.MigrationsReport, backup.Migrations, id="migrations"),
        pytest.param(report.CheckedBy, backup.CheckedBy, id="whose word it is"),
    ],
)
def test_what_is_reported_has_a_place_in_the_status(told, kept):
    def words(model):
        return [each.value for each in model] if told is CheckedBy else list(model.model_fields)

    assert words(told) == words(kept)


def test_a_snapshot_reaches_the_status_with_every_field():
    result = a_success().backup.model_copy(update={"snapshot": snapshot.Snapshot.model_validate(ALL)})
    assert reported.snapshot(result).to_dict() == ALL


@pytest.mark.parametrize("said", [[], ["the role reader must exist before a restore: CREATE ROLE reader"]])
def test_what_a_restore_needs_reaches_the_status_where_there_is_such(said):
    result = a_success().backup.model_copy(update={"needs": said})
    assert reported.needs(result) == (said or None)


def test_a_verification_reaches_the_status_with_every_field():
    assert reported.verification(report.Verification.model_validate(CHECKED)).to_dict() == CHECKED
    result = a_success().backup.model_copy(update=dict(report.Verification.model_validate(CHECKED)))
    assert reported.verified(result).to_dict() == CHECKED


@pytest.mark.parametrize("moment", ["2026-11-22T08:45:00", "9999-12-31T23:59:59Z"], ids=["no zone", "no such year"])
def test_a_verification_at_a_time_that_cannot_be_reckoned_with_is_no_report(moment):
    told = a_success().model_copy(update={"kind": "verify", "backup": None}).to_dict()
    assert parse(report.Report.model_validate(told | {"verification": CHECKED}).to_bytes().decode()) is not None
    whole = report.Report.model_validate(told).to_bytes().decode().rstrip("}")
    said = str(CHECKED | {"verifiedAt": moment}).replace("'", '"')
    assert parse(f'{whole}, "verification": {said}}}') is None
