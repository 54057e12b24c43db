"""The manifest's published form: version 1 stays readable for good, and only optional fields are added to it."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from holdfast import texts
from holdfast.api import generated
from holdfast.contract import published
from holdfast.contract.manifest import Manifest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
FIRST = (HERE / "manifest-version-1.json").read_bytes()  # as the first version of Holdfast wrote it
FROZEN = (HERE / "manifest-version-1.fields").read_text().splitlines()  # fields as published; never edit a line


def fields():
    """Each field as a line: its path, its type, and a ! where it is always there."""
    return [
        f"{path}: {kind}{'!' if required else ''}" for path, kind, _, required in published.walk(published.schema())
    ]


def test_the_published_files_are_what_the_model_makes():
    assert generated.stale(published.files(), ROOT) == []


def test_a_manifest_of_the_first_version_is_read_whole():
    assert json.loads(Manifest.parse(FIRST).to_json()) == json.loads(FIRST)


def test_no_published_field_is_removed_renamed_or_of_another_type():
    now = fields()
    assert [line for line in FROZEN if line not in now] == []


def test_no_field_is_required_that_an_older_manifest_lacks():
    assert {line for line in fields() if line.endswith("!")} - set(FROZEN) == set()


def test_every_field_is_described():
    assert [path for path, _, said, _ in published.walk(published.schema()) if len(said) < 10] == []


@pytest.mark.parametrize("where", ["", "backup", "database", "artifact", "tool", "verification"])
def test_fields_of_a_newer_version_are_passed_over(where):
    newer = json.loads(FIRST)
    (newer[where] if where else newer)["fieldOfALaterVersion"] = {"a": 1}
    assert Manifest.parse(json.dumps(newer).encode()) == Manifest.parse(FIRST)


def test_what_a_manifest_does_not_say_of_migrations_is_none():
    told = json.loads(FIRST) | {"migrations": [{"tool": "Flyway", "table": "public.flyway_schema_history"}]}
    (read,) = Manifest.parse(json.dumps(told).encode()).migrations
    assert (read.applied, read.failed, read.locked, read.last, read.applied_count) == ([], [], False, None, None)


MIGRATIONS = {"tool": "Flyway", "table": "t"}


@pytest.mark.parametrize(
    ("path", "around"),
    [
        ("artifact.encryption.recipients", {"artifact.encryption": {"method": "age"}}),
        ("tool.arguments", {}),
        ("verification.compared", {}),
        ("migrations", {}),
        ("migrations.0.applied", {"migrations": [MIGRATIONS]}),
        ("migrations.0.failed", {"migrations": [MIGRATIONS]}),
        ("needs", {}),
        ("tables", {}),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_a_list_of_nothing_but_wrong_things_costs_one_error(path, around):
    """Whoever may write to the bucket may write a million of them, and each error is a hundred times as big."""
    hostile = json.loads(FIRST)
    for place, value in [*around.items(), (path, [None] * 1000)]:
        *way, last = place.split(".")
        node = hostile
        for key in way:
            node = node[int(key) if key.isdigit() else key]
        node[last] = json.loads(json.dumps(value))
    with pytest.raises(ValidationError) as caught:
        Manifest.parse(json.dumps(hostile).encode())
    assert caught.value.error_count() == 1


@pytest.mark.parametrize("schema", [published.schema(), published.snapshot_schema()], ids=["dump", "snapshot"])
def test_a_schema_forbids_no_later_field(schema):
    assert "additionalProperties" not in json.dumps(schema)


def test_a_snapshots_fields_are_described_and_its_method_tells_it_apart():
    described = {path: said for path, _, said, _ in published.walk(published.snapshot_schema())}
    assert [path for path, said in described.items() if len(said) < 10] == []
    assert published.snapshot_schema()["properties"]["method"]["const"] == "aws-rds"
    assert "method" not in published.schema()["properties"]
    assert {"backup.uid", "snapshot.arn", "snapshot.copy.region", "verification.checkedBy"} <= described.keys()


def test_check_names_what_is_stale(tmp_path, capsys):
    assert published.main([str(tmp_path)]) == 0
    assert published.main(["--check", str(tmp_path)]) == 0
    (tmp_path / published.SCHEMA).write_text("{}")
    assert published.main(["--check", str(tmp_path)]) == 1
    assert str(published.SCHEMA) in capsys.readouterr().err


def test_a_manifest_that_is_printed_moves_no_cursor_and_is_read_back_as_it_was():
    evil = "a\x1b[2J\x9b\u202e\n\t\u2066b"
    changed = json.loads(FIRST)
    changed["database"]["serverVersion"] = changed["database"]["name"] = evil
    manifest = Manifest.parse(json.dumps(changed).encode())
    written = manifest.to_json().decode()
    assert all(map(texts.is_plain, written.split("\n")))
    assert Manifest.parse(written.encode()) == manifest
    assert manifest.database.name == evil
