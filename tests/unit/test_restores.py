"""What restores are to each other: which goes first into a database, and which of them a migration waits for."""

from typing import Any

import pytest
from tests.builders import NOW, ago, policy_dict

from holdfast import clock
from holdfast.api.restore_status import DatabaseRestoreStatus
from holdfast.kube.kinds import BACKUPS, POLICIES, RESTORES
from holdfast.reconcile import restores
from holdfast.reconcile.cache import Cache
from holdfast.reconcile.resource import Resource

ORDERS = {"database": policy_dict()["database"]}
OTHER = {"database": policy_dict()["database"] | {"name": "other"}}
QUEUED = {"phase": "Queued", "resolved": ORDERS}
RUNNING = {"phase": "Running", "resolved": ORDERS, "jobName": "j"}
GONE_WELL = RUNNING | {"phase": "Succeeded"}
SAVING = {"phase": "Pending", "resolved": ORDERS, "safetyBackup": {"name": "before"}}
STARTED = clock.to_text(NOW)


class World:
    """A cache with the restores of a namespace, and of others."""

    def __init__(self) -> None:
        self.cache = Cache()

    def restore(
        self, name: str, seconds_ago: float, status: Any = None, *, namespace: str = "shop", **more: Any
    ) -> None:
        meta = {
            "namespace": namespace, "name": name, "uid": f"uid-{namespace}-{name}", "resourceVersion": "1",
            "creationTimestamp": clock.to_text(ago(seconds_ago)),
        } | more.pop("metadata", {})  # fmt: skip
        spec = {"source": {"backupRef": {"name": "first"}}} | more
        self.cache.put(RESTORES, {"metadata": meta, "spec": spec, "status": status or {}})

    def ahead(self, name: str = "mine", **known: Any) -> str | None:
        resource = self.cache.restores.get("shop", name)
        assert resource is not None
        resolved = resource.status.get("resolved")
        status = DatabaseRestoreStatus.model_construct(**{"resolved": resolved} | known)
        return restores.ahead(self.cache, resource, status)


def a_world(*others: tuple[str, float, Any], mine: Any = QUEUED) -> World:
    world = World()
    world.restore("mine", 60, mine)
    for name, seconds_ago, status in others:
        world.restore(name, seconds_ago, status)
    return world


AHEAD: dict[str, tuple[list[tuple[str, float, Any]], str | None]] = {
    "nobody": ([], None),
    "the one that was asked for before": ([("a", 61, QUEUED)], "a"),
    "the oldest of them, whatever it is called": ([("a", 61, QUEUED), ("z", 62, QUEUED)], "z"),
    "by its name where two are of one moment": ([("a", 60, QUEUED)], "a"),
    "nobody that was asked for later": ([("z", 60, QUEUED), ("a", 59, QUEUED)], None),
    "one that runs, though it was asked for later": ([("a", 61, QUEUED), ("b", 1, RUNNING)], "b"),
    "one whose target is being backed up, too": ([("a", 61, QUEUED), ("b", 1, SAVING)], "b"),
    "the oldest of those that run": ([("a", 1, RUNNING), ("b", 2, RUNNING)], "b"),
    "nobody that has ended": ([("a", 61, RUNNING | {"phase": "Failed"}), ("b", 61, GONE_WELL)], None),
    "nobody that nobody has confirmed": ([("a", 61, QUEUED | {"phase": "AwaitingConfirmation"})], None),
    "nobody of another database": ([("a", 61, {"phase": "Queued", "resolved": OTHER})], None),
    "nobody of which it is not fixed yet": ([("a", 61, {})], None),
}  # fmt: skip


@pytest.mark.parametrize(("others", "first"), AHEAD.values(), ids=AHEAD.keys())
def test_ahead_of_a_restore_is(others: list[tuple[str, float, Any]], first: str | None):
    assert a_world(*others).ahead() == first


@pytest.mark.parametrize(
    "known",
    [{"resolved": None}, {"job_name": "j"}, {"safety_backup": object()}],
    ids=["not fixed", "with its Job", "after its safety backup"],
)
def test_nobody_is_ahead_of_one_that_has_its_turn_or_is_not_fixed_yet(known: dict[str, Any]):
    assert a_world(("a", 61, QUEUED)).ahead(**known) is None
    assert a_world(("a", 61, {}), mine={}).ahead(**known) is None


