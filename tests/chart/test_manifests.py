"""What the chart installs, manifest by manifest."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests import yaml_text
from tests.chart.rendering import CHART, NAMESPACE, SERVED, Rendered, render, template

from holdfast import naming

# of the test alone: the first one to need a Helm may wait minutes until it is built
pytestmark = [pytest.mark.integration, pytest.mark.timeout(60, func_only=True)]

NAME = "holdfast-operator"
WHOLE = f"hf-holdfast.{NAMESPACE}"  # of what belongs to the whole cluster
CLUSTER_KINDS = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


def container(rendered: Rendered) -> dict[str, Any]:
    (only,) = rendered.pod["containers"]
    return only


def test_helm_finds_nothing_to_say_against_the_chart(helm: Path):
    done = subprocess.run([helm, "lint", "--strict", CHART], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_two_replicas_of_which_a_drain_takes_one_at_a_time(helm: Path):
    rendered = render(helm)
    deployment, budget = rendered.one("Deployment"), rendered.one("PodDisruptionBudget")

    assert deployment["spec"]["replicas"] == 2
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]
    (term,) = rendered.pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert term["podAffinityTerm"]["labelSelector"] == deployment["spec"]["selector"]


def test_the_operator_meets_pod_security_restricted(helm: Path):
    rendered = render(helm)

    assert rendered.pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(rendered)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not any(key.startswith("host") for key in rendered.pod)


def test_the_operator_is_told_where_it_is_and_what_to_do(helm: Path):
    rendered = render(helm, {"logLevel": "debug"})
    operator = container(rendered)

    assert operator["args"] == ["--settings", "/etc/holdfast/settings.json", "--port", "8080", "--log-level", "debug"]
    assert {e["name"]: e["valueFrom"]["fieldRef"]["fieldPath"] for e in operator["env"]} == {
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
    }
    assert operator["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert operator["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    (mount,) = operator["volumeMounts"]
    (volume,) = rendered.pod["volumes"]
    assert mount["mountPath"] == "/etc/holdfast"
    assert volume["configMap"]["name"] == rendered.one("ConfigMap")["metadata"]["name"]


@pytest.mark.parametrize(
    ("values", "image"),
    [
        pytest.param({}, "holdfast-operator:0.1.0", id="default"),
        pytest.param({"image": {"tag": "dev"}}, "holdfast-operator:dev", id="tag"),
        pytest.param({"registry": "r.example.com/x"}, "r.example.com/x/holdfast-operator:0.1.0", id="registry"),
        pytest.param({"image": {"digest": f"sha256:{'a' * 64}"}}, f"{NAME}:0.1.0@sha256:{'a' * 64}", id="digest"),
        pytest.param(
            {"image": {"tag": f"1@sha256:{'a' * 64}"}}, f"holdfast-operator:1@sha256:{'a' * 64}", id="tag-and-digest"
        ),
    ],
)
def test_the_operator_runs_the_image_that_was_asked_for(helm: Path, values: dict[str, Any], image: str):
    assert container(render(helm, values))["image"] == image


def test_a_changed_setting_rolls_the_operators_and_anything_else_does_not(helm: Path):
    def annotations(**values: Any) -> dict[str, str]:
        return render(helm, values).one("Deployment")["spec"]["template"]["metadata"]["annotations"]

    assert annotations() != annotations(defaults={"storage": {"s3": {"bucket": "backups"}}})
    assert annotations() == annotations(serviceMonitor={"enabled": True})


@pytest.mark.parametrize(
    ("value", "field"),
    [
        pytest.param({"nodeSelector": {"disk": "ssd"}}, "nodeSelector", id="nodeSelector"),
        pytest.param({"tolerations": [{"key": "a", "operator": "Exists"}]}, "tolerations", id="tolerations"),
        pytest.param({"priorityClassName": "high"}, "priorityClassName", id="priorityClassName"),
        pytest.param({"imagePullSecrets": [{"name": "pull"}]}, "imagePullSecrets", id="imagePullSecrets"),
        pytest.param({"affinity": {"nodeAffinity": {"x": []}}}, "affinity", id="affinity"),
        pytest.param({"topologySpreadConstraints": [{"maxSkew": 1}]}, "topologySpreadConstraints", id="spread"),
        pytest.param(
            {"terminationGracePeriodSeconds": 45}, "terminationGracePeriodSeconds", id="terminationGracePeriodSeconds"
        ),
    ],
)
def test_a_field_of_the_pod_is_taken_as_it_is(helm: Path, value: dict[str, Any], field: str):
    assert render(helm, value).pod[field] == value[field]


def test_labels_of_a_persons_own_never_break_the_selector(helm: Path):
    rendered = render(helm, {"podLabels": {"team": "data", "app.kubernetes.io/name": "mine"}})
    labels = rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"]

    assert labels["team"] == "data"
    assert labels.items() >= rendered.one("Deployment")["spec"]["selector"]["matchLabels"].items()


def test_annotations_and_resources_are_taken(helm: Path):
    resources = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    rendered = render(
        helm,
        {
            "podAnnotations": {"a": "1"},
            "resources": resources,
            "serviceAccount": {"annotations": {"b": "2"}},
            "service": {"annotations": {"c": "3"}, "labels": {"d": "4"}},
        },
    )

    assert rendered.one("Deployment")["spec"]["template"]["metadata"]["annotations"]["a"] == "1"
    assert container(rendered)["resources"] == resources
    assert rendered.one("ServiceAccount")["metadata"]["annotations"] == {"b": "2"}
    assert rendered.one("Service")["metadata"]["annotations"] == {"c": "3"}
    assert rendered.one("Service")["metadata"]["labels"]["d"] == "4"


def test_metrics_are_served_by_every_replica_on_a_named_port(helm: Path):
    rendered = render(helm)
    service = rendered.one("Service")["spec"]

    assert service["selector"] == rendered.one("Deployment")["spec"]["selector"]["matchLabels"]
    assert service["ports"] == [{"name": "metrics", "port": 8080, "targetPort": "metrics"}]
    assert {"name": "metrics", "containerPort": 8080} in container(rendered)["ports"]


def test_a_service_monitor_is_made_on_demand_only(helm: Path):
    assert render(helm).all("ServiceMonitor") == []
    rendered = render(helm, {"serviceMonitor": {"enabled": True, "interval": "1m", "labels": {"release": "prom"}}})
    monitor = rendered.one("ServiceMonitor")

    assert monitor["metadata"]["labels"]["release"] == "prom"
    assert monitor["spec"]["endpoints"] == [{"port": "metrics", "interval": "1m"}]
    labels = rendered.one("Service")["metadata"]["labels"]
    assert labels.items() >= monitor["spec"]["selector"]["matchLabels"].items()


def test_every_namespaced_manifest_says_its_namespace(helm: Path):
    for manifest in render(helm, {"serviceMonitor": {"enabled": True}}).manifests:
        if manifest["kind"] not in CLUSTER_KINDS:
            assert manifest["metadata"]["namespace"] == NAMESPACE, manifest["kind"]


def test_two_releases_of_one_name_share_nothing_of_the_cluster(helm: Path):
    def cluster_names(namespace: str) -> set[tuple[str, str]]:
        rendered = render(helm, {"crds": {"enabled": False}}, "--namespace", namespace)
        return {(m["kind"], m["metadata"]["name"]) for m in rendered.manifests if m["kind"] in CLUSTER_KINDS}

    assert cluster_names("one")
    assert not cluster_names("one") & cluster_names("two")


@pytest.mark.parametrize(
    ("values", "name"),
    [
        pytest.param({}, "hf-holdfast", id="default"),
        pytest.param({"nameOverride": "backups"}, "hf-backups", id="nameOverride"),
        pytest.param({"nameOverride": "f"}, "hf", id="nameOverride-within-the-release"),
        pytest.param({"fullnameOverride": "backups"}, "backups", id="fullnameOverride"),
    ],
)
def test_every_name_follows_the_one_that_was_asked_for(helm: Path, values: dict[str, Any], name: str):
    rendered = render(helm, {"serviceMonitor": {"enabled": True}, "crds": {"enabled": False}, **values})

    assert rendered.one("Deployment")["metadata"]["name"] == name
    assert all(m["metadata"]["name"].startswith(name) for m in rendered.manifests)
    labels = rendered.one("Deployment")["spec"]["selector"]["matchLabels"]
    assert labels["app.kubernetes.io/name"] == values.get("nameOverride", "holdfast")


def test_further_objects_are_installed_as_they_are_written(helm: Path):
    objects = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "{{ .Release.Name }}-a"}},
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}-b\n",
    ]
    rendered = render(helm, {"extraObjects": objects})

    assert [secret["metadata"]["name"] for secret in rendered.all("Secret")] == ["hf-a", "hf-b"]


def test_on_openshift_neither_the_operator_nor_its_jobs_name_a_user(helm: Path):
    rendered = render(helm, {"openshift": True})

    assert rendered.pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert json.loads(rendered.settings)["ownUser"] is False


def test_a_long_release_name_still_makes_valid_names(helm: Path):
    names = [m["metadata"]["name"] for m in render(helm, release="r" * 53).manifests]

    assert all(len(name) <= 63 for name in names if "." not in name)


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "not-kept"])
def test_the_crds_are_those_of_the_models_and_marked_as_kept(helm: Path, keep: bool):
    def without_marks(crd: dict[str, Any]) -> dict[str, Any]:
        metadata = {key: value for key, value in crd["metadata"].items() if key != "annotations"}
        return {**crd, "metadata": metadata}

    files = [yaml_text.load(path.read_text()) for path in sorted((CHART / "files/crds").glob("*.yaml"))]
    rendered = render(helm, {"crds": {"keep": keep}}).all("CustomResourceDefinition")

    assert len(files) == 3
    assert [without_marks(crd) for crd in sorted(rendered, key=lambda crd: crd["metadata"]["name"])] == [
        without_marks(crd) for crd in files
    ]
    for crd in rendered:
        assert (crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep") is keep


def test_the_crds_can_be_left_to_someone_else(helm: Path):
    assert render(helm, {"crds": {"enabled": False}}).all("CustomResourceDefinition") == []


@pytest.mark.parametrize(
    ("values", "served", "there"),
    [
        pytest.param({}, [], True, id="rendered-offline"),
        pytest.param({}, ["v1/Pod", SERVED], True, id="cluster-serves-it"),
        pytest.param({}, ["v1/Pod"], False, id="cluster-does-not-serve-it"),
        pytest.param({"admissionPolicy": {"enabled": False}}, ["v1/Pod", SERVED], False, id="turned-off"),
    ],
)
def test_the_jobs_are_confined_wherever_the_cluster_can(
    helm: Path, values: dict[str, Any], served: list[str], there: bool
):
    rendered = render(helm, values, *(f"--api-versions={version}" for version in served))

    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        names = {each["metadata"]["name"] for each in rendered.all(kind)}
        assert ({f"{WHOLE}.jobs", f"{WHOLE}.jobs-kept", f"{WHOLE}.jobs-made-by"} <= names) is there
        assert any(".jobs" in name for name in names) is there


@pytest.mark.parametrize(
    ("values", "served", "there"),
    [
        pytest.param({}, [], True, id="rendered-offline"),
        pytest.param({}, ["v1/Pod", SERVED], True, id="cluster-serves-it"),
        pytest.param({}, ["v1/Pod"], False, id="cluster-does-not-serve-it"),
        pytest.param({"productionGuard": {"enabled": False}}, ["v1/Pod", SERVED], False, id="turned-off"),
    ],
)
def test_production_is_guarded_wherever_the_cluster_can(
    helm: Path, values: dict[str, Any], served: list[str], there: bool
):
    rendered = render(helm, values, *(f"--api-versions={version}" for version in served))

    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        assert (f"{WHOLE}.production" in {each["metadata"]["name"] for each in rendered.all(kind)}) is there


@pytest.mark.parametrize("namespaces", [[], ["shop", "pay"]], ids=["all", "listed"])
def test_the_guard_asks_where_the_operator_watches_and_not_the_operator_itself(helm: Path, namespaces: list[str]):
    rendered = render(helm, {"watchNamespaces": namespaces})
    policies = {each["metadata"]["name"]: each["spec"] for each in rendered.all("ValidatingAdmissionPolicy")}
    guard = policies[f"{WHOLE}.production"]
    selector = guard["matchConstraints"].get("namespaceSelector", {}).get("matchExpressions", [])

    assert [each["values"] for each in selector] == ([namespaces] if namespaces else [])
    assert guard["failurePolicy"] == "Fail"
    (by_hand, *_) = guard["matchConditions"]
    assert f'"system:serviceaccount:{NAMESPACE}:{rendered.pod["serviceAccountName"]}"' in by_hand["expression"]
    assert naming.ANNOTATION_CONFIRM in json.dumps(guard)


def test_the_policy_is_about_the_operator_and_the_images_that_its_settings_name(helm: Path):
    rendered = render(helm, {"registry": "r.example.com", "runner": {"images": {"postgres-17": "a:17", "b-1": "b:1"}}})
    policies = {each["metadata"]["name"]: each["spec"] for each in rendered.all("ValidatingAdmissionPolicy")}
    created, kept, made_by = (policies[f"{WHOLE}.{name}"] for name in ("jobs", "jobs-kept", "jobs-made-by"))
    variables = {variable["name"]: variable["expression"] for variable in created["variables"]}
    (condition,) = created["matchConditions"]

    backups = policies[f"{WHOLE}.backups-kept"]
    assert kept["matchConditions"] == backups["matchConditions"] == created["matchConditions"]
    assert naming.FINALIZER in backups["validations"][0]["expression"]
    assert json.loads(variables["ownerLabels"]) == {kind: naming.uid_label(kind) for kind in naming.OWNER_LABELS}
    assert json.loads(variables["images"]) == sorted(json.loads(rendered.settings)["images"].values())
    assert f'"system:serviceaccount:{NAMESPACE}:{rendered.pod["serviceAccountName"]}"' in condition["expression"]
    assert naming.ANNOTATION_MADE_BY in made_by["matchConditions"][0]["expression"]
    assert NAMESPACE not in json.dumps(made_by)  # it asks the same of everybody, so two releases agree
    assert created["failurePolicy"] == kept["failurePolicy"] == made_by["failurePolicy"] == "Fail"
    bindings = rendered.all("ValidatingAdmissionPolicyBinding")
    assert [each["spec"] for each in bindings] == [
        {"policyName": f"{WHOLE}.{name}", "validationActions": ["Deny"]}
        for name in ("jobs", "jobs-kept", "backups-kept", "jobs-made-by", "production", "production-restores")
    ]


@pytest.mark.parametrize("namespaces", [[], ["shop", "pay"]], ids=["all", "listed"])
def test_the_gate_is_off_and_where_it_is_on_its_right_is_had_where_the_operator_watches(
    helm: Path, namespaces: list[str]
):
    gate = f"{WHOLE}.migration-gate"
    assert not [each for each in render(helm).manifests if "migration" in json.dumps(each.get("metadata"))]
    rendered = render(helm, {"migrationGate": {"enabled": True}, "watchNamespaces": namespaces})
    assert rendered.one("ClusterRole", gate)["rules"] == [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": ["holdfast.dev"], "resources": ["databaserestores"], "verbs": ["create"]},
    ]
    bound = [each for each in rendered.all("ClusterRoleBinding") if each["metadata"]["name"] == gate]
    there = [each for each in rendered.all("RoleBinding") if each["metadata"]["name"] == gate]
    assert (len(bound), [each["metadata"]["namespace"] for each in there]) == (int(not namespaces), namespaces)
    assert {each["roleRef"]["name"] for each in (*bound, *there)} == {gate}
    for name in ("jobs-released", "rollbacks"):
        binding = rendered.one("ValidatingAdmissionPolicyBinding", f"{WHOLE}.{name}")["spec"]
        assert binding == {"policyName": f"{WHOLE}.{name}", "validationActions": ["Deny"]}


@pytest.mark.parametrize(
    ("values", "served"),
    [({"admissionPolicy": {"enabled": False}}, ["v1/Pod", SERVED]), ({}, ["v1/Pod"])],
    ids=["turned off", "not served"],
)
def test_the_gate_is_refused_where_nothing_would_confine_it(helm: Path, values: dict[str, Any], served: list[str]):
    given = {"migrationGate": {"enabled": True}, **values}
    done = template(helm, given, *(f"--api-versions={version}" for version in served))
    assert done.returncode != 0
    assert "leave admissionPolicy.enabled as it is (true)" in done.stderr


def test_kubernetes_before_1_30_is_refused(helm: Path):
    done = template(helm, {}, "--kube-version", "1.29.9")

    assert done.returncode != 0
    assert "kubeVersion" in done.stderr
