"""What an operator of the bench's own exports: whether it rests, and what it has asked of the API server."""

import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tests.bench.process import PORT
from tests.e2e.world import until

from holdfast.kube.kinds import Kind

PATIENCE = 600.0
REQUESTS, RECONCILES, DEPTH = (
    "holdfast_kube_request_duration_seconds_count", "holdfast_reconciles_total", "holdfast_queue_depth",
)  # fmt: skip
_READ = urllib.parse.urlencode([("name[]", name) for name in (REQUESTS, RECONCILES, DEPTH)])
QUIET = 3.0  # seconds without a call but for reading, after which it rests


@dataclass(frozen=True)
class Calls:
    """How often the API server was asked, by verb and kind."""

    counts: Counter[tuple[str, str]]

    def __sub__(self, before: "Calls") -> "Calls":
        return Calls(self.counts - before.counts)

    def writes(self, *kinds: str) -> int:
        """Return how many were no reading: of these kinds, or of all."""
        return sum(n for (verb, kind), n in self.counts.items() if verb != "GET" and (not kinds or kind in kinds))

    def reads(self) -> int:
        """Return how many were reading."""
        return sum(n for (verb, _), n in self.counts.items() if verb == "GET")


def samples() -> list[Sample]:
    """Return what is read below; nothing while the operator is not ready.

    Nothing else is asked for: all the series of a thousand policies take the operator a quarter of a second, and here
    it is asked four times in each.
    """
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=5):
            pass
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics?{_READ}", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return []
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def total(found: Sequence[Sample], name: str, **labels: str) -> float:
    """Return the sum of the samples that have these labels."""
    return sum(one.value for one in found if one.name == name and labels.items() <= one.labels.items())


def calls(found: Sequence[Sample] | None = None) -> Calls:
    """Return what was asked of the API server since the operator's start."""
    counted: Counter[tuple[str, str]] = Counter()
    for one in samples() if found is None else found:
        if one.name == REQUESTS:
            counted[one.labels["verb"], one.labels["kind"]] += int(one.value)
    return Calls(counted)


def has_looked_at(found: Sequence[Sample], looks: dict[Kind, int]) -> bool:
    """Whether so many of each kind were looked at, and none waits."""
    done = all(total(found, RECONCILES, kind=kind.kind, outcome="success") >= least
               for kind, least in looks.items())  # fmt: skip
    return bool(found) and done and total(found, DEPTH) == 0


def until_settled(looks: dict[Kind, int]) -> None:
    """Wait until it has looked at all of them."""
    until(samples, lambda found: has_looked_at(found, looks), PATIENCE)


def until_quiet() -> Calls:
    """Wait until it has written nothing for a while, and return what it has asked by then."""
    seen, since = calls(), time.monotonic()

    def rests() -> bool:
        nonlocal seen, since
        found = samples()
        now = calls(found)
        if now.writes() != seen.writes() or total(found, DEPTH):
            seen, since = now, time.monotonic()
        return bool(found) and time.monotonic() - since > QUIET

    until(rests, bool, PATIENCE)
    return seen
