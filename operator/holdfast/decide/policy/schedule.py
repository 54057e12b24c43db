"""What a policy's schedule asks for now: the slot that is due, those that were missed and why, and the next ones. Pure.

Everything follows from what the status remembers (up to which moment slots are settled), what lies in the cluster under
the names of slots, and the time. So an operator that was killed, or whose write was lost, comes to the same answer
again: a backup bears the name of its slot, and one that is there is not made twice.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from holdfast import clock, naming
from holdfast.api.schedule import ConcurrencyPolicy, Missed, MissedSlots, Schedule, ScheduleStatus
from holdfast.decide.policy.cron import Cron, Slots, read
from holdfast.units import duration_for_people

SHOWN = 3  # of the next runs


@dataclass(frozen=True)
class Owner:
    """The policy, as far as its schedule is about it."""

    namespace: str
    name: str
    uid: str
    created: datetime
    known: bool  # whether the operator has written a status of it before


@dataclass(frozen=True)
class Children:
    """What the cluster holds of backups that this policy's schedule has made."""

    ours: Callable[[str], bool | None]  # by a backup's name: made by this very policy or not; None: there is none
    busy: bool  # one that the schedule has made has not ended
    last: datetime | None  # the slot that was run last, by the status


@dataclass(frozen=True)
class Gap:
    """Slots that were missed, for one reason, and are counted now."""

    reason: Missed
    slots: Slots

    @property
    def count(self) -> int:
        """How many there are, or at least are."""
        return len(self.slots.newest)


@dataclass(frozen=True)
class Plan:
    """What is to be done, and what is to be remembered once that is done."""

    before: ScheduleStatus  # what is to be remembered meanwhile
    record: ScheduleStatus
    make: datetime | None = None  # the slot whose backup is to be made first
    instead: bool = False  # of those that still run
    ran: datetime | None = None  # the slot whose backup is there, and is recorded with this
    missed: tuple[Gap, ...] = ()
    upcoming: tuple[datetime, ...] = ()  # when the next ones begin

    @property
    def due(self) -> datetime | None:
        """When to look again."""
        return self.upcoming[0] if self.upcoming else None


def plan(
    schedule: Schedule, cron: Cron, former: ScheduleStatus | None, owner: Owner, children: Children, now: datetime
) -> Plan:  # fmt: skip
    """Return what the schedule asks for."""
    delay = jitter(schedule, owner)
    record, missed = _caught_up(schedule, cron, former, owner, children, delay, now)
    if schedule.suspend:
        return Plan(record, record, missed=missed)
    found = cron.between(record.settled_until, now - delay)
    done = _of_due(schedule, record, found, owner, children, now - delay) if found.newest else Plan(record, record)
    following = islice(cron.after(max(done.record.settled_until, now - delay)), SHOWN)
    return replace(done, before=record, missed=missed + done.missed, upcoming=tuple(slot + delay for slot in following))


def _of_due(
    schedule: Schedule, record: ScheduleStatus, found: Slots, owner: Owner, children: Children, now: datetime
) -> Plan:  # fmt: skip
    """Return what becomes of the slots that are due: of several the newest is run, at the most.

    An operator that was killed may have run one and not have written that down: it is no missed one.
    """
    slot, deadline = found.newest[-1], schedule.starting_deadline_seconds
    settled = record.model_copy(update={"settled_until": slot})
    earlier, run = _parted(Slots(found.newest[:-1], found.more), owner, children)
    overtaken = Gap(Missed.OVERTAKEN, earlier)
    ours = children.ours(naming.slot_name(owner.name, slot))
    known = ours is True or slot == children.last
    if not known and deadline is not None and now - slot > timedelta(seconds=deadline):
        late = Gap(Missed.TOO_LATE, Slots((*earlier.newest, slot), earlier.more))
        return replace(_missing(settled, late), ran=run)
    if ours is None and not known:
        if children.busy and schedule.concurrency_policy is ConcurrencyPolicy.FORBID:
            return replace(_missing(settled, overtaken, Gap(Missed.STILL_RUNNING, Slots((slot,)))), ran=run)
        instead = children.busy and schedule.concurrency_policy is ConcurrencyPolicy.REPLACE
        return replace(_missing(settled, overtaken), make=slot, instead=instead)
    if ours is False:
        return _missing(settled, overtaken, Gap(Missed.NAME_TAKEN, Slots((slot,))))
    return replace(_missing(settled, overtaken), ran=slot)


