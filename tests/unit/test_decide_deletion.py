"""What a deletion Job's report means for each backup that the Job was given."""

import pytest

from holdfast.api.backup import Failure
from holdfast.api.deletion import Member, Result
from holdfast.contract.report import DeleteReport, NotDeletedReport
from holdfast.decide.deletion import failed, results
from holdfast.errors import Reason

ONE = Member(name="a", uid="u-a")


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
