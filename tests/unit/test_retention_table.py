"""The table of docs/how-to/keep.md, row by row: what one writes, and what is kept after a year of it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests import yaml_text

from holdfast.api.policy import Environment
from holdfast.api.retention import Retention
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.plan import Rules, plan
from holdfast.decide.retention.words import Kind

PAGE = (Path(__file__).parents[2] / "docs/how-to/keep.md").read_text()
ROWS = re.findall(r"^\| `(\{.*\})` \| (\w+) \| (\w+) \| (\d+) \| ([\d-]+) \|$", PAGE, re.MULTILINE)
END = datetime(2026, 11, 22, 2, tzinfo=UTC)  # a Sunday
EVERY = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(days=7)}


def after_a_year(every: timedelta, environment: str, retention: dict[str, Any]) -> list[Fact]:
    """What is left of a year's backups, with a sweep each week and one at the end."""
    rules = Rules(Retention.model_validate(retention), Environment(environment), ZoneInfo("UTC"), timedelta(0))
    at = END - timedelta(days=365) // every * every
    facts: list[Fact] = []
    while at <= END:
        facts.append(Fact(name=f"{at}", uid=f"{at}", created=at, completed=at, good=True))
        if at == END or (at.weekday() == 0 and at.hour == 2):
            gone = {each.uid for each in plan(facts, rules, at).deletions}
            facts = [fact for fact in facts if fact.uid not in gone]
        at += every
    return facts


@pytest.mark.parametrize(("retention", "environment", "every", "kept", "oldest"), ROWS)
def test_after_a_year_is_kept_what_the_table_says(retention, environment, every, kept, oldest):
    left = after_a_year(EVERY[every], environment, next(iter(yaml_text.load_all(retention)), {}))
    assert (len(left), f"{left[0].ended:%Y-%m-%d}") == (int(kept), oldest)


def test_the_table_has_its_rows():
    assert len(ROWS) >= 10


def test_every_rule_that_keeps_what_should_stay_is_on_the_page():
    never = [Kind.NEWEST_GOOD, Kind.NEWEST_SOUND, Kind.PINNED, Kind.NEWEST_FAILED, Kind.NEWEST_DAMAGED,
             Kind.NEWEST_SUSPICIOUS]  # fmt: skip
    assert [kind for kind in never if f"`{kind}`" not in PAGE] == []
