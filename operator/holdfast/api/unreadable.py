"""What to say of an object that the API server took and the models refuse: the field, what it should be, what to do.

Where the definitions are of the operator's own release, both take the same (a test holds that), but for what was stored
before a rule was there. So a field that nobody here knows, or one that is missing, tells that they are of another one.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

Schema = dict[str, Any]
M = TypeVar("M", bound=BaseModel)
_NEWER = "upgrade the operator to the release of the CustomResourceDefinitions, or install those of the operator's own"
_OLDER = "install the CustomResourceDefinitions of the operator's own release, which require this field"


class Part(NamedTuple):
    """One of the objects that a resource is read from."""

    model: type[BaseModel]
    root: str  # as people know it
    correct: str  # the remedy for a value in it


def what_is_wrong(error: ValidationError, *parts: Part) -> tuple[str, str]:
    """Return a sentence about the part that cannot be read, and the remedy: pydantic names its model.

    The first part is meant where it names none of them.
    """
    found = next((part for part in parts if part.model.__name__ == error.title), parts[0])
    return explained(error, *found)


def explained(error: ValidationError, model: type[BaseModel], root: str, correct: str) -> tuple[str, str]:
    """Return a sentence about the first thing wrong below `root`, and the remedy; `correct` is that of a value."""
    first = error.errors(include_input=False, include_url=False)[0]
    nodes = list(_along(model.model_json_schema(by_alias=True), first["loc"]))
    path = "".join(part for part, _ in nodes)
    if first["type"] == "extra_forbidden":
        return f"{root}{path} has the field {str(first['loc'][-1])[:64]!r}, which this operator does not know", _NEWER
    if first["type"] == "missing":
        return f"{root}{path} is missing", _OLDER
    says = nodes[-1][1].get("x-message") if nodes else None
    return f"{root}{path}: {says or first['msg']}", correct


def as_far_as_readable(model: type[M], body: Mapping[str, Any]) -> M:
    """Read a model of which no field is required, without the fields that cannot be read."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        wrong = {problem["loc"][0] for problem in error.errors(include_input=False, include_url=False)}
        return model.model_validate({key: value for key, value in body.items() if key not in wrong})


def _along(schema: Schema, place: tuple[int | str, ...]) -> Iterator[tuple[str, Schema]]:
    """Yield each part of a place's path, as people write it, with its schema; the tags of alternatives are no part."""
    node = schema
    for part in place:
        below = _below(schema, node, part)
        if below is None:
            return
        node = below
        yield (f"[{part}]" if isinstance(part, int) else f".{part}"), node


def _below(root: Schema, node: Schema, part: int | str) -> Schema | None:
    found = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
    found = found or (node.get("additionalProperties") if isinstance(part, str) else None)
    return _resolved(root, found) if isinstance(found, dict) else None


def _resolved(root: Schema, node: Schema) -> Schema:
    """Put what a reference points to, and what an optional field is where it is there, in its place."""
    while True:
        choices = [choice for choice in node.get("anyOf", []) if choice.get("type") != "null"]
        if len(choices) == 1:
            node = {**choices[0], **{key: value for key, value in node.items() if key != "anyOf"}}
        elif "$ref" in node:
            rest = {key: value for key, value in node.items() if key != "$ref"}
            node = {**root["$defs"][node["$ref"].rsplit("/", 1)[-1]], **rest}
        else:
            return node
