"""`python -m tests.demo up` and `down`. A failure is said in a few lines, with what to do; its exit code is 1."""

import argparse
import subprocess
import sys

from tests.cluster.errors import ClusterError
from tests.demo import journey
from tests.demo.errors import DemoError
from tests.demo.narrator import Narrator
from tests.stack import KubectlError

INTERRUPTED = 130


def main() -> int:
    arguments = _parser().parse_args()
    narrator = Narrator()
    try:
        if arguments.command == "up":
            journey.up(narrator)
        else:
            journey.down(narrator, keep_cluster=arguments.keep_cluster)
    except (DemoError, ClusterError, KubectlError, subprocess.CalledProcessError) as error:
        narrator.failed(str(error), "make demo")
        return 1
    except KeyboardInterrupt:
        narrator.failed("interrupted", "make demo")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description="Holdfast, shown on a cluster.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="make everything run, take a backup, and show a schedule")
    down = commands.add_parser("down", help="remove everything")
    down.add_argument("--keep-cluster", action="store_true", help="remove only what was put into the cluster")
    return parser


if __name__ == "__main__":
    sys.exit(main())