def _parted(slots: Slots, owner: Owner, children: Children) -> tuple[Slots, datetime | None]:
    """Return those that were not run, and the newest that was, which nobody has written down yet."""
    run = {slot for slot in slots.newest if children.ours(naming.slot_name(owner.name, slot))}
    return Slots(tuple(slot for slot in slots.newest if slot not in run), slots.more), max(run, default=None)


def jitter(schedule: Schedule, owner: Owner) -> timedelta:
    """Return how long after its slot a backup of this policy begins: always the same, and spread over many policies."""
    digest = hashlib.sha256(f"{owner.namespace}/{owner.name}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % (schedule.jitter_seconds + 1))


def says(gap: Gap) -> str:
    """Say for people what was missed, and why."""
    last = clock.to_text(gap.slots.newest[-1])
    which = (
        f"the backup due at {last} was" if gap.count == 1 and not gap.slots.more else f"{_many(gap)} up to {last} were"
    )
    return f"{which} not taken: {_WHY[gap.reason]}"


_WHY = {
    Missed.OVERTAKEN: "Holdfast was late, and a later one was already due",
    Missed.TOO_LATE: "Holdfast was late, and startingDeadlineSeconds had passed",
    Missed.STILL_RUNNING: "the last scheduled backup was still running, and concurrencyPolicy is Forbid",
    Missed.SUSPENDED: "the schedule was suspended",
    Missed.SCHEDULE_CHANGED: "the schedule was changed first",
    Missed.NAME_TAKEN: "a DatabaseBackup that this policy did not create has the same name",
}


def _many(gap: Gap) -> str:
    return f"{'more than ' if gap.slots.more else ''}{gap.count} backups due"


def _caught_up(
    schedule: Schedule, cron: Cron, former: ScheduleStatus | None, owner: Owner, children: Children, delay: timedelta,
    now: datetime,
) -> tuple[ScheduleStatus, tuple[Gap, ...]]:  # fmt: skip
    """Return what is remembered, as of this schedule: a new one, a changed one or a resumed one begins now."""
    message = _sentence(schedule, cron, delay)
    if former is None or former.policy_uid != owner.uid:
        known = owner.known and former is None  # a schedule that was added later owes nothing from before
        begin = (now if known else min(owner.created, now)) - delay
        return _record(schedule, cron, owner, begin, message, []), ()
    settled = min(former.settled_until, now)  # a clock that was set back: what comes again is known by its name
    same = (former.cron, former.time_zone) == (schedule.cron, schedule.time_zone)
    if same and not (former.suspended and not schedule.suspend):
        return _record(schedule, cron, owner, settled, message, former.missed), ()
    reason = Missed.SUSPENDED if former.suspended else Missed.SCHEDULE_CHANGED
    before = read(former.cron, former.time_zone)
    slots = before.between(settled, now - delay) if isinstance(before, Cron) else Slots(())
    gap = Gap(reason, _parted(slots, owner, children)[0])
    done = _missing(_record(schedule, cron, owner, now - delay, message, former.missed), gap)
    return done.record, done.missed


def _record(
    schedule: Schedule, cron: Cron, owner: Owner, settled: datetime, message: str, missed: list[MissedSlots]
) -> ScheduleStatus:  # fmt: skip
    return ScheduleStatus(
        cron=schedule.cron,
        time_zone=schedule.time_zone,
        policy_uid=owner.uid,
        settled_until=settled,
        suspended=schedule.suspend,
        interval_seconds=round(cron.longest.total_seconds()),
        message=message,
        missed=missed,
    )


def _sentence(schedule: Schedule, cron: Cron, delay: timedelta) -> str:
    later = f", {duration_for_people(delay.total_seconds())} later" if delay else ""
    return f"{'suspended: ' if schedule.suspend else ''}{cron.sentence}{later}"


def _missing(record: ScheduleStatus, *gaps: Gap) -> Plan:
    """Count slots that were missed."""
    counted = {each.reason: each for each in record.missed}
    new = tuple(gap for gap in gaps if gap.slots.newest)
    for gap in new:
        held = counted.get(gap.reason)
        counted[gap.reason] = MissedSlots(
            reason=gap.reason,
            count=gap.count + (held.count if held else 0),
            at_least=gap.slots.more or (held is not None and held.at_least),
            last_slot=gap.slots.newest[-1],
        )
    return Plan(record, record.model_copy(update={"missed": list(counted.values())}), missed=new)
