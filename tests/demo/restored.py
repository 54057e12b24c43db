"""The demo's next scene: a table is gone, and a DatabaseRestore brings it back in the mode Replace."""

import json
from typing import Any

from tests.demo import watch
from tests.demo.errors import DemoError
from tests.demo.narrator import Narrator
from tests.demo.scene import DATABASE, RESTORES, Scene
from tests.stack import kubectl, psql

TABLE = "customers"
_ROWS = f"select count(*) from {TABLE}"


def a_table_comes_back(scene: Scene, backup: str, narrator: Narrator) -> None:
    """Drop a table, restore in the mode Replace, and show that it is back, and how to undo that."""
    before = psql(scene.namespace, DATABASE, _ROWS).strip()
    narrator.say(f"{TABLE} has {before} rows; now somebody runs: drop table {TABLE} cascade")
    psql(scene.namespace, DATABASE, f"drop table {TABLE} cascade")
    body = resource(scene, backup)
    narrator.say(f"kubectl create -f - <<< '{json.dumps(body)}'")
    name = kubectl("create", "-f", "-", "-o=jsonpath={.metadata.name}", stdin=json.dumps(body)).strip()
    status = watch.to_the_end(scene, name, narrator, scene.restore)
    narrator.block(kubectl("get", RESTORES, "-n", scene.namespace).rstrip())
    after = psql(scene.namespace, DATABASE, _ROWS).strip()
    narrator.say(f"{TABLE} has {after} rows again")
    if after != before:
        raise DemoError(f"{TABLE} had {before} rows, and has {after} after the restore")
    narrator.say(f"what was there is kept as {status['replaced']['name']} until {status['replaced']['until']}")
    narrator.say("to have it back, apply what status.undo says:")
    narrator.block(status["undo"].rstrip(), "yaml")


def resource(scene: Scene, backup: str) -> dict[str, Any]:
    """The restore."""
    return {
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "DatabaseRestore",
        "metadata": {"generateName": "orders-back-", "namespace": scene.namespace},
        "spec": {"source": {"backupRef": {"name": backup}}, "mode": "Replace"},
    }
