"""The operator's Jobs, confined by the API server itself: ours pass, and every other is refused with its reason.

Everything is asked with --dry-run=server as the operator's own ServiceAccount: admission decides, nothing is made.
"""

import contextlib
import copy
import functools
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.chart import mutations
from tests.chart.direct import Direct, directly
from tests.chart.every_job import DELETION, IMAGES, POLICYS, PROXY_VALUES, RESTORES, SETTINGS, every_job
from tests.chart.rendering import SERVED, render
from tests.e2e.kubectl import Kubectl, KubectlError

from holdfast import naming
from holdfast.manifests import rollback

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300, func_only=True)]

Job = dict[str, Any]
MINE = {"app.kubernetes.io/managed-by": "holdfast"}
RELEASE_SECONDS = 120
IMAGE, SQLITE_IMAGE = IMAGES["postgres-17"], IMAGES["sqlite-3"]
KINDS = [name for name, _ in every_job()]
# Between them they have every volume, every field and every way to be placed; `make matrix` has all.
WHOLE = ("encrypted, directory: backup", "authorities in a ConfigMap: backup", "sqlite: backup", RESTORES, DELETION)


@dataclass(frozen=True)
class Confined:
    """An installed release without a running operator, and the operator's own kubectl."""

    tenant: str
    account: str
    kubectl: Kubectl

    direct: Direct = field(repr=False)

    def as_operator(self, *arguments: str, stdin: str | None = None) -> str:
        return self.kubectl("-n", self.tenant, f"--as={self.account}", *arguments, stdin=stdin)

    @functools.cached_property
    def jobs(self) -> dict[str, Job]:
        return dict(every_job(self.tenant, operator=self.account))

    def refusal(self, *arguments: str, stdin: str | None = None) -> str:
        with pytest.raises(KubectlError) as refused:
            self.as_operator(*arguments, stdin=stdin)
        return str(refused.value)


@pytest.fixture(scope="module")
def confined(one_helm: Path, kubectl: Kubectl, make_namespace: Callable[[str], str]) -> Iterator[Confined]:
    home, tenant = make_namespace("admission"), make_namespace("tenant")
    with installed(one_helm, kubectl, home, tenant, migrationGate={"enabled": True}) as result:
        yield result


@pytest.fixture(scope="module")
def on_openshift(one_helm: Path, kubectl: Kubectl, make_namespace: Callable[[str], str]) -> Iterator[Confined]:
    home, tenant = make_namespace("openshift"), make_namespace("tenant")
    with installed(one_helm, kubectl, home, tenant, openshift=True) as result:
        yield result


@contextlib.contextmanager
def installed(helm: Path, kubectl: Kubectl, home: str, tenant: str, **values: Any) -> Iterator[Confined]:
    values |= {"replicas": 0, "watchNamespaces": [tenant], "crds": {"enabled": False}, "proxy": PROXY_VALUES}
    rendered = render(
        helm,
        {**values, "rbac": {"aggregateClusterRoles": False}},
        *(f"--namespace={home}", "--api-versions=v1/Pod", f"--api-versions={SERVED}"),
    )
    kubectl("apply", "--server-side", "-f", "-", stdin=rendered.manifests)
    account = f"system:serviceaccount:{home}:hf-holdfast"
    try:
        with directly(kubectl, account) as direct:
            result = Confined(tenant, account, kubectl, direct)
            wait_until_in_force(result)
            yield result
    finally:
        kubectl("delete", "--wait=false", "-f", "-", stdin=rendered.manifests)


def wait_until_in_force(confined: Confined) -> None:
    """The API server reads a new policy within seconds; until then it lets everything pass."""

    def as_admin(job: Job) -> str:
        verb, text = making(job)
        try:
            return confined.kubectl("-n", confined.tenant, *verb, stdin=text)
        except KubectlError as refused:
            return str(refused)

    deadline = time.monotonic() + RELEASE_SECONDS
    foreign, forged = a_job(confined.tenant), a_job(confined.tenant)
    metadata(labels={"app": "theirs"})(foreign)
    metadata(annotations={naming.ANNOTATION_MADE_BY: "another"})(forged)
    # The second is asked as an administrator: of two policies that refuse a Job, the API server tells either.
    for asked, job, message in ((confined.direct.refusal, foreign, "metadata.labels"), (as_admin, forged, MADE_BY)):
        said = ""
        while message not in said:
            assert time.monotonic() < deadline, f"a policy is not in force after {RELEASE_SECONDS} s: {said}"
            said = asked(job)


def a_job(namespace: str) -> Job:
    """The Job that the operator's own builder makes."""
    return dict(every_job(namespace))["postgresql, sql: backup"]


