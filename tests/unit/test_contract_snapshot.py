"""The snapshot in a manifest: its form is the published one, and what only looks like AWS's words is refused."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from holdfast.contract import published
from holdfast.contract.snapshot import Snapshot, SnapshotInRegion

ROOT = Path(__file__).parents[2]
FORM = json.loads((ROOT / published.SNAPSHOT_SCHEMA).read_text())["$defs"]
ARN = "arn:aws:rds:eu-central-1:000000000000:snapshot:x"
PLACE = {"arn": ARN, "region": "eu-central-1"}
WHOLE = PLACE | {
    "kind": "instance",
    "source": "orders",
    "engine": "postgres",
    "engineVersion": "17.4",
    "encrypted": True,
}


@pytest.mark.parametrize("model", [Snapshot, SnapshotInRegion], ids=lambda model: model.__name__)
def test_its_form_is_what_is_published_of_it(model: type[SnapshotInRegion]) -> None:
    told, is_so = FORM[model.__name__], model.model_json_schema()
    assert told["properties"].keys() == is_so["properties"].keys()
    for name, field in is_so["properties"].items():
        said = next((choice for choice in field.get("anyOf", []) if choice != {"type": "null"}), field)
        bounds = {key: said[key] for key in ("maxLength", "maxItems", "minimum", "maximum") if key in said}
        assert bounds == {key: told["properties"][name][key] for key in bounds}
        assert {"maxLength", "maxItems", "minimum"} & told["properties"][name].keys() == bounds.keys()


def test_it_is_read_by_the_names_that_are_published() -> None:
    copy = PLACE | {"kmsKeyID": "key-1"}
    read = Snapshot.model_validate(WHOLE | {"kmsKeyID": "key-0", "copy": copy, "allocatedBytes": 0})
    assert (read.kms_key_id, read.allocated_bytes, read.security_groups) == ("key-0", 0, [])
    assert read.copy_in is not None
    assert read.copy_in.kms_key_id == "key-1"
    assert read.to_dict()["copy"] == copy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arn", "a" * 513),
        ("region", "a" * 65),
        ("kmsKeyID", "a" * 2049),
        ("source", "a" * 256),
        ("engine", "a" * 256),
        ("engineVersion", "a" * 256),
        ("instanceClass", "a" * 256),
        ("subnetGroup", "a" * 513),
        ("securityGroups", ["sg-1"] * 65),
        ("securityGroups", ["a" * 256]),
        ("allocatedBytes", -1),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_nothing_in_it_is_longer_than_what_is_published(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Snapshot.model_validate(WHOLE | {name: value})
