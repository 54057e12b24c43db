"""A pytest plugin for `make matrix`: runs each test that has a case marked `matrix`, and writes the page of the docs.

    python -m pytest -p tests.matrix --matrix-table=docs/matrix.md

All cases of such a test are run, also those that `make test` runs: the page has each product whole. It is in the order
of the files and of the tests in them, so that two runs differ only in what they found. A test gives a
figure of its own by `record_property("seconds", 12.3)`.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path

import pytest

from holdfast import clock

VERSION_LABELS = ("dev.holdfast.client.version", "dev.holdfast.server.version")
INTRODUCTION = """\
# The matrix

The full product of engines, versions, formats and faults, on real servers in containers: `make test` has time for a cut
of it only. `make matrix` runs all of it and writes this page.

The last run was on {day}; {passed} of {total} cases passed. It was made of {trees} (the folders as Git names them);
`python -m tests.matrix` says what has changed in them since, as `make check` does.

"""
# What the page speaks of: the program, its images, and the tests that made it.
FOLDERS = ("operator", "images", "tests/images", "tests/integration")


@dataclass
class Row:
    """One test."""

    about: str
    promise: str
    case: str
    outcome: str = "not run"
    figures: list[tuple[str, object]] = field(default_factory=list)


class Matrix:
    """Collects the rows of one run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, Row] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        products = {_function(item) for item in items if item.get_closest_marker("matrix")}
        config.hook.pytest_deselected(items=[item for item in items if _function(item) not in products])
        items[:] = [item for item in items if _function(item) in products]
        for item in items:
            if isinstance(item, pytest.Function):
                about = (item.module.__doc__ or item.path.stem).strip().partition("\n")[0].rstrip(".")
                promise = item.originalname.removeprefix("test_").replace("_", " ")
                case = item.callspec.id if hasattr(item, "callspec") else ""
                self._rows[item.nodeid] = Row(about, promise, case)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        row = self._rows.get(report.nodeid)
        if row is None or (report.when != "call" and report.passed):
            return
        row.outcome = "passed" if report.passed and row.outcome != "FAILED" else "FAILED"
        row.figures = report.user_properties

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(page(list(self._rows.values()), versions(), clock.now(), trees()))


def _function(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def page(rows: list[Row], images: Mapping[str, str], now: datetime, made_of: Mapping[str, str]) -> str:
    """Return the page."""
    passed = sum(row.outcome == "passed" for row in rows)
    named = ", ".join(f"`{folder}` {tree}" for folder, tree in made_of.items())
    head = INTRODUCTION.format(day=f"{now:%-d %B %Y}", passed=passed, total=len(rows), trees=named)
    parts = [head, *_table(("image", "version"), sorted(images.items()))]
    for about, of_file in groupby(rows, key=lambda row: row.about):
        parts.append(f"\n## {about}\n")
        for promise, of_test in groupby(of_file, key=lambda row: row.promise):
            parts.append(f"\n{promise[0].upper()}{promise[1:]}:\n\n")
            parts += _table(("case", "outcome", "measured"), map(_cells, of_test))
    return "".join(parts)


def _cells(row: Row) -> tuple[str, ...]:
    return row.case, row.outcome, ", ".join(f"{name} {value}" for name, value in row.figures)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [heads, ("---",) * len(heads), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines]


def versions() -> dict[str, str]:
    """Return the images with an engine's programs that the container daemon has, each with its package's version."""
    filters = [item for of in ("runner", "test") for item in ("--filter", f"reference=holdfast-{of}-*")]
    named = _docker("image", "ls", *filters, "--format", "{{.Repository}}:{{.Tag}}").split()
    labels = "".join(f'{{{{with index .Config.Labels "{label}"}}}}{{{{.}}}}{{{{end}}}}' for label in VERSION_LABELS)
    found = {image: _docker("image", "inspect", "--format", labels, image).strip() for image in named}
    return {image: version for image, version in found.items() if version}


def trees() -> dict[str, str]:
    """Return what Git calls each folder as it is; `+` where something in it is not committed."""
    return {
        folder: _git("rev-parse", "--short=12", f"HEAD:{folder}") + ("+" if _git("status", "-s", "--", folder) else "")
        for folder in FOLDERS
    }


def since(text: str) -> str:
    """Say in a line what has changed in the folders since a page was made of them."""
    made_of = dict(re.findall(r"`([\w/]+)` ([0-9a-f]{12}\+?)", text))
    if not made_of:
        return "docs/matrix.md does not say what it was made of: `make matrix` makes it anew"
    changed = [
        _difference(folder, made_of.get(folder, "")) for folder, tree in trees().items() if made_of.get(folder) != tree
    ]
    if not changed:
        return "docs/matrix.md is of the program, the images and the tests as they are"
    return f"docs/matrix.md is older than {', '.join(changed)}: before a release, `make matrix` makes it anew"


def _difference(folder: str, tree: str) -> str:
    """Name a folder, and how many of its files differ, where the old ones are still known."""
    done = subprocess.run(
        ["git", "diff", "--name-only", tree.rstrip("+"), f"HEAD:{folder}"], capture_output=True, text=True, check=False
    )
    return f"{folder} ({len(done.stdout.splitlines())} files)" if done.returncode == 0 and tree else folder


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--matrix-table", type=Path, metavar="FILE", help="write what was found to FILE, Markdown")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--matrix-table")
    if path is not None:
        config.pluginmanager.register(Matrix(path))


if __name__ == "__main__":
    print(since(Path("docs/matrix.md").read_text()))
