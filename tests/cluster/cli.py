"""The command line: `python -m tests.cluster COMMAND`. Progress goes to stderr, what a shell may eval to stdout."""

import argparse
import shlex
import subprocess
import sys

from tests.cluster import daemon, debian
from tests.cluster.errors import ClusterError
from tests.cluster.lock import locked
from tests.cluster.settings import from_environment
from tests.cluster.steps import Steps


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster")
    sub = parser.add_subparsers(dest="command", required=True)
    sub.add_parser("daemon")
    sub.add_parser("env")
    base = sub.add_parser("base"); base.add_argument("suite", choices=debian.SUITES)
    dk = sub.add_parser("docker"); dk.add_argument("args", nargs="*")
    a = parser.parse_args(argv)
    s = from_environment()
    steps = Steps(2)
    try:
        with locked(s.cache / "lock", lambda pid: steps.say(f"waiting for {pid}")):
            with steps.step("daemon"):
                d = daemon.ensure(s, steps)
            if a.command == "base":
                with steps.step("base"):
                    debian.ensure_base(s, d, a.suite, steps)
        if a.command == "env":
            print(f"export DOCKER_HOST={d.host} DOCKER_BUILDKIT=1 KUBECONFIG={s.kubeconfig} PATH={s.tools_dir}:$PATH")
        if a.command == "docker":
            return subprocess.call([d.cli, *a.args], env=d.environment(s.tools_dir))
    except ClusterError as error:
        print(error, file=sys.stderr); return 1
    return 0
