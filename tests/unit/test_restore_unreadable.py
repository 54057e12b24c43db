"""A restore that cannot be read any more is called failed by name, once its Job has ended."""

from dataclasses import replace

import pytest
from pydantic import ValidationError
from tests.builders import NOW
from tests.restore_views import a_begun_restore, a_failing_restore, its_job

from holdfast.api.backup import Ending
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import Phase
from holdfast.decide.decision import Delete, Rest
from holdfast.decide.restore import unreadable
from holdfast.decide.restore.observation import RESTORE, Observation, RestoreView
from holdfast.decide.seen import Seen
from holdfast.errors import Reason


def the_error() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        DatabaseRestoreSpec.model_validate({"source": {"backupRef": {"name": "first"}}, "mode": "Perhaps"})
    return caught.value


@pytest.mark.parametrize(
    "restore",
    [
        pytest.param(a_begun_restore(phase=Phase.SUCCEEDED), id="has ended"),
        pytest.param(a_begun_restore(phase=Phase.FAILED), id="has failed"),
        pytest.param(replace(a_begun_restore(phase=Phase.RUNNING), deleting=True), id="is being deleted"),
    ],
)
def test_what_cannot_be_read_rests_where_it(restore: RestoreView):
    assert unreadable.decide(Observation(restore), the_error(), NOW) == Rest()


@pytest.mark.parametrize("phase", [None, Phase.RUNNING], ids=["has not begun", "runs"])
def test_what_cannot_be_read_fails_by_name_where_it(phase: Phase | None):
    status = unreadable.decide(Observation(a_begun_restore(phase=phase)), the_error(), NOW).status
    assert (status.phase, status.failure.reason) == (Phase.FAILED, Reason.INVALID_SPEC)
    assert "spec.mode" in status.failure.message


def test_the_job_of_what_cannot_be_read_is_ended_before_it_is_called_failed():
    works = {RESTORE: Seen("its-job", its_job())}
    begun = Observation(a_begun_restore(phase=Phase.RUNNING), works=works)
    assert unreadable.decide(begun, the_error(), NOW).status.ending == Ending(since=NOW, job_uid="job-1")
    assert unreadable.decide(Observation(a_failing_restore(), works=works), the_error(), NOW).act == Delete(its_job())