def a_sqlite_job(namespace: str) -> Job:
    """The Job for a file on a claim, for the node where the claim is mounted."""
    return dict(every_job(namespace))["sqlite: backup"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_that_the_operator_builds_passes(confined: Confined, kind: str):
    assert confined.direct.refusal(confined.jobs[kind]) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_on_openshift_a_job_passes_that_leaves_its_user_to_the_cluster(on_openshift: Confined, kind: str):
    left = SETTINGS.model_copy(update={"own_user": False})
    job = dict(every_job(on_openshift.tenant, left, on_openshift.account))[kind]
    named = "runAsUser" in job["spec"]["template"]["spec"]["securityContext"]

    assert on_openshift.direct.refusal(job) == ""
    assert named == (kind == "sqlite: backup" or kind.startswith("restore, sqlite"))


def test_a_user_is_left_to_the_cluster_on_openshift_alone(confined: Confined, on_openshift: Confined):
    named, left = a_job(confined.tenant), a_job(confined.tenant)
    del left["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    elsewhere = a_job(on_openshift.tenant)

    assert confined.direct.refusal(named) == ""
    assert "makes no Job without spec.template.spec.securityContext.runAsUser" in confined.direct.refusal(left)
    assert "securityContext.runAsUser: 65532" in on_openshift.direct.refusal(elsewhere)


FREE = [
    "metadata.annotations",
    "metadata.ownerReferences.0.name",
    "spec.(activeDeadlineSeconds|backoffLimit)",
    "spec.template.metadata.annotations([.].*)?",
    "spec.template.metadata.labels.team",
    "spec.template.spec.(activeDeadlineSeconds|serviceAccountName|priorityClassName)",
    "spec.template.spec.(affinity|nodeSelector|tolerations|topologySpreadConstraints|imagePullSecrets)([.].*)?",
    "spec.template.spec.containers.0.resources([.].*)?",
    "spec.template.spec.containers.0.env.0.value",
    "spec.template.spec.volumes.[0-9]+.(secret.secretName|configMap.name|persistentVolumeClaim.claimName)",
]
# By the API server: another for each Job, or in each second.
GIVEN_TO_EACH = {"uid", "creationTimestamp", "managedFields"}
FREE_OF_SCRATCH = "spec.template.spec.volumes.[0-9]+.emptyDir.sizeLimit"
FREE_OF_SQLITE = "spec.template.spec.securityContext.(runAsUser|runAsGroup)"


def free(job: Job, path: mutations.Path) -> bool:
    """Whether a policy may choose what stands there: the one whose Job it is, and so anyone who may take it over."""
    dotted = ".".join(map(str, path))
    patterns = [*FREE]
    if job["spec"]["template"]["spec"]["containers"][0]["image"] == SQLITE_IMAGE:
        patterns.append(FREE_OF_SQLITE)
    if "emptyDir" in path and mutations.at(job, path[: path.index("emptyDir")])["name"] == "scratch":
        patterns.append(FREE_OF_SCRATCH)
    return any(re.fullmatch(pattern, dotted) for pattern in patterns)


def let_through(confined: Confined, job: Job, path: mutations.Path, changed: Job) -> str | None:
    """Return what is wrong with the answer to a changed Job, if anything is.

    Right is a refusal; or that the API server drops what was added, or fills in what was left out, so that it makes the
    same Job. One that it calls invalid itself has not been refused by the policy, which may hide that it would not be.
    """
    answer = confined.direct.create(changed)
    if isinstance(answer, str):
        return None if "ValidatingAdmissionPolicy" in answer else f"not refused by the policy: {answer[:200]}"
    made = confined.direct.create(job)
    assert not isinstance(made, str)
    if path[0] == "metadata" and path[-1] in GIVEN_TO_EACH:
        return None if found(answer, path) != found(changed, path) else "let through"
    return None if found(answer, path) in (found(made, path), None) else "let through"


def found(job: Job, path: mutations.Path) -> Any:
    try:
        return mutations.at(job, path)
    except (KeyError, IndexError):
        return None


@pytest.fixture(scope="module")
def known(confined: Confined) -> mutations.Known:
    return mutations.Known(confined.direct.get("/openapi/v3/apis/batch/v1"))


MUTATED = [pytest.param(k, id=k, marks=[] if k in WHOLE else pytest.mark.matrix) for k in KINDS]


@pytest.mark.parametrize("kind", MUTATED)
def test_no_field_of_the_whole_schema_can_be_added(confined: Confined, known: mutations.Known, kind: str):
    job = confined.jobs[kind]
    wrong = {
        ".".join(map(str, path)): said
        for path, changed in mutations.additions(job, known)
        if not free(job, path) and (said := let_through(confined, job, path, changed))
    }
    assert {path: said for path, said in wrong.items() if path.split(".")[-1] not in mutations.NEVER_TAKEN} == {}


@pytest.mark.parametrize("kind", MUTATED)
def test_no_value_can_be_another_but_those_that_a_policy_chooses(confined: Confined, kind: str):
    job = confined.jobs[kind]
    for path, changed in mutations.changes(job):
        answer = confined.direct.refusal(changed)
        if free(job, path):
            assert "ValidatingAdmissionPolicy" not in answer, path
        elif path[-1] not in mutations.ASKED_BEFORE:
            assert "ValidatingAdmissionPolicy" in answer, path


@pytest.mark.parametrize("kind", MUTATED)
def test_no_field_can_be_left_out_but_those_that_a_policy_need_not_have(confined: Confined, kind: str):
    """Without what the API server asks for itself there is no Job at all, and what it fills in is the same again."""
    job = confined.jobs[kind]
    left_out = [
        ".".join(map(str, path))
        for path, changed in mutations.omissions(job)
        if not free(job, path) and let_through(confined, job, path, changed) == "let through"
    ]
    assert left_out == []


def pod(**fields: Any) -> Callable[[Job], None]:
    return lambda job: job["spec"]["template"]["spec"].update(fields)


def of_the_pod(**fields: Any) -> Callable[[Job], None]:
    return lambda job: job["spec"]["template"]["spec"]["securityContext"].update(fields)


def container(**fields: Any) -> Callable[[Job], None]:
    return lambda job: job["spec"]["template"]["spec"]["containers"][0].update(fields)


def security(**fields: Any) -> Callable[[Job], None]:
    return lambda job: job["spec"]["template"]["spec"]["containers"][0]["securityContext"].update(fields)


def another_container(where: str) -> Callable[[Job], None]:
    def change(job: Job) -> None:
        spec = job["spec"]["template"]["spec"]
        spec[where] = [*spec.get(where, []), {**copy.deepcopy(spec["containers"][0]), "name": "other"}]

    return change


def volume(name: str = "storage", **source: Any) -> Callable[[Job], None]:
    return lambda job: job["spec"]["template"]["spec"]["volumes"].append({"name": name, **source})


def variable(**entry: Any) -> Callable[[Job], None]:
    return lambda job: job["spec"]["template"]["spec"]["containers"][0]["env"].append(entry)


def annotation(name: str) -> Callable[[Job], None]:
    return lambda job: job["spec"]["template"]["metadata"]["annotations"].update({name: "unconfined"})


def metadata(**fields: Any) -> Callable[[Job], None]:
    return lambda job: job["metadata"].update(fields)


def job_spec(**fields: Any) -> Callable[[Job], None]:
    return lambda job: job["spec"].update(fields)


OWNER = {"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup", "name": "a", "uid": "b", "controller": True}
UNCONFINED = {"type": "Unconfined"}
BY_THE_NODE = "container.apparmor.security.beta.kubernetes.io/runner"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # without any, the API server would take the labels of the Pod template
        pytest.param(metadata(labels={"app": "theirs"}), "metadata.labels", id="no-label"),
        pytest.param(metadata(labels={"app.kubernetes.io/managed-by": "Helm"}), "metadata.labels", id="another-label"),
        pytest.param(metadata(ownerReferences=[]), "metadata.ownerReferences", id="no-owner"),
        pytest.param(metadata(ownerReferences=[OWNER, {**OWNER, "controller": False}]), "ownerReferences", id="two"),
        pytest.param(metadata(ownerReferences=[{**OWNER, "kind": "Pod"}]), "[].kind", id="owner-of-another-kind"),
        pytest.param(
            metadata(ownerReferences=[{**OWNER, "apiVersion": "example.com/v1"}]), "[].apiVersion", id="another-group"
        ),
        pytest.param(metadata(annotations={"batch.kubernetes.io/a": "b"}), "metadata.annotations", id="annotation"),
        pytest.param(metadata(finalizers=["example.com/a"]), "metadata.finalizers", id="finalizer"),
        pytest.param(job_spec(parallelism=1000), "spec.parallelism", id="parallelism"),
        pytest.param(job_spec(backoffLimit=1000), "spec.backoffLimit", id="backoffLimit"),
        pytest.param(lambda job: job["spec"].pop("activeDeadlineSeconds"), "activeDeadlineSeconds", id="no-deadline"),
        pytest.param(job_spec(managedBy="example.com/a"), "spec.managedBy", id="managedBy"),
        pytest.param(container(image="alpine"), "containers[].image", id="image"),
        pytest.param(another_container("containers"), "containers: one", id="sidecar"),
        pytest.param(another_container("initContainers"), "initContainers", id="init-container"),
        pytest.param(container(command=["sh"]), "containers[]", id="command"),
        pytest.param(container(args=["--help"]), "containers[]", id="args"),
        pytest.param(container(ports=[{"containerPort": 80, "hostPort": 80}]), "containers[]", id="hostPort"),
        pytest.param(variable(name="LD_PRELOAD", value="/tmp/a"), "containers[].env", id="LD_PRELOAD"),
        pytest.param(variable(name="HTTPS_PROXY", value="http://a"), "containers[].env", id="another-proxy"),
        pytest.param(container(envFrom=[{"secretRef": {"name": "a"}}]), "containers[]", id="envFrom"),
        pytest.param(container(securityContext={}), "containers[].securityContext", id="writable-root-and-more"),
        pytest.param(security(capabilities={}), "capabilities.drop", id="capabilities-kept"),
        pytest.param(security(runAsUser=0), "containers[].securityContext", id="root-container"),
        pytest.param(security(seLinuxOptions={"type": "spc_t"}), "containers[].securityContext", id="seLinux-type"),
        pytest.param(security(appArmorProfile=UNCONFINED), "containers[].securityContext", id="AppArmor-unconfined"),
        pytest.param(annotation(BY_THE_NODE), "metadata.annotations", id="AppArmor-unconfined-by-annotation"),
        pytest.param(annotation("io.kubernetes.cri-o.userns-mode"), "metadata.annotations", id="CRI-O's-annotation"),
        pytest.param(of_the_pod(seccompProfile=UNCONFINED), "seccompProfile.type", id="seccomp-unconfined"),
        pytest.param(of_the_pod(runAsUser=0), "runAsUser", id="root"),
        pytest.param(of_the_pod(fsGroup=1), "securityContext.fsGroup", id="fsGroup"),
        pytest.param(of_the_pod(sysctls=[{"name": "a.b", "value": "1"}]), "securityContext.sysctls", id="sysctls"),
        pytest.param(pod(securityContext={}), "securityContext.runAsNonRoot", id="perhaps-root"),
        pytest.param(pod(automountServiceAccountToken=True), "automountServiceAccountToken", id="token"),
        pytest.param(
            lambda job: job["spec"]["template"]["spec"].pop("automountServiceAccountToken"),
            "without spec.template.spec.automountServiceAccountToken",
            id="token-by-default",
        ),
        *(
            pytest.param(pod(**{name: value}), f"spec.template.spec.{name}", id=name)
            for name, value in {
                "hostNetwork": True,
                "hostPID": True,
                "hostIPC": True,
                "nodeName": "a",
                "priorityClassName": "system-node-critical",
                "shareProcessNamespace": True,
                "schedulerName": "a",
                "runtimeClassName": "a",
            }.items()
        ),
        pytest.param(volume(hostPath={"path": "/"}), "spec.template.spec.volumes[]", id="hostPath"),
        pytest.param(volume(persistentVolumeClaim={"claimName": "a"}), "volumes[].persistent", id="claim-of-another"),
        pytest.param(
            volume(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]}), "volumes[]", id="token-volume"
        ),
    ],
)
def test_the_operator_cannot_create_a_job_with(confined: Confined, change: Callable[[Job], Any], message: str):
    job = a_job(confined.tenant)
    change(job)

    said = confined.direct.refusal(job)

    assert "ValidatingAdmissionPolicy" in said
    assert message in said


