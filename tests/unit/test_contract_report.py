"""The report: whatever it says, it fits a termination message and can be read back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.contract import report
from holdfast.contract.manifest import ManifestMigrations
from holdfast.contract.paths import MAX_REPORT_BYTES
from holdfast.contract.report import BackupReport, FailureReport, MigrationsReport, Outcome, Report

NOW = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)
TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=6000)


def a_report(**changes):
    fields = {
        "kind": "backup", "outcome": Outcome.FAILED, "started_at": NOW, "completed_at": NOW, "duration_seconds": 1.5,
    }  # fmt: skip
    return Report(**(fields | changes))


def a_failure(message="m", remedy="r"):
    return FailureReport(reason="DumpFailed", exit_code=7, message=message, remedy=remedy)


@given(message=TEXT, remedy=TEXT, said=st.none() | TEXT, warnings=st.lists(TEXT, max_size=20))
def test_any_text_fits_and_is_read_back(message, remedy, said, warnings):
    written = a_report(failure=a_failure(message, remedy), message=said, warnings=warnings).to_bytes()
    assert len(written) <= MAX_REPORT_BYTES
    read = report.parse(written.decode())
    assert read is not None
    assert read.failure is not None
    assert read.failure.reason == "DumpFailed"
    assert message.startswith(read.failure.message.removesuffix("…"))


@pytest.mark.parametrize("character", ["\x00", "\x1f", "ü", "桜", "🦊", '"', "\\"])
def test_the_longest_text_of_the_worst_character_fits(character):
    worst = character * 5000
    written = a_report(failure=a_failure(worst, worst), message=worst, warnings=[worst] * 20).to_bytes()
    assert len(written) <= MAX_REPORT_BYTES
    assert report.parse(written.decode()) is not None


def test_the_facts_of_a_backup_are_never_shortened():
    backup = BackupReport(
        backup_id="backup-20261122-084500", artifact_key="k" * 1024, size_bytes=1, uncompressed_bytes=2,
        sha256="a" * 64,
        tool_version="pg_dump 17.5", server_version="PostgreSQL 17.5", integrity_check="passed",
        file_readable="end of dump seen", verified_at=NOW, tables=5000, rows=2**63, schema_sha256="b" * 64,
        migrations=MigrationsReport.of(
            ManifestMigrations(tool="Liquibase", table="t", applied_count=2**31, last="桜" * 9000, failed=["x"] * 99)
        ),
    )  # fmt: skip
    written = a_report(outcome=Outcome.SUCCEEDED, backup=backup, warnings=["w" * 3000] * 9).to_bytes()
    assert len(written) <= MAX_REPORT_BYTES
    read = report.parse(written.decode())
    assert read is not None
    assert read.backup == backup


def test_a_short_report_is_written_as_it_is():
    written = a_report(failure=a_failure("what happened", "what to do"), warnings=["w"])
    assert report.parse(written.to_bytes().decode()) == written


@pytest.mark.parametrize("text", ["", "Killed", "{}", "[]", '{"version": 99}'])
def test_what_is_no_report_is_told_from_one(text):
    assert report.parse(text) is None
