"""The values: described once, refused when misspelt, and understood by the operator as they were meant."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests import yaml_text
from tests.builders import a_policy
from tests.chart import refresh
from tests.chart.rendering import CHART, refusal, render

import holdfast
from holdfast.decide.resolve import resolve
from holdfast.settings import MigrationGate, Queue, Settings

# of the test alone: the first one to need a Helm may wait minutes until it is built
pytestmark = pytest.mark.timeout(60, func_only=True)

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml_text.load((CHART / "values.yaml").read_text())
OUR_OWN_OBJECTS = [
    pytest.param(schema, id=name or "values")
    for name, schema in [("", SCHEMA), *((key, value) for key, value in SCHEMA["properties"].items())]
    if "properties" in schema
] + [pytest.param(schema, id=name) for name, schema in SCHEMA["$defs"].items() if "properties" in schema]


def test_the_schema_and_the_readme_are_fresh():
    assert refresh.main(["--check"]) == 0, "the names of what is stale are printed"


@pytest.mark.parametrize("schema", OUR_OWN_OBJECTS)
def test_an_object_of_ours_refuses_unknown_fields_and_describes_known_ones(schema: dict[str, Any]):
    assert schema["additionalProperties"] is False
    for name, field in schema["properties"].items():
        assert field.get("description") or "$ref" in field, name


def paths(values: dict[str, Any], prefix: str = "") -> set[str]:
    inner = [paths(value, f"{prefix}{name}.") for name, value in values.items() if isinstance(value, dict) and value]
    return {f"{prefix}{name}" for name in values}.union(*inner)


def test_values_yaml_and_the_schema_name_the_same_values():
    def named(schema: dict[str, Any], prefix: str = "") -> set[str]:
        fields = schema.get("properties", {})
        return {f"{prefix}{name}" for name in fields}.union(*(named(f, f"{prefix}{n}.") for n, f in fields.items()))

    free = ("runner.images.", "resources.")  # maps of a person's own
    written = {path for path in paths(VALUES) if not path.startswith(free)}
    assert written == named(SCHEMA) - {"global"}


def test_the_chart_has_the_version_of_the_package():
    chart = yaml_text.load((CHART / "Chart.yaml").read_text())

    assert chart["version"] == chart["appVersion"] == holdfast.__version__


def test_the_runners_are_those_of_the_same_release():
    """A runner of another release might not understand its task; a tag that moves would not be pulled again."""
    for image in VALUES["runner"]["images"].values():
        assert re.fullmatch(rf".+:(\d+-)?{re.escape(holdfast.__version__)}", image)


def test_every_kind_is_announced_to_artifact_hub_as_it_is_defined():
    chart = yaml_text.load((CHART / "Chart.yaml").read_text())
    announced = yaml_text.load(chart["annotations"]["artifacthub.io/crds"])
    defined = [yaml_text.load(path.read_text()) for path in (CHART / "files/crds").glob("*.yaml")]

    assert {(crd["name"], crd["kind"], crd["version"]) for crd in announced} == {
        (crd["metadata"]["name"], crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]["name"]) for crd in defined
    }


@pytest.mark.integration
@pytest.mark.parametrize(
    ("values", "where"),
    [
        pytest.param({"watchNamespace": ["a"]}, "watchNamespace", id="misspelt-value"),
        pytest.param({"image": {"tagg": "1"}}, "tagg", id="misspelt-inner-value"),
        pytest.param({"defaults": {"storage": {"s3": {"buket": "b"}}}}, "buket", id="misspelt-storage-field"),
        pytest.param({"defaults": {"storage": {"s3": {"bucket": "B!"}}}}, "bucket", id="impossible-bucket"),
        pytest.param({"defaults": {"job": {"backoffLimit": 99}}}, "backoffLimit", id="job-field-out-of-range"),
        pytest.param({"stores": {"eu": {"region": "eu-1"}}}, "bucket", id="store-without-bucket"),
        pytest.param({"stores": {"eu": {"bucket": "eu-1", "buket": "b"}}}, "buket", id="misspelt-field-of-a-store"),
        pytest.param({"stores": {"EU": {"bucket": "eu-1"}}}, "EU", id="store-that-no-policy-can-name"),
        pytest.param({"runner": {"images": {"postgres": "x"}}}, "images", id="runner-key-without-version"),
        pytest.param({"replicas": "2"}, "replicas", id="number-as-text"),
        pytest.param({"queue": {"maxRunning": 0}}, "maxRunning", id="a-queue-that-never-moves"),
        pytest.param({"logLevel": "loud"}, "logLevel", id="unknown-log-level"),
        pytest.param({"watchNamespaces": ["a", "a"]}, "watchNamespaces", id="namespace-twice"),
        pytest.param({"image": {"digest": "sha256:1"}}, "digest", id="short-digest"),
        pytest.param({"fullnameOverride": "Big"}, "fullnameOverride", id="name-that-is-none"),
        pytest.param({"defaults": {"job": {"priorityClassName": "a b"}}}, "priorityClassName", id="priority-class"),
        pytest.param({"proxy": {"httpsProxy": "http://me:pass@proxy"}}, "httpsProxy", id="password-in-proxy"),
    ],
)
def test_wrong_values_are_refused_by_name(helm: Path, values: dict[str, Any], where: str):
    assert where in refusal(helm, values)


def null_at(values: dict[str, Any], depth: int, path: str = "") -> dict[str, Any]:
    """The values with every key of this depth null, and nothing else. An image that is null is one to leave out."""
    if path == "runner.images.":
        return {}
    if depth == 1:
        return dict.fromkeys(values)
    below = {k: null_at(v, depth - 1, f"{path}{k}.") for k, v in values.items() if isinstance(v, dict)}
    return {name: inner for name, inner in below.items() if inner}


@pytest.mark.integration
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_value_that_is_null_means_its_default_at_every_depth(helm: Path, depth: int):
    empty = null_at(VALUES, depth)

    assert empty
    assert render(helm, empty).manifests == render(helm).manifests


@pytest.mark.integration
@pytest.mark.parametrize("section", ["podLabels", "proxy", "runner", "defaults", "crds", "resources", "image"])
def test_an_empty_section_means_its_default(one_helm: Path, section: str):
    assert render(one_helm, {section: None}).manifests == render(one_helm).manifests


@pytest.mark.integration
def test_an_image_that_is_null_is_left_out(helm: Path):
    settings = Settings.model_validate_json(render(helm, {"runner": {"images": {"postgres-15": None}}}).settings)

    assert settings.images == {key: image for key, image in VALUES["runner"]["images"].items() if key != "postgres-15"}


@pytest.mark.integration
@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"podLabels": {"team": None}, "nodeSelector": {"disk": None}}, id="of the operator's Pod"),
        pytest.param({"defaults": {"storage": {"s3": None}, "job": {"resources": None}}}, id="a section of defaults"),
        pytest.param({"defaults": {"job": {"podLabels": None, "backoffLimit": None}}}, id="within defaults"),
        pytest.param({"defaults": {"storage": {"s3": {"addressingStyle": None, "tags": None}}}}, id="of the store"),
    ],
)
def test_what_is_null_in_a_persons_own_map_is_not_there(one_helm: Path, values: dict[str, Any]):
    """As in a second values file that takes back what the first one says."""
    rendered = render(one_helm, values)

    assert "null" not in json.dumps(rendered.one("Deployment")) + rendered.settings
    read, default = (Settings.model_validate_json(each.settings) for each in (rendered, render(one_helm)))
    assert resolve(a_policy(), read) == resolve(a_policy(), default)


@pytest.mark.integration
def test_the_operator_reads_the_default_settings(helm: Path):
    settings = Settings.model_validate_json(render(helm).settings)

    assert settings.images == VALUES["runner"]["images"]
    assert settings.defaults.storage.s3.bucket is None
    assert settings.watch_namespaces == []
    assert settings.proxy == {}
    assert settings.queue == Queue()
    assert settings.migration_gate == MigrationGate()


@pytest.mark.integration
def test_the_operator_reads_every_setting_as_it_was_meant(helm: Path):
    storage = {"s3": {"bucket": "backups", "endpoint": "https://s3.example.com:8333", "addressingStyle": "path"}}
    job = {
        "serviceAccountName": "backup",
        "resources": {"limits": {"memory": "1Gi"}},
        "tolerations": [{"key": "db", "operator": "Exists"}],
        "scratch": {"sizeLimit": "20Gi"},
        "activeDeadlineSeconds": 604800,
    }
    rendered = render(
        helm,
        {
            "registry": "registry.example.com/holdfast/",
            "runner": {"images": {"postgres-18": "pg:18"}, "pullPolicy": "Always"},
            "defaults": {"storage": storage, "job": job},
            "stores": {"eu": storage["s3"] | {"region": None}, "us": None},
            "watchNamespaces": ["shop", "crm"],
            "proxy": {"httpsProxy": "http://proxy:3128", "noProxy": ".svc"},
            "queue": {"maxRunning": 3, "maxRunningPerServer": 0},
            "migrationGate": {"enabled": True, "keepSeconds": 60},
        },
    )
    settings = Settings.model_validate_json(rendered.settings)

    assert settings.images["postgres-18"] == "registry.example.com/holdfast/pg:18"
    assert settings.image_pull_policy == "Always"
    assert settings.defaults.storage.to_dict() == storage
    assert settings.defaults.job.to_dict() == job
    assert {key: store.to_dict() for key, store in settings.stores.items()} == {"eu": storage["s3"]}
    assert settings.watch_namespaces == ["shop", "crm"]
    assert (settings.migration_gate.enabled, settings.migration_gate.keep_seconds) == (True, 60)
    assert (settings.queue.max_running, settings.queue.max_running_per_server) == (3, 0)
    assert settings.proxy == {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".svc"}


@pytest.mark.integration
def test_a_field_of_every_default_reaches_helm_as_the_models_have_it(helm: Path):
    """The schema's definitions come from the models; a `$ref` that Helm cannot follow would accept anything."""
    done = refusal(helm, {"defaults": {"job": {"tolerations": [{"effect": "Sometimes"}]}}})

    assert re.search("effect.*NoSchedule", done)


@pytest.mark.integration
def test_the_values_of_the_install_page_are_accepted_and_read(helm: Path):
    page = (CHART.parents[1] / "docs/how-to/install.md").read_text()
    (values,) = [yaml_text.load(block) for block in re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)]
    settings = Settings.model_validate_json(render(helm, values).settings)

    assert settings.defaults.to_dict() == values["defaults"]


@pytest.mark.parametrize("page", ["docs/how-to/install.md", "docs/how-to/upgrade-and-uninstall.md"])
def test_every_value_that_a_page_names_is_one_of_the_charts(page: str):
    text = (CHART.parents[1] / page).read_text()
    known = paths(VALUES)
    named = set(re.findall(r"`([a-zA-Z]+(?:\.[a-zA-Z]+)+)(?::[^`]*)?`", text))
    of_values = {name for name in named if name.split(".")[0] in VALUES}

    assert {
        n for n in of_values if n not in known and not n.startswith(("defaults.storage.", "defaults.job."))
    } == set()
