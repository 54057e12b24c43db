"""Where a Job's Pod may run, in a Pod's own words: affinity and topology spread constraints.

Typed and bounded, so that what is wrong is refused when the policy is written and not hours later when its Job is. Pods
and nodes are meant by their labels only: the whole of a Pod's affinity would be larger than all else in the definitions
together, which have to fit into what kubectl keeps of them.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from holdfast.api.base import Rule, SpecModel, qualified, rules, says

LabelValue = Annotated[
    str,
    Field(
        max_length=63,
        pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
        json_schema_extra=says("must be the value of a label: at most 63 letters, digits, '-', '_' and '.'"),
    ),
]
LabelKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=317,
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
        json_schema_extra=says("must be the key of a label: disk, topology.kubernetes.io/zone"),
    ),
]
Weight = Annotated[int, Field(ge=1, le=100)]


class NodeRequirement(SpecModel):
    """What a node's label has to be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.operator in ['Exists', 'DoesNotExist'] ? !has(self.values) || self.values.size() == 0 : "
                "has(self.values) && self.values.size() > 0 && "
                "(!(self.operator in ['Gt', 'Lt']) || self.values.size() == 1 && self.values[0].matches('^[0-9]+$'))",
                "In and NotIn need values, Exists and DoesNotExist take none, and Gt and Lt take one number",
                field=".values",
            )
        )
    )

    key: LabelKey = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="In, NotIn, Exists, DoesNotExist, Gt or Lt."
    )
    values: list[LabelValue] | None = Field(None, max_length=16, description="What it is compared with.")


class NodeTerm(SpecModel):
    """Requirements that a node meets all of."""

    match_expressions: list[NodeRequirement] = Field(min_length=1, max_length=8, description="What its labels are.")


class NodeSelection(SpecModel):
    """Terms of which a node meets one."""

    node_selector_terms: list[NodeTerm] = Field(min_length=1, max_length=8, description="Terms; one is enough.")


class PreferredNode(SpecModel):
    """A term that counts for a node which meets it."""

    weight: Weight = Field(description="How much it counts, 1 to 100.")
    preference: NodeTerm = Field(description="What the node should be like.")


class NodeAffinity(SpecModel):
    """Which nodes the Job's Pod may run on, and which it rather should."""

    required_during_scheduling_ignored_during_execution: NodeSelection | None = Field(
        None, description="What the node must be like."
    )
    preferred_during_scheduling_ignored_during_execution: list[PreferredNode] | None = Field(
        None, max_length=8, description="What it should be like."
    )


class LabelSelector(SpecModel):
    """Pods of the Job's namespace, by their labels."""

    match_labels: dict[str, LabelValue] = Field(
        min_length=1, max_length=8, json_schema_extra=rules(qualified("a label")), description="Labels that they have."
    )


class PodTerm(SpecModel):
    """Pods to be near to, or far from, and what near means."""

    label_selector: LabelSelector = Field(description="Which Pods, of the Job's namespace.")
    topology_key: LabelKey = Field(description="Label of nodes that are one place, e.g. kubernetes.io/hostname.")


class PreferredPods(SpecModel):
    """A term that counts for a node which meets it."""

    weight: Weight = Field(description="How much it counts, 1 to 100.")
    pod_affinity_term: PodTerm = Field(description="Which Pods.")


class PodAffinity(SpecModel):
    """Pods that must, or should, be in the same place; or, as anti-affinity, must or should not."""

    required_during_scheduling_ignored_during_execution: list[PodTerm] | None = Field(
        None, max_length=8, description="What must be so."
    )
    preferred_during_scheduling_ignored_during_execution: list[PreferredPods] | None = Field(
        None, max_length=8, description="What should be so."
    )


class Affinity(SpecModel):
    """Which nodes, and near to or far from which Pods."""

    node_affinity: NodeAffinity | None = Field(None, description="Which nodes, by label.")
    pod_affinity: PodAffinity | None = Field(None, description="Near to which Pods of its namespace.")
    pod_anti_affinity: PodAffinity | None = Field(None, description="Far from which Pods of its namespace.")


class TopologySpread(SpecModel):
    """How evenly Pods are spread over nodes or zones."""

    max_skew: int = Field(ge=1, le=1000, description="By how many Pods places may differ.")
    topology_key: LabelKey = Field(description="Label of nodes that are one place, e.g. topology.kubernetes.io/zone.")
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="DoNotSchedule (the Pod waits where it cannot be so) or ScheduleAnyway."
    )
    label_selector: LabelSelector = Field(description="Which Pods are counted.")
