"""How each state of a verification that was asked for reads: the status as a whole, made from the former one. Pure.

The backup itself has ended, so Finished stays True. Where it is found not to be what it was, the phase is Failed with
the reason, until a later verification finds it whole again; nothing is deleted for it.
"""

from datetime import datetime

from holdfast import clock
from holdfast.api.backup import CheckedBy, Failure, Phase, Verification, VerificationRun
from holdfast.api.conditions import ConditionType as C
from holdfast.api.conditions import State
from holdfast.api.deletion import Result
from holdfast.api.job import PodWanted
from holdfast.api.policy import VerificationLevel
from holdfast.decide.backup import stated
from holdfast.decide.backup.observation import BackupView
from holdfast.decide.backup.stated import EXPIRED, with_states
from holdfast.decide.backup.statuses import Status
from holdfast.errors import HoldfastError, Reason
from holdfast.sentences import explain

HOW_TO_ASK = (
    "set the annotation to a new value of at most 128 characters; to choose a level, begin it with checksum/ or "
    "readback/"
)
HALF_DELETED = "its deletion had begun, and somebody deleted its policy before the deletion ended"
BY_THE_BUCKET = (
    "the policy leaves deleting to the bucket (retention.mode External), so a lifecycle rule, or somebody, removed it"
)
_LONGEST = 4096  # characters of a sentence
_AGAIN = "set the annotation holdfast.dev/verify to a new value"


def begun(level: VerificationLevel | None) -> str:
    """Say that it is under way, and how it verifies."""
    return f"verifying{f' by {level}' if level else ''}"


def is_half_deleted(status: Status) -> bool:
    """Whether its deletion has begun, and nobody has seen the end of it."""
    return status.deletion is not None and status.deletion.unfinished


def under_way(backup: BackupView, run: VerificationRun, now: datetime, wanted: PodWanted | None = None) -> Status:
    """Its Job is to be made, starts or runs."""
    states: list[State] = [
        (C.VERIFIED, None, "Verifying", "the backup is being verified again"),
        (C.RECONCILING, True, "Verifying", run.message),
    ]
    return _with(backup, run, states, now, {"phase": Phase.VERIFYING, "message": run.message, "pod_wanted": wanted})


def passed(backup: BackupView, run: VerificationRun, found: Verification, now: datetime) -> Status:
    """It is what its manifest says."""
    what = f"{', '.join(found.compared or ())} as recorded; {found.file_readable}"
    sentence = f"verified again {_how(found)}: {what}"[:_LONGEST]
    states: list[State] = [
        (C.VERIFIED, True, "VerificationPassed", sentence),
        (C.RECONCILING, False, "VerificationPassed", "nothing is in progress"),
    ]
    if backup.status.failure is not None or is_half_deleted(backup.status):
        states += [
            (C.SUCCEEDED, True, "VerificationPassed", "the backup is in the bucket, as it was taken"),
            (C.READY, True, "VerificationPassed", "the backup can be restored"),
            (C.STALLED, False, "VerificationPassed", "nothing blocks the backup"),
        ]
    ended = _ended(run, "Passed", sentence, now)
    changes = {"phase": Phase.SUCCEEDED, "message": sentence, "verification": found, "failure": None}
    return _with(backup, ended, states, now, changes | _known(backup.status))


def _known(status: Status) -> dict[str, object]:
    """Forget a deletion of which nobody knew how far it had come: now it is known what is there."""
    return {"deletion": None} if is_half_deleted(status) else {}


def _how(found: Verification) -> str:
    said = {
        CheckedBy.STORE_CHECKSUM: "by the store's checksums",
        CheckedBy.READBACK: "by reading the artifact back",
        CheckedBy.RDS: "by asking RDS",
    }
    return said[found.checked_by] if found.checked_by else "by its Job"


def failed(backup: BackupView, run: VerificationRun, failure: Failure, now: datetime) -> Status:
    """It is not what was backed up, or not there any more."""
    sentence = explain(failure)
    states: list[State] = [
        (C.VERIFIED, False, failure.reason, sentence),
        (C.SUCCEEDED, False, failure.reason, sentence),
        (C.READY, False, failure.reason, "the stored data is not what was backed up"),
        (C.RECONCILING, False, failure.reason, "nothing is in progress"),
        (
            C.STALLED,
            True,
            failure.reason,
            f"the verification changed nothing; once the backup is repaired, {_AGAIN}",
        ),
    ]
    ended = _ended(run, "Failed", sentence, now, failure)
    changes = {"phase": Phase.FAILED, "message": sentence, "failure": failure}
    return _with(backup, ended, states, now, changes | _known(backup.status))


def expired(backup: BackupView, run: VerificationRun, why: str, now: datetime) -> Status:
    """Nothing is left of it, as was to be: the bucket or a Job of its policy was to delete it."""
    sentence = f"Holdfast found on {clock.to_text(now)} that the backup's data is gone: {why}"[:_LONGEST]
    states: list[State] = [
        (C.VERIFIED, False, EXPIRED, sentence),
        (C.SUCCEEDED, True, EXPIRED, "the backup was taken, but its data is gone now"),
        (C.RECONCILING, False, EXPIRED, "nothing is in progress"),
        (C.STALLED, False, EXPIRED, "nothing is left to do"),
    ]
    ended = _ended(run, "Expired", sentence, now)
    changes: dict[str, object] = {"message": sentence, "failure": None, "pod_wanted": None, "verification_run": ended}
    if (deletion := backup.status.deletion) is not None and deletion.unfinished:
        changes["deletion"] = deletion.model_copy(update={"result": Result.DELETED, "completed_at": now})
    return stated.expired(backup, states, now, **changes)


def not_done(backup: BackupView, run: VerificationRun, failure: Failure, now: datetime) -> Status:
    """It could not be found out; what was known before stays."""
    half = is_half_deleted(backup.status)
    then = "Holdfast asks again within an hour" if half else f"then {_AGAIN}"
    sentence = f"not verified: {explain(failure)}; {then}"[:_LONGEST]
    known = backup.status.failure
    verified: State = (
        (C.VERIFIED, None, failure.reason, sentence)
        if known is None
        else (C.VERIFIED, False, known.reason, explain(known))
    )
    states: list[State] = [verified, (C.RECONCILING, False, failure.reason, "nothing is in progress")]
    ended = _ended(run, "NotDone", sentence, now, failure)
    phase = Phase.SUCCEEDED if known is None else Phase.FAILED
    if half:
        phase = Phase.DELETING
    return _with(backup, ended, states, now, {"phase": phase, "message": sentence})


def refused(message: str, remedy: str) -> HoldfastError:
    """The request makes no sense."""
    return HoldfastError(Reason.VERIFICATION_REFUSED, message, remedy)


def report_lost() -> Failure:
    """The Job ended well, and its report is gone."""
    return Failure(
        reason=Reason.REPORT_MISSING,
        message="the Job ended, and its report could not be read",
        remedy="find out who deletes finished Pods in this namespace",
    )


def _ended(
    run: VerificationRun, state: str, sentence: str, now: datetime, failure: Failure | None = None
) -> VerificationRun:
    changes = {"state": state, "completed_at": now, "message": sentence, "failure": failure}
    return run.model_copy(update=changes)


def _with(
    backup: BackupView, run: VerificationRun, states: list[State], now: datetime, changes: dict[str, object]
) -> Status:
    return with_states(backup, states, now, **{"pod_wanted": None, **changes, "verification_run": run})
