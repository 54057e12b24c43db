"""What a policy deletes: the backups that no rule keeps, a page at a time, each page by one Job. Pure.

A page is written into the status first; then each backup of it is marked by its own look, as Deleting; only then the
Job is made, and what it has made of each stands in the page until each backup's own look has recorded it. So an
operator that is killed between any two leaves a page that the next one goes on with, and no backup is called good
whose data goes.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from holdfast import naming
from holdfast.api.backup import Failure, Phase
from holdfast.api.begun import there
from holdfast.api.deletion import MAX_RETRIES, DeletionPage, Member, Result
from holdfast.api.job import LOG_SECONDS, JobTemplate, PodWanted
from holdfast.api.limits import MAX_PAGE
from holdfast.api.policy_status import BackupPolicyStatus
from holdfast.decide import deletion, failures, job_life
from holdfast.decide.decision import Announcement, Decision, DeleteBackup, DeleteBackups, Do, Write
from holdfast.decide.job_life import Step, Work
from holdfast.decide.policy import swept
from holdfast.decide.retention.plan import Plan, hash_of
from holdfast.decide.seen import NOTHING, Asked, Seen
from holdfast.decide.views import OwnerRef
from holdfast.sentences import explain, shorten

Status = BackupPolicyStatus
SWEEP = "sweep"  # the role of the Job
MARKING = timedelta(minutes=2)  # until a backup that has not marked itself is left out
RECORDING = timedelta(minutes=2)  # until what became of a backup is not waited for any more
_LONGEST = 1024


@dataclass(frozen=True)
class Candidate:
    """A backup of the policy, as far as its deletion goes."""

    name: str
    uid: str
    phase: Phase
    has_data: bool
    made: bool  # Holdfast has made the resource: it goes with its data
    going: bool  # the resource is being deleted
    pinned: bool
    store: str  # what one Job can reach is the same
    told: str | None  # the Job whose result it has recorded last
    lacks: bool  # its status does not say where its data is
    held: bool  # it stays, though it is being deleted, until it has recorded that its data is gone


@dataclass(frozen=True)
class Retention:
    """What is observed for it."""

    plans: tuple[Plan, ...] = ()  # one for each database that the policy has named
    backups: Mapping[str, Candidate] = field(default_factory=dict)  # by uid
    work: Seen = NOTHING
    asked: Asked = field(default_factory=Asked)
    template: JobTemplate = field(default_factory=JobTemplate)  # of the page's Job
    hindrance: Failure | None = None  # why it cannot be made
    refused: Container[str] = ()  # the names of backups whose resource the API server does not let go

    def kept(self) -> set[str]:
        """Return the uids of those that are to stay by now, whatever page they are in."""
        pinned = {uid for uid, backup in self.backups.items() if backup.pinned}
        return pinned | {each.fact.uid for plan in self.plans for each in plan.verdicts if each.keep}

    def may_remove(self, backup: Candidate) -> bool:
        """Whether its resource is Holdfast's to remove, and is not being removed."""
        return backup.made and not backup.going and backup.name not in self.refused

    def going(self) -> Iterator[tuple[str, str]]:
        """Yield uid and reason of what is to be deleted: first what has begun to be, then what the plans say."""
        for backup in self.backups.values():
            if backup.phase is Phase.DELETING:
                yield backup.uid, "its deletion had already begun"
        for plan in self.plans:
            yield from ((each.uid, each.reason) for each in (*plan.removals, *plan.sweep))


@dataclass(frozen=True)
class Look:
    """The status as it should be by now, what is to be done, and when to look again."""

    status: Status
    decision: Decision[Status] | None = None
    due: datetime | None = None


@dataclass(frozen=True)
class Whose:
    """The policy."""

    name: str
    uid: str

    @property
    def ref(self) -> OwnerRef:
        """What its Jobs are its own by."""
        return OwnerRef(naming.POLICY_KIND, self.uid)


def look(whose: Whose, seen: Retention, status: Status, generation: int, now: datetime) -> Look:
    """Return what retention asks for now."""
    status = swept.summarised(status, seen.plans, generation, now)
    page = there(status.retention, "retention").page
    if page is None:
        return _begin(whose, seen, status, now)
    if page.completed_at is None:
        return _delete(whose, seen, status, page, now)
    return _close(whose, seen, status, page, now)


def _begin(whose: Whose, seen: Retention, status: Status, now: datetime) -> Look:
    """Choose the next page, or remove resources that have no data."""
    held = there(status.retention, "retention")
    later = {retry.uid: retry.at for retry in held.retries if retry.at > now}
    wanted = [(seen.backups[uid], why) for uid, why in seen.going() if uid in seen.backups and uid not in later]
    empty = [backup for backup, _ in wanted if not backup.has_data and seen.may_remove(backup)]
    if empty:
        return Look(status, Do(DeleteBackups(_named(empty[:MAX_PAGE]))))
    full = [(backup, why) for backup, why in wanted if backup.has_data and not backup.going]
    if not full or len(later) >= MAX_RETRIES:
        due = [*later.values(), *(plan.look_again for plan in seen.plans if plan.look_again)]
        return Look(status, due=min(due, default=None))
    same = [each for each in full if each[0].store == full[0][0].store][:MAX_PAGE]
    number = held.pages + 1
    page = DeletionPage(
        number=number,
        since=now,
        job_name=naming.child_name(whose.name, whose.uid, SWEEP, number),
        members=[Member(name=backup.name, uid=backup.uid, reason_to_delete=why) for backup, why in same],
    )
    chosen = {backup.uid for backup, _ in same}
    left = [hash_of(each.uid for each in plan.sweep if each.uid not in chosen) for plan in seen.plans if plan.sweep]
    return Look(status, Write(swept.begun(status, page, left[0] if len(left) == 1 else "")))


