"""A backup that somebody deletes: with Delete its data goes first; nothing holds it up for ever."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, UID, a_backup, a_begun_backup, a_job, a_pod, ago, observed, settings

from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus, Phase
from holdfast.api.deletion import Deletion, Member, Result
from holdfast.api.job import PodWanted
from holdfast.api.policy import DeletionPolicy
from holdfast.contract.report import DeleteReport, NotDeletedReport, Report, RetainedReport
from holdfast.decide.backup import holding
from holdfast.decide.backup.observation import DELETION, BackupView, Removal
from holdfast.decide.backup.parting import WHY, unreadable
from holdfast.decide.backup.settled import has_settled
from holdfast.decide.backup.steps import decide
from holdfast.decide.decision import Create, Delete, Do, Hold, Learn, Release, Rest, What, Write
from holdfast.decide.seen import Seen
from holdfast.decide.views import JobView, PodView
from holdfast.naming import child_name

DELETE, RETAIN = DeletionPolicy.DELETE, DeletionPolicy.RETAIN
OPERATOR = "system:serviceaccount:holdfast:holdfast"
LET_GO = settings().deletion.let_go_seconds
FAILED = DeleteReport(failed=[NotDeletedReport(items=[0], reason="StorageAccessDenied", message="grant it")])
GOOD = {"phase": Phase.SUCCEEDED, "completed_at": ago(60), "sha256": "a" * 64, "restore": "x", "observed_generation": 1}


def a_backup_with(
    policys: DeletionPolicy = RETAIN, own: DeletionPolicy | None = None, *, pinned: bool = False, held: bool = False,
    deleted: float | None = None, **status: Any,
) -> BackupView:  # fmt: skip
    """A good one; `deleted` is how many seconds ago somebody deleted it."""
    begun = a_begun_backup(**{**GOOD, **status})
    resolved = begun.status.resolved
    assert resolved is not None
    known = begun.status.model_copy(update={"resolved": resolved.model_copy(update={"deletion_policy": policys})})
    spec = begun.spec.model_copy(update={"pinned": pinned, "deletion_policy": own})
    gone: dict[str, Any] = {"deleting": deleted is not None, "deleted": None if deleted is None else ago(deleted)}
    return replace(begun, spec=spec, status=known, held=held, **gone)


def a_leaving_one(deleted: float = 5, **status: Any) -> BackupView:
    return a_backup_with(DELETE, held=True, deleted=deleted, **status)


def step(backup: BackupView, **seen: Any) -> Any:
    return decide(observed(backup, **{"maker": OPERATOR, **seen}), settings(), NOW)


def marked(backup: BackupView) -> BackupView:
    """The same one, after it was written down that its data is being deleted."""
    found = step(backup)
    assert isinstance(found, Write)
    return replace(backup, status=found.status)


def with_job(backup: BackupView, job: JobView | None = None, *pods: PodView, **seen: Any) -> Any:
    """What is decided where its deletion has this Job and these Pods."""
    o = observed(backup, **{"maker": OPERATOR, "pods_listed": True, **seen})
    told = backup.status.deletion
    works = {**o.works, DELETION: Seen(told.job_name if told else None, job, pods)}
    return decide(replace(o, works=works), settings(), NOW)


def the_job(**changes: Any) -> JobView:
    return replace(a_job(owner=None, uid="job-1", **changes), made_by=OPERATOR)


def reported(report: DeleteReport) -> tuple[JobView, PodView]:
    said = Report(
        kind="delete", outcome="Succeeded", started_at=ago(5), completed_at=NOW, duration_seconds=5, deletion=report
    )
    return the_job(complete=True), a_pod(exit_code=0, report=said)


def after(backup: BackupView, report: DeleteReport) -> DatabaseBackupStatus:
    found = with_job(backup, *reported(report))
    assert isinstance(found, Write)
    return found.status


# Who is held up


@pytest.mark.parametrize(
    ("backup", "held"),
    [(a_backup_with(RETAIN), False),
     (a_backup_with(DELETE), True),
     (a_backup_with(RETAIN, DELETE), True),
     (a_backup_with(DELETE, RETAIN), False),
     (a_backup_with(DELETE, DELETE, pinned=True), False),
     (a_backup_with(DELETE, phase=Phase.PENDING), True),
     (a_backup_with(DELETE, phase=Phase.RUNNING), True),
     (a_backup_with(DELETE, phase=Phase.FAILED), True),
     (a_backup_with(DELETE, phase=Phase.VERIFYING), True),
     (a_backup_with(DELETE, phase=Phase.DELETING), True),
     (a_backup_with(DELETE, phase=Phase.EXPIRED), False)],
    ids=["Retain", "the policy's Delete", "its own Delete", "its own Retain", "pinned", "pending, begun", "running",
         "failed, of which something may be left", "being verified", "that retention deletes", "expired"],
)  # fmt: skip
def test_the_finalizer_is_on_what_may_have_data_that_is_to_go_and_on_nothing_else(backup, held):
    without, with_it = backup, replace(backup, held=True)
    assert (step(without) == Do(Hold(backup.name, backup.uid))) is held
    assert (holding.step(with_it) == Do(Release(backup.name, backup.uid))) is not held


def test_what_has_not_begun_is_not_held_up():
    spec = DatabaseBackupSpec.model_validate({"policyRef": {"name": "orders"}, "deletionPolicy": "Delete"})
    waiting = replace(a_backup(), spec=spec)
    assert not isinstance(step(waiting), Do)


def test_the_finalizer_is_there_before_the_job_is():
    begun = a_backup_with(DELETE, phase=Phase.PENDING, completed_at=None)
    assert step(begun) == Do(Hold(begun.name, begun.uid))
    assert step(replace(begun, held=True)) == Do(Create("backup"))


@pytest.mark.parametrize(
    ("backup", "rests"),
    [(a_backup_with(DELETE), False), (a_backup_with(DELETE, held=True), True), (a_backup_with(RETAIN), True),
     (a_backup_with(RETAIN, held=True), False), (a_leaving_one(), False), (a_backup_with(DELETE, deleted=5), True)],
    ids=["to be held", "held", "not held", "to be let go", "on its way out", "gone but for others' finalizers"],
)  # fmt: skip
def test_a_backup_rests_when_its_finalizer_is_as_it_is_to_be(backup, rests):
    assert has_settled(backup, None) is rests
    assert rests is isinstance(step(backup), (Rest, type(None))) or isinstance(step(backup), Write) is not rests


# What becomes of one that is deleted


def test_with_retain_nothing_is_done():
    assert step(a_backup_with(RETAIN, deleted=5)) == Rest()


@pytest.mark.parametrize(
    "backup",
    [a_backup_with(DELETE, RETAIN, held=True, deleted=5),
     a_backup_with(DELETE, pinned=True, held=True, deleted=5),
     a_backup_with(RETAIN, held=True, deleted=5),
     a_leaving_one(phase=Phase.EXPIRED)],
    ids=["Retain was written while it waited", "it was pinned", "the policy's is Retain", "its data has gone"],
)  # fmt: skip
def test_it_is_let_go_at_once_and_without_a_word_where_no_data_is_to_go(backup):
    assert step(backup) == Do(Release(backup.name, backup.uid))


def test_one_that_never_began_is_let_go_whoever_put_the_finalizer_on():
    waiting = replace(a_backup(deleting=True), held=True, deleted=ago(1))
    assert step(waiting) == Do(Release(waiting.name, waiting.uid))


def conditions(status: DatabaseBackupStatus) -> dict[str, tuple[str, str, str]]:
    told = {each.type: (each.status, each.reason, each.message) for each in status.conditions}
    return {kind: told[kind] for kind in ("Ready", "Reconciling", "Stalled")}


BEGUN = f"Holdfast deletes the backup's data: {WHY}"


def test_while_it_is_deleted_its_status_says_so():
    left = a_leaving_one(kept_because=["within 30 days"], pod_wanted=PodWanted(since=ago(9)))
    status = step(left).status
    assert status.deletion == Deletion(
        reason_to_delete=WHY, since=ago(5), job_name=child_name("orders-1", UID, "delete", 1), attempt=1
    )
    assert (status.message, status.kept_because, status.pod_wanted) == (BEGUN, None, None)
    assert conditions(status) == {
        "Ready": ("False", "Deleting", "the backup's data is being deleted"),
        "Reconciling": ("True", "Deleting", BEGUN),
        "Stalled": ("False", "Deleting", "Holdfast goes on by itself"),
    }
    assert after(marked(left), DeleteReport(deleted=[0])).deletion == Deletion(
        reason_to_delete=WHY, since=ago(5), job_name=status.deletion.job_name, result=Result.DELETED, completed_at=NOW
    )


def test_while_it_fails_its_status_says_so():
    status = after(marked(a_leaving_one()), FAILED)
    said = "the data could not be deleted, and Holdfast tries again: StorageAccessDenied: grant it"
    assert conditions(status) == {
        "Ready": ("False", "DeletionFailed", "the backup's data is being deleted"),
        "Reconciling": ("True", "DeletionFailed", said),
        "Stalled": ("True", "DeletionFailed", said),
    }


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 30), (2, 60), (3, 120), (4, 240), (5, 300), (6, 300)])
def test_each_failure_waits_twice_as_long_up_to_five_minutes(attempt, seconds):
    backup = marked(a_leaving_one())
    told = backup.status.deletion.model_copy(update={"attempt": attempt})
    again = replace(backup, status=backup.status.model_copy(update={"deletion": told}))
    assert after(again, FAILED).deletion.again_at == NOW + timedelta(seconds=seconds)


def test_what_retention_has_begun_and_not_ended_is_begun_anew():
    sweep = Deletion(reason_to_delete="older than 30 days", since=ago(9), job_name="orders-sweep-1")
    member = Member(name="orders-1", uid="u", reason_to_delete="older than 30 days")
    backup = a_leaving_one(phase=Phase.DELETING, deletion=sweep)
    found = step(backup, removal=Removal(member, "orders-sweep-1", made=False, kept=False))
    assert (found.status.deletion.attempt, found.status.deletion.reason_to_delete) == (1, WHY)


def test_without_an_image_its_job_is_waited_for_with_the_reason():
    found = decide(observed(marked(a_leaving_one()), maker=OPERATOR), settings(images={}), NOW)
    assert isinstance(found, Write)
    assert "; waiting: " in (found.status.message or "")
    assert "runner.images" in (found.status.message or "")


def test_since_when_its_next_pod_is_wanted_is_kept():
    wanted = PodWanted(since=ago(5), ran=True)
    backup = marked(a_leaving_one())
    backup = replace(backup, status=backup.status.model_copy(update={"pod_wanted": wanted}))
    assert with_job(backup, the_job()).status.pod_wanted == wanted


def test_pods_of_a_backup_that_had_not_ended_are_not_asked_for_any_more_once_the_deletion_works():
    backup = marked(a_leaving_one(phase=Phase.RUNNING, completed_at=None))
    assert isinstance(with_job(backup, the_job(), a_pod(phase="Running"), pods_listed=False), Write)


def test_it_is_first_called_deleting_so_that_nobody_restores_what_goes():
    found = step(a_leaving_one())
    assert isinstance(found, Write)
    assert found.status.phase is Phase.DELETING
    told = found.status.deletion
    assert told is not None
    assert (told.attempt, told.since, told.result) == (1, ago(5), None)
    assert "its resource was deleted" in (found.status.message or "")


@pytest.mark.parametrize("job", ["job", "former_job", "cleanup_job", "verify_job"])
def test_its_own_jobs_are_ended_before_its_data_goes(job):
    backup = marked(a_leaving_one())
    running = a_job(name=f"orders-1-{job}")
    assert step(backup, **{job: running}) == Do(Delete(running))
    assert step(backup, **{job: a_job(deleting=True)}) == Rest(due=ago(5) + timedelta(seconds=LET_GO))
    assert step(backup, **{job: a_job(owner="another")}).act == Create(DELETION)
    assert step(backup, **{job: a_job(complete=True)}).act == Create(DELETION)


def test_the_last_pod_of_a_backup_that_ran_is_waited_for_and_asked_for():
    backup = marked(a_leaving_one(phase=Phase.RUNNING, completed_at=None))
    ended = a_job(failed="BackoffLimitExceeded")
    assert isinstance(step(backup, job=ended, pods=[a_pod(phase="Running")]), Rest)
    assert step(backup, job=ended).act == Learn(What.PODS)
    assert step(backup, job=ended, pods_listed=True).act == Create(DELETION)


def test_the_operator_asks_once_who_it_is():
    assert step(marked(a_leaving_one()), maker=None).act == Learn(What.SELF)


def test_a_job_without_an_owner_deletes_the_data_and_a_strangers_is_not_believed():
    backup = marked(a_leaving_one())
    _, pod = reported(DeleteReport(deleted=[0]))
    for stranger in (a_job(owner=None, complete=True), a_job(complete=True),
                     replace(the_job(complete=True), made_by="mallory")):  # fmt: skip
        found = with_job(backup, stranger, pod)
        assert found.status.phase is Phase.DELETING
        assert found.status.deletion.reason == "JobNameTaken"


def test_where_many_are_deleted_at_once_others_go_first():
    found = step(marked(a_leaving_one()), crowded=True)
    assert isinstance(found, Rest)
    assert found.due == NOW + timedelta(seconds=5)
    assert isinstance(with_job(marked(a_leaving_one()), the_job(), crowded=True), Write)


def test_when_its_data_is_gone_it_is_expired_and_then_let_go():
    backup = marked(a_leaving_one())
    status = after(backup, DeleteReport(deleted=[0]))
    assert (status.phase, status.restore) == (Phase.EXPIRED, None)
    assert (status.deletion and status.deletion.job_name) == (
        backup.status.deletion and backup.status.deletion.job_name
    )
    gone = replace(backup, status=status)
    assert step(gone) == Do(Release(gone.name, gone.uid))


@pytest.mark.parametrize("phase", [Phase.DELETING, Phase.SUCCEEDED])
def test_what_retention_has_deleted_meanwhile_is_not_deleted_again(phase):
    member = Member(name="orders-1", uid="u", reason_to_delete="older than 30 days", result=Result.DELETED)
    found = step(a_leaving_one(phase=phase), removal=Removal(member, "orders-sweep-1", made=True, kept=False))
    assert (found.status.phase, found.status.deletion.job_name) == (Phase.EXPIRED, "orders-sweep-1")


def test_what_holdfast_made_and_is_held_records_its_end_before_its_policy_removes_it():
    member = Member(name="orders-1", uid="u", reason_to_delete="older than 30 days", result=Result.DELETED)
    removal = Removal(member, "orders-sweep-1", made=True, kept=False)
    assert step(a_backup_with(DELETE, held=True, phase=Phase.DELETING), removal=removal).status.phase is Phase.EXPIRED
    assert step(a_backup_with(RETAIN, phase=Phase.DELETING), removal=removal) == Rest()


def test_what_failed_is_told_and_tried_again_with_another_job_while_there_is_time():
    backup = marked(a_leaving_one())
    status = after(backup, FAILED)
    assert (status.phase, status.deletion and status.deletion.result) == (Phase.DELETING, Result.FAILED)
    assert "grant it" in (status.message or "")
    told = status.deletion
    assert told is not None
    assert told.again_at == NOW + timedelta(seconds=30)
    failed = replace(backup, status=status)
    assert step(failed) == Rest(due=NOW + timedelta(seconds=30))
    later = decide(observed(failed, maker=OPERATOR), settings(), NOW + timedelta(seconds=30))
    assert isinstance(later, Write)
    assert later.status.deletion is not None
    assert (later.status.deletion.attempt, later.status.deletion.result) == (2, None)
    assert later.status.deletion.job_name != told.job_name


TOLD = {"reason": "StorageAccessDenied", "message": "no", "remedy": "grant it", "exitCode": 1}


def a_report(**fields: Any) -> Report:
    base = {"kind": "delete", "startedAt": ago(5), "completedAt": NOW, "durationSeconds": 5}
    return Report.model_validate(base | fields)


@pytest.mark.parametrize(
    ("job", "pods", "reason", "says"),
    [
        pytest.param(the_job(failed="DeadlineExceeded"), [], "DeadlineExceeded", "", id="failed"),
        pytest.param(the_job(complete=True), [a_pod(exit_code=0)], "ReportMissing", "1 Jobs ended", id="no report"),
        pytest.param(
            the_job(failed="BackoffLimitExceeded"),
            [a_pod(exit_code=20, report=a_report(outcome="Failed", failure=TOLD))],
            "StorageAccessDenied", "no", id="its report tells a failure",
        ),
        pytest.param(
            the_job(complete=True), [a_pod(exit_code=0, report=a_report(outcome="Succeeded"))],
            "ReportMissing", "neither a result nor a failure", id="its report tells nothing",
        ),
    ],
)  # fmt: skip
def test_a_job_that_does_not_say_what_it_has_deleted_is_a_failure_with_its_reason(job, pods, reason, says):
    found = with_job(marked(a_leaving_one()), job, *pods)
    told = found.status.deletion
    assert (told.result, told.reason) == (Result.FAILED, reason)
    assert says in told.message


def test_a_report_that_says_nothing_of_it_is_a_failure():
    assert after(marked(a_leaving_one()), DeleteReport()).deletion.result is Result.FAILED  # type: ignore[union-attr]


# When it is let go although its data is there


@pytest.mark.parametrize(
    ("backup", "why"),
    [(marked(a_leaving_one()), "its resource was deleted"),
     (replace(marked(a_leaving_one()), status=after(marked(a_leaving_one()), FAILED)),
      "s: StorageAccessDenied: grant it"),
     (a_leaving_one(), "no operator saw the deletion earlier"),
     (a_leaving_one(phase=Phase.DELETING, deletion=Deletion(reason_to_delete="older", since=ago(9), job_name="sweep")),
      "no operator saw the deletion earlier")],
    ids=["nothing is known", "the last failure is told", "nobody has begun", "retention had begun"],
)  # fmt: skip
def test_after_so_long_it_is_let_go_and_told_where_the_data_lies(backup, why):
    late = ago(5) + timedelta(seconds=LET_GO)
    before = decide(observed(backup, maker=OPERATOR), settings(), late - timedelta(seconds=1))
    assert not isinstance(before.act, Release)
    assert before.act is not None or before.due is None or before.due <= late
    found = decide(observed(backup, maker=OPERATOR, job=a_job(deleting=True)), settings(), late)
    assert isinstance(found, Do)
    assert isinstance(found.act, Release)
    assert found.act.left is not None
    assert found.act.left.location == backup.status.location
    assert f"within {LET_GO} s" in found.act.left.why
    assert why in found.act.left.why


def test_it_never_rests_without_looking_again_before_it_is_to_be_let_go():
    backup, late = marked(a_leaving_one()), ago(5) + timedelta(seconds=LET_GO)
    for found in (
        with_job(backup, the_job()),
        with_job(backup, the_job(), a_pod(phase="Running")),
        with_job(backup, the_job(deleting=True)),
        step(backup, job=a_job(deleting=True)),
    ):
        assert found.due is not None
        assert found.due <= late


def test_where_the_namespace_takes_no_job_any_more_it_is_let_go_at_once_and_told():
    found = step(marked(a_leaving_one()), closed=True)
    assert isinstance(found.act, Release)
    assert found.act.left is not None
    assert "namespace is being deleted" in found.act.left.why


@pytest.mark.parametrize(("days", "let_go"), [(9, True), (0, False)], ids=["for days", "for a minute"])
def test_what_object_lock_keeps_longer_than_that_is_let_go_at_once(days, let_go):
    until = NOW + timedelta(days=days, minutes=1)
    found = with_job(
        marked(a_leaving_one()), *reported(DeleteReport(retained=[RetainedReport(items=[0], until=until)]))
    )
    assert isinstance(found.act, Release) is let_go
    if let_go:
        assert "Object Lock keeps the data until" in found.act.left.why
    else:
        told = found.status.deletion
        assert (told.again_at, told.until, told.reason) == (until, until, "Retained")
        assert told.message == "Object Lock keeps the data until 2026-11-22T08:46:00Z"
        assert told.message in found.status.message
        assert (found.announcement.warning, found.announcement.reason) == (True, "DeletionFailed")


def test_why_it_is_let_go_is_told_in_no_more_than_an_event_has_room_for():
    long = Deletion(reason_to_delete=WHY, since=ago(9), attempt=1, reason="StorageAccessDenied", message="x" * 512)
    found = step(a_leaving_one(deleted=LET_GO, phase=Phase.DELETING, deletion=long))
    assert len(found.act.left.why) == 512


def test_the_snapshot_is_named_where_there_is_one():
    snapshot = {"arn": "arn:aws:rds:eu-1:1:snapshot:x", "region": "eu-1", "kind": "instance", "source": "orders",
                "engine": "postgres", "engineVersion": "17", "encrypted": False}  # fmt: skip
    backup = a_leaving_one(deleted=LET_GO)
    status = DatabaseBackupStatus.model_validate(backup.status.to_dict() | {"snapshot": snapshot})
    found = step(replace(backup, status=status))
    assert found.act.left.location.endswith(", arn:aws:rds:eu-1:1:snapshot:x")


def test_where_nothing_says_where_the_data_lies_that_is_said():
    backup = a_leaving_one(deleted=LET_GO)
    found = step(replace(backup, status=backup.status.model_copy(update={"location": None})))
    assert isinstance(found.act, Release)
    assert found.act.left is not None
    assert found.act.left.location == "an unknown place"


def test_one_whose_status_has_lost_where_its_data_lies_is_let_go_at_once_and_told():
    backup = a_leaving_one()
    found = step(replace(backup, status=backup.status.model_copy(update={"resolved": None})))
    assert "status.resolved is missing" in found.act.left.why


@pytest.mark.parametrize("keeps", [{"pinned": True}, {"own": RETAIN}], ids=["pinned", "its own word is Retain"])
def test_one_that_says_itself_that_its_data_stays_is_let_go_without_a_word_whatever_its_status_has_lost(keeps):
    backup = a_backup_with(DELETE, **{"held": True, "deleted": 5, **keeps})
    lost = replace(backup, status=backup.status.model_copy(update={"resolved": None}))
    assert step(lost) == Do(Release(backup.name, backup.uid))


def test_one_that_cannot_be_read_waits_for_somebody_who_can_and_not_for_ever():
    o = observed(a_leaving_one())
    late = ago(5) + timedelta(seconds=LET_GO)
    assert unreadable(o, settings(), NOW) == Rest(late)
    found = unreadable(o, settings(), late)
    assert isinstance(found.act, Release)
    assert found.act.left is not None


def test_while_its_job_waits_it_is_said_for_what_and_when_it_is_looked_at_again():
    backup = marked(a_leaving_one())
    pending = with_job(backup, the_job(), a_pod(phase="Pending", unschedulable="no node has room"))
    assert "; waiting: " in pending.status.message
    assert "no node has room" in pending.status.message
    assert pending.due is not None
    assert pending.due < ago(5) + timedelta(seconds=LET_GO)
    running = with_job(backup, the_job(), a_pod(phase="Running"))
    assert running.status.message == f"Holdfast deletes the backup's data: {WHY}"


def test_what_is_pinned_keeps_its_data_whatever_was_written():
    assert holding.policy_of(a_backup_with(DELETE, DELETE, pinned=True)) is RETAIN
    assert holding.policy_of(a_backup_with(DELETE)) is DELETE
