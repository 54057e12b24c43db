"""The generated definitions: fresh, described and bounded everywhere, and saying just what the models say."""

import functools
import json
import re
import typing
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import BaseModel, Field
from tests import yaml_text

from holdfast.api import crd, generated, schema
from holdfast.api.backup import Phase
from holdfast.api.base import SpecModel
from holdfast.api.database import Engine, TLSMode
from holdfast.api.policy import Algorithm, Environment, Format, Method
from holdfast.api.storage import AddressingStyle
from holdfast.contract.paths import MAX_REPORT_BYTES

ROOT = Path(__file__).parents[2]
CLIENT_SIDE_APPLY_LIMIT = 262_144  # bytes of all annotations together: `kubectl apply` keeps a copy there
KIND = {resource.kind: resource for resource in crd.RESOURCES}


@functools.cache
def root_of(kind):
    return crd.definition(KIND[kind])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def walk(node, path=""):
    """Every schema at and below this one, with its path; of `metadata` the API server takes no description."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        if (path, name) != ("", "metadata"):
            yield from walk(child, f"{path}.{name}")
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from walk(node["additionalProperties"], f"{path}.*")


ALL = {f"{kind}{path}": node for kind in KIND for path, node in walk(root_of(kind))}


def breaking(holds):
    """The paths of all schemas for which this does not hold."""
    return [path for path, node in ALL.items() if not holds(path, node)]


def at(kind, path):
    node = root_of(kind)
    for name in path.split("."):
        field, _, item = name.partition("[")
        node = node["properties"][field]
        node = node["items"] if item else node
    return node


def test_the_generated_files_are_what_the_models_make():
    assert generated.stale(crd.files(), ROOT) == []


def test_check_names_each_stale_file_and_writes_nothing(tmp_path, capsys):
    assert crd.main([str(tmp_path)]) == 0
    assert crd.main(["--check", str(tmp_path)]) == 0
    edited = tmp_path / "crds/backuppolicies.holdfast.dev.yaml"
    edited.write_text(edited.read_text() + "# by hand\n")
    (tmp_path / crd.REFERENCE).unlink()
    assert crd.main(["--check", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert re.findall(r"^(\S+) is stale", said, re.MULTILINE) == [str(edited.relative_to(tmp_path)), str(crd.REFERENCE)]
    assert edited.read_text().endswith("# by hand\n")


def test_the_chart_ships_the_same_definitions():
    for file in (ROOT / "crds").glob("*.yaml"):
        assert (ROOT / "charts/holdfast/files/crds" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("kind", KIND)
def test_the_yaml_reads_back_as_the_definition_and_has_no_aliases(kind):
    text = crd.render(KIND[kind])
    assert yaml_text.load(text) == crd.definition(KIND[kind])
    assert text.startswith("# Generated")
    assert not re.search(r": [&*]id\d+", text)


@pytest.mark.parametrize("kind", KIND)
def test_the_definition_leaves_room_for_kubectls_copy_of_it(kind):
    kept = json.dumps(crd.definition(KIND[kind]), separators=(",", ":"))  # as kubectl writes its annotation
    assert len(kept) < CLIENT_SIDE_APPLY_LIMIT * 0.6


def test_every_field_is_described_in_full_sentences():
    def holds(path, node):
        return path.endswith(("[]", ".*")) or re.fullmatch(r"[\w`].{8,}\.", node.get("description", ""))

    assert breaking(holds) == []


def test_everything_has_a_maximum():
    """CEL's cost is estimated from these, and nothing that one object holds may fill etcd."""

    def holds(path, node):
        return (
            (node.get("type") != "string" or node.get("maxLength", 0) or "enum" in node or "format" in node)
            and (node.get("type") != "array" or 0 < node.get("maxItems", 0) <= 64)
            and ("additionalProperties" not in node or 0 < node.get("maxProperties", 0) <= 16)
            and ("x-kubernetes-int-or-string" not in node or 0 < node.get("maxLength", 0) <= 64)
        )

    assert breaking(holds) == []


@pytest.mark.parametrize(
    "path",
    ["toolVersion", "serverVersion", "verification.integrityCheck", "verification.fileReadable", "failure.message",
     "failure.remedy", "schemaSha256", "migrations.tool", "migrations.last"],
)  # fmt: skip
def test_a_status_has_room_for_whatever_a_report_says(path):
    """A status that the API server refuses would leave a finished backup running for ever."""
    assert at("DatabaseBackup", f"status.{path}")["maxLength"] >= MAX_REPORT_BYTES


def test_every_schema_is_structural():
    foreign = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title", "nullable", "const", "x-message"}

    def holds(path, node):
        return (
            not foreign & node.keys()
            and ("type" in node or "x-kubernetes-int-or-string" in node)
            and not {"properties", "additionalProperties"} <= node.keys()
        )

    assert breaking(holds) == []


def test_every_object_says_what_it_holds_and_requires_only_that():
    def holds(path, node):
        fields = node.get("properties", {})
        known = fields or node.get("additionalProperties")
        return node.get("type") != "object" or (known and set(node.get("required", [])) <= set(fields))

    assert breaking(holds) == []


def test_a_status_is_neither_completed_nor_judged_by_the_api_server():
    said = {"default", "pattern", "x-kubernetes-validations"}
    assert breaking(lambda path, node: ".status." not in path or not said & node.keys()) == []


def test_a_resource_that_nobody_has_looked_at_says_so():
    """To kstatus, one without any status is ready."""
    whole = breaking(lambda path, node: not path.endswith(".status") or path.count(".") > 1 or "default" not in node)
    assert whole == ["BackupPolicy.status", "DatabaseBackup.status", "DatabaseRestore.status"]
    assert breaking(lambda _, node: node.get("default") != {"observedGeneration": -1}) == whole


