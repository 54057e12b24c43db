"""Whether a report of success fits what was asked for: only then is it believed. Pure.

The forms of its fields are held where it is read (contract/report.py). Here they are compared with what the resource
has fixed before the Job was made: the id, the folder, the instance. Each answer is what is wrong, or None.
"""

from datetime import datetime, timedelta

from holdfast.api.backup import VerificationRun
from holdfast.api.begun import Begun
from holdfast.api.policy import VerificationLevel
from holdfast.contract.report import BackupReport, Report
from holdfast.decide.methods.choose import METHODS

CLOCKS = timedelta(hours=1)  # a store refuses requests of a clock that is wrong by a quarter of that
KINDS = tuple(method.kinds.backup for method in METHODS.values())
VERIFY_KINDS = tuple(method.kinds.verification for method in METHODS.values())
CLEANUP_KINDS = tuple(method.kinds.cleanup for method in METHODS.values())


def wrong_backup(report: Report, result: BackupReport, begun: Begun, now: datetime) -> str | None:
    """Say what is wrong with the report of a backup."""
    if report.kind not in KINDS:
        return f"the report is about another task, {report.kind}"
    if result.backup_id != begun.backup_id:
        return f"the report is about another backup, {result.backup_id}"
    completed = result.completed_at or report.completed_at
    if max(completed, report.completed_at, result.verified_at) > now + CLOCKS:
        return "the times in the report are in the future"
    if completed < begun.started_at - CLOCKS:
        return "the backup in the report was complete before this backup began"
    return METHODS[begun.resolved.method].wrong(result, begun)


def wrong_verification(report: Report, run: VerificationRun, now: datetime) -> str | None:
    """Say what is wrong with the report of a verification that passed."""
    found = report.verification
    if found is None or report.kind not in VERIFY_KINDS:
        return f"the report is about another task, {report.kind}"
    if run.level is VerificationLevel.READBACK and found.level is not VerificationLevel.READBACK:
        return f"the report is of a verification with level {found.level or 'none'}, but {run.level} was requested"
    return "the times in the report are in the future" if found.verified_at > now + CLOCKS else None
