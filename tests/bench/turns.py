"""Candidates measured in turn, several rounds: what counts is the ratio of their medians."""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence

from tests.bench.figures import Figure

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
GIGABYTES = float(os.environ.get("BENCH_GB", "1"))
SIZE = f"{GIGABYTES:g} GB"


def in_turn(candidates: Mapping[str, Callable[[], float]], only: Sequence[str] = ()) -> dict[str, float]:
    """Return the median of each candidate's seconds; `only`: of those whose name has one of these texts.

    The first one, which is the bare tool, runs once before it counts: it finds the server's caches warm, as the others.
    """
    chosen = {name: once for name, once in candidates.items() if not only or any(text in name for text in only)}
    next(iter(candidates.values()))()
    rounds = [{name: once() for name, once in chosen.items()} for _ in range(ROUNDS)]
    return {name: statistics.median(one[name] for one in rounds) for name in chosen}


def seconds(engine: str, times: Mapping[str, float]) -> list[Figure]:
    """Return the figures of the candidates themselves."""
    return [Figure(f"{engine}, {SIZE}: {name}", value, "s") for name, value in times.items()]


def ratio(engine: str, times: Mapping[str, float], name: str, other: str, limit: float | None = None) -> list[Figure]:
    """Return one candidate's time against another's; nothing where one of them was not asked for."""
    if name not in times or other not in times:
        return []
    return [Figure(f"{engine}, {SIZE}: {name} against {other}", times[name] / times[other], "x", limit)]
