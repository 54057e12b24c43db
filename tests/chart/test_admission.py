"""The operator's Jobs, confined by the API server itself: ours pass, each deviation is refused with its reason.

Everything is asked with --dry-run=server as the operator's own ServiceAccount: admission decides, nothing is made.
"""

import copy
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.builders import a_begun_backup, a_sqlite_policy
from tests.chart.rendering import CHART, SERVED, render
from tests.e2e.kubectl import Kubectl, KubectlError

from holdfast.manifests import jobs, tasks

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180, func_only=True)]

Job = dict[str, Any]
MINE = {"app.kubernetes.io/managed-by": "holdfast"}
RELEASE_SECONDS = 30
IMAGES = yaml.safe_load((CHART / "values.yaml").read_text())["runner"]["images"]
IMAGE, SQLITE_IMAGE = IMAGES["postgres-17"], IMAGES["sqlite-3"]


@dataclass(frozen=True)
class Confined:
    """An installed release without a running operator, and the operator's own kubectl."""

    tenant: str
    account: str
    kubectl: Kubectl

    def as_operator(self, *arguments: str, stdin: str | None = None) -> str:
        return self.kubectl("-n", self.tenant, f"--as={self.account}", *arguments, stdin=stdin)

    def create(self, job: Job) -> str:
        return self.as_operator("create", "--dry-run=server", "-f", "-", stdin=json.dumps(job))

    def refusal(self, *arguments: str, stdin: str | None = None) -> str:
        with pytest.raises(KubectlError) as refused:
            self.as_operator(*arguments, stdin=stdin)
        return str(refused.value)


@pytest.fixture(scope="module")
def confined(one_helm: Path, kubectl: Kubectl, make_namespace: Callable[[str], str]) -> Iterator[Confined]:
    home, tenant = make_namespace("admission"), make_namespace("tenant")
    values = {"replicas": 0, "watchNamespaces": [tenant], "crds": {"enabled": False}}
    rendered = render(
        one_helm,
        {**values, "rbac": {"aggregateClusterRoles": False}},
        *(f"--namespace={home}", "--api-versions=v1/Pod", f"--api-versions={SERVED}"),
    )
    kubectl("apply", "--server-side", "-f", "-", stdin=rendered.manifests)
    result = Confined(tenant, f"system:serviceaccount:{home}:hf-holdfast", kubectl)
    try:
        wait_until_in_force(result)
        yield result
    finally:
        kubectl("delete", "--wait=false", "-f", "-", stdin=rendered.manifests)


def wait_until_in_force(confined: Confined) -> None:
    """The API server reads a new policy within seconds; until then it lets everything pass."""
    deadline = time.monotonic() + RELEASE_SECONDS
    said, foreign = "", a_job(confined.tenant)
    metadata(labels={"app": "theirs"})(foreign)
    while "handles only Jobs labelled" not in said:
        assert time.monotonic() < deadline, f"the policy is not in force after {RELEASE_SECONDS} s: {said}"
        try:
            said = confined.create(foreign)
        except KubectlError as error:
            said = str(error)


def a_job(namespace: str, format_: str = "sql") -> Job:
    """The Job that the operator's own builder makes."""
    status = a_begun_backup().status
    spec = a_begun_backup().spec
    resolved = tasks.resolved_of(status)
    resolved = resolved.model_validate({**resolved.to_dict(), "dump": {"format": format_}})
    owner = jobs.Owner(namespace, "orders-1", "0f6bd1c4-5a0e-4a8a-9a5e-6d1f5a0c7b11", "orders")
    runner = jobs.Runner(IMAGE, "IfNotPresent", {"HTTPS_PROXY": "http://proxy:3128"})
    return jobs.backup_job("orders-1-backup", owner, 1, tasks.backup_task(owner, spec, status, []), resolved, runner)


def a_sqlite_job(namespace: str, image: str = SQLITE_IMAGE) -> Job:
    """The Job for a file on a claim, for the node where the claim is mounted."""
    backup = a_begun_backup(inline=a_sqlite_policy())
    owner = jobs.Owner(namespace, "orders-1", "0f6bd1c4-5a0e-4a8a-9a5e-6d1f5a0c7b11", None)
    work = tasks.backup_task(owner, backup.spec, backup.status, [])
    runner = jobs.Runner(image, "IfNotPresent", {})
    return jobs.backup_job("orders-1-backup", owner, 1, work, tasks.resolved_of(backup.status), runner, "node-b")


def a_cleanup_job(namespace: str) -> Job:
    status = a_begun_backup().status
    owner = jobs.Owner(namespace, "orders-1", "0f6bd1c4-5a0e-4a8a-9a5e-6d1f5a0c7b11", None)
    runner = jobs.Runner(IMAGE, "IfNotPresent", {})
    return jobs.cleanup_job(
        "orders-1-cleanup", owner, tasks.cleanup_task(owner, status), tasks.resolved_of(status).job, runner
    )


def test_the_jobs_that_the_operator_builds_pass(confined: Confined):
    tenant = confined.tenant
    for job in (a_job(tenant), a_job(tenant, "directory"), a_cleanup_job(tenant), a_sqlite_job(tenant)):
        assert "created" in confined.create(job)


