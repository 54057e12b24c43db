"""For each fault of one module: which tests may notice it, the likeliest first."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.mutants import reach, tree
from tests.mutants.changes import mutants_of
from tests.mutants.noticing import Noticing, file_of
from tests.mutants.source import Mutant, Source

# Seconds of tests for one fault: what is beyond is not asked. On a busy machine each test takes several times its own.
LONGEST = 60.0
PATIENCE = 20.0  # seconds beyond what a test may take, before a fault counts as one that hangs


@dataclass
class Plan:
    """One module's faults."""

    module: str
    source: Source
    mutants: list[Mutant]
    tests: dict[str, list[str]] = field(default_factory=dict)
    inside: list[Mutant] = field(default_factory=list)  # of functions: they are put into those that are there
    anew: list[Mutant] = field(default_factory=list)  # what an import runs
    twice: set[str] = field(default_factory=set)  # of those inside functions: what an import runs, too
    never: list[Mutant] = field(default_factory=list)  # no test runs them

    def limit(self, mutant: Mutant, seconds: dict[str, float]) -> float:
        """How long its tests may take before it counts as one that hangs: machines are busy at times."""
        return patience(sum(seconds.get(test, 0.0) for test in self.tests[mutant.id]))


def patience(seconds: float) -> float:
    """How long something may take that took so long without a fault."""
    return PATIENCE + 5 * seconds


def plan(root: Path, module: str, known: Noticing) -> Plan:
    text = (root / tree.PACKAGE / module).read_text()
    made = Plan(module, Source(text), mutants_of(module, text))
    has_functions = any(mutant.function for mutant in made.mutants)
    own = reach.those_that_import(root, {file_of(test) for test in known.seconds}, module)
    for mutant in made.mutants:
        at_import = mutant.function is None
        tests = (
            _who_reads(root, mutant, known, has_functions=has_functions)
            if at_import
            else known.of_lines(module, mutant.lines)
        )
        made.tests[mutant.id] = _in_order(module, own, tests - {""}, known.seconds)
        if not made.tests[mutant.id]:
            made.never.append(mutant)
        else:
            (made.anew if at_import else made.inside).append(mutant)
            made.twice |= {mutant.id} if "" in tests else set()
    return made


def near(module: str, test: str) -> bool:
    """Whether a test stands in a file that is named after the module or its folder."""
    folder, _, name = module.removesuffix(".py").rpartition("/")
    file = Path(file_of(test)).stem
    return file.endswith(name) or file.startswith(f"test_{folder.replace('/', '_')}_{name}")


def _who_reads(root: Path, mutant: Mutant, known: Noticing, *, has_functions: bool) -> set[str]:
    """The tests of all lines, anywhere, that use one of the names that this statement gives, and those named after it.

    A model's field is read by no line of ours where all of the model is read: the tests named after its module know of
    it all the same. Of a module without functions no test runs a line: who uses the name is asked, whatever else it is.
    """
    whole = known.of_module(mutant.module)
    named = {test for test in known.seconds if near(mutant.module, test)} - set(known.failed)
    if not mutant.names:
        return whole | named
    found: set[str] = set()
    for path in (root / tree.PACKAGE).rglob("*.py"):
        numbered = enumerate(path.read_text().splitlines(), 1)
        lines = frozenset(n for n, line in numbered if any(name in line for name in mutant.names))
        found |= known.of_lines(str(path.relative_to(root / tree.PACKAGE)), lines)
    return ((found & whole if has_functions else found) | named) or whole


def _in_order(module: str, own: set[str], tests: set[str], seconds: dict[str, float]) -> list[str]:
    """Those that are named after the module first, then those whose file imports it, then the quickest."""

    def order(test: str) -> tuple[bool, bool, float, str]:
        return not near(module, test), file_of(test) not in own, seconds.get(test, 0.0), test

    chosen, spent = [], 0.0
    for test in sorted(tests, key=order):
        spent += seconds.get(test, 0.0)
        if chosen and spent > LONGEST:
            break
        chosen.append(test)
    return chosen
