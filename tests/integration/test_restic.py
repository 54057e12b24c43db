"""Retention by number and calendar beside Debian's restic, whose rules mean the same: both keep the same backups."""

import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.images.docker import Docker, built

from holdfast.api.policy import Environment
from holdfast.api.retention import Retention
from holdfast.decide.retention.facts import Fact
from holdfast.decide.retention.plan import Rules, plan

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # an image may have to be built

ZONE = ZoneInfo("Europe/Berlin")
NEWEST = datetime(2026, 11, 22, 2, tzinfo=UTC)
SNAPSHOTS, RULE_SETS = 60, 30
OPTIONS = {
    "keepLast": "--keep-last", "keepHourly": "--keep-hourly", "keepDaily": "--keep-daily",
    "keepWeekly": "--keep-weekly", "keepMonthly": "--keep-monthly", "keepYearly": "--keep-yearly",
}  # fmt: skip


def a_history(choose: random.Random) -> list[datetime]:
    """Moments of the last days, weeks and years, close to each other and far apart, newest first."""
    ago = {choose.randrange(0, choose.choice((3, 40, 1095)) * 1440) for _ in range(SNAPSHOTS)}
    moments = (NEWEST - timedelta(minutes=minutes) for minutes in sorted(ago))
    # restic is told the wall's time, which twice a year is no moment, or two
    return [at for at in moments if at.astimezone(ZONE).replace(fold=0).astimezone(UTC) == at]


class Restic:
    """A repository in a container, with a snapshot of each moment."""

    def __init__(self, docker: Docker, name: str, moments: list[datetime]) -> None:
        self._docker, self._name, self._moments = docker, name, moments
        self("restic init --quiet")
        for first in range(0, len(moments), 20):  # what one call may take has its limit
            self("; ".join(map(_backup, moments[first : first + 20])))

    def __call__(self, script: str) -> str:
        where = {"TZ": ZONE.key, "RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": "/tmp/r", "RESTIC_CACHE_DIR": "/tmp/c"}
        options = (word for name, value in where.items() for word in ("--env", f"{name}={value}"))
        return self._docker("exec", *options, self._name, "sh", "-ec", script)

    def kept(self, rules: dict[str, int]) -> set[datetime]:
        """What it keeps, without the oldest of all that is kept only while a rule has room: ours have no such one."""
        words = " ".join(f"{OPTIONS[name]} {count}" for name, count in rules.items())
        said = json.loads(self(f"restic forget --dry-run --json {words}").splitlines()[0])
        why = {each["snapshot"]["time"]: each["matches"] for group in said for each in group["reasons"]}
        times = (time for time, rules in why.items() if not all(rule.startswith("oldest ") for rule in rules))
        return {datetime.fromisoformat(time).astimezone(UTC) for time in times}


def _backup(moment: datetime) -> str:
    return f"restic backup --quiet --host h --time '{moment.astimezone(ZONE):%Y-%m-%d %H:%M:%S}' /etc/hostname"


@pytest.fixture
def container() -> Iterator[tuple[Docker, str]]:
    docker, name = Docker(), f"holdfast-restic-{uuid.uuid4().hex[:8]}"
    docker("run", "--detach", "--name", name, "--network", "none", built("bench"))
    try:
        yield docker, name
    finally:
        docker.attempt("rm", "--force", name)


@pytest.mark.matrix
@pytest.mark.parametrize("seed", [7, 11], ids="history {}".format)
def test_the_same_backups_are_kept_as_restic_keeps(container, seed):
    choose = random.Random(seed)
    moments = a_history(choose)
    restic = Restic(*container, moments)
    facts = [Fact(name=f"{at}", uid=f"{at}", created=at, completed=at, good=True) for at in moments]
    for _ in range(RULE_SETS):
        given = {name: choose.randint(1, 9) for name in OPTIONS if choose.random() < 0.4} or {"keepDaily": 3}
        rules = Rules(Retention.model_validate({"days": 0, **given}), Environment.DEV, ZONE, timedelta(0))
        ours = {each.name for each in plan(facts, rules, NEWEST + timedelta(hours=1)).verdicts if each.keep}
        assert ours == {f"{at}" for at in restic.kept(given)}, given
