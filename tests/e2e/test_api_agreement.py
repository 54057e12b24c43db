"""What a real API server takes, the models take: samples of every field, most of them odd, in one dry run each kind.

The fast tests ask the same of a judge of our own (tests/structural.py); here the judge is judged as well.
"""

import json
import random
import re
from typing import Any

import pytest
from tests import structural
from tests.e2e.kubectl import Kubectl, KubectlError

from holdfast.api import beyond, crd
from holdfast.api.backup import DatabaseBackupSpec
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.restore import DatabaseRestoreSpec

pytestmark = [pytest.mark.usefixtures("crds"), pytest.mark.timeout(120)]

EACH = 8  # samples of a field
DUMP = {"engine": "postgresql", "name": "orders", "connection": {"host": "db", "secretName": "db"}}
BASES: dict[str, Any] = {
    "instance": {
        "environment": "dev",
        "method": "aws-rds",
        "database": {"instance": {"identifier": "orders", "region": "eu-central-1", "secretName": "aws"}},
    },
    "volume": {
        "environment": "dev",
        "database": {"engine": "sqlite", "name": "app", "volume": {"claimName": "data", "path": "a.db"}},
    },
}
STARTS = [
    "",
    "a",
    "1",
    "eu-1",
    "AB",
    "STANDARD",
    "https://s3",
    "::1",
    "10.0.0.1",
    "10Gi",
    "500m",
    "1e9",
    "/a//b",
    "a=b",
]
STARTS += [
    "2026-11-01T00:00:00Z",
    "age1zd5883cj64l8849f66m3724fpavwzaq3pau92lr5fvsgwauxt9lq4px9ek",
    "x" * 70,
    "ä",
    "😀",
]
ENDS = ["", "", "", "\n", " ", "\v", "\x85", "\xa0", "\u2028", "\u0663", "\u3000", "\x00", "\x1b[31m"]


def samples(node: structural.Schema, dice: random.Random) -> list[Any]:
    if node.get("type") == "integer":
        low, high = node["minimum"], node["maximum"]
        return [low - 1, low, float(low), high, high + 1, low + 0.5, str(low), True, 1e21]
    texts = [dice.choice([*STARTS, *node.get("enum", ())]) + dice.choice(ENDS) for _ in range(EACH)]
    return [*texts, *node.get("enum", ())[:1], *([5, 1e21, 2**20, "1Mi"] if "type" not in node else [7])]


BACKUP_REF = {"backupRef": {"name": "orders"}}
# What is BackupPolicy's, and asked of that; and what can stand only in the place of another source.
ELSEWHERE = {"job", "database", "bucket", "replacedBy", "policyRef"}


def base_of(kind: str, place: structural.Place) -> dict[str, Any]:
    if kind == "DatabaseBackup":
        return {"policyRef": {"name": "orders"}}
    if kind == "DatabaseRestore":
        return {"source": {"policyRef": {"name": "orders"}} if place[1:2] == ("before",) else BACKUP_REF}
    return BASES.get(str(place[1]) if place[0] == "database" else "", {"environment": "dev", "database": DUMP})


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("BackupPolicy", BackupPolicySpec),
        ("DatabaseBackup", DatabaseBackupSpec),
        ("DatabaseRestore", DatabaseRestoreSpec),
    ],
)
def test_what_the_api_server_takes_the_models_take(
    kubectl: Kubectl, shared_namespace: str, kind: str, model: Any
) -> None:
    root = crd.root_schema(next(each for each in crd.RESOURCES if each.kind == kind))["properties"]["spec"]
    dice = random.Random(7)
    cases: dict[str, tuple[structural.Place, Any, bool, dict[str, Any]]] = {}
    for place, node in structural.leaves(root):
        if place[0] == "policy" or (kind == "DatabaseRestore" and set(place) & ELSEWHERE):
            continue
        for value in samples(node, dice):
            spec = structural.around(place, value, base_of(kind, place))
            cases[f"case-{len(cases)}"] = (place, value, not list(structural.refusals(node, value)), spec)

    refused = dry_run(kubectl, shared_namespace, kind, {name: case[3] for name, case in cases.items()})

    assert [case for name, case in cases.items() if name not in refused and not case[2]] == []
    taken = {name: case for name, case in cases.items() if name not in refused}
    for place, value, _, spec in taken.values():
        read = model.model_validate(structural.stored(root, spec))
        if kind == "BackupPolicy":
            assert beyond.trouble(read.storage, read.job) is None, (place, value)
    assert len(taken) > len(cases) / 10, "most are odd, but not all"
    assert len(refused) > len(cases) / 10


def dry_run(kubectl: Kubectl, namespace: str, kind: str, specs: dict[str, dict[str, Any]]) -> set[str]:
    """Return the names of those that the API server refuses."""
    bodies = [
        {"apiVersion": "holdfast.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        for name, spec in specs.items()
    ]
    try:
        stream = "\n".join(map(json.dumps, bodies))  # JSON, as YAML has no pairs of surrogates
        kubectl("create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=stream, timeout=100)
    except KubectlError as error:
        said = str(error)
    else:
        return set()
    refused = set(re.findall(r'"(case-\d+)" is invalid', said))
    others = [line for line in said.splitlines() if line.lower().startswith("error") and "is invalid" not in line]
    assert others == [], "each is refused for itself"
    return refused