def test_a_claim_is_for_the_images_of_sqlite_alone(confined: Confined):
    job = a_sqlite_job(confined.tenant, IMAGE)

    said = confined.refusal("create", "--dry-run=server", "-f", "-", stdin=json.dumps(job))

    assert "the volume named claim to those for SQLite" in said


def test_a_job_for_sqlite_has_no_other_claim_than_its_databases(confined: Confined):
    job = a_sqlite_job(confined.tenant)
    volume(persistentVolumeClaim={"claimName": "another"})(job)

    said = confined.refusal("create", "--dry-run=server", "-f", "-", stdin=json.dumps(job))

    assert "the volume named claim to those for SQLite" in said


def pod(**fields: Any) -> Callable[[Job], None]:
    return lambda job: job["spec"]["template"]["spec"].update(fields)


def container(**fields: Any) -> Callable[[Job], None]:
    return lambda job: job["spec"]["template"]["spec"]["containers"][0].update(fields)


def security(**fields: Any) -> Callable[[Job], None]:
    return lambda job: job["spec"]["template"]["spec"]["containers"][0]["securityContext"].update(fields)


def another_container(**fields: Any) -> Callable[[Job], None]:
    def change(job: Job) -> None:
        spec = job["spec"]["template"]["spec"]
        spec["initContainers"] = [{**copy.deepcopy(spec["containers"][0]), "name": "other", **fields}]

    return change


def volume(**source: Any) -> Callable[[Job], None]:
    return lambda job: job["spec"]["template"]["spec"]["volumes"].append({"name": "more", **source})


def metadata(**fields: Any) -> Callable[[Job], None]:
    return lambda job: job["metadata"].update(fields)


OWNED_BY_A_POD = [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}]
OF_ANOTHER_GROUP = [{"apiVersion": "example.com/v1", "kind": "DatabaseBackup", "name": "a", "uid": "b"}]
FROM_A_SECRET = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}
PROBE = {"exec": {"command": ["sh"]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # without any, the API server would take the labels of the Pod template
        pytest.param(metadata(labels={"app": "theirs"}), "only Jobs labelled", id="no-label"),
        pytest.param(
            metadata(labels={"app.kubernetes.io/managed-by": "Helm"}), "only Jobs labelled", id="another-label"
        ),
        pytest.param(metadata(ownerReferences=[]), "that a DatabaseBackup owns", id="no-owner"),
        pytest.param(metadata(ownerReferences=OWNED_BY_A_POD), "a DatabaseBackup owns", id="owner-of-another-kind"),
        pytest.param(
            metadata(ownerReferences=OF_ANOTHER_GROUP), "that a DatabaseBackup owns", id="owner-of-another-group"
        ),
        pytest.param(container(image="alpine"), "only the images in the chart's", id="another-image"),
        pytest.param(another_container(image="alpine"), "only the images in the chart's", id="image-of-init-container"),
        pytest.param(container(command=["sh"]), "own entrypoints", id="command"),
        pytest.param(container(args=["--help"]), "own entrypoints", id="args"),
        pytest.param(container(lifecycle={"preStop": PROBE}), "own entrypoints", id="lifecycle-hook"),
        pytest.param(container(livenessProbe=PROBE), "own entrypoints", id="probe"),
        pytest.param(another_container(command=["sh"]), "own entrypoints", id="command-of-init-container"),
        pytest.param(container(env=[FROM_A_SECRET]), "as files only", id="secret-in-environment"),
        pytest.param(container(envFrom=[{"secretRef": {"name": "a"}}]), "as files only", id="whole-secret"),
        pytest.param(volume(hostPath={"path": "/"}), "only emptyDir and secret volumes", id="hostPath"),
        pytest.param(
            volume(persistentVolumeClaim={"claimName": "a"}), "only emptyDir and secret volumes", id="claim-of-another"
        ),
        pytest.param(
            volume(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]}),
            "only emptyDir and secret volumes",
            id="projected-token",
        ),
        pytest.param(pod(automountServiceAccountToken=True), "no API token", id="token"),
        pytest.param(
            lambda job: job["spec"]["template"]["spec"].pop("automountServiceAccountToken"),
            "no API token",
            id="token-by-default",
        ),
        pytest.param(pod(hostNetwork=True), "no namespace of the host", id="hostNetwork"),
        pytest.param(pod(hostPID=True), "no namespace of the host", id="hostPID"),
        pytest.param(pod(hostIPC=True), "no namespace of the host", id="hostIPC"),
        pytest.param(pod(securityContext={}), "as non-root", id="perhaps-root"),
        pytest.param(pod(securityContext={"runAsNonRoot": True, "fsGroup": 1}), "no fsGroup", id="fsGroup"),
        pytest.param(security(runAsNonRoot=False), "as non-root", id="root-container"),
        pytest.param(security(privileged=True, allowPrivilegeEscalation=True), "unprivileged", id="privileged"),
        pytest.param(security(allowPrivilegeEscalation=True), "without escalation", id="escalation"),
        pytest.param(security(capabilities={"add": ["NET_RAW"]}), "added capabilities", id="capability"),
    ],
)
def test_the_operator_cannot_create_a_job(confined: Confined, change: Callable[[Job], Any], message: str):
    job = a_job(confined.tenant)
    change(job)

    said = confined.refusal("create", "--dry-run=server", "-f", "-", stdin=json.dumps(job))

    assert "ValidatingAdmissionPolicy" in said
    assert message in said


