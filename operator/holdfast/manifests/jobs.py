"""The Jobs that act for a resource, as dicts: a backup, the cleanup after a killed one, a later verification.

Every Pod meets PodSecurity `restricted`, has no API token, and gets Secrets as files only (volumes.py).
"""

from dataclasses import dataclass
from typing import Any

from holdfast import naming, units
from holdfast.api.database import Database
from holdfast.api.job import LOG_SECONDS, JobTemplate, Resources
from holdfast.api.policy import BackupPolicySpec, VerificationLevel
from holdfast.contract import paths, task
from holdfast.errors import FINAL_EXIT_CODES
from holdfast.manifests.volumes import (
    Volumes,
    database_volumes,
    identity_volume,
    instance_volumes,
    needs_scratch,
    run_volume,
    scratch_volume,
    spool_volume,
    storage_volumes,
)

RUNNER_UID = 65532
CONTAINER = paths.CONTAINER
CLEANUP_MEMORY = "256Mi"
SWEEP = "sweep"  # the task of a deletion that a policy owns
OWNERLESS = "delete"  # the task of a Job that no resource owns, as the admission policy knows it
POD_MARGIN_SECONDS = 60  # the runner's own deadline comes first: it ends well and reports
JOB_MARGIN_SECONDS = 120  # the Job's comes last: it deletes the Pod, and the report with it

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PLACING = (
    "nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName", "imagePullSecrets",
)  # fmt: skip


@dataclass(frozen=True)
class Runner:
    """The image that a Job runs and how it is fetched, from the chart's values."""

    image: str
    pull_policy: str
    proxy: dict[str, str]
    own_user: bool = True  # or the one that the cluster gives its namespace


@dataclass(frozen=True)
class Owner:
    """The resource that a Job acts for."""

    kind: str
    namespace: str
    name: str
    uid: str
    policy: str | None

    def labels(self, task: str, attempt: int) -> dict[str, str]:
        """Return the labels that the Job and its Pod are found by."""
        named, policy = naming.OWNER_LABELS[self.kind], self.policy
        return {
            naming.MANAGED_BY: naming.MANAGER,
            naming.COMPONENT: CONTAINER,
            named: naming.label_value(self.name),
            naming.uid_label(self.kind): self.uid,
            naming.LABEL_TASK: task,
            naming.LABEL_ATTEMPT: str(attempt),
            **({naming.LABEL_POLICY: naming.label_value(policy)} if policy else {}),
        }

    def reference(self) -> dict[str, Any]:
        """Return the ownerReference: deleting the resource ends its Jobs."""
        return {
            "apiVersion": naming.API_VERSION,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,  # deletion never waits for a Job
        }


@dataclass(frozen=True)
class Seat:
    """As whom a Pod runs, and where it must: next to whoever has the claim mounted already."""

    user: int | None = None  # None: the image's own
    group: int | None = None
    node: str | None = None

    def identity(self, own_user: bool) -> dict[str, int]:
        """Return what the Pod says of user and group: nothing, where the cluster chooses and no file asks for one."""
        if self.user is not None and self.group is not None:
            return {"runAsUser": self.user, "runAsGroup": self.group}
        return {"runAsUser": RUNNER_UID, "runAsGroup": RUNNER_UID} if own_user else {}


def seat(database: Database, node: str | None = None) -> Seat:
    """Return the seat of a task's Pod: the owner of an SQLite file, else the runner's own user."""
    if database.volume is None:
        return Seat(node=node)
    return Seat(database.volume.run_as_user, database.volume.group, node)


def backup_job(
    name: str,
    owner: Owner,
    attempt: int,
    work: task.BackupTask | task.SnapshotTask,
    resolved: BackupPolicySpec,
    runner: Runner,
    node: str | None = None,
) -> dict[str, Any]:
    """Build the Job that takes a backup; `node` is where its Pod must run, if anywhere."""
    volumes = [*run_volume(), *database_volumes(resolved.database), *storage_volumes(work.s3)]
    volumes += scratch_volume(resolved.job) if needs_scratch(resolved) else []
    volumes += spool_volume() if work.spool_bytes is not None else []
    volumes += identity_volume(work.identity_secret) if work.identity_secret else []
    return owned(name, owner, attempt, work, volumes, resolved.job, runner, seat(resolved.database, node))