def owner(**fields: Any) -> Callable[[Job], None]:
    return lambda job: job["metadata"]["ownerReferences"][0].update(fields)


def without(*path: str | int) -> Callable[[Job], None]:
    def change(job: Job) -> None:
        del mutations.at(job, path[:-1])[path[-1]]

    return change


def labels(**named: str | None) -> Callable[[Job], None]:
    """Change labels of ours, of the Job and its Pods alike."""

    def change(job: Job) -> None:
        for meta in (job["metadata"], job["spec"]["template"]["metadata"]):
            changed = meta["labels"] | {f"holdfast.dev/{name}": value for name, value in named.items()}
            meta["labels"] = {name: value for name, value in changed.items() if value is not None}

    return change


def a_second_owner(job: Job) -> None:
    first = job["metadata"]["ownerReferences"][0]
    job["metadata"]["ownerReferences"].append({**first, "uid": "another", "controller": False})


KIND_AND_LABEL = (
    "with metadata.ownerReferences[].kind: DatabaseBackup, DatabaseRestore or BackupPolicy, and the owner's"
)
MAKER = "metadata.annotations: none of Kubernetes' own, and where holdfast.dev/task=delete its maker's name"
MADE_BY = "the annotation holdfast.dev/made-by of a Job is the name of who makes it, and stays so"
NONE_OR_ONE = "ownerReferences: that one resource of its own owns, or none where holdfast.dev/task=delete"


