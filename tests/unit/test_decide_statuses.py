"""What a status says where something is absent, too long or held over: nothing is lost, and no more is claimed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.builders import (
    NOW,
    a_backup,
    a_begun_backup,
    a_failure,
    a_job,
    a_pod,
    a_policy,
    a_success,
    ago,
    an_rds_policy,
    observed,
    settings,
)
from tests.unit.test_decide_plausible import a_snapshot

from holdfast.api.backup import (
    BackupGlobals,
    Cleanup,
    DatabaseBackupStatus,
    Ending,
    Failure,
    Migrations,
    Phase,
    Queued,
)
from holdfast.api.job import PodWanted
from holdfast.contract.report import GlobalsReport, MigrationsReport
from holdfast.decide.backup import queue, stated, statuses, suspicion
from holdfast.decide.backup.queue import Turn
from holdfast.decide.backup.steps import decide
from holdfast.decide.backup.suspicion import Verdict
from holdfast.decide.decision import Announcement
from holdfast.decide.resolve import resolve
from holdfast.errors import Reason
from holdfast.settings import Queue

BESIDE = {"phase": "Running", "ended": 60}  # a container beside the runner goes on
WANTED = PodWanted(since=ago(5), ran=True)
LONG = Failure(reason=Reason.DUMP_FAILED, message="x" * 4096, remedy="y" * 4096)


def the_status(backup, **seen):
    return decide(observed(backup, **seen), settings(), NOW).status


def recorded(**changes):
    """Its runner has failed beside a container that goes on: its Job is to be ended."""
    pods = (a_pod(exit_code=3, report=a_failure(server_major=16), **BESIDE),)
    return the_status(a_begun_backup(**changes), job=a_job(failed_pods=2), pods=pods)


def test_what_a_failures_report_told_is_kept_until_its_job_has_ended():
    status = recorded(pod_wanted=WANTED, phase=Phase.RUNNING)
    assert (status.server_major, status.completed_at, status.duration) == (16, NOW, "5s")
    assert (status.pod_wanted, status.retries, status.phase) == (None, 1, Phase.RUNNING)
    last = the_status(a_backup(status=status, generation=2), pods_listed=True)
    assert (last.phase, last.server_major, last.duration, last.retries) == (Phase.FAILED, 16, "5s", 1)
    assert last.observed_generation == 2
    assert {c.type: c.status for c in last.conditions}["Verified"] == "False"
    assert recorded(phase=None).phase is Phase.PENDING


@pytest.mark.parametrize(
    ("told", "completed"),
    [(ago(25), ago(25)), (None, NOW)],
    ids=["by its manifest", "by a runner of the release before"],
)
def test_a_backup_is_as_old_as_its_manifest_says_whoever_reports_it(told, completed):
    report = a_success(found=True, completed_at=told)
    status = the_status(a_begun_backup(), job=a_job(complete=True), pods=(a_pod(exit_code=0, report=report),))
    assert (status.phase, status.completed_at) == (Phase.SUCCEEDED, completed)
    assert status.expires_at == completed + timedelta(days=90)


def test_nothing_is_wanted_any_more_when_it_has_ended():
    ended = {"job": a_job(complete=True), "pods": (a_pod(exit_code=0, report=a_success()),)}
    assert the_status(a_begun_backup(pod_wanted=WANTED), **ended).pod_wanted is None
    failure = LONG.model_copy(update={"message": "m"})
    begun = a_begun_backup(pod_wanted=WANTED, failure=failure, ending=Ending(since=ago(9), job_uid="job-1"))
    last = the_status(begun, pods_listed=True)
    assert (last.pod_wanted, last.retries) == (None, None)


def test_a_failure_ended_when_its_report_says():
    report = a_failure().model_copy(update={"completed_at": ago(30)})
    ended = {"job": a_job(failed="PodFailurePolicy"), "pods": (a_pod(exit_code=3, report=report),)}
    assert the_status(a_begun_backup(), **ended).completed_at == ago(30)


def test_what_is_told_is_never_longer_than_the_api_server_takes():
    backup = a_begun_backup(attempt=2)
    ending = statuses.ending(backup, LONG, None, "job-1", 1, NOW)
    failed = statuses.failed(backup, LONG, None, 1, NOW)
    for status in (ending, failed):
        assert len(status.message) <= 4096
        assert all(len(condition.message) <= 4096 for condition in status.conditions)
    succeeded = statuses.succeeded(backup, a_success(), a_success().backup, Verdict(True, "No", "z" * 5000), 0, NOW)
    assert len(succeeded.message) == 4096
    assert ending.message.endswith("… (Job 2) (retry 1)")
    cleaned = a_begun_backup(cleanup=Cleanup(job_name="c", state="Running"))
    for status in (statuses.cleanup_waits(cleaned, LONG.message), statuses.cleanup_done(cleaned, LONG.message)):
        assert len(status.cleanup.message) == 2048


def test_a_success_that_says_nothing_of_a_backup_is_a_failure_without_more():
    report = a_success().model_copy(update={"backup": None})
    status = the_status(a_begun_backup(), job=a_job(complete=True), pods=(a_pod(exit_code=0, report=report),))
    assert (status.phase, status.failure.reason, status.duration) == (Phase.FAILED, Reason.REPORT_MISSING, "12s")


@pytest.mark.parametrize(
    ("found", "size", "says"),
    [
        (False, 5_000_000, "snapshot of orders (5.0 MB) available after 12s"),
        (True, 5_000_000, "found and verified: snapshot of orders (5.0 MB)"),
        (False, None, "snapshot of orders available after 12s"),
    ],
)
def test_a_snapshot_says_what_it_is_of_and_how_big_where_that_is_known(found, size, says):
    told = {"snapshot": a_snapshot(), "artifact_key": None, "found": found, "size_bytes": size}
    report = a_success(**told, uncompressed_bytes=None).model_copy(update={"kind": "rds-snapshot"})
    backup = a_begun_backup(resolved=resolve(an_rds_policy(), settings()))
    status = the_status(backup, job=a_job(complete=True), pods=(a_pod(exit_code=0, report=report),))
    assert (status.message, status.snapshot, status.size_bytes) == (says, a_snapshot(), size)
    assert (status.size is None, status.compression_ratio) == (size is None, None)


@pytest.mark.parametrize("unknown", ["size_bytes", "uncompressed_bytes"])
def test_a_ratio_is_told_where_both_sizes_are_known(unknown):
    assert statuses._ratio(a_success(**{unknown: None}).backup) is None
    assert statuses._ratio(a_success(size=0).backup) == 0


def test_migrations_are_those_of_a_status():
    told = MigrationsReport(tool="flyway", applied_count=7, last="V7", failed=0)
    ended = {"job": a_job(complete=True), "pods": (a_pod(exit_code=0, report=a_success(migrations=told)),)}
    assert type(the_status(a_begun_backup(), **ended).migrations) is Migrations


@pytest.mark.parametrize("policy", [None, a_policy()], ids=["of a policy", "with its own"])
def test_an_end_without_its_time_has_no_expiry(policy):
    status = a_begun_backup(phase=Phase.SUCCEEDED, completed_at=None, inline=policy).status
    assert the_status(a_backup(status=status, inline=policy, generation=2)).expires_at is None


@pytest.mark.parametrize(
    ("retention", "days"),
    [({"days": 7}, 7), ({}, 90)],
    ids=["as was resolved", "by the environment, where an older version resolved it"],
)
def test_a_backup_without_a_policy_is_kept_for_as_long_as_was_resolved(retention, days):
    resolved = resolve(a_policy(), settings()).model_copy(update={"retention": a_policy(retention=retention).retention})
    status = a_begun_backup(phase=Phase.SUCCEEDED, completed_at=ago(60), resolved=resolved).status
    written = the_status(a_backup(inline=a_policy(), status=status, generation=2))
    assert written.expires_at == ago(60) + timedelta(days=days)


def test_an_end_says_how_often_it_was_tried_again():
    pods = (a_pod(exit_code=1, uid="first"), a_pod(exit_code=0, report=a_success(), uid="second"))
    assert the_status(a_begun_backup(), job=a_job(complete=True, failed_pods=1), pods=pods).retries == 1
    assert the_status(a_begun_backup(retries=2), job=a_job(complete=True), pods=pods[1:]).retries == 2


def test_a_cleanup_that_has_ended_wants_nothing_any_more():
    waited = a_begun_backup(cleanup=Cleanup(job_name="c", state="Running"), pod_wanted=WANTED)
    assert statuses.cleanup_done(waited, "removed").pod_wanted is None
    assert statuses.cleanup_failed(waited, "refused").pod_wanted is None


ROLES = GlobalsReport(sha256="d" * 64, size_bytes=900, roles=3)
NEEDED = ["the role reader must exist before a restore: CREATE ROLE reader"]


@pytest.mark.parametrize("told", [{"globals": ROLES, "needs": NEEDED}, {}], ids=["there is such", "there is none"])
def test_what_lies_beside_the_artifact_and_what_a_restore_needs_stand_in_the_status(told):
    ended = {"job": a_job(complete=True), "pods": (a_pod(exit_code=0, report=a_success(**told)),)}
    status = the_status(a_begun_backup(), **ended)
    kept = BackupGlobals(sha256="d" * 64, size_bytes=900, roles=3) if told else None
    assert (status.globals, status.needs) == (kept, NEEDED if told else None)


def test_what_has_expired_is_kept_for_no_reason_and_locked_no_more():
    kept = {"restore": "kubectl ...", "kept_because": ["within 30 days"], "locked_until": ago(5)}
    gone = stated.expired(a_begun_backup(phase=Phase.SUCCEEDED, **kept), [], NOW)
    assert (gone.phase, gone.restore, gone.kept_because, gone.locked_until) == (Phase.EXPIRED, None, None, None)


QUEUED = Queued(since=ago(90), position=3)
WAITS = Turn(False, 3, queue.of_all(Queue(max_running=1)), None)


@pytest.mark.parametrize(
    ("phase", "turn", "images", "becomes"),
    [
        pytest.param(Phase.QUEUED, WAITS, {}, Phase.QUEUED, id="what waits is looked at when its turn has come"),
        pytest.param(None, WAITS, {}, Phase.FAILED, id="what is new is looked at before it waits"),
        pytest.param(Phase.QUEUED, Turn(True), {}, Phase.FAILED, id="its turn has come, and it cannot be taken"),
        pytest.param(Phase.QUEUED, None, {"postgres-17": "x"}, Phase.PENDING, id="nobody has to wait any more"),
    ],
)
def test_in_the_queue(phase, turn, images, becomes):
    status = DatabaseBackupStatus(phase=phase, queue=QUEUED if phase else None)
    o = observed(a_backup(status=status), policy=a_policy(), turn=turn)
    told = decide(o, settings(images=images), NOW).status
    assert told.phase is becomes
    assert (told.queue is not None) is (becomes is Phase.QUEUED)


@pytest.mark.parametrize(("near", "due"), [(True, NOW + timedelta(minutes=1)), (False, None)])
def test_those_who_come_soon_are_told_anew_each_minute(near, due):
    o = observed(a_backup(), policy=a_policy(), turn=replace(WAITS, near=near))
    assert decide(o, settings(), NOW).due == due
    assert decide(replace(o, turn=WAITS), settings(), NOW).due is None


def test_of_a_suspicious_backup_without_a_warning_the_event_says_no_more_than_the_status():
    former = replace(
        suspicion.former_in(a_begun_backup(phase=Phase.SUCCEEDED, completed_at=ago(900), rows=9).status.to_dict()),
        rows=9_000_000,
    )
    ended = {"job": a_job(complete=True), "pods": (a_pod(exit_code=0, report=a_success()),)}
    found = decide(observed(a_begun_backup(), former=(former,), **ended), settings(), NOW)
    assert found.announcement == Announcement(True, "BackupSuspicious", found.status.message)
