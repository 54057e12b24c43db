"""What to do about a request to verify a backup again: the annotation `holdfast.dev/verify` on what has ended. Pure.

The value is a token, with the level before it where that is not the policy's: `2026-11-22` or `readback/2026-11-22`.
Each new value is a new request, and is done once: the run's number and its Job's name are written before the Job is
made, and what came of it is written before the Job may expire.
"""

from datetime import datetime

from holdfast import naming
from holdfast.api.backup import DatabaseBackupStatus, Failure, Phase, VerificationRun
from holdfast.api.begun import there
from holdfast.api.job import LOG_SECONDS
from holdfast.api.policy import VerificationLevel
from holdfast.api.retention import RetentionMode
from holdfast.decide import failures, job_life
from holdfast.decide.backup import plausible, reported
from holdfast.decide.backup import verify_statuses as words
from holdfast.decide.backup.observation import VERIFY, Decision, Observation
from holdfast.decide.backup.stated import EXPIRED
from holdfast.decide.decision import Announcement, Do, Rest, Write
from holdfast.decide.job_life import Step, Work
from holdfast.decide.methods.choose import METHODS
from holdfast.decide.outcome import End
from holdfast.decide.resolve import no_image
from holdfast.errors import EXIT_CODES, ExitCode, HoldfastError, Reason
from holdfast.settings import Settings

MAX_REQUEST = 128  # characters of the annotation
GONE = (Reason.BACKUP_NOT_FOUND, Reason.BACKUP_GONE, Reason.BUCKET_NOT_FOUND)


def after_the_end(o: Observation, now: datetime) -> Decision:
    """Tidy up after the last run, and begin another one where it is asked for."""
    run = o.backup.status.verification_run
    if run and (tidied := job_life.tidied(o.of(VERIFY), o.backup.ref, LOG_SECONDS)):
        return tidied
    if request := asked_for(o.backup.status, o.verify_request):
        return _begin(o, request, now)
    return look(o, now) if o.sought else Rest()


def asked_for(status: DatabaseBackupStatus, request: str | None) -> str | None:
    """Return what is asked for by the annotation, and was not before."""
    asked, run = request and request[:MAX_REQUEST], status.verification_run
    return None if run is not None and run.request == asked else asked or None


def _begin(o: Observation, request: str, now: datetime) -> Decision:
    try:
        level = _level(o)
    except HoldfastError as error:
        refusal = failures.failure_of(error)
        run = VerificationRun(
            request=request, number=_number(o), state="Refused", started_at=now, completed_at=now,
            message=refusal.message, failure=refusal,
        )  # fmt: skip
        status = o.backup.status.model_copy(update={"verification_run": run})
        return Write(status, Announcement.of(refusal, refusal.reason))
    return _run(o, request, level, now)


def look(o: Observation, now: datetime) -> Decision:
    """Look for one that may be gone by now, by what costs least. It answers no request of anybody's."""
    former, resolved = o.backup.status.verification_run, o.backup.status.resolved
    has_levels = resolved is not None and METHODS[resolved.method].level(None, resolved) is not None
    request, level = former.request if former else "", VerificationLevel.CHECKSUM if has_levels else None
    return _run(o, request, level, now)


def _run(o: Observation, request: str, level: VerificationLevel | None, now: datetime) -> Decision:
    number = _number(o)
    run = VerificationRun(
        request=request,
        number=number,
        state="Running",
        level=level,
        job_name=naming.child_name(o.backup.name, o.backup.uid, "verify", number),
        started_at=now,
        message=words.begun(level),
    )
    return Write(words.under_way(o.backup, run, now))


def _number(o: Observation) -> int:
    """Return the number of the next run."""
    former = o.backup.status.verification_run
    return former.number + 1 if former else 1