@pytest.mark.parametrize("kind", ["postgresql, sql: backup", RESTORES, POLICYS])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(owner(apiVersion="example.com/v1alpha1"), "[].apiVersion", id="another-group"),
        pytest.param(owner(apiVersion="holdfast.dev/v1"), "[].apiVersion", id="another-version"),
        pytest.param(owner(kind="ConfigMap"), KIND_AND_LABEL, id="a-kind-that-is-not-ours"),
        pytest.param(owner(uid="another"), KIND_AND_LABEL, id="another-uid-than-the-label's"),
        pytest.param(owner(controller=False), "[].controller true", id="no-controller"),
        pytest.param(without("metadata", "ownerReferences", 0, "controller"), "[].controller", id="controller-unsaid"),
        pytest.param(owner(blockOwnerDeletion=True), "[].blockOwnerDeletion false", id="that-blocks-its-deletion"),
        pytest.param(a_second_owner, NONE_OR_ONE, id="a-second-one"),
        pytest.param(without("metadata", "ownerReferences"), "without metadata.ownerReferences", id="none"),
        pytest.param(labels(task="delete"), "without metadata.annotations", id="the-label-of-a-deletion"),
        pytest.param(job_spec(ttlSecondsAfterFinished=86400), "spec.ttlSecondsAfterFinished", id="its-time-to-live"),
    ],
)
def test_a_job_of_a_resource_can_have_no_other_owner(
    confined: Confined, kind: str, change: Callable[[Job], Any], message: str
):
    job = copy.deepcopy(confined.jobs[kind])
    change(job)

    said = confined.direct.refusal(job)

    assert "ValidatingAdmissionPolicy" in said
    assert message in said


