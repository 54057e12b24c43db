"""A kind that nobody has thought of yet needs a module and a row: nothing else in the operator need know it."""

from datetime import datetime
from typing import Any

import pytest
from tests.builders import NOW, a_policy, settings
from tests.fake_cluster import FakeCluster
from tests.reconciling import a_loop, some_faults
from tests.unit.test_job_life import cleaned, polish_job

from holdfast import naming
from holdfast.api.base import StatusModel
from holdfast.api.job import LOG_SECONDS
from holdfast.decide import job_life
from holdfast.decide.decision import Announcement, Decision, Do, MakeBackup, Rest, Write
from holdfast.decide.job_life import Over, Work
from holdfast.decide.resolve import resolve
from holdfast.decide.seen import Asked, Seen
from holdfast.decide.views import OwnerRef
from holdfast.handlers import watches
from holdfast.handlers.watches import take
from holdfast.kube.errors import Unavailable
from holdfast.kube.kinds import EVENTS, JOBS, PODS, Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.faults import PATIENCE
from holdfast.reconcile.kinds.table import TABLE
from holdfast.reconcile.queue import Key, WorkQueue
from holdfast.reconcile.resource import Resource
from holdfast.reconcile.sight import Known, Row, Sight, Sources

POLISHES = Kind(naming.GROUP, naming.VERSION, "databasepolishes", "DatabasePolish")
KEY, WAITS = Key(POLISHES.kind, "shop", "x"), Key("DatabaseBackup", "shop", "waits")
NAME, ROLE = "orders-1-polish", "polish"  # as polish_job() has it


class PolishStatus(StatusModel):
    phase: str
    message: str


def decide(owner: OwnerRef, spec: Any, status: Any, seen: Seen, asked: Asked) -> Decision[PolishStatus]:
    """What would stand in decide/: the life of every Job, and what it means for this kind."""
    if spec.get("broken"):
        raise ValueError("broken")
    if status.get("phase") == "Polished":
        return job_life.tidied(seen, owner, LOG_SECONDS) or Rest()
    step = job_life.step(Work(ROLE, owner, resolve(a_policy(), settings()).job), seen, asked, NOW)
    match step:
        case Do():
            return step
        case Over():
            return Write(
                PolishStatus(phase="Polished", message="it shines"), Announcement(False, "Polished", "it shines")
            )
    return Write(PolishStatus(phase="Running", message="polishing"), due=NOW)


def look(sources: Sources, resource: Resource, known: Known, _: datetime) -> Sight:
    """What would stand in reconcile/kinds/."""
    owner = OwnerRef(POLISHES.kind, resource.uid)
    pods = tuple(sources.cache.pods_named("shop", NAME))
    seen = Seen(NAME, sources.cache.job("shop", NAME), pods, known.refused.get(ROLE))
    decision = decide(owner, resource.spec, resource.status, seen, Asked(known.pods_listed))
    return Sight("shop", decision, {ROLE: seen}, lambda _: labelled(polish_job(owner)), wakes=(WAITS,))


def labelled(job: dict[str, Any]) -> dict[str, Any]:
    """As manifests/ would: what says whom an event of the Job is for."""
    (owner,) = job["metadata"]["ownerReferences"]
    labels = {naming.OWNER_LABELS[POLISHES.kind]: owner["name"], naming.uid_label(POLISHES.kind): owner["uid"]}
    job["metadata"]["labels"] |= labels
    return job


ROW = Row(POLISHES, look)


@pytest.fixture(autouse=True)
def _a_label_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(naming.OWNER_LABELS, POLISHES.kind, f"{naming.GROUP}/polish")


