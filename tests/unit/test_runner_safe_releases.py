"""A tool with known security faults is warned of, by the release that mends them."""

from pathlib import Path

import pytest

from holdfast.runner.engines.safe_releases import SAFE, warnings

HOW_TO = Path(__file__).parents[2] / "docs/how-to/back-up-postgresql.md"


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("pg_dump 17.11", "fixed in 17.12"),
        ("pg_dump 17.9", "fixed in 17.12"),
        ("pg_dump 18.6", "fixed in 18.7"),
        ("pg_dump 13.23", "no longer gets security fixes"),
        ("pg_dump 9.6.24", "no longer gets security fixes"),
    ],
)
def test_a_release_below_the_first_safe_one_is_warned_of(version: str, says: str):
    (warning,) = warnings("pg_dump", version)
    assert says in warning
    assert version in warning


@pytest.mark.parametrize(
    "version", ["pg_dump 17.12", "pg_dump 17.13", "pg_dump 15.20", "pg_dump 19.0", "pg_dump 19beta1"]
)
def test_a_safe_release_is_not(version: str):
    assert warnings("pg_dump", version) == []


def test_of_a_tool_without_a_table_nothing_is_said():
    assert warnings("cp", "cp 1.0") == []


def test_the_table_of_postgresql_is_the_one_that_the_docs_show():
    page = HOW_TO.read_text()
    assert [release for release in SAFE["pg_dump"] if f"| {release[0]} | {release[0]}.{release[1]} |" not in page] == []
