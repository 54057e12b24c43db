"""A report is written by a Pod, where others may write: each of its fields holds so much, and no more."""

from typing import Any

import pytest
from pydantic import ValidationError

from holdfast.contract.report import (
    BackupReport,
    DeleteReport,
    FailureReport,
    GlobalsReport,
    ImpactReport,
    NotDeletedReport,
    RestoreReport,
    RetainedReport,
)

WHEN = "2026-11-22T08:45:00Z"
LEAST: dict[Any, dict[str, Any]] = {
    FailureReport: {"reason": "DumpFailed", "exitCode": 7, "message": "m", "remedy": "r"},
    BackupReport: {
        "backupID": "b", "toolVersion": "t", "serverVersion": "s", "integrityCheck": "i", "fileReadable": "f",
        "verifiedAt": WHEN,
    },
    GlobalsReport: {"sha256": "a" * 64, "sizeBytes": 1},
    RetainedReport: {"items": [], "until": WHEN},
    NotDeletedReport: {"items": [], "reason": "X", "message": "m"},
    DeleteReport: {},
    RestoreReport: {},
    ImpactReport: {"present": True},
}  # fmt: skip
PAGE = 50  # backups that one Job deletes at most
RETAINED, FAILED = LEAST[RetainedReport], LEAST[NotDeletedReport]
BOUNDS: list[tuple[Any, str, Any, Any]] = [  # the most that it holds, and what is too much
    (FailureReport, "differences", ["x"] * 16, ["x"] * 17),
    (FailureReport, "exitCode", 255, 256),
    (FailureReport, "exitCode", 0, -1),
    (FailureReport, "reason", "R" * 64, "R" * 65),
    (BackupReport, "artifactKey", "k" * 1024, "k" * 1025),
    (BackupReport, "backupID", "b" * 128, "b" * 129),
    (BackupReport, "compared", ["x"] * 16, ["x"] * 17),
    (BackupReport, "compared", ["x" * 64], ["x" * 65]),
    (BackupReport, "needs", ["x"] * 16, ["x"] * 17),
    (BackupReport, "madeAgain", "x" * 96, "x" * 97),
    (BackupReport, "serverMajor", 9999, 10000),
    (BackupReport, "rows", (1 << 63) - 1, 1 << 63),
    (GlobalsReport, "sha256", "b" * 64, "b" * 65),
    (RetainedReport, "items", [0, PAGE - 1], [PAGE]),
    (RetainedReport, "items", [0], [-1]),
    (RetainedReport, "items", [0] * PAGE, [0] * (PAGE + 1)),
    (NotDeletedReport, "reason", "R" * 128, "R" * 129),
    (DeleteReport, "retained", [RETAINED] * PAGE, [RETAINED] * (PAGE + 1)),
    (DeleteReport, "failed", [FAILED] * PAGE, [FAILED] * (PAGE + 1)),
    (RestoreReport, "backupID", "b" * 128, "b" * 129),
    (RestoreReport, "backupID", "b-1", "../b"),
    (RestoreReport, "compared", ["x"] * 16, ["x"] * 17),
    (RestoreReport, "compared", ["x" * 64], ["x" * 65]),
    (RestoreReport, "serverVersion", "x" * 256, "x" * 257),
    (RestoreReport, "toolVersion", "x" * 256, "x" * 257),
    (RestoreReport, "replaced", "x" * 1024, "x" * 1025),
    (RestoreReport, "switchSeconds", 1e9, 1e9 + 1),
    (RestoreReport, "switchSeconds", 0, -1),
    (RestoreReport, "switchSeconds", 0, float("nan")),
    (ImpactReport, "newestChangeOf", "x" * 256, "x" * 257),
    (ImpactReport, "undone", ["x"] * 8, ["x"] * 9),
    (ImpactReport, "undone", ["x" * 200], ["x" * 201]),
    (ImpactReport, "backupSeconds", 1e9, 1e9 + 1),
    (ImpactReport, "backupSeconds", 0, -1),
    (ImpactReport, "backupSeconds", 0, float("inf")),
]


@pytest.mark.parametrize(
    ("model", "field", "most", "more"),
    BOUNDS,
    ids=[f"{model.__name__}.{field} {number}" for number, (model, field, *_) in enumerate(BOUNDS)],
)
def test_a_field_holds_so_much_and_no_more(model: Any, field: str, most: Any, more: Any):
    model.model_validate(LEAST[model] | {field: most})  # is not refused
    with pytest.raises(ValidationError):
        model.model_validate(LEAST[model] | {field: more})


def test_what_is_not_said_is_not_so():
    backup, restore = BackupReport.model_validate(LEAST[BackupReport]), RestoreReport()
    impact = ImpactReport.model_validate(LEAST[ImpactReport])
    assert (backup.found, restore.found, impact.estimated, impact.undone_count) == (False, False, False, 0)
    assert RetainedReport.model_validate(RETAINED).untouched is False
    assert NotDeletedReport.model_validate(FAILED).untouched is False
    assert GlobalsReport.model_validate(LEAST[GlobalsReport]).roles == 0
