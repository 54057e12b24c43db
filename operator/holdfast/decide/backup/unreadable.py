"""What to do about a backup that cannot be read: its spec, its policy, or what stands in its status. Pure."""

from datetime import datetime

from pydantic import ValidationError

from holdfast.api.backup import DatabaseBackupSpec, DatabaseBackupStatus, Failure
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.unreadable import Part, what_is_wrong
from holdfast.decide.backup import ending
from holdfast.decide.backup.observation import Decision, Observation
from holdfast.decide.decision import Rest
from holdfast.errors import Reason


def decide(o: Observation, policy_name: str | None, error: ValidationError, now: datetime) -> Decision | None:
    """Let rest what has ended, and let the rest fail, with the name of what cannot be read.

    None where that is recorded already, and its Job is being ended.
    """
    status = o.backup.status
    if status.phase and status.phase.has_ended:
        return Rest()
    return None if status.ending else ending.fail(o, _what_is_wrong(policy_name, error), None, now)


def _what_is_wrong(policy_name: str | None, error: ValidationError) -> Failure:
    message, remedy = what_is_wrong(
        error,
        Part(DatabaseBackupSpec, "spec", "create another backup with an allowed value: this backup cannot change"),
        Part(BackupPolicySpec, f"BackupPolicy {policy_name}: spec", "correct the policy, then create another backup"),
        Part(DatabaseBackupStatus, "status", "create another backup: another release of Holdfast wrote this one"),
    )
    return Failure(reason=Reason.INVALID_SPEC, message=message, remedy=remedy)
