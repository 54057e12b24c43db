"""Sizes, shares of a processor and the prefix: the form that is asked for, once for the API server and once for us.

The API server refuses by these rules what is written from now on. What it took before they were there, and the chart's
defaults, which it never sees, `beyond.py` refuses with the same words when a backup begins. The models themselves read
more: a status, a task or a manifest of an older version may hold it.
"""

from typing import Annotated

from pydantic import Field

from holdfast.api.base import Rule, rules, says

MAX_PAGE = 50  # backups that one Job deletes: what a resource tells of, a task and a report have room for the same
MIN_SIZE, MAX_SIZE = "1Mi", "1Ei"
_NUMBER = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)"
SIZE = rf"^{_NUMBER}([KMGTPE]i|[kMGTPE]|[eE](\+|-)?[0-9]{{1,2}})?$"
CPU = rf"^{_NUMBER}[mk]?$"
# As apimachinery's resource.Quantity accepts it, without a sign; no exponent stops whoever computes it.
_QUANTITY = rf"^{_NUMBER}([KMGTPE]i|[numkMGTPE]|[eE](\+|-)?[0-9]{{1,2}})?$"
_READ = rf"^{_NUMBER}([KMGTPE]i|[numkMGTPE]|[eE](\+|-)?[0-9]+)?$"

SIZE_SAYS = f"must be a size from {MIN_SIZE} to {MAX_SIZE}: 512Mi, 10Gi (500m would be half a byte)"
CPU_SAYS = "must be a number of processors: 500m, 2, 1.5"
PREFIX_SAYS = "must not have empty parts: eu/db instead of eu//db"

Quantity = Annotated[
    Annotated[str, Field(max_length=64, pattern=_READ)] | Annotated[int, Field(ge=0)],
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "pattern": _QUANTITY,
            **says("must be a Kubernetes quantity of zero or more: 500m, 2, 512Mi, 10Gi"),
        },
    ),
]


def _in_range(text: str) -> str:
    """Return the condition that a text, which is a size, is in range."""
    size = f"quantity({text})"
    return f"{size}.compareTo(quantity('{MIN_SIZE}')) >= 0 && {size}.compareTo(quantity('{MAX_SIZE}')) <= 0"


def _matches(text: str, pattern: str) -> str:
    """Return the condition that a text has this form."""
    escaped = pattern.replace("\\", "\\\\")
    return f"{text}.matches('{escaped}')"


Size = Annotated[
    Annotated[str, Field(max_length=64, pattern=_READ)] | Annotated[int, Field(ge=0)],
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "pattern": SIZE,
            **says(SIZE_SAYS),
            **rules(Rule(f"!{_matches('string(self)', SIZE)} || ({_in_range('string(self)')})", SIZE_SAYS)),
        },
    ),
]


def amounts(zero: bool) -> list[Rule]:
    """Return the rules on the amounts of cpu, memory and ephemeral storage; `zero`: whether none is one."""
    text = "string(self[name])"
    right = f"({_in_range(text)})" + (f" || quantity({text}).compareTo(quantity('0')) == 0" if zero else "")
    sizes = f"each of memory and ephemeral-storage {SIZE_SAYS}"
    return [
        Rule(f"self.all(name, name != 'cpu' || {_matches(text, CPU)})", f"cpu {CPU_SAYS}"),
        Rule(f"self.all(name, name == 'cpu' || ({_matches(text, SIZE)} && ({right})))", sizes),
    ]


def comparable(text: str) -> str:
    """Return the condition that a quantity can be computed with, for a rule that is to say nothing of what is none."""
    return _matches(text, _QUANTITY)


NO_EMPTY_PARTS = Rule("!has(self.prefix) || !self.prefix.contains('//')", f"prefix {PREFIX_SAYS}", field=".prefix")
