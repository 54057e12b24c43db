"""What the status of a backup says of the migration that it was taken before."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.builders import NOW, a_begun_backup
from tests.unit.test_gate import a_migration

from holdfast.api.backup import DatabaseBackupStatus, Phase
from holdfast.api.release import Release, ReleaseStatus
from holdfast.decide.backup.migration import followed, is_news, recorded
from holdfast.decide.migrations import MigrationJob

HELD, KEEP = a_migration(), timedelta(hours=24)
RUNS, DONE = replace(HELD, suspended=False), replace(HELD, suspended=False, complete=True)
FAILED = replace(HELD, suspended=False, failed=True)


def a_status(phase: Phase = Phase.SUCCEEDED, **release: object) -> DatabaseBackupStatus:
    given = ReleaseStatus.model_validate({"jobName": "migrate", "jobUID": "j-1"} | release)
    return a_begun_backup(phase=phase, release=given).status


def test_what_the_spec_says_of_the_release_stands_in_the_status_from_the_beginning():
    release = Release(job_name="migrate", job_uid="j-1", images=["shop:2"], revision="v2")
    said = recorded(release)
    assert said is not None
    assert said.to_dict() == release.to_dict()
    assert recorded(None) is None


@pytest.mark.parametrize(
    ("job", "released", "kept"),
    [(HELD, None, None), (RUNS, NOW, None), (FAILED, NOW, None), (DONE, NOW, NOW + KEEP), (None, None, NOW + KEEP)],
    ids=["held", "runs", "failed", "succeeded", "gone"],
)
def test_what_has_become_of_the_job_is_written_once(
    job: MigrationJob | None, released: datetime | None, kept: datetime | None
):
    status = followed(a_status(), job, None, KEEP, NOW)
    assert status.release is not None
    assert (status.release.released_at, status.release.kept_until) == (released, kept)
    assert followed(status, job, None, KEEP, NOW + KEEP) == status
    assert not is_news(released is not None, kept is not None, False, job, False)
    assert (status != a_status()) is is_news(False, False, False, job, False)


def test_when_it_was_released_stays_as_it_was_when_it_ends():
    status = followed(followed(a_status(), RUNS, None, KEEP, NOW), DONE, None, KEEP, NOW + KEEP)
    assert status.release is not None
    assert (status.release.released_at, status.release.kept_until) == (NOW, NOW + 2 * KEEP)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.SUCCEEDED], ids=str)
def test_a_backup_that_is_no_success_says_nothing_of_it(phase: Phase):
    assert followed(a_status(phase), None, None, KEEP, NOW) == a_status(phase)


def test_a_release_that_names_no_job_keeps_nothing():
    status = a_begun_backup(phase=Phase.SUCCEEDED, release=ReleaseStatus(revision="v2")).status
    assert followed(status, None, None, KEEP, NOW) == status


def test_the_restore_that_rolls_it_back_is_named_once_whatever_becomes_of_that():
    status = followed(a_status(), FAILED, "migrate-rollback-1", KEEP, NOW)
    assert status.release is not None
    assert status.release.rollback == "migrate-rollback-1"
    assert is_news(True, False, False, FAILED, True)
    assert not is_news(True, False, True, FAILED, True)
    assert followed(status, FAILED, None, KEEP, NOW + KEEP) == status


def test_another_restore_of_that_job_changes_nothing_of_what_was_said():
    status = followed(a_status(rollback="first"), FAILED, "second", KEEP, NOW)
    assert status.release is not None
    assert (status.release.rollback, status.release.released_at) == ("first", NOW)


def test_a_job_that_somebody_has_suspended_again_is_not_called_released_by_its_rollback():
    status = followed(a_status(), replace(FAILED, suspended=True), "first", KEEP, NOW)
    assert status.release is not None
    assert (status.release.rollback, status.release.released_at) == ("first", None)
