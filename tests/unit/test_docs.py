"""The docs say what the code says: every reason, exit code and metric is explained, every link leads somewhere."""

import re
from pathlib import Path

import pytest
from tests import yaml_text
from tests.integration.runner.faults_page import EVERY
from tests.integration.runner.restore_faults import FAULTS as OF_RESTORES

from holdfast import errors
from holdfast.api.conditions import ConditionType
from holdfast.errors import EXIT_CODES, ExitCode, Reason

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FAILURES = (DOCS / "reference/failures.md").read_text()
CODES = (DOCS / "reference/exit-codes.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
ROW = re.compile(r"^\| `(\w+)` \|(.*)\|$", re.MULTILINE)
SECTION = re.compile(r"^## .*?exit code (\d+)", re.IGNORECASE)


def sections() -> dict[str, str]:
    """Each section of failures.md by its heading."""
    parts = re.split(r"^(## .*)$", FAILURES, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented() -> dict[str, int | None]:
    """Each reason of the tables, with the exit code that its section or its row gives it."""
    found: dict[str, int | None] = {}
    for heading, body in sections().items():
        of_section = SECTION.match(heading)
        for name, cells in ROW.findall(body):
            in_row = re.match(r"\s*(\d+)\s*\|", cells)
            code = of_section or in_row
            found[name] = int(code[1]) if code else None
    return found


@pytest.mark.parametrize("reason", Reason, ids=str)
def test_every_reason_is_explained_with_its_exit_code(reason: Reason):
    code = EXIT_CODES.get(reason)
    assert documented().get(reason, "missing") == (None if code is None else int(code))


def test_each_fault_is_told_with_its_reasons_own_exit_code():
    faults = [*EVERY, *OF_RESTORES]
    assert [fault.name for fault in faults if fault.reason and EXIT_CODES[Reason(fault.reason)] != fault.code] == []
    assert len({fault.name for fault in faults}) == len(faults)


def test_no_reason_is_explained_that_does_not_exist():
    assert documented().keys() <= set(map(str, Reason))


@pytest.mark.parametrize("code", ExitCode, ids=lambda code: code.name)
def test_every_exit_code_is_explained_by_its_name(code: ExitCode):
    name = code.name.title().replace("_", "")
    assert re.search(rf"^\| {int(code)} \| {name} \| \S", CODES, re.MULTILINE)


@pytest.mark.parametrize("code", errors.FINAL_EXIT_CODES, ids=lambda code: code.name)
def test_a_code_that_ends_the_job_is_said_not_to_be_tried_again(code: ExitCode):
    row = re.search(rf"^\| {int(code)} \|.*$", CODES, re.MULTILINE)
    assert row is not None
    assert row[0].endswith("| no |")


def metrics() -> list[str]:
    """The names of all metrics in the source; counters and infos get their ending from the library."""
    endings = {"Counter": "", "Info": "_info", "InfoMetricFamily": "_info"}
    kinds = "Counter|Gauge|Histogram|Info|GaugeMetricFamily|CounterMetricFamily|InfoMetricFamily"
    named = re.compile(rf'\b({kinds})\(\s*"(holdfast_\w+)"')
    sources = (ROOT / "operator/holdfast").rglob("*.py")
    return sorted({name + endings.get(kind, "") for path in sources for kind, name in named.findall(path.read_text())})


def test_every_metric_is_explained_and_none_besides():
    page = (DOCS / "how-to/observe.md").read_text()
    assert sorted(set(re.findall(r"^\| `(holdfast_\w+)` \|", page, re.MULTILINE))) == metrics()
    assert len(metrics()) > 5


def test_every_condition_is_named_in_a_how_to():
    pages = " ".join(page.read_text() for page in PAGES if "how-to" in page.parts)
    assert [name for name in ConditionType if f"`{name}`" not in pages] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_that_is_there(page: Path):
    targets = [link.partition("#")[0] for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", [ROOT / "CONTRIBUTING.md", DOCS / "architecture.md"], ids=lambda page: page.stem)
def test_every_path_that_a_page_names_is_there(page: Path):
    named = re.findall(r"`((?:operator/holdfast|tests|docs|charts|images|crds)/[\w./*-]*)`", page.read_text())
    assert len(named) > 10
    assert [name for name in named if not list(ROOT.glob(name.rstrip("/")))] == []


def test_the_index_names_every_page_of_the_docs():
    index = (DOCS / "README.md").read_text()
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in LINK.findall(index) if "://" not in link}
    pages = {page for page in DOCS.rglob("*.md") if page.name != "README.md" and "adr" not in page.parts}
    assert sorted(str(page.relative_to(DOCS)) for page in pages - listed) == []


def test_the_readme_shows_the_quickstart_that_the_demo_applies():
    shown = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    applied = (DOCS / "examples/quickstart.yaml").read_text()
    assert list(yaml_text.load_all(shown[1])) == list(yaml_text.load_all(applied))


def test_each_decision_is_dated_and_has_its_four_parts():
    for record in sorted((DOCS / "adr").glob("*.md")):
        text = record.read_text()
        number = int(record.name[:4])
        assert text.startswith(f"# {number}. "), record.name
        assert re.search(r"^20\d\d-\d\d-\d\d", text, re.MULTILINE), record.name
        for part in ("Context", "Decision", "Alternatives", "Consequences"):
            assert f"\n## {part}\n" in text, f"{record.name}: no {part}"


def promises() -> list[tuple[str, list[str]]]:
    """Each row of docs/promises.md: what is promised, and the tests that it names."""
    rows = re.findall(r"^\| (.+?) \| (`tests/.+?) \|$", (DOCS / "promises.md").read_text(), re.MULTILINE)
    return [(promise, re.findall(r"`(tests/[^`]+)`", cell)) for promise, cell in rows]


def as_read(text: str) -> str:
    """What a reader sees of a page's text: without marks, links' targets and line breaks."""
    return " ".join(re.sub(r"\]\([^)]*\)|[\[*]", "", text).split())


def test_every_promise_of_the_readme_is_among_the_promises():
    section = (ROOT / "README.md").read_text().partition("## What you can rely on")[2].partition("\n## ")[0]
    bullets = [as_read(bullet) for bullet in re.split(r"^- ", section, flags=re.MULTILINE)[1:]]
    said = [[promise for promise, _ in promises() if promise in bullet] for bullet in bullets]
    assert [bullet for bullet, found in zip(bullets, said, strict=True) if not found] == []
    assert [promise for promise, _ in promises() if not any(promise in bullet for bullet in bullets)] == []


@pytest.mark.parametrize(("promise", "tests"), promises(), ids=[promise for promise, _ in promises()])
def test_each_promise_names_tests_that_are_there(promise: str, tests: list[str]):
    files = {test: ROOT / test.partition("::")[0] for test in tests}
    defined = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
    assert tests, promise
    assert [
        test for test, file in files.items() if test.partition("::")[2] not in defined.findall(file.read_text())
    ] == []
