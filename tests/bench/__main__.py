"""`make bench`: measure everything, print a table, write .bench/latest.json."""

import argparse
from pathlib import Path

from tests.bench import cluster, dump, mysql, operator
from tests.bench.figures import LATEST, Figure, show, write

PARTS = {
    "dump": dump.measure,
    "mysql": mysql.mysql,
    "mariadb": mysql.mariadb,
    "memory": dump.memory,
    "cluster": cluster.measure,
    "operator": operator.measure,
}
ASKED_FOR = {"operator"}  # measured only where it is named: ten thousand resources take minutes to create


def main() -> None:
    """Measure the parts named, or all but what is only measured when it is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to measure; default: all but operator")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="of the dumps, those whose name has TEXT, and no counting; repeatable",
    )
    parser.add_argument("--output", type=Path, default=LATEST, metavar="FILE", help="where the figures go")
    said = parser.parse_args()
    figures: list[Figure] = []
    for part in said.parts or [part for part in PARTS if part not in ASKED_FOR]:
        figures += PARTS[part](said.only)
        show(figures)
        write(figures, said.output)  # at once: what was measured is kept, whatever becomes of the rest


if __name__ == "__main__":
    main()
