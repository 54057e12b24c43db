"""What a policy says of its backups, where it says nothing by itself."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.builders import NOW

from holdfast.api.policy import Environment
from holdfast.api.retention import Retention
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.plan import Rules, plan


@pytest.mark.parametrize(("minutes", "gone"), [(59, []), (61, ["older"])])
def test_for_an_hour_after_its_creation_a_backup_neither_counts_nor_goes(minutes, gone):
    held = Rules(Retention(days=0, keep_last=1), Environment.DEV, ZoneInfo("UTC"))
    newer, older = NOW - timedelta(minutes=minutes), NOW - timedelta(days=1)
    facts = [
        Fact(name=name, uid=name, created=at, completed=at, good=True)
        for name, at in (("newer", newer), ("older", older))
    ]
    found = plan(facts, held, NOW)
    assert [each.name for each in found.deletions] == gone