def _delete(whose: Whose, seen: Retention, status: Status, page: DeletionPage, now: datetime) -> Look:
    """Have each backup of the page marked, and their data deleted."""
    if seen.work.job is None:
        marked, open_ = _marked(seen, page.members)
        if open_ and now < page.since + MARKING:
            stays = seen.kept()
            going = [*marked, *(each for each in open_ if each.uid not in stays)]
            if len(going) == len(page.members):
                return Look(status, due=page.since + MARKING)
            return Look(status, Write(swept.reduced(status, page, going, now)))
        if len(marked) < len(page.members):
            return Look(status, Write(swept.reduced(status, page, marked, now)))
    work = Work(SWEEP, whose.ref, seen.template, wanted=page.pod_wanted)
    return _after(status, page, job_life.step(work, seen.work, seen.asked, now, seen.hindrance), now)


def _marked(seen: Retention, members: Sequence[Member]) -> tuple[list[Member], list[Member]]:
    """Return those that are called Deleting, and those that are there and are not, or cannot be found in the store."""
    here = [each for each in members if each.uid in seen.backups]
    held = {each.uid: seen.backups[each.uid] for each in here}
    marked = [each for each in here if held[each.uid].phase is Phase.DELETING and not held[each.uid].lacks]
    return marked, [each for each in here if each not in marked]


def _after(status: Status, page: DeletionPage, step: Step, now: datetime) -> Look:
    """Say what the Job's step means for the page."""
    match step:
        case Do():
            return Look(status, step)
        case job_life.Over(end):
            report = end.report
            if report is not None and report.deletion is not None:
                return _reported(status, page, deletion.results(page.members, report.deletion), now)
            return _failed(status, page, end.failure or failures.failure_in(report), now)
        case job_life.Unreported():
            return _failed(status, page, failures.report_lost(1), now)
        case job_life.GivenUp(failure):
            return _failed(status, page, failure, now)
        case job_life.Hindered(by, due, wanted):
            return _waits(status, page, explain(by, _LONGEST), wanted, due)
        case job_life.Starting(due, wanted) | job_life.GoesOn(_, due, wanted):
            return _waits(status, page, "", wanted, due)


def _waits(status: Status, page: DeletionPage, message: str, wanted: PodWanted | None, due: datetime) -> Look:
    said = page.model_copy(update={"message": shorten(message, _LONGEST), "pod_wanted": wanted})
    if said == page:
        return Look(status, due=due)
    return Look(status, Write(swept.with_page(status, said), due=due), due)


def _failed(status: Status, page: DeletionPage, failure: Failure, now: datetime) -> Look:
    """Nobody knows what the Job has deleted: all of it is tried again."""
    return _reported(status, page, deletion.failed(page.members, failure), now)


def _reported(status: Status, page: DeletionPage, members: Sequence[Member], now: datetime) -> Look:
    ended = page.model_copy(update={"members": list(members), "completed_at": now, "message": "", "pod_wanted": None})
    return Look(status, Write(swept.with_page(status, ended)))


def _close(whose: Whose, seen: Retention, status: Status, page: DeletionPage, now: datetime) -> Look:
    """Remove the resources that Holdfast made, let each other backup record its end, and close the page."""
    if tidied := job_life.tidied(seen.work, whose.ref, LOG_SECONDS):
        return Look(status, tidied)
    here = [(each, seen.backups[each.uid]) for each in page.members if each.uid in seen.backups]
    gone = [backup for each, backup in here if each.result is Result.DELETED and seen.may_remove(backup)]
    if gone:
        return Look(status, Do(DeleteBackups(_named(gone))))
    until = there(page.completed_at, "retention.page.completedAt") + RECORDING
    waited = [backup for _, backup in here if not backup.going or backup.held]
    if any(backup.told != page.job_name for backup in waited) and now < until:
        return Look(status, due=until)
    return Look(status, Write(swept.closed(status, page, now), Announcement(swept.has_failed(page), *swept.told(page))))


def _named(backups: Iterable[Candidate]) -> tuple[DeleteBackup, ...]:
    return tuple(DeleteBackup(backup.name, backup.uid) for backup in backups)


def merged(decision: Decision[Status], look_: Look) -> Decision[Status]:
    """Return the decision with the earlier of the two times to look again."""
    due = min(filter(None, (decision.due, look_.due)), default=None)
    return replace(decision, due=due)
