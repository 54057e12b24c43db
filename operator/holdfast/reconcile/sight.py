"""What every kind is looked at with, and what a look brings: the loop, the acts and the kinds know each other by this.

A kind that Holdfast reconciles is a `Row`: `kinds/table.py` has them all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from holdfast.api.base import StatusModel
from holdfast.decide.decision import Decision, MakeBackup, MakeRestore
from holdfast.decide.seen import Seen
from holdfast.decide.views import ClaimView
from holdfast.kube.kinds import Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.plans import Plans
from holdfast.reconcile.queue import Key
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.status_writer import StatusWriter
from holdfast.settings import Settings


@dataclass(frozen=True)
class Sources:
    """What a kind is observed from; nothing is asked of the API server."""

    cache: Cache
    plans: Plans
    writer: StatusWriter  # which knows what is on its way into a status
    settings: Settings


@dataclass(frozen=True)
class Known:
    """What this reconcile has learnt beyond the cache."""

    # why the API server refuses a Job, by its role, or a backup that a policy makes, by its name
    refused: Mapping[str, str] = field(default_factory=dict)
    pods_listed: bool = False
    claim: ClaimView | None = None
    source: Mapping[str, Any] | None = None  # the backup that is restored, as the API gives it; empty: it is gone
    terminating: bool = False  # the namespace is being deleted, as the refusal of a Job says
    unauthorized: bool = False  # we have no right to make a Job there


def _no_job(role: str) -> dict[str, Any]:
    raise NotImplementedError(f"a kind without Jobs has none for {role}")


def _no_child(act: MakeBackup | MakeRestore) -> dict[str, Any]:
    raise NotImplementedError(f"a kind that makes no such resources has none called {act.name}")


@dataclass(frozen=True)
class Sight:
    """What a look at one resource has brought: what is to be done, and what it is done with."""

    namespace: str
    decision: Decision[StatusModel]
    works: Mapping[str, Seen] = field(default_factory=dict)  # its Jobs, by role
    job_of: Callable[[str], dict[str, Any]] = _no_job  # makes the Job of a role. Raises HoldfastError(ImageNotSet)
    child_of: Callable[[MakeBackup], dict[str, Any]] = _no_child  # makes the backup that is asked for
    restore_of: Callable[[MakeRestore], dict[str, Any]] = _no_child  # makes the restore that is asked for
    claim_name: str | None = None  # of the claim that its database lies on
    source_name: str | None = None  # of the DatabaseBackup that is restored
    wakes: tuple[Key, ...] = ()  # what waits for this resource, and is to look again


@dataclass(frozen=True)
class Row:
    """One kind: how a resource of it is observed, and whom to ask what to do."""

    kind: Kind
    look: Callable[[Sources, Resource, Known, datetime], Sight]
    # Whether there is something to do about one of which the cache keeps a few facts only: it is fetched for that.
    is_wanted: Callable[[Sources, str, str], bool] = lambda _sources, _namespace, _name: False
    # What is to look again when a reconcile of one has failed: others may have waited for that one.
    stumbled: Callable[[Sources, str, str, Exception], Iterable[Key]] = lambda *_: ()
    foreign: bool = False  # others' objects, watched only where the settings say so, and without a status of ours
