"""What is kept of each backup for others to go by: whoever has written its status, what makes no sense is absent."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.builders import NOW, ago
from tests.unit.test_kinds_backup import BEGUN, a_body, good

from holdfast import clock, naming
from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.api.policy import Environment
from holdfast.reconcile.backups import Backup

RESOLVED: dict[str, Any] = BEGUN["resolved"]
EIGHT, LATER = datetime(2026, 11, 22, 8, 0, tzinfo=UTC), datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def known(**status: Any) -> Backup:
    """A good one, but for this; None: it does not say it."""
    body = good("a", **status)
    return Backup.of(body | {"status": {key: value for key, value in body["status"].items() if value is not None}})


def test_a_policy_tells_of_it_how_it_ended_how_big_it_is_and_how_long_it_took() -> None:
    one = known(durationSeconds=12.3, expiresAt=clock.to_text(LATER), keptBecause=["pinned"])
    assert (one.good, one.size_bytes, one.duration_seconds, one.server_major) == (True, 5, 12.3, 17)
    assert (one.completed_at, one.expires_at, one.kept_because) == (EIGHT, LATER, ("pinned",))
    assert (one.backup_id, one.location, one.failed_for) == ("id-a", BEGUN["location"], "")
    assert known(durationSeconds=12).duration_seconds == 12
    assert known(durationSeconds="long").duration_seconds == 0
    assert known(phase="Failed", failure={"reason": "DumpFailed"}).failed_for == "DumpFailed"


def test_of_the_reasons_why_it_is_kept_as_many_are_read_as_a_status_holds() -> None:
    most = DatabaseBackupStatus.model_json_schema()["properties"]["keptBecause"]["anyOf"][0]["maxItems"]
    reasons = [f"reason {number}" for number in range(100)]
    assert known(keptBecause=reasons).kept_because == tuple(reasons[:most])


def test_whose_it_is_is_what_its_labels_say() -> None:
    body = good("a")
    body["metadata"]["labels"] = {naming.uid_label(naming.POLICY_KIND): "p-1", naming.LABEL_SLOT: "x"}
    made, by_hand = Backup.of(body), known()
    assert (made.made, made.made_by, made.by_schedule) == (True, "p-1", True)
    assert (by_hand.made, by_hand.made_by, by_hand.by_schedule) == (False, None, False)


@pytest.mark.parametrize(
    ("status", "has_data"),
    [
        ({}, True),
        ({"sha256": None, "snapshot": {"arn": "x"}}, True),
        ({"phase": "Failed"}, True),
        ({"phase": "Expired"}, False),
        ({"sha256": None}, False),
        ({"backupID": None}, False),
        ({"location": None}, False),
        ({"location": "x" * 4096}, False),
        ({"resolved": None}, False),
    ],
    ids=["a dump", "a snapshot", "damaged", "deleted", "never a success", "no id", "no folder", "no folder's name",
         "no database"],
)  # fmt: skip
def test_it_has_data_where_it_was_once_a_success_and_says_where_until_that_is_deleted(
    status: dict[str, Any], has_data: bool
) -> None:
    assert known(**status).has_data is has_data


def another(**resolved: Any) -> dict[str, Any]:
    return {"resolved": RESOLVED | resolved}


@pytest.mark.parametrize(
    ("status", "same"),
    [
        (another(method="aws-rds"), False),
        (another(database=RESOLVED["database"] | {"engine": "mysql"}), False),
        (another(database=RESOLVED["database"] | {"instance": {"identifier": "x", "region": "r"}}), False),
        (another(storage={"s3": RESOLVED["storage"]["s3"] | {"bucket": "another"}}), False),
        (another(job=RESOLVED["job"] | {"activeDeadlineSeconds": 61}), False),
        (another(database=RESOLVED["database"] | {"name": "users"}), True),
    ],
    ids=["method", "engine", "instance", "bucket", "template", "database"],
)  # fmt: skip
def test_one_job_reaches_all_that_lie_in_the_same_place_and_are_reached_in_the_same_way(
    status: dict[str, Any], same: bool
) -> None:
    assert (known(**status).store == known().store) is same


@pytest.mark.parametrize(
    ("deletion", "told"),
    [
        ({"jobName": "j", "result": "Deleted"}, "j"),
        ({"jobName": "j"}, None),
        ({"result": "Deleted"}, None),
        (None, None),
    ],
)
def test_whose_result_it_has_recorded_is_known_once_it_has(deletion: dict[str, Any] | None, told: str | None) -> None:
    assert known(deletion=deletion).told == told


FAILURE = {"reason": "ChecksumMismatch", "message": "m", "remedy": "r"}


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ({"phase": "Failed", "failure": FAILURE, "state": "Failed"}, LATER),
        ({"state": "Failed"}, EIGHT),
        ({"phase": "Failed", "failure": FAILURE, "state": "Passed"}, EIGHT),
        ({"phase": "Failed", "failure": FAILURE, "state": None}, EIGHT),
    ],
    ids=["found damaged", "it could not be verified", "it had been verified", "it was never verified again"],
)
def test_one_that_was_found_damaged_ended_then(status: dict[str, Any], ended: datetime) -> None:
    state = status.pop("state")
    run = {"verificationRun": {"state": state, "completedAt": clock.to_text(LATER)}} if state else {}
    fact = known(**status, **run).fact
    assert (fact.completed, fact.looked) == (ended, LATER if state else None)


@pytest.mark.parametrize(
    ("status", "is_"),
    [
        ({}, {"good"}),
        ({"conditions": [{"type": "Suspicious", "status": "True"}]}, {"good", "suspicious"}),
        ({"phase": "Verifying"}, {"busy"}),
        ({"phase": "Deleting"}, {"busy"}),
        ({"phase": "Running", "completedAt": None, "sha256": None}, {"busy"}),
        ({"phase": "Expired"}, {"expired"}),
        ({"phase": "Failed", "failure": FAILURE, "sha256": None}, {"failed"}),
        ({"phase": "Failed", "failure": FAILURE}, {"damaged"}),
        ({"phase": "Done"}, {"busy"}),
        ({"failure": FAILURE}, set()),
    ],
    ids=[
        "good",
        "suspicious",
        "verified",
        "being deleted",
        "running",
        "expired",
        "failed",
        "damaged",
        "no phase",
        "both good and failed",
    ],
)
def test_retention_goes_by_what_it_is_now(status: dict[str, Any], is_: set[str]) -> None:
    fact = known(**status).fact
    words = ("good", "failed", "damaged", "suspicious", "busy", "expired", "pinned")
    assert {word for word in words if getattr(fact, word)} == is_


@pytest.mark.parametrize(
    ("spec", "pinned", "days"),
    [
        ({"pinned": True, "retentionDays": 7}, True, 7),
        ({"pinned": "true", "retentionDays": True}, False, None),
        ({"pinned": False, "retentionDays": "7"}, False, None),
        ({}, False, None),
    ],
)
def test_retention_goes_by_what_its_spec_says_where_that_makes_sense(
    spec: dict[str, Any], pinned: bool, days: int | None
) -> None:
    body = good("a", lockedUntil=clock.to_text(LATER))
    fact = Backup.of(body | {"spec": spec}).fact
    assert (fact.pinned, fact.retention_days, fact.locked_until) == (pinned, days, LATER)
    assert (fact.name, fact.uid, fact.backup_id, fact.created, fact.size_bytes) == ("a", "u-a", "id-a", NOW, 5)


@pytest.mark.parametrize(("said", "environment"), [("staging", Environment("staging")), ("moon", None), (7, None)])
def test_the_environment_that_it_was_taken_in_is_one_that_there_is(said: Any, environment: Environment | None) -> None:
    assert known(**another(environment=said)).fact.environment is environment


def test_one_that_is_going_neither_waits_nor_has_a_place_and_is_busy() -> None:
    for status in ({}, BEGUN):
        body = a_body(**status)
        body["metadata"]["deletionTimestamp"] = "2026-11-22T08:00:00Z"
        going = Backup.of(body)
        assert (going.deleting, going.waits, going.runs, going.fact.busy) == (True, False, False, True)
    done = good("a")
    done["metadata"]["deletionTimestamp"] = "2026-11-22T08:00:00Z"
    assert Backup.of(done).fact.busy


def test_one_that_has_ended_neither_waits_nor_has_a_place() -> None:
    assert (known().waits, known().runs, known(backupID=None).waits) == (False, False, False)


def test_one_that_runs_burdens_the_server_that_was_fixed_and_one_that_waits_the_one_that_it_names_itself() -> None:
    runs, waits = Backup.of(a_body(**BEGUN)), Backup.of(a_body() | {"spec": {"policy": RESOLVED}})
    assert (runs.server, runs.started_at) == ("server orders-db.shop.svc:5432", ago(30))
    assert (waits.server, waits.started_at) == ("server orders-db.shop.svc:5432", None)
    assert Backup.of(a_body()).server is None


def test_only_a_good_one_says_which_version_its_server_had_and_only_where_it_knows() -> None:
    assert known().good_of is not None
    assert known(phase="Failed", failure=FAILURE).good_of is None
    assert known(serverMajor=None).good_of is None


def test_a_phase_that_nobody_knows_is_the_first_one() -> None:
    assert (known(phase="Done").phase, known(phase=None).phase) == (Phase.PENDING, Phase.PENDING)


def test_which_database_it_is_of_is_known_once_it_has_begun_also_where_it_failed() -> None:
    assert Backup.of(a_body()).database is None
    assert known(phase="Failed", failure=FAILURE).database == known().database == Backup.of(a_body(**BEGUN)).database
    assert known(**another(database=RESOLVED["database"] | {"name": "users"})).database != known().database


@pytest.mark.parametrize(
    ("spec", "status", "told"),
    [
        ({}, {}, (False, None)),
        ({"release": {"jobUID": "j"}}, {}, (True, None)),
        ({"release": {"jobUID": "j"}}, {"release": {"keptUntil": clock.to_text(LATER)}}, (False, LATER)),
        ({}, {"release": {"keptUntil": clock.to_text(LATER)}}, (False, LATER)),
    ],
    ids=["taken for no migration", "of one that has not ended", "of one that has", "that its status alone tells of"],
)
def test_retention_knows_until_when_a_migration_keeps_it(spec: Any, status: Any, told: Any) -> None:
    body = good("a", **status)
    fact = Backup.of(body | {"spec": body["spec"] | spec}).fact
    assert (fact.migrating, fact.migrated_until) == told
