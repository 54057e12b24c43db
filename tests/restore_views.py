"""A DatabaseRestore as a decision sees it, at each point of its life, and what is decided of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.builders import NOW, UID, a_begun_backup, a_job, a_policy, ago, settings

from holdfast.api.backup import DatabaseBackupStatus, Ending, Failure
from holdfast.api.backup import Phase as BackupPhase
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import DatabaseRestoreStatus
from holdfast.contract.report import Report, RestoreReport
from holdfast.decide import failures, job_end
from holdfast.decide.restore.observation import RESTORE, Candidate, Found, Observation, RestoreView
from holdfast.decide.restore.steps import decide
from holdfast.decide.seen import Asked, Seen
from holdfast.decide.views import JobView, PodView
from holdfast.errors import Reason

WORKS = timedelta(seconds=600 + 21_600) + job_end.OVERDUE  # from a Job's beginning
POLICY, PRODUCTION = a_policy(environment="staging"), a_policy(environment="production")
FIRST = Candidate("first", True, True, False, False, ago(3600), "backup-20261122-084430")
LISTED = Asked(pods=True)
STRANGER = a_job(owner="somebody-else", name="again-restore-x")
TAKEN = failures.job_name_taken(STRANGER.name)
LOST = Failure(reason=Reason.START_TIMEOUT, message="the Job's Pod did not start", remedy="wait")


def the_decision(restore: RestoreView, now: datetime = NOW, **seen: Any) -> Any:
    return decide(Observation(restore, **seen), settings(), now)


def a_restore(status: DatabaseRestoreStatus | None = None, *, mode: str = "Replace") -> RestoreView:
    spec = DatabaseRestoreSpec.model_validate({"source": {"backupRef": {"name": "first"}}, "mode": mode})
    return RestoreView("shop", "again", UID, 1, ago(60), False, spec, status or DatabaseRestoreStatus())


def found(status: DatabaseBackupStatus | None = None, **changes: Any) -> Found:
    return replace(Found("backup-1", ago(3600), status), **changes)


def a_fixed_restore(*, policy: Any = POLICY, mode: str = "Replace", **changes: Any) -> RestoreView:
    """One that is fixed, as the decision itself fixes it."""
    restore, backup = a_restore(mode=mode), a_begun_backup(inline=policy, phase=BackupPhase.SUCCEEDED)
    written = the_decision(restore, ago(40), candidates=(FIRST,), found=found(backup.status))
    return replace(restore, status=written.status.model_copy(update=changes))


def a_begun_restore(*, policy: Any = POLICY, mode: str = "Replace", **changes: Any) -> RestoreView:
    """One whose turn has come, 30 s ago, and whose Job was seen."""
    restore = a_fixed_restore(policy=policy, mode=mode)
    status = the_decision(restore, ago(30)).status
    return replace(restore, status=status.model_copy(update={"job_uid": "job-1", **changes}))


def with_job(restore: RestoreView, job: JobView | None, *pods: PodView, role: str = RESTORE, **seen: Any) -> Any:
    """What is decided when its Job is seen like this."""
    told = {key: seen.pop(key) for key in ("refusal", "refused_at") if key in seen}
    return the_decision(restore, works={role: Seen("its-job", job, pods, **told)}, **seen)


def its_job(**changes: Any) -> JobView:
    return a_job(kind="DatabaseRestore", **changes)


def a_failing_restore(seconds: float = 10) -> RestoreView:
    return a_begun_restore(failure=LOST, ending=Ending(since=ago(seconds), job_uid="job-1"))


def a_success(restore: RestoreView, kind: str = "restore", **result: Any) -> Report:
    known = {"backup_id": restore.status.source.backup_id, "replaced": restore.status.resolved.old}
    told = RestoreReport(**{**known, **result})
    return Report(
        kind=kind, outcome="Succeeded", started_at=ago(5), completed_at=NOW, duration_seconds=5, restore=told
    )  # fmt: skip
