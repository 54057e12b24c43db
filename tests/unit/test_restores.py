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


@pytest.mark.parametrize("known", [{"resolved": None}, {"job_name": "j"}, {"safety_backup": object()}], ids=str)
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
