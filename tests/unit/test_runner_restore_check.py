"""What is told of a restore's target before the restore, and which migrations it would undo."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from tests.manifests import a_manifest

from holdfast.api.restoring import RestoreMode
from holdfast.contract.manifest import ManifestMigrations
from holdfast.contract.report import MAX_MIGRATION, MOST_UNDONE, ImpactReport, Report
from holdfast.contract.task import CheckTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.protocol import Look
from holdfast.runner.tasks import restore_check

NOW = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)


def flyway(*names: str, table: str = "public.flyway_schema_history") -> ManifestMigrations:
    return ManifestMigrations(tool="Flyway", table=table, applied=list(names), failed=[], locked=False)


def impact(
    there: list[ManifestMigrations], backup: list[ManifestMigrations] | None, mode: str = "Replace"
) -> ImpactReport:
    manifest = a_manifest().model_copy(update={"migrations": backup})
    task = CheckTask.model_construct(mode=RestoreMode(mode))
    return restore_check._report(Look(size_bytes=1, migrations=there), manifest, task)


@pytest.mark.parametrize(
    ("there", "backup", "undone"),
    [
        pytest.param([flyway("1", "2", "3")], [flyway("1")], ["Flyway: 2", "Flyway: 3"], id="later ones"),
        pytest.param([flyway("1")], [flyway("1")], [], id="none"),
        pytest.param([flyway("1")], [flyway("1", "2")], [], id="the backup has more"),
        pytest.param([flyway("1")], None, ["Flyway: 1"], id="the backup knows of no tool"),
        pytest.param([flyway("1"), flyway("1", table="b.t")], [flyway("1")], ["Flyway: 1"], id="in another schema"),
    ],
)
def test_migrations_that_the_backup_has_not_are_named(there: Any, backup: Any, undone: list[str]):
    found = impact(there, backup)
    assert (found.undone, found.undone_count) == (undone, len(undone))


@pytest.mark.parametrize("mode", ["Into", "Refuse"])
def test_a_restore_that_leaves_what_is_there_undoes_no_migration(mode: str):
    assert impact([flyway("1", "2")], [], mode).undone_count == 0


def test_of_many_the_last_are_named_and_all_are_counted():
    found = impact([flyway(*(f"{number}{'x' * 300}" for number in range(50)))], [])
    assert found.undone_count == 50
    assert [name.partition("x")[0] for name in found.undone] == [
        f"Flyway: {number}" for number in range(50 - MOST_UNDONE, 50)
    ]
    assert max(map(len, found.undone)) == MAX_MIGRATION


def test_the_longest_of_it_has_room_in_a_report_and_no_secret_is_in_it():
    names = [f"{'é' * 180} hunter2"] * 50
    found = impact([flyway(*names)], [])
    report = Report(
        kind="restore-check", outcome="Succeeded", started_at=NOW, completed_at=NOW, duration_seconds=1, impact=found,
        warnings=["w" * 900] * 8,
    ).reworded(lambda text: text.replace("hunter2", "***"))  # fmt: skip
    data = report.to_bytes()
    assert len(data) <= 4096
    assert b"hunter2" not in data
    read = Report.model_validate_json(data).impact
    assert read is not None
    assert read.undone_count == 50


class Target:
    """A database that is looked at."""

    def __init__(self, raises: HoldfastError) -> None:
        self.warnings: list[str] = []
        self._raises = raises

    def look(self) -> Look:
        raise self._raises


def looked(monkeypatch: pytest.MonkeyPatch, reason: Reason) -> ImpactReport | None:
    target = Target(HoldfastError(reason, "it is not there", "make it"))
    monkeypatch.setattr(restore_check.choose, "source", lambda *_: target)
    task = CheckTask.model_construct(mode=RestoreMode.REPLACE, database=None, s3=None, key_prefix=None)
    context: Any = SimpleNamespace(log=SimpleNamespace(line=lambda *_, **__: None))
    return restore_check.run(task, context).impact


def test_a_target_that_is_not_there_is_no_failure(monkeypatch: pytest.MonkeyPatch):
    found = looked(monkeypatch, Reason.DATABASE_NOT_FOUND)
    assert found is not None
    assert (found.present, found.size_bytes) == (False, None)


def test_whatever_else_keeps_us_from_it_is_one(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(HoldfastError):
        looked(monkeypatch, Reason.AUTHENTICATION_FAILED)