def test_one_that_is_being_deleted_is_ahead_of_nobody():
    world = a_world()
    world.restore("a", 61, QUEUED, metadata={"deletionTimestamp": STARTED})
    assert world.ahead() is None


def test_one_of_another_namespace_is_told_with_it():
    """Two namespaces may name one server by its whole name."""
    shared = {"database": ORDERS["database"] | {"connection": {"host": "db.shared.svc", "secretName": "db"}}}
    world = World()
    world.restore("mine", 60, {"phase": "Queued", "resolved": shared})
    world.restore("theirs", 61, {"phase": "Queued", "resolved": shared}, namespace="other")
    assert world.ahead() == "other/theirs"


TARGET = {"target": {"databaseName": "other"}}
INTO: dict[str, tuple[list[dict[str, Any]], str | None]] = {
    "no restore": ([], None),
    "one that is fixed to be into its database": ([{"name": "a", "status": QUEUED}], "a"),
    "the oldest": ([{"name": "a", "status": RUNNING}, {"name": "b", "status": RUNNING, "seconds_ago": 61}], "b"),
    "none that is fixed to be into another": ([{"name": "a", "status": {"resolved": OTHER}}], None),
    "one that nobody has looked at, of its backup": ([{"name": "a"}], "a"),
    "none of another policy's backup": ([{"name": "a", "source": {"backupRef": {"name": "foreign"}}}], None),
    "none of a backup that is not there": ([{"name": "a", "source": {"backupRef": {"name": "gone"}}}], None),
    "none that nobody has looked at, and that names a target": ([{"name": "a"} | TARGET], None),
    "none of another namespace that nobody has looked at": ([{"name": "a", "namespace": "other"}], None),
    "none that has ended": ([{"name": "a", "status": RUNNING | {"phase": "Failed"}}], None),
    "none that nobody has confirmed": ([{"name": "a", "status": QUEUED | {"phase": "AwaitingConfirmation"}}], None),
}  # fmt: skip


@pytest.mark.parametrize(("there", "first"), INTO.values(), ids=INTO.keys())
def test_into_the_database_of_a_policy_goes(there: list[dict[str, Any]], first: str | None):
    world = World()
    meta = {"resourceVersion": "1", "uid": "p", "creationTimestamp": STARTED}
    for namespace, name, policy in (
        ("shop", "first", "orders"),
        ("shop", "foreign", "more"),
        ("other", "first", "orders"),
    ):
        named = meta | {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}"}
        world.cache.put(BACKUPS, {"metadata": named, "spec": {"policyRef": {"name": policy}}, "status": {}})
    body = {"metadata": meta | {"namespace": "shop", "name": "orders"}, "spec": policy_dict()}
    world.cache.put(POLICIES, body)
    for each in there:
        world.restore(**{"seconds_ago": 60} | each)
    assert restores.into_policy(world.cache, Resource.of(body)) == first


UNDOES = {"source": {"replacedBy": {"name": "mine"}}}
UNDONE: dict[str, tuple[dict[str, Any], bool]] = {
    "one that puts back what it replaced": ({**UNDOES}, True),
    "none that has ended": (UNDOES | {"status": {"phase": "Succeeded"}}, False),
    "none of another namespace": (UNDOES | {"namespace": "other"}, False),
    "none that puts back what another one replaced": ({"source": {"replacedBy": {"name": "another"}}}, False),
    "none that restores a backup": ({}, False),
}


@pytest.mark.parametrize(("other", "undone"), UNDONE.values(), ids=UNDONE.keys())
def test_a_restore_is_undone_by(other: dict[str, Any], undone: bool):
    world = a_world()
    world.restore(**{"name": "back", "seconds_ago": 1} | other)
    assert restores.undone(world.cache, "shop", "mine") is undone


