"""What to do about one BackupPolicy now: a pure function of what is observed, the settings and the time.

A backup is made before it is written down that it was: its name says what it was made for, so that whoever comes next
finds it. What was written down and not made would be lost.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from holdfast import clock, naming
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.policy_status import BackupPolicyStatus
from holdfast.api.runs import Asked, LastRun
from holdfast.api.schedule import Missed, Schedule, ScheduleStatus
from holdfast.decide.decision import Announcement, Decision, DeleteBackup, Do, MakeBackup, Rest, Write
from holdfast.decide.policy import runs, statuses, sweep
from holdfast.decide.policy.cron import read
from holdfast.decide.policy.runs import Ended
from holdfast.decide.policy.schedule import Children, Gap, Owner, Plan, plan, says
from holdfast.decide.policy.sweep import Retention
from holdfast.errors import HoldfastError
from holdfast.sentences import EVENT_BYTES, cut
from holdfast.settings import Settings

Status = BackupPolicyStatus
AGAIN = timedelta(seconds=60)  # until the API server is asked again for a backup that it has refused
_MEANT = (Missed.SUSPENDED, Missed.SCHEDULE_CHANGED)  # somebody wanted it so
_MAX_MESSAGE = 1024


@dataclass(frozen=True)
class Observation:
    """Everything that the decision about one policy rests on. Anybody may have written it: nothing is checked yet."""

    namespace: str
    name: str
    uid: str
    created: datetime
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    generation: int
    deleting: bool
    ours: Callable[[str], bool | None] = lambda _: None  # by a backup's name: made by this policy; None: there is none
    under_way: DeleteBackup | None = None  # how to cancel the oldest that its schedule has made and that has not ended
    good: Ended | None = None  # the last good one since the policy was made
    failed: Ended | None = None
    recent: Sequence[Ended] = ()  # those that ended last, the newest first
    spoilt: bool = False  # the last good one that the status names is none any more
    retention: Retention = field(default_factory=Retention)
    request: str | None = None  # the annotation's value that asks for a backup now
    refused: Mapping[str, str] = field(default_factory=dict)  # by name: why the API server refuses a backup


def decide(o: Observation, settings: Settings, now: datetime) -> Decision[Status]:
    """Return the next step for this policy. Backups that have begun are never changed."""
    if o.deleting:
        return Rest()
    spec = statuses.spec_of(o.spec)
    status = statuses.status(spec, o.status, o.generation, settings, now)
    schedule = spec.schedule if isinstance(spec, BackupPolicySpec) else None
    found = _planned(o, schedule, status, now) if schedule else None
    if status.schedule is None and isinstance(found, Plan):
        status = _with(status, found.before)  # whatever is written first: from when on slots are owed
    swept = sweep.look(sweep.Whose(o.name, o.uid), o.retention, status, o.generation, now)
    status, news = runs.told(swept.status, o.good, o.failed, o.spoilt, o.recent)
    if news is not None:
        return Write(status, news)
    if swept.decision is not None:
        return swept.decision
    return sweep.merged(_asked_for(o, status, now) or _by_schedule(o, status, found, now), swept)


def _planned(o: Observation, schedule: Schedule, status: Status, now: datetime) -> Plan | Schedule:
    """Return what the schedule asks for; the schedule itself where it makes no sense."""
    cron = read(schedule.cron, schedule.time_zone)
    if isinstance(cron, HoldfastError):
        return schedule
    last = status.last_run.slot if status.last_run else None
    owner = Owner(o.namespace, o.name, o.uid, o.created, known=bool(o.status))
    return plan(schedule, cron, status.schedule, owner, Children(o.ours, o.under_way is not None, last), now)


def _asked_for(o: Observation, status: Status, now: datetime) -> Decision[Status] | None:
    """Return the next step for a backup that the annotation asks for; None where there is nothing to do about one."""
    held, request = status.backup_now, o.request
    again = held if held is not None and held.request == request else None
    if request is None or (again and again.name is not None):
        return None
    number = (held.number if held else 0) + (0 if again else 1)
    name = naming.asked_name(o.name, o.uid, request, number)
    ours, refusal = o.ours(name), o.refused.get(name)
    if ours is None and refusal is None:
        return Do(MakeBackup(name, request=request, number=number))
    if ours:
        asked = Asked(request=request, number=number, name=name)
        said = Announcement(
            False,
            "BackupRequested",
            f"DatabaseBackup {name} was created: the annotation {naming.ANNOTATION_BACKUP_NOW} requests it",
        )
        return Write(status.model_copy(update={"backup_now": asked}), said)
    sentence = (
        _refusal(refusal) if refusal else f"DatabaseBackup {name} already exists, and this policy did not create it"
    )
    asked = Asked(request=request, number=number, message=cut(sentence, _MAX_MESSAGE))
    if asked == held:
        return None  # it was said; what the schedule asks for goes on
    said = Announcement(True, "BackupNotMade", cut(sentence, EVENT_BYTES))
    return Write(status.model_copy(update={"backup_now": asked}), said, due=now + AGAIN)


def _by_schedule(
    o: Observation, status: Status, found: Plan | Schedule | None, now: datetime
) -> Decision[Status]:  # fmt: skip
    """Return the next step that the schedule asks for."""
    if found is None:
        return Write(status, due=_again(status, now))
    if isinstance(found, Schedule):  # it makes no sense, as the conditions say; the last good one is not run on
        return Write(_with(status, _stopped(status.schedule, found)), due=_again(status, now))
    due = min(filter(None, (found.due, _again(status, now))), default=None)
    if found.make is None:
        return Write(_recorded(o, status, found), _news(o, found), due)
    name = naming.slot_name(o.name, found.make)
    act = (o.under_way if found.instead else None) or MakeBackup(name, slot=found.make)
    if isinstance(act, DeleteBackup) and not runs.is_replaced(status, act.name):
        return _cancelled(runs.replaced(status, act.name, now), found, found.make, act.name)
    if act.name not in o.refused:
        return Do(act)
    sentence = f"the backup due at {clock.to_text(found.make)} waits: {_refusal(o.refused[act.name], act)}"
    waiting = found.before.model_copy(update={"message": cut(sentence, _MAX_MESSAGE)})
    said = Announcement(True, "BackupNotMade", cut(sentence, EVENT_BYTES))
    return Write(_with(status, waiting, found.upcoming), said, now + AGAIN)


def _cancelled(status: Status, found: Plan, slot: datetime, former: str) -> Decision[Status]:
    """Write down that a run is cancelled before it is: then its resource is gone, and with it whatever it said."""
    sentence = (
        f"DatabaseBackup {former} is cancelled: it has not ended, the next one is due at {clock.to_text(slot)}, and "
        "concurrencyPolicy is Replace"
    )
    said = Announcement(True, "BackupReplaced", cut(sentence, EVENT_BYTES))
    return Write(_with(status, found.before, found.upcoming), said)


def _again(status: Status, now: datetime) -> datetime | None:
    """Return when to ask once more for a backup that the annotation asks for and that was refused."""
    return now + AGAIN if status.backup_now and status.backup_now.name is None else None


def _stopped(former: ScheduleStatus | None, schedule: Schedule) -> ScheduleStatus | None:
    """Return what is remembered of a schedule while it makes no sense: once it does again, it begins then."""
    if former is None:
        return None
    seen = {"cron": schedule.cron, "time_zone": schedule.time_zone, "suspended": False}
    return former.model_copy(update={**seen, "message": "Holdfast takes no backups: the schedule is not valid"})


def _recorded(o: Observation, status: Status, found: Plan) -> Status:
    run = LastRun(name=naming.slot_name(o.name, found.ran), slot=found.ran) if found.ran else status.last_run
    return _with(status, found.record, found.upcoming).model_copy(update={"last_run": run})


def _with(status: Status, record: ScheduleStatus | None, upcoming: tuple[datetime, ...] = ()) -> Status:
    return status.model_copy(update={"schedule": record, "next_runs": list(upcoming) or None})


def _news(o: Observation, found: Plan) -> Announcement | None:
    """Say what was made and what was missed."""
    made = f"the schedule created DatabaseBackup {naming.slot_name(o.name, found.ran)}" if found.ran else ""
    if not found.missed:
        return Announcement(False, "BackupScheduled", made) if made else None
    sentence = "; ".join([*map(says, found.missed), *filter(None, [made])])
    return Announcement(not all(map(_is_meant, found.missed)), "SlotsMissed", cut(sentence, EVENT_BYTES))


def _is_meant(gap: Gap) -> bool:
    return gap.reason in _MEANT


def _refusal(sentence: str, act: MakeBackup | DeleteBackup | None = None) -> str:
    what = f"to delete {act.name}" if isinstance(act, DeleteBackup) else "the backup"
    return f"the API server refuses {what}, and Holdfast tries again each minute: {sentence}"
