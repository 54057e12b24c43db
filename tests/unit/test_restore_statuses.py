"""How each state of a restore reads: every fact of the runner's in its place, a sentence that says what came."""

from datetime import timedelta
from typing import Any

import pytest
import yaml
from tests.builders import NOW, UID, a_failure, a_policy, ago, settings

from holdfast.api.backup import Ending, Failure
from holdfast.api.guard import Confirmation, SafetyBackup
from holdfast.api.job import PodWanted
from holdfast.api.masking import AfterRestore, AfterRestored
from holdfast.api.release import ReleaseBefore
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import Chosen, DatabaseRestoreStatus, Phase, Removal, Replaced, ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.contract.report import Report, RestoreReport, ScriptReport
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import statuses, undo
from holdfast.decide.restore.observation import RestoreView
from holdfast.decide.restore.statuses import goes_back

POLICY = resolve(a_policy(), settings())
BACKUP = Chosen(backup="first", uid="u", backup_id="backup-1", because="it is named")
OLD = "orders_before_again"
NOW_OLD = f"the old database is now {OLD}"


def a_restore(*, spec: Any = None, resolved: Any = None, **status: Any) -> RestoreView:
    """One that is under way."""
    given = {"source": {"backupRef": {"name": "first"}}} | (spec or {})
    fixed = ResolvedRestore(
        **{"database": POLICY.database, "mode": RestoreMode.REFUSE, "job": POLICY.job} | (resolved or {})
    )
    known = {"source": BACKUP, "target": "orders on db:5432", "resolved": fixed} | status
    read = DatabaseRestoreSpec.model_validate(given)
    return RestoreView("shop", "again", UID, 2, ago(60), False, read, DatabaseRestoreStatus(**known))


def told(seconds: float = 12.34, warnings: list[str] | None = None, **changes: Any) -> Report:
    restored = None if changes.get("failure") else RestoreReport()
    fields = {"kind": "restore", "outcome": "Succeeded", "started_at": ago(20), "completed_at": ago(2)}
    return Report(**fields | {"duration_seconds": seconds, "restore": restored, "warnings": warnings or []} | changes)


def succeeded(restore: RestoreView, report: Report | None = None, **result: Any) -> DatabaseRestoreStatus:
    return statuses.succeeded(restore, report or told(), RestoreReport(**result), None, NOW)


# a success


def test_all_that_the_runner_has_measured_stands_in_the_status():
    result = {
        "backup_id": "backup-1", "size_bytes": 82_000_000, "uncompressed_bytes": 328_000_000, "tables": 8, "rows": 30,
        "compared": ["rows"], "server_version": "PostgreSQL 17.6", "tool_version": "psql 17.6", "switch_seconds": 0.2,
    }  # fmt: skip
    status = succeeded(a_restore(started_at=ago(25)), told(warnings=["a", "b"]), **result)
    facts = {
        "startedAt": "2026-11-22T08:44:35Z", "completedAt": "2026-11-22T08:44:58Z", "durationSeconds": 12.3,
        "duration": "12s", "sizeBytes": 82_000_000, "size": "82 MB", "uncompressedBytes": 328_000_000,
        "bytesPerSecond": 26_580_226, "tables": 8, "rows": 30, "compared": ["rows"],
        "serverVersion": "PostgreSQL 17.6", "toolVersion": "psql 17.6", "switchSeconds": 0.2, "warnings": ["a", "b"],
    }  # fmt: skip
    known = status.to_dict()
    assert {key: known.get(key) for key in facts} == facts


def test_what_the_runner_has_not_measured_is_absent():
    known = succeeded(a_restore()).to_dict()
    absent = ("sizeBytes", "size", "uncompressedBytes", "bytesPerSecond", "compared", "warnings", "replaced", "undo")
    assert [key for key in absent if key in known] == []


