"""A release's life on a real cluster: installed, upgraded with its CRDs, uninstalled, installed again.

The CRDs that this chart brings get a group of their own here, since a cluster has only one set of the real ones and
its other users must not lose them. The operators watch the real ones, in one namespace.
"""

import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests import yaml_text
from tests.chart.conftest import executable
from tests.chart.rendering import CHART, Manifest
from tests.cluster import api, tools
from tests.e2e.kubectl import Kubectl

from holdfast import naming
from holdfast.naming import LEASE_NAME

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60, func_only=True)]

OPERATOR, RUNNER = "holdfast-operator:dev", "holdfast-runner-postgres:17"
ONE, FINALIZERS = "databasebackups.holdfast.dev", ("-o", "jsonpath={.metadata.finalizers}")
HELM_TIMEOUT = "180s"
NAMESPACED = "deployments,replicasets,pods,services,configmaps,serviceaccounts,roles,rolebindings,poddisruptionbudgets"
OF_THE_CLUSTER = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"


@dataclass(frozen=True)
class Release:
    """One Helm, one release, and where it lives."""

    helm: Path
    cluster: api.Cluster
    kubectl: Kubectl
    home: str
    tenant: str
    leaver: str

    @property
    def name(self) -> str:
        return f"life-{self.helm.name}"

    @property
    def other(self) -> str:
        return f"other-{self.helm.name}"

    @property
    def group(self) -> str:
        # of two groups that serve a name, kubectl takes the first by letters: that must stay Holdfast's own
        return f"in-{self.helm.name}.chart-test.holdfast.dev"

    def run(self, *arguments: str | Path, values: Manifest | None = None) -> str:
        """Run Helm to its end; whatever it refuses fails the test with its own words."""
        done = self.attempt(*arguments, values=values)
        assert done.returncode == 0, f"helm {arguments[0]}: {done.stderr}\n{self.state()}"
        return done.stdout

    def attempt(self, *arguments: str | Path, values: Manifest | None = None) -> subprocess.CompletedProcess[str]:
        cluster = (f"--kubeconfig={self.cluster.kubeconfig}", f"--kube-context={self.cluster.context}")
        return subprocess.run(
            [self.helm, *arguments, "--namespace", self.home, "--wait", "--timeout", HELM_TIMEOUT, *cluster],
            input=json.dumps(values or {}),
            env=self.cluster.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def state(self) -> str:
        return self.kubectl("-n", self.home, "get", "pods", "-o", "wide") + self.kubectl(
            "-n", self.home, "get", "events", "--field-selector=type=Warning"
        )

    def values(self, **more: Any) -> Manifest:
        return {
            "image": {"tag": OPERATOR.partition(":")[2]},
            "runner": {"images": {"postgres-15": None, "postgres-17": RUNNER, "postgres-18": None}},
            "watchNamespaces": [self.tenant],
            "rbac": {"aggregateClusterRoles": False},
            "defaults": {"storage": {"s3": {"bucket": "backups", "secretName": "store"}}},
            **more,
        }

    def objects(self, kinds: str, *options: str) -> list[Manifest]:
        return json.loads(self.kubectl("get", kinds, "-o", "json", *options))["items"]

    def parts(self) -> list[str]:
        """What is there of the release, in its namespace, in the tenant's, and in the cluster."""
        mine = f"--selector=app.kubernetes.io/instance={self.name}"
        found = self.objects(OF_THE_CLUSTER, mine)
        for namespace in (self.home, self.tenant):
            found += self.objects(NAMESPACED, mine, "-n", namespace)
        return sorted(f"{each['kind']}/{each['metadata']['name']}" for each in found)

    def pods(self) -> list[Manifest]:
        return self.objects("pods", f"--selector=app.kubernetes.io/instance={self.name}", "-n", self.home)

    def job_of(self, backup: str) -> Manifest | None:
        jobs = self.objects("jobs", "-n", self.tenant)
        return next((job for job in jobs if job["metadata"]["ownerReferences"][0]["name"] == backup), None)

    def unwatched(self, namespace: str) -> bool:
        """Whether a replica exports that it does not watch it."""
        names = [pod["metadata"]["name"] for pod in self.pods() if "deletionTimestamp" not in pod["metadata"]]
        place = f"/api/v1/namespaces/{self.home}/pods"
        pages = [self.kubectl("get", "--raw", f"{place}/{name}:8080/proxy/metrics") for name in names]
        return any(f'holdfast_namespace_unwatched{{namespace="{namespace}"}} 1.0' in page for page in pages)

    def policy_crd(self) -> Manifest:
        return json.loads(self.kubectl("get", "crd", f"backuppolicies.{self.group}", "-o", "json"))

    def remove_crds(self) -> None:
        """Remove all of this life's group: Helm keeps them, and gives them to no release of another namespace."""
        for name in self.kubectl("get", "crd", "-o", "name").split():
            if name.endswith(f".{self.group}"):
                self.kubectl("delete", name)

    def eventually(self, what: str, look: Callable[[], Any], seconds: float = 40) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"no {what} after {seconds} s\n{self.state()}"
        return found


def chart_copy(place: Path, group: str, version: str, added: Manifest | None = None) -> Path:
    """Copy the chart with CRDs of another group; `added` are fields that this version adds to a policy's spec."""
    shutil.copytree(CHART, place)
    about = yaml_text.load((place / "Chart.yaml").read_text())
    (place / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": version}))
    for path in (place / "files/crds").glob("*.yaml"):
        crd = yaml_text.load(path.read_text().replace("holdfast.dev", group))
        if added and crd["spec"]["names"]["plural"] == "backuppolicies":
            (of_version,) = crd["spec"]["versions"]
            of_version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] |= added
        path.write_text(yaml.safe_dump(crd))
    return place


def a_policy(api_version: str) -> Manifest:
    connection = {"host": "orders-db", "secretName": "orders-db"}
    database = {"engine": "postgresql", "name": "orders", "connection": connection}
    return {
        "apiVersion": api_version,
        "kind": "BackupPolicy",
        "metadata": {"name": "orders"},
        "spec": {"environment": "dev", "database": database},
    }


def a_backup(name: str, **spec: str) -> Manifest:
    return {
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "DatabaseBackup",
        "metadata": {"name": name},
        "spec": {"policyRef": {"name": "orders"}, **spec},
    }


def command_without_an_operator(namespace: str) -> str:
    """What the docs say takes the finalizer from all backups, for those of one namespace."""
    page = (CHART.parents[1] / "docs/how-to/upgrade-and-uninstall.md").read_text()
    (found,) = [block for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if naming.FINALIZER in block]
    assert found.count(" -A ") == 1
    return found.replace(" -A ", f" -n {namespace} ")


@dataclass
class Life:
    """What was seen, step by step; the tests below look at it."""

    release: Release
    installed: list[str] = field(default_factory=list)
    first_pods: list[Manifest] = field(default_factory=list)
    lease: Manifest = field(default_factory=dict)
    begun: Manifest = field(default_factory=dict)
    begun_without_leaver: Manifest = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    held: str = ""
    let_go: str = ""
    second_pods: list[Manifest] = field(default_factory=list)
    upgraded_crd: Manifest = field(default_factory=dict)
    upgrade_seconds: float = 0
    left_over: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    uninstall_seconds: float = 0
    installed_again: list[str] = field(default_factory=list)
    refused: str = ""
    taken_over: Manifest = field(default_factory=dict)
    notes: str = ""


# A life takes a minute and a half: `make test` lives the newer Helm's, and renders with both.
LIVED = [pytest.param(tools.HELM3, marks=pytest.mark.matrix), tools.HELM4]


@pytest.fixture(scope="module", params=LIVED, ids=lambda tool: tool.name)
def helm(request: pytest.FixtureRequest) -> Path:
    return executable(request.param)


@pytest.fixture(scope="module")
def life(
    helm: Path,
    cluster: api.Cluster,
    kubectl: Kubectl,
    crds: None,
    make_namespace: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Life]:
    if cluster.kind:
        api.load((OPERATOR, RUNNER))
    release = Release(
        helm, cluster, kubectl, make_namespace("life"), make_namespace("tenant"), make_namespace("leaver")
    )
    place = tmp_path_factory.mktemp(helm.name)
    former = chart_copy(place / "former", release.group, "0.0.9")
    newer = chart_copy(place / "newer", release.group, "0.2.0", {"addedLater": {"type": "string"}})
    release.remove_crds()  # of a run that was killed
    try:
        yield live(release, former, newer)
    finally:
        for name in (release.name, release.other):
            release.run("uninstall", name, "--ignore-not-found")
        release.remove_crds()


def live(release: Release, former: Path, newer: Path) -> Life:
    seen, kubectl = Life(release), release.kubectl
    in_tenant = ("-n", release.tenant)

    with_leaver = release.values(watchNamespaces=[release.tenant, release.leaver])
    seen.notes = release.run("install", release.name, former, "--values", "-", values=with_leaver)
    seen.installed, seen.first_pods = release.parts(), release.pods()
    kubectl(
        *in_tenant,
        "create",
        "-f",
        "-",
        stdin=[a_policy("holdfast.dev/v1alpha1"), a_backup("first", deletionPolicy="Delete")],
    )
    kubectl(*in_tenant, "create", "-f", "-", stdin=[a_policy(f"{release.group}/v1alpha1")])
    lease = ("-n", release.home, "get", "lease", LEASE_NAME, "-o", "json")
    seen.lease = release.eventually("leader", lambda: json.loads(kubectl(*lease)))
    seen.begun = release.eventually("Job of the backup", lambda: release.job_of("first"))

    in_leaver = ("-n", release.leaver)
    leaving = a_backup("leaving", deletionPolicy="Delete")
    kubectl(*in_leaver, "create", "-f", "-", stdin=[a_policy("holdfast.dev/v1alpha1"), leaving])
    release.eventually("finalizer", lambda: naming.FINALIZER in kubectl(*in_leaver, "get", ONE, "leaving", *FINALIZERS))
    kubectl("delete", "namespace", release.leaver, "--timeout=60s", timeout=70)
    events = release.objects("events", "-n", release.home, "--field-selector=reason=DataLeft")
    seen.left = [event["message"] for event in events]
    for verb in ("restart", "status"):
        kubectl(
            "-n", release.home, "rollout", verb, "deployment", f"--selector=app.kubernetes.io/instance={release.name}"
        )
    kubectl(*in_tenant, "create", "-f", "-", stdin=[a_backup("second")])
    seen.begun_without_leaver = release.eventually("Job of the second backup", lambda: release.job_of("second"))
    release.eventually("metric of the namespace deleted", lambda: release.unwatched(release.leaver))

    begun = time.monotonic()
    release.run("upgrade", release.name, newer, "--values", "-", values=release.values(logLevel="debug"))
    seen.upgrade_seconds = time.monotonic() - begun
    seen.second_pods, seen.upgraded_crd = release.pods(), release.policy_crd()

    begun = time.monotonic()
    release.run("uninstall", release.name)
    seen.uninstall_seconds = time.monotonic() - begun
    seen.left_over = release.eventually("end of the Pods", lambda: not release.pods()) and release.parts()
    kinds = f"backuppolicies.{release.group},backuppolicies.holdfast.dev,databasebackups.holdfast.dev,jobs"
    seen.kept = [f"{o['apiVersion']}/{o['kind']}" for o in release.objects(kinds, *in_tenant)]

    kubectl(*in_tenant, "delete", ONE, "first", "--wait=false")
    seen.held = kubectl(*in_tenant, "get", ONE, "first", "--ignore-not-found", "-o", "name")
    here = f'kubectl() {{ command {shlex.join(kubectl.argv)} "$@"; }}\n'
    command = here + command_without_an_operator(release.tenant)
    subprocess.run(["bash", "-c", command], env=kubectl.environment, check=True, timeout=30)
    seen.let_go = kubectl(*in_tenant, "get", ONE, "first", "--ignore-not-found", "-o", "name")

    small = release.values(replicas=0)
    release.run("install", release.name, newer, "--values", "-", values=small)
    seen.installed_again = release.parts()
    release.run("uninstall", release.name)

    seen.refused = release.attempt("install", release.other, newer, "--values", "-", values=small).stderr
    release.run("install", release.other, newer, "--values", "-", "--take-ownership", values=small)
    seen.taken_over = release.policy_crd()
    return seen


@pytest.mark.timeout(240, func_only=True)
def test_operators_of_any_user_lead_and_begin_backups(
    one_helm: Path, cluster: api.Cluster, kubectl: Kubectl, crds: None, make_namespace: Callable[[str], str]
) -> None:
    """As OpenShift runs them: it writes a user into the Pod where none is named."""
    if cluster.kind:
        api.load((OPERATOR, RUNNER))
    release = Release(one_helm, cluster, kubectl, make_namespace("anyone"), make_namespace("tenant"), "")
    given = {"spec": {"template": {"spec": {"securityContext": {"runAsUser": 1000710000, "runAsGroup": 0}}}}}
    try:
        values = release.values(openshift=True, crds={"enabled": False}, replicas=1)
        release.run("install", release.name, CHART, "--values", "-", values=values)
        deployment = kubectl("-n", release.home, "get", "deployments", "-o", "name").strip()
        kubectl("-n", release.home, "patch", deployment, "--patch", json.dumps(given))
        kubectl("-n", release.home, "rollout", "status", deployment, "--timeout=120s", timeout=150)
        kubectl("-n", release.tenant, "create", "-f", "-", stdin=[a_policy("holdfast.dev/v1alpha1"), a_backup("one")])
        job = release.eventually("Job of the backup", lambda: release.job_of("one"), seconds=60)
        (operator,) = [pod for pod in release.pods() if "deletionTimestamp" not in pod["metadata"]]
    finally:
        release.run("uninstall", release.name, "--ignore-not-found")

    assert operator["spec"]["securityContext"]["runAsUser"] == 1000710000
    assert operator["status"]["containerStatuses"][0]["restartCount"] == 0
    assert "runAsUser" not in job["spec"]["template"]["spec"]["securityContext"]


def ready(pod: Manifest) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])


