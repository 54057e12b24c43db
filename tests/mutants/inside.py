"""A fault inside a function: it is put into the function that is there already.

One process collects all tests; each fault then costs a fork and the tests that may notice it.
"""

import gc
import os
import signal
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from tests.mutants import tree
from tests.mutants.forks import Done, Forks
from tests.mutants.noticing import NOTICED, OPTIONS, SURVIVED, UNFIT, file_of
from tests.mutants.plan import Plan, patience
from tests.mutants.source import Mutant

Job = tuple[Plan, Mutant]
Functions = dict[tuple[str, str], list[types.FunctionType]]


def attempt(
    root: Path, forks: Forks, jobs: list[Job], seconds: dict[str, float], tell: Callable[[Done], None]
) -> Callable[[Path], int]:
    def work(slot: Path) -> int:
        files = sorted({file_of(test) for plan, mutant in jobs for test in plan.tests[mutant.id]})
        loop = _Loop(root, forks, jobs, seconds, tell)
        code = pytest.main([*OPTIONS, *files], plugins=[loop])
        if not loop.ended:
            (slot / "said").write_text(f"the tests cannot be collected: pytest ends with {code}")
            return 1
        return 0

    return work


class _Loop:
    """A pytest plugin: in place of its tests, each fault with those that may notice it."""

    def __init__(
        self, root: Path, forks: Forks, jobs: list[Job], seconds: dict[str, float], tell: Callable[[Done], None]
    ) -> None:
        self._root, self._forks, self._jobs, self._seconds, self._tell = root, forks, jobs, seconds, tell
        self.ended = False
        self._noticed: dict[str, dict[str, None]] = {}  # by module: the tests that noticed a fault of it

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        functions = _functions(self._root)

        def jobs() -> Iterator[tuple[object, float, Callable[[Path], int]]]:
            for plan, mutant in self._jobs:
                first = self._noticed.get(plan.module, {})
                tests = sorted(plan.tests[mutant.id], key=lambda test: test not in first)
                wanted = [items[test] for test in tests if test in items]
                yield mutant, plan.limit(mutant, self._seconds), self._work(plan, mutant, wanted, functions)

        for done in self._forks.run(jobs()):
            self._tell(done)
            if isinstance(done.key, Mutant) and done.code == NOTICED:
                self._noticed.setdefault(done.key.module, {})[done.said] = None
        self.ended = True
        return True

    def _work(
        self, plan: Plan, mutant: Mutant, wanted: list[pytest.Item], functions: Functions
    ) -> Callable[[Path], int]:
        def work(slot: Path) -> int:
            path = str(self._root / tree.PACKAGE / plan.module)
            faulty = _code_of(compile(plan.source.with_change(mutant), path, "exec"), mutant.function)
            there = functions.get((path, mutant.function or ""), [])
            if faulty is None or not there or not wanted:
                return UNFIT
            try:
                for function in there:
                    function.__code__ = faulty
            except ValueError:  # other names from around than before
                return UNFIT
            # For the processes that tests start.
            os.environ["PYTHONPATH"] = (
                str(
                    tree.beside(
                        slot, self._root, plan.module, plan.source.with_change(mutant), 1_000_000_000 + os.getpid()
                    )
                )
                if _starts_python(wanted)
                else os.environ["PYTHONPATH"]
            )
            code = _first_failure(wanted, slot, self._seconds)
            return UNFIT if code == SURVIVED and mutant.id in plan.twice else code

        return work


def _starts_python(items: Iterable[pytest.Item]) -> bool:
    return any("sys.executable" in Path(path).read_text() for path in {item.path for item in items})


def _functions(root: Path) -> Functions:
    """The program's functions that are there, by file and name; also those behind decorators."""
    package = str(root / tree.PACKAGE)
    gc.unfreeze()  # what is frozen is not listed
    found: Functions = {}
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType) and thing.__code__.co_filename.startswith(package):
            found.setdefault((thing.__code__.co_filename, thing.__code__.co_qualname), []).append(thing)
    gc.collect()
    gc.freeze()
    return found


def _code_of(code: types.CodeType, name: str | None) -> types.CodeType | None:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            if constant.co_qualname == name:
                return constant
            if found := _code_of(constant, name):
                return found
    return None


def _first_failure(items: list[pytest.Item], slot: Path, seconds: dict[str, float]) -> int:
    """Run them until one fails, or hangs: then the alarm ends this process."""
    watch = _Watch()
    items[0].config.pluginmanager.register(watch)
    for item, following in zip(items, [*items[1:], None], strict=True):
        signal.setitimer(signal.ITIMER_REAL, patience(seconds.get(item.nodeid, 0.0)))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if watch.failed:
            (slot / "said").write_text(watch.failed)
            return NOTICED
    return SURVIVED


class _Watch:
    failed: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = report.nodeid