@pytest.mark.parametrize(
    ("seconds", "rate"), [(0.99, None), (1.0, 500), (1.5, 333)], ids=["less than a second", "one", "more"]
)
def test_a_rate_is_told_of_what_took_a_second(seconds: float, rate: int | None):
    assert succeeded(a_restore(), told(seconds), uncompressed_bytes=500).bytes_per_second == rate


def test_of_many_warnings_the_first_64_are_kept():
    many = [str(n) for n in range(65)]
    assert succeeded(a_restore(), told(warnings=many)).warnings == many[:64]
    assert statuses.failed(a_restore(), FAILURE, told(warnings=many, failure=FAILED.failure), NOW).warnings == many[:64]


RELEASE = ReleaseBefore(job_name="migrate-7", job_uid="j", images=["shop:2", "proxy:1"], revision="7")
SAID: dict[str, tuple[RestoreView, dict[str, Any], str]] = {
    "a backup": (a_restore(), {"backup_id": "backup-1"}, "restored backup-1 into orders on db:5432 in 12s"),
    "a backup that the report does not name": (a_restore(), {}, "restored backup-1 into orders on db:5432 in 12s"),
    "one that only the report names": (
        a_restore(source=Chosen(because="a folder")), {"backup_id": "backup-9"},
        "restored backup-9 into orders on db:5432 in 12s",
    ),
    "one with its rows": (
        a_restore(), {"rows": 30, "tables": 8}, "restored backup-1 into orders on db:5432 in 12s: 30 rows in 8 tables",
    ),
    "one from before a release": (
        a_restore(source=BACKUP.model_copy(update={"release": RELEASE})), {},
        "restored backup-1 into orders on db:5432 in 12s; the database is as it was before release 7 (Job migrate-7)",
    ),
    "one from before a release of which nothing was noted": (
        a_restore(source=BACKUP.model_copy(update={"release": ReleaseBefore(images=[])})), {},
        "restored backup-1 into orders on db:5432 in 12s",
    ),
    "one that replaced a database": (
        a_restore(resolved={"mode": RestoreMode.REPLACE, "old": OLD}), {"replaced": OLD},
        f"restored backup-1 into orders on db:5432 in 12s; the old database is now {OLD}",
    ),
    "one after a safety backup": (
        a_restore(safety_backup=SafetyBackup(name="saved", message="it has Succeeded")), {},
        "restored backup-1 into orders on db:5432 in 12s; before that it was backed up as DatabaseBackup saved",
    ),
    "one of which no safety backup was needed": (
        a_restore(safety_backup=SafetyBackup(message="none is needed")), {},
        "restored backup-1 into orders on db:5432 in 12s",
    ),
    "what was put back": (
        a_restore(source=Chosen(restore="former", because="it replaced it"), resolved={"old": OLD}), {"replaced": OLD},
        f"put back the database that DatabaseRestore former had replaced, as orders on db:5432, in 12s; {NOW_OLD}",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("restore", "result", "said"), SAID.values(), ids=SAID.keys())
def test_the_sentence_of_a_success_is_of(restore: RestoreView, result: dict[str, Any], said: str):
    status = succeeded(restore, **result)
    assert (status.message, status.phase) == (said, Phase.SUCCEEDED)


@pytest.mark.parametrize(
    ("release", "said"),
    [
        pytest.param(RELEASE, "release 7 (Job migrate-7)", id="its revision and Job"),
        pytest.param(ReleaseBefore(images=["shop:2", "proxy:1"], job_name="m"), "shop:2 (Job m)", id="its first image"),
        pytest.param(ReleaseBefore(images=["shop:2"]), "shop:2", id="an image alone"),
        pytest.param(ReleaseBefore(images=[], job_name="m"), "Job m", id="a Job alone"),
        pytest.param(ReleaseBefore(images=[], revision="7"), "release 7", id="a revision alone"),
    ],
)
def test_a_release_is_told_by(release: ReleaseBefore, said: str):
    assert goes_back(release) == f"the database is as it was before {said}"


def test_a_database_that_was_replaced_is_kept_as_long_as_was_fixed():
    restore = a_restore(resolved={"mode": RestoreMode.REPLACE, "old": OLD, "keep_hours": 3})
    assert succeeded(restore, replaced=OLD).replaced == Replaced(name=OLD, until=ago(2) + timedelta(hours=3))
    assert succeeded(restore).replaced is None
    assert succeeded(a_restore(), replaced=OLD).replaced is None  # it has no name that this restore gives


def test_the_sql_that_ran_is_told_with_what_is_known_of_it():
    asked = AfterRestore(sql_config_map_name="masks", key="m.sql")
    restore = a_restore(resolved={"after_restore": asked})
    ran = ScriptReport(statements=3, sha256="a" * 64)
    known = AfterRestored(sql_config_map_name="masks", key="m.sql")
    assert succeeded(restore, script=ran).after_restore == known.model_copy(
        update={"statements": 3, "sha256": "a" * 64}
    )
    assert succeeded(restore).after_restore == known  # an earlier Pod ran it
    assert succeeded(a_restore(), script=ran).after_restore is None


# under way


def test_a_restore_has_begun_when_its_turn_has_come():
    status = statuses.begun(a_restore(spec={"maskingWaived": "no people in it"}), NOW, "its-job")
    assert (status.job_name, status.started_at, status.masking_waived) == ("its-job", NOW, "no people in it")
    assert (status.phase, status.message) == (Phase.PENDING, "the Job's Pod is starting")


# a failure

FAILURE = Failure(reason="X", message="refused", remedy="wait")
FAILED = a_failure(message="refused")


@pytest.mark.parametrize("state", ["waits", "is gone", "stays"])
def test_a_long_sentence_of_a_removal_fits_into_the_status(state: str):
    begun = DatabaseRestoreStatus(removal=Removal(names=[OLD], job_name="j", state="Running"))
    says = {"waits": statuses.removal_waits, "is gone": statuses.removed, "stays": statuses.not_removed}[state]
    status = says(begun, "x" * 2001)
    assert status.removal is not None
    assert status.removal.message == "x" * 1999 + "…"


# the way back

SAVED = SafetyBackup(name="saved", message="it has Succeeded")
NEEDED = SafetyBackup(message="none is needed")


def the_way_back(restore: RestoreView, *, replaced: bool) -> Any:
    written = undo.resource(restore, replaced)
    assert written is not None
    assert list(yaml.safe_load(written)) == ["apiVersion", "kind", "metadata", "spec"]  # as people read it
    return written


@pytest.mark.parametrize(
    ("safety", "comment"),
    [
        pytest.param(None, "", id="without a safety backup"),
        pytest.param(NEEDED, "", id="where none was needed"),
        pytest.param(SAVED, "# what was there is in DatabaseBackup saved, too\n", id="beside its safety backup"),
    ],
)
def test_what_was_replaced_is_put_back_by_a_resource(safety: SafetyBackup | None, comment: str):
    written = the_way_back(a_restore(safety_backup=safety), replaced=True)
    assert written == (
        f"{comment}apiVersion: holdfast.dev/v1alpha1\nkind: DatabaseRestore\nmetadata:\n  name: again-undo\n"
        "  namespace: shop\nspec:\n  source:\n    replacedBy:\n      name: again\n"
    )


@pytest.mark.parametrize(
    "target", [None, {"databaseName": "copy", "create": True}], ids=["the backup's own", "another"]
)
def test_what_was_not_replaced_comes_back_from_the_safety_backup_into_the_same_target(target: Any):
    spec = {"target": target} if target else {}
    written = the_way_back(a_restore(spec=spec, safety_backup=SAVED), replaced=False)
    body = yaml.safe_load(written)
    assert written.index("source:") < written.index("mode:")  # as people write it
    assert body["spec"] == {"source": {"backupRef": {"name": "saved"}}, "mode": "Replace"} | spec


@pytest.mark.parametrize("safety", [None, NEEDED], ids=["none", "none needed"])
def test_where_nothing_is_left_of_what_was_there_no_way_back_is_told(safety: SafetyBackup | None):
    assert undo.resource(a_restore(safety_backup=safety), False) is None


# its conditions


def conditions(status: DatabaseRestoreStatus) -> dict[str, tuple[str, str, str]]:
    assert {each.observed_generation for each in status.conditions} == {2}
    return {str(each.type): (each.status, each.reason, each.message) for each in status.conditions}


ENDED = "the restore has finished"


def test_a_success_reads_the_same_in_each_condition():
    status = succeeded(a_restore(pod_wanted=PodWanted(since=ago(9)), observed_generation=1))
    said = "restored backup-1 into orders on db:5432 in 12s"
    why = "RestoreSucceeded"
    assert conditions(status) == {
        "Finished": ("True", why, ENDED), "Succeeded": ("True", why, said), "Ready": ("True", why, said),
        "Reconciling": ("False", why, ENDED), "Stalled": ("False", why, ENDED),
    }  # fmt: skip
    assert (status.observed_generation, status.pod_wanted, status.failure, status.ending) == (2, None, None, None)


def test_a_failure_reads_the_same_in_each_condition_and_says_what_to_do():
    under_way = a_restore(pod_wanted=PodWanted(since=ago(9)), ending=Ending(since=ago(5), job_uid="j"))
    status = statuses.failed(under_way, FAILURE, None, NOW)
    said = "X: refused"
    assert conditions(status) == {
        "Finished": ("True", "X", ENDED), "Succeeded": ("False", "X", said), "Ready": ("False", "X", said),
        "Reconciling": ("False", "X", ENDED), "Stalled": ("True", "X", "refused. What to do: wait"),
    }  # fmt: skip
    assert (status.phase, status.message, status.failure) == (Phase.FAILED, said, FAILURE)
    assert (status.observed_generation, status.pod_wanted, status.ending) == (2, None, None)


def test_of_a_failure_the_status_has_what_its_report_says_of_it():
    failure = FAILED.failure.model_copy(update={"differences": ["rows of a: 3, not 4"]})
    known = statuses.failed(a_restore(), FAILURE, told(failure=failure), NOW).to_dict()
    facts = {"completedAt": "2026-11-22T08:44:58Z", "durationSeconds": 12.3, "duration": "12s",
             "differences": ["rows of a: 3, not 4"]}  # fmt: skip
    assert {key: known.get(key) for key in facts} == facts
    alike = statuses.failed(a_restore(), FAILURE, told(failure=FAILED.failure), NOW)
    assert alike.differences is None


def test_a_failure_without_a_report_ended_now_and_took_nobody_knows_how_long():
    status = statuses.failed(a_restore(), FAILURE, None, NOW)
    assert (status.completed_at, status.duration_seconds, status.duration) == (NOW, None, None)
    assert (status.differences, status.warnings) == (None, None)


def test_long_sentences_fit_into_the_status():
    long = FAILURE.model_copy(update={"message": "x" * 4000})
    failed = statuses.failed(a_restore(), long, None, NOW)
    assert (len(failed.message or ""), len(conditions(failed)["Stalled"][2])) == (3500, 4000)
    assert len(statuses.ending(a_restore(), long, None, NOW).message or "") == 3000
    awaiting = statuses.awaiting(a_restore(), NOW, "R", "x" * 4000, Confirmation(because="b"))
    assert len(awaiting.message or "") == 3000


@pytest.mark.parametrize(("phase", "stays"), [(None, Phase.PENDING), (Phase.RUNNING, Phase.RUNNING)])
def test_until_its_job_has_ended_one_that_failed_stays_what_it_was(phase: Phase | None, stays: Phase):
    status = statuses.ending(a_restore(phase=phase, pod_wanted=PodWanted(since=ago(9))), FAILURE, "j", NOW)
    assert (status.phase, status.ending, status.failure) == (stays, Ending(since=NOW, job_uid="j"), FAILURE)
    assert (status.pod_wanted, status.observed_generation) == (None, 2)
    assert conditions(status)["Finished"] == ("False", "X", "the restore is in progress")
