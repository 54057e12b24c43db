"""The queue, with the API server: whatever dies or is refused, no more run than may, and everybody's turn comes."""

import asyncio
from collections import Counter, deque
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, a_success, policy_dict, settings
from tests.fake_cluster import FakeCluster
from tests.mortal import Killed, Mortal
from tests.reconciling import a_loop

from holdfast import clock, naming
from holdfast.contract.task import BackupTask
from holdfast.handlers.watches import take
from holdfast.kube.errors import Refused, Unavailable
from holdfast.kube.kinds import BACKUPS, EVENTS, JOBS, PODS, POLICIES, Kind
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.queue import Key
from holdfast.settings import Queue

KINDS = (POLICIES, BACKUPS, JOBS, PODS)
Body = dict[str, Any]


class Cluster(FakeCluster):
    """Three policies of two servers, and a watch: what changes is brought to whoever listens."""

    def __init__(self) -> None:
        super().__init__(lambda _, task: a_success(task=task if isinstance(task, BackupTask) else None))
        self.events: deque[tuple[Kind, str, Body]] = deque()
        self.most: Counter[str] = Counter()
        for name, host in (("orders", "db"), ("users", "db.shop.svc"), ("blog", "another")):
            self.a_policy(name, host)

    def a_policy(self, name: str, host: str) -> None:
        database = {"engine": "postgresql", "name": name, "connection": {"host": host, "secretName": name}}
        self.put(POLICIES, {"metadata": {"namespace": "shop", "name": name}, "spec": policy_dict(database=database)})

    def asked(self, name: str, policy: str = "orders", *, second: int = 0, slot: bool = False) -> None:
        labels = {naming.LABEL_SLOT: "20261122-0200"} if slot else {}
        created = clock.to_text(NOW + timedelta(seconds=second))
        meta = {"namespace": "shop", "name": name, "uid": f"u-{name}", "creationTimestamp": created, "labels": labels}
        self.put(BACKUPS, {"metadata": meta, "spec": {"policyRef": {"name": policy}}})

    def put(self, kind: Kind, body: Body) -> Body:
        answer = super().put(kind, body)
        if kind in KINDS:
            self.events.append((kind, "MODIFIED", answer))
        if kind == BACKUPS:
            running = [each for each in self.all(BACKUPS) if has_a_place(each)]
            self.most["all"] = max(self.most["all"], len(running))
            for server, count in Counter(map(server_of, running)).items():
                self.most[server] = max(self.most[server], count)
        return answer

    async def delete(self, kind: Kind, namespace: str, name: str, **how: Any) -> None:
        body = self.objects[kind.kind, namespace, name]
        await super().delete(kind, namespace, name, **how)
        self.events.append((kind, "DELETED", body))

    def status(self, name: str) -> Body:
        status: Body = self.objects[BACKUPS.kind, "shop", name].get("status", {})
        return status

    def phases(self) -> dict[str, str]:
        return {body["metadata"]["name"]: body.get("status", {}).get("phase", "") for body in self.all(BACKUPS)}


def has_a_place(body: Body) -> bool:
    status = body.get("status", {})
    return "backupID" in status and status["phase"] not in ("Succeeded", "Failed")


def server_of(body: Body) -> str:
    return "another" if body["spec"]["policyRef"]["name"] == "blog" else "db"


class Operator:
    """One that has just begun: its cache holds what there is, and its watches bring what changes."""

    def __init__(self, cluster: Cluster, client: Any = None, limits: Queue | None = None) -> None:
        self.cluster, self.cache, self.keys = cluster, Cache(limits=limits), deque[Key]()
        self.failures: list[Exception] = []
        self.not_yet: tuple[str, ...] = ()
        self.now = NOW
        cluster.events.clear()
        self.loop = a_loop(self.cache, client or cluster, settings(), wake=self.add, now=lambda: self.now)
        for kind in KINDS:
            for body in cluster.all(kind):
                take(kind, {"object": body}, self.cache, self)  # type: ignore[arg-type]

    def add(self, key: Key) -> None:
        if key not in self.keys and key.name not in self.not_yet:
            self.keys.append(key)

    async def rest(self) -> None:
        """Work until nothing is left to do."""
        for _ in range(1000):
            while self.cluster.events:
                kind, what, body = self.cluster.events.popleft()
                take(kind, {"type": what, "object": body}, self.cache, self)  # type: ignore[arg-type]
            if not self.keys:
                return
            try:
                await self.loop.reconcile(self.keys.popleft())
            except (Refused, Unavailable) as error:
                self.failures.append(error)
        pytest.fail("it never rests")


