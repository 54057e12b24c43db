"""The operator's loop over all kinds, without its watches: for tests that reconcile one key at a time."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from tests.builders import NOW

from holdfast.kube.events import EventRecorder
from holdfast.kube.kinds import Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.faults import Faults
from holdfast.reconcile.kinds.table import KINDS, TABLE
from holdfast.reconcile.leftovers import Leftovers
from holdfast.reconcile.loop import Loop
from holdfast.reconcile.plans import Plans
from holdfast.reconcile.queue import Key
from holdfast.reconcile.sight import Row, Sources
from holdfast.reconcile.status_writer import StatusWriter
from holdfast.settings import Settings


def a_loop(
    cache: Cache,
    client: Any,
    settings: Settings,
    *,
    wake: Callable[[Key], None] = lambda _: None,
    now: Callable[[], datetime] = lambda: NOW,
    table: Iterable[Row] = TABLE,
) -> Loop:
    return Loop(
        table, Sources(cache, Plans(cache, settings, now), a_writer(cache, client, now), settings), client, wake, now,
        some_leftovers(client, now),
    )  # fmt: skip


def some_leftovers(client: Any, now: Callable[[], datetime] = lambda: NOW, home: str | None = "holdfast") -> Leftovers:
    return Leftovers(EventRecorder(client), home, now)


def a_writer(cache: Cache, client: Any, now: Callable[[], datetime] = lambda: NOW) -> StatusWriter:
    return StatusWriter(cache, client, EventRecorder(client), now)


def some_faults(cache: Cache, client: Any, kinds: Iterable[Kind] = KINDS) -> Faults:
    return Faults(kinds, cache, client, a_writer(cache, client), lambda: NOW)
