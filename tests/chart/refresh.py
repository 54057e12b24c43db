"""Write what the chart repeats: the definitions that values.schema.json shares with the models, the README's table,
and the shape of a Job as the admission policy asks for it.

`python -m tests.chart.refresh` writes them anew; `--check` only says which are stale, and exits 1.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from tests import yaml_text
from tests.chart import shape

from holdfast.settings import Defaults

CHART = Path(__file__).parents[2] / "charts" / "holdfast"
SCHEMA = CHART / "values.schema.json"
README = CHART / "README.md"
VALUES = CHART / "values.yaml"
COPY = CHART / "files" / "values.yaml"
OF_VALUES = "# Written by tests/chart/refresh.py from values.yaml; do not edit.\n"
NULL = {"type": "null"}
BEGIN, END = "<!-- values: written by tests/chart/refresh.py -->\n", "<!-- end of values -->"
OF_THE_GENERATOR = ("title", "default")  # what pydantic adds and Helm has no use for


def without_null(schema: Any) -> Any:
    """Return a model's schema as a Helm value has it: absent instead of null, and only standard keywords."""
    if isinstance(schema, list):
        return [without_null(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: without_null(part) for name, part in value.items()} if key == "properties" else without_null(value)
        for key, value in schema.items()
        if key not in OF_THE_GENERATOR and not key.startswith("x-")
    }
    choices = [choice for choice in kept.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        return {**choices[0], **{key: value for key, value in kept.items() if key != "anyOf"}}
    return kept


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Let null stand for every field: what is empty in a values file means its default."""
    here = {key: value for key, value in schema.items() if key not in ("properties", "anyOf", "type", "enum")}
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        here["type"] = [*kinds, *({"null"} - set(kinds))]
    if "enum" in schema:
        here["enum"] = [*schema["enum"], *([] if None in schema["enum"] else [None])]
    if "anyOf" in schema:
        here["anyOf"] = [*schema["anyOf"], *([] if NULL in schema["anyOf"] else [NULL])]
    if "properties" in schema:
        here["properties"] = {name: nullable(field) for name, field in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        here["additionalProperties"] = nullable(schema["additionalProperties"])
    if isinstance(schema.get("items"), dict) and "properties" in schema["items"]:
        here["items"] = {**nullable(schema["items"]), "type": "object"}
    return {key: here[key] for key in [*schema, *here] if key in here}


def definitions() -> dict[str, Any]:
    """Return the schemas of `defaults.storage` and `defaults.job` and of all that they are made of."""
    made: dict[str, Any] = without_null(Defaults.model_json_schema()["$defs"])
    return {name: nullable(schema) for name, schema in made.items()}


def schema_text() -> str:
    document = json.loads(SCHEMA.read_text())
    own = {name: nullable(schema) for name, schema in document["properties"].items()}
    return json.dumps({**document, "properties": own, "$defs": definitions()}, indent=2, ensure_ascii=False) + "\n"


def copied_values() -> str:
    """Return values.yaml as a template can read it: Helm hides the file itself."""
    return OF_VALUES + yaml.safe_dump(yaml_text.load(VALUES.read_text()), sort_keys=False, width=120)


def rows(properties: dict[str, Any], values: dict[str, Any], path: str = "") -> list[tuple[str, str, str]]:
    """Return each value's path, default and description, in the order of values.yaml."""
    table = []
    for name, value in values.items():
        schema = properties[name]
        if "properties" in schema:
            table += rows(schema["properties"], value, f"{path}{name}.")
        else:
            table.append((f"{path}{name}", json.dumps(value), schema["description"]))
    return table


def readme_text() -> str:
    values = yaml_text.load((CHART / "values.yaml").read_text())
    lines = ["| value | default | meaning |", "|---|---|---|"]
    for row in rows(json.loads(SCHEMA.read_text())["properties"], values):
        path, default, meaning = (cell.replace("|", "\\|") for cell in row)
        lines.append(f"| `{path}` | `{default}` | {meaning} |")
    table = BEGIN + "\n".join(lines) + "\n" + END
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: table, README.read_text(), flags=re.DOTALL)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where something is stale")
    check = parser.parse_args(arguments).check
    stale = 0
    for path, make in (
        (SCHEMA, schema_text),
        (README, readme_text),
        (COPY, copied_values),
        (shape.VALIDATIONS, shape.validations_text),
    ):
        text = make()
        if path.exists() and path.read_text() == text:
            continue
        stale += 1
        print(f"{path.name} is stale: run python -m tests.chart.refresh" if check else f"wrote {path.name}")
        if not check:
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
