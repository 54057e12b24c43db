"""A figure, its limit, and how both are shown: a table for people, `.bench/latest.json` for tools."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

LATEST = Path(__file__).parents[2] / ".bench" / "latest.json"


@dataclass(frozen=True)
class Figure:
    """One measured value; `limit` is the most that it should be, None where it is only shown."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.limit is None else self.value <= self.limit

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "value": round(self.value, 3), "holds": self.holds}


def growth(what: str, few: Mapping[str, float], many: Mapping[str, float]) -> list[Figure]:
    """Return how many times as much the same costs where there is more; nothing of what costs nothing."""
    return [Figure(f"{what}: {name}", many[name] / few[name], "x") for name in few if few[name] and name in many]


def show(figures: Sequence[Figure]) -> None:
    """Print them as a table."""
    table = Table("figure", "value", "unit", "limit", "holds")
    for figure in figures:
        limit = "" if figure.limit is None else f"{figure.limit:g}"
        holds = {None: "", True: "yes", False: "NO"}[figure.holds]
        table.add_row(figure.name, f"{figure.value:.2f}", figure.unit, limit, holds)
    Console(width=120).print(table)


def write(figures: Sequence[Figure], path: Path = LATEST) -> None:
    """Keep them for tools and for the docs."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"figures": [figure.to_dict() for figure in figures]}, indent=2) + "\n")