def cleanup_job(
    name: str, owner: Owner, work: task.CleanupTask | task.SnapshotCleanupTask, template: JobTemplate, runner: Runner
) -> dict[str, Any]:
    """Build the Job that removes what a killed backup left in the bucket, or with AWS."""
    template = template.model_copy(update={"resources": _enough(template.resources or Resources())})
    volumes = [*run_volume(), *storage_volumes(work.s3), *instance_volumes(work.instance)]
    return owned(name, owner, 1, work, volumes, template, runner)


def verify_job(
    name: str,
    number: int,
    owner: Owner,
    work: task.VerifyTask | task.SnapshotVerifyTask,
    resolved: BackupPolicySpec,
    runner: Runner,
) -> dict[str, Any]:
    """Build the Job that verifies a backup again. It knows nothing of the database that was backed up."""
    volumes = [*run_volume(), *storage_volumes(work.s3), *instance_volumes(work.instance)]
    if work.level is VerificationLevel.READBACK:
        volumes += scratch_volume(resolved.job) if needs_scratch(resolved) else []
        if resolved.storage.encryption is not None:
            volumes += identity_volume(resolved.verification.identity_secret_name or naming.IDENTITY_SECRET)
    return owned(name, owner, number, work, volumes, resolved.job, runner)


def deletion_job(
    name: str,
    owner: Owner,
    made_by: str | None,
    number: int,
    work: task.DeleteTask | task.SnapshotDeleteTask,
    template: JobTemplate,
    runner: Runner,
) -> dict[str, Any]:
    """Build the Job that deletes backups' data: of an owner; or by who makes it, and owned by nobody: it outlives them.

    Then the owner's labels are for finding it alone.
    """
    template = template.model_copy(update={"resources": _enough(template.resources or Resources())})
    volumes = [*run_volume(), *storage_volumes(work.s3), *instance_volumes(work.instance)]
    if made_by is None:
        return _made(_meta(name, owner, SWEEP, number), work, volumes, template, runner)
    meta = {"name": name, "namespace": owner.namespace, "labels": owner.labels(OWNERLESS, number)}
    job = _made({**meta, "annotations": {naming.ANNOTATION_MADE_BY: made_by}}, work, volumes, template, runner)
    return {**job, "spec": {**job["spec"], "ttlSecondsAfterFinished": LOG_SECONDS}}


def _enough(resources: Resources) -> Resources:
    """Raise a memory limit that is too low: the backup that is cleaned up after may have died of just that."""
    limit = (resources.limits or {}).get("memory")
    if limit is None or units.bytes_of_quantity(limit) >= units.bytes_of_quantity(CLEANUP_MEMORY):
        return resources
    return resources.model_copy(update={"limits": {**(resources.limits or {}), "memory": CLEANUP_MEMORY}})


def owned(
    name: str,
    owner: Owner,
    attempt: int,
    work: task.Task,
    volumes: Volumes,
    template: JobTemplate,
    runner: Runner,
    seated: Seat = Seat(),
) -> dict[str, Any]:
    """Build the Job of a task that a resource owns."""
    return _made(_meta(name, owner, work.kind, attempt), work, volumes, template, runner, seated)


def _meta(name: str, owner: Owner, task: str, attempt: int) -> dict[str, Any]:
    labels, owners = owner.labels(task, attempt), [owner.reference()]
    return {"name": name, "namespace": owner.namespace, "labels": labels, "ownerReferences": owners}


