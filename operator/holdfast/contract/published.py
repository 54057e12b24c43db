"""The manifests' form, published: `python -m holdfast.contract.published [--check] DIR`.

DIR is the root of the checkout. It writes the JSON Schemas for programs, of a dump's manifest and of a snapshot's, and
the page for people, all from the models.
Nothing imports it at run time.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from holdfast.api import generated
from holdfast.api.reference import table
from holdfast.contract.manifest import Manifest, ManifestDocument
from holdfast.contract.snapshot import SnapshotManifest

Schema = dict[str, Any]

SCHEMA = Path("docs/reference/manifest.schema.json")
SNAPSHOT_SCHEMA = Path("docs/reference/snapshot-manifest.schema.json")
PAGE = Path("docs/reference/manifest.md")
_HEAD = """<!-- Generated from operator/holdfast/contract/manifest.py; do not edit: run `make generate`. -->
# The manifest

`manifest.json` lies beside the artifact, in the backup's folder in the bucket. It is written last, with a condition
that it never overwrites another: **without a manifest there is no backup**. It holds everything that is needed to know,
check and restore the backup when the cluster is gone, and no secret.

Its form is stable. There is a [JSON Schema](manifest.schema.json). Fields may be added, optional ones, so pass over
those that you do not know; none is removed or changes its meaning while `version` is 1. A field that does not apply,
or is not known, is absent. Times are UTC.

Rows are counted in the dump itself as it passes: they are exact, of the dump's own snapshot, and never the server's
statistics. That needs no second scan and no exported snapshot, so it is the same on a standby. Of SQLite they are
counted in the copy. Tables are those whose rows are in the dump: in PostgreSQL, a partitioned table's are its
partitions', and unlogged tables on a standby have none; views, foreign and virtual tables never have.

Migrations are read by the backup's own user just before the dump begins, of SQLite in the copy. One that is applied
in the moments between is in the dump and not in this list.
"""
_SNAPSHOT = """## Of a snapshot

With method `aws-rds` the data stays with AWS, and `manifest.json` lies alone in the backup's folder. It has a
`method`, which a dump's has not, and its own [JSON Schema](snapshot-manifest.schema.json); what is said above of times,
absent fields and stability holds for it, too.
"""


def schema(model: type[ManifestDocument] = Manifest, title: str = "Holdfast backup manifest") -> Schema:
    """Return the JSON Schema of a manifest, open for fields that are added later."""
    made = _open(_without_null(model.model_json_schema(by_alias=True)))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": title}


def snapshot_schema() -> Schema:
    """Return the JSON Schema of a snapshot's manifest."""
    return schema(SnapshotManifest, "Holdfast snapshot manifest")


def files() -> dict[Path, str]:
    """Return every generated file: its path in the checkout, and what it holds."""
    made, of_snapshot = schema(), snapshot_schema()
    page = [_HEAD, "A field in **bold** is always there.\n", *_fields(made), "", _SNAPSHOT, *_fields(of_snapshot), ""]
    return {SCHEMA: _written(made), SNAPSHOT_SCHEMA: _written(of_snapshot), PAGE: "\n".join(page)}


def _fields(made: Schema) -> list[str]:
    rows = [(f"**`{path}`**" if required else f"`{path}`", kind, said) for path, kind, said, required in walk(made)]
    return table(("Field", "Type", "What it says"), rows)


def _written(made: Schema) -> str:
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def walk(root: Schema) -> Iterator[tuple[str, str, str, bool]]:
    """Yield each field of a manifest's schema: its path, type, description, and whether it is required."""
    return _walk("", root, root["$defs"])


def _walk(path: str, node: Schema, definitions: Schema) -> Iterator[tuple[str, str, str, bool]]:
    for name, child in node.get("properties", {}).items():
        below, field = f"{path}{name}", _resolved(child, definitions)
        inner = _resolved(field.get("items", {}), definitions)
        kind = "time" if field.get("format") == "date-time" else field["type"]
        kind = f"list, each {inner['type']}" if inner else kind
        yield below, kind, field.get("description", ""), name in node.get("required", [])
        yield from _walk(f"{below}[]." if inner else f"{below}.", inner or field, definitions)


def _resolved(node: Schema, definitions: Schema) -> Schema:
    """Put what a reference points to in its place."""
    return definitions[str(node["$ref"]).rpartition("/")[2]] | node if "$ref" in node else node


def _without_null(node: Schema) -> Schema:
    """Make an optional field one that may be absent: a manifest never holds null."""
    made: Schema = {key: _without_null(value) if isinstance(value, dict) else value for key, value in node.items()}
    real: list[Schema] = [choice for choice in made.get("anyOf", []) if choice != {"type": "null"}]
    if len(real) != 1:
        return made
    return {
        **real[0],
        **{key: value for key, value in made.items() if (key, value) != ("default", None) and key != "anyOf"},
    }


def _open(node: Schema) -> Schema:
    """Drop what would forbid further fields, and the titles that repeat the names."""
    dropped = {"title": str, "additionalProperties": bool}
    kept = {key: value for key, value in node.items() if not isinstance(value, dropped.get(key, ()))}
    return {key: _open(value) if isinstance(value, dict) else value for key, value in kept.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the generated files; 1 when one is stale."""
    return generated.main("holdfast.contract.published", files(), arguments)


if __name__ == "__main__":
    sys.exit(main())
