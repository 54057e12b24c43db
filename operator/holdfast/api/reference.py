"""The field reference for people, `docs/reference/resources.md`: every field of every resource, from its definition.

It reads the generated schema and knows no field by name, but for the two that hold a whole policy again.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from holdfast.api.schema import INT_OR_STRING, RULES, Schema

WHOLE_POLICY = ("spec.policy", "status.resolved")
_HEAD = """<!-- Generated from operator/holdfast/api; do not edit: run `make generate`. -->
# Resources

All fields of Holdfast's resources, as `kubectl explain` shows them. A field in **bold** is required. The operator
writes the fields of `status`. Fields for durations and sizes have the unit in their name; times are UTC.

The API server refuses a wrong value with a sentence that names the field and what it takes. It refuses unknown fields
too, as long as kubectl validates strictly, which is its default.
"""


def page(definitions: list[dict[str, Any]]) -> str:
    """Return the page, Markdown."""
    return "\n".join([_HEAD, *(_chapter(each["spec"]) for each in definitions)])


def _chapter(spec: dict[str, Any]) -> str:
    names, version = spec["names"], spec["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    columns = [(f"{item['name']} (wide)" if item.get("priority") else item["name"], item["description"])
               for item in version["additionalPrinterColumns"]]  # fmt: skip
    return "\n".join([
        f"## {names['kind']}\n",
        f"{schema['description']}\n",
        f"{_access(spec)}\n",
        *(_fields(part, schema["properties"][part]) for part in ("spec", "status")),
        "### Rules\n",
        *_grouped(_rules("", schema)),
        "",
        "### Columns of `kubectl get`\n",
        *table(("Column", "What it shows"), columns),
        "",
    ])  # fmt: skip


def _access(spec: dict[str, Any]) -> str:
    names, version = spec["names"], spec["versions"][0]
    selectable = ", ".join(f"`{item['jsonPath'][1:]}`" for item in version["selectableFields"])
    return (
        f"`apiVersion: {spec['group']}/{version['name']}`, namespaced; `kubectl get {names['plural']}`, or "
        f"`{names['shortNames'][0]}` for short. `--field-selector` selects by {selectable}."
    )


def _fields(part: str, schema: Schema) -> str:
    rows = [
        (f"**`{path}`**" if required else f"`{path}`", _type(field), _limits(field), field["description"])
        for path, field, required in _walk(part, schema)
    ]
    title = f"### `{part}`\n\n{schema['description']}\n"
    return "\n".join([title, *table(("Field", "Type", "Takes", "What it says"), rows), ""])


def _walk(path: str, schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    for name, child in schema.get("properties", {}).items():
        below = f"{path}.{name}"
        yield below, child, name in schema.get("required", [])
        if below not in WHOLE_POLICY:
            yield from _walk(f"{below}[]" if "items" in child else below, child.get("items", child))


def _rules(path: str, schema: Schema) -> Iterator[tuple[str, str]]:
    for rule in schema.get(RULES, []):
        yield (path + rule.get("fieldPath", "")).lstrip("."), rule["message"]
    children = {f".{name}": child for name, child in schema.get("properties", {}).items()}
    children |= {mark: schema[key] for mark, key in (("[]", "items"), (".*", "additionalProperties")) if key in schema}
    for name, child in children.items():
        if (path + name).lstrip(".") not in WHOLE_POLICY:
            yield from _rules(path + name, child)


def _grouped(rules: Iterable[tuple[str, str]]) -> list[str]:
    paths: dict[str, list[str]] = {}
    for path, message in rules:
        paths.setdefault(message, []).append(f"`{path}`")
    return [f"- {', '.join(where)}: {message}." for message, where in paths.items()]


def _type(field: Schema) -> str:
    if INT_OR_STRING in field:
        return "quantity"
    if "items" in field:
        return f"list, each {_type(field['items'])}"
    if "additionalProperties" in field:
        return f"map, each {_type(field['additionalProperties'])}"
    return "time" if field.get("format") == "date-time" else str(field["type"])


def _limits(field: Schema) -> str:
    """Say what a field takes: its words, range and longest form."""
    said = [f"`{word}`" for word in field.get("enum", [])]
    said = [" ".join(said)] if said else []
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None:
        said.append(f"{low} to {high}" if high is not None else f"at least {low}")
    units = (("maxLength", "characters"), ("maxItems", "items"), ("maxProperties", "entries"))
    said += [f"at most {field[key]} {unit}" for key, unit in units if key in field]
    return "; ".join(said)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a table's lines, Markdown."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in [head, tuple("-" * len(head)), *rows]]
    return [f"| {' | '.join(row)} |" for row in escaped]
