"""What somebody is to do first after a restore that failed, where its target may be half done."""

from typing import Any

import pytest
from tests.builders import NOW, UID, a_failure, a_pod, a_policy, ago, settings

from holdfast.api.backup import Failure
from holdfast.api.guard import SafetyBackup
from holdfast.api.rds_target import RDSTarget
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import DatabaseRestoreStatus, Phase, ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.contract.report import Report
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import remedies
from holdfast.decide.restore.observation import RESTORE, Observation, RestoreView
from holdfast.decide.seen import Seen
from holdfast.errors import Reason

POSTGRES = resolve(a_policy(), settings())
EMPTY_IT = "look into the target first: it may be half filled, so empty it"
MEND = Failure(reason=Reason.CONTAINER_KILLED, message="it was killed", remedy="raise the limit")
ANEW = MEND.model_copy(update={"remedy": "raise the limit, then create another backup; nothing was published"})
STARTED, NOT_STARTED = a_pod(phase="Running"), a_pod(uid="pod-2")


def resolved(mode: RestoreMode = RestoreMode.REFUSE, **changes: Any) -> ResolvedRestore:
    return ResolvedRestore(database=POSTGRES.database, mode=mode, job=POSTGRES.job, **changes)


def seen(*pods: Any, **status: Any) -> Observation:
    """A restore into an empty database, whose Job has these Pods."""
    told = {"resolved": resolved(), "job_uid": "job-1", "phase": Phase.PENDING} | status
    spec = DatabaseRestoreSpec.model_validate({"source": {"backupRef": {"name": "first"}}})
    view = RestoreView("shop", "again", UID, 1, ago(60), False, spec, DatabaseRestoreStatus(**told))
    return Observation(view, works={RESTORE: Seen("its-job", None, pods)})


def remedy(o: Observation, failure: Failure = MEND, report: Report | None = None) -> str:
    """What is said; all else of the failure stays as it was."""
    told = remedies.of_restore(o, failure, report)
    assert told == failure.model_copy(update={"remedy": told.remedy})
    assert remedies.of_restore(o, told, report) == told  # saying it twice changes nothing
    return told.remedy


AFTER_IT = f"{EMPTY_IT}; raise the limit; then create another DatabaseRestore"


@pytest.mark.parametrize(
    ("o", "says"),
    [
        pytest.param(seen(), "raise the limit", id="no Pod was there"),
        pytest.param(seen(NOT_STARTED), "raise the limit", id="its Pod never started"),
        pytest.param(seen(a_pod(phase="Running", job="another")), "raise the limit", id="the Pod is another Job's"),
        pytest.param(seen(STARTED), AFTER_IT, id="its Pod has started"),
        pytest.param(seen(STARTED, NOT_STARTED), AFTER_IT, id="one of its Pods has started"),
        pytest.param(seen(phase=Phase.RUNNING), AFTER_IT, id="its Pod was seen to run, and is gone"),
        pytest.param(seen(STARTED, resolved=None), "raise the limit", id="nothing was fixed yet"),
        pytest.param(seen(STARTED, resolved=resolved(RestoreMode.REPLACE)), "raise the limit",
                     id="it worked beside the target"),
        pytest.param(
            seen(STARTED, resolved=resolved(RestoreMode.INTO)),
            "look into the target first: it may have a part of the backup, so take that out; raise the limit; then "
            "create another DatabaseRestore", id="it added to what is there",
        ),
        pytest.param(
            seen(STARTED, resolved=resolved(rds=RDSTarget(identifier="new"))),
            "look for new in RDS first: it may still be made, so wait for it and use it, or delete it; raise the "
            "limit; then create another DatabaseRestore", id="it made an instance",
        ),
        pytest.param(
            seen(STARTED, safety_backup=SafetyBackup(name="saved", message="it has Succeeded")),
            f"{EMPTY_IT} (DatabaseBackup saved has it as it was); raise the limit; then create another DatabaseRestore",
            id="its target was backed up before",
        ),
        pytest.param(seen(STARTED, safety_backup=SafetyBackup(message="none is taken")), AFTER_IT,
                     id="its target was not backed up before"),
    ],
)  # fmt: skip
def test_what_is_to_be_done_first_is_said_where(o: Observation, says: str):
    assert remedy(o) == says


def test_another_restore_is_asked_for_once():
    assert remedy(seen(STARTED), ANEW) == f"{EMPTY_IT}; raise the limit, then create another DatabaseRestore"
    assert remedy(seen(), ANEW) == "raise the limit, then create another DatabaseRestore"


@pytest.mark.parametrize(
    ("reason", "half_done"),
    [(Reason.INTERRUPTED, True), (Reason.DEADLINE_EXCEEDED, True), (Reason.AUTHENTICATION_FAILED, False)],
)
def test_a_runner_that_reports_knows_whether_it_was_stopped_in_the_middle(reason: Reason, half_done: bool):
    said = remedy(seen(STARTED, phase=Phase.RUNNING), report=a_failure(reason))
    assert said == (AFTER_IT if half_done else "raise the limit")


def test_a_report_that_is_not_believed_was_of_no_work_in_the_middle():
    report = Report(kind="restore", outcome="Succeeded", started_at=ago(5), completed_at=NOW, duration_seconds=5)
    assert remedy(seen(STARTED), report=report) == "raise the limit"
