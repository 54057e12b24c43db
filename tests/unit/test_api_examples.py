"""docs/examples: each is read by the models; together with e2e/test_api_docs.py nothing there can rot."""

from pathlib import Path

import pytest
from tests import yaml_text

from holdfast import naming
from holdfast.api import crd

EXAMPLES = sorted((Path(__file__).parents[2] / "docs/examples").glob("*.yaml"))
FULL = ("policy-full.yaml", "policy-mysql.yaml", "policy-sqlite.yaml", "policy-rds.yaml")
MODEL = {resource.kind: resource.spec for resource in crd.RESOURCES}


def documents(file):
    return [
        document for document in yaml_text.load_all(file.read_text()) if document["apiVersion"] == naming.API_VERSION
    ]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_the_models_read_every_example(file):
    assert documents(file)
    for document in documents(file):
        MODEL[document["kind"]].model_validate(document["spec"])


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_says_in_its_first_line_what_it_is_for(file):
    assert file.read_text().startswith("# ")


def test_the_quickstart_is_a_policy_and_a_backup_from_it():
    policy, backup = documents(next(file for file in EXAMPLES if file.name == "quickstart.yaml"))
    assert (policy["kind"], backup["kind"]) == ("BackupPolicy", "DatabaseBackup")
    assert backup["spec"]["policyRef"]["name"] == policy["metadata"]["name"]
    assert backup["metadata"]["namespace"] == policy["metadata"]["namespace"]


def test_the_full_policies_together_show_every_field_there_is():
    """One alone cannot: an engine or a method has fields that another must not have."""
    full = [documents(file)[0] for file in EXAMPLES if file.name in FULL]
    assert len(full) == len(FULL)
    root = crd.definition(crd.POLICY)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    served = set(served_paths(root["properties"]["spec"]))
    assert served - {path for policy in full for path in given_paths(policy["spec"])} == set()
    assert len(served) > 50


def served_paths(node, prefix=""):
    for name, child in node.get("properties", {}).items():
        yield f"{prefix}.{name}"
        yield from served_paths(child.get("items", child), f"{prefix}.{name}")


def given_paths(node, prefix=""):
    for name, child in node.items():
        yield f"{prefix}.{name}"
        inner = child[0] if isinstance(child, list) else child
        if isinstance(inner, dict):
            yield from given_paths(inner, f"{prefix}.{name}")
