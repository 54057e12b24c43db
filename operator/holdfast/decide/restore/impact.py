"""What a restore into production would change: looked at by a Job before anybody is asked to confirm it. Pure.

A check that fails keeps nobody from confirming: the status says why nothing is known. It takes minutes at most, so that
a restore which is confirmed already does not wait for long.
"""

from collections.abc import Iterator
from datetime import datetime

from holdfast import clock, naming, units
from holdfast.api.begun import there
from holdfast.api.guard import Impact, Safety
from holdfast.api.job import LOG_SECONDS, JobTemplate
from holdfast.api.policy import Environment
from holdfast.api.restore_status import DatabaseRestoreStatus, ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.contract.report import ImpactReport, Report
from holdfast.decide import claims, failures, job_life
from holdfast.decide.decision import Announcement, Do, Learn, What, Write
from holdfast.decide.job_life import Step, Work
from holdfast.decide.outcome import End
from holdfast.decide.restore import remedies, statuses, waits
from holdfast.decide.restore.observation import CHECK, Decision, Observation
from holdfast.sentences import cut, explain, few, shorten

CHECKS = "restore-check"
LOOKING = "ImpactCheck"
UNKNOWN = "ImpactUnknown"
START_SECONDS = 120  # for a Pod to start
WORK_SECONDS = 300
_SENTENCE = "a Job checks what the restore would change in a production database"
_NAMED = 3  # migrations in the sentence
# A restore reads the artifact twice, and builds what a dump only names: indexes, constraints, statistics.
RESTORE_FACTOR = 2


def step(o: Observation, resolved: ResolvedRestore, now: datetime) -> Decision | None:
    """Have the target looked at; None where that is over."""
    if resolved.environment is not Environment.PRODUCTION or resolved.rds is not None:
        return None  # of a new instance of RDS there is nothing to look at
    status, impact = o.restore.status, o.restore.status.impact
    if impact is None:
        name = naming.child_name(o.restore.name, o.restore.uid, "check")
        begun = Impact(job_name=name, state="Running", message=_SENTENCE)
        return Write(_with(statuses.waiting(o.restore, now, LOOKING, _SENTENCE), begun))
    if impact.state != "Running":
        return tidied(o)
    if resolved.database.volume is not None and o.of(CHECK).job is None and o.claim is None:
        return Do(Learn(What.CLAIM))
    volume = resolved.database.volume
    if volume is not None and o.of(CHECK).job is None and (used := claims.in_use(volume.claim_name, o.claim)):
        return _failed(o, impact, explain(used), now)
    missing = claims.missing(volume.claim_name, o.claim) if volume else None
    work = Work(CHECK, o.restore.ref, template(resolved), wanted=status.pod_wanted)
    return _after(o, resolved, impact, job_life.step(work, o.of(CHECK), o.asked, now, missing), now)


def tidied(o: Observation) -> Do | None:
    """End its Job, or let it go; None where that is done."""
    return job_life.tidied(o.of(CHECK), o.restore.ref, LOG_SECONDS)


def template(resolved: ResolvedRestore) -> JobTemplate:
    """Return how its Job runs: soon, and once."""
    given = there(resolved.job.start_timeout_seconds, "resolved.job.startTimeoutSeconds")
    update = {
        "backoff_limit": 0,
        "start_timeout_seconds": min(START_SECONDS, given),
        "active_deadline_seconds": WORK_SECONDS,
    }
    return resolved.job.model_copy(update=update)


def told(status: DatabaseRestoreStatus) -> str:
    """Say it in a part of a sentence, for whoever is to confirm."""
    return shorten(status.impact.message, 400) if status.impact else ""


def _after(o: Observation, resolved: ResolvedRestore, impact: Impact, step: Step, now: datetime) -> Decision:
    match step:
        case Do():
            return step
        case job_life.GivenUp(failure):
            return _failed(o, impact, explain(remedies.reworded(failure)), now)
        case job_life.Over(end):
            return _ended(o, resolved, impact, end, now)
        case job_life.Unreported():
            return _failed(o, impact, "the Job's report is missing, or does not fit it", now)
        case job_life.Hindered(by, due, wanted):
            return waits.wait(o, now, LOOKING, f"{_SENTENCE}: {by.message}", due, wanted=wanted, quiet=True)
        case job_life.Starting(due, wanted) | job_life.GoesOn(_, due, wanted):
            return waits.wait(o, now, LOOKING, _SENTENCE, due, wanted=wanted, quiet=True)


