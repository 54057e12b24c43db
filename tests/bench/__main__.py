"""`make bench`: measure everything, print a table, write .bench/latest.json."""

import argparse

from tests.bench import cluster, dump
from tests.bench.figures import Figure, show, write

PARTS = {"dump": dump.measure, "cluster": cluster.measure}


def main() -> None:
    """Measure the parts named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to measure; default: everything")
    figures: list[Figure] = []
    for part in parser.parse_args().parts or PARTS:
        figures += PARTS[part]()
        show(figures)
    write(figures)


if __name__ == "__main__":
    main()