def _made(
    meta: dict[str, Any],
    work: task.Task,
    volumes: Volumes,
    template: JobTemplate,
    runner: Runner,
    seated: Seat = Seat(),
) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {
            "backoffLimit": template.backoff_limit,
            "activeDeadlineSeconds": _most_seconds(work, template) + JOB_MARGIN_SECONDS,
            "podFailurePolicy": failure_policy(),
            "template": pod_template(meta["labels"], work, volumes, template, runner, seated=seated),
        },
    }


def _most_seconds(work: task.Task, template: JobTemplate) -> int:
    """Return how long a Pod may take to start, and then to work."""
    return (template.start_timeout_seconds or 0) + work.deadline_seconds


def pod_template(
    labels: dict[str, str],
    work: task.Task,
    volumes: Volumes,
    template: JobTemplate,
    runner: Runner,
    arguments: list[str] | None = None,
    seated: Seat = Seat(),
) -> dict[str, Any]:
    """Build what a Job of ours makes its Pods from, with all that the policy gives them: of a pasted one, too."""
    return {
        "metadata": {
            "labels": {**(template.pod_labels or {}), **labels},
            "annotations": {
                # moving or mending a running dump would only lose it
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                **(template.pod_annotations or {}),
            },
        },
        "spec": {
            **pod_spec(work, volumes, template, runner, arguments, seated),
            "activeDeadlineSeconds": _most_seconds(work, template) + POD_MARGIN_SECONDS,
        },
    }


def failure_policy() -> dict[str, Any]:
    """Say which ends of a Pod are final, and which are not its fault; the rest counts towards backoffLimit."""
    final = [int(code) for code in FINAL_EXIT_CODES]
    return {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "FailJob", "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": final}},
        ]
    }


def pod_spec(
    work: task.Task,
    volumes: Volumes,
    template: JobTemplate,
    runner: Runner,
    arguments: list[str] | None = None,
    seated: Seat = Seat(),
) -> dict[str, Any]:
    """Build the Pod of a task; `volumes` as volumes.py makes them, each with its mount path."""
    placed = template.to_dict()
    optional = {key: placed[key] for key in _PLACING if placed.get(key)}
    return {
        "restartPolicy": "Never",
        "serviceAccountName": template.service_account_name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": paths.GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            **seated.identity(runner.own_user),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **optional,
        **({"affinity": _on_node(seated.node, placed.get("affinity", {}))} if seated.node else {}),
        "containers": [_container(work, volumes, placed, runner, arguments or [])],
        "volumes": [{key: value for key, value in volume.items() if key != "mountPath"} for volume in volumes],
    }


def _on_node(name: str, affinity: dict[str, Any]) -> dict[str, Any]:
    """Keep the Pod on one node, by the node's own name: the label kubernetes.io/hostname may have another.

    What the policy asks of nodes stays: a node has to meet one of its terms, so each of them gets the name as well.
    """
    field = {"key": "metadata.name", "operator": "In", "values": [name]}
    nodes = affinity.get("nodeAffinity", {})
    terms = nodes.get(_REQUIRED, {}).get("nodeSelectorTerms", [{}])
    named = [{**term, "matchFields": [*term.get("matchFields", []), field]} for term in terms]
    return {**affinity, "nodeAffinity": {**nodes, _REQUIRED: {"nodeSelectorTerms": named}}}


def _container(
    work: task.Task, volumes: Volumes, placed: dict[str, Any], runner: Runner, arguments: list[str]
) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": runner.image,
        "imagePullPolicy": runner.pull_policy,
        **({"args": arguments} if arguments else {}),
        "env": [
            {"name": paths.TASK_VARIABLE, "value": task.to_environment(work)},
            {"name": paths.POD_UID_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            *({"name": key, "value": value} for key, value in sorted(runner.proxy.items())),
        ],
        "resources": placed.get("resources", {}),
        "terminationMessagePath": paths.TERMINATION_LOG,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": volume["name"], "mountPath": volume["mountPath"], "readOnly": _given(volume)} for volume in volumes
        ],
    }


def _given(volume: dict[str, Any]) -> bool:
    """Whether the Pod only reads what is there."""
    return "secret" in volume or "configMap" in volume