def test_every_rule_says_what_it_wants_and_points_at_a_field_that_exists():
    def holds(path, node):
        rules = node.get("x-kubernetes-validations", [])
        targets = {rule.get("fieldPath", ".").split(".")[1] for rule in rules}
        return targets <= {"", *node.get("properties", {})} and all(len(rule["message"]) > 15 for rule in rules)

    assert breaking(holds) == []
    assert sum("x-kubernetes-validations" in node for node in ALL.values()) > 50


def models_in(annotation) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


def fields_of(model, path=""):
    for name, field in model.model_fields.items():
        below = f"{path}.{field.alias or name}"
        yield below
        for inner in models_in(field.annotation):
            yield from fields_of(inner, below)


@pytest.mark.parametrize("part", ["spec", "status"])
@pytest.mark.parametrize("kind", KIND)
def test_the_definition_has_every_field_of_the_models_and_no_other(kind, part):
    served = {
        path.replace("[]", "")
        for path, _ in walk(root_of(kind)["properties"][part])
        if path and not path.endswith(("[]", ".*"))
    }
    assert served == set(fields_of(getattr(KIND[kind], part)))


@pytest.mark.parametrize(
    ("kind", "path", "words"),
    [
        ("BackupPolicy", "spec.environment", Environment),
        ("BackupPolicy", "spec.method", Method),
        ("BackupPolicy", "spec.database.engine", Engine),
        ("BackupPolicy", "spec.database.connection.tls.mode", TLSMode),
        ("BackupPolicy", "spec.dump.format", Format),
        ("BackupPolicy", "spec.dump.compression.algorithm", Algorithm),
        ("BackupPolicy", "spec.storage.s3.addressingStyle", AddressingStyle),
        ("DatabaseBackup", "spec.policy.environment", Environment),
        ("DatabaseBackup", "status.phase", Phase),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_allowed_words_are_the_enums(kind, path, words):
    assert at(kind, path)["enum"] == [str(word) for word in words]


@pytest.mark.parametrize("kind", KIND)
def test_columns_and_selectors_show_fields_that_exist(kind):
    version = crd.definition(KIND[kind])["spec"]["versions"][0]
    shown = [*version["additionalPrinterColumns"], *version["selectableFields"]]
    paths = [item["jsonPath"].split("[?")[0].lstrip(".") for item in shown]
    assert all(at(kind, path) for path in paths if not path.startswith("metadata."))
    assert len(paths) > 5


def test_an_ordinary_list_of_backups_shows_what_a_person_asks_for():
    columns = crd.definition(crd.BACKUP)["spec"]["versions"][0]["additionalPrinterColumns"]
    ordinary = [column["name"] for column in columns if not column.get("priority")]
    assert ordinary == ["Policy", "Environment", "Engine", "Phase", "Size", "Duration", "Warnings", "Expires", "Age"]
    assert [column["name"] for column in columns if column.get("priority")] == ["Backup ID", "Location", "Message"]


def test_no_column_in_the_future_is_a_date():
    """kubectl prints a future time in a date column as <invalid>."""
    columns = crd.definition(crd.BACKUP)["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [column["name"] for column in columns if column["type"] == "date"] == ["Age"]


def test_kubectl_delete_all_spares_backups():
    assert all(crd.definition(each)["spec"]["names"]["categories"] == ["holdfast"] for each in crd.RESOURCES)


class _Word(StrEnum):
    ONE = "one"


class _Inner(SpecModel):
    size: int = Field(3, description="A number.")
    name: str | None = Field(None, max_length=9, description="A name.")


class TestTranslation:
    def test_an_optional_field_is_its_type_and_need_not_be_there(self):
        class Model(SpecModel):
            word: _Word | None = Field(None, description="One word.")

        assert schema.structural(Model)["properties"]["word"] == {
            "description": "One word.", "type": "string", "enum": ["one"],
        }  # fmt: skip

    def test_a_fields_own_description_wins_over_its_types(self):
        class Model(SpecModel):
            inner: _Inner = Field(description="The one inside.")

        assert schema.structural(Model)["properties"]["inner"]["description"] == "The one inside."

    def test_an_objects_default_is_empty_and_its_fields_defaults_fill_it(self):
        class Model(SpecModel):
            inner: _Inner = Field(_Inner(), description="The one inside.")

        made = schema.structural(Model)
        assert made["properties"]["inner"]["default"] == {}
        assert schema.filled(made, {}) == {"inner": {"size": 3}}
        assert schema.filled(made, {"inner": {"name": "a"}}) == {"inner": {"size": 3, "name": "a"}}

    def test_a_default_that_the_api_server_would_make_otherwise_is_refused(self):
        class Model(SpecModel):
            inner: _Inner = Field(_Inner(size=4), description="The one inside.")

        with pytest.raises(ValueError, match=r"'size': 4.* is not what .*'size': 3.*The one inside"):
            schema.structural(Model)

    def test_real_alternatives_are_refused(self):
        class Model(SpecModel):
            either: int | str = Field(description="A number or a word.")

        with pytest.raises(ValueError, match="no room for these alternatives"):
            schema.structural(Model)

    def test_a_pattern_with_a_sentence_becomes_a_rule_that_says_it(self):
        class Model(SpecModel):
            name: str = Field(
                pattern=r"^[a-z'\d]+$", max_length=9, description="A name.", json_schema_extra={"x-message": "be small"}
            )

        made = schema.structural(Model)["properties"]["name"]
        assert "pattern" not in made
        assert made["x-kubernetes-validations"] == [
            {"rule": r"self.matches('^[a-z\'\\d]+$')", "message": "be small"}
        ]  # fmt: skip
