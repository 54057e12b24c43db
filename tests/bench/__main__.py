"""`make bench`: measure everything, print a table, write .bench/latest.json."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench import cluster, due, dump, lives, mysql, operator, planning, restore, restore_mysql, sweep
from tests.bench.figures import LATEST, Figure, show, write


def own(only: Sequence[str]) -> list[Figure]:
    """Measure the processor time of Holdfast's own process, of each engine."""
    return [*dump.own(only), *mysql.own(only)]


PARTS = {
    "dump": dump.measure,
    "mysql": mysql.mysql,
    "mariadb": mysql.mariadb,
    "own": own,
    "memory": dump.memory,
    "restore": restore.measure,
    "restore-mysql": restore_mysql.mysql,
    "restore-mariadb": restore_mysql.mariadb,
    "switch": restore.switch,
    "cluster": cluster.measure,
    "plan": planning.measure,
    "due": due.measure,
    "settled": operator.settled_backups,
    "policies": operator.policies_and_backups,
    "lives": lives.measure,
    "sweep": sweep.measure,
}
# measured only where it is named: ten thousand resources take minutes to create
OPERATOR = ("plan", "due", "lives", "sweep", "settled", "policies")


def main() -> None:
    """Measure the parts named, or all but what is only measured when it is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        choices=[[], *PARTS, "operator"],
        help=f"what to measure; operator: {', '.join(OPERATOR)}; default: all but these",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="of the dumps, those whose name has TEXT; repeatable",
    )
    parser.add_argument("--output", type=Path, default=LATEST, metavar="FILE", help="where the figures go")
    said = parser.parse_args()
    figures: list[Figure] = []
    for part in _named(said.parts):
        figures += PARTS[part](said.only)
        show(figures)
        write(figures, said.output)  # at once: what was measured is kept, whatever becomes of the rest


def _named(parts: Sequence[str]) -> Iterator[str]:
    for part in parts or [part for part in PARTS if part not in OPERATOR]:
        yield from OPERATOR if part == "operator" else [part]


if __name__ == "__main__":
    main()
