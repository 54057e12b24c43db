"""A fault that takes effect at import: a process that imports the program anew, with the faulty module in it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.mutants import tree
from tests.mutants.noticing import NOTICED, OPTIONS, SURVIVED, file_of
from tests.mutants.plan import Plan, near
from tests.mutants.source import Mutant


def attempt(root: Path, plan: Plan, mutant: Mutant) -> Callable[[Path], int]:
    """Run first what is named after the module: most faults show there, and a file costs more than its tests."""

    def work(slot: Path) -> int:
        stamp = 1_000_000_000 + os.getpid()  # no other copy has it
        place = tree.beside(slot, root, plan.module, plan.source.with_change(mutant), stamp)
        sys.path.insert(0, str(place))
        os.environ["PYTHONPATH"] = str(place)
        tests = plan.tests[mutant.id]
        for wanted in (
            [test for test in tests if near(plan.module, test)],
            [test for test in tests if not near(plan.module, test)],
        ):
            if wanted and _code(slot, wanted) != pytest.ExitCode.OK:
                return NOTICED
        return SURVIVED

    return work


def _code(slot: Path, wanted: list[str]) -> int:
    files = dict.fromkeys(file_of(test) for test in wanted)
    return pytest.main([*OPTIONS, "-x", *files], plugins=[_First(slot, wanted)])


class _First:
    """A pytest plugin: only the wanted tests, and a word about the first that failed."""

    def __init__(self, slot: Path, wanted: list[str]) -> None:
        self._slot = slot
        self._wanted = {test: place for place, test in enumerate(wanted)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self._wanted]
        items[:] = sorted(chosen, key=lambda item: self._wanted[item.nodeid])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            (self._slot / "said").write_text("it cannot be imported")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            (self._slot / "said").write_text(report.nodeid)
