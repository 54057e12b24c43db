"""The shape of a Job as charts/holdfast/files/job-shape.yaml has it: as CEL for the admission policy, and for Python.

An object at admission is a map, whatever its kind, so CEL can go through its keys: `dyn` keeps the API server's type
check from asking for more. So the list of fields is whole without naming any that it leaves out.
"""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from tests import yaml_text

FILES = Path(__file__).parents[2] / "charts" / "holdfast" / "files"
SHAPE = FILES / "job-shape.yaml"
VALIDATIONS = FILES / "job-validations.yaml"
HEADER = "# Written by tests/chart/refresh.py from job-shape.yaml; do not edit.\n"

NONE = "Holdfast's operator makes no Job with"

Node = dict[str, Any]
KNOWN = {"fields", "items", "required", "is", "any", "rule", "says", "lists", "as"}


@dataclass(frozen=True)
class Place:
    """Where a node stands: in CEL, with what has to be written around a sentence about it, and for people."""

    expression: str
    path: str
    before: str = ""
    after: str = ""
    item: str = ""

    def field(self, name: str) -> "Place":
        return replace(self, expression=f"{self.expression}.{name}", path=f"{self.path}.{name}".removeprefix("."))

    def if_there(self) -> "Place":
        """Absent and null are one: older API servers write some absent lists as null."""
        absent = f"!has({self.expression}) || {self.expression} == null"
        return replace(self, before=f"{self.before}{absent} || (", after=f"){self.after}")

    def each(self) -> "Place":
        name = f"i{self.before.count('.all(')}"
        before, after = f"{self.before}{self.expression}.all({name}, ", f"){self.after}"
        return Place(name, f"{self.path}[]", before, after, item=name)

    def says(self, sentence: str) -> str:
        return f"{self.before}{self.about(sentence)}{self.after}"

    def about(self, sentence: str) -> str:
        return re.sub(r"\bitem\b", self.item, re.sub(r"\bself\b", self.expression, sentence))


@functools.cache
def shape() -> Node:
    root: Node = yaml_text.load(SHAPE.read_text())
    return root


def validations() -> list[dict[str, str]]:
    """Return what the policy asks of a new Job, in the order of the shape."""
    return list(_validations(shape(), Place("variables.job", "")))


def validations_text() -> str:
    return HEADER + yaml.safe_dump(validations(), sort_keys=False, width=110)


def _validations(node: Node, place: Place) -> Iterator[dict[str, str]]:
    assert node.keys() <= KNOWN, f"{place.path}: {sorted(node)}"
    if "fields" in node:
        yield _only(node["fields"], place)
    if "is" in node:
        literal = json.dumps(node["is"])
        yield _asked(place.says(f"self == {literal}"), f"{place.path} {literal}")
    if "rule" in node:
        yield _asked(place.says(node["rule"]), f"{place.path}: {node['says']}", node.get("lists"))
    for name, below in node.get("fields", {}).items():
        yield from _of_a_field(below, place.field(name))
    if "items" in node:
        yield from _validations(node["items"], place.each())


def _of_a_field(below: Node, inner: Place) -> Iterator[dict[str, str]]:
    if "required" in below:
        yield _required(below["required"], inner)
    if "any" in below:
        return
    if below.get("required") is not True:  # what has to be there is asked for above, and refused by itself
        inner = inner.if_there()
    yield from _validations(below, replace(inner, expression=below.get("as", inner.expression)))


def _only(fields: dict[str, Node], place: Place) -> dict[str, str]:
    names = json.dumps(list(fields))
    allowed = place.says(f"self.all(k, k in {names})")
    if place.item:
        return {"expression": allowed, "message": f"{NONE} other fields in {place.path} than {', '.join(fields)}"}
    prefix = f"{place.path}.".removeprefix(".")
    others = place.about(f'self.filter(k, !(k in {names})).map(k, "{prefix}" + k).join(", ")')
    return {"expression": allowed, "messageExpression": f'"{NONE} " + {others}'}


def _required(when: bool | str, place: Place) -> dict[str, str]:
    there = "has(self) && self != null"
    sentence = there if when is True else f"!({when}) || {there}"
    return {"expression": place.says(sentence), "message": f"Holdfast's operator makes no Job without {place.path}"}


def _asked(expression: str, what: str, lists: str | None = None) -> dict[str, str]:
    sentence = f"Holdfast's operator makes Jobs only with {what}"
    if lists:
        return {"expression": expression, "messageExpression": f'{json.dumps(sentence + ": ")} + {lists}.join(", ")'}
    return {"expression": expression, "message": sentence}


def strange(built: Any, node: Node | None = None, path: str = "") -> list[str]:
    """Return what a built Job has that the shape does not: fields, and values where the shape has a constant one."""
    node = shape() if node is None else node
    if "is" in node and built != node["is"]:
        return [f"{path} is {built!r}, and not {node['is']!r}"]
    found: list[str] = []
    for name, value in built.items() if "fields" in node else ():
        inner = f"{path}.{name}".removeprefix(".")
        known = node["fields"].get(name)
        found += [f"{inner} is no field of it"] if known is None else strange(value, known, inner)
    for name, below in node.get("fields", {}).items():
        if below.get("required") is True and name not in built:
            found.append(f"{path}.{name} is missing")
    for number, item in enumerate(built) if "items" in node else ():
        found += strange(item, node["items"], f"{path}[{number}]")
    return found
