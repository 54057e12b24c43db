"""A backup that lost much beside the last good ones is suspicious, says what is gone, and is good all the same."""

from datetime import timedelta

import pytest
from tests.builders import (
    NOW,
    a_begun_backup,
    a_job,
    a_pod,
    a_policy,
    a_sqlite_policy,
    a_success,
    ago,
    an_rds_policy,
    observed,
    settings,
)

from holdfast.api.backup import Phase
from holdfast.contract.report import EarlierReport
from holdfast.decide.backup.steps import decide
from holdfast.decide.backup.suspicion import Former, former_in, former_of
from holdfast.decide.resolve import resolve
from holdfast.untrusted import fingerprint

SQL_AND_GZIP = fingerprint(["sql", {"algorithm": "gzip", "level": "fast"}])


def a_former(age=86400, **changes):
    fields = {
        "backup_id": f"backup-{age}", "completed_at": ago(age), "size_bytes": 82_000_000, "tables": 8,
        "stored_as": SQL_AND_GZIP, "rows": 3_000_000,
        "schema_sha256": "b" * 64, "versions": ("pg_dump 17.6", "PostgreSQL 17.6"),
    }  # fmt: skip
    return Former(**(fields | changes))


def ended(former=(), limits=None, **success):
    """The decision about a backup whose Pod has just left its report."""
    backup = a_begun_backup(inline=None)
    if limits:
        resolved = backup.status.resolved.to_dict() | {"verification": {"suspicion": limits}}
        backup = a_begun_backup(resolved=type(backup.status.resolved).model_validate(resolved))
    pods = (a_pod(exit_code=0, report=a_success(**success)),)
    return decide(observed(backup, job=a_job(complete=True), pods=pods, former=tuple(former)), settings(), NOW)


def condition(decision):
    (found,) = [each for each in decision.status.conditions if each.type == "Suspicious"]
    return found


USUAL = [a_former(age) for age in (300, 200, 100)]

SUSPICIOUS = {
    "a table vanished": (USUAL, {}, {"tables": 7}, "TablesVanished", "7 tables instead of the 8 of backup-100"),
    "all tables vanished": (USUAL, {}, {"tables": 0, "rows": 0}, "TablesVanished", "0 rows, 100 % less than usual"),
    "most rows vanished": (USUAL, {}, {"rows": 300_000}, "RowsVanished", "300000 rows, 90 % less than usual"),
    "90 % smaller": (USUAL, {}, {"size": 8_200_000}, "SizeShrunk", "8.2 MB, 90 % smaller than usual"),
    "just beyond the limit": (USUAL, {"maxRowLossPercent": 10}, {"rows": 2_699_999}, "RowsVanished", "10 % less"),
    "smaller, where rows are not known": (USUAL, {}, {"size": 1, "rows": None, "tables": None}, "SizeShrunk", "1 B"),
    "beside one that was small itself": (
        [a_former(300), a_former(200), a_former(100, rows=10)], {}, {"rows": 10}, "RowsVanished", "100 % less",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("former", "limits", "success", "reason", "says"), SUSPICIOUS.values(), ids=SUSPICIOUS.keys())
def test_a_loss_is_suspicious_and_the_backup_is_good_all_the_same(former, limits, success, reason, says):
    decision = ended(former, limits, **success)

    assert (condition(decision).status, condition(decision).reason) == ("True", reason)
    assert says in condition(decision).message
    assert says in decision.status.message
    assert decision.status.phase is Phase.SUCCEEDED
    assert {each.type: each.status for each in decision.status.conditions}["Ready"] == "True"
    assert (decision.announcement.warning, decision.announcement.reason) == (True, "BackupSuspicious")
    assert says in decision.announcement.message


AS_USUAL = {
    "the same": (USUAL, {}, {}),
    "more of everything": (USUAL, {}, {"tables": 99, "rows": 9_000_000, "size": 900_000_000}),
    "half of the rows, which is the limit": (USUAL, {}, {"rows": 1_500_000}),
    "a table less, where that is allowed": (USUAL, {"maxTableLoss": 1}, {"tables": 7}),
    "everything gone, where nothing is too much": (
        USUAL, {"maxTableLoss": 8, "maxRowLossPercent": 100, "maxSizeLossPercent": 100},
        {"tables": 0, "rows": 0, "size": 1},
    ),
    "smaller, but stored in another way": (
        [a_former(stored_as=fingerprint(["sql", {"algorithm": "none"}]))], {}, {"size": 8_000_000},
    ),
    "no rows, as before": ([a_former(rows=0, tables=0)], {}, {"rows": 0, "tables": 0}),
    "rows that were not counted before": ([a_former(rows=None, tables=None)], {}, {"rows": 1}),
}  # fmt: skip


@pytest.mark.parametrize(("former", "limits", "success"), AS_USUAL.values(), ids=AS_USUAL.keys())
def test_what_is_within_the_limits_is_as_usual(former, limits, success):
    decision = ended(former, limits, **success)

    assert (condition(decision).status, condition(decision).reason) == ("False", "AsUsual")
    assert (decision.announcement.warning, decision.announcement.reason) == (False, "BackupSucceeded")


def test_the_first_backup_has_nothing_to_be_compared_with():
    assert (condition(ended()).status, condition(ended()).reason) == ("Unknown", "NothingToCompare")


def test_a_loss_that_was_meant_begins_a_new_measure():
    since = (NOW - timedelta(seconds=50)).isoformat()
    assert condition(ended(USUAL, {"since": since}, rows=0)).reason == "NothingToCompare"
    later = [*USUAL, a_former(20, rows=10)]
    assert condition(ended(later, {"since": since}, rows=10)).reason == "AsUsual"


@pytest.mark.parametrize(
    ("former", "told"),
    [
        pytest.param(a_former(schema_sha256="c" * 64), True, id="another hash by the same versions"),
        pytest.param(a_former(), False, id="the same hash"),
        pytest.param(a_former(schema_sha256="c" * 64, versions=("pg_dump 16.1", "x")), False, id="other versions"),
        pytest.param(a_former(schema_sha256=None), False, id="not known before"),
    ],
)
def test_another_schema_alone_is_told_and_not_suspicious(former, told):
    found = condition(ended([former]))
    assert found.status == "False"
    assert ("the schema differs from backup-86400" in found.message) is told
    assert "changed since" not in found.message, "a restore alone has the server write it otherwise"


def a_status(age, **changes):
    done = ended().status.model_copy(update={"completed_at": ago(age), "backup_id": f"backup-{age}", **changes})
    return done.to_dict()


def read(*statuses):
    return filter(None, map(former_in, statuses))


def the_former(*statuses):
    return [each.backup_id for each in former_of(read(*statuses), a_begun_backup().status.resolved)]


def test_the_last_five_good_ones_are_compared_with():
    assert the_former(*[a_status(age) for age in (30, 70, 10, 60, 40, 20, 50)]) == [
        "backup-50", "backup-40", "backup-30", "backup-20", "backup-10",
    ]  # fmt: skip


def test_what_a_former_backup_was_is_read_from_its_status():
    (former,) = former_of(read(a_status(10)), a_begun_backup().status.resolved)
    assert former == a_former(10, database=former.database)
    assert condition(ended([former])).reason == "AsUsual"


def test_one_that_was_suspicious_itself_is_no_measure():
    suspicious = ended(USUAL, rows=0).status.to_dict()
    assert the_former(suspicious, a_status(10)) == ["backup-10"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"phase": Phase.FAILED}, id="a failed one"),
        pytest.param({"phase": Phase.RUNNING}, id="one that runs"),
        pytest.param(
            {"resolved": a_policy(database={**a_policy().database.to_dict(), "name": "other"})}, id="another database"
        ),
    ],
)
def test_what_is_no_good_backup_of_this_database_is_not_compared_with(changes):
    assert the_former(a_status(10, **changes)) == []


