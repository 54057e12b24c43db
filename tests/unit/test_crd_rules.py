"""Each rule by which the API server refuses a resource has an example that it refuses: tests/e2e/test_api_input.py.

The API server alone can run a rule; what is asked here is that none is left out there.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import yaml_text
from tests.e2e import test_api_input as examples

CRDS = sorted((Path(__file__).parents[2] / "crds").glob("*.yaml"))
FIXED = (
    "policyRef",
    "policy",
    "label",
    "reason",
    "purpose",
    "release",
)  # each with cases of its own: test_what_a_backup_is_cannot_change


def rules() -> dict[str, str]:
    """Each sentence that a rule says, with the place where it is said first."""
    found: dict[str, str] = {}
    for path in CRDS:
        version = yaml_text.load(path.read_text())["spec"]["versions"][0]
        for place, message in _below(path.name.partition(".")[0], version["schema"]["openAPIV3Schema"]):
            found.setdefault(message, place)
    return found


def _below(place: str, schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", []):
        yield place, rule["message"]
    for name, child in schema.get("properties", {}).items():
        yield from _below(f"{place}.{name}", child)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _below(f"{place}[]", schema[key])


RULES = rules()
REFUSED = [
    *(
        refusal
        for _, refusal in (
            *examples.WRONG_POLICIES.values(),
            *examples.WRONG_BACKUPS.values(),
            *examples.WRONG_RESTORES.values(),
        )
    ),
    *(f"the name of a {kind} has at most" for kind in ("BackupPolicy", "DatabaseBackup", "DatabaseRestore")),
    examples.RESTORES_ONCE,
    *(examples.FORBIDDEN.format(field).removeprefix("Forbidden: ") for field in FIXED),
]


@pytest.mark.parametrize("message", RULES, ids=RULES.values())
def test_each_rule_has_an_example_that_it_refuses(message: str):
    # an example may say the beginning of a sentence only, but not just the field
    assert any(_sentence(refusal) in message or message in refusal for refusal in REFUSED), (
        f"{RULES[message]}: no wrong resource in tests/e2e/test_api_input.py is refused with: {message}"
    )


def _sentence(refusal: str) -> str:
    """A refusal without the fields and the kind of error before it."""
    sentence = refusal.removeprefix("Forbidden: ")
    while ": " in sentence and (sentence.startswith(("spec", "metadata", "Required value: "))):
        sentence = sentence.partition(": ")[2]
    return sentence if len(sentence.split()) >= 4 else "\0"


def test_the_rules_are_found_at_all():
    assert len(RULES) > 60


def _set_somewhere(parts: list[str], node: Any) -> bool:
    """Whether an object has a field at this path."""
    if not parts:
        return True
    if parts[0] == "[]":
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
        return any(_set_somewhere(parts[1:], child) for child in children)
    return isinstance(node, dict) and parts[0] in node and _set_somewhere(parts[1:], node[parts[0]])


@functools.cache
def _accepted() -> list[dict[str, Any]]:
    """What the e2e tests have the API server accept: the good ones, and every example of the docs."""
    folder = CRDS[0].parents[1] / "docs" / "examples"
    documented = [one for path in sorted(folder.glob("*.yaml")) for one in yaml_text.load_all(path.read_text())]
    return [*examples.GOOD.values(), *documented]


@pytest.mark.parametrize("place", sorted(set(RULES.values())))
def test_each_field_with_a_rule_is_set_in_an_example_that_is_accepted(place: str):
    parts = place.replace("[]", ".[]").split(".")[1:]
    policy = list(parts[parts.index("policy") + 1 :]) if "policy" in parts[:2] else None
    ways = [parts, *([["spec", *policy]] if policy else [])]
    assert any(_set_somewhere(way, one) for way in ways for one in _accepted())
