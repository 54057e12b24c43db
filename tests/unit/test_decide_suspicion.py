"""What a backup is compared with where statuses lack much: what is not known is no zero and no reason to give up."""

import pytest
from tests.builders import NOW, a_success, ago, an_rds_policy, settings
from tests.unit.test_decide_plausible import a_snapshot
from tests.unit.test_suspicion import USUAL, a_former, a_status, condition, ended, read, the_former

from holdfast.decide.backup.suspicion import COMPARED, Former, former_of, judge
from holdfast.decide.resolve import resolve
from holdfast.untrusted import fingerprint

RDS = resolve(an_rds_policy(), settings())
STORED_AS = fingerprint([None, None])


def known_of(**changes):
    resolved = RDS.to_dict()
    status = {"phase": "Succeeded", "resolved": resolved, "backupID": "b", "completedAt": "2026-11-22T08:45:00Z"}
    return former_of(read(status | changes), RDS)


def test_what_a_status_does_not_say_is_not_known():
    (known,) = known_of()
    expected = Former("b", NOW, None, STORED_AS, None, None, None, (None, None), known.database)
    assert known == expected
    assert known_of(rows="many", tables=True, sizeBytes=1.5) == known_of()
    assert known_of(rows=0)[0].rows == 0


@pytest.mark.parametrize("lacks", ["backupID", "completedAt"])
def test_one_that_does_not_say_which_or_when_is_passed_over(lacks):
    assert known_of(**{lacks: None}) == ()


def test_the_latest_are_compared_in_whichever_order_they_come():
    assert the_former(*[a_status(age) for age in (20, 60, 10, 50, 30, 40)]) == [
        f"backup-{age}" for age in (50, 40, 30, 20, 10)
    ]
    assert COMPARED == 5


def test_one_that_was_suspicious_is_no_measure_whatever_else_is_said_of_it():
    suspicious = ended(USUAL, rows=0).status
    assert {c.status for c in suspicious.conditions} > {"True"}
    assert the_former(suspicious.to_dict()) == []
    theirs = a_status(10)
    theirs["conditions"] = [*theirs["conditions"], {"type": "Theirs", "status": "True"}]
    assert the_former(theirs) == ["backup-10"]


def test_what_some_do_not_know_is_compared_with_those_that_do():
    former = [a_former(300), a_former(200, rows=None, size_bytes=None), a_former(100)]
    assert condition(ended(former)).reason == "AsUsual"
    assert condition(ended(former, rows=0)).reason == "RowsVanished"


def test_no_loss_at_all_is_none_where_none_is_allowed():
    limits = {"maxRowLossPercent": 0, "maxSizeLossPercent": 0}
    assert condition(ended([a_former(rows=0, size_bytes=0)], limits, rows=0)).reason == "AsUsual"
    assert condition(ended([a_former()], limits, rows=9_000_000)).reason == "AsUsual"
    assert condition(ended([a_former()], limits, rows=2_999_999)).reason == "RowsVanished"


def test_a_snapshot_whose_size_nobody_knows_is_not_smaller():
    result = a_success(snapshot=a_snapshot(), size_bytes=None).backup
    assert judge(result, RDS, [a_former(stored_as=STORED_AS)]).reason == "AsUsual"


def test_a_schema_that_was_not_looked_at_has_not_changed():
    assert "schema" not in condition(ended([a_former(ago(60).second)], schema_sha256=None)).message
    assert "the schema differs from" in condition(ended([a_former()], schema_sha256="c" * 64)).message


@pytest.mark.parametrize(
    "another",
    [
        pytest.param({"connection": {"host": "another-db", "secretName": "orders-db"}}, id="on another host"),
        pytest.param({"name": "another"}, id="of another name"),
        pytest.param({"engine": "mysql"}, id="of another engine"),
    ],
)
def test_a_database_of_another_server_is_no_measure_though_it_has_the_same_name(another):
    status = a_status(10)
    status["resolved"] = status["resolved"] | {"database": status["resolved"]["database"] | another}
    assert the_former(status) == []
    assert the_former(a_status(10)) == ["backup-10"]
