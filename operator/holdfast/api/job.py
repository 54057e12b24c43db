"""How a backup's Job runs: the fields that Job and Pod have too keep their names and meaning."""

from typing import Annotated

from pydantic import Field

from holdfast.api.base import ObjectName, Quantity, SpecModel

LabelValue = Annotated[str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]
AnnotationValue = Annotated[str, Field(max_length=4096)]
ShortText = Annotated[str, Field(max_length=253)]


class Resources(SpecModel):
    """CPU, memory and ephemeral storage of the Job's container."""

    requests: dict[str, Quantity] | None = Field(None, max_length=8, description="What the scheduler reserves.")
    limits: dict[str, Quantity] | None = Field(None, max_length=8, description="What the container may use at most.")


class Toleration(SpecModel):
    """A taint that the Job's Pod tolerates; as in a Pod."""

    key: ShortText | None = Field(None, description="Key of the taint; without one, every taint.")
    operator: Annotated[str, Field(pattern="^(Exists|Equal)$")] | None = Field(
        None, max_length=8, description="Exists or Equal (the default)."
    )
    value: LabelValue | None = Field(None, description="Value of the taint, when operator is Equal.")
    effect: Annotated[str, Field(pattern="^(NoSchedule|PreferNoSchedule|NoExecute)$")] | None = Field(
        None, max_length=16, description="NoSchedule, PreferNoSchedule or NoExecute; without one, every effect."
    )
    toleration_seconds: int | None = Field(None, ge=0, description="How long a NoExecute taint is tolerated, seconds.")


class LocalReference(SpecModel):
    """A resource of the same namespace."""

    name: ObjectName = Field(description="Its name.")


class Scratch(SpecModel):
    """The volume that a `directory` dump is staged on. Other formats stream and use no disk."""

    size_limit: Quantity = Field("10Gi", description="Largest size of the volume, an emptyDir. Default: 10Gi.")


class JobTemplate(SpecModel):
    """How the Job of a backup runs. Fields left out are the chart's defaults, else the ones named here."""

    service_account_name: ObjectName | None = Field(
        None, description="ServiceAccount of this namespace that the Job runs as. Default: default."
    )
    resources: Resources | None = Field(
        None, description="Resources of the container. Default: requests of 100m CPU and 128Mi, a limit of 512Mi."
    )
    node_selector: dict[str, LabelValue] | None = Field(
        None, max_length=32, description="Labels that the Job's node must have."
    )
    tolerations: list[Toleration] | None = Field(None, max_length=32, description="Taints that the Job tolerates.")
    pod_labels: dict[str, LabelValue] | None = Field(
        None, max_length=32, description="Further labels of the Job's Pod."
    )
    pod_annotations: dict[str, AnnotationValue] | None = Field(
        None, max_length=32, description="Further annotations of the Job's Pod."
    )
    image_pull_secrets: list[LocalReference] | None = Field(
        None, max_length=8, description="Secrets of this namespace to pull the runner's image with."
    )
    scratch: Scratch | None = Field(None, description="The volume for a `directory` dump.")
    start_timeout_seconds: int | None = Field(
        None,
        ge=10,
        le=86400,
        description="How long the Job's Pod may take to start before the backup is Failed, seconds. Default: 600.",
    )
    active_deadline_seconds: int | None = Field(
        None, ge=10, le=604800, description="How long the backup may run, seconds. Default: 21600 (6 hours)."
    )
    backoff_limit: int | None = Field(
        None,
        ge=0,
        le=10,
        description="How often a Pod that was lost or ran out of memory is replaced. Default: 2. What passes by itself "
        "(a refused connection, a busy store) is retried within the Pod and is not counted here.",
    )
