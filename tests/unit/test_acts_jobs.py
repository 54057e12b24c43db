"""What the operator does to Jobs, and asks of the API server: to the very one that was decided about, and it rests."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.builders import NOW
from tests.fake_cluster import FakeCluster
from tests.reconciling import some_leftovers

from holdfast.decide.decision import (
    Act,
    Create,
    Delete,
    DeleteBackup,
    DeleteBackups,
    Do,
    Expire,
    Learn,
    MakeBackup,
    What,
)
from holdfast.decide.seen import Seen
from holdfast.decide.views import ClaimView
from holdfast.kube.errors import Conflict, Refused
from holdfast.kube.kinds import BACKUPS, CLAIMS, JOBS, PODS, Kind
from holdfast.reconcile.acts import Acts
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.sight import Known, Sight

JOB = "orders-1-backup"
BEFORE = {"verify": "a quota"}


def a_body(kind: Kind, name: str, **labels: str) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": name, "labels": labels}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, "spec": {}}


class World:
    """A Job that the operator has seen, and what else there is."""

    def __init__(self) -> None:
        self.cluster, self.cache = FakeCluster(lambda *_: pytest.fail("nothing runs here")), Cache()
        self.cache.put(JOBS, self.cluster.put(JOBS, a_body(JOBS, JOB)))

    async def act(self, act: Act, known: Known | None = None) -> Known | None:
        sight = Sight(
            "shop", Do(act), works={"backup": Seen(JOB, self.cache.job("shop", JOB))},
            job_of=lambda role: a_body(JOBS, f"orders-1-{role}"), child_of=lambda made: a_body(BACKUPS, made.name),
            claim_name="data", source_name="orders-1",
        )  # fmt: skip
        acts = Acts(self.cache, self.cluster, lambda: NOW, some_leftovers(self.cluster))
        return await acts.act(sight, act, known or Known())

    def seen(self) -> Any:
        job = self.cache.job("shop", JOB)
        assert job is not None
        return job

    def meanwhile(self, act: Callable[[], Any], call: str) -> None:
        """Have something happen just before the server's answer to a call comes."""
        asked = getattr(self.cluster, call)

        async def answered(*args: Any, **kwargs: Any) -> Any:
            try:
                return await asked(*args, **kwargs)
            finally:
                act()

        setattr(self.cluster, call, answered)

    def another(self) -> dict[str, Any]:
        """Somebody else's Job has the name by now."""
        return self.cluster.put(JOBS, a_body(JOBS, JOB))


ENDING = {"deleted": Delete, "given a time to live": lambda job: Expire(job, 60)}


@pytest.mark.parametrize("act", ENDING.values(), ids=ENDING.keys())
async def test_a_job_that_is_gone_already_is_forgotten_and_all_goes_on(act: Callable[[Any], Act]):
    world = World()
    await world.cluster.delete(JOBS, "shop", JOB, uid=None)
    assert await world.act(act(world.seen()), Known(pods_listed=True)) == Known(pods_listed=True)
    assert world.cache.job("shop", JOB) is None


async def test_a_strangers_job_that_has_its_name_by_now_is_given_no_time_to_live():
    world = World()
    job = world.seen()
    another = world.another()
    with pytest.raises(Conflict):
        await world.act(Expire(job, 60))
    assert world.cluster.all(JOBS) == [another]


@pytest.mark.parametrize("act", ENDING.values(), ids=ENDING.keys())
async def test_a_job_that_has_its_name_and_was_seen_meanwhile_is_not_forgotten(act: Callable[[Any], Act]):
    world = World()
    job = world.seen()
    await world.cluster.delete(JOBS, "shop", JOB, uid=None)
    world.meanwhile(lambda: world.cache.put(JOBS, world.another()), "delete" if act is Delete else "patch")
    await world.act(act(job))
    assert world.seen().uid != job.uid


async def test_a_job_that_is_being_deleted_tells_of_its_end_itself():
    world = World()
    assert await world.act(Delete(world.seen())) is None
    assert "deletionTimestamp" in world.cluster.all(JOBS)[0]["metadata"]


async def test_the_time_to_live_of_a_job_is_known_at_once():
    world = World()
    await world.act(Expire(world.seen(), 60))
    assert world.cluster.all(JOBS)[0]["spec"] == {"ttlSecondsAfterFinished": 60}
    assert world.seen().ttl_set


MAKING: dict[str, tuple[Act, str]] = {
    "a Job": (Create("cleanup"), "cleanup"),
    "a backup": (MakeBackup("orders-20261122-0200", None, "x", 1), "orders-20261122-0200"),
}


