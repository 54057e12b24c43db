"""`python -m tests.mutants [decide/outcome.py …]`: copies the working tree, and tries the faults in the copy."""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from tests.mutants import tree

ROOT = Path(__file__).parents[2]


def main() -> NoReturn:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Which faults does no test notice?")
    parser.add_argument("only", nargs="*", default=tree.DEFAULT, metavar="MODULE", help="as decide/outcome.py or kube")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--work", type=Path, default=ROOT / ".mutants", help="where copies and results are kept")
    arguments = parser.parse_args()
    place = arguments.work / "tree"
    tree.copy(ROOT, place)
    environment = os.environ | {"PYTHONPATH": str(place / "operator"), "PYTHONHASHSEED": "0"}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [
        sys.executable,
        "-m",
        "tests.mutants.driver",
        "--work",
        str(arguments.work),
        "--workers",
        str(arguments.workers),
    ]
    os.chdir(place)
    os.execve(sys.executable, [*command, *arguments.only], environment)


if __name__ == "__main__":
    main()
