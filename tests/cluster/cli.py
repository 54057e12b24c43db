"""The command line: `python -m tests.cluster COMMAND`. Progress goes to stderr, what a shell may eval to stdout."""

import argparse
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tests.cluster import api, debian, down, status, tools
from tests.cluster import daemon as daemons
from tests.cluster.errors import ClusterError
from tests.cluster.settings import Settings, from_environment
from tests.cluster.steps import Steps

INTERRUPTED = 130


def export(*, path: Path | None = None, **variables: str) -> str:
    """One line, so that an unquoted `eval $(...)` keeps it whole."""
    words = [f"{name}={shlex.quote(value)}" for name, value in variables.items() if value]
    if path:
        words.append(f'PATH={shlex.quote(str(path))}:"$PATH"')
    return " ".join(["export", *words])


def up(settings: Settings, args: argparse.Namespace) -> None:
    cluster = api.ensure_up(empty=args.empty)
    print(export(KUBECONFIG=str(cluster.kubeconfig)))


def load(settings: Settings, args: argparse.Namespace) -> None:
    steps = Steps(1)
    with steps.step(f"loading {', '.join(args.images)}"):
        api.load(args.images)


def show_status(settings: Settings, args: argparse.Namespace) -> None:
    print(status.table(status.rows(settings)))


def take_down(settings: Settings, args: argparse.Namespace) -> None:
    down.down(settings, Steps(3 if args.cache else 2), with_cache=args.cache)


def env(settings: Settings, args: argparse.Namespace) -> None:
    daemon = api.running_daemon(settings)
    private = {"DOCKER_BUILDKIT": "1"} if daemon.private else {}
    kubeconfig = settings.own_kubeconfig or str(settings.kubeconfig)
    print(export(DOCKER_HOST=daemon.host, **private, KUBECONFIG=kubeconfig, path=settings.tools_dir))


def docker(settings: Settings, args: argparse.Namespace) -> None:
    api.docker(*args.args)


def daemon(settings: Settings, args: argparse.Namespace) -> None:
    steps = Steps(1)
    with steps.step("daemon"):
        daemons.ensure(settings, steps)


def get_tools(settings: Settings, args: argparse.Namespace) -> None:
    steps = Steps(1)
    with steps.step("tools: " + ", ".join(tool.name for tool in tools.ALL)):
        tools.ensure(settings, tools.ALL, steps)
    print(export(path=settings.tools_dir))


def base(settings: Settings, args: argparse.Namespace) -> None:
    steps = Steps(2)
    with steps.step("daemon"):
        found = daemons.ensure(settings, steps)
    with steps.step(f"debian:{args.suite}-slim"):
        image = debian.ensure_base(settings, found, args.suite, steps)
    print(image)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m tests.cluster", description="The test cluster.")
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Settings, argparse.Namespace], None], about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(run=run)
        return added

    starter = command("up", up, "make the cluster run, and print the line that sets KUBECONFIG")
    starter.add_argument("--empty", action="store_true", help="make it anew where an earlier run left something")
    loader = command("load", load, "load images of the daemon into the cluster")
    loader.add_argument("images", nargs="+", metavar="IMAGE")
    command("status", show_status, "show what is there")
    remover = command("down", take_down, "delete the cluster, and stop the daemon if it is our own")
    remover.add_argument("--cache", action="store_true", help="remove everything that was built, too")
    command("env", env, "print the lines a shell evals to use the same daemon, cluster and tools")
    runner = command("docker", docker, "run the daemon's own command line: docker -- ARGS")
    runner.add_argument("args", nargs="*", metavar="ARGS")
    command("daemon", daemon, "make a container daemon run, without a cluster")
    command("tools", get_tools, "make kind, kubectl, helm3 and helm4 available")
    maker = command("base", base, "make debian:SUITE-slim available in the daemon")
    maker.add_argument("suite", choices=debian.SUITES, metavar="SUITE")
    return result


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    # a cancelled CI job sends SIGTERM: end as with Ctrl-C, so that no child outlives the lock that guards it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        args.run(from_environment(), args)
    except ClusterError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        remedy = "check that the cache is yours to write to and the disk not full, or set HOLDFAST_CACHE elsewhere"
        print(f"\nThe operating system refused: {error}; {remedy}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; run the same again to go on", file=sys.stderr)
        return INTERRUPTED
    return 0