def _ended(o: Observation, resolved: ResolvedRestore, impact: Impact, end: End, now: datetime) -> Decision:
    report = end.report
    if report is None or report.impact is None or report.kind != CHECKS:
        failure = end.failure or failures.failure_in(report)
        return _failed(o, impact, explain(remedies.reworded(failure)), now)
    return Write(_with(o.restore.status, _found(o, resolved, impact, report, report.impact)))


def _failed(o: Observation, impact: Impact, why: str, now: datetime) -> Decision:
    said = f"Holdfast could not find out what the restore would change: {cut(why, 1500)}"
    update = {"state": "Failed", "message": said, "checked_at": now}
    status = _with(o.restore.status, impact.model_copy(update=update))
    return Write(status, Announcement(True, UNKNOWN, cut(said, 1000)))


def _with(status: DatabaseRestoreStatus, impact: Impact) -> DatabaseRestoreStatus:
    return status.model_copy(update={"impact": impact})


def _found(
    o: Observation, resolved: ResolvedRestore, impact: Impact, report: Report, found: ImpactReport
) -> Impact:  # fmt: skip
    seconds = _estimated(o, resolved, found)
    known = impact.model_copy(
        update={
            "state": "Done",
            "checked_at": report.completed_at,
            "present": found.present,
            "size_bytes": found.size_bytes,
            "size": None if found.size_bytes is None else units.size_for_people(found.size_bytes),
            "tables": found.tables,
            "rows": found.rows,
            "rows_estimated": found.estimated if found.rows is not None else None,
            "clients": found.clients,
            "server_time": found.server_time,
            "newest_change": found.newest_change,
            "newest_change_of": found.newest_change_of,
            "migrations_undone": found.undone or None,
            "migrations_undone_count": found.undone_count or None,
            "backup_completed_at": found.backup_completed_at,
            "backup_age_seconds": _age(found, report.completed_at),
            "backup_tables": found.backup_tables,
            "backup_rows": found.backup_rows,
            "estimated_seconds": seconds,
            "estimated": None if seconds is None else units.duration_for_people(seconds),
            "warnings": report.warnings[:16] or None,
        }
    )
    source = o.restore.status.source
    what = (source and (source.backup_id or source.restore)) or "the backup"
    return known.model_copy(update={"message": shorten("; ".join(_said(known, resolved, what)), 2000)})


def _age(found: ImpactReport, now: datetime) -> int | None:
    if found.backup_completed_at is None:
        return None
    return max(0, int((now - found.backup_completed_at).total_seconds()))


def _estimated(o: Observation, resolved: ResolvedRestore, found: ImpactReport) -> int | None:
    """Return how long it will take, seconds, from how long the backup took; with the safety backup before it."""
    if found.backup_seconds is None:
        return None
    seconds = RESTORE_FACTOR * found.backup_seconds
    saved = resolved.mode is not RestoreMode.REFUSE and o.restore.spec.safety_backup is not Safety.SKIP
    if saved:
        share = (found.size_bytes or 0) / found.backup_size_bytes if found.backup_size_bytes else 1
        seconds += found.backup_seconds * share
    return max(1, min(int(seconds), 1 << 31))


def _said(impact: Impact, resolved: ResolvedRestore, what: str) -> Iterator[str]:
    """Say it in parts of a sentence: what is there, what is lost, what comes, how long it takes."""
    yield _there(impact) if impact.present else "the target does not exist yet"
    if impact.newest_change is not None:
        yield f"its last change was at {clock.to_text(impact.newest_change)}"
    if impact.backup_completed_at is not None:
        verb = {RestoreMode.REPLACE: "would replace it", RestoreMode.INTO: "would be added to it"}.get(resolved.mode)
        age = units.duration_for_people(impact.backup_age_seconds or 0)
        yield f"{what}, {age} old, {verb or 'would come into it, if it is empty'}"
    if impact.migrations_undone:
        count = impact.migrations_undone_count or len(impact.migrations_undone)
        named = few(impact.migrations_undone, _NAMED)
        yield (
            f"{count} migrations would be undone, the last of them {named}"
            if count > 1
            else f"a migration would be undone: {named}"
        )
    if impact.estimated is not None:
        yield f"the restore would take about {impact.estimated}"


def _there(impact: Impact) -> str:
    has = [impact.size] if impact.size is not None else []
    has += [f"{impact.tables} tables"] if impact.tables is not None else []
    about = "about " if impact.rows_estimated else ""
    has += [f"{about}{impact.rows} rows"] if impact.rows is not None else []
    clients = "" if impact.clients is None else f" and {impact.clients} clients"
    return f"the target has {', '.join(has)}{clients}" if has else "the target exists"
