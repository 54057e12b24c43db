"""The page of the matrix has every case in its order, what came of it, and the versions it ran with."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from tests import matrix
from tests.builders import NOW
from tests.matrix import Row, page


def test_the_page_has_a_table_for_each_promise_in_the_order_of_the_tests():
    rows = [
        Row("Versions", "a newer server is refused", "server 18, client 17", "passed"),
        Row(
            "Versions", "a dump comes back", "server 17, client 17", "passed", [("seconds", 1.2), ("memory", "90 MiB")]
        ),
        Row("Versions", "a dump comes back", "server 15 | 16, client 17", "FAILED"),
        Row("Faults", "nothing is left", ""),
    ]
    text = page(rows, {"holdfast-runner-postgres:17": "17.12-0+deb13u1"}, NOW, {"operator": "0123456789ab"})
    assert "on 22 November 2026; 2 of 4 cases passed" in text
    assert "made of `operator` 0123456789ab (the folders" in text
    assert "| holdfast-runner-postgres:17 | 17.12-0+deb13u1 |" in text
    told = [line for line in text.splitlines() if line.startswith(("## ", "A ", "Nothing ", "| server", "|  |"))]
    assert told == [
        "## Versions",
        "A newer server is refused:",
        "| server 18, client 17 | passed |  |",
        "A dump comes back:",
        "| server 17, client 17 | passed | seconds 1.2, memory 90 MiB |",
        "| server 15 \\| 16, client 17 | FAILED |  |",
        "## Faults",
        "Nothing is left:",
        "|  | not run |  |",
    ]


CASES = '''"""What is tried here. More of it."""

import pytest

@pytest.mark.parametrize("n", [pytest.param(2, marks=pytest.mark.matrix), 1, 3], ids=["two", "one", "three"])
def test_of_a_number(n, record_property):
    record_property("n", n)
    assert n < 3

@pytest.fixture
def broken():
    yield
    raise OSError

@pytest.mark.matrix
def test_of_what_comes_after(broken):
    pass
'''


def test_a_run_has_every_case_of_a_test_of_which_one_is_marked_and_nothing_of_other_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(matrix, "versions", dict)
    monkeypatch.setattr(matrix, "trees", dict)
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.delenv(name, raising=False)  # of whoever runs this test
    (tmp_path / "test_cases.py").write_text(CASES)
    (tmp_path / "test_others.py").write_text("def test_other(): pass\n")
    table, config = tmp_path / "matrix.md", tmp_path / "pytest.ini"
    config.write_text("[pytest]\nmarkers = matrix: x\nasyncio_default_fixture_loop_scope = function\n")
    options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-c", str(config), f"--matrix-table={table}"]

    code = pytest.main([*options, str(tmp_path)], plugins=[matrix])

    assert code == pytest.ExitCode.TESTS_FAILED
    assert [line for line in table.read_text().splitlines() if line.startswith("| ") and "case" not in line][2:] == [
        "| --- | --- | --- |",
        "| two | passed | n 2 |",
        "| one | passed | n 1 |",
        "| three | FAILED | n 3 |",
        "| --- | --- | --- |",
        "|  | FAILED |  |",
    ]
    assert "## What is tried here" in table.read_text()


THEN = {"operator": "0123456789ab", "tests/integration": "ba9876543210"}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        pytest.param(THEN, "is of the program, the images and the tests as they are", id="nothing"),
        pytest.param(THEN | {"operator": "ffffffffffff"}, "is older than operator (2 files): before", id="a folder"),
        pytest.param(
            THEN | {"operator": "0123456789ab+"}, "is older than operator (2 files): before", id="uncommitted"
        ),
        pytest.param(THEN | {"images": "ffffffffffff"}, "is older than images: before", id="a folder of later"),
    ],
)
def test_the_page_is_told_to_be_older_than_what_has_changed_since(
    monkeypatch: pytest.MonkeyPatch, now: dict, said: str
):
    monkeypatch.setattr(matrix, "trees", lambda: now)
    monkeypatch.setattr(matrix.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0, stdout="a\nb\n"))
    assert said in matrix.since(page([], {}, NOW, THEN))


def test_a_page_that_does_not_say_what_it_was_made_of_is_told_so():
    assert "does not say what it was made of" in matrix.since("# The matrix\n")
