"""A page of deletions fits where it travels: the task into a Pod's environment, what came of it into its last word."""

from datetime import timedelta

import pytest
from tests.builders import NOW

from holdfast.api.storage import S3Storage
from holdfast.contract import report as reports
from holdfast.contract import task as tasks
from holdfast.contract.paths import MAX_REPORT_BYTES
from holdfast.contract.report import Outcome, Report
from holdfast.contract.task import MAX_ITEMS, DeleteItem, DeleteTask, MustStay
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.tasks.delete import Fate, reported

MOST_IN_ENVIRONMENT = 131_072  # bytes of one variable, as Linux takes it (MAX_ARG_STRLEN)
UID = "0f6bd1c4-7d0e-4d1c-9a52-0c8f3d7a9b11"


def test_a_page_of_the_longest_names_fits_into_an_environment_variable():
    prefix = f"{'p' * 256}/{'n' * 63}/{'o' * 253}/{'backup-20261122-084500-' + 'b' * 73}/"
    item = DeleteItem(uid=UID, namespace="n" * 63, name="o" * 253, backup_id="b" * 96, key_prefix=prefix,
                      completed_at=NOW)  # fmt: skip
    task = DeleteTask(items=[item] * MAX_ITEMS, must_stay=[MustStay(uid=UID, key_prefix=prefix)],
                      s3=S3Storage(bucket="backups"), key_prefix=prefix, deadline_seconds=1800)  # fmt: skip
    text = tasks.to_environment(task)
    assert len(text) < MOST_IN_ENVIRONMENT // 2
    assert tasks.parse(text) == task


@pytest.mark.parametrize("items", [0, MAX_ITEMS + 1])
def test_a_task_of_none_or_of_more_than_a_page_is_refused(items):
    item = {"uid": UID, "namespace": "shop", "name": "orders-1", "backupID": "backup-1", "keyPrefix": "a/"}
    with pytest.raises(ValueError, match="items"):
        DeleteTask.model_validate({"items": [item] * items, "s3": {}, "keyPrefix": "a/", "deadlineSeconds": 1})


def failed(reason: Reason, *, untouched: bool = False, said: str = 'wörds "of" others ') -> Fate:
    return Fate(error=HoldfastError(reason, said * 200, "do this " * 100), untouched=untouched)


EVERY_REASON = [failed(reason, untouched=whole) for reason in Reason for whole in (True, False)]
EACH_ITS_LOCK = [Fate(until=NOW + timedelta(days=day, microseconds=1), untouched=bool(day % 2)) for day in range(50)]


@pytest.mark.parametrize(
    "fates",
    [
        [Fate()] * MAX_ITEMS,
        EACH_ITS_LOCK,
        EVERY_REASON[:MAX_ITEMS],
        EVERY_REASON[-MAX_ITEMS:],
        EACH_ITS_LOCK[:25] + EVERY_REASON[:25],
        [Fate(), failed(Reason.STORAGE_ACCESS_DENIED)] * 25,
        EACH_ITS_LOCK[:8] + [failed(reason, said="\x01") for reason in list(Reason)[:42]],
    ],
    ids=[
        "all deleted",
        "all locked, each its time",
        "each its reason",
        "each another",
        "half and half",
        "every other",
        "the worst character",
    ],
)
def test_what_became_of_a_page_fits_into_the_report_whatever_it_is(fates):
    told = Report(kind="rds-delete", outcome=Outcome.SUCCEEDED, started_at=NOW, completed_at=NOW, duration_seconds=1.25,
                  deletion=reported(fates), message="deleted 0 of 50 backups", warnings=["w" * 900] * 3)  # fmt: skip
    written = told.to_bytes()
    assert len(written) <= MAX_REPORT_BYTES
    read = reports.parse(written.decode())
    assert read is not None
    assert read.deletion is not None
    kinds = (read.deletion.retained, read.deletion.failed)
    assert sorted([*read.deletion.deleted, *(i for kind in kinds for each in kind for i in each.items)]) == [
        *range(len(fates))
    ]


def test_of_each_it_says_no_more_than_is_true_when_it_has_to_say_it_of_several():
    """Whatever is put together is tried again no earlier than the lock of the last, and whole only where all are."""
    report = reported(EACH_ITS_LOCK)
    for each in report.retained:
        assert each.until >= max(EACH_ITS_LOCK[i].until or NOW for i in each.items)
        assert not each.untouched or all(EACH_ITS_LOCK[i].untouched for i in each.items)


def test_two_reasons_are_told_as_two_and_one_as_one():
    report = reported([failed(Reason.STORAGE_ACCESS_DENIED), failed(Reason.MANIFEST_CONFLICT, untouched=True),
                       failed(Reason.STORAGE_ACCESS_DENIED), Fate()])  # fmt: skip
    assert [(each.reason, each.items, each.untouched) for each in report.failed] == [
        ("StorageAccessDenied", [0, 2], False),
        ("ManifestConflict", [1], True),
    ]
    assert report.deleted == [3]
