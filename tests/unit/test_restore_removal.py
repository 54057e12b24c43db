"""How what a restore leaves beside its target goes: the replaced database in its time, a half-restored one at once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.builders import NOW, UID, a_failure, a_job, a_pod, a_policy, a_sqlite_policy, ago, settings
from tests.restore_views import its_job

from holdfast import naming
from holdfast.api.job import LOG_SECONDS, PodWanted
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import DatabaseRestoreStatus, Phase, Removal, Replaced, ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.contract.report import Report
from holdfast.decide import failures, job_life
from holdfast.decide.decision import Announcement, Create, Delete, Do, Expire, Learn, Rest, What, Write
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import fixing, removal
from holdfast.decide.restore.observation import REMOVAL, RESTORE, Observation, RestoreView
from holdfast.decide.seen import Asked, Seen
from holdfast.decide.views import JobView
from holdfast.sentences import explain

SERVER, FILE = (resolve(policy, settings()) for policy in (a_policy(), a_sqlite_policy()))
FRESH, OLD = fixing.names(SERVER.database, "again", UID)
JOB_NAME = naming.child_name("again", UID, "drop")
RUNNING = Removal(names=[OLD], job_name=JOB_NAME, state="Running", message=f"a Job removes {OLD}")
SUCCEEDED = {"phase": Phase.SUCCEEDED, "replaced": Replaced(name=OLD, until=ago(20))}


def resolved(policy: Any = SERVER, **changes: Any) -> ResolvedRestore:
    fields = {"database": policy.database, "mode": RestoreMode.REPLACE, "job": policy.job, "fresh": FRESH, "old": OLD}
    return ResolvedRestore(**fields | changes)


def seen(
    role: str = REMOVAL, job: JobView | None = None, *pods: Any, refusal: str | None = None, undone: bool = False,
    **status: Any,
) -> Observation:  # fmt: skip
    """A restore that has ended, and one of its Jobs."""
    spec = DatabaseRestoreSpec.model_validate({"source": {"backupRef": {"name": "first"}}, "mode": "Replace"})
    told = DatabaseRestoreStatus(**{"resolved": resolved()} | status)
    view = RestoreView("shop", "again", UID, 1, ago(60), False, spec, told)
    works = {role: Seen("its-job", job, pods, **({"refusal": refusal} if refusal else {}))}
    return Observation(view, works=works, undone=undone, asked=Asked(pods=True))


def removing(job: JobView | None = None, *pods: Any, refusal: str | None = None, **status: Any) -> Observation:
    """One whose replaced database is being removed."""
    return seen(REMOVAL, job, *pods, refusal=refusal, **SUCCEEDED | {"removal": RUNNING} | status)


def decide(o: Observation, now: datetime = NOW) -> Any:
    return removal.decide(o, now)


# the replaced database


@pytest.mark.parametrize(
    ("status", "undone", "decision"),
    [
        pytest.param({"phase": Phase.SUCCEEDED}, False, Rest(), id="where nothing was replaced"),
        pytest.param({"phase": Phase.FAILED}, False, Rest(), id="where nothing was restored"),
        pytest.param(SUCCEEDED | {"replaced": Replaced(name=OLD, until=NOW + timedelta(seconds=1))}, False,
                     Rest(NOW + timedelta(seconds=1)), id="before its time"),
        pytest.param(SUCCEEDED, True, Rest(), id="while another restore puts it back"),
    ],
)  # fmt: skip
def test_nothing_is_removed(status: dict[str, Any], undone: bool, decision: Rest):
    assert decide(seen(undone=undone, **status)) == decision


@pytest.mark.parametrize("until", [NOW, ago(20)], ids=["at its time", "after its time"])
def test_the_replaced_database_is_removed(until: datetime):
    o = seen(**SUCCEEDED | {"replaced": Replaced(name=OLD, until=until)})
    assert decide(o) == Write(o.restore.status.model_copy(update={"removal": RUNNING}))


def test_only_what_bears_a_name_of_this_restore_is_removed():
    o = removing(removal=RUNNING.model_copy(update={"names": [OLD, "payroll", "crm"]}))
    said = "the status names payroll, which this restore did not create: nothing was removed"
    failed = o.restore.status.removal.model_copy(update={"state": "Failed", "message": said})
    assert decide(o) == Write(
        o.restore.status.model_copy(update={"removal": failed}), Announcement(True, "RemovalFailed", said)
    )
    assert decide(removing(removal=RUNNING.model_copy(update={"names": [FRESH, OLD]}))) == Do(Create(REMOVAL))


def test_of_a_file_the_claim_is_looked_at_before_its_job_is_made():
    fresh, old = fixing.names(FILE.database, "again", UID)
    changes = {"resolved": resolved(FILE), "removal": RUNNING.model_copy(update={"names": [fresh, old]})}
    assert decide(removing(**changes)) == Do(Learn(What.CLAIM))


@pytest.mark.parametrize("state", ["Done", "Failed"])
def test_a_removal_that_is_over_is_not_begun_again_and_its_job_goes_after_a_day(state: str):
    over = RUNNING.model_copy(update={"state": state})
    ended, going = its_job(complete=True), its_job(complete=True, ttl_set=True)
    assert decide(removing(ended, removal=over)) == Do(Expire(ended, LOG_SECONDS))
    assert decide(removing(going, removal=over)) == Rest()
    assert decide(removing(removal=over)) == Rest()
    stuck = its_job()
    assert decide(removing(stuck, removal=over)) == Do(Delete(stuck))


# while its Job is under way

WANTED = PodWanted(since=ago(90), refused=True)


def test_a_job_that_cannot_be_made_is_told_with_what_to_do_however_long_the_server_s_words():
    said = "exceeded quota " * 300
    o = removing(refusal=said, pod_wanted=WANTED)
    decision = decide(o)
    told = decision.status.removal.message
    refused = failures.job_refused(said)
    assert decision == Write(
        o.restore.status.model_copy(update={"removal": RUNNING.model_copy(update={"message": told})}),
        due=NOW + job_life.LOOK_AGAIN,
    )
    assert decision.status.pod_wanted == WANTED  # it is waited for since then, not anew
    assert told.startswith(refused.message[:1000])
    assert (len(told.encode()), told.partition("…")[2]) == (2000, f". What to do: {refused.remedy}")


def test_a_job_that_cannot_be_made_for_ten_minutes_is_given_up():
    o = removing(refusal="exceeded quota", pod_wanted=PodWanted(since=ago(601)))
    decision = decide(o)
    assert (decision.status.removal.state, decision.status.pod_wanted) == ("Failed", None)
    assert "(given up after 600 s)" in decision.status.removal.message


def test_while_its_pod_is_to_start_it_is_said_what_is_removed_and_looked_again_when_that_is_too_late():
    waited = RUNNING.model_copy(update={"message": f"a Job removes {OLD}"})
    o = removing(its_job(), pod_wanted=WANTED, removal=waited)
    assert decide(o) == Write(o.restore.status, due=ago(90) + timedelta(seconds=600))


def test_while_its_pod_runs_nothing_is_waited_for_but_the_job_s_own_end():
    job = its_job()
    o = removing(job, a_pod(phase="Running"), pod_wanted=WANTED)
    decision = decide(o)
    assert decision.status == o.restore.status.model_copy(update={"pod_wanted": None})
    assert decision.due is not None
    assert decision.due > NOW + timedelta(hours=6)


# its end


def a_drop(**changes: Any) -> Report:
    told = {"kind": "drop", "outcome": "Succeeded", "started_at": ago(5), "completed_at": NOW, "duration_seconds": 5}
    return Report(**{**told, **changes})


@pytest.mark.parametrize(
    ("message", "said"),
    [pytest.param("removed: old", "removed: old", id="its own words"), pytest.param(None, "removed", id="no words")],
)
def test_a_removal_that_is_done_is_told_by(message: str | None, said: str):
    o = removing(its_job(complete=True), a_pod(exit_code=0, report=a_drop(message=message)), undo="kind: …")
    done = RUNNING.model_copy(update={"state": "Done", "message": said})
    assert decide(o) == Write(
        o.restore.status.model_copy(update={"removal": done, "undo": None}),
        Announcement(False, "ReplacedRemoved", said),
    )


def failed_for(report: Report) -> Any:
    return decide(removing(its_job(failed="PodFailurePolicy"), a_pod(exit_code=3, report=report), undo="kind: …"))


def test_a_removal_that_failed_leaves_the_way_back_and_says_what_to_do():
    told = a_failure(message="refused").failure
    said = explain(told.model_copy(update={"remedy": "mend it"}))
    decision = failed_for(a_drop(outcome="Failed", failure=told))
    failed = RUNNING.model_copy(update={"state": "Failed", "message": said})
    assert decision.status.removal == failed
    assert decision.status.undo == "kind: …"
    assert decision.announcement == Announcement(True, "RemovalFailed", said)


# what a failed restore may have left half-restored

FAILED = {"phase": Phase.FAILED, "job_uid": "job-1"}
STRANGER = a_job(kind="DatabaseRestore", owner="somebody-else")
UNCLEAN = a_pod(exit_code=137)
CLEAN = a_pod(exit_code=3, report=a_failure(clean=True))


@pytest.mark.parametrize(
    ("o", "left"),
    [
        pytest.param(seen(RESTORE, its_job(), UNCLEAN, **FAILED), True, id="its Pod was killed"),
        pytest.param(seen(RESTORE, its_job(), CLEAN, **FAILED), False, id="its Pod has cleared up"),
        pytest.param(seen(RESTORE, its_job(), **FAILED), False, id="its Pod never was"),
        pytest.param(seen(RESTORE, its_job(failed_pods=1), **FAILED), True, id="its Pod is gone"),
        pytest.param(seen(RESTORE, its_job(), a_pod(exit_code=137, job="another"), **FAILED), False,
                     id="the Pod is another Job's"),
        pytest.param(seen(RESTORE, None, **FAILED), True, id="its Job was there, and is gone"),
        pytest.param(seen(RESTORE, STRANGER, **FAILED), True, id="its Job is gone, and another bears its name"),
        pytest.param(seen(RESTORE, STRANGER, UNCLEAN, **FAILED | {"job_uid": None}), False,
                     id="it never had a Job, and another bears its name"),
        pytest.param(seen(RESTORE, None, **FAILED | {"job_uid": None}), False, id="it never had a Job"),
        pytest.param(seen(RESTORE, None, **FAILED | {"resolved": resolved(fresh=None)}), False,
                     id="it worked in the target itself"),
        pytest.param(seen(RESTORE, None, **FAILED | {"resolved": None}), False, id="nothing was fixed"),
    ],
)  # fmt: skip
def test_a_half_restored_database_is_removed_where_there_may_be_one(o: Observation, left: bool):
    goes = Removal(names=[FRESH], job_name=JOB_NAME, state="Running", message=f"a Job removes {FRESH}")
    status = o.restore.status
    assert removal.with_leftover(o, status) == (status.model_copy(update={"removal": goes}) if left else status)
