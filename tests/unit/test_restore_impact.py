"""What a look at a restore's target tells: each fact only where the runner knew it; and a look that did not come."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, UID, a_failure, a_pod, a_policy, a_sqlite_policy, ago, settings
from tests.restore_views import its_job

from holdfast.api.guard import Impact
from holdfast.api.job import PodWanted
from holdfast.api.policy import Environment
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import Chosen, DatabaseRestoreStatus, ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.contract.report import ImpactReport, Report
from holdfast.decide import failures
from holdfast.decide.decision import Create, Do, Learn, What, Write
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import impact
from holdfast.decide.restore.observation import CHECK, Observation, RestoreView
from holdfast.decide.seen import Asked, Seen
from holdfast.decide.views import ClaimView, JobView
from holdfast.sentences import explain

SERVER, FILE = (resolve(policy, settings()) for policy in (a_policy(), a_sqlite_policy()))
BACKUP = Chosen(backup="first", uid="u", backup_id="backup-1", because="it is named")
RUNNING = Impact(job_name="its-job", state="Running", message="looks")


def resolved(policy: Any = SERVER, **changes: Any) -> ResolvedRestore:
    fields = {"database": policy.database, "mode": RestoreMode.REPLACE, "job": policy.job}
    return ResolvedRestore(**fields | {"environment": Environment.PRODUCTION} | changes)


def seen(
    job: JobView | None = None, *pods: Any, source: Chosen | None = BACKUP, what: ResolvedRestore | None = None,
    wanted: PodWanted | None = None, spec: Any = None, claim: ClaimView | None = None, refusal: str | None = None,
    asked: Asked | None = None,
) -> Observation:  # fmt: skip
    """A restore whose target is being looked at, by this Job."""
    read = DatabaseRestoreSpec.model_validate({"source": {"backupRef": {"name": "first"}}} | (spec or {}))
    status = DatabaseRestoreStatus(source=source, resolved=what or resolved(), impact=RUNNING, pod_wanted=wanted)
    told = {"refusal": refusal} if refusal else {}
    return Observation(
        RestoreView("shop", "again", UID, 1, ago(60), False, read, status),
        works={CHECK: Seen("its-job", job, pods, **told)},
        claim=claim,
        asked=asked or Asked(pods=True),
    )


def step(o: Observation) -> Any:
    assert o.restore.status.resolved is not None
    return impact.step(o, o.restore.status.resolved, NOW)


def told(kind: str = impact.CHECKS, **changes: Any) -> Report:
    fields = {"kind": kind, "outcome": "Succeeded", "started_at": ago(5), "completed_at": ago(2), "duration_seconds": 3}
    return Report(**fields | changes)


def looked(found: ImpactReport, *, warnings: list[str] | None = None, **seen_changes: Any) -> Impact:
    """What stands in the status after the runner said this."""
    pod = a_pod(exit_code=0, report=told(impact=found, warnings=warnings or []))
    decision = step(seen(its_job(complete=True), pod, **seen_changes))
    assert isinstance(decision, Write)
    assert decision.status.impact is not None
    assert (decision.status.impact.state, decision.status.impact.checked_at) == ("Done", ago(2))
    return decision.status.impact


@pytest.mark.parametrize(
    ("found", "says"),
    [
        pytest.param({}, "the target exists", id="nothing else"),
        pytest.param({"present": False, "tables": 3}, "the target does not exist yet", id="that it is not there"),
        pytest.param({"size_bytes": 82_000_000}, "the target has 82 MB", id="its size"),
        pytest.param({"tables": 0}, "the target has 0 tables", id="that it is empty"),
        pytest.param({"rows": 7}, "the target has 7 rows", id="its rows"),
        pytest.param({"rows": 7, "estimated": True}, "the target has about 7 rows", id="its rows, roughly"),
        pytest.param({"clients": 2}, "the target exists", id="its clients alone"),
        pytest.param({"rows": 7, "clients": 0}, "the target has 7 rows and 0 clients", id="rows and clients"),
        pytest.param({"undone": ["V1"], "undone_count": 1},
                     "the target exists; a migration would be undone: V1", id="one migration"),
        pytest.param({"undone": ["V2", "V1"]},
                     "the target exists; 2 migrations would be undone, the last of them V2, V1",
                     id="migrations that nobody has counted"),
        pytest.param({"undone": ["V5", "V4", "V3", "V2"], "undone_count": 9},
                     "the target exists; 9 migrations would be undone, the last of them V5, V4, V3 and 1 more",
                     id="more migrations than it names"),
    ],
)  # fmt: skip
def test_the_sentence_says_what_is_known_and_nothing_else(found: dict[str, Any], says: str):
    assert looked(ImpactReport(**{"present": True} | found)).message == says


@pytest.mark.parametrize(
    ("source", "named"),
    [
        pytest.param(BACKUP, "backup-1", id="a backup"),
        pytest.param(BACKUP.model_copy(update={"backup_id": None, "restore": "former"}), "former", id="a restore"),
        pytest.param(Chosen(because="a folder"), "the backup", id="a folder that bears no id"),
        pytest.param(None, "the backup", id="nothing"),
    ],
)
def test_what_would_come_is_named_as_far_as_it_has_a_name(source: Chosen | None, named: str):
    found = ImpactReport(present=False, backup_completed_at=ago(2))
    said = f"the target does not exist yet; {named}, 0s old, would replace it"
    assert looked(found, source=source).message == said


def test_a_backup_of_a_clock_that_is_ahead_is_of_no_age():
    found = looked(ImpactReport(present=True, backup_completed_at=NOW + timedelta(hours=1)))
    assert found.backup_age_seconds == 0


def test_all_that_the_runner_has_told_stands_in_the_status_and_in_its_sentence():
    found = ImpactReport(
        present=True, size_bytes=410_000_000, tables=9, rows=3_100, estimated=True, clients=4, server_time=ago(3),
        newest_change=ago(600), newest_change_of="a commit", undone=["V2"], undone_count=1,
        backup_completed_at=ago(3602), backup_seconds=30.0, backup_tables=8, backup_rows=3_000,
        backup_size_bytes=410_000_000,
    )  # fmt: skip
    assert looked(found, warnings=["no right"]) == Impact(
        job_name="its-job", state="Done", checked_at=ago(2), present=True, size_bytes=410_000_000, size="410 MB",
        tables=9, rows=3_100, rows_estimated=True, clients=4, server_time=ago(3), newest_change=ago(600),
        newest_change_of="a commit", migrations_undone=["V2"], migrations_undone_count=1,
        backup_completed_at=ago(3602), backup_age_seconds=3600, backup_tables=8, backup_rows=3_000,
        estimated_seconds=90, estimated="1m30s", warnings=["no right"],
        message="the target has 410 MB, 9 tables, about 3100 rows and 4 clients; its last change was at "
        "2026-11-22T08:35:00Z; backup-1, 1h old, would replace it; a migration would be undone: V2; the restore would "
        "take about 1m30s",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (RestoreMode.REPLACE, "would replace it"),
        (RestoreMode.INTO, "would be added to it"),
        (RestoreMode.REFUSE, "would come into it, if it is empty"),
    ],
)
def test_what_a_backup_does_to_the_target_is_said_for_each_mode(mode: RestoreMode, says: str):
    found = ImpactReport(present=True, backup_completed_at=ago(62))
    assert looked(found, what=resolved(mode=mode)).message == f"the target exists; backup-1, 1m old, {says}"


def test_whether_rows_are_counted_is_said_of_rows_alone():
    assert looked(ImpactReport(present=True, estimated=True)).rows_estimated is None
    assert looked(ImpactReport(present=True, rows=1)).rows_estimated is False
    assert looked(ImpactReport(present=True, rows=1, estimated=True)).rows_estimated is True


def test_what_the_runner_could_not_find_out_is_told_up_to_sixteen_times():
    warnings = [f"no right to {n}" for n in range(17)]
    assert looked(ImpactReport(present=True), warnings=warnings).warnings == warnings[:16]
    assert looked(ImpactReport(present=True)).warnings is None


def test_a_long_sentence_fits_into_the_status():
    found = ImpactReport(present=True, undone=["V" * 199 + str(n) for n in range(3)], undone_count=3)
    source = BACKUP.model_copy(update={"backup_id": None, "restore": "r" * 1500})
    said = looked(found.model_copy(update={"backup_completed_at": NOW}), source=source).message
    assert (len(said), said[-1]) == (2000, "…")


@pytest.mark.parametrize(
    ("found", "what", "spec", "seconds"),
    [
        pytest.param({}, {}, {}, None, id="unknown where the backup's own time is"),
        pytest.param({"backup_seconds": 0.0}, {}, {}, 1, id="a second at least"),
        pytest.param({"backup_seconds": 10.0}, {}, {"safetyBackup": "Skip"}, 20, id="twice the backup's time"),
        pytest.param({"backup_seconds": 10.0}, {"mode": RestoreMode.REFUSE}, {}, 20, id="into an empty one"),
        pytest.param({"backup_seconds": 10.0}, {}, {}, 30, id="and once more for the safety backup"),
        pytest.param({"backup_seconds": 10.0, "backup_size_bytes": 100, "size_bytes": 250}, {}, {}, 45,
                     id="which takes longer of a larger target"),
        pytest.param({"backup_seconds": 10.0, "backup_size_bytes": 1}, {}, {}, 20,
                     id="and nothing of one without a size"),
        pytest.param({"backup_seconds": 1e9, "backup_size_bytes": 1, "size_bytes": 100}, {}, {}, 1 << 31,
                     id="and has a bound"),
    ],
)  # fmt: skip
def test_the_time_that_it_takes_is(found: dict[str, Any], what: dict[str, Any], spec: Any, seconds: int | None):
    known = looked(ImpactReport(present=True, **found), what=resolved(**what), spec=spec)
    assert known.estimated_seconds == seconds
    assert (known.estimated is None) == (seconds is None)
    assert ("the restore would take about" in known.message) == (seconds is not None)


# a look that did not come


def not_looked(decision: Any) -> str:
    """Why nothing is known, as the status says and the Event with it."""
    assert isinstance(decision, Write)
    known = decision.status.impact
    assert (known.state, known.checked_at) == ("Failed", NOW)
    assert (decision.announcement.warning, decision.announcement.reason) == (True, "ImpactUnknown")
    assert known.message.startswith(decision.announcement.message.removesuffix("…"))
    begin = "Holdfast could not find out what the restore would change: "
    assert known.message.startswith(begin)
    return known.message.removeprefix(begin)


FAILED = a_failure(message="refused").failure


@pytest.mark.parametrize(
    ("report", "says"),
    [
        pytest.param(told(impact=ImpactReport(present=True), kind="restore"), explain(failures.failure_in(None)),
                     id="is of another task"),
        pytest.param(told(outcome="Failed", failure=FAILED), "refused. What to do: mend it", id="says why not"),
    ],
)  # fmt: skip
def test_a_report_is_no_look_where_it(report: Report, says: str):
    failed = its_job(failed="PodFailurePolicy") if report.failure else its_job(complete=True)
    said = not_looked(step(seen(failed, a_pod(exit_code=3 if report.failure else 0, report=report))))
    assert said.startswith(says.partition(". What")[0])


def test_a_container_that_was_killed_is_told_as_that():
    said = not_looked(step(seen(its_job(failed="BackoffLimitExceeded"), a_pod(exit_code=137))))
    assert "was killed (SIGKILL)" in said


def test_a_long_reason_fits_into_the_status_and_into_an_event():
    failure = FAILED.model_copy(update={"message": "x" * 3000})
    pod = a_pod(exit_code=3, report=told(outcome="Failed", failure=failure))
    decision = step(seen(its_job(failed="PodFailurePolicy"), pod))
    not_looked(decision)
    assert len(decision.announcement.message.encode()) == 1000
    assert len(decision.status.impact.message.encode()) > 1500


# while its Job is under way


def test_while_its_job_cannot_be_made_that_is_said_in_the_status_and_no_event_tells_of_it():
    decision = step(seen(refusal="exceeded quota"))
    assert isinstance(decision, Write)
    assert (decision.announcement, decision.status.pod_wanted) == (None, PodWanted(since=NOW))
    assert decision.status.message == f"{impact._SENTENCE}: {failures.job_refused('exceeded quota').message}"


def explain_of(decision: Any) -> str:
    return str(decision.status.message)


def test_while_its_pod_starts_that_is_said_in_the_status_and_no_event_tells_of_it():
    refused_before = PodWanted(since=ago(30), refused=True)
    decision = step(seen(its_job(), wanted=refused_before))
    assert isinstance(decision, Write)
    assert (decision.announcement, decision.status.pod_wanted) == (None, refused_before)
    assert decision.due == ago(30) + timedelta(minutes=2)
    assert decision.status.message == impact._SENTENCE


@pytest.mark.parametrize(
    ("given", "start"), [(600, 120), (60, 60)], ids=["two minutes", "less, where its target's Jobs have less"]
)
def test_a_look_is_tried_once_works_for_five_minutes_and_may_start_for(given: int, start: int):
    job = SERVER.job.model_copy(update={"start_timeout_seconds": given, "backoff_limit": 4})
    looks = {"backoff_limit": 0, "start_timeout_seconds": start, "active_deadline_seconds": 300}
    assert impact.template(resolved(job=job)) == job.model_copy(update=looks)


def test_a_claim_is_looked_at_only_until_its_job_is_there():
    what = resolved(FILE)
    assert step(seen(what=what)) == Do(Learn(What.CLAIM))
    assert step(seen(what=what, claim=ClaimView(("ReadWriteOnce",)))).act == Create(CHECK)
    waits = step(seen(its_job(), what=what))
    assert (waits.act, waits.status.impact.state) == (None, "Running")
    held = ClaimView(("ReadWriteOncePod",), (("web-0", "node-1"),))
    assert "web-0" in not_looked(step(seen(what=what, claim=held)))
    assert step(seen(its_job(), what=what, claim=held)).status.impact.state == "Running"  # it is its own Pod, by then


def test_of_what_is_told_to_whoever_confirms_four_hundred_characters_are_enough():
    long = replace(
        seen().restore, status=DatabaseRestoreStatus(impact=RUNNING.model_copy(update={"message": "x" * 500}))
    )
    assert len(impact.told(long.status)) == 400
    assert impact.told(DatabaseRestoreStatus()) == ""
