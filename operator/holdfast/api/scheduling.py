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
    """A requirement on a label of a node."""

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

    key: LabelKey = Field(description="Key of the node's label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How the label is compared with the values: In, NotIn, Exists, DoesNotExist, Gt or Lt."
    )
    values: list[LabelValue] | None = Field(
        None,
        max_length=16,
        description="Values to compare with the label's value. One number for Gt and Lt; none for Exists and "
        "DoesNotExist.",
    )


class NodeTerm(SpecModel):
    """Requirements: a node must meet all of them."""

    match_expressions: list[NodeRequirement] = Field(
        min_length=1, max_length=8, description="Requirements on the node's labels. The node must meet all of them."
    )


class NodeSelection(SpecModel):
    """Terms: a node must meet at least one of them."""

    node_selector_terms: list[NodeTerm] = Field(
        min_length=1, max_length=8, description="Terms that describe nodes. A node must meet at least one of them."
    )


class PreferredNode(SpecModel):
    """A preference, and how much it counts."""

    weight: Weight = Field(description="How much this preference counts, 1 to 100.")
    preference: NodeTerm = Field(description="Term that describes preferred nodes.")


class NodeAffinity(SpecModel):
    """Which nodes the Job's Pod may run on, and which nodes it prefers."""

    required_during_scheduling_ignored_during_execution: NodeSelection | None = Field(
        None, description="Rules that a node must meet for the Job's Pod to be scheduled there."
    )
    preferred_during_scheduling_ignored_during_execution: list[PreferredNode] | None = Field(
        None, max_length=8, description="Rules that the scheduler prefers nodes to meet."
    )


class LabelSelector(SpecModel):
    """Pods of the Job's namespace, by their labels."""

    match_labels: dict[str, LabelValue] = Field(
        min_length=1,
        max_length=8,
        json_schema_extra=rules(qualified("a label")),
        description="Labels that a Pod must have to be selected.",
    )


class PodTerm(SpecModel):
    """Pods to be near to or far from, and what counts as near."""

    label_selector: LabelSelector = Field(description="Selects Pods in the Job's namespace.")
    topology_key: LabelKey = Field(
        description="Key of a node label, e.g. kubernetes.io/hostname. Nodes with the same value count as one place."
    )


class PreferredPods(SpecModel):
    """A preference, and how much it counts."""

    weight: Weight = Field(description="How much this preference counts, 1 to 100.")
    pod_affinity_term: PodTerm = Field(description="Which Pods to be near to or far from, and what counts as near.")


class PodAffinity(SpecModel):
    """Pods that must, or should, be in the same place; or, as anti-affinity, must or should not."""

    required_during_scheduling_ignored_during_execution: list[PodTerm] | None = Field(
        None, max_length=8, description="Rules that must be met for the Job's Pod to be scheduled."
    )
    preferred_during_scheduling_ignored_during_execution: list[PreferredPods] | None = Field(
        None, max_length=8, description="Rules that the scheduler prefers to meet."
    )


class Affinity(SpecModel):
    """Which nodes the Job's Pod runs on, and which Pods it is near to or far from."""

    node_affinity: NodeAffinity | None = Field(
        None, description="Which nodes the Job's Pod may run on, and which nodes it prefers."
    )
    pod_affinity: PodAffinity | None = Field(
        None, description="Which Pods in its namespace the Job's Pod runs near to."
    )
    pod_anti_affinity: PodAffinity | None = Field(
        None, description="Which Pods in its namespace the Job's Pod keeps away from."
    )


class TopologySpread(SpecModel):
    """How evenly Pods are spread over nodes or zones."""

    max_skew: int = Field(ge=1, le=1000, description="Largest difference in the number of Pods between two places.")
    topology_key: LabelKey = Field(
        description="Key of a node label, e.g. topology.kubernetes.io/zone. Nodes with the same value count as one "
        "place."
    )
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="What to do if maxSkew cannot be met: DoNotSchedule (the Pod waits) or ScheduleAnyway."
    )
    label_selector: LabelSelector = Field(description="Selects the Pods to count.")