def test_install_waits_until_both_operators_are_ready(life: Life):
    assert len(life.first_pods) == 2
    assert all(ready(pod) for pod in life.first_pods)


def test_install_says_what_to_do_next(life: Life):
    assert f"watches the namespaces {life.release.tenant}, {life.release.leaver}." in life.notes
    assert f"kubectl get databasebackups -n {life.release.tenant} --watch" in life.notes
    assert "WARNING" not in life.notes


def test_one_operator_leads(life: Life):
    holder = life.lease["spec"]["holderIdentity"]

    assert holder.split("_")[0] in {pod["metadata"]["name"] for pod in life.first_pods}


def test_the_rights_of_the_chart_suffice_to_begin_a_backup(life: Life):
    (owner,) = life.begun["metadata"]["ownerReferences"]
    (container,) = life.begun["spec"]["template"]["spec"]["containers"]

    assert (owner["kind"], owner["name"]) == ("DatabaseBackup", "first")
    assert container["image"] == RUNNER


def test_a_namespace_that_is_deleted_does_not_end_the_backups_of_the_others(life: Life):
    (owner,) = life.begun_without_leaver["metadata"]["ownerReferences"]

    assert (owner["kind"], owner["name"]) == ("DatabaseBackup", "second")


def test_a_namespace_that_is_deleted_is_not_held_up_by_data_that_was_to_go(life: Life):
    (message,) = life.left

    assert f"DatabaseBackup {life.release.leaver}/leaving was removed" in message
    assert "s3://backups/" in message


