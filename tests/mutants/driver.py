"""One run, inside the copy of the tree: `python -m tests.mutants` starts it there."""

import argparse
import importlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from tests.mutants import anew, inside, kept, noticing, tree
from tests.mutants.forks import HUNG, Done, Forks
from tests.mutants.kept import NEVER
from tests.mutants.noticing import NOTICED, SURVIVED, UNFIT
from tests.mutants.plan import Plan, plan
from tests.mutants.source import Mutant

# What most tests import and no fault touches: read once, before the first fork.
LIBRARIES = (
    *("boto3", "botocore.session", "coverage", "hypothesis", "kopf", "kubernetes.aio.client", "psycopg", "pydantic"),
    *("prometheus_client", "structlog", "yaml", "isal.igzip", "pyrage", "moto.server", "aiohttp.web", "rich.console"),
)
A_NIGHT = 36000.0


def main() -> int:
    arguments = _arguments()
    root = Path.cwd()
    for name in LIBRARIES:
        importlib.import_module(name)
    started = time.monotonic()
    modules = tree.modules(root, arguments.only)
    known = noticing.look(root, Forks(arguments.work / "tests", arguments.workers), arguments.work / "seen", modules)
    for test in known.failed:
        _say(f"not asked, since it fails without any fault: {test}")
    _say(f"looked at what each test runs in {time.monotonic() - started:.0f} s")
    plans = [plan(root, module, known) for module in modules]
    results = Results(root, arguments.work / "results.jsonl", plans)
    for made in plans:
        for mutant in made.never:
            results.take(mutant, SURVIVED, NEVER)
    _say(f"{sum(len(made.mutants) for made in plans)} faults, {len(results.of)} known from before")
    _try(root, plans, known, arguments, results)
    return _report(plans, results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.driver")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("only", nargs="+")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


class Results:
    """What came of each fault, in a file: what cannot have changed since is not tried again.

    A fault that was noticed stays so while its module and the file of that test are as they were; one that was not,
    while its module and all files that have tests of it are.
    """

    def __init__(self, root: Path, place: Path, plans: list[Plan]) -> None:
        self._root, self._place = root, place
        self._plans = {made.module: made for made in plans}
        self._digests: dict[str, str] = {}
        self.of: dict[str, tuple[int, str]] = {}
        self.read()

    def read(self) -> None:
        wanted = {mutant.id: mutant for made in self._plans.values() for mutant in made.mutants}
        for line in self._place.read_text().splitlines() if self._place.exists() else []:
            key, code, said, stamp = json.loads(line)
            if key in wanted and stamp == self._stamp(wanted[key], code, said):
                self.of[key] = (code, said)

    def take(self, mutant: Mutant, code: int, said: str) -> None:
        if mutant.id not in self.of:
            self.of[mutant.id] = (code, said)
            with self._place.open("a") as file:
                file.write(json.dumps([mutant.id, code, said, self._stamp(mutant, code, said)]) + "\n")

    def _stamp(self, mutant: Mutant, code: int, said: str) -> str:
        tests = [said] if code == NOTICED and "::" in said else self._plans[mutant.module].tests[mutant.id]
        files = [str(tree.PACKAGE / mutant.module), *sorted({noticing.file_of(test) for test in tests})]
        return noticing.digest([self._digest(file).encode() for file in files])

    def _digest(self, file: str) -> str:
        if file not in self._digests:
            path = self._root / file
            self._digests[file] = noticing.digest([path.read_bytes() if path.exists() else b""])
        return self._digests[file]


def _try(
    root: Path, plans: list[Plan], known: noticing.Noticing, arguments: argparse.Namespace, results: Results
) -> None:
    """First all that is inside functions, in the process that has the tests; then what needs an import."""
    folder, count = arguments.work / "tries", arguments.workers
    tell = _Progress(results, os.dup(1), sum(len(made.inside) + len(made.anew) for made in plans))
    jobs = [(made, mutant) for made in plans for mutant in made.inside if mutant.id not in results.of]
    if jobs:
        work = inside.attempt(root, Forks(folder, count), jobs, known.seconds, tell)
        for done in Forks(arguments.work / "collected", 1).run(iter([("", A_NIGHT, work)])):
            if done.code:
                raise SystemExit(done.said)
        results.read()
    unfit = {key for key, (code, _) in results.of.items() if code == UNFIT}
    later = [
        (made, mutant)
        for made in plans
        for mutant in [*made.anew, *made.inside]
        if mutant.id not in results.of or mutant.id in unfit
    ]
    for key in unfit:
        del results.of[key]
    for done in Forks(folder, count).run(
        (mutant, made.limit(mutant, known.seconds) + 60, anew.attempt(root, made, mutant)) for made, mutant in later
    ):
        tell(done)


class _Progress:
    """Takes each result down, and says now and then how far it is."""

    def __init__(self, results: Results, terminal: int, total: int) -> None:
        self._results, self._terminal, self._total = results, terminal, total
        self._said_at = time.monotonic()

    def __call__(self, done: Done) -> None:
        assert isinstance(done.key, Mutant)
        code = NOTICED if done.code not in {SURVIVED, UNFIT} else done.code
        self._results.take(
            done.key, code, "it hangs" if done.code == HUNG else "" if code == SURVIVED else done.said.strip()[:300]
        )
        if time.monotonic() - self._said_at > 30:
            self._said_at = time.monotonic()
            os.write(self._terminal, f"{len(self._results.of)} of {self._total}: {done.key.module}\n".encode())


def _report(plans: Iterable[Plan], results: Results) -> int:
    survivors: dict[str, str] = {}
    total = 0
    for made in plans:
        here = {mutant.id: results.of[mutant.id][1] for mutant in made.mutants if results.of[mutant.id][0] == SURVIVED}
        _say(f"{made.module}: {len(made.mutants)} faults, {len(here)} not noticed, {len(made.never)} never run")
        survivors |= here
        total += len(made.mutants)
    verdict = kept.compare(kept.read(), survivors, [made.module for made in plans])
    _say(
        f"\n{total} faults, {len(survivors)} not noticed: {len(verdict.open)} of them are open, "
        f"and {len(verdict.unexplained)} without a reason"
    )
    for title, ids in (
        ("Write a test that fails, or a reason into tests/mutants/survivors.toml, for:", verdict.unexplained),
        ("Listed in tests/mutants/survivors.toml in vain, a test notices them or the code is gone:", verdict.stale),
    ):
        if ids:
            _say(title)
        for mutant in ids:
            why = f"  # {NEVER}" if survivors.get(mutant) == NEVER else ""
            _say(f"  {json.dumps(mutant, ensure_ascii=False)},{why}")
    return 1 if verdict.unexplained or verdict.stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