WAITING: dict[str, tuple[dict[str, Any], bool]] = {
    "one that waits for its turn": ({"status": QUEUED}, True),
    "none that has its turn": ({"status": RUNNING}, False),
    "none that has ended": ({"status": QUEUED | {"phase": "Failed"}}, False),
    "none into another database": ({"status": {"phase": "Queued", "resolved": OTHER}}, False),
    "none of which it is not fixed yet": ({}, False),
    "the one whose work it undoes": ({"name": "undone", "status": RUNNING | {"phase": "Succeeded"}}, True),
    "none of that name in another namespace": ({"name": "undone", "namespace": "other"}, False),
}


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "not fixed yet"])
@pytest.mark.parametrize(("other", "woken"), WAITING.values(), ids=WAITING.keys())
def test_when_a_restore_has_ended_looks_again(other: dict[str, Any], woken: bool, fixed: bool):
    world = World()
    world.restore("mine", 60, QUEUED if fixed else {}, source={"replacedBy": {"name": "undone"}})
    world.restore(**{"name": "other", "seconds_ago": 1} | other)
    resource = world.cache.restores.get("shop", "mine")
    assert resource is not None
    undoes = other.get("name") == "undone"
    assert bool(list(restores.waiting_for(world.cache, resource))) is (woken and (fixed or undoes))


AFTER: dict[str, tuple[dict[str, Any], bool]] = {
    "one that names it": ({"source": {"backupRef": {"name": "b"}}}, True),
    "one that names its policy": ({"source": {"policyRef": {"name": "orders"}}}, True),
    "one whose target it is taken of": ({"status": QUEUED | {"safetyBackup": {"name": "b"}}}, True),
    "none that names another": ({"source": {"backupRef": {"name": "c"}}}, False),
    "none that names another policy": ({"source": {"policyRef": {"name": "more"}}}, False),
    "none that names a folder": ({"source": {"bucket": {}}}, False),
    "none that is fixed": ({"source": {"backupRef": {"name": "b"}}, "status": QUEUED}, False),
    "none of another namespace": ({"source": {"backupRef": {"name": "b"}}, "namespace": "other"}, False),
    "none that has ended": ({"source": {"backupRef": {"name": "b"}}, "status": {"phase": "Failed"}}, False),
}


@pytest.mark.parametrize(("other", "woken"), AFTER.values(), ids=AFTER.keys())
def test_when_a_backup_has_ended_goes_on(other: dict[str, Any], woken: bool):
    world = World()
    world.restore(**{"name": "it", "seconds_ago": 1} | other)
    assert list(restores.of_backup(world.cache, "shop", "b", "orders")) == (["it"] if woken else [])


def test_a_backup_without_a_policy_lets_none_go_on_that_names_no_policy():
    world = World()
    world.restore("it", 1, source={"bucket": {}})
    assert list(restores.of_backup(world.cache, "shop", "b", None)) == []
    assert list(restores.of_backup(world.cache, "shop", "b", "")) == []


POLICIES_OF: dict[str, tuple[dict[str, Any], bool, bool]] = {  # and whether it is of the database, and of production
    "one of it": ({}, True, True),
    "one of it that is of no production": ({"environment": "dev"}, True, False),
    "one of another database": ({"database": OTHER["database"]}, False, True),
    "one that is being deleted": ({"deletionTimestamp": STARTED}, False, False),
    "one of another namespace": ({"namespace": "other"}, False, False),
}


@pytest.mark.parametrize(("changes", "of_it", "of_production"), POLICIES_OF.values(), ids=POLICIES_OF.keys())
def test_the_policies_of_a_database_are_those_of_its_namespace(changes: Any, of_it: bool, of_production: bool):
    cache = Cache()
    meta = {"namespace": "shop", "name": "orders", "uid": "p", "resourceVersion": "1", "creationTimestamp": STARTED}
    spec = policy_dict(environment="production")
    meta |= {key: value for key, value in changes.items() if key in ("namespace", "deletionTimestamp")}
    spec |= {key: value for key, value in changes.items() if key not in ("namespace", "deletionTimestamp")}
    cache.put(POLICIES, {"metadata": meta, "spec": spec})
    assert [each.name for each in restores.policies_of(cache, "shop", ORDERS["database"])] == ["orders"] * of_it
    assert [name for name, _ in restores.of_production(cache, "shop")] == ["orders"] * of_production
