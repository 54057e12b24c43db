"""The manifests' form, published: `python -m holdfast.contract.published [--check] DIR`.

DIR is the root of the checkout. It writes the JSON Schemas for programs, of a dump's manifest, of its companion and
of a snapshot's manifest, and the page for people, all from the models.
Nothing imports it at run time.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from holdfast.api import generated
from holdfast.api.reference import table
from holdfast.contract.globals import Globals
from holdfast.contract.manifest import Manifest, ManifestDocument
from holdfast.contract.snapshot import SnapshotManifest

Schema = dict[str, Any]

SCHEMA = Path("docs/reference/manifest.schema.json")
SNAPSHOT_SCHEMA = Path("docs/reference/snapshot-manifest.schema.json")
GLOBALS_SCHEMA = Path("docs/reference/globals.schema.json")
PAGE = Path("docs/reference/manifest.md")
_HEAD = """<!-- Generated from operator/holdfast/contract/manifest.py; do not edit: run `make generate`. -->
# The manifest

`manifest.json` is in the backup's folder in the bucket, beside the artifact. The Job writes it last, and only if no
manifest is there yet: **without a manifest there is no backup**. The manifest holds all that you need to know, check
and restore the backup when the cluster is gone. It holds no secret.

The format is stable, and has a [JSON Schema](manifest.schema.json). While `version` is 1, optional fields may be added,
and no field is removed or changes its meaning; so ignore fields that you do not know. A field that does not apply, or
whose value is not known, is absent. Times are UTC.

Rows are counted in the dump itself while it is streamed, so the numbers are exact for the dump's own snapshot; the
server's statistics are never used. This needs no second scan and no exported snapshot, and works the same on a standby.
For SQLite, rows are counted in the copy. The list has the tables whose rows are in the dump. In PostgreSQL, the rows of
a partitioned table are listed under its partitions, and unlogged tables on a standby are missing. Views, foreign tables
and virtual tables are never listed.

The backup's own user reads the migrations just before the dump begins; for SQLite, they are read in the copy. A
migration that is applied between that moment and the dump is in the dump, but not in this list.
"""
_SNAPSHOT = """## Manifest of a snapshot

With method `aws-rds`, AWS keeps the data, and the backup's folder holds only `manifest.json`. This manifest has a field
`method`, which the manifest of a dump lacks, and its own [JSON Schema](snapshot-manifest.schema.json). Times, absent
fields and stability are as described above.
"""
_GLOBALS = """## Roles, owners and grants

The object that `globals.key` names is beside the artifact, compressed and encrypted as the artifact is. It is one JSON
document, with its own [JSON Schema](globals.schema.json). It holds names and words: no password, no password hash, and
no statement. A restore makes each statement itself ([how](../how-to/restore.md#roles-owners-and-grants)). A field that
has the value that goes without saying (`false`, `-1`, an empty list; `true` for `inherit`) is absent.
"""


def schema(model: type[ManifestDocument] = Manifest, title: str = "Holdfast backup manifest") -> Schema:
    """Return the JSON Schema of a manifest, open for fields that are added later."""
    made = _open(_without_null(model.model_json_schema()))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": title}


def snapshot_schema() -> Schema:
    """Return the JSON Schema of a snapshot's manifest."""
    return schema(SnapshotManifest, "Holdfast snapshot manifest")


def globals_schema() -> Schema:
    """Return the JSON Schema of what holds roles, owners and grants."""
    return schema(Globals, "Holdfast roles, owners and grants")


def files() -> dict[Path, str]:
    """Return every generated file: its path in the checkout, and what it holds."""
    made, beside, of_snapshot = schema(), globals_schema(), snapshot_schema()
    page = [_HEAD, "A field in **bold** is always there.\n", *_fields(made), ""]
    page += [_GLOBALS, *_fields(beside), "", _SNAPSHOT, *_fields(of_snapshot), ""]
    return {
        SCHEMA: _written(made), GLOBALS_SCHEMA: _written(beside), SNAPSHOT_SCHEMA: _written(of_snapshot),
        PAGE: "\n".join(page),
    }  # fmt: skip


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