def test_the_refusal_of_an_image_names_the_images_that_are_allowed(confined: Confined):
    job = a_job(confined.tenant)
    container(image="alpine")(job)

    said = confined.refusal("create", "--dry-run=server", "-f", "-", stdin=json.dumps(job))

    assert "runner.images: " in said
    assert IMAGE in said


@pytest.fixture(scope="module")
def standing(confined: Confined, crds: None) -> None:
    """Two suspended Jobs of someone else's making, one of them labelled as the operator's; `orders-1` owns both."""
    backup = {
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "DatabaseBackup",
        "metadata": {"name": "orders-1"},
        "spec": {"policyRef": {"name": "none"}},
    }
    uid = json.loads(confined.kubectl("-n", confined.tenant, "create", "-o=json", "-f", "-", stdin=json.dumps(backup)))[
        "metadata"
    ]["uid"]
    for name, labels in (("ours", MINE), ("theirs", {"app": "theirs"})):
        job = a_job(confined.tenant)
        job["metadata"].update(name=name, labels=labels)
        job["metadata"]["ownerReferences"][0]["uid"] = uid  # an owner that is not there has its Jobs collected
        job["spec"]["suspend"] = True
        confined.kubectl("-n", confined.tenant, "create", "-f", "-", stdin=json.dumps(job))


PATCH = ("patch", "--dry-run=server", "--type=merge")


@pytest.mark.usefixtures("standing")
def test_the_operator_patches_and_deletes_a_job_of_its_own(confined: Confined):
    assert "patched" in confined.as_operator(*PATCH, "job/ours", "-p", '{"spec":{"ttlSecondsAfterFinished":86400}}')
    assert "deleted" in confined.as_operator("delete", "--dry-run=server", "job/ours")


@pytest.mark.usefixtures("standing")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param((*PATCH, "job/theirs", "-p", '{"spec":{"suspend":false}}'), "only Jobs labelled", id="patch"),
        pytest.param(
            (*PATCH, "job/theirs", "-p", json.dumps({"metadata": {"labels": MINE}})),
            "only Jobs labelled",
            id="take-over",
        ),
        pytest.param(("delete", "--dry-run=server", "job/theirs"), "only Jobs labelled", id="delete"),
        pytest.param(
            (*PATCH, "job/ours", "-p", '{"metadata":{"labels":{"app.kubernetes.io/managed-by":"me"}}}'),
            "only Jobs labelled",
            id="drop-the-label",
        ),
        pytest.param(
            (*PATCH, "job/ours", "-p", '{"metadata":{"ownerReferences":null}}'), "DatabaseBackup owns", id="disown"
        ),
    ],
)
def test_the_operator_cannot_touch_a_job(confined: Confined, arguments: tuple[str, ...], message: str):
    said = confined.refusal(*arguments)

    assert "ValidatingAdmissionPolicy" in said
    assert message in said


def test_an_upgrade_that_changes_the_images_does_not_lock_out_a_running_job(confined: Confined, crds: None):
    """The Pod template cannot change any more; refusing its image now would only leave the Job without its end."""
    job = a_job(confined.tenant)
    container(image="holdfast-runner-postgres:17-former")(job)
    job["metadata"].update(name="former")
    job["metadata"]["ownerReferences"][0]["apiVersion"] = "holdfast.dev/v0"  # not served: nobody collects the Job
    job["spec"]["suspend"] = True
    confined.kubectl("-n", confined.tenant, "create", "-f", "-", stdin=json.dumps(job))

    assert "patched" in confined.as_operator(*PATCH, "job/former", "-p", '{"spec":{"ttlSecondsAfterFinished":86400}}')
    assert "deleted" in confined.as_operator("delete", "--dry-run=server", "job/former")


def test_the_jobs_of_everyone_else_are_none_of_the_policys_business(confined: Confined):
    job = a_job(confined.tenant)
    container(image="alpine", command=["sh"])(job)
    metadata(labels={}, ownerReferences=[])(job)

    assert "created" in confined.kubectl(
        "-n", confined.tenant, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(job)
    )


def test_the_api_server_finds_no_fault_in_the_policys_expressions(confined: Confined, kubectl: Kubectl):
    """Its type check tells of fields that do not exist, which would otherwise fail only when they are read."""
    name = f"hf-holdfast.{confined.account.split(':')[2]}.jobs"
    deadline = time.monotonic() + RELEASE_SECONDS
    status: dict[str, Any] = {}
    while "typeChecking" not in status and time.monotonic() < deadline:
        status = json.loads(kubectl("get", "validatingadmissionpolicies", name, "-o", "json")).get("status", {})

    assert status["typeChecking"] == {}
