"""What to do about a restore that failed: in the words of a restore, and with what is in its target now. Pure."""

from holdfast.api.backup import Failure
from holdfast.api.restore_status import Phase, ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.contract.report import Report
from holdfast.decide import ownership
from holdfast.decide.restore.observation import RESTORE, Observation
from holdfast.errors import Reason
from holdfast.sentences import for_restores

_ANOTHER = "create another DatabaseRestore"
_STOPPED = (Reason.INTERRUPTED, Reason.DEADLINE_EXCEEDED)  # the runner's own word, in the middle of its work
_TARGETS = {
    RestoreMode.REFUSE: "look into the target first: it may be half filled, so empty it",
    RestoreMode.INTO: "look into the target first: it may have a part of the backup, so take that out",
}


def reworded(failure: Failure) -> Failure:
    """Return the failure of a restore's own Job in the words of a restore."""
    return failure.model_copy(update={"remedy": for_restores(failure.remedy, _ANOTHER)})


def of_restore(o: Observation, failure: Failure, report: Report | None) -> Failure:
    """Return the failure with a remedy that fits a restore; saying it twice changes nothing."""
    remedy = reworded(failure).remedy
    first = _first(o.restore.status.resolved)
    if first is not None and first not in remedy and _may_be_half_done(o, report):
        safety = o.restore.status.safety_backup
        saved = f" (DatabaseBackup {safety.name} has it as it was)" if safety and safety.name else ""
        then = "" if _ANOTHER in remedy else f"; then {_ANOTHER}"
        remedy = f"{first}{saved}; {remedy}{then}"
    return failure.model_copy(update={"remedy": remedy})


def _first(resolved: ResolvedRestore | None) -> str | None:
    """Say what to do first about a target that may be half done; None where it is as before."""
    if resolved is None:
        return None
    if resolved.rds is not None:
        name = resolved.rds.identifier
        return f"look for {name} in RDS first: it may still be made, so wait for it and use it, or delete it"
    return _TARGETS.get(resolved.mode)


def _may_be_half_done(o: Observation, report: Report | None) -> bool:
    """Whether a runner worked in the target, and nobody knows how far it came."""
    if report is not None:
        return report.failure is not None and report.failure.reason in _STOPPED
    status = o.restore.status
    pods = ownership.pods_of(status.job_uid, o.of(RESTORE).pods)
    return status.phase is Phase.RUNNING or any(pod.started for pod in pods)
