"""What every model of a resource shares: camelCase names, frozen, no unknown fields; and the common field types."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class SpecModel(BaseModel):
    """A part of a spec. Unknown fields are an error: nothing is accepted and then ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, with the API's names and without absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class StatusModel(SpecModel):
    """A part of a status. Unknown fields are passed over: a newer version may have written them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_NAME)]
SecretKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
Text = Annotated[str, Field(min_length=1, max_length=1024)]
# As apimachinery's resource.Quantity accepts it.
_NUMBER = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
_QUANTITY = rf"^(\+|-)?{_NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{_NUMBER}))?$"
Quantity = Annotated[
    str | int,
    Field(
        max_length=64,
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "pattern": _QUANTITY,
        },
    ),
]


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Attach CEL rules, each with the sentence that a person gets; they become `x-kubernetes-validations`."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}
