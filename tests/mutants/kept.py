"""The list of the faults that may stay unnoticed, each with its reason: tests/mutants/survivors.toml.

[[kept]]           a fault that changes nothing that anybody could see, or that other tests than the fast ones notice
reason = "…"
mutants = ["decide/outcome.py retries: 0 -> 1"]
functions = ["kube/access.py credentials"]      all faults of it, as long as no fast test runs it

[[open]]           known, and nobody has written the test or the reason yet
reason = "…"       what is known of them together
mutants = […]
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PLACE = Path(__file__).parent / "survivors.toml"
NEVER = "no test runs it"


@dataclass(frozen=True)
class Listed:
    """What the file says."""

    mutants: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    open: frozenset[str] = frozenset()


@dataclass
class Verdict:
    """What the list and a run say of each other."""

    unexplained: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)


def read(place: Path = PLACE) -> Listed:
    """Read the list. One without a reason, or named twice, is an error."""
    whole = tomllib.loads(place.read_text())
    kept, still_open = whole.get("kept", []), whole.get("open", [])
    named = [name for group in (*kept, *still_open) for key in ("mutants", "functions") for name in group.get(key, [])]
    twice = [name for name, count in Counter(named).items() if count > 1]
    if twice:
        raise SystemExit(f"{place.name}: listed twice: {twice[0]}")
    if any(len(group.get("reason", "").split()) < 3 for group in (*kept, *still_open)):
        raise SystemExit(f"{place.name}: each entry wants a reason of some words")
    return Listed(
        frozenset(name for group in kept for name in group.get("mutants", [])),
        frozenset(name for group in kept for name in group.get("functions", [])),
        frozenset(name for group in still_open for name in group["mutants"]),
    )


def compare(listed: Listed, survivors: Mapping[str, str], modules: Iterable[str]) -> Verdict:
    """Compare them for the modules that were looked at; of each survivor it is said why, where that is known."""
    verdict, met = Verdict(), set()
    for mutant, why in survivors.items():
        function = mutant.partition(": ")[0]
        if mutant in listed.mutants or mutant in listed.open:
            met.add(mutant)
        elif why == NEVER and function in listed.functions:
            met.add(function)
        else:
            verdict.unexplained.append(mutant)
        if mutant in listed.open:
            verdict.open.append(mutant)
    looked_at = set(modules)
    every = listed.mutants | listed.functions | listed.open
    verdict.stale = sorted(name for name in every - met if name.partition(" ")[0] in looked_at)
    return verdict