OURS = ("DatabaseBackup", "DatabaseRestore", "BackupPolicy")


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        (kind, other)
        for kind, made in zip(("postgresql, sql: backup", RESTORES, POLICYS), OURS, strict=True)
        for other in OURS
        if other != made
    ],
)
def test_a_job_cannot_be_owned_by_another_kind_of_ours_than_it_is_labelled_for(
    confined: Confined, kind: str, other: str
):
    job = copy.deepcopy(confined.jobs[kind])
    owner(kind=other)(job)

    assert KIND_AND_LABEL in confined.direct.refusal(job)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(
            pytest.param(metadata(ownerReferences=[{**OWNER, "kind": kind}]), NONE_OR_ONE, id=f"an-owner-{kind}")
            for kind in (*OURS, "Pod")
        ),
        pytest.param(
            metadata(ownerReferences=[{**OWNER, "apiVersion": "example.com/v1", "controller": False}]),
            NONE_OR_ONE,
            id="an-owner-that-is-not-ours",
        ),
        pytest.param(labels(task="cleanup"), "without metadata.ownerReferences", id="another-task"),
        pytest.param(labels(task=None), "without metadata.ownerReferences", id="no-task"),
        pytest.param(labels(task="delete2"), "without metadata.ownerReferences", id="a-task-that-begins-alike"),
        pytest.param(without("metadata", "annotations"), "without metadata.annotations", id="no-annotation"),
        pytest.param(metadata(annotations={"a": "b"}), MAKER, id="no-maker"),
        pytest.param(metadata(annotations={naming.ANNOTATION_MADE_BY: "another"}), MADE_BY, id="another-maker"),
        pytest.param(without("spec", "ttlSecondsAfterFinished"), "spec.ttlSecondsAfterFinished", id="no-time-to-live"),
        pytest.param(job_spec(ttlSecondsAfterFinished=0), "spec.ttlSecondsAfterFinished", id="no-time-for-its-report"),
        pytest.param(job_spec(ttlSecondsAfterFinished=86401), "spec.ttlSecondsAfterFinished", id="a-longer-life"),
        pytest.param(container(image="alpine"), "containers[].image", id="another-image"),
        pytest.param(container(command=["sh"]), "containers[]", id="a-command"),
        pytest.param(pod(hostNetwork=True), "spec.template.spec.hostNetwork", id="hostNetwork"),
        pytest.param(volume("scratch", hostPath={"path": "/"}), "spec.template.spec.volumes[]", id="hostPath"),
    ],
)
def test_a_deletion_without_an_owner_cannot_have(confined: Confined, change: Callable[[Job], Any], message: str):
    job = copy.deepcopy(confined.jobs[DELETION])
    change(job)

    said = confined.direct.refusal(job)

    assert "ValidatingAdmissionPolicy" in said
    assert message in said


@pytest.mark.parametrize("arguments", [["--target-host=a"], ["sh"]], ids=["a paste's", "a command"])
@pytest.mark.parametrize("kind", [RESTORES, "sqlite: cleanup"])
def test_no_job_can_have_arguments(confined: Confined, kind: str, arguments: list[str]):
    job = copy.deepcopy(confined.jobs[kind])
    container(args=arguments)(job)

    said = confined.direct.refusal(job)

    assert "ValidatingAdmissionPolicy" in said
    assert "containers[]" in said


def test_a_claim_is_for_the_images_of_sqlite_alone(confined: Confined):
    job = a_sqlite_job(confined.tenant)
    container(image=IMAGE)(job)
    of_the_pod(runAsUser=65532, runAsGroup=65532)(job)

    assert "for the volume named claim, and the images of SQLite" in confined.direct.refusal(job)


def test_the_refusal_of_an_image_names_the_images_that_are_allowed(confined: Confined):
    job = a_job(confined.tenant)
    container(image="alpine")(job)

    said = confined.direct.refusal(job)

    assert "runner.images: " in said
    assert IMAGE in said