@pytest.mark.parametrize(("act", "name"), MAKING.values(), ids=MAKING.keys())
async def test_a_refusal_is_known_beside_what_was_refused_before(act: Act, name: str, monkeypatch: pytest.MonkeyPatch):
    async def refuses(*_: object, **__: object) -> None:
        raise Refused("denied", 403, terminating=True, unauthorized=True)

    world = World()
    monkeypatch.setattr(world.cluster, "create", refuses)
    known = await world.act(act, Known(refused=BEFORE, pods_listed=True))
    assert known == Known(refused=BEFORE | {name: "denied"}, pods_listed=True, terminating=True, unauthorized=True)


async def test_what_is_there_already_is_looked_at_and_not_made_again():
    world = World()
    held = world.cluster.put(JOBS, a_body(JOBS, "orders-1-cleanup"))
    known = Known(refused=BEFORE)
    assert await world.act(Create("cleanup"), known) is known
    seen = world.cache.job("shop", "orders-1-cleanup")
    assert seen is not None
    assert seen.uid == held["metadata"]["uid"]


async def test_of_several_backups_that_are_to_be_deleted_each_refusal_is_known():
    world = World()
    deleted = []

    async def delete(_kind: Kind, _namespace: str, name: str, **_: object) -> None:
        deleted.append(name)
        if name != "b":
            raise Refused(f"{name} is denied", 403)

    world.cluster.delete = delete  # type: ignore[method-assign]
    act = DeleteBackups(tuple(DeleteBackup(name, f"uid-{name}") for name in "abc"))
    known = await world.act(act, Known(refused=BEFORE))
    assert deleted == ["a", "b", "c"]
    assert known == Known(refused=BEFORE | {"a": "a is denied", "c": "c is denied"})


async def test_a_backup_that_has_its_name_and_was_seen_meanwhile_is_not_forgotten():
    world = World()
    first = world.cluster.put(BACKUPS, a_body(BACKUPS, "x"))
    world.cache.put(BACKUPS, first)
    await world.cluster.delete(BACKUPS, "shop", "x", uid=None)
    world.meanwhile(lambda: world.cache.put(BACKUPS, world.cluster.put(BACKUPS, a_body(BACKUPS, "x"))), "delete")
    await world.act(DeleteBackup("x", first["metadata"]["uid"]))
    assert world.cache.backup("shop", "x") is not None


async def test_a_backup_that_nobody_has_seen_and_that_is_gone_is_no_fault():
    world, known = World(), Known()
    assert await world.act(DeleteBackup("x", "uid-x"), known) is known


async def test_pods_that_may_not_be_listed_for_another_reason_than_a_missing_right_are_an_error():
    def refuses(*_: object, **__: object) -> None:
        raise Refused("denied by a webhook", 403)

    world = World()
    world.cluster.pages = refuses  # type: ignore[assignment]
    with pytest.raises(Refused, match="webhook"):
        await world.act(Learn(What.PODS))


async def test_the_pods_of_its_jobs_are_asked_for_and_no_others():
    world = World()
    for name, job in (("mine", JOB), ("theirs", "another")):
        world.cluster.put(PODS, a_body(PODS, name, **{"batch.kubernetes.io/job-name": job}))
    assert await world.act(Learn(What.PODS), Known(refused=BEFORE)) == Known(refused=BEFORE, pods_listed=True)
    assert [pod.name for pod in world.cache.pods.all()] == ["mine"]


async def test_a_claim_that_is_not_there_is_known_as_that_and_one_that_is_with_who_has_it():
    world = World()
    known = await world.act(Learn(What.CLAIM), Known(pods_listed=True))
    assert known is not None
    assert (known.claim, known.pods_listed) == (ClaimView(None), True)
    world.cluster.put(CLAIMS, a_body(CLAIMS, "data") | {"spec": {"accessModes": ["ReadWriteOnce"]}})
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    world.cluster.put(PODS, a_body(PODS, "app") | {"spec": {"nodeName": "node-1", "volumes": [volume]}})
    known = await world.act(Learn(What.CLAIM))
    assert known is not None
    assert known.claim == ClaimView(("ReadWriteOnce",), (("app", "node-1"),))


async def test_a_backup_that_is_restored_and_is_gone_is_known_as_that_and_one_that_is_there_whole():
    world = World()
    known = await world.act(Learn(What.SOURCE), Known(pods_listed=True))
    assert known == Known(pods_listed=True, source={})
    there = world.cluster.put(BACKUPS, a_body(BACKUPS, "orders-1"))
    assert await world.act(Learn(What.SOURCE)) == Known(source=there)


async def test_why_jobs_have_no_pod_and_as_whom_it_acts_is_remembered_for_all():
    world, known = World(), Known(pods_listed=True)
    assert await world.act(Learn(What.EVENTS), known) is known
    assert world.cache.refusals.read("shop") == NOW
    assert await world.act(Learn(What.SELF), known) is known
    assert world.cache.maker == await world.cluster.who_am_i()
