"""Which test runs which line, and how long it takes: each file of tests in a process of its own, under coverage."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.mutants import reach
from tests.mutants.forks import Forks
from tests.mutants.tree import PACKAGE

FOLDERS = ("tests/unit", "tests/contract", "tests/stores")
OPTIONS = (
    *("-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", "--capture=sys", "--tb=line"),
    *("-m", "not integration and not e2e and not matrix", "--hypothesis-profile=mutants"),
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),  # of libraries imported beforehand
)
SECONDS_A_FILE = 600
SURVIVED, NOTICED, UNFIT = 0, 1, 3  # how a process that tries a fault ends


@dataclass
class Seen:
    """What one file of tests does."""

    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)  # module, line: tests; "" is at import
    seconds: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


class Noticing:
    """All files together."""

    def __init__(self, files: dict[str, Seen]) -> None:
        self._files = files
        self.seconds = {test: took for seen in files.values() for test, took in seen.seconds.items()}
        self.failed = [test for seen in files.values() for test in seen.failed]
        self._left_out = set(self.failed)  # it would seem to notice everything

    def of_lines(self, module: str, lines: frozenset[int]) -> set[str]:
        """The tests that run one of these lines; the empty name among them says that an import does."""
        return {
            test
            for seen in self._files.values()
            for line, tests in seen.lines.get(module, {}).items()
            if line in lines
            for test in tests
        } - self._left_out

    def of_module(self, module: str) -> set[str]:
        found = {
            test for seen in self._files.values() for tests in seen.lines.get(module, {}).values() for test in tests
        }
        return found - {""} - self._left_out


def look(root: Path, forks: Forks, kept: Path, modules: list[str]) -> Noticing:
    """Run the fast tests of these modules once. What was seen of a file is kept until it or the program change."""
    every = sorted(str(path.relative_to(root)) for folder in FOLDERS for path in (root / folder).glob("test_*.py"))
    files = reach.those_that_may_run(root, every, modules)
    shared = [*sorted((root / "operator").rglob("*.py")), *sorted((root / "tests").glob("*.py"))]
    common = [path.read_bytes() for path in shared]
    places = {file: kept / f"{digest([file.encode(), (root / file).read_bytes(), *common])}.json" for file in files}
    kept.mkdir(parents=True, exist_ok=True)
    missing = [file for file in files if not places[file].exists()]

    def jobs() -> Iterator[tuple[object, float, object]]:
        for file in missing:
            yield file, SECONDS_A_FILE, lambda _, file=file: _run(root, file, places[file])

    for done in forks.run(jobs()):  # type: ignore[arg-type]
        if done.code:
            raise SystemExit(f"{done.key} cannot be run: {done.said}")
    fresh = {place.name for place in places.values()}
    for old in kept.iterdir():
        if old.name not in fresh and files == every:
            old.unlink()
    return Noticing({file: _read(place) for file, place in places.items()})


def file_of(test: str) -> str:
    return test.partition("::")[0]


def digest(parts: list[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()[:16]


def _run(root: Path, file: str, place: Path) -> int:
    import coverage

    measuring = coverage.Coverage(data_file=None, source=[str(root / PACKAGE)], config_file=False)
    measuring.set_option("run:disable_warnings", ["no-data-collected", "module-not-imported", "module-not-measured"])
    watch = _Watch(measuring)
    measuring.start()
    code = pytest.main([*OPTIONS, str(root / file)], plugins=[watch])
    measuring.stop()
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}:
        return int(code)
    data = measuring.get_data()
    package = root / PACKAGE
    for name in data.measured_files():
        by_line = {line: tests for line, tests in data.contexts_by_lineno(name).items() if tests}
        watch.seen.lines[str(Path(name).relative_to(package))] = by_line
    place.write_text(json.dumps(vars(watch.seen)))
    return 0


def _read(place: Path) -> Seen:
    seen = Seen(**json.loads(place.read_text()))
    seen.lines = {module: {int(line): tests for line, tests in of.items()} for module, of in seen.lines.items()}
    return seen


class _Watch:
    """A pytest plugin: says to coverage which test runs, and takes its time."""

    def __init__(self, measuring: object) -> None:
        self._measuring = measuring
        self.seen = Seen()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._measuring.switch_context(item.nodeid)  # type: ignore[attr-defined]
        result = yield
        self._measuring.switch_context("")  # type: ignore[attr-defined]
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seen.seconds[report.nodeid] = self.seen.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed and report.nodeid not in self.seen.failed:
            self.seen.failed.append(report.nodeid)
