"""Whether a restore's report fits what was asked for. Pure."""

from datetime import datetime

from holdfast.api.rds_target import RDSTarget
from holdfast.api.restore_status import Chosen, ResolvedRestore
from holdfast.contract.report import Report, RestoreReport
from holdfast.decide.job_end import CLOCKS

RESTORES, MAKES, PUTS_BACK, DROPS = "restore", "rds-restore", "swap-back", "drop"


def wrong(
    report: Report, result: RestoreReport, source: Chosen, resolved: ResolvedRestore, started: datetime, now: datetime
) -> str | None:
    """Say what in a report of success is not what was asked for; None where it is."""
    kind = MAKES if resolved.rds is not None else RESTORES if resolved.kept is None else PUTS_BACK
    if report.kind != kind:
        return f"it is about another task, {report.kind}"
    if not started - CLOCKS <= report.completed_at <= now + CLOCKS:
        return "the Job ended before the restore began, or in the future"
    known = source.uid is not None or (resolved.rds is not None and source.backup_id is not None)
    if known and result.backup_id != source.backup_id:
        return f"it is about another backup, {result.backup_id}"
    if resolved.rds is not None and (strange := _of_another(result, resolved, resolved.rds)) is not None:
        return strange
    if resolved.after_restore is not None and result.script is None and not result.found:
        return "it does not say that the SQL of afterRestore has run"
    if resolved.old is None and result.replaced is not None:
        return "it says that a database was replaced, but the mode is not Replace"
    if result.replaced not in (None, resolved.old):
        return f"it gives the replaced database another name, {result.replaced}"
    return None


def _of_another(result: RestoreReport, resolved: ResolvedRestore, wanted: RDSTarget) -> str | None:
    made, asked = result.instance, resolved.database.snapshotted()
    if made is None:
        return "it names no instance that was made"
    arn, kind = made.arn.split(":"), {"db": "instance", "cluster": "cluster"}
    told = (made.kind, made.identifier.lower(), kind.get(arn[5]), arn[3], arn[6].lower())
    name = wanted.identifier.lower()
    if told != (asked.kind.value, name, asked.kind.value, asked.region, name):
        return f"it is about another instance, {made.arn}"
    return None
