"""Which backups are at rest, from their status alone."""

import pytest
from tests.builders import NOW, a_backup, a_begun_backup

from holdfast.api.backup import Failure, Phase
from holdfast.api.conditions import Condition
from holdfast.decide.backup import statuses
from holdfast.decide.backup.settled import has_settled
from holdfast.errors import Reason

FAILED = statuses.failed(a_begun_backup(), Failure(reason=Reason.DUMP_FAILED, message="m", remedy="r"), None, 0, NOW)


def test_one_that_failed_rests_though_it_has_nothing_to_restore():
    assert FAILED.restore is None
    assert has_settled(a_backup(status=FAILED), None)
    assert not has_settled(a_backup(status=FAILED), "verify me")
    assert not has_settled(a_backup(status=FAILED, generation=2), None), "its new generation is not told yet"


@pytest.mark.parametrize("phase", [None, Phase.PENDING, Phase.RUNNING, Phase.VERIFYING], ids=str)
def test_one_that_has_not_ended_does_not_rest(phase):
    assert not has_settled(a_begun_backup(phase=phase), None)


def test_a_success_that_lacks_what_was_resolved_does_not_rest():
    assert not has_settled(a_begun_backup(phase=Phase.SUCCEEDED, completed_at=NOW, restore="x", resolved=None), None)


def test_only_the_condition_that_tells_of_our_faults_is_asked_for_them():
    theirs = Condition(type="Theirs", status="True", reason=Reason.OPERATOR_FAULT, message="", last_transition_time=NOW)
    for conditions in ([theirs], [*FAILED.conditions, theirs]):
        assert has_settled(a_backup(status=FAILED.model_copy(update={"conditions": conditions})), None)
    ours = theirs.model_copy(update={"type": "Stalled"})
    assert not has_settled(a_backup(status=FAILED.model_copy(update={"conditions": [ours]})), None)
