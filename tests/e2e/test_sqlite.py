"""An SQLite file on a claim that its application has mounted: backed up on its node, restored to another path."""

import json
from collections.abc import Iterator

import pytest
from tests import yaml_text
from tests.e2e.world import Manifest, World, backup, until

APPLICATION = "app"
CLAIM = "app-data"
OWNER = 4711
IMAGE = "holdfast-runner-sqlite:3"
# Each order is written with its item in one transaction; what is printed is committed.
WRITER = """
import sqlite3, time
database = sqlite3.connect("/data/app.db", isolation_level=None, timeout=60)
database.execute("pragma journal_mode = wal")
database.executescript("create table orders (n integer primary key); create table items (n integer primary key)")
n = 0
while True:
    n += 1
    database.execute("begin immediate")
    database.execute("insert into orders values (?)", (n,))
    database.execute("insert into items values (?)", (n,))
    database.execute("commit")
    print(n, flush=True)
    time.sleep(0.02)
"""
READER = """
import json, sqlite3
database = sqlite3.connect("/data/restored/app.db")
print(json.dumps([[row[0] for row in database.execute(f"select n from {t} order by n")] for t in ("orders", "items")]))
"""


def a_claim(namespace: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}},
    }


def an_application(namespace: str) -> Manifest:
    container = {
        "name": "app",
        "image": IMAGE,
        "command": ["python", "-c", WRITER],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": OWNER, "runAsGroup": OWNER}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": APPLICATION, "namespace": namespace},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": {**security, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}],
        },
    }


@pytest.fixture
def application(world: World) -> Iterator[str]:
    """The application's Pod, writing; and its claim."""
    world.apply(a_claim(world.backups), an_application(world.backups))
    try:
        until(lambda: written(world), lambda count: count > 0, 60)
        yield APPLICATION
    finally:
        world.kubectl("delete", "pod", "-n", world.backups, APPLICATION, "--now", "--ignore-not-found")
        world.kubectl("delete", "pvc", "-n", world.backups, CLAIM, "--wait=false", "--ignore-not-found")


def written(world: World) -> int:
    """How many orders the application has committed; 0 while it does not run yet."""
    pod = world.kubectl("get", "pod", "-n", world.backups, APPLICATION, "-o", "jsonpath={.status.phase}")
    if pod != "Running":
        return 0
    return len(world.kubectl("logs", "-n", world.backups, APPLICATION, "--tail=-1").split())


@pytest.mark.timeout(240)
def test_a_file_is_backed_up_beside_its_application_and_restored_to_another_path(world: World, application: str):
    # Given an application that writes to its file all the time, on a claim that only one node may mount
    volume = {"claimName": CLAIM, "path": "app.db", "runAsUser": OWNER}
    changes = {"database": {"engine": "sqlite", "name": "app", "connection": None, "volume": volume}}
    world.apply(world.policy(world.backups, "sqlite", changes))
    before = written(world)

    # When it is backed up, and what its status says is applied, with another path
    world.apply(backup(world.backups, "sqlite"))
    status = world.finished(world.backups, "sqlite")
    after = written(world)
    assert status["phase"] == "Succeeded", status
    body = yaml_text.load(status["restore"])
    elsewhere = {"engine": "sqlite", "name": "app", "volume": {**volume, "path": "restored/app.db"}}
    world.apply({**body, "spec": {**body["spec"], "target": {"database": elsewhere}}})
    done = world.restored(world.backups, body["metadata"]["name"])
    assert done["phase"] == "Succeeded", done

    # Then the copy holds every order of one moment, and the Job ran on the application's node, as the file's owner
    orders, items = json.loads(world.kubectl("exec", "-n", world.backups, application, "--", "python", "-c", READER))
    assert orders == items == list(range(1, len(orders) + 1))
    assert before <= len(orders) <= after + 1
    pod = world.get("pod", world.backups, application)
    [job] = world.jobs(world.backups, "sqlite")
    spec = job["spec"]["template"]["spec"]
    assert pod["spec"]["nodeName"] in json.dumps(spec["affinity"])
    assert (spec["securityContext"]["runAsUser"], "fsGroup" in spec["securityContext"]) == (OWNER, False)
    assert world.manifest(status["location"])["artifact"]["format"] == status["resolved"]["dump"]["format"] == "sqlite"
