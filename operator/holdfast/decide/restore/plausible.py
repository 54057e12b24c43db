"""Whether a restore's report fits what was asked for. Pure."""

from datetime import datetime

from holdfast.api.restore_status import Chosen, ResolvedRestore
from holdfast.contract.report import Report, RestoreReport
from holdfast.decide.job_end import CLOCKS

RESTORES, PUTS_BACK, DROPS = "restore", "swap-back", "drop"


def wrong(
    report: Report, result: RestoreReport, source: Chosen, resolved: ResolvedRestore, started: datetime, now: datetime
) -> str | None:
    """Say what in a report of success is not what was asked for; None where it is."""
    kind = RESTORES if resolved.kept is None else PUTS_BACK
    if report.kind != kind:
        return f"it is about another task, {report.kind}"
    if not started - CLOCKS <= report.completed_at <= now + CLOCKS:
        return "the Job ended before the restore began, or in the future"
    if resolved.kept is None and source.uid is not None and result.backup_id != source.backup_id:
        return f"it is about another backup, {result.backup_id}"
    if resolved.after_restore is not None and result.script is None and not result.found:
        return "it does not say that the SQL of afterRestore has run"
    if resolved.old is None and result.replaced is not None:
        return "it says that a database was replaced, but the mode is not Replace"
    if result.replaced not in (None, resolved.old):
        return f"it gives the replaced database another name, {result.replaced}"
    return None
