"""From pydantic's JSON schema to what the API server takes: a structural OpenAPI schema, self-contained and bounded.

It only translates; names, limits, defaults, descriptions and rules all come from the models.
What structural means: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

import copy
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
RULES = "x-kubernetes-validations"
INT_OR_STRING = "x-kubernetes-int-or-string"
_KEPT = (
    "description", "type", "format", "enum", "default", "minimum", "maximum", "minLength", "maxLength", "pattern",
    "minItems", "maxItems", "maxProperties", "required", "properties", "items", "additionalProperties",
)  # fmt: skip


def structural(model: type[BaseModel]) -> Schema:
    """Return the model's schema as the API server takes it. Raises ValueError where the model has no such form."""
    schema = model.model_json_schema(by_alias=True)
    return _translate(schema, schema.get("$defs", {}))


def without_input_rules(schema: Schema) -> Schema:
    """Return it for use in a status: what the operator writes is neither completed nor refused by the API server."""
    kept = {key: value for key, value in schema.items() if key not in ("default", "pattern", "minLength", RULES)}
    return _map_children(kept, without_input_rules)


def filled(schema: Schema, value: object) -> object:
    """Return what the API server makes of a value: an object's absent fields get their defaults, at every depth."""
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    children = schema["properties"]
    given = {name: value.get(name, child.get("default")) for name, child in children.items()}
    return {name: filled(children[name], each) for name, each in given.items() if each is not None}


def _translate(node: Schema, definitions: Schema) -> Schema:
    flat = copy.deepcopy(_flatten(node, definitions))  # YAML would write what is shared as an alias
    if INT_OR_STRING in flat:
        flat = {key: value for key, value in flat.items() if key not in ("type", "minimum")}  # the rule says both
    known = {key: flat[key] for key in _KEPT if key in flat}
    known |= {key: value for key, value in flat.items() if key.startswith("x-kubernetes-")}
    if message := flat.get("x-message"):
        known[RULES] = [*known.get(RULES, []), _as_rule(known, message)]
    if known.get("additionalProperties") is False:
        del known["additionalProperties"]
    if known.get("type") == "integer":
        known.setdefault("format", "int64")
    if known.get("type") == "array":
        known.setdefault("x-kubernetes-list-type", "atomic")
    return _with_plain_default(_map_children(known, lambda child: _translate(child, definitions)))


def _flatten(node: Schema, definitions: Schema) -> Schema:
    """Put what a reference points to, and the one real alternative of an optional field, in its place."""
    if "$ref" in node:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _flatten({**definitions[node["$ref"].rsplit("/", 1)[-1]], **rest}, definitions)
    if "anyOf" not in node:
        return node
    real = [_flatten(choice, definitions) for choice in node["anyOf"] if choice.get("type") != "null"]
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    if INT_OR_STRING not in node and len(real) > 1:
        raise ValueError(f"a structural schema has no room for these alternatives: {real}")
    merged: Schema = {}
    for choice in real:
        merged |= choice
    return merged | rest


def _as_rule(schema: Schema, message: str) -> Schema:
    """Turn a pattern into a rule, so that a person reads a sentence and not a regular expression."""
    text = "string(self)" if INT_OR_STRING in schema else "self"
    pattern = schema.pop("pattern").replace("\\", "\\\\").replace("'", "\\'")
    return {"rule": f"{text}.matches('{pattern}')", "message": message}


def _map_children(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Apply a change to every schema directly below this one."""
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {name: change(child) for name, child in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            result[key] = change(schema[key])
    return result


def _with_plain_default(schema: Schema) -> Schema:
    """Write an object's default as `{}`: its fields' own defaults fill it. One without any needs no default."""
    default = schema.get("default")
    rest = {key: value for key, value in schema.items() if key != "default"}
    if default is None:
        return rest
    if not isinstance(default, dict):
        return schema
    made = filled(schema, {})
    if made != _without_absent(default):
        raise ValueError(f"{default} is not what the fields' own defaults make, {made}: {schema['description']}")
    return {**schema, "default": {}} if made else rest


def _without_absent(value: object) -> object:
    """Drop what is None, and objects that hold nothing else."""
    if not isinstance(value, dict):
        return value
    kept = {name: _without_absent(child) for name, child in value.items() if child is not None}
    return {name: child for name, child in kept.items() if child != {}}