VOLUME = {"claimName": "app-data", "path": "a.db", "runAsUser": 1, "runAsGroup": 0}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(a_sqlite_policy(), VOLUME | {"claimName": "another"}, id="a file on another claim"),
        pytest.param(a_sqlite_policy(), VOLUME | {"path": "b.db"}, id="another file of the claim"),
        pytest.param(an_rds_policy(), {"identifier": "another", "region": "eu-central-1"}, id="another instance"),
        pytest.param(an_rds_policy(), {"identifier": "orders", "region": "eu-west-1"}, id="one in another region"),
    ],
)
def test_a_database_is_what_it_lies_on_and_not_only_its_name(ours, theirs):
    resolved, field = resolve(ours, settings()), "volume" if ours.database.volume else "instance"
    database = resolved.to_dict()["database"]
    same = a_status(20) | {"resolved": resolved.to_dict(), "backupID": "same"}
    another = same | {"resolved": resolved.to_dict() | {"database": database | {field: theirs}}, "backupID": "another"}

    assert [each.backup_id for each in former_of(read(same, another), resolved)] == ["same"]


def test_a_status_that_has_nothing_yet_is_passed_over():
    assert the_former({}, {"phase": "Pending"}) == []


def of_the_bucket(age, **changes):
    began = ago(age)
    fields = {"backup_id": f"backup-{began:%Y%m%d-%H%M%S}", "completed_at": began, "size_bytes": 82_000_000}
    return EarlierReport(**(fields | {"tables": 8, "rows": 3_000_000} | changes))


BEFORE = [of_the_bucket(age) for age in (300, 200, 100)]


def test_where_the_cluster_knows_of_none_the_bucket_is_the_measure():
    decision = ended(tables=0, rows=0, earlier=BEFORE)

    assert (condition(decision).status, condition(decision).reason) == ("True", "TablesVanished")
    assert f"0 tables instead of the 8 of {BEFORE[-1].backup_id}" in condition(decision).message
    assert "0 rows, 100 % less than usual" in decision.status.message
    assert decision.announcement.warning


def test_what_the_cluster_knows_is_the_better_measure():
    assert condition(ended([a_former(100, rows=10)], rows=10, earlier=BEFORE)).status == "False"


def test_a_loss_that_was_meant_is_none_of_the_bucket_either():
    since = {"since": ago(50).isoformat()}
    assert condition(ended(limits=since, rows=0, tables=0, earlier=BEFORE)).reason == "NothingToCompare"


@pytest.mark.parametrize(
    ("earlier", "rows", "status", "reason", "event"),
    [
        (BEFORE, 3_000_000, "False", "MadeAgain", "MadeAgain"),
        (BEFORE, 0, "True", "RowsVanished", "BackupSuspicious"),
        ([], 0, "Unknown", "MadeAgain", "MadeAgain"),
    ],
    ids=["nothing is missing", "much is missing", "nothing to compare with"],
)
def test_a_resource_that_was_made_again_is_loud_and_only_a_loss_is_suspicious(earlier, rows, status, reason, event):
    decision = ended(rows=rows, earlier=earlier, made_again="backup-20261101-000000")

    assert (condition(decision).status, condition(decision).reason) == (status, reason)
    assert "an earlier resource with this name took backup-20261101-000000" in condition(decision).message
    assert (decision.announcement.reason, decision.announcement.warning) == (event, True)
    assert decision.status.phase is Phase.SUCCEEDED
