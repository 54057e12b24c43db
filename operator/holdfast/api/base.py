"""What every model of a resource shares: camelCase names, frozen, no unknown fields; and the common field types."""

from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

AUTHORITY_KEY = "ca.crt"


class SpecModel(BaseModel):
    """A part of a spec. Unknown fields are an error: nothing is accepted and then ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, with the API's names and without absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class StatusModel(SpecModel):
    """A part of a status. Unknown fields are passed over: a newer version may have written them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class Rule(NamedTuple):
    """A CEL rule for the API server, and the sentence that a person gets who breaks it."""

    rule: str
    message: str
    field: str | None = None  # path below the rule's own place, e.g. ".label", where the error points elsewhere
    reason: str | None = None  # the kind of error: FieldValueForbidden and the like; Kubernetes' default is Invalid

    def to_dict(self) -> dict[str, str]:
        """Return it as `x-kubernetes-validations` holds it."""
        parts = {"rule": self.rule, "message": self.message, "fieldPath": self.field, "reason": self.reason}
        return {key: value for key, value in parts.items() if value is not None}


class Authority(NamedTuple):
    """Where a certificate authority is: a key of a Secret or of a ConfigMap, which trust-manager writes."""

    kind: Literal["Secret", "ConfigMap"]
    name: str
    key: str

    @classmethod
    def named(
        cls, secret: str | None, secret_key: str | None, config_map: str | None, config_map_key: str | None
    ) -> Self | None:
        """Return the one that is named, if one is; a ConfigMap where both are, which the API server refuses."""
        if config_map is not None:
            return cls("ConfigMap", config_map, config_map_key or AUTHORITY_KEY)
        return cls("Secret", secret, secret_key or AUTHORITY_KEY) if secret is not None else None


def rules(*given: Rule) -> dict[str, Any]:
    """Attach rules to a model or a field."""
    return {"x-kubernetes-validations": [rule.to_dict() for rule in given]}


def left_out(unless: str, message: str, *fields: str) -> tuple[Rule, ...]:
    """Refuse each of these fields unless a CEL expression holds; `{field}` in the message stands for its name."""
    return tuple(
        Rule(f"{unless} || !has(self.{field})", message.replace("{field}", field), field=f".{field}")
        for field in fields
    )


def says(message: str) -> dict[str, Any]:
    """Give a field's pattern the sentence that a person gets instead of the regular expression."""
    return {"x-message": message}


def keyed_by(field: str) -> dict[str, Any]:
    """Make a list one that several writers may share: an item is known by this field."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [field]}


def qualified(what: str) -> Rule:
    """Return the rule on the keys of labels and annotations: the form that Kubernetes asks for."""
    part = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
    return Rule(
        f"self.all(key, key.matches('^([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{part}$'))",
        f"the key of {what} is a name of at most 63 letters, digits, '-', '_' and '.', with or without a DNS prefix "
        "and '/': team, example.com/team",
    )


# What is no part of a word on a network: control characters and spaces, written out since `\s` is another set in each
# dialect (Go's has five characters, Rust's has Unicode's).
BLANK = r"\x00-\x20\x7f-\xa0"
ENDPOINT = rf"^https?://[^{BLANK}@/]+(/[^{BLANK}@]*)?$"

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

MAX_POLICY_NAME = 40  # it is a part of keys in the bucket, of labels, and of the names of scheduled backups

_NAME_SAYS = says("must be the name of an object in Kubernetes: lower-case letters, digits, '-' and '.'")
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_NAME, json_schema_extra=_NAME_SAYS)]
PolicyName = Annotated[
    str, Field(min_length=1, max_length=MAX_POLICY_NAME, pattern=DNS_NAME, json_schema_extra=_NAME_SAYS)
]
SecretKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[-._a-zA-Z0-9]+$",
        json_schema_extra=says("must be a key as a Secret has it: letters, digits, '-', '_' and '.'"),
    ),
]
