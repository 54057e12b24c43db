"""What to do about a request to verify a backup again: the annotation `holdfast.dev/verify` on what has ended. Pure.

The value is a token, with the level before it where that is not the policy's: `2026-11-22` or `readback/2026-11-22`.
Each new value is a new request, and is done once: the run's number and its Job's name are written before the Job is
made, and what came of it is written before the Job may expire.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from holdfast import naming
from holdfast.api.backup import Failure, PodWanted, VerificationRun
from holdfast.api.policy import BackupPolicySpec, VerificationLevel
from holdfast.decide import failures, job_end, outcome, ownership, plausible, starting
from holdfast.decide import verification_statuses as words
from holdfast.decide.observation import Act, Announcement, Decision, Observation
from holdfast.decide.outcome import End
from holdfast.decide.resolve import no_image
from holdfast.decide.statuses import Status
from holdfast.decide.views import JobView, PodView
from holdfast.errors import EXIT_CODES, ExitCode, Reason
from holdfast.settings import Settings

MAX_REQUEST = 128  # characters of the annotation
LOOK_AGAIN = timedelta(seconds=5)  # where nothing tells when the Job can be made
GONE = (Reason.BACKUP_NOT_FOUND, Reason.BUCKET_NOT_FOUND)


def after_the_end(o: Observation, now: datetime) -> Decision:
    """Tidy up after the last run, and begin another one where it is asked for."""
    run, job = o.backup.status.verification_run, o.verify_job
    if run and job is not None and ownership.is_ours(job, o.backup.uid) and not job.deleting:
        if not job.finished:
            return Decision(act=Act.DELETE_VERIFY)
        if not job.ttl_set:
            return Decision(act=Act.EXPIRE_VERIFY)
    request = o.verify_request and o.verify_request[:MAX_REQUEST]
    if not request or (run is not None and run.request == request):
        return Decision()
    return _begin(o, request, now)


def _begin(o: Observation, request: str, now: datetime) -> Decision:
    former = o.backup.status.verification_run
    number = former.number + 1 if former else 1
    level, refusal = _read(o)
    if refusal is not None:
        run = VerificationRun(
            request=request, number=number, state="Refused", started_at=now, completed_at=now, message=refusal.message,
            failure=refusal,
        )  # fmt: skip
        said = Announcement.of(refusal, refusal.reason)
        return Decision(status=o.backup.status.model_copy(update={"verification_run": run}), announcement=said)
    run = VerificationRun(
        request=request,
        number=number,
        state="Running",
        level=level,
        job_name=naming.child_name(o.backup.name, o.backup.uid, "verify", number),
        started_at=now,
        message=words.begun(level),
    )
    return Decision(status=words.under_way(o.backup, run, now))


def _read(o: Observation) -> tuple[VerificationLevel | None, Failure | None]:
    """Return the level that is asked for, or why the request makes no sense."""
    status = o.backup.status
    word, slash, _ = (o.verify_request or "").partition("/")
    if status.verification is None or status.resolved is None:
        return None, words.refused("there is no backup: this one has failed", "ask it of one that has succeeded")
    if len(o.verify_request or "") > MAX_REQUEST:
        return None, words.refused(f"the request has more than {MAX_REQUEST} characters", words.HOW_TO_ASK)
    if slash and word not in list(VerificationLevel):
        return None, words.refused(f"{word!r} is no level of verification", words.HOW_TO_ASK)
    if status.snapshot is None:
        return VerificationLevel(word) if slash else status.resolved.verification.level, None
    if slash:
        return None, words.refused("a snapshot has no levels: AWS is asked about its state", "leave the level out")
    return None, None


def follow(o: Observation, settings: Settings, now: datetime) -> Decision:
    """Bring a verification that is under way to its end."""
    run, job = o.backup.status.verification_run, o.verify_job
    assert run is not None
    if job is None:
        return _make_job(o, run, settings, now)
    if not ownership.is_ours(job, o.backup.uid):
        return _end(o, run, words.job_name_taken(job.name), now)
    late = job_end.overdue(job, _resolved(o).job)
    if not job.finished and now >= late:
        return _end(o, run, failures.job_overdue(job.name), now)
    if job.deleting:
        return Decision(due=late)  # its end is an event; then it is made again
    pods = ownership.pods_of(job.uid, o.verify_pods)
    found = job_end.standing(job, pods, o.pods_listed, now)
    if found.look:
        return Decision(act=Act.LIST_PODS)
    if found.end is not None:
        return _finish(o, run, found.end, now)
    if found.lost or found.contradicted:
        return _end(o, run, words.report_lost(), now)
    return _progress(o, run, job, pods, now) if found.due is None else Decision(due=found.due)


def _make_job(o: Observation, run: VerificationRun, settings: Settings, now: datetime) -> Decision:
    if error := no_image(_resolved(o), settings):  # the chart's images have changed since
        return _end(o, run, failures.failure_of(error), now)
    if o.refusal is None:
        return Decision(act=Act.CREATE_VERIFY)
    timeout = _start_timeout(o)
    hindrance = failures.job_refused(o.refusal)
    if now - run.started_at >= timedelta(seconds=timeout):
        return _end(o, run, words.given_up(hindrance, timeout), now)
    return _wait(o, run, hindrance.message, now, due=now + LOOK_AGAIN)


def _progress(
    o: Observation, run: VerificationRun, job: JobView, pods: Sequence[PodView], now: datetime
) -> Decision:  # fmt: skip
    start = starting.look(job, pods, o.backup.status.pod_wanted, False, o.refusal, o.refused_at, now)
    if start.since is None:  # it runs, or a Pod of it is being replaced
        return Decision(status=_keeping(o, run, start.wanted, now), due=job_end.overdue(job, _resolved(o).job))
    timeout = _start_timeout(o)
    due = start.since + timedelta(seconds=timeout)
    if now >= due:
        if not o.pods_listed:
            return Decision(act=Act.LIST_PODS)  # the cache may be behind
        return _end(o, run, outcome.never_started(pods, start.refusal, timeout), now)
    trouble = outcome.trouble_starting(pods, start.refusal)
    if trouble is None:
        return Decision(status=_keeping(o, run, start.wanted, now), due=due)
    return _wait(o, run, f"{trouble.message}; {trouble.remedy}", now, due=due, wanted=start.wanted)


def _keeping(o: Observation, run: VerificationRun, wanted: PodWanted | None, now: datetime) -> Status | None:
    """Return the status with what is wanted and without what was waited for; None where it says that already."""
    status = words.under_way(o.backup, run.model_copy(update={"message": words.begun(run.level)}), now, wanted)
    return None if status == o.backup.status else status


def _wait(
    o: Observation, run: VerificationRun, sentence: str, now: datetime, *,
    due: datetime, wanted: PodWanted | None = None,
) -> Decision:  # fmt: skip
    waiting = run.model_copy(update={"message": f"waiting: {sentence}"[:4096]})
    return Decision(status=words.under_way(o.backup, waiting, now, wanted), due=due)


def _finish(o: Observation, run: VerificationRun, end: End, now: datetime) -> Decision:
    found = end.report.verification if end.report else None
    if found is None:
        return _end(o, run, end.failure or failures.failure_in(end.report), now)
    assert end.report is not None
    wrong = plausible.wrong_verification(end.report, run, now)
    if wrong is not None:
        return _end(o, run, failures.report_implausible(wrong), now)
    status = words.passed(o.backup, run, found, now)
    return Decision(status=status, announcement=Announcement(False, "VerificationPassed", status.message or ""))


def _end(o: Observation, run: VerificationRun, failure: Failure, now: datetime) -> Decision:
    """Record that it failed; or that it was not done, where that says nothing about the backup."""
    if is_about_the_backup(failure.reason):
        said = Announcement.of(failure, "VerificationFailed")
        return Decision(status=words.failed(o.backup, run, failure, now), announcement=said)
    said = Announcement.of(failure, "VerificationNotDone")
    return Decision(status=words.not_done(o.backup, run, failure, now), announcement=said)


def is_about_the_backup(reason: str) -> bool:
    """Whether a failure says that the backup is not what it was; else only that nobody could find out."""
    known = {str(each): each for each in Reason}.get(reason)
    return known in GONE or (known is not None and EXIT_CODES.get(known) is ExitCode.VERIFICATION)


def _start_timeout(o: Observation) -> int:
    timeout = _resolved(o).job.start_timeout_seconds
    assert timeout is not None
    return timeout


def _resolved(o: Observation) -> BackupPolicySpec:
    assert o.backup.status.resolved is not None
    return o.backup.status.resolved
