"""A task that nobody has thought of yet has the life of every Job, and decide, reconcile and cache need not know it."""

from typing import Any

import pytest
from tests.builders import NOW, UID, a_failure, a_job, a_policy, a_success, settings
from tests.fake_cluster import FakeCluster
from tests.reconciling import some_leftovers

from holdfast.api.job import LOG_SECONDS
from holdfast.contract import task as tasks
from holdfast.contract.paths import CONTAINER, TASK_VARIABLE
from holdfast.contract.report import Outcome, Report
from holdfast.contract.task import CleanupTask, Task
from holdfast.decide import job_life
from holdfast.decide.decision import Create, Do, Expire, Learn, What
from holdfast.decide.job_life import GivenUp, Over, Step, Work
from holdfast.decide.resolve import resolve
from holdfast.decide.seen import Asked, Seen
from holdfast.decide.views import OwnerRef
from holdfast.errors import Reason
from holdfast.kube.errors import Refused
from holdfast.kube.kinds import JOBS, PODS
from holdfast.reconcile.acts import Acts
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.sight import Known, Sight

POLISH = "polish"
NAME = "orders-1-polish"
BACKUPS_OWN, ANOTHER_KINDS = OwnerRef("DatabaseBackup", UID), OwnerRef("DatabasePolish", UID)
OWNERS = pytest.mark.parametrize("owner", [BACKUPS_OWN, ANOTHER_KINDS], ids=["a backup's", "of a kind made up as well"])


def work_of(owner: OwnerRef) -> Work:
    return Work(POLISH, owner, resolve(a_policy(), settings()).job)


def polish_job(whose: OwnerRef) -> dict[str, Any]:
    """What its builder in reconcile's table makes: a Job of any task that a runner knows."""
    s3 = resolve(a_policy(), settings()).storage.s3
    task = CleanupTask(backup_uid=UID, s3=s3, key_prefix="a/b/c/", deadline_seconds=600)
    owner = {"apiVersion": "holdfast.dev/v1alpha1", "kind": whose.kind, "name": "x", "uid": whose.uid}
    labels = {"app.kubernetes.io/managed-by": "holdfast"}
    env = [{"name": TASK_VARIABLE, "value": tasks.to_environment(task)}]
    pod = {"containers": [{"name": CONTAINER, "image": "runner:1", "env": env}]}
    return {
        "metadata": {"namespace": "shop", "name": NAME, "labels": labels,
                     "ownerReferences": [owner | {"controller": True}]},
        "spec": {"template": {"metadata": {"labels": labels}, "spec": pod}},
    }  # fmt: skip


def cleaned(_image: str, _task: Task) -> Report:
    return a_success().model_copy(update={"kind": POLISH, "backup": None})


class Life:
    """What a reconciler of that task would be: look, ask for the next step, do it."""

    def __init__(self, cluster: FakeCluster, owner: OwnerRef = BACKUPS_OWN) -> None:
        self.cluster, self.cache, self.known, self.work = cluster, Cache(), Known(), work_of(owner)
        self.acts = Acts(self.cache, cluster, lambda: NOW, some_leftovers(cluster))

    async def step(self) -> Step:
        for kind in (JOBS, PODS):
            for body in self.cluster.all(kind):
                self.cache.put(kind, body)
        job, pods = self.cache.job("shop", NAME), tuple(self.cache.pods_named("shop", NAME))
        seen = Seen(NAME, job, pods, self.known.refused.get(POLISH))
        step = job_life.step(self.work, seen, Asked(self.known.pods_listed), NOW)
        if isinstance(step, Do):
            sight = Sight("shop", step, {POLISH: seen}, lambda _: polish_job(self.work.owner))
            self.known = await self.acts.act(sight, step.act, self.known) or self.known
        return step


@OWNERS
async def test_it_is_made_followed_read_and_let_go(owner: OwnerRef):
    cluster = FakeCluster(cleaned)
    life = Life(cluster, owner)

    assert await life.step() == Do(Create(POLISH))
    assert isinstance(await life.step(), job_life.Starting)
    cluster.kubelet()
    step = await life.step()

    assert isinstance(step, Over)
    assert step.end.report.outcome is Outcome.SUCCEEDED
    job = life.cache.job("shop", NAME)
    tidied = job_life.tidied(Seen(NAME, job), owner, LOG_SECONDS)
    assert tidied == Do(Expire(job, LOG_SECONDS))
    await life.acts.act(Sight("shop", tidied), tidied.act, Known())
    assert cluster.all(JOBS)[0]["spec"]["ttlSecondsAfterFinished"] == LOG_SECONDS
    assert job_life.tidied(Seen(NAME, life.cache.job("shop", NAME)), owner, LOG_SECONDS) is None


async def test_its_failure_comes_with_the_runners_own_reason():
    cluster = FakeCluster(lambda *_: a_failure(Reason.STORAGE_UNAVAILABLE))
    life = Life(cluster)
    await life.step()
    cluster.kubelet()
    step = await life.step()
    assert isinstance(step, Over)
    assert step.end.report.failure.reason == Reason.STORAGE_UNAVAILABLE


async def test_a_job_that_the_api_server_refuses_is_told(monkeypatch: pytest.MonkeyPatch):
    cluster = FakeCluster(cleaned)

    async def refuse(*_: object) -> None:
        raise Refused("exceeded quota: count/jobs.batch", 403)

    monkeypatch.setattr(cluster, "create", refuse)
    life = Life(cluster)
    await life.step()
    step = await life.step()
    assert isinstance(step, job_life.Hindered)
    assert step.by.reason == Reason.JOB_REFUSED
    assert "exceeded quota" in step.by.message


def test_nothing_was_asked_until_somebody_has_asked():
    seen = Seen(NAME, a_job(name=NAME, complete=True))
    assert job_life.step(work_of(BACKUPS_OWN), seen, Asked(), NOW) == Do(Learn(What.PODS))


@OWNERS
@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param({"owner": None}, id="nobody's"),
        pytest.param({"owner": "somebody"}, id="another uid"),
        pytest.param({"kind": "DatabaseRestore"}, id="the same uid, and another kind"),
    ],
)
@pytest.mark.parametrize("ended", [True, False], ids=["ended", "running"])
def test_a_strangers_job_is_neither_followed_nor_touched(owner: OwnerRef, stranger: dict[str, Any], ended: bool):
    seen = Seen(NAME, a_job(**{"name": NAME, "complete": ended, "kind": owner.kind, **stranger}))
    assert isinstance(job_life.step(work_of(owner), seen, Asked(pods=True), NOW), GivenUp)
    assert job_life.tidied(seen, owner, LOG_SECONDS) is None
