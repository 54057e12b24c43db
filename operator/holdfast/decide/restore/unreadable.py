"""What to do about a restore that cannot be read: its spec, the target's policy, or what stands in its status. Pure."""

from datetime import datetime

from pydantic import ValidationError

from holdfast.api.backup import Failure
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import DatabaseRestoreStatus
from holdfast.api.unreadable import Part, what_is_wrong
from holdfast.decide.decision import Rest
from holdfast.decide.restore import ending
from holdfast.decide.restore.observation import Decision, Observation
from holdfast.errors import Reason


def decide(o: Observation, error: ValidationError, now: datetime) -> Decision:
    """Let rest what has ended, and let the rest fail, with the name of what cannot be read."""
    status = o.restore.status
    if (status.phase and status.phase.is_final) or o.restore.deleting:
        return Rest()
    if status.ending is not None:
        return ending.follow(o, now)
    message, remedy = what_is_wrong(
        error,
        Part(DatabaseRestoreSpec, "spec", _ANOTHER),
        Part(BackupPolicySpec, "the target's BackupPolicy: spec", _POLICY),
        Part(DatabaseRestoreStatus, "status", _WRITTEN),
    )
    return ending.fail(o, Failure(reason=Reason.INVALID_SPEC, message=message, remedy=remedy), None, now)


_ANOTHER = "create another DatabaseRestore with an allowed value: this one cannot change"
_POLICY = "correct the policy, then create another DatabaseRestore"
_WRITTEN = "create another DatabaseRestore: another release of Holdfast wrote this one"
