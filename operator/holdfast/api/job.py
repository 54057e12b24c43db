"""How a backup's Job runs: the fields that Job and Pod have too keep their names and meaning."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from holdfast.api import limits
from holdfast.api.base import DNS_NAME, ObjectName, Rule, SpecModel, StatusModel, keyed_by, qualified, rules, says
from holdfast.api.limits import Quantity, Size
from holdfast.api.scheduling import Affinity, LabelValue, TopologySpread

AnnotationValue = Annotated[str, Field(max_length=4096)]
ShortText = Annotated[str, Field(max_length=253)]
LOG_SECONDS = 86_400
"""How long a finished Job stays, and its log with it: a day."""

_RESOURCE_NAMES = Rule(
    "self.all(name, name in ['cpu', 'memory', 'ephemeral-storage'])",
    "only cpu, memory and ephemeral-storage can be set",
)
_OWN_LABELS = Rule(
    "self.all(key, !key.startsWith('holdfast.dev/') && !key.startsWith('batch.kubernetes.io/') && "
    "!(key in ['app.kubernetes.io/managed-by', 'app.kubernetes.io/component', 'job-name', 'controller-uid']))",
    "Holdfast or the Job sets these labels itself, so leave them out: holdfast.dev/..., batch.kubernetes.io/..., "
    "app.kubernetes.io/managed-by, app.kubernetes.io/component, job-name, controller-uid",
)
# Kubernetes takes orders by annotation, too; the chart's admission policy has the same list.
_OTHERS_ANNOTATIONS = Rule(
    "self.all(key, !key.startsWith('io.kubernetes.') && !key.matches('^([^/]*[.])?(kubernetes|k8s)[.]io/') || key in ["
    "'cluster-autoscaler.kubernetes.io/safe-to-evict', 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes', "
    "'descheduler.alpha.kubernetes.io/evict', 'descheduler.alpha.kubernetes.io/prefer-no-eviction', "
    "'kubectl.kubernetes.io/default-container', 'kubernetes.io/description', 'kubernetes.io/egress-bandwidth', "
    "'kubernetes.io/ingress-bandwidth'])",
    "Kubernetes' own annotations are refused, except those that cannot weaken how the Pod is confined, e.g. "
    "cluster-autoscaler.kubernetes.io/safe-to-evict and kubernetes.io/egress-bandwidth",
)


class Resources(SpecModel):
    """CPU, memory and ephemeral storage of the Job's container."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits) || "
                f"!({limits.comparable('string(self.requests[name])')}) || "
                f"!({limits.comparable('string(self.limits[name])')}) || "
                "quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
                "a request must not be above its limit",
                field=".requests",
            )
        )
    )

    requests: dict[str, Quantity] | None = Field(
        None,
        max_length=8,
        json_schema_extra=rules(_RESOURCE_NAMES, *limits.amounts(zero=True)),
        description="Resources that the scheduler reserves for the container: cpu, memory, ephemeral-storage. Each "
        "size is 0, or from 1Mi to 1Ei.",
    )
    limits: dict[str, Quantity] | None = Field(
        None,
        max_length=8,
        json_schema_extra=rules(_RESOURCE_NAMES, *limits.amounts(zero=False)),
        description="Limits that the container must not exceed: cpu, memory, ephemeral-storage. Each size is from 1Mi "
        "to 1Ei.",
    )


