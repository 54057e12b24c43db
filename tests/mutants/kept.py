"""The list of the mutants that may survive, each with its reason: tests/mutants/survivors.toml."""

import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PLACE = Path(__file__).parent / "survivors.toml"


@dataclass(frozen=True)
class Verdict:
    """What the list and a run say of each other."""

    unexplained: list[str]
    stale: list[str]


def read(place: Path = PLACE) -> dict[str, str]:
    """Read id and reason of each; one without a reason, or named twice, is an error."""
    groups = tomllib.loads(place.read_text()).get("kept", [])
    ids = Counter(mutant for group in groups for mutant in group["mutants"])
    twice = [mutant for mutant, count in ids.items() if count > 1]
    if twice:
        raise SystemExit(f"{place.name}: listed twice: {twice[0]}")
    if any(len(group.get("reason", "").split()) < 3 for group in groups):
        raise SystemExit(f"{place.name}: each entry wants a reason of some words")
    return {mutant: group["reason"] for group in groups for mutant in group["mutants"]}


def compare(listed: Iterable[str], survivors: Iterable[str], modules: Iterable[str]) -> Verdict:
    """Compare them for the modules that were looked at."""
    looked_at, listed, survivors = set(modules), set(listed), list(survivors)
    stale = sorted(mutant for mutant in listed - set(survivors) if mutant.partition(" ")[0] in looked_at)
    return Verdict([mutant for mutant in survivors if mutant not in listed], stale)