def test_what_an_operator_that_is_gone_holds_up_goes_by_the_command_of_the_docs(life: Life):
    assert life.held
    assert life.let_go == ""


def test_upgrade_rolls_the_operators_with_the_new_values(life: Life):
    def names(pods: list[Manifest]) -> set[str]:
        return {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}

    fresh = [pod for pod in life.second_pods if pod["metadata"]["name"] in names(life.second_pods)]
    assert len(fresh) == 2
    assert not names(fresh) & names(life.first_pods)
    assert all(ready(pod) and "debug" in pod["spec"]["containers"][0]["args"] for pod in fresh)


def test_upgrade_brings_the_new_fields_of_the_crds(life: Life):
    (version,) = life.upgraded_crd["spec"]["versions"]

    assert "addedLater" in version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def test_uninstall_leaves_nothing_of_the_release(life: Life):
    assert len(life.installed) > 10
    assert life.left_over == []


def test_uninstall_keeps_the_crds_and_every_policy_and_backup(life: Life):
    assert sorted(life.kept) == [
        "batch/v1/Job",
        "batch/v1/Job",
        "holdfast.dev/v1alpha1/BackupPolicy",
        "holdfast.dev/v1alpha1/DatabaseBackup",
        "holdfast.dev/v1alpha1/DatabaseBackup",
        f"{life.release.group}/v1alpha1/BackupPolicy",
    ]


def test_neither_upgrade_nor_uninstall_hangs(life: Life):
    assert life.upgrade_seconds < 120
    assert life.uninstall_seconds < 60


def test_a_release_can_be_installed_again_over_the_crds_that_it_left(life: Life):
    def lasting(parts: list[str]) -> set[str]:
        return {part for part in parts if not part.startswith(("Pod/", "ReplicaSet/"))}

    assert lasting(life.installed_again) == lasting(life.installed)


def test_another_release_takes_the_crds_over_only_when_it_is_told_to(life: Life):
    assert "CustomResourceDefinition" in life.refused
    assert life.release.name in life.refused
    assert life.taken_over["metadata"]["annotations"]["meta.helm.sh/release-name"] == life.release.other
