"""Whose turn it is: so many backups run at once, and so many of one server; the others wait in line. Pure.

First come, first served; what a person asked for goes before what a schedule did. One that waits for its server lets
those behind it pass that wait for another, and cannot be passed for ever: as soon as its server has room, it is the
first again of all that could begin.
"""

import sys
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from holdfast import clock
from holdfast.settings import Queue

EXACT = 10  # places that are told one by one; further back it is said how many at least go first
_TH = {1: "st", 2: "nd", 3: "rd"}


class Ticket(NamedTuple):
    """A place in the line: tickets are in the order in which they are served."""

    by_schedule: bool
    created: datetime
    name: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Held:
    """A place that is taken: by a backup that has begun, or is about to."""

    namespace: str
    name: str
    server: str
    since: datetime | None


@dataclass(frozen=True)
class Turn:
    """What the queue says to one backup that has not begun."""

    begins: bool
    position: int = 1  # among those that wait for the same
    limit: str = ""  # what holds it up, in words
    holder: Held | None = None  # who has had the place for longest that it waits for
    near: bool = False  # one of the first in the whole line


def next_up(
    heads: Iterable[tuple[Ticket, str]],
    places: Mapping[str, int],
    total: int,
    limits: Queue,
    begun: Container[Ticket] = (),
) -> Iterator[Ticket]:
    """Yield who may begin now, of those that are the first of their server's line, in the order of their tickets.

    `places`: how many are taken, by server; `begun`: who has one already, and is counted there.
    """
    taken, most = Counter(places), limits.max_running_per_server or sys.maxsize
    for ticket, server in heads:
        if total >= limits.max_running:
            return
        if ticket in begun or taken[server] >= most:
            continue
        taken[server] += 1
        total += 1
        yield ticket


def of_all(limits: Queue) -> str:
    """Say the limit that holds for all."""
    return f"at most {_backups(limits.max_running)} at a time"


def of_server(server: str, limits: Queue) -> str:
    """Say the limit of one server."""
    return f"at most {_backups(limits.max_running_per_server, f' of {server}')} at a time"


def _backups(count: int, of: str = "") -> str:
    return f"1 backup{of} runs" if count == 1 else f"{count} backups{of} run"


def says(turn: Turn) -> str:
    """Say for people who goes first, which limit holds, and who has the place that is waited for."""
    if turn.position > EXACT:  # without what changes all the time: thousands may wait
        return f"waits in the queue behind more than {_at_least(turn.position - 1)} others: {turn.limit}"
    holder = f"; {_who(turn.holder)}" if turn.holder else ""
    return f"{ordinal(turn.position)} in the queue: {turn.limit}{holder}"


def told(position: int) -> int:
    """Return the place as it is told: the very one of the first, else the next one after a power of ten."""
    return position if position <= EXACT else _at_least(position - 1) + 1


def ordinal(position: int) -> str:
    """Write a number as people count: 1st, 2nd, 3rd, 4th."""
    ending = "th" if position % 100 in (11, 12, 13) else _TH.get(position % 10, "th")
    return f"{position}{ending}"


def _at_least(others: int) -> int:
    return int(10 ** (len(str(others)) - 1))


def _who(held: Held) -> str:
    what = f"runs since {clock.to_text(held.since)}" if held.since else "is about to begin"
    return f"waits for {held.namespace}/{held.name}, which {what}"