@pytest.fixture(scope="module")
def standing(confined: Confined, crds: None) -> None:
    """Suspended Jobs of another's making: two that `orders-1` owns, one labelled as ours, and one that none owns.

    And a deletion of the operator's own, which finds no node.
    """
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
    migrations = {"migration": ({}, True), "running": ({}, False), "both": (MINE, True)}
    for name, (more, held) in migrations.items():
        job = a_job(confined.tenant)
        job["metadata"].update(name=name, labels={naming.LABEL_BACKUP_FIRST: "orders", **more}, ownerReferences=[])
        pod(nodeSelector={"example.com/nowhere": "here"})(job)
        job["spec"]["suspend"] = held
        confined.kubectl("-n", confined.tenant, "create", "-f", "-", stdin=json.dumps(job))
    forged = copy.deepcopy(confined.jobs[DELETION])
    forged["metadata"].update(name="forged", annotations={})
    forged["spec"]["suspend"] = True
    confined.kubectl("-n", confined.tenant, "create", "-f", "-", stdin=json.dumps(forged))
    deletion = copy.deepcopy(confined.jobs[DELETION])
    deletion["metadata"].update(name="deletion")
    pod(nodeSelector={"example.com/nowhere": "here"})(deletion)
    confined.as_operator("create", "-f", "-", stdin=json.dumps(deletion))


PATCH = ("patch", "--dry-run=server", "--type=merge")
TTL = '{"spec":{"ttlSecondsAfterFinished":86399}}'


@pytest.mark.usefixtures("standing")
@pytest.mark.parametrize("job", ["ours", "deletion"])
def test_the_operator_patches_and_deletes_a_job_of_its_own(confined: Confined, job: str):
    assert "patched" in confined.as_operator(*PATCH, f"job/{job}", "-p", TTL)
    assert "deleted" in confined.as_operator("delete", "--dry-run=server", f"job/{job}")


@pytest.mark.usefixtures("standing")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param((*PATCH, "job/theirs", "-p", TTL), "only Jobs labelled", id="patch"),
        pytest.param(
            (*PATCH, "job/theirs", "-p", json.dumps({"metadata": {"labels": MINE}})),
            "only Jobs labelled",
            id="take-over",
        ),
        pytest.param(("delete", "--dry-run=server", "job/theirs"), "only Jobs labelled", id="delete"),
        pytest.param(("delete", "--dry-run=server", "job/forged"), "only Jobs labelled", id="delete-what-none-owns"),
        pytest.param((*PATCH, "job/forged", "-p", TTL), "only Jobs labelled", id="patch-what-none-owns"),
        pytest.param(
            (*PATCH, "job/deletion", "-p", json.dumps({"metadata": {"ownerReferences": [OWNER]}})),
            "changes nothing of a Job but",
            id="give-a-deletion-an-owner",
        ),
        pytest.param(
            (*PATCH, "job/ours", "-p", '{"metadata":{"labels":{"app.kubernetes.io/managed-by":"me"}}}'),
            "changes nothing of a Job but",
            id="drop-the-label",
        ),
        *(
            pytest.param((*PATCH, "job/ours", "-p", patch), "changes nothing of a Job but", id=name)
            for name, patch in {
                "disown": '{"metadata":{"ownerReferences":null}}',
                "annotate": '{"metadata":{"annotations":{"a":"b"}}}',
                "hold": '{"metadata":{"finalizers":["example.com/a"]}}',
                "resume": '{"spec":{"suspend":false}}',
                "multiply": '{"spec":{"parallelism":1000}}',
                "retry": '{"spec":{"backoffLimit":1000}}',
                "prolong": '{"spec":{"activeDeadlineSeconds":999999}}',
                "no-deadline": '{"spec":{"activeDeadlineSeconds":null}}',
            }.items()
        ),
        pytest.param(
            ("delete", "--dry-run=server", "--cascade=orphan", "job/ours"), "without its Pods", id="leave-its-pods"
        ),
    ],
)
def test_the_operator_cannot_touch_a_job(confined: Confined, arguments: tuple[str, ...], message: str):
    said = confined.refusal(*arguments)

    assert "ValidatingAdmissionPolicy" in said
    assert message in said


RESUME = '{"spec":{"suspend":false}}'


@pytest.mark.usefixtures("standing")
def test_the_operator_releases_a_migration_that_asked_to_be_held(confined: Confined):
    assert "patched" in confined.as_operator(*PATCH, "job/migration", "-p", RESUME)


