"""How long the plan of retention takes over many backups of one policy: pure, so no cluster is asked."""

import time
from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from tests.bench.figures import Figure
from tests.builders import NOW

from holdfast.api.policy import Environment
from holdfast.api.retention import Retention
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.plan import Rules, plan

COUNT = 100_000
RULES = {"by age": {}, "by every rule": {"keepLast": 10, "keepHourly": 48, "keepDaily": 30, "keepWeekly": 8,
                                         "keepMonthly": 12, "keepYearly": 5}}  # fmt: skip


def measure(_only: Sequence[str]) -> list[Figure]:
    """Plan over an hourly backup for eleven years; the best of three, since others run beside it."""
    ended = [NOW - timedelta(hours=number) for number in range(COUNT)]
    facts = [Fact(name=f"b{at}", uid=f"{number}", created=at, completed=at, good=True, size_bytes=number)
             for number, at in enumerate(ended)]  # fmt: skip
    return [
        Figure(f"retention plan over {COUNT:,} backups, {how}", min(_seconds(facts, given) for _ in range(3)), "s", 1)
        for how, given in RULES.items()
    ]


def _seconds(facts: list[Fact], given: dict[str, int]) -> float:
    rules = Rules(Retention.model_validate(given), Environment.DEV, ZoneInfo("Europe/Berlin"))
    began = time.perf_counter()
    plan(facts, rules, NOW)
    return time.perf_counter() - began
