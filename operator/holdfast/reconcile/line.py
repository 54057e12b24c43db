"""The line: which backups have a place, and which wait for one, in order; nothing is remembered that the cache has not.

It follows the cache change by change, so that to ask it costs the same whether ten wait or ten thousand. A backup has a
place from when its id is on its way into its status until it has ended, is deleted or being deleted. What is on its way
counts for as long as nothing newer of that backup has been seen: the answer may be lost, and the write not.

Of each server's line only the first few can begin (as many as may run there at once): these are the heads. Of those
that come before one which can begin, each waits for a server whose places are taken, so there are never more of them
than places.
"""

import sys
from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass

from holdfast.decide.backup import queue
from holdfast.decide.backup.queue import Held, Ticket, Turn
from holdfast.reconcile.backups import Backup
from holdfast.settings import Queue

Name = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True)
class _Place:
    """A place that is taken; `version`: of the backup when it asked for it, until something newer is seen."""

    held: Held
    version: str | None = None


class Line:
    """Who has begun, and who waits."""

    def __init__(self, limits: Queue) -> None:
        """Start empty."""
        self._limits = limits
        self._deep = limits.max_running_per_server or sys.maxsize  # how many of one server's line can be heads
        self._places: dict[Name, _Place] = {}
        self._taken: Counter[str] = Counter()  # places, by server
        self._waiting: dict[Name, tuple[Ticket, str]] = {}
        self._everybody: list[Ticket] = []
        self._of_server: dict[str, list[Ticket]] = {}
        self._heads: list[Ticket] = []
        self._passed_over: dict[Name, tuple[Ticket, str]] = {}

    def follow(self, backup: Backup, server: str | None) -> None:
        """Take in what is known of a backup by now, and its server; None: it has no policy that says one."""
        name = (backup.namespace, backup.name)
        place = self._places.get(name)
        if place is not None and place.version != backup.resource_version:
            self._give_back(name)
        if backup.runs:
            self._take(name, Held(*name, server or "", backup.started_at), None)
        wanted = (_ticket(backup), server) if backup.waits and server is not None else None
        if wanted == self._waiting.get(name, self._passed_over.get(name)):
            return
        self._leave(name)
        if wanted is not None:
            self._join(name, *wanted)

    def forget(self, namespace: str, name: str) -> None:
        """Forget a backup that is gone, or that cannot be read."""
        self._give_back((namespace, name))
        self._leave((namespace, name))

    def turn(self, namespace: str, name: str) -> Turn | None:
        """Say to one that waits whether it may begin, and if not, why; None: it does not stand in the line."""
        who = (namespace, name)
        if who in self._passed_over:  # it is looked at again
            self._join(who, *self._passed_over.pop(who))
        if who not in self._waiting:
            return None
        ticket, server = self._waiting[who]
        if who in self._places:
            return Turn(begins=True)
        near = bisect_left(self._everybody, ticket) < queue.EXACT
        if self._taken[server] >= self._deep:
            position = bisect_left(self._of_server[server], ticket) + 1
            limit = queue.of_server(server, self._limits)
            return Turn(False, position, limit, self._longest(server), near)
        if ticket in self._next():
            return Turn(begins=True)
        position = bisect_left(self._everybody, ticket) + 1
        return Turn(False, position, queue.of_all(self._limits), self._longest(None), near)

    def begins(self, backup: Backup) -> None:
        """Note that a backup's id is on its way into its status."""
        name = (backup.namespace, backup.name)
        server = self._waiting[name][1] if name in self._waiting else ""
        self._take(name, Held(*name, server, None), backup.resource_version)

    def stumbled(self, namespace: str, name: str, *, sure: bool) -> None:
        """Let others pass one that could not be got on with, until it is looked at again.

        `sure`: nothing was written; else it keeps the place that it has asked for, if it has.
        """
        who = (namespace, name)
        place = self._places.get(who)
        if sure and place is not None and place.version is not None:
            self._give_back(who)
        if who in self._waiting:
            held = self._waiting[who]
            self._leave(who)
            self._passed_over[who] = held

    def next_up(self) -> list[Name]:
        """Return who may begin now, and has not."""
        return [(ticket.namespace, ticket.name) for ticket in self._next()]

    def __len__(self) -> int:
        """How many wait."""
        return len(self._everybody)

    def _next(self) -> list[Ticket]:
        heads = ((ticket, self._waiting[ticket.namespace, ticket.name][1]) for ticket in self._heads)
        return list(queue.next_up(heads, self._taken, len(self._places), self._limits, self._with_place()))

    def _with_place(self) -> set[Ticket]:
        """Return those of the line that are about to begin."""
        return {self._waiting[name][0] for name in self._places if name in self._waiting}

    def _longest(self, server: str | None) -> Held | None:
        """Return who has had a place for longest: of one server's, or of all."""
        held = (place.held for place in self._places.values() if server is None or place.held.server == server)
        return min(held, key=lambda each: (each.since is None, each.since, each.namespace, each.name), default=None)

    def _take(self, name: Name, held: Held, version: str | None) -> None:
        self._give_back(name)
        self._places[name] = _Place(held, version)
        self._taken[held.server] += 1

    def _give_back(self, name: Name) -> None:
        place = self._places.pop(name, None)
        if place is None:
            return
        self._taken[place.held.server] -= 1
        if not self._taken[place.held.server]:
            del self._taken[place.held.server]

    def _join(self, name: Name, ticket: Ticket, server: str) -> None:
        self._waiting[name] = (ticket, server)
        insort(self._everybody, ticket)
        line = self._of_server.setdefault(server, [])
        insort(line, ticket)
        if bisect_left(line, ticket) < self._deep:
            insort(self._heads, ticket)
            if len(line) > self._deep:
                _take_out(self._heads, line[self._deep])

    def _leave(self, name: Name) -> None:
        self._passed_over.pop(name, None)
        if name not in self._waiting:
            return
        ticket, server = self._waiting.pop(name)
        _take_out(self._everybody, ticket)
        line = self._of_server[server]
        if _take_out(line, ticket) < self._deep:
            _take_out(self._heads, ticket)
            if len(line) >= self._deep:
                insort(self._heads, line[self._deep - 1])
        if not line:
            del self._of_server[server]


def _ticket(backup: Backup) -> Ticket:
    return Ticket(backup.by_schedule, backup.created, backup.name, backup.namespace)


def _take_out(line: list[Ticket], ticket: Ticket) -> int:
    """Take a ticket out, and return where it was."""
    place = bisect_left(line, ticket)
    del line[place]
    return place