async def test_a_second_backup_of_a_server_waits_says_for_which_and_has_nothing_fixed_and_no_job():
    cluster = Cluster()
    cluster.asked("first")
    cluster.asked("second", "users", second=1)
    await Operator(cluster).rest()

    waits = cluster.status("second")
    assert (waits["phase"], waits["queue"]) == ("Queued", {"since": clock.to_text(NOW), "position": 1})
    assert waits["message"] == (
        "1st in the queue: at most 1 backup of server db.shop.svc:5432 runs at a time; "
        f"waits for shop/first, which runs since {clock.to_text(NOW)}"
    )
    assert {"backupID", "resolved", "startedAt", "podWanted", "jobName"} & waits.keys() == set()
    assert [job["metadata"]["labels"]["holdfast.dev/backup"] for job in cluster.all(JOBS)] == ["first"]
    assert cluster.all(EVENTS) == []


async def test_when_one_ends_the_next_begins_as_its_policy_is_by_then():
    cluster = Cluster()
    cluster.asked("first")
    cluster.asked("second", second=1)
    operator = Operator(cluster)
    await operator.rest()
    await cluster.patch(POLICIES, "shop", "orders", {"spec": {"storage": {"s3": {"bucket": "another"}}}})
    await operator.rest()
    cluster.kubelet()
    await operator.rest()

    assert cluster.phases() == {"first": "Succeeded", "second": "Pending"}
    assert cluster.status("second")["location"].startswith("s3://another/")
    assert "queue" not in cluster.status("second")


@pytest.mark.parametrize("how", ["deleted", "failed by hand", "unreadable"])
async def test_whoever_goes_gives_its_place_to_the_next(how: str):
    cluster = Cluster()
    cluster.asked("first")
    cluster.asked("second", second=1)
    operator = Operator(cluster)
    await operator.rest()
    body = cluster.objects[BACKUPS.kind, "shop", "first"]
    if how == "deleted":
        await cluster.delete(BACKUPS, "shop", "first", uid=None)
    elif how == "failed by hand":
        cluster.put(BACKUPS, body | {"status": body["status"] | {"phase": "Failed"}})
    else:
        cluster.put(BACKUPS, {**body, "metadata": {key: body["metadata"][key] for key in ("namespace", "name")} | {
            "uid": ["none"], "resourceVersion": "0"}})  # fmt: skip
    await operator.rest()
    assert cluster.status("second")["phase"] == "Pending"
    assert cluster.status("second")["backupID"]


async def test_one_that_waits_can_be_deleted_and_the_others_go_on():
    cluster = Cluster()
    for number, name in enumerate(("first", "second", "third")):
        cluster.asked(name, second=number)
    operator = Operator(cluster)
    await operator.rest()
    await cluster.delete(BACKUPS, "shop", "second", uid=None)
    cluster.kubelet()
    await operator.rest()
    assert cluster.phases() == {"first": "Succeeded", "third": "Pending"}


async def test_a_person_goes_before_a_schedule_and_who_came_first_before_who_came_later():
    cluster = Cluster()
    cluster.asked("runs")
    operator = Operator(cluster)
    await operator.rest()
    cluster.asked("by-schedule", second=1, slot=True)
    cluster.asked("late", second=3)
    cluster.asked("early", second=2)
    order = []
    for _ in range(4):
        await operator.rest()
        order += [name for name, phase in cluster.phases().items() if phase == "Pending"]
        cluster.kubelet()
    assert order == ["runs", "early", "late", "by-schedule"]


async def test_a_policy_that_goes_takes_its_backups_out_of_the_queue_and_its_return_brings_them_back():
    cluster = Cluster()
    cluster.asked("first")
    cluster.asked("second", "users", second=1)
    operator = Operator(cluster)
    await operator.rest()
    await cluster.delete(POLICIES, "shop", "users", uid=None)
    await operator.rest()
    assert (cluster.status("second")["phase"], "queue" in cluster.status("second")) == ("Pending", False)
    assert "users does not exist" in cluster.status("second")["message"]
    cluster.a_policy("users", "another")
    await operator.rest()
    assert cluster.status("second")["backupID"]


async def test_a_policy_that_is_given_another_server_has_its_backups_wait_there():
    cluster = Cluster()
    cluster.asked("first")
    cluster.asked("second", "users", second=1)
    cluster.asked("third", "users", second=2)
    operator = Operator(cluster)
    await operator.rest()
    assert cluster.phases() == {"first": "Pending", "second": "Queued", "third": "Queued"}
    moved = {"database": {"connection": {"host": "another"}}}
    await cluster.patch(POLICIES, "shop", "users", {"spec": moved})
    await operator.rest()
    assert cluster.phases() == {"first": "Pending", "second": "Pending", "third": "Queued"}


