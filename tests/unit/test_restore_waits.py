"""What a restore waits for is told once."""

from dataclasses import replace

import pytest
from tests.builders import NOW, ago
from tests.restore_views import a_restore

from holdfast.decide.decision import Announcement
from holdfast.decide.restore import waits
from holdfast.decide.restore.observation import Observation


@pytest.mark.parametrize(
    ("former", "quiet", "news"),
    [
        pytest.param(None, False, True, id="nothing was said before"),
        pytest.param("Starting", False, True, id="another reason stood there"),
        pytest.param("Queued", False, False, id="the same reason stood there"),
        pytest.param("Starting", True, False, id="it is not for an Event"),
    ],
)
def test_what_is_waited_for_is_told_by_an_event_where(former: str | None, quiet: bool, news: bool):
    restore = a_restore()
    if former is not None:
        status = waits.wait(Observation(restore), ago(9), former, "x").status
        restore = replace(restore, status=status)
    decision = waits.wait(Observation(restore), NOW, "Queued", "it is queued", quiet=quiet)
    assert decision.announcement == (Announcement(True, "Queued", "it is queued") if news else None)