class World:
    """A cluster with one resource of that kind, and the operator's parts, which know it by its row alone."""

    def __init__(self, **spec: Any) -> None:
        self.cluster, self.cache, self.queue = FakeCluster(cleaned), Cache([POLISHES]), WorkQueue()
        self.woken: list[Key] = []
        self.loop = a_loop(self.cache, self.cluster, settings(), wake=self.woken.append, table=(*TABLE, ROW))
        self.faults = some_faults(self.cache, self.cluster, [POLISHES])
        self.cluster.put(POLISHES, {"metadata": {"namespace": "shop", "name": "x"}, "spec": spec})
        self.bring()

    def bring(self) -> None:
        """Do as the watches do."""
        for kind in (POLISHES, JOBS, PODS):
            for body in self.cluster.all(kind):
                take(kind, {"type": None, "object": body}, self.cache, self.queue)

    async def reconcile(self) -> datetime | None:
        return await self.faults.guard(KEY, self.loop.reconcile)

    def status(self) -> dict[str, Any]:
        (body,) = self.cluster.all(POLISHES)
        return body.get("status", {})


async def test_it_is_brought_as_far_as_it_goes_and_its_jobs_wake_it():
    world = World()

    assert await world.reconcile() == NOW
    assert world.status() == {"phase": "Running", "message": "polishing"}
    assert world.woken == [WAITS]  # once, though it took several looks

    world.cluster.kubelet()
    world.queue = WorkQueue()
    world.bring()
    assert world.queue.depth() == 1  # what the watches brought was for this key alone
    (job,) = world.cache.jobs_of("shop", OwnerRef(POLISHES.kind, world.cluster.all(POLISHES)[0]["metadata"]["uid"]))
    assert world.cache.owner_of(job) == (POLISHES.kind, "x")

    assert await world.reconcile() is None
    assert world.status() == {"phase": "Polished", "message": "it shines"}
    assert [event["reason"] for event in world.cluster.all(EVENTS)] == ["Polished"]
    assert world.cluster.all(JOBS)[0]["spec"]["ttlSecondsAfterFinished"] == LOG_SECONDS


async def test_a_fault_over_it_is_told_in_its_status():
    world = World(broken=True)
    for _ in range(PATIENCE):
        with pytest.raises(ValueError, match="broken"):
            await world.reconcile()
    (stalled,) = world.status()["conditions"]
    assert (stalled["type"], stalled["reason"]) == ("Stalled", "OperatorFault")


async def test_whoever_was_faster_wins_and_what_he_wrote_is_decided_on():
    world = World()
    faster = {"status": {"phase": "Polished", "message": "by hand"}}
    await world.cluster.patch(POLISHES, "shop", "x", faster, subresource="status")  # the cache is behind

    await world.reconcile()

    assert world.status() == faster["status"]


async def test_one_that_is_gone_is_left_to_its_deletion():
    world = World()
    await world.cluster.delete(POLISHES, "shop", "x", uid=None)
    await world.reconcile()
    assert world.cluster.all(POLISHES) == []


async def test_those_that_wait_for_it_are_woken_also_where_its_own_status_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch,
):
    async def away(*_: object, **__: object) -> None:
        raise Unavailable("busy")

    world = World()
    monkeypatch.setattr(world.cluster, "patch", away)
    with pytest.raises(Unavailable):
        await world.reconcile()
    assert world.woken == [WAITS]


async def test_a_decision_that_never_rests_is_a_fault_and_no_endless_loop():
    def restless(_s: Sources, resource: Resource, _k: Known, _n: datetime) -> Sight:
        number = int(resource.status.get("message", 0)) + 1
        return Sight("shop", Write(PolishStatus(phase="Running", message=str(number))))

    world = World()
    loop = a_loop(world.cache, world.cluster, settings(), table=[Row(POLISHES, restless)])
    with pytest.raises(RuntimeError, match="DatabasePolish shop/x: no rest after 10 steps"):
        await loop.reconcile(KEY)


def test_every_kind_in_the_table_is_watched_and_kept():
    kinds = [row.kind for row in TABLE]
    assert {watch.kind for watch in (*watches.WATCHES, *watches.GATE)} == {*kinds, JOBS, PODS}
    assert all(Cache(kinds).store(kind).all() is not None for kind in kinds)


def test_a_kind_that_says_no_job_and_no_backup_of_its_own_and_decides_on_one_is_a_fault_and_makes_none():
    sight = Sight("shop", Rest())
    with pytest.raises(NotImplementedError, match=ROLE):
        sight.job_of(ROLE)
    with pytest.raises(NotImplementedError, match="orders-1"):
        sight.child_of(MakeBackup("orders-1"))