async def test_who_waits_costs_one_write_and_none_each_time_that_another_ends():
    cluster = Cluster()
    for number in range(30):
        cluster.asked(f"b{number:02}", second=number)
    operator = Operator(cluster)
    await operator.rest()
    before = {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in cluster.all(BACKUPS)}
    cluster.kubelet()
    await operator.rest()
    after = {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in cluster.all(BACKUPS)}
    assert [name for name in before if before[name] != after[name]] == ["b00", "b01"]
    assert cluster.status("b29")["queue"]["position"] == 11
    assert cluster.status("b29")["message"] == (
        "waits in the queue behind more than 10 others: at most 1 backup of server db.shop.svc:5432 runs at a time"
    )


async def test_those_that_come_soon_are_told_anew_each_minute():
    cluster = Cluster()
    for number in range(12):
        cluster.asked(f"b{number:02}", second=number)
    operator = Operator(cluster)
    await operator.rest()
    due = [await operator.loop.reconcile(Key(BACKUPS.kind, "shop", name)) for name in ("b01", "b10", "b11")]
    assert due == [NOW + timedelta(minutes=1), NOW + timedelta(minutes=1), None]
    await cluster.delete(BACKUPS, "shop", "b01", uid=None)
    await operator.rest()
    assert cluster.status("b02")["queue"]["position"] == 2
    operator.now += timedelta(minutes=1)
    await operator.loop.reconcile(Key(BACKUPS.kind, "shop", "b02"))
    assert cluster.status("b02")["queue"] == {"since": clock.to_text(NOW), "position": 1}


@pytest.mark.parametrize("answered", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", range(1, 22))
async def test_an_operator_that_dies_at_any_call_breaks_no_limit_and_loses_nobodys_turn(call: int, answered: bool):
    cluster, limits = Cluster(), Queue(max_running=2)
    for number, policy in enumerate(("orders", "users", "blog", "blog")):
        cluster.asked(f"b{number}", policy, second=number, slot=number % 2 == 0)
    mortal = Mortal(cluster, call, answered)
    for _ in range(8):
        try:
            operator = Operator(cluster, mortal, limits)
            await operator.rest()
            cluster.kubelet()
            await operator.rest()
        except Killed:
            continue
    assert set(cluster.phases().values()) == {"Succeeded"}
    assert cluster.most == {"all": 2, "db": 1, "another": 1}
    assert len(cluster.ran) == 4


@pytest.mark.parametrize("landed", [False, True], ids=["and was not written", "and was written"])
async def test_a_write_whose_answer_is_lost_breaks_no_limit(landed: bool):
    cluster = Cluster()
    cluster.asked("first")
    cluster.asked("second", second=1)

    class Lossy:
        lost = False

        def __getattr__(self, name: str) -> Any:
            return getattr(cluster, name)

        async def patch(self, kind: Kind, namespace: str, name: str, body: Body, **more: Any) -> Any:
            if self.lost or "backupID" not in body.get("status", {}):
                return await cluster.patch(kind, namespace, name, body, **more)
            self.lost = True
            if landed:
                await cluster.patch(kind, namespace, name, body, **more)
            raise Unavailable("no answer within 10 s")

    operator = Operator(cluster, Lossy())
    await operator.rest()
    assert len(operator.failures) == 1
    operator.add(Key(BACKUPS.kind, "shop", "first"))  # the queue tries it again
    await operator.rest()
    assert cluster.phases() == {"first": "Pending", "second": "Queued"}
    assert cluster.most["db"] == 1


@pytest.mark.parametrize("last", [(), ("b0", "b1")], ids=["before the others come", "when the others rest"])
async def test_those_that_the_api_server_refuses_to_write_hold_nobody_up(last: tuple[str, ...]):
    cluster = Cluster()
    for number in range(4):
        cluster.asked(f"b{number}", second=number)

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(cluster, name)

        async def patch(self, kind: Kind, namespace: str, name: str, body: Body, **more: Any) -> Any:
            if name in ("b0", "b1"):
                raise Refused("admission webhook denied the request", 403)
            return await cluster.patch(kind, namespace, name, body, **more)

    operator = Operator(cluster, Refusing())
    operator.keys, operator.not_yet = deque(key for key in operator.keys if key.name not in last), last
    await operator.rest()
    operator.keys, operator.not_yet = deque(Key(BACKUPS.kind, "shop", name) for name in last), ()
    await operator.rest()
    assert cluster.phases() == {"b0": "", "b1": "", "b2": "Pending", "b3": "Queued"}


async def test_two_that_are_looked_at_at_once_do_not_both_begin():
    cluster = Cluster()
    cluster.asked("first")
    cluster.asked("second")

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(cluster, name)

        async def patch(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return await cluster.patch(*args, **kwargs)

    operator = Operator(cluster, Slow())
    await asyncio.gather(*(operator.loop.reconcile(Key(BACKUPS.kind, "shop", name)) for name in ("first", "second")))
    assert cluster.phases() == {"first": "Pending", "second": "Queued"}