@pytest.mark.usefixtures("standing")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param((*PATCH, "job/theirs", "-p", RESUME), "only Jobs labelled", id="one that did not ask"),
        pytest.param((*PATCH, "job/both", "-p", RESUME), "only Jobs labelled", id="one that says it is ours"),
        pytest.param(("delete", "--dry-run=server", "job/migration"), "only Jobs labelled", id="delete"),
        pytest.param(
            (*PATCH, "job/running", "-p", '{"spec":{"suspend":true}}'), "from true to false", id="stop one that runs"
        ),
        pytest.param((*PATCH, "job/running", "-p", TTL), "from true to false", id="expire one that runs"),
        *(
            pytest.param((*PATCH, "job/migration", "-p", json.dumps(patch)), "from true to false", id=name)
            for name, patch in {
                "change nothing": {"spec": {"suspend": True}, "metadata": {"labels": {"a": "b"}}},
                "expire": json.loads(TTL),
                "drop the label": {"metadata": {"labels": {naming.LABEL_BACKUP_FIRST: None}}, **json.loads(RESUME)},
                "annotate": {"metadata": {"annotations": {"a": "b"}}, **json.loads(RESUME)},
                "own": {"metadata": {"ownerReferences": [OWNER]}, **json.loads(RESUME)},
                "hold": {"metadata": {"finalizers": ["example.com/a"]}, **json.loads(RESUME)},
                "multiply": {"spec": {"suspend": False, "parallelism": 1000}},
                "place": {"spec": {"suspend": False, "template": {"spec": {"nodeSelector": {"a": "b"}}}}},
                "no deadline": {"spec": {"suspend": False, "activeDeadlineSeconds": None}},
            }.items()
        ),
    ],
)
def test_of_the_jobs_of_others_the_operator_changes_nothing_else(
    confined: Confined, arguments: tuple[str, ...], message: str
):
    said = confined.refusal(*arguments)

    assert "ValidatingAdmissionPolicy" in said
    assert message in said


def a_rollback(tenant: str) -> dict[str, Any]:
    failed = rollback.Failed("migrate", "j-1", "orders")
    return rollback.resource(tenant, naming.rollback_name("migrate", "j-1"), "before", "orders", failed)


def test_the_operator_makes_the_rollback_of_a_migration(confined: Confined, crds: None):
    made = json.dumps(a_rollback(confined.tenant))
    assert "created" in confined.as_operator("create", "--dry-run=server", "-f", "-", stdin=made)