class Toleration(SpecModel):
    """A taint that the Job's Pod tolerates, as in a Pod."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
                "value must be left out when operator is Exists",
                field=".value",
            ),
            Rule(
                "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
                "operator must be Exists when key is left out",
                field=".operator",
            ),
            Rule(
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "tolerationSeconds needs effect NoExecute",
                field=".tolerationSeconds",
            ),
        )
    )

    key: ShortText | None = Field(
        None,
        description="Key of the taint. If left out, the toleration matches every taint; operator must then be Exists.",
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        None,
        description="How the taint is compared: Exists (the key is enough) or Equal (the value must be equal "
        "too). Default: Equal.",
    )
    value: LabelValue | None = Field(None, description="Value of the taint. Only for operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None,
        description="Effect of the taint: NoSchedule, PreferNoSchedule or NoExecute. If left out, the toleration "
        "matches every effect.",
    )
    toleration_seconds: int | None = Field(
        None,
        ge=0,
        le=2**31 - 1,
        description="How long the Pod tolerates a NoExecute taint, in seconds. Default: for ever.",
    )


class LocalReference(SpecModel):
    """An object of the same namespace."""

    name: ObjectName = Field(description="Name of the Secret.")


class Scratch(SpecModel):
    """The scratch volume for a dump in format directory or the copy of an SQLite file. Other dumps are streamed."""

    size_limit: Size = Field(
        "10Gi",
        description="Size limit of the scratch volume, an emptyDir, from 1Mi to 1Ei. The dump or copy must fit. "
        "Default: 10Gi.",
    )


PriorityClassName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=DNS_NAME,
        json_schema_extra={
            **says("must be the name of a PriorityClass: lower-case letters, digits, '-' and '.'"),
            **rules(
                Rule(
                    "!self.startsWith('system-')", "the PriorityClasses system-... are Kubernetes' own: use another one"
                )
            ),
        },
    ),
]


class JobTemplate(SpecModel):
    """How the Job of a backup runs. Fields left out take the chart's defaults, else the defaults named here."""

    service_account_name: ObjectName | None = Field(
        None, description="Name of a ServiceAccount in this namespace that the Job runs as. Default: default."
    )
    resources: Resources | None = Field(
        None,
        description="CPU, memory and ephemeral storage of the Job's container. If set, this replaces the chart's "
        "default as a whole. Default: requests 100m CPU and 128Mi memory, limit 512Mi memory.",
    )
    node_selector: dict[str, LabelValue] | None = Field(
        None,
        max_length=16,
        json_schema_extra={**rules(qualified("a label")), "x-kubernetes-map-type": "atomic"},
        description="Labels that a node must have for the Job to run there. Default: none.",
    )
    tolerations: list[Toleration] | None = Field(
        None, max_length=16, description="Taints that the Job's Pod tolerates. Default: none."
    )
    affinity: Affinity | None = Field(
        None,
        description="Which nodes the Job's Pod may run on, and near which Pods, as in a Pod, selected by labels. If "
        "set, this replaces the chart's default as a whole. Default: none.",
    )
    topology_spread_constraints: list[TopologySpread] | None = Field(
        None, max_length=8, description="How to spread Pods over nodes or zones, as in a Pod. Default: none."
    )
    priority_class_name: PriorityClassName | None = Field(
        None,
        description="PriorityClass of the Job's Pod. Kubernetes' own classes (system-...) are refused. Default: the "
        "cluster's default.",
    )
    pod_labels: dict[str, LabelValue] | None = Field(
        None,
        max_length=16,
        json_schema_extra=rules(qualified("a label"), _OWN_LABELS),
        description="Additional labels for the Job's Pod. Default: none.",
    )
    pod_annotations: dict[str, AnnotationValue] | None = Field(
        None,
        max_length=16,
        json_schema_extra=rules(qualified("an annotation"), _OTHERS_ANNOTATIONS),
        description="Additional annotations for the Job's Pod. Default: none.",
    )
    image_pull_secrets: list[LocalReference] | None = Field(
        None,
        max_length=8,
        json_schema_extra=keyed_by("name"),
        description="Secrets in this namespace to pull the runner's image with. Default: none.",
    )
    scratch: Scratch | None = Field(
        None,
        description="The scratch volume for a dump in format directory, or for the copy of an SQLite file. Other "
        "dumps need no such volume.",
    )
    start_timeout_seconds: int | None = Field(
        None,
        ge=10,
        le=86400,
        description="How long the Job's Pod may take to start before the backup fails, in seconds. Default: 600.",
    )
    active_deadline_seconds: int | None = Field(
        None, ge=10, le=604800, description="How long the backup may run, in seconds. Default: 21600 (6 hours)."
    )
    backoff_limit: int | None = Field(
        None,
        ge=0,
        le=10,
        description="How often the Job replaces a Pod that was lost or ran out of memory. The Pod itself retries "
        "temporary faults, such as a refused connection or a busy store. Those retries do not count here. Default: 2.",
    )


class PodWanted(StatusModel):
    """The Job should have a running Pod and has none: after a Pod ended, or because the cluster refuses Pods."""

    since: datetime = Field(description="Since when the operator has seen the Job without a running Pod, UTC.")
    refused: bool = Field(
        False, description="Whether the cluster refuses the Pod. If false, the Job creates a Pod by itself."
    )
    ran: bool = Field(False, description="Whether a Pod of the Job has run before.")
    failed_pods: int = Field(0, ge=0, description="Number of the Job's Pods that had failed by then.")