def _level(o: Observation) -> VerificationLevel | None:
    """Return the level that is asked for. Raises HoldfastError(VerificationRefused) where that makes no sense."""
    status = o.backup.status
    word, slash, _ = (o.verify_request or "").partition("/")
    if status.verification is None or status.resolved is None:
        raise words.refused(
            "this backup has failed: there is nothing to verify", "set the annotation on a backup that has succeeded"
        )
    if status.phase is Phase.EXPIRED:
        raise words.refused(
            "this backup has expired: there is nothing to verify", "set the annotation on a backup that has succeeded"
        )
    if len(o.verify_request or "") > MAX_REQUEST:
        raise words.refused(f"the annotation's value has more than {MAX_REQUEST} characters", words.HOW_TO_ASK)
    if slash and word not in list(VerificationLevel):
        raise words.refused(f"{word!r} is not a level of verification", words.HOW_TO_ASK)
    return METHODS[status.resolved.method].level(VerificationLevel(word) if slash else None, status.resolved)


def follow(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Bring a verification that is under way to its end."""
    run, seen = there(o.backup.status.verification_run, "verificationRun"), o.of(VERIFY)
    if error := o.backup.lacks:
        return _end(o, run, failures.failure_of(error), now)
    resolved = o.backup.begun.resolved
    if seen.job is None and (error := no_image(resolved, settings)):  # the chart's images have changed since
        return _end(o, run, failures.failure_of(error), now)
    work = Work(VERIFY, o.backup.ref, resolved.job, run.started_at, o.backup.status.pod_wanted)
    return _after(o, run, job_life.step(work, seen, o.asked, now), now)


def _after(o: Observation, run: VerificationRun, step: Step, now: datetime) -> Decision:
    """Say what the Job's step means for the verification."""
    match step:
        case Do():
            return step
        case job_life.GivenUp(failure):
            return _end(o, run, failure, now)
        case job_life.Over(end):
            return _finish(o, run, end, now)
        case job_life.Unreported():
            return _end(o, run, words.report_lost(), now)
        case job_life.Hindered(by, due, wanted):
            sentence = by.message if o.of(VERIFY).job is None else f"{by.message}; {by.remedy}"
            waiting = run.model_copy(update={"message": f"waiting: {sentence}"[:4096]})
            return Write(words.under_way(o.backup, waiting, now, wanted), due=due)
        case job_life.GoesOn(job_life.State.BESIDE | job_life.State.DELETED, due, _):
            return Rest(due)
        case job_life.Starting(due, wanted) | job_life.GoesOn(_, due, wanted):
            goes_on = run.model_copy(update={"message": words.begun(run.level)})
            return Write(words.under_way(o.backup, goes_on, now, wanted), due=due)


def _finish(o: Observation, run: VerificationRun, end: End, now: datetime) -> Decision:
    report = end.report
    if report is None or report.verification is None:
        return _end(o, run, end.failure or failures.failure_in(report), now)
    wrong = plausible.wrong_verification(report, run, now)
    if wrong is not None:
        return _end(o, run, failures.report_implausible(wrong), now)
    status = words.passed(o.backup, run, reported.verification(report.verification), now)
    return Write(status, Announcement(False, "VerificationPassed", status.message or ""))


def _end(o: Observation, run: VerificationRun, failure: Failure, now: datetime) -> Decision:
    """Record that it failed; or that it was not done, where that says nothing about the backup.

    Where it was to be deleted, a backup of which nothing is left has not failed: it has expired.
    """
    if failure.reason == Reason.BACKUP_GONE and (why := _why_it_is_gone(o)):
        status = words.expired(o.backup, run, f"{why}; {failure.message}", now)
        return Write(status, Announcement(False, EXPIRED, status.message or ""))
    if is_about_the_backup(failure.reason):
        return Write(words.failed(o.backup, run, failure, now), Announcement.of(failure, "VerificationFailed"))
    return Write(words.not_done(o.backup, run, failure, now), Announcement.of(failure, "VerificationNotDone"))


def _why_it_is_gone(o: Observation) -> str | None:
    """Return who was to delete it: by the policy as it is now; as it was for the backup, once that is gone."""
    if words.is_half_deleted(o.backup.status):
        return words.HALF_DELETED
    policy = o.policy or o.backup.begun.resolved
    return words.BY_THE_BUCKET if policy.retention.mode is RetentionMode.EXTERNAL else None


def is_about_the_backup(reason: str) -> bool:
    """Whether a failure says that the backup is not what it was; else only that nobody could find out."""
    about = (str(each) for each in Reason if each in GONE or EXIT_CODES.get(each) is ExitCode.VERIFICATION)
    return reason in about
