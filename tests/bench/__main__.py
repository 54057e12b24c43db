"""`make bench`: measure everything, print a table, write .bench/latest.json."""

import argparse
from pathlib import Path

from tests.bench import cluster, dump, mysql
from tests.bench.figures import LATEST, Figure, show, write

PARTS = {
    "dump": dump.measure,
    "mysql": mysql.mysql,
    "mariadb": mysql.mariadb,
    "memory": dump.memory,
    "cluster": cluster.measure,
}


def main() -> None:
    """Measure the parts named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to measure; default: everything")
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
    for part in said.parts or PARTS:
        figures += PARTS[part](said.only)
        show(figures)
        write(figures, said.output)  # at once: what was measured is kept, whatever becomes of the rest


if __name__ == "__main__":
    main()
