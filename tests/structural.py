"""The API server's judgement of a value, as far as a structural schema says it: written from its own documentation.

Patterns are RE2's, which is what Go has and CEL's `matches` uses. CEL rules that are no patterns are passed over: they
only ever refuse more, and the models know nothing of them.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import re2

Schema = dict[str, Any]
Place = tuple[str | int, ...]
_MATCHES = re.compile(r"(?:string\(self\)|self)\.matches\('(.*)'\)", re.DOTALL)
_TIME = re2.compile(r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$")


def stored(schema: Schema, value: Any) -> Any:
    """What the API server keeps: no unknown field, no null, each default, and whole numbers as Go writes them."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, list):
        return [stored(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    if "additionalProperties" in schema:
        return {key: stored(schema["additionalProperties"], item) for key, item in value.items() if item is not None}
    fields = schema.get("properties", {})
    given = {name: value.get(name) for name in fields}
    given |= {name: fields[name].get("default") for name, item in given.items() if item is None}
    return {name: stored(fields[name], item) for name, item in given.items() if item is not None}


def leaves(schema: Schema, place: Place = ()) -> Iterator[tuple[Place, Schema]]:
    """Yield every field that holds no others, with its schema."""
    for name, child in schema.get("properties", {}).items():
        yield from leaves(child, (*place, name))
    if "items" in schema:
        yield from leaves(schema["items"], (*place, 0))
    if "additionalProperties" in schema:
        yield from leaves(schema["additionalProperties"], (*place, "key"))
    if not {"properties", "items", "additionalProperties"} & schema.keys():
        yield place, schema


def around(place: Place, value: Any, base: Any = None) -> Any:
    """Return the value at its place, in a copy of the base."""
    if not place:
        return value
    first, *rest = place
    if isinstance(first, int):
        return [around(tuple(rest), value)]
    base = base or {}
    return {**base, first: around(tuple(rest), value, base.get(first))}


def refusals(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """Yield why the API server refuses a value, and where; nothing where it takes it."""
    if not _is_of(schema, value):
        yield f"{path}: not of type {schema.get('type', 'integer or string')}"
        return
    yield from (f"{path}: {why}" for why in (*_limits(schema, value), *_forms(schema, value)))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from refusals(schema["items"], item, f"{path}[{index}]")
    if isinstance(value, dict):
        yield from (f"{path}: {name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, item in value.items():
            below = schema.get("additionalProperties") or schema["properties"][name]
            yield from refusals(below, item, f"{path}.{name}")


def _forms(schema: Schema, value: Any) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"none of {schema['enum']}"
    if isinstance(value, str) or "x-kubernetes-int-or-string" in schema:
        yield from (f"does not match {each}" for each in patterns(schema) if not re2.search(each, str(value)))
    if schema.get("format") == "date-time" and not _is_time(value):
        yield "no time"


def _is_of(schema: Schema, value: Any) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    whole = whole or (isinstance(value, float) and value.is_integer())
    if "x-kubernetes-int-or-string" in schema:
        return whole or isinstance(value, str)
    return {
        "string": isinstance(value, str),
        "integer": whole,
        "number": whole or isinstance(value, float),
        "boolean": isinstance(value, bool),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
    }[schema["type"]]


def _limits(schema: Schema, value: Any) -> Iterator[str]:
    if isinstance(value, int | float) and "type" in schema:
        yield from (f"below {schema['minimum']}" for _ in [0] if value < schema.get("minimum", value))
        yield from (f"above {schema['maximum']}" for _ in [0] if value > schema.get("maximum", value))
    for kind, low, high in (
        (str, "minLength", "maxLength"),
        (list, "minItems", "maxItems"),
        (dict, "minProperties", "maxProperties"),
    ):
        if isinstance(value, kind) and not schema.get(low, 0) <= len(value) <= schema.get(high, len(value)):
            yield f"not {schema.get(low, 0)} to {schema.get(high)} long"


def patterns(schema: Schema) -> Iterator[str]:
    if "pattern" in schema:
        yield schema["pattern"]
    for rule in schema.get("x-kubernetes-validations", ()):
        if found := _MATCHES.fullmatch(rule["rule"]):
            yield found[1].replace("\\'", "'").replace("\\\\", "\\")


def _is_time(text: str) -> bool:
    """Whether Kubernetes' strfmt.IsDateTime is content: with much, for it looks at two parts around a T."""
    parts = text.lower().split("t")
    try:
        datetime.strptime("2000" + parts[0][4:] if parts[0][:4] == "0000" else parts[0], "%Y-%m-%d")  # noqa: DTZ007
    except ValueError:
        return False
    found = _TIME.search(parts[1]) if len(parts) > 1 else None
    return found is not None and found[1] <= "23" and found[2] <= "59" and found[3] <= "59"
