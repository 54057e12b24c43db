"""What a deletion Job's report means for each backup that the Job was given."""

from datetime import timedelta

import pytest
from tests.builders import NOW

from holdfast.api.backup import Failure
from holdfast.api.deletion import Member, Result
from holdfast.contract.report import DeleteReport, NotDeletedReport, RetainedReport
from holdfast.decide.deletion import failed, results
from holdfast.errors import Reason

ONE = Member(name="a", uid="u-a")


def test_each_backup_is_told_what_the_job_has_made_of_it():
    locked = [
        RetainedReport(items=[1], until=NOW),
        RetainedReport(items=[2], until=NOW + timedelta(days=1)),
    ]
    refused = NotDeletedReport(items=[3], reason="X", message="no")
    report = DeleteReport(deleted=[0], retained=locked, failed=[refused], whole=[1])
    found = results([Member(name=name, uid=f"u-{name}") for name in "abcd"], report)
    assert [(each.name, each.result, each.until, each.reason, each.message, each.untouched) for each in found] == [
        ("a", Result.DELETED, None, "", "", False),
        ("b", Result.RETAINED, NOW, "", "", True),
        ("c", Result.RETAINED, NOW + timedelta(days=1), "", "", False),
        ("d", Result.FAILED, None, "X", "no", False),
    ]


def test_a_backup_of_which_the_report_says_nothing_counts_as_not_deleted_and_says_why():
    [found] = results([ONE], DeleteReport())
    assert (found.result, found.reason) == (Result.FAILED, Reason.REPORT_MISSING)
    assert found.message == "the Job's report does not say what happened"


@pytest.mark.parametrize(
    ("said", "kept"),
    [("x" * 512, "x" * 512), ("x" * 513, "x" * 511 + "…")],
    ids=["as long as the status takes", "longer by one"],
)
def test_why_a_backup_was_not_deleted_fits_into_the_status(said: str, kept: str):
    [found] = results([ONE], DeleteReport(failed=[NotDeletedReport(items=[0], reason="X", message=said)]))
    assert found.message == kept
    assert Member.model_validate(found.to_dict()) == found


def test_why_no_backup_of_a_job_was_deleted_fits_into_the_status():
    [found] = failed([ONE], Failure(reason="X", message="x" * 4000, remedy="wait"))
    assert len(found.message) == 512
    assert Member.model_validate(found.to_dict()) == found