@pytest.mark.parametrize(
    ("metadata", "spec"),
    [
        ({}, {"target": {"databaseName": "other"}}),
        ({}, {"mode": "Into"}),
        ({}, {"source": {"policyRef": {"name": "orders"}}}),
        ({}, {"options": {"content": "Data"}}),
        ({}, {"job": {"serviceAccountName": "admin"}}),
        ({"name": "mine"}, {}),
        ({"labels": {}}, {}),
        ({"finalizers": ["example.com/a"]}, {}),
    ],
    ids=["into another database", "into what is there", "of no backup by name", "a part", "another Job", "another name",
         "of no migration", "held"],
)  # fmt: skip
def test_the_operator_makes_no_other_restore(
    confined: Confined, crds: None, metadata: dict[str, Any], spec: dict[str, Any]
):
    body = a_rollback(confined.tenant)
    body["metadata"] |= metadata
    body["spec"] |= spec
    said = confined.refusal("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
    assert "makes no DatabaseRestore but the rollback" in said


OURS, THEIRS = "databasebackups.holdfast.dev/orders-1", "example.com/theirs"


@pytest.mark.usefixtures("standing")
def test_the_operator_puts_its_finalizer_on_a_backup_and_changes_nothing_else_of_it(confined: Confined):
    def finalizers(*names: str) -> str:
        return json.dumps({"metadata": {"finalizers": names}})

    assert "patched" in confined.as_operator(*PATCH, OURS, "-p", finalizers(naming.FINALIZER))
    for patch in (
        finalizers(THEIRS),
        '{"spec":{"deletionPolicy":"Delete"}}',
        '{"spec":{"pinned":true}}',
        '{"metadata":{"labels":{"a":"b"}}}',
        '{"metadata":{"annotations":{"holdfast.dev/confirm":"yes"}}}',
    ):
        assert "changes nothing of a DatabaseBackup but" in confined.refusal(*PATCH, OURS, "-p", patch), patch
    confined.kubectl("-n", confined.tenant, "patch", "--type=merge", OURS, "-p", finalizers(THEIRS, naming.FINALIZER))
    try:
        assert "patched" in confined.as_operator(*PATCH, OURS, "-p", finalizers(THEIRS))
        assert "changes nothing of" in confined.refusal(*PATCH, OURS, "-p", finalizers(naming.FINALIZER))
    finally:
        confined.kubectl("-n", confined.tenant, "patch", "--type=merge", OURS, "-p", finalizers())


def test_an_upgrade_that_changes_the_images_does_not_lock_out_a_running_job(confined: Confined, crds: None):
    """The Pod template cannot change any more; refusing its image now would only leave the Job without its end."""
    job = a_job(confined.tenant)
    container(image="holdfast-runner-postgres:17-former")(job)
    job["metadata"].update(name="former")
    job["metadata"]["ownerReferences"][0]["apiVersion"] = "holdfast.dev/v0"  # not served: nobody collects the Job
    job["spec"]["suspend"] = True
    confined.kubectl("-n", confined.tenant, "create", "-f", "-", stdin=json.dumps(job))

    assert "patched" in confined.as_operator(*PATCH, "job/former", "-p", TTL)
    assert "deleted" in confined.as_operator("delete", "--dry-run=server", "job/former")


def test_the_jobs_of_everyone_else_are_none_of_the_policys_business(confined: Confined):
    job = a_job(confined.tenant)
    container(image="alpine", command=["sh"])(job)
    metadata(labels={}, ownerReferences=[])(job)

    assert "created" in confined.kubectl(
        "-n", confined.tenant, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(job)
    )


@pytest.fixture(scope="module")
def editor(confined: Confined) -> str:
    """Who may do in the tenant's namespace what `edit` allows: make Jobs of any kind, and change them."""
    confined.kubectl("-n", confined.tenant, "create", "rolebinding", "editor", "--clusterrole=edit", "--user=editor")
    return "editor"


def making(job: Job) -> tuple[tuple[str, ...], str]:
    return ("create", "--dry-run=server", "-f", "-"), json.dumps(job)


def saying(maker: str | None) -> str:
    return json.dumps({"metadata": {"annotations": {naming.ANNOTATION_MADE_BY: maker}}})


@pytest.mark.parametrize("kind", [DELETION, RESTORES, POLICYS, "postgresql, sql: backup"])
def test_nobody_else_makes_a_job_that_says_the_operator_made_it(confined: Confined, editor: str, kind: str):
    job = copy.deepcopy(confined.jobs[kind])
    job["metadata"]["annotations"] = {naming.ANNOTATION_MADE_BY: confined.account}
    arguments, manifest = making(job)

    for other in ([f"--as={editor}"], []):  # nor an administrator
        with pytest.raises(KubectlError, match=f"ValidatingAdmissionPolicy.*{MADE_BY}"):
            confined.kubectl("-n", confined.tenant, *other, *arguments, stdin=manifest)


@pytest.mark.parametrize("maker", ["editor", None], ids=["their-own-name", "no-name"])
def test_what_does_not_say_so_anybody_makes_as_ever(confined: Confined, editor: str, maker: str | None):
    job = copy.deepcopy(confined.jobs[DELETION])
    job["metadata"]["annotations"] = {naming.ANNOTATION_MADE_BY: maker} if maker else {}
    arguments, manifest = making(job)

    assert "created" in confined.kubectl("-n", confined.tenant, f"--as={editor}", *arguments, stdin=manifest)


@pytest.mark.usefixtures("standing")
@pytest.mark.parametrize("options", [(), ("--subresource=status",)], ids=["itself", "with-its-status"])
@pytest.mark.parametrize(
    ("job", "maker"),
    [
        pytest.param("deletion", None, id="take-the-name-away"),
        pytest.param("deletion", "editor", id="put-their-own-name"),
        pytest.param("forged", "OPERATOR", id="put-the-operator's-name"),
        pytest.param("forged", "editor", id="put-their-own-name-later"),
    ],
)
def test_who_made_a_job_stays_as_it_is(
    confined: Confined, editor: str, job: str, maker: str | None, options: tuple[str, ...]
):
    patch = saying(confined.account if maker == "OPERATOR" else maker)
    who = () if options else (f"--as={editor}",)  # `edit` does not allow the writing of a status

    with pytest.raises(KubectlError, match=f"ValidatingAdmissionPolicy.*{MADE_BY}"):
        confined.kubectl("-n", confined.tenant, *who, *PATCH, *options, f"job/{job}", "-p", patch)


@pytest.mark.usefixtures("standing")
def test_a_job_that_says_who_made_it_is_anybodys_otherwise(confined: Confined, editor: str):
    """Kubernetes' own controllers write its status, and who may edit the namespace may label, patch and delete it."""
    as_editor = functools.partial(confined.kubectl, "-n", confined.tenant, f"--as={editor}")
    labels = json.dumps({"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}})

    confined.kubectl("-n", confined.tenant, "wait", "--for=jsonpath={.status.active}=1", "job/deletion")
    assert "patched" in as_editor(*PATCH, "job/deletion", "-p", labels)
    assert "deleted" in as_editor("delete", "--dry-run=server", "job/deletion")


@pytest.mark.parametrize("policy", ["jobs", "jobs-kept", "jobs-released", "jobs-made-by"])
def test_the_api_server_finds_no_fault_in_the_policys_expressions(confined: Confined, kubectl: Kubectl, policy: str):
    """Its type check tells of fields that do not exist, which would otherwise fail only when they are read."""
    name = f"hf-holdfast.{confined.account.split(':')[2]}.{policy}"
    deadline = time.monotonic() + RELEASE_SECONDS
    status: dict[str, Any] = {}
    while "typeChecking" not in status and time.monotonic() < deadline:
        status = json.loads(kubectl("get", "validatingadmissionpolicies", name, "-o", "json")).get("status", {})

    assert status["typeChecking"] == {}
